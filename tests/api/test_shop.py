"""The sandbox merchants over real HTTP, with an agent made of Python's standard library. Whatever is said between them is judged
by the types of ucp-sdk at the end (tests/conformance/judge.py), in both versions of UCP."""
import base64
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from ucp_sdk.models.schemas.shopping import catalog_lookup, catalog_search, discount, order
from ucp_sdk.models.schemas.shopping.types import fulfillment

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUKOU = os.environ.get("RUKOU", str(ROOT / "build/release/rukou"))
SDK_0_5 = os.environ.get("UCP_SDK_0_5", str(pathlib.Path.home() / ".cache/rukou/ucp-sdk-0.5.0"))
VERSION = "2026-04-08"
NEWER = "2026-08-25"
CAPABILITIES = ["checkout", "cart", "order", "catalog.search", "catalog.lookup", "discount", "fulfillment", "buyer_consent"]
KINDS = [("/catalog/search", "search"), ("/catalog/lookup", "lookup"), ("/catalog/product", "product"), ("/checkout-sessions", "checkout"),
         ("/carts", "cart"), ("/orders", "order")]
ADDRESS = {"first_name": "张伟", "phone_number": "13800000000", "street_address": "上海市徐汇区漕溪北路18号"}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """An ES256 key of the agent, and the payment tokens that it signs."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        n = self.key.public_key().public_numbers()
        self.x, self.y = b64(n.x.to_bytes(32, "big")), b64(n.y.to_bytes(32, "big"))
        thumb = json.dumps({"crv": "P-256", "kty": "EC", "x": self.x, "y": self.y}, separators=(",", ":"))
        self.kid = b64(hashlib.sha256(thumb.encode()).digest())
        self.jwk = {"kid": self.kid, "kty": "EC", "crv": "P-256", "x": self.x, "y": self.y, "use": "sig", "alg": "ES256"}

    def token(self, checkout, origin, **changes):
        total = next(t["amount"] for t in checkout["totals"] if t["type"] == "total")
        claims = {"jti": str(uuid.uuid4()), "checkout_id": checkout["id"], "aud": origin, "amount_minor": total,
                  "currency": checkout["currency"], "kind": "card", "exp": 4102444800, **changes}
        parts = [{"alg": "ES256", "kid": self.kid, "typ": "rukou-payment+jwt"}, claims]
        signed = ".".join(b64(json.dumps(p).encode()) for p in parts)
        r, s = utils.decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return signed + "." + b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


class Agent:
    """Serves the agent's profile on loopback and talks to shops."""

    def __init__(self, version=VERSION):
        self.key, self.capabilities, self.version, self.fetches, self.said, self.webhook_url = Key(), CAPABILITIES, version, 0, [], None
        agent = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                agent.fetches += 1
                body = b"{" if self.path == "/broken" else json.dumps(agent.profile()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = "http://127.0.0.1:%d" % self.server.server_port
        self.url = self.origin + "/.well-known/ucp"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def profile(self):
        caps = {f"dev.ucp.shopping.{c}": [{"version": self.version, "spec": "https://ucp.dev", "schema": "https://ucp.dev"}] for c in self.capabilities}
        if self.webhook_url:
            caps["dev.ucp.shopping.order"][0]["config"] = {"webhook_url": self.webhook_url}
        keys = "keys" if self.version == NEWER else "signing_keys"
        return {"ucp": {"version": self.version, "services": {}, "capabilities": caps, "payment_handlers": {}}, keys: [self.key.jwk]}

    def record(self, method, path, sent, status, got):
        """What the SDK is to judge: requests that are meant to be right, and every answer."""
        kind = next((k for p, k in KINDS if path.startswith(p)), None)
        if kind is None or not 200 <= status < 300 or not isinstance(got, dict):
            return
        error = got.get("ucp", {}).get("status") == "error"
        self.said.append({"kind": "error" if error else kind, "body": got})
        request = {"search": "search_request", "cart": "cart_request"}.get(kind)
        if kind == "checkout":
            request = "complete_request" if path.endswith("/complete") else "create_request" if path == "/checkout-sessions" else "update_request"
        if sent and not error and request and not path.endswith("/cancel"):
            self.said.append({"kind": request, "body": sent})

    def call(self, shop, method, path, body=None, key=None, profile=None, headers=None):
        host = urllib.parse.urlsplit(shop.origin)
        raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body, ensure_ascii=False).encode()
        sent = {"UCP-Agent": f'profile="{profile or self.url}"', "Request-Id": str(uuid.uuid4()), "Content-Type": "application/json"}
        if method in ("POST", "PUT") and not path.startswith("/catalog"):
            sent["Idempotency-Key"] = key or str(uuid.uuid4())
        sent.update(headers or {})
        c = http.client.HTTPConnection(host.hostname, host.port, timeout=20)
        c.request(method, path, raw, {k: v for k, v in sent.items() if v is not None})
        r = c.getresponse()
        out = json.loads(r.read())
        c.close()
        self.record(method, path, body if isinstance(body, dict) else None, r.status, out)
        return r.status, out


class Shop:
    def __init__(self, name, origin, data):
        self.name, self.origin, self.data = name, origin, data
        self.directory = next(d for d in ("shops", "shops/travel", "tests/conformance/shops") if (ROOT / d / name).exists()) + "/" + name

    def orders(self):
        out = subprocess.run([RUKOU, "shop", "orders", self.directory, "--json", "--data", self.data], cwd=ROOT, capture_output=True, check=True)
        return json.loads(out.stdout)["orders"]


def start(agent, data, *names, sandbox=True, more=()):
    args = [RUKOU, "shop", "serve", *[n if "/" in n else f"shops/{n}" for n in names], "--json", "--data", str(data), *more]
    args += ["--sandbox", "--agent", agent.origin] if sandbox else []
    env = {**os.environ, "RUKOU_CLOCK": "2026-11-23T10:00:00+08:00"}
    p = subprocess.Popen(args, cwd=ROOT, stdout=subprocess.PIPE, env=env, text=True)
    lines = [json.loads(p.stdout.readline()) for _ in names]
    return p, [Shop(line["shop"], line["origin"], str(data)) for line in lines]


def judge(agent):
    """Everything the agent and the shops said to each other, by the types of the version's SDK."""
    env = {**os.environ, "PYTHONPATH": SDK_0_5 if agent.version == NEWER else ""}
    lines = "\n".join(json.dumps(m) for m in agent.said)
    r = subprocess.run([sys.executable, str(ROOT / "tests/conformance/judge.py")], input=lines, capture_output=True, text=True, env=env)
    assert r.returncode == 0 and agent.said, r.stdout[-3000:] + r.stderr[-2000:]


@pytest.fixture(scope="module")
def agent():
    a = Agent()
    yield a
    a.server.shutdown()
    judge(a)


@pytest.fixture(scope="module")
def shops(agent, tmp_path_factory):
    p, out = start(agent, tmp_path_factory.mktemp("data"), "lanhai", "xinghe")
    yield out
    p.send_signal(signal.SIGTERM)
    assert p.wait(10) == 0


def judge_checkout(v):
    discount.Checkout.model_validate(v)
    fulfillment.Fulfillment.model_validate(v["fulfillment"])
    by_type = {t["type"]: t["amount"] for t in v["totals"]}
    assert sum(a for t, a in by_type.items() if t != "total") == by_type["total"]
    assert by_type["subtotal"] == sum(i["item"]["price"] * i["quantity"] for i in v["line_items"])
    return by_type


def find(agent, shop, query, **more):
    status, v = agent.call(shop, "POST", "/catalog/search", {"query": query, "pagination": {"limit": 50}, **more})
    assert status == 200
    catalog_search.SearchResponse.model_validate(v)
    return v["products"]


def request_for(item_id, quantity=1, codes=(), address=ADDRESS, option=None):
    method = {"type": "shipping", "destinations": [address] if address else []}
    if option:
        method["groups"] = [{"selected_option_id": option}]
    return {"line_items": [{"item": {"id": item_id}, "quantity": quantity}], "fulfillment": {"methods": [method]}, "discounts": {"codes": list(codes)}}


def create(agent, shop, *args, **kw):
    status, v = agent.call(shop, "POST", "/checkout-sessions", request_for(*args, **kw))
    assert status == 201, v
    judge_checkout(v)
    return v


def payment(token, kind="card"):
    return {"payment": {"instruments": [{"id": kind, "handler_id": "dev.rukou.sandbox", "type": kind, "selected": True,
                                         "credential": {"type": "dev.rukou.sandbox.token", "token": token}}]}}


def complete(agent, shop, checkout, token=None, key=None, kind="card"):
    return agent.call(shop, "POST", f"/checkout-sessions/{checkout['id']}/complete", payment(token or agent.key.token(checkout, shop.origin, kind=kind), kind), key)


def errors(v):
    return [m["code"] for m in v.get("messages", []) if m["type"] == "error"]


def test_discovery(agent, shops):
    for shop in shops:
        host = urllib.parse.urlsplit(shop.origin)
        c = http.client.HTTPConnection(host.hostname, host.port)
        c.request("GET", "/.well-known/ucp")
        r = c.getresponse()
        v = json.loads(r.read())
        assert r.status == 200 and r.getheader("Cache-Control") == "public, max-age=60"
        assert v["ucp"]["version"] == VERSION and len(v["signing_keys"]) == 1
        assert set(v["ucp"]["capabilities"]) == {f"dev.ucp.shopping.{c}" for c in CAPABILITIES} | {"example.rukou.refund"}
        assert v["ucp"]["services"]["dev.ucp.shopping"][0]["endpoint"] == shop.origin
        kinds = v["ucp"]["payment_handlers"]["dev.rukou.sandbox"][0]["available_instruments"]
        assert [k["type"] for k in kinds] == ["card", "wallet"]


def test_every_category_is_sold_in_both_shops(agent, shops):
    wanted = {"running_shoes", "headphones", "blood_pressure_meter", "mask", "rice_cooker", "phone", "flowers", "milk_tea", "book",
              "skirt", "thermos", "charger", "tent", "coffee_beans"}
    for shop in shops:
        seen, n = set(), 0
        for category in wanted:
            status, v = agent.call(shop, "POST", "/catalog/search", {"filters": {"categories": [category]}, "pagination": {"limit": 1}})
            assert status == 200
            n += v["pagination"]["total_count"]
            seen |= {p["categories"][0]["value"] for p in v["products"]}
        assert seen == wanted and n >= 300


def test_search_says_what_an_offer_costs(agent, shops):
    for lang, word in (("zh", "耳机"), ("en", "headphones")):
        for p in find(agent, shops[1], "noise cancelling headphones", context={"language": lang}):
            extra = p["metadata"]["dev.rukou.offer"]
            assert word in p["title"] and extra["attributes"]["noise_cancelling"] is True and extra["category"] == "headphones"
            assert extra["deliveries"][0] == {"id": "economy", "title": extra["deliveries"][0]["title"], "fee_minor": 500, "date": "2026-11-27"}
            assert "SOUND12" in [c["code"] for c in extra["coupons"]] and 0 < extra["relevance"] <= 1
    shoes = find(agent, shops[0], "跑步鞋")[0]
    assert shoes["metadata"]["dev.rukou.offer"]["size_kind"] == "shoes" and len(shoes["variants"]) == 10
    tea = find(agent, shops[0], "奶茶 少糖 去冰")[0]
    assert {(o["name"], o["id"]) for v in tea["variants"] for o in v["options"]} == {("sugar", "less"), ("ice", "none"), ("size", "medium"), ("size", "large")}


def test_pages_follow_each_other(agent, shops):
    first = agent.call(shops[0], "POST", "/catalog/search", {"query": "手机", "pagination": {"limit": 20}})[1]
    second = agent.call(shops[0], "POST", "/catalog/search", {"query": "手机", "pagination": {"limit": 20, "cursor": first["pagination"]["cursor"]}})[1]
    ids = [p["id"] for v in (first, second) for p in v["products"]]
    assert len(ids) == len(set(ids)) == first["pagination"]["total_count"] == 28 and not second["pagination"]["has_next_page"]


def test_lookup(agent, shops):
    p = find(agent, shops[0], "保温杯")[0]
    status, v = agent.call(shops[0], "POST", "/catalog/lookup", {"ids": [p["id"], p["variants"][0]["id"], "nonsense"]})
    catalog_lookup.LookupResponse.model_validate(v)
    assert status == 200 and [m["content"] for m in v["messages"]] == ["nonsense"] and len(v["products"]) == 1
    assert v["products"][0]["variants"][0]["inputs"] == [{"id": p["id"], "match": "featured"}, {"id": p["variants"][0]["id"], "match": "exact"}]
    assert agent.call(shops[0], "POST", "/catalog/lookup", {"ids": ["x"] * 51})[1]["messages"][0]["code"] == "request_too_large"


def test_product_detail(agent, shops):
    p = find(agent, shops[0], "奶茶")[0]
    ask = lambda **kw: agent.call(shops[0], "POST", "/catalog/product", {"id": p["id"], **kw})[1]["product"]
    catalog_lookup.GetProductResponse.model_validate(agent.call(shops[0], "POST", "/catalog/product", {"id": p["id"]})[1])
    assert len(ask()["variants"]) == 1 and [s["id"] for s in ask()["selected"]] == ["normal", "normal", "medium"]
    half = ask(selected=[{"name": "sugar", "label": "半糖"}, {"name": "none", "label": "x"}])
    assert [s["id"] for s in half["selected"]] == ["half"] and len(half["variants"]) == 6
    item = half["variants"][-1]["id"]
    assert ask(id=item)["variants"][0]["id"] == item
    assert all(v["available"] and v["exists"] for o in half["options"] for v in o["values"])
    status, v = agent.call(shops[0], "POST", "/catalog/product", {"id": "nonsense"})
    assert status == 200 and v["ucp"]["status"] == "error" and errors(v) == ["not_found"]


def test_whole_purchase(agent, shops):
    shop = shops[1]
    p = find(agent, shop, "玫瑰")[0]
    item, price = p["variants"][0]["id"], p["variants"][0]["price"]["amount"]
    co = create(agent, shop, item, codes=["xh20", "NOPE"], option="bloom-tomorrow")
    assert co["status"] == "ready_for_complete" and [d["code"] for d in co["discounts"]["applied"]] == ["XH20"]
    assert [m["code"] for m in co["messages"]] == ["discount_code_invalid"]
    assert judge_checkout(co) == {"subtotal": price, "discount": -2000, "fulfillment": 1500, "total": price - 500}
    option = next(o for o in co["fulfillment"]["methods"][0]["groups"][0]["options"] if o["id"] == "bloom-tomorrow")
    assert option["latest_fulfillment_time"].startswith("2026-11-24")
    assert agent.call(shop, "GET", f"/checkout-sessions/{co['id']}")[1]["totals"] == co["totals"]

    status, done = complete(agent, shop, co, kind="wallet")
    assert status == 200 and done["status"] == "completed", done
    judge_checkout(done)
    status, placed = agent.call(shop, "GET", f"/orders/{done['order']['id']}")
    order.Order.model_validate(placed)
    assert status == 200 and placed["checkout_id"] == co["id"] and placed["totals"] == done["totals"]

    mine = [o for o in shop.orders() if o["id"] == done["order"]["id"]]
    assert len(mine) == 1 and mine[0]["lines"][0]["category"] == "flowers" and mine[0]["lines"][0]["attributes"]["kind"] == "rose"
    assert mine[0]["delivery"]["date"] == "2026-11-24" and mine[0]["instrument"]["kind"] == "wallet" and mine[0]["discounts"] == ["XH20"]
    assert mine[0]["payment"]["amount_minor"] == mine[0]["total_minor"] == price - 500
    assert "漕溪北路" in mine[0]["address"]["street_address"]

    again = complete(agent, shop, co)[1]
    assert again["order"] == done["order"] and len([o for o in shop.orders() if o["checkout_id"] == co["id"]]) == 1
    assert agent.call(shop, "POST", f"/checkout-sessions/{co['id']}/cancel", {})[0] == 409
    assert agent.call(shop, "PUT", f"/checkout-sessions/{co['id']}", request_for(item))[0] == 409


def test_same_key_same_bytes_same_answer(agent, shops):
    item = find(agent, shops[0], "充电器")[0]["variants"][0]["id"]
    body, key = json.dumps(request_for(item)).encode(), str(uuid.uuid4())
    first = agent.call(shops[0], "POST", "/checkout-sessions", body, key)
    assert first[0] == 201 and agent.call(shops[0], "POST", "/checkout-sessions", body, key) == first
    assert agent.call(shops[0], "POST", "/checkout-sessions", body + b" ", key)[0] == 409
    assert agent.call(shops[0], "POST", "/checkout-sessions", body, headers={"Idempotency-Key": None})[0] == 400

    raw, key = json.dumps(payment(agent.key.token(first[1], shops[0].origin))).encode(), str(uuid.uuid4())
    path, before, answers = f"/checkout-sessions/{first[1]['id']}/complete", len(shops[0].orders()), []
    threads = [threading.Thread(target=lambda: answers.append(agent.call(shops[0], "POST", path, raw, key))) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(shops[0].orders()) == before + 1
    assert all(a == answers[0] for a in answers) and answers[0][1]["status"] == "completed"


def test_payment_is_for_exactly_this(agent, shops):
    shop, other = shops
    item = find(agent, shop, "口罩")[0]["variants"][0]["id"]
    co = create(agent, shop, item, 2)
    before = len(shop.orders())
    sign = lambda **changes: agent.key.token(co, shop.origin, **changes)
    for token in (sign(amount_minor=1), sign(aud=other.origin), sign(checkout_id="x"), sign(currency="USD"), sign(kind="wallet"),
                  sign(exp=1000000000), Key().token(co, shop.origin), sign()[:-4] + "AAAA", "nonsense", ""):
        status, v = complete(agent, shop, co, token or "-")
        assert status == 200 and v["status"] == "ready_for_complete" and errors(v) == ["payment_failed"], token
        judge_checkout(v)
    assert len(shop.orders()) == before
    good = sign(jti="one-charge")
    assert complete(agent, shop, co, good)[1]["status"] == "completed"
    second = create(agent, shop, item, 2)
    v = complete(agent, shop, second, agent.key.token(second, shop.origin, jti="one-charge"))[1]
    assert errors(v) == ["payment_failed"] and len(shop.orders()) == before + 1


def test_a_new_key_of_the_agent_is_fetched(agent, shops):
    item = find(agent, shops[0], "口罩")[0]["variants"][0]["id"]
    agent.key, fetches = Key(), agent.fetches
    assert complete(agent, shops[0], create(agent, shops[0], item))[1]["status"] == "completed"
    assert agent.fetches == fetches + 1


def test_stock_never_goes_below_zero(agent, shops):
    shop = shops[1]
    variant = find(agent, shop, "四人帐篷")[0]["variants"][0]
    stock = variant["metadata"]["dev.rukou.offer"]["stock"]
    assert errors(create(agent, shop, variant["id"], stock + 1)) == ["out_of_stock"]
    sessions = [create(agent, shop, variant["id"], stock) for _ in range(4)]
    answers = []
    threads = [threading.Thread(target=lambda s=s: answers.append(complete(agent, shop, s)[1])) for s in sessions]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(a["status"] for a in answers) == ["completed", "incomplete", "incomplete", "incomplete"]
    left = agent.call(shop, "POST", "/catalog/lookup", {"ids": [variant["id"]]})[1]["products"][0]["variants"][0]
    assert left["metadata"]["dev.rukou.offer"]["stock"] == 0 and left["availability"]["available"] is False
    status, v = agent.call(shop, "POST", "/checkout-sessions", request_for(variant["id"]))
    assert status == 200 and v["ucp"]["status"] == "error" and errors(v) == ["out_of_stock"]


def test_what_is_missing_is_said(agent, shops):
    item = find(agent, shops[0], "电饭煲")[0]["variants"][0]["id"]
    co = create(agent, shops[0], item, address=None)
    assert co["status"] == "incomplete" and errors(co) == ["missing"] and "destinations" in co["messages"][0]["path"]
    assert errors(complete(agent, shops[0], co)[1]) == ["missing"]
    status, co = agent.call(shops[0], "PUT", f"/checkout-sessions/{co['id']}", request_for(item, option="warp"))
    assert status == 200 and errors(co) == ["invalid"]
    status, co = agent.call(shops[0], "PUT", f"/checkout-sessions/{co['id']}", request_for(item))
    assert co["status"] == "ready_for_complete" and co["fulfillment"]["methods"][0]["groups"][0]["selected_option_id"] == "standard"
    status, v = agent.call(shops[0], "POST", "/checkout-sessions", request_for("no-such-item"))
    assert status == 200 and v["ucp"]["status"] == "error" and errors(v) == ["item_unavailable"]


def test_cancel(agent, shops):
    co = create(agent, shops[0], find(agent, shops[0], "裙子")[0]["variants"][0]["id"])
    for _ in range(2):
        status, v = agent.call(shops[0], "POST", f"/checkout-sessions/{co['id']}/cancel", {})
        assert status == 200 and v["status"] == "canceled"
    assert complete(agent, shops[0], co)[1]["status"] == "canceled"


def test_codes_do_not_add_up(agent, shops):
    item = find(agent, shops[1], "降噪耳机")[0]["variants"][0]
    co = create(agent, shops[1], item["id"], codes=["XH20", "SOUND12", "TEA3"])
    assert [d["code"] for d in co["discounts"]["applied"]] == ["SOUND12"]
    assert co["discounts"]["applied"][0]["amount"] == item["price"]["amount"] * 12 // 100
    assert [m["code"] for m in co["messages"]] == ["discount_code_combination_disallowed", "discount_code_user_ineligible"]


def test_other_agents_see_nothing(agent, shops):
    co = create(agent, shops[0], find(agent, shops[0], "口罩")[0]["variants"][0]["id"])
    other = agent.origin + "/other"
    assert agent.call(shops[0], "GET", f"/checkout-sessions/{co['id']}", profile=other)[0] == 404
    status, v = agent.call(shops[0], "GET", f"/orders/{shops[0].orders()[0]['id']}", profile=other)
    assert status == 200 and v["ucp"]["status"] == "error" and errors(v) == ["not_found"]


def test_agents_are_checked(agent, shops):
    search = lambda **kw: agent.call(shops[0], "POST", "/catalog/search", {"query": "口罩"}, **kw)
    assert search(headers={"UCP-Agent": None}) == (400, search(headers={"UCP-Agent": None})[1])
    assert search(headers={"UCP-Agent": "profile=bare"})[1]["code"] == "invalid_profile_url"
    assert search(profile="http://127.0.0.1:1/x")[1]["code"] == "invalid_profile_url"
    assert search(profile="file:///etc/passwd")[1]["code"] == "invalid_profile_url"
    assert search(profile=agent.origin + "/broken") == (422, search(profile=agent.origin + "/broken")[1])
    try:
        agent.version = "2020-01-01"
        status, v = search(profile=agent.origin + "/old")
        assert status == 422 and v["code"] == "version_unsupported"
        agent.version, agent.capabilities = VERSION, ["discount", "order"]
        status, v = search(profile=agent.origin + "/poor")
        assert status == 200 and v["ucp"]["status"] == "error" and errors(v) == ["capabilities_incompatible"]
    finally:
        agent.version, agent.capabilities = VERSION, CAPABILITIES


def test_without_sandbox_loopback_agents_are_refused(agent, tmp_path):
    p, (shop,) = start(agent, tmp_path, "lanhai", sandbox=False)
    try:
        status, v = agent.call(shop, "POST", "/catalog/search", {"query": "口罩"})
        assert status == 400 and v["code"] == "invalid_profile_url"
    finally:
        p.send_signal(signal.SIGINT)
        assert p.wait(10) == 0


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"query":"\xff"}', b'{"query":1}', b'{"query":"a","query":"b"}', b"[" * 100000,
                                  b'{"query":"x","pagination":{"limit":0}}', b'{"query":"x","pagination":{"cursor":"-1"}}'])
def test_bad_bodies(agent, shops, body):
    assert agent.call(shops[0], "POST", "/catalog/search", body)[0] == 400


@pytest.mark.parametrize("line", [{}, {"quantity": 0, "item": {"id": "x"}}, {"quantity": 1000, "item": {"id": "x"}}, {"quantity": "1", "item": {"id": "x"}}])
def test_bad_lines(agent, shops, line):
    assert agent.call(shops[0], "POST", "/checkout-sessions", {"line_items": [line]})[0] == 400


def test_unknown_places(agent, shops):
    assert agent.call(shops[0], "GET", "/nothing")[0] == 404
    assert agent.call(shops[0], "PUT", "/catalog/search", {})[0] == 405
    assert agent.call(shops[0], "GET", "/checkout-sessions/" + str(uuid.uuid4()))[0] == 404


def test_orders_and_stock_survive_a_restart(agent, tmp_path):
    p, (shop,) = start(agent, tmp_path, "xinghe")
    variant = find(agent, shop, "充电器")[0]["variants"][0]
    done = complete(agent, shop, create(agent, shop, variant["id"], 3))[1]
    p.kill()
    p.wait()
    p, (shop,) = start(agent, tmp_path, "xinghe")
    try:
        assert [o["id"] for o in shop.orders()] == [done["order"]["id"]]
        assert agent.call(shop, "GET", f"/orders/{done['order']['id']}")[0] == 200
        left = agent.call(shop, "POST", "/catalog/lookup", {"ids": [variant["id"]]})[1]["products"][0]["variants"][0]
        assert left["metadata"]["dev.rukou.offer"]["stock"] == variant["metadata"]["dev.rukou.offer"]["stock"] - 3
    finally:
        p.send_signal(signal.SIGTERM)
        assert p.wait(10) == 0


@pytest.mark.parametrize("sandbox", [True, False])
def test_a_sandbox_shop_ends_with_its_parent_and_a_real_one_does_not(tmp_path, sandbox):
    args = " ".join([RUKOU, "shop", "serve", "shops/lanhai", "--json", "--data", str(tmp_path)] + ["--sandbox"] * sandbox)
    parent = subprocess.Popen(["sh", "-c", f"{args} & echo $!; wait"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    parent.stdout.readline()
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + (5 if sandbox else 0.5)
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.05)
    left = os.path.exists(f"/proc/{pid}")
    if left:
        os.kill(pid, signal.SIGKILL)
    assert left != sandbox


def test_taken_port_is_an_error_that_names_it(shops, tmp_path):
    port = str(urllib.parse.urlsplit(shops[0].origin).port)
    r = subprocess.run([RUKOU, "shop", "serve", "shops/lanhai", "--port", port, "--data", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert r.returncode == 4 and port in r.stderr
    r = subprocess.run([RUKOU, "shop", "serve", "shops", "--data", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert r.returncode == 1 and "shop.conf" in r.stderr
