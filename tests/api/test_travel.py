"""Trains, flights, hotels, tickets and films through a server, in Chinese and English: the script stands for the model and names
the places; days, hours, people and limits are the code's. What was bought is read from the sellers' own databases."""
import json
import sqlite3

import pytest
from rukou import ROOT, run, served
from scripted import Script, scripted

CLOCK = {"RUKOU_CLOCK": "2026-11-23T10:00:00+08:00"}
FAMILY = json.loads((ROOT / "tests/tasks/profiles.json").read_text())["family"]
SELLERS = sorted(p.parent for p in (ROOT / "shops/travel").glob("*/shop.conf"))


class World:
    """A server, and the script of its model."""

    def __init__(self, server, script):
        self.server, self.script = server, script

    def say(self, text, *steps, chat=None, decision="approve"):
        """Events of the turn, by kind. Its approval, or the sheet of its plan, is answered."""
        self.script.plan = list(steps)
        after = self.server.api("GET", "/api/chats")["last_event"]
        posted = self.server.api("POST", "/api/turns", {"text": text, **({"chat_id": chat} if chat else {})})
        found, answered = {"chat": posted["chat_id"]}, False
        while True:
            events = self.server.events(after=after, until=lambda kind, data: kind == "turn_done" or (not answered and self.asks(kind, data)), timeout=60)
            for kind, data in events:
                if "n" in data:
                    after = data["n"]
                    found.setdefault(kind, []).append(data["data"])
            if events[-1][0] == "turn_done":
                return found
            answered = True
            if events[-1][0] == "plan":
                plan = found["plan"][-1]["plan"]
                self.server.api("POST", f"/api/plans/{plan['id']}", {"decision": decision, "sheet_hash": plan["sheet_hash"]})
            else:
                a = found["approval_request"][-1]["approval"]
                self.server.api("POST", f"/api/approvals/{a['id']}", {"decision": decision, "terms_hash": a["terms_hash"]})

    @staticmethod
    def asks(kind, data):
        if kind == "approval_request":
            return not data["data"]["approval"].get("in_plan") and "by" not in data["data"]["approval"]
        return kind == "plan" and data["data"]["plan"]["state"] == "pending"

    def orders(self):
        found = []
        for seller in SELLERS:
            found += json.loads(run("shop", "orders", str(seller), "--json", data=self.server.data).stdout)["orders"]
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    script = Script()
    with scripted(script) as model, served(tmp_path_factory.mktemp("travel") / "d", *model, model="1.5b", env=CLOCK) as s:
        s.sign_in()
        s.api("PUT", "/api/profile", FAMILY)
        yield World(s, script)


def bought(world, text, *steps):
    """(terms, the seller's order, cards) of the one purchase that the words make."""
    before = {o["id"] for o in world.orders()}
    found = world.say(text, *steps)
    (request,), (cards,) = found["approval_request"], found["card"]
    (order,) = [o for o in world.orders() if o["id"] not in before]
    terms = request["approval"]["terms"]
    assert found["turn_done"][0]["state"] == "done" and order["total_minor"] == terms["total_minor"] == cards["cards"][0]["total_minor"]
    assert order["id"] in found["turn_done"][0]["answer"] and terms["refund_rule"] and not terms["fulfilment"]["address"]["street"]
    return terms, order, cards["cards"]


@pytest.mark.parametrize("text, place", [
    ("订周六上午上海到杭州的高铁票，两大一小", ("上海", "杭州")),
    ("Book the train from Shanghai to Hangzhou on Saturday morning for two adults and a child", ("Shanghai", "Hangzhou"))])
def test_a_family_by_train(world, text, place):
    terms, order, cards = bought(world, text, {"tool": "trains", "from": place[0], "to": place[1], "when": ""})
    facts = order["lines"][0]["attributes"]
    assert (facts["from"], facts["to"], facts["date"]) == ("上海", "杭州", "2026-11-28") and facts["starts"] < "12:00"
    assert [(x["quantity"], x["item_id"].split(".")[-1]) for x in order["lines"]] == [(2, "adult"), (1, "child")]
    assert [t["name"] for t in terms["travelers"]] == ["张伟", "李娜", "张小宝"] and terms["travelers"] == order["travelers"]
    assert terms["lines"][0]["options"]["date"] == "2026-11-28" and terms["lines"][0]["options"]["starts"] == cards[0]["travel"]["starts"]
    totals = [c["total_minor"] for c in cards]
    assert totals == sorted(totals) and all(c["travel"]["starts"] < "12:00" for c in cards)


@pytest.mark.parametrize("text", ["帮我订下周五北京飞成都的机票，就我一个人", "Book me a flight from Beijing to Chengdu next Friday, just me"])
def test_one_by_plane(world, text):
    terms, order, _ = bought(world, text, {"tool": "flights", "from": "北京" if "北京" in text else "Beijing", "to": "成都" if "成都" in text else "Chengdu", "when": ""})
    assert order["shop"] == "yunyi" and order["lines"][0]["attributes"]["date"] == "2026-12-04"
    assert terms["travelers"] == [{"name": "张伟", "kind": "adult"}]


@pytest.mark.parametrize("text", ["订一间杭州的酒店，周六住一晚，一晚不超过600元，全家三个人", "Book a hotel room in Hangzhou for Saturday night for the family, at most 600 yuan a night"])
def test_a_room_for_all(world, text):
    terms, order, cards = bought(world, text, {"tool": "hotels", "city": "杭州" if "杭州" in text else "Hangzhou", "when": ""})
    facts = order["lines"][0]["attributes"]
    assert (facts["city"], facts["date"], facts["end_date"]) == ("杭州", "2026-11-28", "2026-11-29")
    assert all(c["travel"]["each_minor"] <= 60000 and c["travel"]["rooms"] * int(c["options"]["guests"].rstrip("人")) >= 3 for c in cards)
    assert len(terms["travelers"]) == 3


@pytest.mark.parametrize("text, name", [("周六带孩子去杭州动物园，全家三张门票，订吧", "动物园"), ("Order tickets for the zoo in Hangzhou on Saturday, two adults and a child", "zoo")])
def test_a_day_at_the_zoo(world, text, name):
    terms, order, _ = bought(world, text, {"tool": "tickets", "city": "杭州" if "杭州" in text else "Hangzhou", "name": name, "when": ""})
    assert order["lines"][0]["attributes"]["attraction_kind"] == "zoo" and order["lines"][0]["attributes"]["date"] == "2026-11-28"
    assert [x["quantity"] for x in order["lines"]] == [2, 1] and "travelers" not in terms


@pytest.mark.parametrize("text", ["周六下午订两张电影票，一张别超过60块", "Order two cinema tickets for Saturday afternoon, at most 60 yuan each, seats together"])
def test_two_seats_side_by_side(world, text):
    terms, order, cards = bought(world, text, {"tool": "films", "city": "", "name": "", "when": ""})
    line = order["lines"][0]
    assert line["attributes"]["city"] == "上海" and line["attributes"]["date"] == "2026-11-28" and "12:00" <= line["attributes"]["starts"] < "18:00"
    numbers = [int(x) for x in "".join(c if c.isdigit() else " " for c in terms["lines"][0]["options"]["seats"]).split()]
    assert line["quantity"] == 2 and line["unit_minor"] <= 6000 and numbers[0] == numbers[2] and abs(numbers[1] - numbers[3]) == 1
    assert all(c["travel"]["each_minor"] <= 6000 for c in cards)


def held(world):
    """Places that the sellers hold for somebody who has not paid."""
    n = 0
    for seller in SELLERS:
        db = sqlite3.connect(f"file:{world.server.data}/shops/{seller.name}/shop.db?mode=ro", uri=True)
        n += db.execute("SELECT count(*) FROM bookings WHERE sold = 0").fetchone()[0]
        db.close()
    return n


def test_refused_lets_go_of_the_places(world):
    orders, places = len(world.orders()), held(world)
    found = world.say("订明天上海到南京的高铁票，就我一个人", {"tool": "trains", "from": "上海", "to": "南京", "when": ""}, decision="refuse")
    assert found["approval_result"][0]["decision"] == "refuse"
    ways = [{"tool": "trains", "from": "上海", "to": "南京", "when": ""}, {"tool": "hotels", "city": "南京", "when": ""}]
    found = world.say("订周六上海到南京的高铁票和一间酒店，就我一个人，周日回来", *ways, decision="refuse")
    assert len(found["approval_result"]) == 3 and {r["decision"] for r in found["approval_result"]} == {"refuse"}
    assert len(world.orders()) == orders and held(world) == places


def test_a_day_that_is_missing_is_asked_for(world):
    before = len(world.orders())
    found = world.say("订上海到杭州的高铁票，就我一个人", {"tool": "trains", "from": "上海", "to": "杭州", "when": ""})
    assert [s["name"] for s in found["question"][0]["slots"]] == ["date"] and "approval_request" not in found
    found = world.say("后天", chat=found["chat"])
    assert found["approval_request"][0]["approval"]["terms"]["lines"][0]["options"]["date"] == "2026-11-25"
    assert len(world.orders()) == before + 1


@pytest.mark.parametrize("text, step, said", [
    ("订明天上海到亚特兰蒂斯的高铁票，就我一个人", {"tool": "trains", "from": "上海", "to": "亚特兰蒂斯", "when": ""}, "亚特兰蒂斯"),
    ("订明天上海到上海的高铁票，就我一个人", {"tool": "trains", "from": "上海", "to": "上海", "when": ""}, "上海"),
    ("订200天后上海到杭州的高铁票，就我一个人", {"tool": "trains", "from": "上海", "to": "杭州", "when": ""}, ""),
    ("订明天上海到杭州的高铁票，200个人", {"tool": "trains", "from": "上海", "to": "杭州", "when": ""}, ""),
    ("订2026-11-01上海到杭州的高铁票，就我一个人", {"tool": "trains", "from": "上海", "to": "杭州", "when": ""}, "")])
def test_what_cannot_be_is_never_bought(world, text, step, said):
    before = len(world.orders())
    found = world.say(text, step, step)
    assert "approval_request" not in found and len(world.orders()) == before
    assert found["turn_done"][0]["state"] == "done" and said in json.dumps(found, ensure_ascii=False)


def journey_of(orders):
    """What was booked, in the words of the tasks."""
    lines = [(o["lines"][0]["category"], o["lines"][0]["attributes"], sum(x["quantity"] for x in o["lines"])) for o in orders]
    return sorted((kind, f.get("from", f.get("city")), f.get("to", ""), f["date"], f.get("end_date", "") if kind == "hotel" else "", n) for kind, f, n in lines)


def test_a_weekend_is_planned_shown_and_booked_by_a_word(world):
    before = {o["id"] for o in world.orders()}
    plan = [{"tool": "trains", "from": "上海", "to": "杭州", "when": "这个周末"}, {"tool": "hotels", "city": "杭州", "when": "这个周末"}]
    found = world.say("帮我规划这个周末去杭州的家庭两日游，两大一小，从上海坐高铁，酒店一晚不超过600元", *plan)
    assert "approval_request" not in found and len(found["card"]) == 3
    found = world.say("可以，下单吧", chat=found["chat"])
    orders = [o for o in world.orders() if o["id"] not in before]
    assert journey_of(orders) == [("hotel", "杭州", "", "2026-11-28", "2026-11-29", 1), ("train", "上海", "杭州", "2026-11-28", "", 3), ("train", "杭州", "上海", "2026-11-29", "", 3)]
    assert max(o["total_minor"] for o in orders if o["lines"][0]["category"] == "hotel") <= 60000
    assert found["turn_done"][0]["state"] == "done" and all(o["id"] in found["turn_done"][0]["answer"] for o in orders)


def test_train_or_plane_is_one_way_each(world):
    before = {o["id"] for o in world.orders()}
    ways = [{"tool": tool, "from": "北京", "to": "成都", "when": "下周五"} for tool in ("trains", "flights")]
    world.say("下周五从北京去成都出差，就我一个人，周六回来，帮我订往返，高铁飞机哪个便宜坐哪个，再订一晚酒店，500以内", *ways, {"tool": "hotels", "city": "成都", "when": "下周五"}, {"tool": "hotels", "city": "成都", "when": "周六"})
    orders = [o for o in world.orders() if o["id"] not in before]
    assert [x[1:] for x in journey_of(orders)] == [("北京", "成都", "2026-12-04", "", 1), ("成都", "北京", "2026-12-05", "", 1), ("成都", "", "2026-12-04", "2026-12-05", 1)]
    assert max(o["total_minor"] for o in orders if o["lines"][0]["category"] == "hotel") <= 50000


@pytest.mark.parametrize("text, place", [("Book two adult tickets to the Forbidden City for Sunday", "Forbidden City"), ("周日去故宫，两个大人，帮我订门票", "故宫")])
def test_an_attraction_that_was_taken_for_a_city(world, text, place):
    terms, order, _ = bought(world, text, {"tool": "tickets", "city": place, "name": "", "when": ""})
    facts = order["lines"][0]["attributes"]
    assert facts["city"] == "北京" and facts["date"] == "2026-11-29" and place in terms["lines"][0]["title"] and order["lines"][0]["quantity"] == 2


def test_a_city_that_nobody_knows_is_asked_for(world):
    before = len(world.orders())
    found = world.say("Book a hotel room in Atlantis for Sunday night, just me", {"tool": "hotels", "city": "Atlantis", "when": "Sunday night"})
    assert [s["name"] for s in found["question"][0]["slots"]] == ["city"] and "approval_request" not in found
    found = world.say("Beijing", chat=found["chat"])
    assert found["approval_request"] and len(world.orders()) == before + 1


def test_the_model_adds_no_way_back(world):
    before = {o["id"] for o in world.orders()}
    ways = [{"tool": "trains", "from": "武汉", "to": "深圳", "when": "周五晚上"}, {"tool": "trains", "from": "深圳", "to": "武汉", "when": "周五晚上"}]
    world.say("我和老婆周五晚上从武汉去深圳，高铁，买最早的一班", *ways)
    (order,) = [o for o in world.orders() if o["id"] not in before]
    facts = order["lines"][0]["attributes"]
    assert (facts["from"], facts["date"]) == ("武汉", "2026-11-27") and facts["starts"] >= "18:00" and order["lines"][0]["quantity"] == 2


def test_a_stay_with_a_day_of_its_own(world):
    before = {o["id"] for o in world.orders()}
    world.say("订周五上海到杭州的高铁票，再订周六住一晚的酒店，就我一个人", {"tool": "trains", "from": "上海", "to": "杭州", "when": "周五"}, {"tool": "hotels", "city": "杭州", "when": "周六"})
    orders = [o for o in world.orders() if o["id"] not in before]
    assert ("hotel", "杭州", "", "2026-11-28", "2026-11-29", 1) in journey_of(orders) and ("train", "上海", "杭州", "2026-11-27", "", 1) in journey_of(orders)


def test_the_second_one_is_the_second_one(world):
    found = world.say("看看周日上海到苏州的高铁，就我一个人，先不买", {"tool": "trains", "from": "上海", "to": "苏州", "when": ""})
    second = found["card"][0]["cards"][1]
    assert "approval_request" not in found
    found = world.say("要第二个，下单", chat=found["chat"])
    terms = found["approval_request"][0]["approval"]["terms"]
    assert terms["lines"][0]["item_id"] == second["item_id"] and terms["total_minor"] == second["total_minor"]


def test_a_standing_permission_for_trains_is_for_trains(world):
    allowed = world.server.api("POST", "/api/permissions", {"currency": "CNY", "per_order_minor": 100000, "allow": ["train"]})["permission"]
    try:
        step = {"from": "上海", "to": "天津", "when": ""}
        found = world.say("订周日上海到天津的高铁票，就我一个人", {"tool": "trains", **step})
        assert found["approval_request"][0]["approval"]["by"] == "permission" and found["order"]
        found = world.say("订周日上海到天津的机票，就我一个人", {"tool": "flights", **step}, decision="refuse")
        assert "by" not in found["approval_request"][0]["approval"]
        found = world.say("订周日上海去天津的票，就我一个人", {"tool": "trains", **step}, decision="refuse")  # a kind that only the seller claims
        assert "by" not in found["approval_request"][0]["approval"]
    finally:
        world.server.api("DELETE", f"/api/permissions/{allowed['id']}")


def test_names_that_are_not_on_file_are_asked_for(world):
    world.server.api("PUT", "/api/profile", {**FAMILY, "name": "", "passengers": []})
    try:
        found = world.say("订周日上海到南京的高铁票，两个大人一个孩子", {"tool": "trains", "from": "上海", "to": "南京", "when": ""})
        assert [s["name"] for s in found["question"][0]["slots"]] == ["passengers"] and "approval_request" not in found
        found = world.say("王芳、赵强、赵小雨（孩子）", chat=found["chat"])
        assert found["approval_request"][0]["approval"]["terms"]["travelers"] == [
            {"name": "王芳", "kind": "adult"}, {"name": "赵强", "kind": "adult"}, {"name": "赵小雨", "kind": "child"}]
    finally:
        world.server.api("PUT", "/api/profile", FAMILY)
