"""Trains, flights, hotels, tickets and films through a server, in Chinese and English: the script stands for the model and names
the places; days, hours, people and limits are the code's. What was bought is read from the sellers' own databases."""
import json

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
        """Events of the turn, by kind. Every approval of it is answered."""
        self.script.plan = list(steps)
        after = self.server.api("GET", "/api/chats")["last_event"]
        posted = self.server.api("POST", "/api/turns", {"text": text, **({"chat_id": chat} if chat else {})})
        found = {"chat": posted["chat_id"]}
        while True:
            events = self.server.events(after=after, until=lambda kind, data: kind in ("turn_done", "approval_request"), timeout=60)
            for kind, data in events:
                if "n" in data:
                    after = data["n"]
                    found.setdefault(kind, []).append(data["data"])
            if events[-1][0] == "turn_done":
                return found
            a = found["approval_request"][-1]["approval"]
            self.server.api("POST", f"/api/approvals/{a['id']}", {"decision": decision, "terms_hash": a["terms_hash"]})

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


def test_refused_lets_go_of_the_places(world):
    before = len(world.orders())
    found = world.say("订明天上海到南京的高铁票，就我一个人", {"tool": "trains", "from": "上海", "to": "南京", "when": ""}, decision="refuse")
    assert found["approval_result"][0]["decision"] == "refuse" and len(world.orders()) == before


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
