"""The seller's page and the seller's refunds: who gets in, what a form may change, and what buyers and their agents see of it."""
import concurrent.futures
import html
import http.client
import json
import os
import re
import sqlite3
import subprocess
import time
import urllib.parse

import pytest
from rukou import RUKOU, run
from rukou import served as rukou_served
from scripted import Script, scripted
from test_own_shop import HEAD, agent, checkout, found, load, new, served, total  # noqa: F401 (agent is a fixture)
from test_shop import complete

GOODS = HEAD + "a,,tea,红茶,Black tea,,20,5,100\nb-1,b,tea,绿茶,Green tea,size=50g,30,7,60\nb-2,b,tea,绿茶,Green tea,size=100g,55,4,110\n"


class Seller:
    """A browser without scripts: one cookie, forms with what they show."""

    def __init__(self, shop, lang="en", origin=None):
        self.shop, self.cookie, self.origin, self.lang = shop, None, origin or shop.origin, lang
        self.at = urllib.parse.urlsplit(shop.origin)

    def request(self, method, path, body=None, **headers):
        c = http.client.HTTPConnection(self.at.hostname, self.at.port, timeout=20)
        base = {"Accept-Language": self.lang, "Host": urllib.parse.urlsplit(self.origin).netloc}
        if self.cookie:
            base["Cookie"] = "other=1; " + self.cookie
        if method == "POST":
            base |= {"Origin": self.origin, "Content-Type": "application/x-www-form-urlencoded"}
        c.request(method, path, body, {k: v for k, v in (base | headers).items() if v is not None})
        r = c.getresponse()
        text = r.read().decode()
        self.headers = r.headers
        c.close()
        return r.status, text

    def get(self, path, **headers):
        return self.request("GET", path, **headers)

    def post(self, path, fields, **headers):
        return self.request("POST", path, urllib.parse.urlencode(fields), **headers)

    def sign_in(self, url):
        status, page = self.get(url.removeprefix(self.origin))
        assert status == 200 and "Set-Cookie" not in self.headers
        status, page = self.post("/admin/sign-in", self.fields(page, "/admin/sign-in"))
        if status == 303:
            self.cookie = self.headers["Set-Cookie"].split(";")[0]
        return status

    @staticmethod
    def fields(page, action):
        """What a browser would send of the form with this action."""
        form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', page, re.S).group(0)
        out = {}
        for tag in re.findall(r"<input[^>]*>", form):
            attr = dict(re.findall(r'(\w+)="([^"]*)"', tag)) | dict(re.findall(r"(\w+)=([^\s\">]+)", tag))
            if attr.get("type") != "checkbox" or " checked" in tag:
                out[attr["name"]] = html.unescape(attr.get("value", ""))
        for name, text in re.findall(r"<textarea name=(\w+)[^>]*>(.*?)</textarea>", form, re.S):
            out[name] = html.unescape(text)
        return out

    def form(self, path, action=None):
        status, page = self.get(path)
        assert status == 200, (status, page)
        return self.fields(page, action or path)

    def edit(self, path, **changes):
        fields = self.form(path) | {k.replace("__", "."): v for k, v in changes.items()}
        return self.post(path, {k: v for k, v in fields.items() if v is not None})


CLOCK = "2026-11-23T10:00:00+08:00"  # served() starts there


def link(d, clock=CLOCK):
    r = run("shop", "admin", str(d), "--json", env={"RUKOU_CLOCK": clock} if clock else None)
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)["url"]


@pytest.fixture
def shop(agent, tmp_path):  # noqa: F811
    d = new(tmp_path, GOODS)
    with served(agent, d) as s:
        s.dir = d
        s.seller = Seller(s)
        assert s.seller.sign_in(link(d)) == 303
        yield s


def note(page):
    return html.unescape(re.search(r'role=(?:alert|status)>(.*?)</p>', page, re.S).group(1))


# ---- who gets in ----

def test_a_link_signs_in_once_and_not_late(agent, shop):  # noqa: F811
    url = link(shop.dir)
    first, second = Seller(shop), Seller(shop)
    assert first.sign_in(url) == 303
    cookie = first.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/admin" in cookie
    assert second.sign_in(url) == 401 and second.cookie is None
    late, db = link(shop.dir), sqlite3.connect(shop.dir / "shop.db")
    for change in ("expires_ms=made_ms", "made_ms=made_ms+3600000, expires_ms=expires_ms+3600000"):  # over, and of a time that the clock has not reached
        with db:
            db.execute(f"UPDATE admin_links SET {change}")
        assert second.sign_in(late) == 401
    with db:
        assert not [t for (t,) in db.execute("SELECT hash FROM admin_links") if t in late], "the link itself is kept nowhere"
        db.execute("UPDATE admin_sessions SET expires_ms=1")
    db.close()
    assert first.get("/admin/products")[0] == 401


def test_only_the_seller_gets_in(agent, shop):  # noqa: F811
    stranger = Seller(shop)
    paths = ("/admin", "/admin/products", "/admin/products/a", "/admin/orders", "/admin/settings", "/admin/products/+new")
    for path in paths:
        status, page = stranger.get(path)
        assert status == 401 and "rukou shop admin" in page and "tea" not in page
        for key in ("Bearer rk-0123", "Basic YTpi"):
            assert stranger.get(path, Authorization=key, **{"UCP-Agent": f'profile="{agent.url}"'})[0] == 401
    assert stranger.post("/admin/products/a", {"price.a": "1"})[0] == 401
    stranger.cookie = "rukou_shop_000000000000=" + shop.seller.cookie.split("=")[1]
    assert stranger.get("/admin/products")[0] == 401, "the cookie names the shop"
    assert shop.seller.get("/admin/products", Host="evil.example")[0] == 403
    assert found(agent, shop, "红茶") == {"a": 2000}


def test_a_write_needs_origin_and_csrf(agent, shop):  # noqa: F811
    s, path = shop.seller, "/admin/products/a"
    fields = s.form(path) | {"price.a": "1.00"}
    csrf = fields.pop("csrf")
    for body, headers in ((fields, {}), (fields | {"csrf": "0" * 64}, {}), (fields | {"csrf": ""}, {}), (fields | {"csrf": csrf}, {"Origin": None}),
                          (fields | {"csrf": csrf}, {"Origin": "https://evil.example"}), (fields | {"csrf": csrf}, {"Origin": "null"})):
        assert s.post(path, body, **headers)[0] == 403
    other = Seller(shop)
    assert other.sign_in(link(shop.dir)) == 303
    assert other.post(path, fields | {"csrf": csrf})[0] == 403, "a token belongs to one session"
    assert found(agent, shop, "红茶") == {"a": 2000}
    assert s.post(path, fields | {"csrf": csrf})[0] == 303 and found(agent, shop, "红茶") == {"a": 100}
    out = s.form("/admin/products", "/admin/sign-out")
    assert s.post("/admin/sign-out", out)[0] == 200
    assert s.get("/admin/products")[0] == 401


def test_the_page_loads_nothing_from_elsewhere(shop):
    for path in ("/admin/products", "/admin/products/b", "/admin/orders", "/admin/settings"):
        status, page = shop.seller.get(path)
        policy = shop.seller.headers["Content-Security-Policy"]
        assert status == 200 and "default-src 'none'" in policy and "form-action 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "<script" not in page and "http://" not in page.replace(shop.origin, "") and "style=" not in page


def test_behind_a_proxy_with_an_origin_of_its_own(agent, tmp_path):  # noqa: F811
    d = new(tmp_path, GOODS)
    conf = d / "shop.conf"
    conf.write_text(conf.read_text().replace("# origin =", "origin ="))
    argv = [RUKOU, "shop", "serve", str(d), "--json", "--port", "0", "--sandbox", "--agent", agent.origin]
    p = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        origin = json.loads(p.stdout.readline())["origin"]
        assert origin == "https://shop.example"
        url = link(d, None)
        assert url.startswith("https://shop.example/admin?token=")
        port = next(int(f[1].split(":")[1], 16) for f in (ln.split() for ln in open("/proc/net/tcp").read().splitlines()[1:])
                    if f[3] == "0A" and f[1].startswith("0200007F") and f[9] in inodes(p.pid))
        shop = type("Shop", (), {"origin": f"http://127.0.0.2:{port}"})
        s = Seller(shop, origin=origin)
        assert s.sign_in(url) == 303 and "; Secure" in s.headers["Set-Cookie"]
        assert s.edit("/admin/products/a", price__a="21")[0] == 303
        assert s.post("/admin/products/a", s.form("/admin/products/a"), Origin=shop.origin)[0] == 403
    finally:
        p.terminate()
        assert p.wait(20) == 0
        p.stdout.close()


def inodes(pid):
    links = (os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
    return {x[8:-1] for x in links if x.startswith("socket:[")}


# ---- goods ----

def test_a_product_is_edited_and_buyers_see_it(agent, shop):  # noqa: F811
    s = shop.seller
    assert s.edit("/admin/products/b", title="绿茶<b>新</b>", title_en="<script>alert(1)</script>\"'&", **{"stock__b-1": "9", "price__b-1": "31.5"})[0] == 303
    assert found(agent, shop, "绿茶") == {"b-1": 3150, "b-2": 5500}
    for path in ("/admin/products", "/admin/products/b"):
        page = s.get(path)[1]
        assert "<script>" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;" in page
    assert s.form("/admin/products/b")["title_en"] == "<script>alert(1)</script>\"'&"
    assert s.edit("/admin/products/b", **{"on__b-2": None})[0] == 303
    assert found(agent, shop, "绿茶") == {"b-1": 3150}
    assert checkout(agent, shop, "b-2")["ucp"]["status"] == "error"
    load(shop.dir, GOODS)
    assert found(agent, shop, "绿茶") == {"b-1": 3000}, "an import leaves off what is off"
    assert s.edit("/admin/products/b", **{"on__b-2": "1"})[0] == 303
    assert found(agent, shop, "绿茶") == {"b-1": 3000, "b-2": 5500}


WRONG = {"negative": ("price__a", "-1", "Price"), "fractions of a cent": ("price__a", "1.005", "Price"), "signed cents": ("price__a", "1.-5", "Price"),
         "a word": ("price__a", "free", "Price"), "too dear": ("price__a", "2000000000", "Price"), "half a piece": ("stock__a", "1.5", "Stock"),
         "below zero": ("stock__a", "-1", "Stock"), "over a million": ("stock__a", "1000001", "Stock"), "no title": ("title", " ", "title"),
         "a long text": ("description", "x" * 2001, "description"), "nothing": ("price__a", None, "Price")}


def test_wrong_entries_are_named_and_kept_in_the_form(agent, shop):  # noqa: F811
    for name, (field, value, says) in WRONG.items():
        status, page = shop.seller.edit("/admin/products/a", **{"title_en": "Changed", field: value})
        assert status == 400 and says in note(page), name
        assert Seller.fields(page, "/admin/products/a")["title_en"] == "Changed", "what was typed stays"
    assert found(agent, shop, "红茶") == {"a": 2000} and shop.seller.form("/admin/products/a")["title_en"] == "Black tea"


def test_a_million_pieces_are_a_stock(agent, shop):  # noqa: F811
    assert shop.seller.edit("/admin/products/a", stock__a="1000000")[0] == 303
    assert shop.seller.form("/admin/products/a")["stock.a"] == "1000000"
    _, v = agent.call(shop, "POST", "/checkout-sessions", {"line_items": [{"item": {"id": "a"}, "quantity": 1000000}]})
    assert "quantity is 1 to 999" in json.dumps(v)


def test_the_second_of_two_tabs_loses_nothing(agent, shop):  # noqa: F811
    s, path = shop.seller, "/admin/products/a"
    first, second = s.form(path), s.form(path)
    assert s.post(path, first | {"price.a": "22"})[0] == 303
    status, page = s.post(path, second | {"price.a": "18"})
    assert status == 409 and "Nothing of yours was saved" in note(page)
    now = Seller.fields(page, path)
    assert now["price.a"] == "22.00" and found(agent, shop, "红茶") == {"a": 2200}
    assert s.post(path, now | {"price.a": "18"})[0] == 303 and found(agent, shop, "红茶") == {"a": 1800}
    load(shop.dir, GOODS)  # an import is a change too
    assert s.post(path, now | {"price.a": "1"})[0] == 409
    race = s.form(path)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda n: s.post(path, race | {"price.a": str(n)})[0], range(1, 9)))
    assert sorted(got) == [303] + [409] * 7


def test_a_sale_between_counts(agent, shop):  # noqa: F811
    s, path = shop.seller, "/admin/products/a"
    shown = s.form(path)
    assert complete(agent, shop, checkout(agent, shop, "a", 2))[1]["status"] == "completed"
    assert s.post(path, shown | {"stock.a": "10"})[0] == 303
    assert s.form(path)["stock.a"] == "8", "five were there, ten were counted, two of them are sold"
    shown = s.form(path)
    assert complete(agent, shop, checkout(agent, shop, "a", 2))[1]["status"] == "completed"
    status, page = s.post(path, shown | {"stock.a": "1"})
    assert status == 400 and "sold meanwhile" in note(page) and s.form(path)["stock.a"] == "6"


def test_a_new_product(agent, shop):  # noqa: F811
    s, path = shop.seller, "/admin/products/+new"
    fields = s.form(path) | {"sku": "c-1", "title": "乌龙茶", "title_en": "Oolong", "price": "45", "stock": "3", "weight": "120", "category": "tea"}
    for wrong in ({"sku": "no space"}, {"sku": "a"}, {"price": "-1"}, {"stock": "x"}, {"title": ""}, {"weight": "-5"}, {"sku": "../x"}):
        assert s.post(path, fields | wrong)[0] == 400
    assert s.post(path, fields)[0] == 303
    assert found(agent, shop, "乌龙") == {"c-1": 4500}
    assert s.post(path, fields)[0] == 400, "sent twice it is there once"
    assert s.edit("/admin/products/c-1", **{"on__c-1": None})[0] == 303 and found(agent, shop, "乌龙") == {}


def test_the_list_is_searched_and_paged(agent, tmp_path):  # noqa: F811
    d = new(tmp_path, HEAD + "".join(f"sku-{i:03},,tea,茶叶{i},Tea {i},,20,5,\n" for i in range(60)))
    with served(agent, d) as shop:
        s = Seller(shop)
        assert s.sign_in(link(d)) == 303
        pages = [re.findall(r'href="/admin/products/(sku-\d+)"', s.get(f"/admin/products?from={n}")[1]) for n in (0, 25, 50)]
        assert [len(p) for p in pages] == [25, 25, 10] and len({x for p in pages for x in p}) == 60
        assert re.findall(r'href="/admin/products/(sku-\d+)"', s.get("/admin/products?q=TEA+59")[1]) == ["sku-059"]
        assert re.findall(r'href="/admin/products/(sku-\d+)"', s.get("/admin/products?q=" + urllib.parse.quote("茶叶7"))[1]) == ["sku-007"]
        assert s.get("/admin/products?q=" + urllib.parse.quote("\"><script>"))[1].count("<script") == 0
        for odd in ("?from=-5", "?from=x", "?q=%00", "?q=%ff", "?from=99999999999", "/nothing", "/a/b", "/%2e%2e"):
            assert s.get("/admin/products" + odd)[0] in (200, 400, 404)
        zh = Seller(shop, lang="zh-CN,zh")
        assert zh.sign_in(link(d)) == 303
        page = zh.get("/admin/products")[1]
        assert "添加商品" in page and "<html lang=zh-CN>" in page
        settings = Seller.fields(zh.get("/admin/settings")[1], "/admin/lang")
        for back, to in (("/admin/settings", "/admin/settings"), ("//evil.example", "/admin/products"), ("/admin/\r\nX: 1", "/admin/products"), ("https://evil.example", "/admin/products")):
            assert zh.post("/admin/lang", settings | {"lang": "en", "back": back})[0] == 303 and zh.headers["Location"] == to
        assert settings["back"] == "/admin/settings" and "New product" in zh.get("/admin/products")[1]
        assert len(found(agent, shop, "茶")) == 10, "one character alone is a query"


# ---- orders ----

def order_of(agent, shop, item="a", quantity=2):  # noqa: F811
    v = complete(agent, shop, checkout(agent, shop, item, quantity))[1]
    return v["order"]["id"], total(v)


def read(agent, shop, order):  # noqa: F811
    return agent.call(shop, "GET", f"/orders/{order}")[1]


def back(o):
    return [(a["status"], -a["totals"][0]["amount"]) for a in o["adjustments"]]


def test_an_order_is_sent_and_given_back_on_the_page(agent, shop):  # noqa: F811
    s = shop.seller
    order, paid = order_of(agent, shop)
    page = s.get("/admin/orders")[1]
    assert order in page and "张伟" in page and "to send" in page
    assert order in s.get("/admin/orders?status=placed")[1] and order not in s.get("/admin/orders?status=shipped")[1]
    path = f"/admin/orders/{order}"
    ship = s.form(path, path + "/ship") | {"carrier": "SF", "tracking": "SF<1>"}
    assert s.post(path + "/ship", ship)[0] == 303
    assert read(agent, shop, order)["fulfillment"]["events"][0]["tracking_number"] == "SF<1>" and "SF&lt;1&gt;" in s.get(path)[1]
    status, page = s.post(path + "/ship", ship)
    assert status == 409 and "nothing" in note(page)
    refund = s.form(path, path + "/refund") | {"li_1": "1", "reason": "Broken <cup>"}
    for wrong in ({"amount": "-1"}, {"amount": "1.001"}, {"li_1": "0.5"}, {"li_1": "3"}, {"li_1": "0"}, {"amount": "1000000"}, {"amount": "0"}, {"key": ""}):
        assert s.post(path + "/refund", refund | wrong)[0] in (400, 409), wrong
    assert read(agent, shop, order)["adjustments"] == []
    assert s.post(path + "/refund", refund)[0] == 303
    assert s.post(path + "/refund", refund)[0] == 303, "a form that is sent twice"
    o = read(agent, shop, order)
    assert back(o) == [("completed", 2000)] and o["adjustments"][0]["description"] == "Broken <cup>" and o["adjustments"][0]["line_items"] == [{"id": "li_1", "quantity": -1}]
    assert s.post(path + "/refund", s.form(path, path + "/refund") | {"amount": "5"})[0] == 303
    assert back(read(agent, shop, order)) == [("completed", 2000), ("completed", 500)]
    assert "Broken &lt;cup&gt;" in s.get(path)[1] and s.get("/admin/orders/TE000000-00000000")[0] == 404


def test_the_list_of_orders_says_what_to_send_and_to_whom(agent, shop):  # noqa: F811
    v = checkout(agent, shop, "a", 2, street="春熙路\x1b[2J1号")
    order = complete(agent, shop, v)[1]["order"]["id"]
    refund(shop, order, "--line", "1:1")
    text = run("shop", "orders", str(shop.dir)).stdout
    assert order in text and "1: 2 x 红茶  a  (1 came back)" in text and "to: 张伟 春熙路" in text and "given back: 20.00 CNY" in text and "\x1b" not in text
    assert order in shop.seller.get("/admin/orders?status=placed")[1], "one of them is still to be sent"


# ---- refunds by command ----

def refund(shop, order, *args, refused=False):
    r = run("shop", "refund", str(shop.dir), order, "--json", *args)
    assert (r.returncode != 0) == refused, (r.stdout, r.stderr)
    return r.stderr if refused or "--paid" in args else json.loads(r.stdout)


def test_refunds_never_pass_what_was_paid(agent, shop):  # noqa: F811
    order, paid = order_of(agent, shop)
    assert paid == 4800 and shop.seller.form("/admin/products/a")["stock.a"] == "3"
    once = refund(shop, order, "--amount", "3", "--reason", "late")
    assert once["amount_minor"] == 300 and not once["again"] and not once["by_hand"]
    assert refund(shop, order, "--amount", "3")["again"], "the same words twice are one refund"
    assert refund(shop, order, "--amount", "3", "--key", "second")["amount_minor"] == 300
    line = refund(shop, order, "--line", "1:1")
    assert line["amount_minor"] == 2000 and refund(shop, order, "--line", "1:1")["again"]
    assert shop.seller.form("/admin/products/a")["stock.a"] == "4", "it was not sent yet"
    assert "is left to give back" in refund(shop, order, "--amount", "22.01", refused=True)
    assert "are left to give back" in refund(shop, order, "--line", "1:2", refused=True)
    assert "line 2" in refund(shop, order, "--line", "2:1", refused=True)
    assert refund(shop, order)["amount_minor"] == 4800 - 300 - 300 - 2000
    o = read(agent, shop, order)
    assert sum(n for s, n in back(o)) == paid and o["line_items"][0]["quantity"]["total"] == 0
    assert "gone back already" in refund(shop, order, "--amount", "0.01", refused=True)
    assert shop.seller.form("/admin/products/a")["stock.a"] == "5"


def test_wrong_words_of_refund(tmp_path):
    for args in (("--amount", "-1"), ("--amount", "1.001"), ("--line", "0:1"), ("--line", "1:-1"), ("--line", "1:x"), ("--line", ""), ("--paid", "x", "--amount", "1")):
        assert run("shop", "refund", str(tmp_path), "TE0", *args).returncode == 2, args


def test_refund_of_nothing(shop, tmp_path):
    assert "no order" in refund(shop, "TE000000-00000000", refused=True)
    assert "holds no orders" in run("shop", "refund", str(tmp_path / "none"), "TE0").stderr and not (tmp_path / "none").exists()


def test_no_link_to_a_shop_that_nobody_serves(tmp_path):
    assert "is not being served" in run("shop", "admin", str(new(tmp_path, GOODS))).stderr
    assert "rukou shop new" in run("shop", "admin", str(tmp_path)).stderr


def test_what_two_commands_give_back_at_once_is_within_the_total(agent, shop):  # noqa: F811
    order, paid = order_of(agent, shop)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda n: run("shop", "refund", str(shop.dir), order, "--amount", "20", "--key", str(n)).returncode, range(4)))
    assert sorted(map(bool, got)) == [False, False, True, True] and sum(n for s, n in back(read(agent, shop, order))) == 4000


def test_what_was_paid_at_the_door_is_paid_back_by_hand(agent, shop):  # noqa: F811
    order, paid = order_of(agent, shop)
    db = sqlite3.connect(shop.dir / "shop.db")
    with db:
        db.execute("UPDATE orders SET report_json=json_set(report_json, '$.instrument.kind', 'on_delivery') WHERE id=?", (order,))
    db.close()
    said = refund(shop, order, "--amount", "10")
    assert said["by_hand"] and back(read(agent, shop, order)) == [("pending", 1000)]
    assert "is left to give back" in refund(shop, order, "--amount", "39", refused=True), "what is owed counts"
    refund(shop, order, "--paid", said["refund"])
    refund(shop, order, "--paid", said["refund"])
    assert back(read(agent, shop, order)) == [("completed", 1000)]
    assert "has no refund" in refund(shop, order, "--paid", "rf_0", refused=True)
    other = refund(shop, order, "--amount", "5")
    path = f"/admin/orders/{order}"
    s = shop.seller
    assert s.post(path + "/paid", s.form(path, path + "/paid"))[0] == 303
    assert back(read(agent, shop, order)) == [("completed", 1000), ("completed", 500)] and other["amount_minor"] == 500


# ---- with the agent ----

@pytest.fixture
def buyer(tmp_path):
    """`rukou serve` and this one shop, which it reaches by its address alone."""
    d = new(tmp_path, GOODS)
    argv = [RUKOU, "shop", "serve", str(d), "--json", "--sandbox", "--agent", "http://127.0.0.1:*"]
    p = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        origin = json.loads(p.stdout.readline())["origin"]
        with scripted(Script(query="红茶")) as model, rukou_served(tmp_path / "data", "--shops", origin, *model, model="1.5b") as server:
            yield server.sign_in(), d, tmp_path / "data"
    finally:
        p.terminate()
        assert p.wait(20) == 0
        p.stdout.close()


def booked(server):
    return [e["amount_minor"] for e in server.api("GET", "/api/ledger")["entries"] if e["kind"] == "refund"]


def until(what):
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_the_buyers_agent_books_a_sellers_refund_once(buyer):
    server, d, data = buyer
    r = run("do", "买2份红茶", "--approve", "yes", "--json", data=data)
    assert r.returncode == 0, (r.stdout[-1000:], r.stderr)
    (order,) = server.api("GET", "/api/orders")["orders"]
    number, paid = order["merchant_order_id"], order["receipt"]["total_minor"] if "receipt" in order else order["total_minor"]
    for _ in range(2):
        assert run("shop", "refund", str(d), number, "--amount", "10", "--reason", "sorry").returncode == 0
    until(lambda: booked(server) == [1000])
    assert run("shop", "refund", str(d), number).returncode == 0
    until(lambda: sum(booked(server)) == paid)
    time.sleep(1)
    assert booked(server) == [1000, paid - 1000] and server.api("GET", "/api/ledger/audit")["audit"]["ok"]
    assert server.api("GET", "/api/orders")["orders"][0]["status"] == "refunded"
