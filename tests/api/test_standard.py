"""Shopping at a merchant that sends standard UCP fields only (`vendor_fields = no`): the sentences of tests/tasks/own20.jsonl
end in the right order, judged by the shop's own database; and where it does not even say what a hard wish hangs on, that is
said and nothing is bought blindly."""
import re

import pytest
from rukou import ROOT
from trouble import Fault, free_port, steady, trouble


def plain_shop(folder, name="lanhai"):
    """The sandbox shop once more, without fields of ours."""
    (folder / name).mkdir()
    (folder / "common").symlink_to(ROOT / "shops/common")
    for table in (ROOT / "shops" / name).glob("*.tsv"):
        (folder / name / table.name).symlink_to(table)
    (folder / name / "shop.conf").write_text((ROOT / "shops" / name / "shop.conf").read_text() + "\nvendor_fields = no\n")
    return folder / name


def reason(events):
    """What is said about what was found."""
    cards = [e["data"]["reason"] for e in events if e["type"] == "card"]
    return cards[-1] if cards else events[-1]["answer"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("standard")
    with steady(tmp, plain_shop(tmp)) as w:
        yield w


TASKS = [
    ("想换双跑鞋，四百块以内，帮我挑最便宜的下单", "跑步鞋", {"category": "running_shoes", "options": {"size": "42"}, "max": 40000}),
    ("麻烦买两盒医用口罩，一共别超过80块", "医用口罩", {"category": "mask", "quantity": 2, "max": 8000}),
    ("家里电饭锅坏了，买个4升的电饭煲，五百以内，便宜点的", "电饭煲", {"category": "rice_cooker", "attributes": {"volume_l": 4}, "max": 50000}),
    ("后天送一束百合到家，250元以内", "百合", {"category": "flowers", "attributes": {"kind": "lily"}, "max": 25000, "date": "2026-11-25"}),
    ("来两杯珍珠奶茶，半糖少冰，送到家", "珍珠奶茶", {"category": "milk_tea", "quantity": 2, "options": {"sugar": "half", "ice": "less"}}),
    ("我想买本《三体》，哪里便宜就在哪里买", "三体", {"category": "book"}),
    ("请帮我买一条M码的半身裙，最便宜的那种", "半身裙", {"category": "skirt", "options": {"size": "M"}}),
    ("买一斤咖啡豆，最划算的，用余额付", "咖啡豆", {"category": "coffee_beans", "attributes": {"weight_g": 500}, "kind": "wallet"}),
    ("买个手机，四千元以内，不要苹果", "手机", {"category": "phone", "max": 400000, "not_brand": "Apple"}),
    ("Please get me a pair of noise cancelling headphones, the cheapest, no more than 900 yuan", "noise cancelling headphones",
     {"category": "headphones", "attributes": {"noise_cancelling": True}, "max": 90000}),
    ("I'd like to buy a Xiaomi phone, 3000 yuan at most, cheapest one please", "Xiaomi phone", {"category": "phone", "attributes": {"brand": "Xiaomi"}, "max": 300000}),
    ("Order a 65W charger, max 80 yuan", "charger", {"category": "charger", "attributes": {"watts": 65}, "max": 8000}),
    ("We are going camping: buy a tent for two, up to 400 yuan", "tent", {"category": "tent", "attributes": {"persons": 2}, "max": 40000}),
    ("Send a bouquet of roses to my home tomorrow, about 300 yuan", "roses", {"category": "flowers", "attributes": {"kind": "rose"}, "max": 33000, "date": "2026-11-24"}),
    ("Could you buy a programming book for less than 80 yuan?", "programming book", {"category": "book", "attributes": {"topic": "programming"}, "max": 8000}),
    ("Buy running shoes in size 43, below 450 yuan, lowest price", "running shoes", {"category": "running_shoes", "options": {"size": "43"}, "max": 45000}),
]


@pytest.mark.parametrize("text, query, want", TASKS, ids=[t[1] + str(i) for i, t in enumerate(TASKS)])
def test_a_task_at_a_standard_shop(world, text, query, want):
    orders, events = world.buy(text, query)
    assert len(orders) == 1, (reason(events), events[-1])
    (order,), (line,) = orders, orders[0]["lines"]
    assert line["category"] == want["category"] and line["quantity"] == want.get("quantity", 1) and order["total_minor"] <= want.get("max", 1 << 60)
    for k in ("attributes", "options"):
        assert {n: line[k].get(n) for n in want.get(k, {})} == want.get(k, {}), line
    assert line["attributes"].get("brand") != want.get("not_brand", "-")
    assert order["delivery"]["date"] == want.get("date", order["delivery"]["date"]) and order["instrument"]["kind"] == want.get("kind", "card")
    first = next(e["data"] for e in events if e["type"] == "card")["cards"][0]
    assert first["total_from"] == "quote" and first["stock"] is None and first["total_minor"] == order["total_minor"]


# ---- what is not said at all ----

def products(change):
    def spoil(h, answer):
        if h.path.endswith("/catalog/search"):
            v = answer.json
            for p in v["products"]:
                change(p)
            answer.json = v
    return spoil


def no_options(p):
    p.pop("options", None)
    for x in p["variants"]:
        x["options"] = []


def no_watts(p):
    for x in [p, *p["variants"]]:
        x["title"] = re.sub(r"\d+ ?W", "", x["title"])
        x["description"]["plain"] = re.sub(r"\d+ ?W", "", x["description"]["plain"])


def no_brand(p):
    p["tags"] = []
    for x in [p, *p["variants"]]:
        x["title"], x["description"]["plain"] = "5G手机 5G phone", "-"


def no_rating(p):
    p.pop("rating", None)


def no_delivery(h, answer):
    if "/checkout-sessions" in h.path and answer.status in (200, 201):
        v = answer.json
        for m in v["fulfillment"]["methods"]:
            for g in m.get("groups", []):
                g["options"] = []
        answer.json = v


UNSAID = [
    ("Buy running shoes in size 43, below 450 yuan, lowest price", "running shoes", products(no_options), "“the size”"),
    ("买双43码的跑步鞋，450元以内", "跑步鞋", products(no_options), "“尺码”"),
    ("Order a 65W charger, max 80 yuan", "charger", products(no_watts), "“65w”"),
    ("买个65瓦的充电器，80元以内", "充电器", products(no_watts), "“65瓦”"),
    ("I'd like to buy a Xiaomi phone, 3000 yuan at most, cheapest one please", "Xiaomi phone", products(no_brand), "“Xiaomi”"),
    ("买个小米手机，三千元以内", "小米手机", products(no_brand), "“小米”"),
    ("后天送一束百合到家，250元以内", "百合", no_delivery, "没有说明运费或送达日期"),
    ("Send a bouquet of roses to my home tomorrow, at most 300 yuan", "roses", no_delivery, "do not say what delivery costs or when it comes"),
]


@pytest.mark.parametrize("text, query, fault, says", UNSAID, ids=["size-en", "size-zh", "watts-en", "watts-zh", "brand-en", "brand-zh", "date-zh", "date-en"])
def test_a_hard_wish_that_hangs_on_what_is_not_said(world, text, query, fault, says):
    orders, events = world.buy(text, query, fault)
    assert not orders and not [e for e in events if e["type"] == "approval_request"]
    assert says in events[-1]["answer"], events[-1]["answer"]


def test_words_that_may_be_no_demand_are_said(world):
    def quiet(p):
        p["tags"] = []
        for x in [p, *p["variants"]]:
            x["title"], x["description"]["plain"] = "Bluetooth headphones", "-"
    orders, events = world.buy("Please get me a pair of noise cancelling headphones, the cheapest, no more than 900 yuan", "noise cancelling headphones", products(quiet))
    assert len(orders) == 1 and "The shop does not say “noise cancelling”" in reason(events)


def test_ratings_that_nobody_gives(world):
    orders, events = world.buy("买个评分最高的电饭煲，400元以内", "电饭煲", products(no_rating))
    assert len(orders) == 1 and "没有给出评分" in reason(events) and "0.0" not in reason(events)


def test_words_of_its_own_for_sizes(world):
    """Another shop's names: 尺码 for size, 43码 for 43, and no ids."""
    def renamed(p):
        for o in [*p.get("options", []), *(o for x in p["variants"] for o in x["options"])]:
            if o["name"] == "size":
                o["name"] = "尺码"
            for value in o.get("values", [o]):
                value["label"] = value.pop("id") + "码"
    orders, events = world.buy("买双43码的跑步鞋，450元以内，最便宜的", "跑步鞋", products(renamed))
    assert len(orders) == 1 and orders[0]["lines"][0]["options"] == {"size": "43"}, reason(events)


def test_an_option_that_only_others_say(tmp_path):
    """Two tea shops, one of them silent about sugar: what the other says makes it a wish that can be checked."""
    with trouble(Fault(), tmp_path / "other", free_port(), shop="shops/chali", more=["--agent", "http://127.0.0.1:*"]) as chali:
        with steady(tmp_path, plain_shop(tmp_path), [chali]) as w:
            orders, events = w.buy("来两杯珍珠奶茶，半糖少冰，送到家", "珍珠奶茶", products(no_options))
    assert not orders and [e for e in events if e["type"] == "order"] and ("“半糖”" in reason(events) or "“少冰”" in reason(events)), reason(events)
