"""Booking sessions of the lodging draft, and orders of dated places that are changed, over real HTTP.

No package has types of the draft yet: its rules are written down here by hand,
from source/schemas/lodging/{booking,policy_cancellation}.json and types/*.json
and docs/specification/lodging/booking of the UCP repository, read 2026-09-25.
Checkouts of changes are judged by the types of ucp-sdk as all others.
"""
import re
import signal
import uuid

import pytest
from test_shop import NEWER, Agent, errors, judge, payment, start

DRAFT = "2026-09-25"
BOOKING, CANCELLATION = "dev.ucp.lodging.booking", "dev.ucp.lodging.policy.cancellation"
CHANGE, TRAVEL = "example.rukou.change", "example.rukou.travel"
STATUSES = {"incomplete", "requires_escalation", "ready_for_complete", "complete_in_progress", "completed", "canceled"}
DATE = re.compile(r"\d{4}-\d\d-\d\d$")
UNTIL = re.compile(r"P(?=[0-9]+D|T[0-9])(?:[0-9]+D)?(?:T(?=[0-9])(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+S)?)?$")
ANCHOR = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)$")


class Guest(Agent):
    """An agent that declares the draft, and ours."""

    def profile(self):
        p = super().profile()
        entry = {"spec": "https://ucp.dev", "schema": "https://ucp.dev"}
        caps = p["ucp"]["capabilities"]
        caps[BOOKING] = caps[CANCELLATION] = [{"version": DRAFT, **entry}]
        caps[CHANGE] = [{"version": NEWER, "spec": "https://rukou.example", "schema": "https://rukou.example"}]
        return p


@pytest.fixture(scope="module")
def agent():
    a = Guest(NEWER)
    yield a
    a.server.shutdown()
    judge(a)


@pytest.fixture(scope="module")
def shops(agent, tmp_path_factory):
    p, out = start(agent, tmp_path_factory.mktemp("data"), "shops/travel/yunqi", "shops/travel/tongtu")
    yield out
    p.send_signal(signal.SIGTERM)
    assert p.wait(10) == 0


def total(v):
    return next(t["amount"] for t in v["totals"] if t["type"] == "total")


def check_totals(totals):
    kinds = [t["type"] for t in totals]
    assert kinds.count("total") == 1 and all(isinstance(t["amount"], int) for t in totals)
    assert sum(t["amount"] for t in totals if t["type"] != "total") == next(t["amount"] for t in totals if t["type"] == "total")


def seconds(until):
    n = {k: int(x) for x, k in re.findall(r"(\d+)([DHMS])", until)}
    return n.get("D", 0) * 86400 + n.get("H", 0) * 3600 + n.get("M", 0) * 60 + n.get("S", 0)


def check_policy(p, n_stays):
    assert p["description"]["plain"] and re.fullmatch(r"\$\.stays\[\d\]", p["applies_to"][0]) and int(p["applies_to"][0][8]) < n_stays
    assert p["type"] == CANCELLATION and p["refundability"] in ("refundable", "partially_refundable", "non_refundable")
    s = p.get("schedule")
    if s is None:
        return
    assert ANCHOR.match(s["anchor"]) and s["tiers"] and all(UNTIL.match(t["until"]) for t in s["tiers"])
    lengths = [seconds(t["until"]) for t in s["tiers"]]
    assert lengths == sorted(set(lengths), reverse=True)
    for o in [t["outcome"] for t in s["tiers"]] + [s["after_last_tier"]]:
        if o["kind"] == "percentage":
            assert set(o) == {"kind", "buyer_bps"} and 0 <= o["buyer_bps"] <= 10000
        else:
            m = o["penalty"]["measure"]
            assert o["kind"] == "unit_deduction" and set(o) == {"kind", "penalty"} and m["value"] >= 1 and m["unit"] == "night" and m["display_text"]


def has_lead(v):
    def named(p):
        return bool(p.get("first_name") and p.get("last_name"))

    def reached(p):
        return bool(p.get("email") or p.get("phone_number"))

    booker = v.get("booker", {})
    primary = {a["guest_id"] for s in v["stays"] for a in s.get("guest_assignments", []) if a.get("role") == "primary"}
    return (named(booker) and reached(booker)) or any(named(g) and g["id"] in primary and (reached(g) or reached(booker)) for g in v.get("guests", []))


def check_booking(v):
    """booking.json: required fields, statuses, and what it adds for each of them."""
    assert {"ucp", "id", "status", "property", "stays", "currency", "totals", "links"} <= v.keys()
    assert BOOKING in v["ucp"]["capabilities"] and v["ucp"]["payment_handlers"]
    assert v["status"] in STATUSES and re.fullmatch("[A-Z]{3}", v["currency"]) and v["property"]["id"] and v["property"]["name"]
    check_totals(v["totals"])
    ids = [s["id"] for s in v["stays"]]
    assert ids and len(set(ids)) == len(ids)
    guests = {g["id"] for g in v.get("guests", [])}
    for s in v["stays"]:
        assert DATE.match(s["stay_dates"]["start_date"]) and s["stay_dates"]["start_date"] < s["stay_dates"]["end_date"]
        for part in ("accommodation_type", "rate_plan"):
            assert s[part]["id"] and s[part]["title"]
        check_totals(s["totals"])
        assert all(a["guest_id"] in guests for a in s.get("guest_assignments", []))
        if "occupancy" in s:
            assert s["occupancy"]["total"] >= 1 and s["occupancy"].get("adults", 0) + s["occupancy"].get("children", 0) in (0, s["occupancy"]["total"])
            assert s["occupancy"]["total"] <= s["accommodation_type"]["capacity"]["total"] or v["status"] == "incomplete"
    assert all(x["type"] and x["url"].startswith("http") for x in v["links"])
    assert sum(total(s) for s in v["stays"]) == next(t["amount"] for t in v["totals"] if t["type"] == "subtotal")
    for p in v["policies"]:
        check_policy(p, len(ids))
    if v["status"] in ("ready_for_complete", "complete_in_progress", "completed"):
        assert has_lead(v)
    assert ("confirmation" in v) == (v["status"] == "completed")
    return v


def search(agent, shop, **query):
    status, v = agent.call(shop, "POST", "/catalog/search", {TRAVEL: query, "context": {"language": "en"}, "pagination": {"limit": 20}})
    assert status == 200
    return v["products"]


def rooms(agent, shop):
    return search(agent, shop, city="Chengdu", date="2026-11-28", end_date="2026-11-30")


def stay(item, **more):
    hotel, start_date, end_date, fare, _ = item.split(".")
    room, plan = fare.split("-")
    return {"accommodation_type": {"id": room}, "rate_plan": {"id": plan}, "stay_dates": {"start_date": start_date, "end_date": end_date}, **more}


def body(item, n=1, **more):
    return {"property": {"id": item.split(".")[0]}, "stays": [stay(item) for _ in range(n)], "context": {"language": "en"}, **more}


BOOKER = {"first_name": "Jane", "last_name": "Doe", "email": "jane@example.com", "phone_number": "+14155551234",
          "address": {"street_address": "1 Main St", "address_locality": "Springfield"}}


def test_profile_declares_the_draft(agent, shops):
    status, old = agent.call(shops[0], "GET", "/.well-known/ucp")
    assert status == 200 and BOOKING not in old["ucp"]["capabilities"]
    status, v = agent.call(shops[0], "GET", f"/v{NEWER}/.well-known/ucp")
    assert status == 200 and v["ucp"]["capabilities"][CANCELLATION][0]["extends"] == BOOKING
    service = v["ucp"]["services"]["dev.ucp.lodging"][0]
    assert service["transport"] == "rest" and service["endpoint"].startswith(shops[0].origin) and service["version"] == DRAFT
    status, rail = agent.call(shops[1], "GET", f"/v{NEWER}/.well-known/ucp")
    assert BOOKING not in rail["ucp"]["capabilities"] and CHANGE in rail["ucp"]["capabilities"]


def test_two_rooms_from_search_to_order(agent, shops):
    hotel = shops[0]
    item, price = rooms(agent, hotel)[0]["variants"][0]["id"], rooms(agent, hotel)[0]["variants"][0]["price"]["amount"]
    key = str(uuid.uuid4())
    status, begun = agent.call(hotel, "POST", "/booking-sessions", body(item, 2), key)
    assert status == 201 and check_booking(begun)["status"] == "incomplete" and total(begun) == 2 * price
    assert agent.call(hotel, "POST", "/booking-sessions", body(item, 2), key) == (201, begun)
    assert agent.call(hotel, "POST", "/booking-sessions", body(item, 1), key)[0] == 409
    full = body(item, 2, booker=BOOKER, guests=[{"id": "gst_01", "first_name": "Jane", "last_name": "Doe"}, {"id": "gst_02", "first_name": "Mary", "last_name": "Doe", "age": 9}])
    full["stays"][0].update(occupancy={"adults": 1, "children": 1, "child_ages": [9], "total": 2},
                            guest_assignments=[{"guest_id": "gst_01", "role": "primary"}, {"guest_id": "gst_02", "role": "accompanying"}])
    path = "/booking-sessions/" + begun["id"]
    status, ready = agent.call(hotel, "PUT", path, full)
    assert status == 200 and check_booking(ready)["status"] == "ready_for_complete"
    assert ready["booker"] == BOOKER and ready["stays"][0]["guest_assignments"] == full["stays"][0]["guest_assignments"]
    assert agent.call(hotel, "GET", path) == (200, ready)
    low = agent.key.token(ready, hotel.origin, amount_minor=1)
    status, refused = agent.call(hotel, "POST", path + "/complete", payment(low))
    assert status == 200 and check_booking(refused)["status"] == "ready_for_complete" and errors(refused) == ["payment_failed"]
    pay, key = payment(agent.key.token(ready, hotel.origin)), str(uuid.uuid4())
    status, done = agent.call(hotel, "POST", path + "/complete", pay, key)
    assert status == 200 and check_booking(done)["status"] == "completed"
    assert agent.call(hotel, "POST", path + "/complete", pay, key) == (200, done)
    assert agent.call(hotel, "GET", path) == (200, done)
    assert agent.call(hotel, "PUT", path, full)[0] == 409 and agent.call(hotel, "POST", path + "/cancel", {})[0] == 409
    orders = hotel.orders()
    assert len(orders) == 1 and orders[0]["lines"][0]["quantity"] == 2 and orders[0]["travelers"][1] == {"name": "Mary Doe", "kind": "child"}
    status, order = agent.call(hotel, "GET", "/orders/" + done["confirmation"]["id"])
    assert status == 200 and order["checkout_id"] == begun["id"]


def test_what_is_sold_out_and_what_is_let_go(agent, shops):
    hotel = shops[0]
    last = rooms(agent, hotel)[1]["variants"][0]
    left = last["metadata"]["dev.rukou.offer"]["stock"]
    status, all_of_it = agent.call(hotel, "POST", "/booking-sessions", body(last["id"], left, booker=BOOKER))
    assert status == 201 and check_booking(all_of_it)["status"] == "ready_for_complete"
    status, none = agent.call(hotel, "POST", "/booking-sessions", body(last["id"]))
    assert status == 200 and none["ucp"]["status"] == "error" and errors(none) == ["inventory_exhausted"] and "id" not in none
    assert none["messages"][0]["severity"] == "unrecoverable"
    status, gone = agent.call(hotel, "POST", f"/booking-sessions/{all_of_it['id']}/cancel", {})
    assert status == 200 and check_booking(gone)["status"] == "canceled"
    status, again = agent.call(hotel, "POST", "/booking-sessions", body(last["id"]))
    assert status == 201 and check_booking(again)
    assert agent.call(hotel, "GET", "/checkout-sessions/" + again["id"])[0] == 404
    assert agent.call(hotel, "GET", "/booking-sessions/none")[0] == 404


def test_an_agent_without_the_draft(shops):
    plain = Agent(NEWER)
    status, v = plain.call(shops[0], "POST", "/booking-sessions", {"property": {"id": "x"}, "stays": []})
    plain.server.shutdown()
    assert status in (200, 400, 424) and (errors(v) == ["capabilities_incompatible"] or v.get("code"))


@pytest.mark.parametrize("wrong", [
    {"stays": []}, {"stays": [{}]}, {"guests": [{"first_name": "no id"}]}, {"guests": [{"id": "a"}, {"id": "a"}]},
    {"booker": {"first_name": "x" * 600}}, {"stays": "none"}])
def test_bad_requests_are_named(agent, shops, wrong):
    item = rooms(agent, shops[0])[0]["variants"][0]["id"]
    status, v = agent.call(shops[0], "POST", "/booking-sessions", {**body(item), **wrong})
    assert status == 400 and v["code"] == "invalid_request" and any(w in v["content"] for w in ("property", "stays", "guests"))


# ---- changes ----

def buy(agent, shop, item, names):
    lines = {"line_items": [{"item": {"id": item}, "quantity": len(names)}], TRAVEL: {"travelers": [{"name": n} for n in names]}}
    status, co = agent.call(shop, "POST", "/checkout-sessions", lines)
    assert status == 201 and co["status"] == "ready_for_complete"
    status, done = agent.call(shop, "POST", f"/checkout-sessions/{co['id']}/complete", payment(agent.key.token(co, shop.origin)))
    assert done["status"] == "completed"
    return done


def trains(agent, shop, date):
    return [p["variants"][0] for p in search(agent, shop, **{"from": "Shanghai", "to": "Hangzhou", "date": date})]


def stock(v):
    return v["metadata"]["dev.rukou.offer"]["stock"]


def test_a_train_for_another(agent, shops):
    rail = shops[1]
    old, new = trains(agent, rail, "2026-11-28")[0], trains(agent, rail, "2026-11-30")[0]
    bought = buy(agent, rail, old["id"], ["Jane Doe", "Mary Doe"])
    ask = {"line_items": [{"item": {"id": new["id"]}, "quantity": 2}], CHANGE: {"order_id": bought["order"]["id"]}}
    status, co = agent.call(rail, "POST", "/checkout-sessions", ask)
    c = co[CHANGE]
    assert status == 201 and co["status"] == "ready_for_complete"
    check_totals(co["totals"])
    assert c["worth"] == total(bought) and total(co) - c["back"] == 2 * new["price"]["amount"] + c["fee"] - c["worth"] and 0 in (total(co), c["back"])
    assert stock(trains(agent, rail, "2026-11-30")[0]) == stock(new) - 2 and stock(trains(agent, rail, "2026-11-28")[0]) == stock(old) - 2
    pay, key = payment(agent.key.token(co, rail.origin)), str(uuid.uuid4())
    path = f"/checkout-sessions/{co['id']}/complete"
    status, done = agent.call(rail, "POST", path, pay, key)
    assert status == 200 and done["status"] == "completed" and done["order"]["id"] == bought["order"]["id"]
    assert agent.call(rail, "POST", path, pay, key) == (200, done)  # once
    assert stock(trains(agent, rail, "2026-11-30")[0]) == stock(new) - 2 and stock(trains(agent, rail, "2026-11-28")[0]) == stock(old)
    status, order = agent.call(rail, "GET", "/orders/" + bought["order"]["id"])
    assert [x["status"] for x in order["line_items"]] == ["removed", "processing"]
    a = order["adjustments"][0]
    assert a["type"] == "exchange" and a["id"] == co["id"] and a["totals"][0]["amount"] == total(co) - c["back"]
    assert {x["id"]: x["quantity"] for x in a["line_items"]} == {"li_1": -2, "li_2": 2}
    report = next(o for o in rail.orders() if o["id"] == bought["order"]["id"])
    assert report["changes_minor"] == total(co) and len(report["travelers"]) == 2
    status, late = agent.call(rail, "POST", "/checkout-sessions", {**ask, CHANGE: {"order_id": bought["order"]["id"], "line_items": [{"id": "li_1", "quantity": 1}]}})
    assert status == 400 and "li" in late["content"]
    assert agent.call(rail, "POST", "/checkout-sessions", {**ask, CHANGE: {"order_id": "none"}})[0] == 404
