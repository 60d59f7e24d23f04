"""Orders of a train, a room and tickets changed for another day over HTTP: `rukou serve`, the sellers, and a seller whose answer is
lost. What is bought is held by tests/tools/hold_trip; old and new are one approval, the books must agree in the end."""
import datetime
import subprocess
import time

from rukou import ROOT, RUKOU, run
from test_plan import DECLINED, SELLERS, model, trip  # noqa: F401: fixtures
from trouble import CLOCK, Drop, Fault

DAY = datetime.date(2026, 11, 27)


def later(item, days=2):
    """The same place on another day: an item's id says everything (docs/ucp.md)."""
    for d in (DAY + datetime.timedelta(days=1), DAY):
        item = item.replace(str(d), str(d + datetime.timedelta(days=days)))
    return item


def bought(t):
    """The four orders of the plan by the kind of seller, the train of the way out first."""
    plan = t.plan()
    t.decide(plan)
    assert t.end(plan)["state"] == "completed"
    orders = list(reversed(t.s.api("GET", "/api/orders")["orders"]))
    assert len(orders) == 4
    first = {}
    for o in orders:
        item = o["lines"][0]["item_id"]
        kind = "hotel" if item.endswith(".room") else "rail" if ".second." in item else "zoo"
        if kind != "rail" or str(DAY) in item:
            first[kind] = o
    return first


def ask(t, order, **more):
    items = [{"item_id": later(line["item_id"]), "quantity": line["quantity"]} for line in order["lines"]]
    return t.s.api("POST", f"/api/orders/{order['id']}/back", {"kind": "change", "items": items, "lang": "en", **more})["approval"]


def decide(t, a, decision="approve", ok=(200,)):
    return t.s.api("POST", f"/api/approvals/{a['id']}", {"decision": decision, "terms_hash": a["terms_hash"]}, ok=ok)


def end(t, a, timeout=60):
    limit = time.monotonic() + timeout
    while time.monotonic() < limit:
        now = t.s.api("GET", f"/api/approvals/{a['id']}")["approval"]
        if now["state"] in ("completed", "failed", "refused"):
            assert t.s.api("GET", "/api/ledger/audit")["audit"]["ok"]
            return now
        time.sleep(0.2)
    raise AssertionError(f"no end: {now['state']}")


def net(t, order):
    entries = [e for e in t.s.api("GET", "/api/ledger")["entries"] if e["order_id"] == order["id"]]
    return sum(e["amount_minor"] * {"capture": 1, "refund": -1}.get(e["kind"], 0) for e in entries)


def check_terms(a, order):
    terms, c = a["terms"], a["terms"]["change"]
    assert a["kind"] == "change" and a["subject_order_id"] == order["id"] and c["merchant_order_id"] == order["merchant_order_id"]
    assert c["old_minor"] == order["total_minor"] == sum(line["amount_minor"] for line in c["lines"]) and c["policy"]
    new = sum(line["unit_minor"] * line["quantity"] for line in terms["lines"])
    assert terms["total_minor"] - c["back_minor"] == new + c["fee_minor"] - c["old_minor"] and 0 in (terms["total_minor"], c["back_minor"])
    assert [line["item_id"] for line in terms["lines"]] == [later(line["item_id"]) for line in c["lines"]]
    return terms["total_minor"] - c["back_minor"]


def test_each_kind_for_another_day(trip):  # noqa: F811
    t = trip()
    for order in bought(t).values():
        a = ask(t, order)
        difference = check_terms(a, order)
        decide(t, {**a, "terms_hash": "0" * 64}, ok=(409,))
        decide(t, a)
        assert end(t, a)["state"] == "completed"
        decide(t, a)
        now = t.s.api("GET", f"/api/orders/{order['id']}")["order"]
        assert [line["item_id"] for line in now["lines"]] == [later(line["item_id"]) for line in order["lines"]]
        assert net(t, order) == order["total_minor"] + difference == now["total_minor"] - now.get("refunded_minor", 0)
        assert [c["approval_id"] for c in now["changes"]] == [a["id"]]
    assert len(t.s.api("GET", "/api/orders")["orders"]) == 4
    text = run("orders", "audit", data=t.data)
    assert text.returncode == 0 and "FAIL" not in text.stdout


def test_an_answer_that_is_lost(trip):  # noqa: F811
    """The seller has changed the order and its answer is lost: looked up, never sent under another key, charged or refunded once."""
    lost, keys = [], []

    def drop(h, answer):
        if lost and h.command == "POST" and h.path.endswith("/complete"):
            keys.append(h.headers["Idempotency-Key"])
            if lost[-1] == "now":
                lost.append(h.path)
                raise Drop

    t = trip(rail=Fault(after=drop), hotel=Fault(after=drop))
    orders = bought(t)
    for what in ("rail", "hotel"):
        a = ask(t, orders[what])
        difference = check_terms(a, orders[what])
        lost.append("now")
        keys.clear()
        decide(t, a)
        assert end(t, a)["state"] == "completed" and lost[-1].endswith("/complete") and len(set(keys)) == 1
        assert net(t, orders[what]) == orders[what]["total_minor"] + difference


def test_what_does_not_come_about(trip):  # noqa: F811
    """Refused, asked wrongly, and declined at the end: nothing is charged, and the order stands as it was."""
    declined = []

    def decline(h, body):
        return DECLINED if declined and h.command == "POST" and h.path.endswith("/complete") else None

    t = trip(zoo=Fault(before=decline))
    orders = bought(t)
    a = ask(t, orders["rail"])
    decide(t, a, "refuse")
    assert end(t, a)["state"] == "refused" and net(t, orders["rail"]) == orders["rail"]["total_minor"]
    path = f"/api/orders/{orders['rail']['id']}/back"
    for bad in ({}, {"items": []}, {"items": "x"}, {"items": [{}]}, {"items": [{"item_id": "x", "quantity": 0}]}, {"items": [{"item_id": "x"}], "instrument_id": "none"}):
        t.s.api("POST", path, {"kind": "change", **bad}, ok=(400,))
    t.s.api("POST", path, {"kind": "swap"}, ok=(400,))
    t.s.api("POST", "/api/orders/none/back", {"kind": "change", "items": [{"item_id": "x"}]}, ok=(404,))
    key = t.s.api("POST", "/api/keys", {"scopes": ["chat"]})["key"]
    assert t.s.request("POST", path, {"kind": "change", "items": [{"item_id": later(orders["rail"]["lines"][0]["item_id"])}]},
                       {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})[0] in (401, 403)
    rail, now = orders["rail"], later(orders["rail"]["lines"][0]["item_id"])
    shown = run("orders", "change", rail["merchant_order_id"], now, "--approve", "no", data=t.data, env=CLOCK)
    assert shown.returncode == 0 and "given up" in shown.stdout and "comes back" in shown.stdout and net(t, rail) == rail["total_minor"]
    done = run("orders", "change", rail["merchant_order_id"], now, "--approve", "yes", data=t.data, env=CLOCK)
    assert done.returncode == 0 and "done: " in done.stdout, done.stdout + done.stderr
    changed = t.s.api("GET", f"/api/orders/{rail['id']}")["order"]
    assert [line["item_id"] for line in changed["lines"]] == [now] and net(t, rail) == changed["total_minor"] - changed.get("refunded_minor", 0)
    assert run("orders", "receipt", rail["merchant_order_id"], data=t.data, env=CLOCK).returncode == 0
    order = orders["zoo"]
    a = ask(t, order)
    declined.append(True)
    decide(t, a)
    now = end(t, a)
    assert now["state"] == "failed" and now["failure_code"] == "payment_refused"
    stays = t.s.api("GET", f"/api/orders/{order['id']}")["order"]
    assert stays["lines"] == order["lines"] and "changes" not in stays and net(t, order) == order["total_minor"]
    seller = subprocess.run([RUKOU, "shop", "orders", f"shops/travel/{SELLERS['zoo']}", "--json", "--data", str(t.data.parent / "zoo")], cwd=ROOT, capture_output=True, text=True)
    assert '"changes_minor"' not in seller.stdout
