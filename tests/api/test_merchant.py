"""The merchant over UCP in both versions: profiles, carts, codes that add up, signatures, webhooks, linked accounts, pages."""
import base64
import hashlib
import http.client
import http.server
import json
import re
import secrets
import signal
import threading
import time
import urllib.parse
import uuid

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from test_shop import ADDRESS, NEWER, VERSION, Agent, b64, complete, create, errors, find, judge, judge_checkout, request_for, start

PAPETERIE = "tests/conformance/shops/papeterie"
CLOCK = 1795399200                                      # RUKOU_CLOCK of start()


@pytest.fixture(scope="module")
def agent():
    a = Agent(NEWER)
    yield a
    a.server.shutdown()
    judge(a)


@pytest.fixture(scope="module")
def older():
    a = Agent()
    yield a
    a.server.shutdown()
    judge(a)


def stop(p):
    p.send_signal(signal.SIGTERM)
    assert p.wait(15) == 0


@pytest.fixture(scope="module")
def shops(agent, older, tmp_path_factory):
    p, out = start(agent, tmp_path_factory.mktemp("data"), "lanhai", PAPETERIE, more=["--testing", "--agent", older.origin])
    yield out
    stop(p)


def get(origin, path, headers=None, method="GET", body=None):
    u = urllib.parse.urlsplit(origin)
    c = http.client.HTTPConnection(u.hostname, u.port, timeout=20)
    c.request(method, path, body, headers or {})
    r = c.getresponse()
    raw = r.read()
    c.close()
    return r.status, {k.lower(): v for k, v in r.getheaders()}, raw


# ---- versions ----

def test_each_version_has_a_profile_of_its_own(agent, older, shops):
    status, _, raw = get(shops[0].origin, "/.well-known/ucp")
    root = json.loads(raw)
    assert status == 200 and root["ucp"]["version"] == VERSION and list(root["ucp"]["supported_versions"]) == [NEWER]
    leaf = json.loads(get(shops[0].origin, root["ucp"]["supported_versions"][NEWER].removeprefix(shops[0].origin))[2])
    assert leaf["ucp"]["version"] == NEWER and "supported_versions" not in leaf["ucp"]
    assert leaf["ucp"]["services"]["dev.ucp.shopping"][0]["endpoint"] == shops[0].origin + "/v" + NEWER
    assert root["keys"] == root["signing_keys"] == leaf["keys"] and root["keys"][0]["kid"]
    linking = json.loads(get(shops[1].origin, "/.well-known/ucp")[2])["ucp"]
    scopes = linking["capabilities"]["dev.ucp.common.identity_linking"][0]["config"]["scopes"]
    assert set(scopes) == {"example.rukou.account:read", "example.rukou.account:orders"}
    older.said += [{"kind": "profile", "body": root["ucp"]}, {"kind": "profile", "body": linking}]
    agent.said.append({"kind": "profile", "body": leaf["ucp"]})
    for profile in (root, leaf):
        for name, entries in profile["ucp"]["capabilities"].items():
            host = ".".join(reversed(name.split(".")[:2]))
            assert all(e["spec"].startswith(f"https://{host}/") and e["schema"].startswith(f"https://{host}/") for e in entries)


def test_whole_purchase_in_the_newer_version(agent, shops):
    shop = shops[0]
    item = find(agent, shop, "口罩")[0]["variants"][0]["id"]
    body = {**request_for(item), "buyer": {"email": "a@b.example", "consent": {"dev.ucp.consent.marketing": {"granted": False, "source": "platform"}}}}
    status, co = agent.call(shop, "POST", "/checkout-sessions", body)
    assert status == 201 and co["ucp"]["version"] == NEWER and co["status"] == "ready_for_complete", co
    judge_checkout(co)
    assert co["fulfillment"]["methods"][0]["destinations"][0]["type"] == "shipping_address"
    assert co["policies"][0]["type"] == "dev.ucp.shopping.policy.return"
    consent = co["buyer"]["consent"]["dev.ucp.consent.marketing"]
    assert consent["granted"] is False and consent["source"] == "platform" and consent["description"]
    done = complete(agent, shop, co)[1]
    assert done["status"] == "completed" and done["ucp"]["version"] == NEWER
    placed = agent.call(shop, "GET", f"/orders/{done['order']['id']}")[1]
    assert placed["ucp"]["version"] == NEWER and placed["policies"]


def test_the_version_is_the_agents_wherever_it_asks(agent, older, shops):
    for who, version in ((agent, NEWER), (older, VERSION)):
        for prefix in ("", f"/v{NEWER}", f"/v{VERSION}"):
            status, v = who.call(shops[0], "POST", prefix + "/catalog/search", {"query": "口罩"})
            assert status == 200 and v["ucp"]["version"] == version
    status, v = older.call(shops[0], "GET", "/orders/none")
    assert v["ucp"] == {"version": VERSION, "status": "error"}
    assert older.call(shops[0], "GET", "/v2026-01-23/catalog/search")[0] == 404


def test_consent_of_the_older_version_is_a_yes_or_no(older, shops):
    item = find(older, shops[0], "口罩")[0]["variants"][0]["id"]
    co = older.call(shops[0], "POST", "/checkout-sessions", {**request_for(item), "buyer": {"consent": {"marketing": True, "analytics": False}}})[1]
    assert co["buyer"]["consent"] == {"marketing": True, "analytics": False} and "policies" not in co


# ---- carts ----

def test_a_cart_and_the_checkout_from_it(agent, shops):
    shop = shops[0]
    first, second = (find(agent, shop, q)[0]["variants"][0]["id"] for q in ("口罩", "充电器"))
    status, cart = agent.call(shop, "POST", "/carts", {"line_items": [{"item": {"id": first}, "quantity": 2}], "discounts": {"codes": ["LH10"]}})
    assert status == 201 and set(cart["ucp"]["capabilities"]) == {f"dev.ucp.shopping.{c}" for c in ("cart", "discount", "buyer_consent")}
    assert cart["discounts"]["codes"] == ["LH10"] and "fulfillment" not in cart and "status" not in cart
    body = {"line_items": [{"item": {"id": second}, "quantity": 3}], "discounts": {"codes": ["LH10"]}}
    assert agent.call(shop, "PUT", f"/carts/{cart['id']}", body)[1]["line_items"][0]["quantity"] == 3
    assert [li["item"]["id"] for li in agent.call(shop, "GET", f"/carts/{cart['id']}")[1]["line_items"]] == [second]

    ask = {**request_for(first, 9), "cart_id": cart["id"]}
    status, co = agent.call(shop, "POST", "/checkout-sessions", ask)
    assert status == 201 and co["status"] == "ready_for_complete" and [(li["item"]["id"], li["quantity"]) for li in co["line_items"]] == [(second, 3)]
    assert co["discounts"]["codes"] == ["LH10"] and "漕溪北路" in co["fulfillment"]["methods"][0]["destinations"][0]["street_address"]
    status, again = agent.call(shop, "POST", "/checkout-sessions", ask)
    assert status == 200 and again["id"] == co["id"]
    assert complete(agent, shop, co)[1]["status"] == "completed"
    assert agent.call(shop, "POST", "/checkout-sessions", ask)[1]["id"] != co["id"]

    status, last = agent.call(shop, "POST", f"/carts/{cart['id']}/cancel", {})
    assert status == 200 and last["line_items"]
    for method, path in (("GET", ""), ("PUT", ""), ("POST", "/cancel")):
        status, v = agent.call(shop, method, f"/carts/{cart['id']}{path}", body)
        assert status == 200 and v["ucp"]["status"] == "error" and errors(v) == ["not_found"]


def test_carts_are_the_agents_own(agent, older, shops):
    item = find(agent, shops[0], "口罩")[0]["variants"][0]["id"]
    cart = agent.call(shops[0], "POST", "/carts", {"line_items": [{"item": {"id": item}, "quantity": 1}]})[1]
    assert errors(older.call(shops[0], "GET", f"/carts/{cart['id']}")[1]) == ["not_found"]
    status, v = older.call(shops[0], "POST", "/checkout-sessions", {"line_items": [], "cart_id": cart["id"]})
    assert status == 200 and errors(v) == ["not_found"]


# ---- discounts, claims, payment ----

def buy(agent, shop, lines, codes=(), claims=()):
    body = {"line_items": [{"item": {"id": i}, "quantity": n} for i, n in lines], "discounts": {"codes": list(codes)}, "context": {"eligibility": list(claims)}}
    return agent.call(shop, "POST", "/checkout-sessions", body)[1]


def item_of(agent, shop, query):
    products = find(agent, shop, query)
    return min((p["variants"][0] for p in products if p["variants"][0]["availability"]["available"]), key=lambda v: v["price"]["amount"])


def test_codes_add_up_and_never_past_zero(agent, shops):
    shop = shops[1]
    card, stamp = item_of(agent, shop, "postcard"), item_of(agent, shop, "stamp")
    co = buy(agent, shop, [(card["id"], 1), (stamp["id"], 2)], ["less2", "TEN", "STAMP3", "LESS2"])
    goods = card["price"]["amount"] + 2 * stamp["price"]["amount"]
    by = {d["code"]: d for d in co["discounts"]["applied"]}
    assert set(by) == {"LESS2", "TEN", "STAMP3"} and by["TEN"]["amount"] == goods // 10 and by["LESS2"]["amount"] == 200
    assert by["STAMP3"]["allocations"] == [{"path": "$.line_items[1]", "amount": 300}] and "allocations" not in by["TEN"]
    totals = {t["type"]: t["amount"] for t in co["totals"]}
    assert totals["items_discount"] == -300 and sum(t["amount"] for t in co["totals"] if t["type"] != "total") == totals["total"] == goods - 500 - goods // 10
    assert [line["amount"] for line in co["totals"][0]["lines"]] == [card["price"]["amount"], 2 * stamp["price"]["amount"]]

    many = buy(agent, shop, [(card["id"], 1)], ["LESS2", "TEN", "NOPE", "STAMP3"], ["org.example.member.proven"])
    assert [m["code"] for m in many["messages"]] == ["discount_code_invalid", "discount_code_user_ineligible"] and "NOPE" in many["messages"][0]["content"]
    assert next(t["amount"] for t in many["totals"] if t["type"] == "total") >= 0


def test_claims_are_checked_when_it_counts(agent, shops):
    shop, card = shops[1], item_of(agent, shops[1], "postcard")["id"]
    co = buy(agent, shop, [(card, 1)], claims=["org.example.member.proven", "org.example.unheard_of"])
    assert co["discounts"]["applied"] == [{"title": co["discounts"]["applied"][0]["title"], "amount": 100, "automatic": True,
                                           "eligibility": "org.example.member.proven", "provisional": True}]
    assert [m["code"] for m in co["messages"]] == ["eligibility_not_accepted"]
    done = agent.call(shop, "POST", f"/checkout-sessions/{co['id']}/complete", instrument("success_token"))[1]
    assert done["status"] == "completed" and "provisional" not in done["discounts"]["applied"][0]

    co = buy(agent, shop, [(card, 1)], claims=["org.example.student"])
    v = agent.call(shop, "POST", f"/checkout-sessions/{co['id']}/complete", instrument("success_token"))[1]
    assert v["status"] == "incomplete" and errors(v) == ["eligibility_invalid"]
    without = {"line_items": [{"item": {"id": card}, "quantity": 1}]}
    assert agent.call(shop, "PUT", f"/checkout-sessions/{co['id']}", without)[1]["status"] == "ready_for_complete"
    assert agent.call(shop, "POST", f"/checkout-sessions/{co['id']}/complete", instrument("success_token"))[1]["status"] == "completed"


def instrument(token, handler="example.rukou.testing", kind="card"):
    return {"payment": {"instruments": [{"id": "i", "handler_id": handler, "type": kind, "selected": True, "credential": {"type": "token", "token": token}}]}}


def test_handlers_are_those_offered(agent, shops):
    shop, card, voucher = shops[1], item_of(agent, shops[1], "postcard")["id"], item_of(agent, shops[1], "voucher")["id"]
    co = buy(agent, shop, [(card, 1)])
    path = f"/checkout-sessions/{co['id']}/complete"
    assert set(co["ucp"]["payment_handlers"]) == {"dev.rukou.sandbox", "example.rukou.on_delivery", "example.rukou.testing"}
    for body in (instrument("fail_token"), instrument("success_token", "com.example.other"), instrument("x", "dev.rukou.sandbox"), {"payment": {"instruments": []}}):
        v = agent.call(shop, "POST", path, body)[1]
        assert v["status"] == "ready_for_complete" and errors(v) == ["payment_failed"]
    assert agent.call(shop, "POST", path, instrument("", "example.rukou.on_delivery", "on_delivery"))[1]["status"] == "completed"
    dear = buy(agent, shop, [(voucher, 1)])
    assert "example.rukou.on_delivery" not in dear["ucp"]["payment_handlers"]
    v = agent.call(shop, "POST", f"/checkout-sessions/{dear['id']}/complete", instrument("", "example.rukou.on_delivery", "on_delivery"))[1]
    assert errors(v) == ["payment_failed"] and v["status"] == "ready_for_complete"


def test_what_is_sold_out_is_left_out_and_said(agent, shops):
    shop = shops[1]
    products = find(agent, shop, "voucher")
    gone = [p["variants"][0]["id"] for p in products if not p["variants"][0]["availability"]["available"]]
    assert gone, "the tables make one voucher that is sold out"
    card = item_of(agent, shop, "postcard")["id"]
    co = buy(agent, shop, [(card, 1), (gone[0], 1)])
    assert [li["item"]["id"] for li in co["line_items"]] == [card] and [(m["type"], m["code"]) for m in co["messages"]] == [("warning", "out_of_stock")]
    assert gone[0] in co["messages"][0]["content"] and co["status"] == "ready_for_complete"


# ---- escalation ----

def test_escalation_to_the_page_and_back(agent, shops):
    shop = shops[0]
    co = create(agent, shop, find(agent, shop, "口罩")[0]["variants"][0]["id"])
    path = f"/checkout-sessions/{co['id']}"
    assert get(shop.origin, f"/pay/{co['id']}")[0] == 404
    for v in (agent.call(shop, "POST", path + "/complete", instrument("escalate_token"))[1], agent.call(shop, "GET", path)[1]):
        assert v["status"] == "requires_escalation" and v["continue_url"] == f"{shop.origin}/pay/{co['id']}"
        assert [m["severity"] for m in v["messages"]] == ["requires_buyer_input"]
    status, headers, page = get(shop.origin, f"/pay/{co['id']}")
    assert status == 200 and headers["content-type"].startswith("text/html") and "default-src 'none'" in headers["content-security-policy"]
    before = len(shop.orders())
    for _ in range(2):
        assert get(shop.origin, f"/pay/{co['id']}", method="POST", body=b"")[0] == 200
    v = agent.call(shop, "GET", path)[1]
    assert v["status"] == "completed" and v["order"]["id"] and len(shop.orders()) == before + 1


# ---- signatures ----

def signature_base(lines, raw):
    return "\n".join([f'"{k}": {v}' for k, v in lines] + [f'"@signature-params": {raw}']).encode()


def verify(jwk, base, value):
    sig = base64.b64decode(value.split(":")[1])
    point = [int.from_bytes(base64.urlsafe_b64decode(jwk[k] + "=="), "big") for k in "xy"]
    key = ec.EllipticCurvePublicNumbers(*point, ec.SECP256R1()).public_key()
    key.verify(utils.encode_dss_signature(int.from_bytes(sig[:32], "big"), int.from_bytes(sig[32:], "big")), base, ec.ECDSA(hashes.SHA256()))


def digest(raw):
    return "sha-256=:" + base64.b64encode(hashlib.sha256(raw).digest()).decode() + ":"


def check_message(jwk, headers, raw, derived):
    """A signature over what it says it covers; returns the names."""
    params = headers["signature-input"].removeprefix("sig1=")
    names = re.findall(r'"([^"]+)"', params[:params.index(")")])
    assert f'keyid="{jwk["kid"]}"' in params and "alg=" not in params and headers["content-digest"] == digest(raw)
    verify(jwk, signature_base([(n, derived.get(n) or headers[n]) for n in names], params), headers["signature"])
    return names


def test_answers_are_signed(agent, shops):
    jwk = json.loads(get(shops[0].origin, "/.well-known/ucp")[2])["keys"][0]
    headers = {"UCP-Agent": f'profile="{agent.url}"', "Content-Type": "application/json"}
    for method, path, body in (("POST", "/catalog/search", b'{"query":"x"}'), ("POST", "/catalog/search", b"{"), ("GET", "/.well-known/ucp", None)):
        status, got, raw = get(shops[0].origin, path, headers, method, body)
        assert {"@status", "content-digest", "content-type"} <= set(check_message(jwk, got, raw, {"@status": str(status)}))


def sign(agent, origin, method, path, raw, key=None, kid=None, **changes):
    h = {"UCP-Agent": f'profile="{agent.url}"', "Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4()), "Content-Digest": digest(raw)}
    names = ["@method", "@authority", "@path", "ucp-agent"] + (["idempotency-key", "content-digest", "content-type"] if raw else [])
    values = {"@method": method, "@authority": urllib.parse.urlsplit(origin).netloc, "@path": path, **{k.lower(): v for k, v in h.items()}}
    params = "(" + " ".join(f'"{n}"' for n in names) + f');created={CLOCK};keyid="{kid or agent.key.kid}"'
    r, s = utils.decode_dss_signature((key or agent.key).key.sign(signature_base([(n, values[n]) for n in names], params), ec.ECDSA(hashes.SHA256())))
    h.update({"Signature-Input": "sig1=" + params, "Signature": "sig1=:" + base64.b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).decode() + ":"})
    if not raw:
        del h["Content-Digest"], h["Idempotency-Key"]
    h.update(changes)
    return {k: v for k, v in h.items() if v is not None}


@pytest.mark.parametrize("fault, status, code", [
    ({}, 201, None), ({"Signature": None}, 401, "signature_missing"), ({"Signature-Input": None}, 401, "signature_missing"),
    ({"Signature": "sig1=:" + base64.b64encode(b"\x01" * 64).decode() + ":"}, 401, "signature_invalid"), ({"Idempotency-Key": "another"}, 401, "signature_invalid"),
    ({"kid": "nobody"}, 401, "key_not_found"), ({"Content-Digest": digest(b"other")}, 400, "digest_mismatch"), ({"Signature": "garbage"}, 401, None)])
def test_signed_requests_are_checked(agent, shops, fault, status, code):
    raw = json.dumps(request_for(find(agent, shops[0], "口罩")[0]["variants"][0]["id"])).encode()
    got, _, body = get(shops[0].origin, "/checkout-sessions", sign(agent, shops[0].origin, "POST", "/checkout-sessions", raw, **fault), "POST", raw)
    assert got == status and (code is None or json.loads(body)["code"] == code), body


def test_orders_are_for_who_proves_to_be_the_buyers_agent(agent, tmp_path):
    p, (shop,) = start(agent, tmp_path, "lanhai", more=["--order-auth"])
    try:
        done = complete(agent, shop, create(agent, shop, find(agent, shop, "口罩")[0]["variants"][0]["id"]))[1]
        path = f"/orders/{done['order']['id']}"
        assert agent.call(shop, "GET", path)[0] == 401
        status, _, raw = get(shop.origin, path, sign(agent, shop.origin, "GET", path, b""))
        assert status == 200 and json.loads(raw)["checkout_id"] == done["id"]
    finally:
        stop(p)


# ---- webhooks ----

class Receiver:
    def __init__(self):
        self.got, self.fail = [], 0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, raw))
                receiver.fail -= 1
                self.send_response(500 if receiver.fail >= 0 else 204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, n):
        for _ in range(200):
            if len(self.got) >= n:
                return
            time.sleep(0.05)
        pytest.fail(f"{len(self.got)} messages came, {n} were expected")


def test_webhooks_are_signed_repeated_and_survive_a_restart(agent, tmp_path):
    r = Receiver()
    a = Agent()
    a.webhook_url = f"http://127.0.0.1:{r.server.server_port}/hooks?shop=1"
    allow = ["--agent", f"http://127.0.0.1:{r.server.server_port}"]
    p, (shop,) = start(a, tmp_path, "lanhai", more=[*allow, "--testing"])
    r.fail = 2
    done = complete(a, shop, create(a, shop, find(a, shop, "口罩")[0]["variants"][0]["id"], 2))[1]
    r.wait(1)
    p.kill()
    p.wait()
    p, (shop,) = start(a, tmp_path, "lanhai", more=[*allow, "--testing", "--port", str(urllib.parse.urlsplit(shop.origin).port)])
    try:
        r.wait(3)
        time.sleep(0.3)
        assert len(r.got) == 3 and len({h["webhook-id"] for _, h, _ in r.got}) == 1
        jwk = json.loads(get(shop.origin, "/.well-known/ucp")[2])["keys"][0]
        for path, h, raw in r.got:
            derived = {"@method": "POST", "@authority": h["host"], "@path": "/hooks", "@query": "?shop=1"}
            names = check_message(jwk, h, raw, derived)
            assert {*derived, "content-digest", "content-type", "idempotency-key", "ucp-agent", "webhook-id", "webhook-timestamp"} <= set(names)
            assert path == "/hooks?shop=1" and h["idempotency-key"] == h["webhook-id"] and h["ucp-agent"].endswith('/.well-known/ucp"')
            assert abs(int(h["webhook-timestamp"]) - CLOCK) < 600
            assert json.loads(raw)["id"] == done["order"]["id"] and not json.loads(raw)["adjustments"]
        assert a.call(shop, "POST", f"/testing/orders/{done['order']['id']}/adjust", {"line_item_id": "li_1", "quantity": 1})[0] == 200
        r.wait(4)
        order = json.loads(r.got[3][2])
        assert order["adjustments"][0]["totals"][0]["amount"] < 0 and r.got[3][1]["webhook-id"] != r.got[0][1]["webhook-id"]
    finally:
        stop(p)
        r.server.shutdown()


# ---- linked accounts ----

CALLBACK = "https://platform.spck.dev/oauth/callback"


class Link:
    """A client that links an account at a shop which does not run for tests: with a consent page."""

    def __init__(self, shop):
        self.shop, self.verifier = shop, secrets.token_urlsafe(48)
        challenge = b64(hashlib.sha256(self.verifier.encode()).digest())
        q = {"response_type": "code", "client_id": "spck-public", "redirect_uri": CALLBACK, "state": "s t", "code_challenge": challenge, "code_challenge_method": "S256",
             "scope": "example.rukou.account:read example.rukou.account:orders unknown"}
        self.path = "/oauth2/authorize?" + urllib.parse.urlencode(q)

    def post(self, path, **form):
        return get(self.shop.origin, path, {"Content-Type": "application/x-www-form-urlencoded"}, "POST", urllib.parse.urlencode(form).encode())

    def consent(self, **form):
        status, headers, _ = self.post(self.path, **form)
        return status, dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(headers.get("location", "")).query))

    def token(self, **form):
        status, _, raw = self.post("/oauth2/token", client_id="spck-public", **form)
        return status, json.loads(raw)


@pytest.fixture(scope="module")
def linked_shop(tmp_path_factory):
    """papeterie in a sandbox without --testing; the registered platform's profile is read from a file."""
    a, folder = Agent(), tmp_path_factory.mktemp("linked")
    a.url = "https://spck.dev/agent"
    (folder / "agent.json").write_text(json.dumps(a.profile()))
    p, (shop,) = start(a, folder, PAPETERIE, more=["--known-agent", f"{a.url}={folder / 'agent.json'}"])
    yield a, shop
    stop(p)


def test_an_account_is_linked_by_an_order_of_the_buyers_own(linked_shop):
    a, shop = linked_shop
    card = item_of(a, shop, "postcard")["id"]
    orders = []
    for phone in ("13800000000", "13800000000", "13911111111"):
        body = request_for(card, address={**ADDRESS, "phone_number": phone})
        orders.append(complete(a, shop, a.call(shop, "POST", "/checkout-sessions", body)[1])[1]["order"]["id"])
    link = Link(shop)
    status, headers, page = get(shop.origin, link.path)
    assert status == 200 and b"Conformance suite" in page and "frame-ancestors 'none'" in headers["content-security-policy"]
    assert link.consent(order=orders[0], phone="13911111111")[0] == link.consent(order="x", phone="13800000000")[0] == 403
    assert link.consent(refuse="1") == (302, {"error": "access_denied", "state": "s t", "iss": shop.origin})
    status, back = link.consent(order=orders[0], phone="13800000000")
    assert status == 302 and back["state"] == "s t" and back["iss"] == shop.origin
    grant = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": CALLBACK, "code_verifier": link.verifier}
    status, token = link.token(**grant)
    assert status == 200 and token["scope"] == "example.rukou.account:read example.rukou.account:orders"
    ask = lambda t: a.call(shop, "GET", "/account/orders", headers={"Authorization": "Bearer " + t})
    status, v = ask(token["access_token"])
    assert status == 200 and {o["id"] for o in v["orders"]} == set(orders[:2])

    status, newer = link.token(grant_type="refresh_token", refresh_token=token["refresh_token"])
    assert status == 200 and ask(newer["access_token"])[0] == 200
    assert link.token(grant_type="refresh_token", refresh_token=token["refresh_token"]) == (400, {"error": "invalid_grant"})
    assert ask(newer["access_token"])[0] == 401, "a refresh token that is used twice takes everything back"


def test_a_code_is_for_one_use_by_its_client(linked_shop):
    a, shop = linked_shop
    card = item_of(a, shop, "postcard")["id"]
    order = complete(a, shop, a.call(shop, "POST", "/checkout-sessions", request_for(card))[1])[1]["order"]["id"]
    link = Link(shop)
    code = lambda: link.consent(order=order, phone=ADDRESS["phone_number"])[1]["code"]
    grant = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": link.verifier}
    for wrong in ({"code_verifier": "x" * 43}, {"code_verifier": ""}, {"redirect_uri": CALLBACK + "/"}):
        c = code()
        assert link.token(**{**grant, "code": c, **wrong}) == link.token(**{**grant, "code": c}) == (400, {"error": "invalid_grant"})
    c = code()
    status, token = link.token(**grant, code=c)
    bearer = {"Authorization": "Bearer " + token["access_token"]}
    assert status == 200 and a.call(shop, "GET", "/account", headers=bearer)[0] == 200
    assert link.token(**grant, code=c)[0] == 400 and a.call(shop, "GET", "/account", headers=bearer)[0] == 401
    assert get(shop.origin, link.path.replace("spck-public", "other"))[0] == get(shop.origin, link.path.replace("callback", "elsewhere"))[0] == 400
    assert get(shop.origin, link.path.replace("S256", "plain"))[0] == 302


def test_terms_are_a_page(shops):
    status, headers, page = get(shops[0].origin, "/terms")
    assert status == 200 and headers["content-type"] == "text/html; charset=utf-8" and "无理由退货".encode() in page
