"""A small seller's own shop, from `rukou shop new` to a parcel on its way, while it is being served."""
import contextlib
import json
import os
import signal
import subprocess
import types

import pytest
from rukou import ROOT, RUKOU, run
from scripted import Script, scripted
from test_shop import Agent, complete, errors

HEAD = "sku,product,category,title,title_en,options,price,stock,weight_g\n"


@pytest.fixture(scope="module")
def agent():
    a = Agent()
    yield a
    a.server.shutdown()


@contextlib.contextmanager
def served(agent, directory, clock="2026-11-23T10:00:00+08:00"):
    argv = [RUKOU, "shop", "serve", str(directory), "--json", "--sandbox", "--agent", agent.origin]
    p = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "RUKOU_CLOCK": clock}, text=True)
    try:
        yield types.SimpleNamespace(origin=json.loads(p.stdout.readline())["origin"])
    finally:
        p.send_signal(signal.SIGTERM)
        assert p.wait(20) == 0
        p.stdout.close()


def new(tmp_path, goods=None):
    d = tmp_path / "shop"
    r = run("shop", "new", str(d), "--name", "茶小店", "--name-en", "Tea Corner")
    assert r.returncode == 0, r.stderr
    r = load(d, goods or (d / "goods.csv").read_text())
    assert r.returncode == 0, r.stderr
    return d


def load(d, text, *args):
    table = d.parent / "table.csv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    return run("shop", "import", str(d), str(table), *args)


def found(agent, shop, query="茶"):
    status, v = agent.call(shop, "POST", "/catalog/search", {"query": query, "context": {"language": "zh"}})
    assert status == 200
    return {x["id"]: x["price"]["amount"] for p in v["products"] for x in p["variants"]}


def checkout(agent, shop, item, quantity=1, street="成都市锦江区春熙路1号", option=None):
    method = {"type": "shipping", "destinations": [{"first_name": "张伟", "street_address": street}]}
    if option:
        method["groups"] = [{"selected_option_id": option}]
    _, v = agent.call(shop, "POST", "/checkout-sessions", {"line_items": [{"item": {"id": item}, "quantity": quantity}], "fulfillment": {"methods": [method]}})
    return v


def total(v, kind="total"):
    return sum(t["amount"] for t in v["totals"] if t["type"] == kind)


def test_ten_minutes_to_the_first_order(agent, tmp_path):
    d = new(tmp_path)
    with served(agent, d) as shop:
        assert found(agent, shop, "龙井茶") == {"tea-50": 4800, "tea-100": 8800}
        v = checkout(agent, shop, "tea-50", 2)
        assert v["status"] == "ready_for_complete" and total(v) == 9600 + 800
        status, done = complete(agent, shop, v)
        assert done["status"] == "completed" and done["order"]["id"].startswith("TE")
        order = done["order"]["id"]
        r = run("shop", "ship", str(d), order, "--carrier", "SF", "--tracking", "SF123")
        assert r.returncode == 0, r.stderr
        _, o = agent.call(shop, "GET", f"/orders/{order}")
        assert o["line_items"][0]["status"] == "fulfilled" and o["line_items"][0]["quantity"]["fulfilled"] == 2
        assert o["fulfillment"]["events"][0]["tracking_number"] == "SF123"
        assert run("shop", "ship", str(d), order).returncode != 0, "nothing is left to send"
    orders = json.loads(run("shop", "orders", str(d), "--json").stdout)["orders"]
    assert [o["status"] for o in orders] == ["shipped"] and orders[0]["lines"][0]["item_id"] == "tea-50"


def test_goods_change_while_the_shop_is_served(agent, tmp_path):
    d = new(tmp_path, HEAD + "a,,tea,红茶,Black tea,,20,5,\n")
    with served(agent, d) as shop:
        assert found(agent, shop, "红茶") == {"a": 2000}
        r = load(d, HEAD + "a,,tea,红茶,Black tea,,25,5,\nb,,tea,红茶礼盒,Gift box,,99,1,\n")
        assert "1 new, 1 changed, 0 taken off" in r.stdout
        assert found(agent, shop, "红茶") == {"a": 2500, "b": 9900}
        r = load(d, HEAD + "b,,tea,红茶礼盒,Gift box,,99,1,\n", "--replace")
        assert "0 new, 1 changed, 1 taken off" in r.stdout
        assert found(agent, shop, "红茶") == {"b": 9900}
        v = checkout(agent, shop, "a")
        assert v["ucp"]["status"] == "error" and errors(v) == ["item_unavailable"]


def test_nothing_of_a_wrong_table_is_taken(agent, tmp_path):
    d = new(tmp_path, HEAD + "a,,tea,红茶,Black tea,,20,5,\n")
    r = load(d, HEAD + "a,,tea,红茶,Black tea,,30,5,\nc,,tea,白茶,,,12元,5,\nd,,tea,,,,1,x,\n")
    assert r.returncode == 1 and "line 3, price: `12元` is no amount" in r.stderr and "line 4, stock: `x`" in r.stderr and "nothing was imported" in r.stderr
    r = load(d, "sku,title\na,b\n")
    assert r.returncode == 1 and "price" in r.stderr and "missing" in r.stderr
    r = load(d, "编号,名称,价格,库存\ng,绿茶,12.5,3\n".encode("gbk"))
    assert r.returncode == 0 and "GBK" in r.stdout
    r = load(d, b"\xef\xbb\xbfsku,title,price,stock\r\nh,\"a, \"\"b\"\"\",1,1\r\n")
    assert r.returncode == 0 and "1 new" in r.stdout
    with served(agent, d) as shop:
        assert found(agent, shop, "红茶") == {"a": 2000} and found(agent, shop, "绿茶") == {"g": 1250}


def test_delivery_by_region_weight_and_subtotal(agent, tmp_path):
    d = new(tmp_path, HEAD + "jar,,tea,茶罐,Jar,,30,50,900\n")
    with served(agent, d) as shop:
        v = checkout(agent, shop, "jar", 1)
        options = [o["id"] for o in v["fulfillment"]["methods"][0]["groups"][0]["options"]]
        assert options == ["standard"] and total(v, "fulfillment") == 800, "express goes to the east only"
        assert total(checkout(agent, shop, "jar", 3), "fulfillment") == 800 + 2 * 200, "2.7 kg"
        assert total(checkout(agent, shop, "jar", 7), "fulfillment") == 0, "210 yuan are over 199"
        east = checkout(agent, shop, "jar", 1, "上海市徐汇区1号", "express")
        assert total(east, "fulfillment") == 1800 and east["status"] == "ready_for_complete"
        assert "invalid" in errors(checkout(agent, shop, "jar", 1, option="express"))


def test_orders_after_the_cutoff_are_the_next_days(agent, tmp_path):
    d = new(tmp_path, HEAD + "jar,,tea,茶罐,Jar,,30,50,900\n")
    dates = []
    for clock in ("2026-11-23T17:00:00+08:00", "2026-11-23T19:00:00+08:00"):
        with served(agent, d, clock) as shop:
            option = checkout(agent, shop, "jar")["fulfillment"]["methods"][0]["groups"][0]["options"][0]
            dates.append(option["latest_fulfillment_time"][:10])
    assert dates == ["2026-11-26", "2026-11-27"]


def configured(tmp_path, *lines):
    d = new(tmp_path, HEAD + "jar,,tea,茶罐,Jar,,30,50,900\n")
    conf = d / "shop.conf"
    conf.write_text(conf.read_text() + "".join(line + "\n" for line in lines))
    return d


def promised(agent, shop):
    return checkout(agent, shop, "jar")["fulfillment"]["methods"][0]["groups"][0]["options"][0]["latest_fulfillment_time"]


def test_promised_dates_count_from_the_next_open_moment(agent, tmp_path):
    d = configured(tmp_path, "hours = mon-fri 09:00-18:00", "closed = 2026-11-30")
    for clock, date in (("2026-11-27T17:00:00+08:00", "2026-11-30"), ("2026-11-27T19:00:00+08:00", "2026-12-04"), ("2026-11-28T10:00:00+08:00", "2026-12-04")):
        with served(agent, d, clock) as shop:
            assert promised(agent, shop) == date + "T21:00:00+08:00"


def test_the_clock_of_a_zone_with_summer_time(agent, tmp_path):
    d = configured(tmp_path, "zone = Europe/Berlin")
    for clock, until in (("2026-10-22T17:59:00+02:00", "2026-10-25T21:00:00+01:00"), ("2026-10-24T23:30:00+02:00", "2026-10-28T21:00:00+01:00"),
                         ("2027-03-24T18:00:00+01:00", "2027-03-28T21:00:00+02:00")):
        with served(agent, d, clock) as shop:
            assert promised(agent, shop) == until


def test_a_shop_that_sells_only_while_it_is_open(agent, tmp_path):
    d = configured(tmp_path, "hours = daily 10:00-22:00", "orders_when_closed = no")
    closed = "本店现在休息，周二 2026-11-24 10:00（UTC+08:00）开门后可以下单"
    with served(agent, d, "2026-11-23T22:00:00+08:00") as shop:
        v = checkout(agent, shop, "jar")
        assert v["status"] == "incomplete" and errors(v) == ["shop_closed"] and [m["content"] for m in v["messages"]] == [closed]
        status, done = complete(agent, shop, v)
        assert done["status"] == "incomplete" and errors(done) == ["shop_closed"]
        _, cart = agent.call(shop, "POST", "/carts", {"line_items": [{"item": {"id": "jar"}, "quantity": 1}]})
        assert [(m["type"], m["code"]) for m in cart["messages"]] == [("warning", "shop_closed")]
        _, found_ = agent.call(shop, "POST", "/catalog/search", {"query": "茶罐", "context": {"language": "zh"}})
        assert found_["messages"][0]["content"] == closed and found_["products"][0]["metadata"]["dev.rukou.offer"]["opens_at"] == "2026-11-24T10:00:00+08:00"
    with served(agent, d, "2026-11-24T10:00:00+08:00") as shop:
        v = checkout(agent, shop, "jar")
        assert v["status"] == "ready_for_complete" and complete(agent, shop, v)[1]["status"] == "completed"
        _, found_ = agent.call(shop, "POST", "/catalog/search", {"query": "茶罐"})
        assert "messages" not in found_ and "opens_at" not in found_["products"][0]["metadata"]["dev.rukou.offer"]
    assert json.loads(run("shop", "orders", str(d), "--json").stdout)["orders"][0]["lines"][0]["item_id"] == "jar"


def test_the_buyer_is_told_when_the_shop_opens(tmp_path):
    d = configured(tmp_path, "hours = daily 10:00-22:00", "orders_when_closed = no")
    clock = {"RUKOU_CLOCK": "2026-11-23T23:30:00+08:00"}
    p = subprocess.Popen([RUKOU, "shop", "serve", str(d), "--json", "--sandbox", "--agent", "http://127.0.0.1:*"], cwd=ROOT, stdout=subprocess.PIPE,
                         env={**os.environ, **clock}, text=True)
    try:
        origin = json.loads(p.stdout.readline())["origin"]
        with scripted(Script(query="茶罐")) as model:
            r = run("do", "买一个茶罐", "--approve", "yes", "--json", "--shops", origin, *model, data=tmp_path / "data", env=clock)
    finally:
        p.terminate()
        assert p.wait(20) == 0
        p.stdout.close()
    events = [json.loads(x) for x in r.stdout.splitlines()]
    (card,) = [c for e in events if e["type"] == "card" for c in e["data"]["cards"]]
    assert card["warnings"] == ["店铺现在休息，2026-11-24 10:00 开门后可以下单"]
    assert "周二 2026-11-24 10:00" in r.stdout and events[-1]["orders"] == []


@pytest.mark.parametrize("line", ["hours = mon 9-18", "hours = someday 09:00-18:00", "closed = 31.12.", "zone = Europe/Nowhere", "zone = ../../etc/passwd", "cutoff = 18", "orders_when_closed = maybe",
                                  "pay_on_delivery_max = 1.005"])
def test_a_wrong_setting_is_named(tmp_path, line):
    d = configured(tmp_path)
    conf = d / "shop.conf"
    conf.write_text("\n".join(x for x in conf.read_text().splitlines() if not x.startswith(line.split(" ")[0])) + f"\n{line}\n")
    r = run("shop", "serve", str(d))
    assert r.returncode != 0 and "shop.conf: " in r.stderr and line.split(" ")[0] in r.stderr, r.stderr


def test_the_payment_page_may_have_a_query(agent, tmp_path):
    d = configured(tmp_path, "continue_url = https://shop.example/pay?checkout={id}&from=agent")
    p = subprocess.Popen([RUKOU, "shop", "serve", str(d), "--json"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert json.loads(p.stdout.readline())["shop"] == "shop"
    finally:
        p.terminate()
        assert p.wait(20) == 0
        p.stdout.close()


def test_one_process_serves_a_shop(agent, tmp_path):
    d = new(tmp_path)
    with served(agent, d):
        r = run("shop", "serve", str(d), "--json", "--sandbox", "--agent", agent.origin)
        assert r.returncode != 0 and "another process serves this shop" in r.stderr
        r = run("shop", "restore", str(d), str(tmp_path / "none.db"))
        assert r.returncode != 0 and "another process" in r.stderr


def test_backup_and_restore(agent, tmp_path):
    d = new(tmp_path, HEAD + "a,,tea,红茶,Black tea,,20,5,\n")
    with served(agent, d) as shop:
        status, done = complete(agent, shop, checkout(agent, shop, "a"))
        assert done["status"] == "completed"
        r = run("shop", "backup", str(d), str(tmp_path / "copy.db"))
        assert r.returncode == 0 and (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
        assert run("shop", "backup", str(d), str(tmp_path / "copy.db")).returncode != 0, "no backup is overwritten"
    assert load(d, HEAD + "z,,tea,白茶,White tea,,20,5,\n", "--replace").returncode == 0
    r = run("shop", "restore", str(d), str(tmp_path / "copy.db"))
    assert r.returncode == 0 and (d / "shop.db.before-restore").exists(), r.stderr
    with served(agent, d) as shop:
        assert found(agent, shop, "红茶") == {"a": 2000} and found(agent, shop, "白茶") == {}
    assert len(json.loads(run("shop", "orders", str(d), "--json").stdout)["orders"]) == 1
    (tmp_path / "junk").write_bytes(b"no database at all, and long enough to be read as one" * 50)
    assert run("shop", "restore", str(d), str(tmp_path / "junk")).returncode != 0


def test_bad_input_of_new(tmp_path):
    d = new(tmp_path)
    assert "holds a shop already" in run("shop", "new", str(d)).stderr
    assert run("shop", "new", str(tmp_path / "x"), "--currency", "yuan").returncode == 2
    assert run("shop", "new", str(tmp_path / "y"), "--name", "a\nb").returncode == 2
    assert run("shop", "import", str(tmp_path), str(d / "goods.csv")).returncode != 0
