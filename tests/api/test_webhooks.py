"""Order events that merchants send to `rukou serve`: what is believed, and what is not. The shop is a sandbox shop with
its own key; events are signed with it here as the shop does it, and then damaged."""
import base64
import hashlib
import http.client
import json
import time
import urllib.parse
import uuid

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from rukou import run, served
from scripted import Script, scripted

PATH = "/webhooks/ucp/orders"


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def thumbprint(key):
    n = key.public_key().public_numbers()
    x, y = (b64url(v.to_bytes(32, "big")) for v in (n.x, n.y))
    return b64url(hashlib.sha256(json.dumps({"crv": "P-256", "kty": "EC", "x": x, "y": y}, separators=(",", ":")).encode()).digest())


def signed(key, server, origin, body, created=0, headers=(), drop=(), path=PATH):
    """Headers of an event as RFC 9421 and UCP's signatures.md want them."""
    now = int(time.time())
    h = {"Content-Type": "application/json", "Content-Digest": "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":",
         "UCP-Agent": f'profile="{origin}/.well-known/ucp"', "Webhook-Id": str(uuid.uuid4()), "Webhook-Timestamp": str(now)} | dict(headers)
    values = {"@method": "POST", "@authority": f"{server.host}:{server.port}", "@path": path} | {k.lower(): v for k, v in h.items()}
    names = [n for n in ("@method", "@authority", "@path", "ucp-agent", "webhook-id", "webhook-timestamp", "content-digest", "content-type") if n not in drop]
    params = "(" + " ".join(f'"{n}"' for n in names) + f');created={created or now};keyid="{thumbprint(key)}"'
    base = "\n".join([f'"{n}": {values[n]}' for n in names] + [f'"@signature-params": {params}'])
    r, s = utils.decode_dss_signature(key.sign(base.encode(), ec.ECDSA(hashes.SHA256())))
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return h | {"Signature-Input": f"sig1={params}", "Signature": f"sig1=:{base64.b64encode(raw).decode()}:"}


class World:
    def __init__(self, server, data):
        self.server, self.data = server, data
        (self.order,) = server.api("GET", "/api/orders")["orders"]
        self.origin = self.order["merchant"]["origin"] if "merchant" in self.order else self.order["merchant_origin"]
        self.shops = {s["origin"]: s for s in server.api("GET", "/api/shops")["shops"]}
        self.keys = {}
        for pem in (data / "shops").glob("*/shop.pem"):
            key = serialization.load_pem_private_key(pem.read_bytes(), None)
            self.keys[thumbprint(key)] = key
        self.key = self.keys[self.kid(self.origin)]

    def kid(self, origin):
        at = urllib.parse.urlsplit(origin)
        c = http.client.HTTPConnection(at.hostname, at.port, timeout=10)
        c.request("GET", "/.well-known/ucp")
        v = json.loads(c.getresponse().read())
        c.close()
        return (v.get("keys") or v["signing_keys"])[0]["kid"]

    def other(self):
        origin = next(o for o in self.shops if o != self.origin)
        return origin, self.keys[self.kid(origin)]

    def snapshot(self, status="processing", events=(), adjustments=(), **changes):
        line = {"id": "l1", "item": {"id": "x", "title": "x", "price": 1}, "quantity": {"original": 1, "total": 1, "fulfilled": 1 if status == "fulfilled" else 0},
                "totals": [], "status": status}
        return {"ucp": {"version": "2026-04-08", "capabilities": {}}, "id": self.order["merchant_order_id"], "checkout_id": "c", "permalink_url": f"{self.origin}/orders/x",
                "currency": "CNY", "line_items": [line], "totals": [{"type": "total", "amount": 1}], "fulfillment": {"events": list(events)},
                "adjustments": adjustments if isinstance(adjustments, dict) else list(adjustments)} | changes

    def send(self, order, key=None, origin=None, damage=None, **how):
        body = order if isinstance(order, bytes) else json.dumps(order).encode()
        headers = signed(key or self.key, self.server, origin or self.origin, body, **how)
        if damage:
            body, headers = damage(body, headers)
        status, _, answer = self.server.request("POST", PATH, body, headers)
        return status, json.loads(answer)

    def status(self):
        (order,) = self.server.api("GET", "/api/orders")["orders"]
        return order["status"]

    def refunds(self):
        return [e["amount_minor"] for e in self.server.api("GET", "/api/ledger")["entries"] if e["kind"] == "refund"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    data = tmp_path_factory.mktemp("webhooks") / "d"
    with scripted(Script()) as model, served(data, *model, model="1.5b") as server:
        p = run("do", "买一双跑步鞋，500元以内，哪个平台便宜就在哪买", "--approve", "yes", "--json", data=data)
        assert p.returncode == 0, p.stderr
        yield World(server.sign_in(), data)


def money(amount, name="a1"):
    return {"id": name, "type": "refund", "occurred_at": "2026-11-23T10:00:00Z", "status": "completed", "totals": [{"type": "total", "amount": -amount}]}


# ---- believed ----

def test_the_profile_names_the_place(world):
    v = json.loads(world.server.request("GET", "/.well-known/ucp")[2])
    assert v["ucp"]["capabilities"]["dev.ucp.shopping.order"][0]["config"] == {"webhook_url": world.server.origin + PATH}


def test_the_shop_tells_of_the_order_by_itself(world):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        metrics = world.server.request("GET", "/metrics", headers=world.server.headers())[2].decode()
        if f'rukou_http_requests_total{{method="POST",route="{PATH}",status="200"}}' in metrics:
            return
        time.sleep(0.5)
    raise AssertionError("no event of the shop was taken")


def test_events_in_any_order_end_in_the_same_state(world):
    shipped = world.snapshot("partial", events=[{"id": "e1"}])
    assert world.send(shipped) == (200, {"code": "ok", "content": ""})
    assert world.status() == "processing"
    assert world.send(world.snapshot("fulfilled", events=[{"id": "e1"}, {"id": "e2"}]))[0] == 200
    assert world.status() == "fulfilled"
    assert world.send(shipped)[0] == 200  # late: an older state
    assert world.status() == "fulfilled"


def test_money_back_is_booked_once(world):
    part = world.snapshot("fulfilled", adjustments=[money(1000)])
    same_id = {"headers": {"Webhook-Id": "w-1"}.items()}
    assert world.send(part, **same_id)[0] == 200
    assert world.send(part, **same_id)[0] == 200  # the same event again
    assert world.send(part)[0] == 200             # the same news under another id
    assert world.refunds() == [1000] and world.status() == "fulfilled"
    assert world.send(world.snapshot("fulfilled", adjustments=[money(1000), money(500, "a2")]))[0] == 200
    assert world.send(part)[0] == 200             # late: knows only the first
    assert world.refunds() == [1000, 500]
    assert world.server.api("GET", "/api/ledger/audit")["audit"]["ok"]


def test_an_id_seen_changes_nothing(world):
    same_id = {"headers": {"Webhook-Id": "w-2"}.items()}
    before = world.refunds()
    assert world.send(world.snapshot("fulfilled", adjustments=[money(1000), money(500, "a2")]), **same_id)[0] == 200
    assert world.send(world.snapshot("fulfilled", adjustments=[money(1000), money(500, "a2"), money(700, "a3")]), **same_id)[0] == 200
    assert world.refunds() == before


# ---- not believed ----

def without(*names):
    return lambda body, headers: (body, {k: v for k, v in headers.items() if k not in names})


REFUSED = {
    "unsigned": (dict(damage=without("Signature", "Signature-Input")), 401, "signature_missing", "signature"),
    "no digest": (dict(damage=without("Content-Digest")), 401, "signature_invalid", "content-digest"),
    "another body": (dict(damage=lambda b, h: (b.replace(b"fulfilled", b"processing"), h)), 400, "digest_mismatch", "content-digest"),
    "another id": (dict(damage=lambda b, h: (b, h | {"Webhook-Id": "x"})), 401, "signature_invalid", "signature"),
    "no id": (dict(damage=without("Webhook-Id")), 400, "invalid", "webhook-id"),
    "no sender": (dict(damage=without("UCP-Agent")), 400, "invalid_profile_url", "ucp-agent"),
    "method not covered": (dict(drop=["@method"]), 401, "signature_invalid", '"@method" is not covered'),
    "sender not covered": (dict(drop=["ucp-agent"]), 401, "signature_invalid", '"ucp-agent" is not covered'),
    "body not covered": (dict(drop=["content-digest"]), 401, "signature_invalid", '"content-digest" is not covered'),
    "expired": (dict(created=-301), 401, "signature_invalid", "created"),
    "from the future": (dict(created=301), 401, "signature_invalid", "created"),
    "another place": (dict(path="/webhooks/other"), 401, "signature_invalid", "signature"),
    "a stranger": (dict(origin="https://stranger.example"), 403, "profile_not_trusted", "ucp-agent"),
    "another key": (dict(key=ec.generate_private_key(ec.SECP256R1())), 401, "key_not_found", "keyid"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(world, name):
    how, status, code, says = REFUSED[name]
    how = dict(how)
    if "created" in how:
        how["created"] += int(time.time())
    before = (world.status(), world.refunds())
    got = world.send(world.snapshot("fulfilled", adjustments=[money(10 ** 6, "all")]), **how)
    assert (got[0], got[1]["code"]) == (status, code) and says in got[1]["content"], got
    assert (world.status(), world.refunds()) == before


def test_another_merchants_key_cannot_speak_for_this_order(world):
    origin, key = world.other()
    before = (world.status(), world.refunds())
    stolen = world.snapshot("fulfilled", adjustments=[money(10 ** 6, "all")])
    status, answer = world.send(stolen, key=key, origin=origin)  # a valid signature, of somebody whose order it is not
    assert (status, answer["code"]) == (404, "not_found")
    status, answer = world.send(stolen, key=key)                 # in the name of the merchant
    assert (status, answer["code"]) == (401, "key_not_found")
    assert (world.status(), world.refunds()) == before


BROKEN = {
    "no json": (b"{", "line 1"), "a duplicate key": (b'{"id":"a","id":"b"}', "duplicate"), "depth": (b'{"a":' * 10000, "deep"),
    "no id": ({"id": None}, "id"), "a long id": ({"id": "x" * 256}, "id"), "an unknown order": ({"id": "nobody"}, "nobody"),
    "no lines": ({"line_items": None}, "line_items"), "no totals": ({"totals": None}, "totals"), "adjustments": ({"adjustments": {}}, "adjustments"),
    "an adjustment without an id": ({"adjustments": [{"type": "refund"}]}, "adjustments[0].id"), "another currency": ({"currency": "USD"}, "currency"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken(world, name):
    change, says = BROKEN[name]
    before = (world.status(), world.refunds())
    status, answer = world.send(change if isinstance(change, bytes) else world.snapshot("fulfilled", **change))
    assert status in (400, 404) and says in answer["content"], answer
    assert (world.status(), world.refunds()) == before


@pytest.mark.parametrize("amount", [-5, 1.5, 2 ** 53 + 1, 10 ** 12, "10", None])
def test_odd_amounts_give_nothing_back(world, amount):
    before = world.refunds()
    odd = money(0, "odd") | {"totals": [{"type": "total", "amount": amount if not isinstance(amount, int) or amount < 0 else -amount}]}
    if amount == -5:
        odd["totals"][0]["amount"] = 5  # money for the merchant
    assert world.send(world.snapshot("fulfilled", adjustments=[money(1000), money(500, "a2"), odd]))[0] == 200
    assert world.refunds() == before
