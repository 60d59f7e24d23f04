"""The agent's client against the adversarial merchant of spck-conformance 0.4.0 (an outside suite, used as a library:
its own command line crashes). Each scenario is walked by `rukou shop probe`; what it did is judged by the suite's checks."""
import importlib
import json
import os
import pathlib
import subprocess
import sys
import types
import urllib.parse

import pytest

import rukou

SCENARIOS = ["conformant", "bad_signature", "bad_iss", "bad_issuer", "bad_state", "auth_challenge", "mismatched_totals", "discovery_error", "future_config",
             "incremental_scope", "iss_normalized", "misleading_error_description", "oidc_fallback_error", "prebaked_continue_url"]
# What the log of a check must hold, so that an empty log is no pass: operations, or (operation, HTTP status).
HOLDS = {
    "agent.sends_ucp_agent": ["search", "search_page", "get_product", "as_discovery", "authorize", "create_checkout", "complete", "follow_escalation"],
    "agent.follows_escalation": ["complete", "follow_escalation"],
    "agent.verifies_business_signature": ["search"],
    "agent.uses_pkce": ["authorize"],
    "agent.validates_iss": ["authorize"],
    "agent.request_signature_verifies": [("create_checkout", 201), ("complete", 200)],
    "agent.signs_core_components": ["create_checkout", "complete"],
    "agent.signs_body_components": ["create_checkout", "complete"],
    "agent.signs_idempotency_key": ["create_checkout", "complete"],
    "agent.signs_ucp_agent_component": ["create_checkout", "complete"],
    "agent.processes_auth_challenge": [("fetch_gated", 401), ("fetch_gated_retry", 403), ("fetch_gated_retry", 200)],
    "agent.sends_bearer_token": [("fetch_gated_retry", 200)],
    "agent.extracts_challenge_scope": [("fetch_gated_retry", 403), "authorize_gated"],
    "agent.public_client_pkce_proof": [("token", 200)],
    "agent.no_client_secret": [("token", 200)],
    "agent.validates_oauth_state": ["authorize"],
    "agent.validates_issuer_match": [("as_discovery", 200)],
    "agent.aborts_on_discovery_error": [("as_discovery", 500)],
    "agent.no_autocomplete_mismatched_totals": [("create_checkout", 201)],
    "agent.honors_available_instruments": ["create_checkout", "complete"],
    "agent.uses_authorization_code_flow": [("authorize", 200)],
    "agent.uses_advertised_auth_method": [("as_discovery", 200), ("token", 200)],
    "agent.requests_only_derived_scopes": [("authorize", 200)],
    "agent.ignores_future_config": ["as_discovery", ("authorize", 200)],
    "agent.aborts_on_oidc_fallback_error": [("as_discovery", 404), ("oidc_discovery", 500)],
    "agent.no_iss_normalization": ["authorize"],
    "agent.revokes_token_on_unlink": [("token", 200), ("revoke", 200)],
    "agent.owns_authz_request": [("fetch_gated", 401), "authorize_gated"],
    "agent.incremental_scope_only": [("fetch_gated", 403), "authorize_gated", ("fetch_gated_retry", 200)],
    "agent.ignores_error_description": [("fetch_gated_retry", 403), "authorize_gated", ("fetch_gated_retry", 200)],
    "agent.omits_ucp_on_request": ["create_checkout", "complete"],
    "agent.omits_response_only_fields": ["create_checkout", "complete"],
    "agent.omits_checkout_id": ["create_checkout", "complete"],
    "agent.uses_json_content_type": ["search", "create_checkout", "complete"],
    "agent.paginates_by_has_next_page": ["search", "search_page"],
    "agent.sends_valid_search_input": ["search"],
    "agent.selected_option_names_unique": ["get_product"],
    "agent.line_items_create_not_complete": ["create_checkout", "complete"],
    "agent.omits_discounts_on_request": ["create_checkout", "complete"],
    "agent.omits_buyer_on_complete": ["complete"],
    "agent.instrument_has_ids": ["complete"],
    "agent.credential_has_type": ["complete"],
}


def form_or_json(raw):
    """The suite's token endpoint reads JSON; RFC 6749 section 4.1.3 wants a form, and that is what we send."""
    try:
        return json.loads(raw)
    except ValueError:
        return dict(urllib.parse.parse_qsl(raw.decode()))


@pytest.fixture(scope="module")
def suite():
    root = pathlib.Path(importlib.util.find_spec("spck_conformance").submodule_search_locations[0]) / "_bundle/conformance"
    sys.path[:0] = [str(root / "agent"), str(root / "checks"), str(root / "common")]
    sandbox, checks = importlib.import_module("sandbox"), importlib.import_module("agent_checks")
    sandbox.json = types.SimpleNamespace(loads=form_or_json, dumps=json.dumps)
    yield sandbox, checks
    del sys.path[:3]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("agent")


@pytest.fixture(scope="module")
def agent_key(data):
    out = subprocess.run([rukou.RUKOU, "profile", "ucp", "--url", "https://agent.example/ucp", "--data", data], capture_output=True, check=True, timeout=60)
    return json.loads(out.stdout)["keys"][0]


@pytest.fixture(scope="module")
def walked(suite, data, agent_key):
    """Scenario -> (log, report), each walked once."""
    sandbox, _ = suite
    logs = {}

    def walk(scenario):
        if scenario not in logs:
            trace = data / f"{scenario}.json"
            with sandbox.serve(scenario=scenario, agent_jwks=[agent_key]) as (base, _server):
                out = subprocess.run([rukou.RUKOU, "shop", "probe", base, "--query", "teapot", "--pay", "card:escalate_token", "--authorize", "--needs-account", "GET /orders",
                                      "--needs-account", "POST /orders/ord_hist/cancel", "--trace", trace, "--json", "--data", data], capture_output=True, timeout=60)
            assert out.stdout, out.stderr.decode()
            logs[scenario] = (json.loads(trace.read_text()), json.loads(out.stdout))
        return logs[scenario]
    return walk


def holds(log, what):
    op, status = what if isinstance(what, tuple) else (what, None)
    return any(e["op"] == op and (status is None or e["response"]["status"] == status) for e in log)


@pytest.mark.parametrize("check", sorted(HOLDS))
def test_check(suite, walked, check):
    _, checks = suite
    it = next(c for c in checks.CHECKS if c.id == check)
    log, _ = walked(it.scenario)
    missing = [w for w in HOLDS[check] if not holds(log, w)]
    assert not missing, [(e["op"], e["response"]["status"]) for e in log]
    assert it.predicate(log) == checks.CLEAN


def test_every_check_outside_ap2_is_run(suite):
    _, checks = suite
    assert sorted(HOLDS) == sorted(c.id for c in checks.CHECKS if c.scenario != "ap2")
    assert {c.scenario for c in checks.CHECKS} - {"ap2"} <= set(SCENARIOS)


REQUESTS = {"search": "search_request", "search_page": "search_request", "create_checkout": "create_request", "complete": "complete_request"}


@pytest.mark.parametrize("sdk", ["", os.environ.get("UCP_SDK_0_5", str(pathlib.Path.home() / ".cache/rukou/ucp-sdk-0.5.0"))], ids=["2026-04-08", "2026-08-25"])
def test_what_the_client_sends_is_valid(walked, sdk):
    """Every body of ours of a kind that the SDK has a type for, in each version's types."""
    log, _ = walked("conformant")
    said = [{"kind": REQUESTS[e["op"]], "body": e["request"]["body"]} for e in log if e["op"] in REQUESTS]
    assert {m["kind"] for m in said} == set(REQUESTS.values())
    r = subprocess.run([sys.executable, rukou.ROOT / "tests/conformance/judge.py"], input="\n".join(map(json.dumps, said)), capture_output=True, text=True,
                       env={**os.environ, "PYTHONPATH": sdk})
    assert r.returncode == 0 and r.stdout.startswith(f"{len(said)} messages, 0 invalid"), r.stdout + r.stderr


def test_a_merchant_is_added_listed_and_removed(suite, tmp_path):
    sandbox, _ = suite
    d = tmp_path / "d"
    with sandbox.serve() as (base, _server):
        added = rukou.run("shop", "add", base + "/some/page", "--json", data=d)
        assert added.returncode == 0, added.stderr
        shop = json.loads(added.stdout)
        assert (shop["origin"], shop["version"], shop["ok"], shop["sandbox"], shop["linked"]) == (base, "2026-04-08", True, False, False)
        again = rukou.run("shop", "add", base, data=d)
        assert again.returncode != 0 and "added before" in again.stderr
        listed = json.loads(rukou.run("shop", "list", "--shops", base, "--json", data=d).stdout)
        assert [s["origin"] for s in listed] == [base] and listed[0]["ok"]
    listed = json.loads(rukou.run("shop", "list", "--shops", base, "--json", data=d).stdout)
    assert not listed[0]["ok"] and base in listed[0]["message"]  # it is gone, and that is said
    assert rukou.run("shop", "unlink", base, data=d).returncode != 0
    assert rukou.run("shop", "remove", base, data=d).returncode == 0
    assert rukou.run("shop", "remove", base, data=d).returncode != 0


@pytest.mark.parametrize("url", ["http://shop.example", "ftp://127.0.0.1", "shop", ""])
def test_an_address_that_is_none_of_a_shop(tmp_path, url):
    r = rukou.run("shop", "add", url, data=tmp_path / "d")
    assert r.returncode == 2 and "rukou:" in r.stderr
