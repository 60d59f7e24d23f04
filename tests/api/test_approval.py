"""Approvals through the API: who may decide what, and when it is too late. The approvals are
planted in the stopped server's database, so that no model has to propose them."""
import hashlib
import json
import sqlite3
import subprocess
import sys
import time

import pytest
from rukou import ROOT, served

ORIGIN = "http://127.0.0.2:9"  # nobody listens there


def plant(data, total=30600, expires_in_ms=900_000):
    """A pending approval of the local user that pays with the card; returns (id, terms_hash)."""
    now = time.time_ns() // 1_000_000
    terms = {"currency": "CNY", "discounts": [], "expires_ms": now + expires_in_ms,
             "fulfilment": {"address": {"city": "上海", "name": "张伟", "phone": "1", "street": "漕溪北路18号"}, "date": "", "id": "", "method": ""},
             "instrument": {"id": "card", "kind": "card", "label": "Sandbox card"},
             "lines": [{"item_id": "x", "options": {}, "quantity": 1, "title": "鞋", "unit_minor": total}],
             "merchant": {"key_thumbprint": "", "name": "店", "origin": ORIGIN, "sandbox": True}, "refund_rule": "",
             "total_minor": total, "totals": [{"amount_minor": total, "text": "", "type": "total"}]}
    text = json.dumps(terms, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    db = sqlite3.connect(data / "rukou.db")
    n = db.execute("SELECT COUNT(*) FROM approvals").fetchone()[0]
    name = f"01900000-0000-7000-8000-{n:012d}"
    db.execute("INSERT INTO approvals(id, user_id, chat_id, turn_id, merchant_origin, checkout_id, state, terms_jcs, terms_hash, total_minor,"
               " currency, instrument_id, instrument_kind, demo_profile, created_ms, expires_ms)"
               " SELECT ?, id, '', '', ?, ?, 'pending', ?, ?, ?, 'CNY', 'card', 'card', 1, ?, ? FROM users",
               (name, ORIGIN, f"co-{n}", text, digest, total, now, now + expires_in_ms))
    db.commit()
    db.close()
    return name, digest


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A signed-in server and the approvals that wait in it, by name."""
    d = tmp_path_factory.mktemp("approval")
    model = d / "tiny.gguf"
    subprocess.run([sys.executable, ROOT / "tests/tools/tiny_gguf.py", model], check=True)
    with served(d / "d", model=model) as s:
        s.stop()
    waiting = {"hash": plant(d / "d"), "refuse": plant(d / "d"), "key": plant(d / "d"), "change": plant(d / "d"),
               "late": plant(d / "d", expires_in_ms=1), "edit": plant(d / "d")}
    with served(d / "d", model=model) as s:
        yield s.sign_in(), waiting


def send(s, method, approval_id, body, headers=None):
    status, _, data = s.request(method, f"/api/approvals/{approval_id}", body, headers or s.headers(method))
    answer = json.loads(data)
    return status, answer.get("approval", answer.get("error"))


def state(s, approval_id):
    return s.api("GET", f"/api/approvals/{approval_id}")["approval"]["state"]


def test_another_hash_is_a_conflict(world):
    s, waiting = world
    name, digest = waiting["hash"]
    assert send(s, "POST", name, {"decision": "approve", "terms_hash": "0" * 64})[0] == 409
    assert send(s, "POST", name, {"decision": "approve"})[0] == 400
    assert send(s, "POST", name, {"decision": "perhaps", "terms_hash": digest})[0] == 400
    assert send(s, "POST", "nobody", {"decision": "approve", "terms_hash": digest})[0] == 404
    assert state(s, name) == "pending"


def test_a_refusal_twice_is_one_and_final(world):
    s, waiting = world
    name, digest = waiting["refuse"]
    before = s.api("GET", "/api/chats")["last_event"]
    for _ in range(2):
        status, approval = send(s, "POST", name, {"decision": "refuse", "terms_hash": digest})
        assert (status, approval["state"]) == (200, "refused")
    assert s.api("GET", "/api/chats")["last_event"] == before + 1
    assert send(s, "POST", name, {"decision": "approve", "terms_hash": digest})[0] == 410


def test_late_is_gone(world):
    s, waiting = world
    name, digest = waiting["late"]
    assert send(s, "POST", name, {"decision": "approve", "terms_hash": digest})[0] == 410
    assert state(s, name) == "expired"


def test_a_key_without_the_scope_decides_nothing(world):
    s, waiting = world
    name, digest = waiting["key"]
    key = s.api("POST", "/api/keys", {"name": "test"})
    bearer = {"Authorization": f"Bearer {key['key']}", "Content-Type": "application/json"}
    for method, body in (("POST", {"decision": "approve", "terms_hash": digest}), ("PATCH", {"changes": {"instrument_id": "wallet"}})):
        assert send(s, method, name, body, bearer)[0] == 403
    no_csrf = {k: v for k, v in s.headers("POST").items() if k != "X-CSRF-Token"}
    assert send(s, "POST", name, {"decision": "approve", "terms_hash": digest}, no_csrf)[0] == 403
    assert state(s, name) == "pending"


def test_another_instrument_is_another_approval(world):
    s, waiting = world
    name, digest = waiting["change"]
    assert send(s, "PATCH", name, {"changes": {"instrument_id": "gold"}})[0] == 400
    assert send(s, "PATCH", name, {"instrument_id": "wallet"})[0] == 400
    status, changed = send(s, "PATCH", name, {"changes": {"instrument_id": "wallet"}})
    assert status == 200 and changed["id"] != name and changed["terms_hash"] != digest
    assert changed["terms"]["instrument"]["kind"] == "wallet" and changed["wallet"] == {"balance_minor": 20000, "currency": "CNY"}
    assert state(s, name) == "superseded"
    assert send(s, "POST", name, {"decision": "approve", "terms_hash": digest})[0] == 410
    # 306.00 of 200.00: an answer, and the choice stays open
    status, error = send(s, "POST", changed["id"], {"decision": "approve", "terms_hash": changed["terms_hash"]})
    assert status == 402 and "200.00" in error["message"]
    assert state(s, changed["id"]) == "pending"
    assert [e["kind"] for e in s.api("GET", "/api/ledger")["entries"]] == ["opening"]


def test_an_edit_that_the_merchant_does_not_hear_changes_nothing(world):
    s, waiting = world
    name, digest = waiting["edit"]
    for changes, field in (({"quantity": 0}, "quantity"), ({"total_minor": 1}, "total_minor"), ({"codes": "X"}, "codes"), ({"address": {}}, "address"), ({}, "changes")):
        status, error = send(s, "PATCH", name, {"changes": changes})
        assert status == 400 and field in error["message"], (changes, error)
    assert send(s, "PATCH", name, {"changes": {"quantity": 2}})[0] in (404, 502, 503, 504)
    assert state(s, name) == "pending"
    assert send(s, "POST", name, {"decision": "refuse", "terms_hash": digest})[0] == 200


def test_permissions_are_given_and_taken_back_by_a_person(world):
    s, _ = world
    assert s.api("GET", "/api/permissions") == {"permissions": []}
    new = {"currency": "CNY", "per_order_minor": 5000, "per_day_minor": 10000, "deny": ["medicine"], "label": "small things"}
    key = s.api("POST", "/api/keys", {"scopes": ["chat", "approve"]})["key"]
    status, _, _ = s.request("POST", "/api/permissions", new, {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
    assert status == 403
    for bad in ({**new, "currency": "XYZ"}, {**new, "per_order_minor": -1}, {"currency": "CNY"}, {**new, "allow": [1]}):
        s.api("POST", "/api/permissions", bad, ok=(400,))
    made = s.api("POST", "/api/permissions", new)["permission"]
    assert made["per_day_minor"] == 10000 and made["per_month_minor"] is None and made["deny"] == ["medicine"] and made["uses"] == []
    s.api("DELETE", f"/api/permissions/{made['id']}")
    s.api("DELETE", f"/api/permissions/{made['id']}", ok=(404,))
    assert s.api("GET", "/api/permissions")["permissions"][0]["revoked_ms"]


def test_plans_orders_and_the_audit_say_what_is_not_there(world):
    s, _ = world
    s.api("GET", "/api/plans/nobody", ok=(404,))
    s.api("POST", "/api/plans/nobody", {"decision": "approve", "sheet_hash": "0" * 64}, ok=(404,))
    s.api("POST", "/api/plans/nobody", {"decision": "approve"}, ok=(400,))
    s.api("POST", "/api/orders/nobody/back", {"kind": "return"}, ok=(404,))
    s.api("POST", "/api/orders/nobody/back", {"kind": "burn"}, ok=(400,))
    assert s.api("GET", "/api/ledger/audit")["audit"]["ok"]
    assert sum(a["balance_minor"] for a in s.api("GET", "/api/ledger")["accounts"]) == 0
