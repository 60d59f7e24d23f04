"""After the sale: receipts, spending, returns and permissions from the terminal, and purchases where we cannot pay:
handed over to the shop's page, or paid on delivery. The shops' books and the ledger are asked, not the words."""
import json

import pytest
from moody_merchant import VERSION, Merchant, open_for_business
from rukou import run, served
from scripted import Script, scripted

JOB = "买一双跑步鞋，500元以内，哪个平台便宜就在哪买"
PROFILE = {"demo": False, "name": "李娜", "phone": "13700000000", "address": "杭州市西湖区文三路8号", "home_city": "杭州"}
CLOCK = {"RUKOU_CLOCK": "2026-12-01T00:30:00+08:00"}  # still November in UTC
EN = {"LC_ALL": "C.UTF-8"}
ZH = {"LC_ALL": "zh_CN.UTF-8"}


def command(data, *args, code=0, env=None, **kw):
    p = run(*args, data=data, env={**CLOCK, **(env or EN)}, **kw)
    assert p.returncode == code, (args, p.returncode, p.stdout, p.stderr)
    return p.stdout


def ask(data, *args, **kw):
    return json.loads(command(data, *args, "--json", **kw))


def kinds(data):
    return [e["kind"] for e in ask(data, "orders", "--ledger")]


# ---- the terminal, with the sandbox shops ----

@pytest.fixture(scope="module")
def bought(tmp_path_factory):
    d = tmp_path_factory.mktemp("sale") / "d"
    with scripted(Script()) as model:
        command(d, "do", JOB, "--approve", "yes", *model)
        command(d, "do", JOB, "--approve", "yes", *model)
    return d


def test_a_receipt_is_the_ledgers_and_the_approvals(bought):
    order = ask(bought, "orders")[-1]
    sheet = ask(bought, "orders", "receipt", order["merchant_order_id"])
    charge = next(e for e in ask(bought, "orders", "--ledger") if e["kind"] == "capture" and e["order_id"] == order["id"])
    assert sheet["ok"] and {c["check"] for c in sheet["checks"]} == {"lines", "total", "paid", "approved", "signed", "back", "returns"}
    assert [p["amount_minor"] for p in sheet["payments"]] == [charge["amount_minor"]] == [sheet["total_minor"]] and sheet["refunds"] == []
    assert sheet["stands_minor"] == sheet["paid_minor"] == charge["amount_minor"] and sheet["refunded_minor"] == sheet["fees_minor"] == 0
    assert sum(line["amount_minor"] for line in sheet["lines"]) == next(t["amount_minor"] for t in sheet["totals"] if t["type"] == "subtotal")
    assert sheet["approval"]["by"] == "terminal" and sheet["approval"]["signed"] and len(sheet["approval"]["terms_hash"]) == 64
    english, chinese = (command(bought, "orders", "receipt", order["id"], env=e) for e in (EN, ZH))
    for text in (english, chinese):
        assert order["merchant_order_id"] in text and sheet["approval"]["terms_hash"] in text and sheet["lines"][0]["title"] in text
    assert "the sums hold" in english and "各项相加无误" in chinese
    command(bought, "orders", "receipt", "nothing", code=1)


def test_spending_sums_to_the_ledger_and_months_are_the_users(bought):
    captured = sum(e["amount_minor"] for e in ask(bought, "orders", "--ledger") if e["kind"] == "capture")
    for by in ("month", "merchant", "category"):
        spending = ask(bought, "orders", "--by", by)
        assert spending["ok"] and sum(r["net_minor"] for r in spending["rows"]) == captured and {r["currency"] for r in spending["rows"]} == {"CNY"}
    assert [r["month"] for r in ask(bought, "orders", "--by", "month")["rows"]] == ["2026-12"]
    (row,) = ask(bought, "orders", "--by", "category")["rows"]
    assert row["category"] is None and row["claimed"] == "running_shoes" and row["n_orders"] == 2
    assert "not known (the merchant says: running_shoes)" in command(bought, "orders", "--by", "category")
    assert "未知" in command(bought, "orders", "--by", "category", env=ZH)
    command(bought, "orders", "--by", "colour", code=2)


def test_a_return_asks_first_and_brings_the_money_back_once(bought):
    order = ask(bought, "orders")[0]
    number, before = order["merchant_order_id"], kinds(bought).count("refund")
    assert "COMES BACK" in command(bought, "orders", "cancel", number, "--approve", "no")
    command(bought, "orders", "cancel", number)  # the end of input is no yes
    assert ask(bought, "orders")[0]["status"] == order["status"] and kinds(bought).count("refund") == before
    out = command(bought, "orders", "cancel", number, "--approve", "yes")
    assert "come back" in out and "the sums hold" in out
    sheet = ask(bought, "orders", "receipt", number)
    assert kinds(bought).count("refund") == before + 1 and sheet["refunded_minor"] == sheet["refunds"][0]["amount_minor"] > 0
    assert sheet["returns"][0]["kind"] == "cancel" and sheet["returns"][0]["approval"]["by"] == "terminal" and sheet["ok"]
    assert sheet["stands_minor"] == sheet["paid_minor"] - sheet["refunded_minor"]
    (row,) = ask(bought, "orders", "--by", "month")["rows"]
    assert row["refunded_minor"] == sheet["refunded_minor"] and row["net_minor"] == row["spent_minor"] - row["refunded_minor"]
    command(bought, "orders", "cancel", number, "--approve", "yes", code=1)  # nothing is left to come back
    assert kinds(bought).count("refund") == before + 1
    command(bought, "orders", "audit")


def test_permissions_from_the_terminal(bought):
    command(bought, "permissions", "add", code=2)
    command(bought, "permissions", "add", "--per-order", "12.345", code=2)
    assert ask(bought, "permissions") == []
    small = ask(bought, "permissions", "add", "--per-order", "1.50", "--label", "sweets")
    assert small["per_order_minor"] == 150
    with scripted(Script()) as model:
        events = [json.loads(x) for x in command(bought, "do", JOB, "--json", *model).splitlines()]
        assert [e["data"]["decision"] for e in events if e["type"] == "approval_result"] == ["refuse"]  # the permission does not reach: the terminal is asked
        command(bought, "permissions", "revoke", small["id"])
        command(bought, "permissions", "revoke", small["id"], code=1)
        large = ask(bought, "permissions", "add", "--per-order", "500", "--per-day", "900")
        events = [json.loads(x) for x in command(bought, "do", JOB, "--json", *model).splitlines()]
    assert [e["data"]["by"] for e in events if e["type"] == "approval_result"] == ["permission"]
    text = command(bought, "permissions", "list")
    assert large["id"] in text and "REVOKED" in text and "used 1 times" in text
    command(bought, "permissions", "revoke", large["id"])


def test_the_same_commands_through_a_server(bought):
    number = ask(bought, "orders")[-1]["merchant_order_id"]
    with scripted(Script()) as model, served(bought, *model, env=CLOCK) as s:
        s.sign_in()
        order = next(o for o in s.api("GET", "/api/orders")["orders"] if o["merchant_order_id"] == number)
        assert ask(bought, "orders", "receipt", number) == s.api("GET", f"/api/orders/{order['id']}/receipt")["receipt"]
        assert ask(bought, "orders", "--by", "merchant") == s.api("GET", "/api/spending?by=merchant")["spending"]
        s.api("GET", "/api/spending?by=x", ok=(400,))
        s.api("GET", "/api/orders/none/receipt", ok=(404,))
        assert s.request("GET", f"/orders/{order['id']}/receipt")[1]["Content-Type"].startswith("text/html")
        made = ask(bought, "permissions", "add", "--per-order", "2")
        command(bought, "permissions", "revoke", made["id"])
        ended = [json.loads(x) for x in command(bought, "orders", "return", number, "--approve", "yes", "--json").splitlines()][-1]
        assert ended["state"] == "completed"
        assert ask(bought, "orders", "receipt", number)["refunded_minor"] == ended["terms"]["back_minor"]
        assert ask(bought, "orders", "handed-over") == []


# ---- where we cannot pay ----

class NoHandlers(Merchant):
    """Takes payment on its own page, on delivery, or in the sandbox, as handlers says. completions: bodies it was sent."""

    def __init__(self, name, price, handlers, page=None, standard=False):
        super().__init__(name, price)
        self.handlers, self.page, self.standard, self.completions, self.tried, self.status = handlers, page, standard, [], [], None

    def profile(self):
        p = super().profile()
        p["ucp"]["payment_handlers"] = {h: [{"id": h, "version": VERSION}] for h in self.handlers}
        return p

    def products(self):
        p = super().products()
        if self.standard:
            for product in p["products"]:
                del product["metadata"]
        return p

    def fill(self, c, body):
        super().fill(c, body)
        self.tried.append(body.get("discounts", {}).get("codes", []))

    def view(self, c, message=None):
        v = super().view(c, message)
        v["ucp"]["payment_handlers"] = {h: [{"id": h, "version": VERSION}] for h in self.handlers}
        if self.page and c["status"] != "completed":
            v["continue_url"] = self.page(self.origin, c["id"])
        if self.status:
            v["status"] = self.status
        return v

    def complete(self, c, body, key):
        if "dev.rukou.sandbox" in self.handlers:
            return super().complete(c, body, key)
        self.completions.append(body)
        c["status"] = "completed"
        return 200, self.view(c), False


def shopping(tmp_path, shop, run_test, text=JOB, profile=PROFILE):
    with open_for_business([shop]) as origins, scripted(Script()) as model, served(tmp_path / "d", *model, "--shops", ",".join(origins), env=CLOCK) as s:
        s.sign_in()
        s.api("PUT", "/api/profile", profile)
        s.api("POST", "/api/turns", {"text": text})
        run_test(s)
        assert s.api("GET", "/api/ledger/audit")["audit"]["ok"]


def until(s, kind):
    return next(d["data"] for t, d in s.events(until=lambda t, d: t in (kind, "turn_done")) if t == kind)


def end(s):
    return s.events(until=lambda t, d: t == "turn_done")


def no_money_moved(s):
    return {e["kind"] for e in s.api("GET", "/api/ledger")["entries"]} <= {"opening"}


@pytest.mark.parametrize("escalates", (False, True))
def test_handed_over_and_read_again(tmp_path, escalates):
    shop = NoHandlers("Hill", 29900, [], page=lambda origin, i: f"{origin}/pay/{i}")
    shop.status = "requires_escalation" if escalates else None

    def at(s):
        seen = end(s)
        (one,) = [d["data"]["hand_over"] for t, d in seen if t == "hand_over"]
        assert [d["data"]["hand_over_id"] for t, d in seen if t == "notice" and d["data"]["code"] == "hand_over"] == [one["id"]]
        assert one["state"] == "open" and one["url"] == f"{shop.origin}/pay/{one['checkout_id']}" and one["host"] == shop.origin.split("//")[1] and not one["foreign_host"]
        assert one["total_minor"] == 30500 and one["lines"][0]["quantity"] == 1
        assert not [t for t, _ in seen if t == "approval_request"] and s.api("GET", "/api/orders")["orders"] == [] and no_money_moved(s)
        assert s.api("GET", f"/api/hand-overs/{one['id']}")["hand_over"]["state"] == "open"
        text = command(tmp_path / "d", "orders", "handed-over")
        assert one["host"] in text and one["checkout_id"] in text and "305.00" in text
        shop.status, shop.checkouts[one["checkout_id"]]["status"] = None, "completed"  # the user was there
        after = s.api("GET", f"/api/hand-overs/{one['id']}")["hand_over"]
        assert after["state"] == "completed" and after["merchant_order_id"] == f"order-{one['checkout_id']}" and after["checked_ms"]
        assert s.api("GET", "/api/hand-overs")["hand_overs"] == [after]
        s.api("GET", f"/api/hand-overs/{one['id']}")
        assert len([t for t, _ in end_of_events(s) if t == "hand_over"]) == 2 and no_money_moved(s)
        s.api("GET", "/api/hand-overs/none", ok=(404,))

    shopping(tmp_path, shop, at)


def end_of_events(s):
    last = s.api("GET", "/api/chats")["last_event"]
    return s.events(until=lambda t, d: d.get("n") == last)


def test_a_page_at_another_host_is_said_to_be_one(tmp_path):
    shop = NoHandlers("Hill", 29900, [], page=lambda origin, i: f"https://pay.example/{i}")

    def at(s):
        one = until(s, "hand_over")["hand_over"]
        assert one["host"] == "pay.example" and one["foreign_host"]
        end(s)

    shopping(tmp_path, shop, at)


def test_paid_on_delivery_books_nothing(tmp_path):
    shop = NoHandlers("Hill", 29900, ["example.rukou.on_delivery"])

    def at(s):
        a = until(s, "approval_request")["approval"]
        assert a["terms"]["instrument"]["kind"] == "on_delivery" and "货到付款" in a["terms"]["instrument"]["label"] and a["on_delivery"] and a["wallet"] is None
        s.api("PATCH", f"/api/approvals/{a['id']}", {"changes": {"instrument_id": "wallet"}}, ok=(400,))
        s.api("POST", f"/api/approvals/{a['id']}", {"decision": "approve", "terms_hash": a["terms_hash"]})
        seen = end(s)
        assert "货到付款" in seen[-1][1]["data"]["answer"] and no_money_moved(s)
        (order,), (body,) = s.api("GET", "/api/orders")["orders"], shop.completions
        (instrument,) = body["payment"]["instruments"]
        assert instrument["handler_id"] == "example.rukou.on_delivery" and "credential" not in instrument
        assert s.api("GET", f"/api/orders/{order['id']}")["order"]["status"] == "placed"  # nothing paid is nothing refunded
        sheet = s.api("GET", f"/api/orders/{order['id']}/receipt")["receipt"]
        assert sheet["ok"] and sheet["on_delivery_minor"] == sheet["total_minor"] == 30500 and sheet["payments"] == [] and sheet["stands_minor"] == 0
        (row,) = s.api("GET", "/api/spending?by=month")["spending"]["rows"]
        assert row["on_delivery_minor"] == 30500 and row["net_minor"] == 0 and row["n_orders"] == 1
        assert "on delivery" in command(tmp_path / "d", "orders", "receipt", order["id"])

    shopping(tmp_path, shop, at)


def test_on_delivery_by_the_users_words_or_by_an_edit(tmp_path):
    shop = NoHandlers("Hill", 29900, ["dev.rukou.sandbox", "example.rukou.on_delivery"])

    def at(s):
        a = until(s, "approval_request")["approval"]
        assert a["terms"]["instrument"]["kind"] == "on_delivery"
        card = s.api("PATCH", f"/api/approvals/{a['id']}", {"changes": {"instrument_id": "card"}})["approval"]
        assert card["terms"]["instrument"]["id"] == "card"
        door = s.api("PATCH", f"/api/approvals/{card['id']}", {"changes": {"instrument_id": "on_delivery"}})["approval"]
        assert door["terms"]["instrument"]["kind"] == "on_delivery" and door["diff"]
        s.api("POST", f"/api/approvals/{door['id']}", {"decision": "refuse", "terms_hash": door["terms_hash"]})
        end(s)

    shopping(tmp_path, shop, at, text=JOB + "，货到付款")


def test_a_shop_without_it_says_so(tmp_path):
    shop = NoHandlers("Hill", 29900, ["dev.rukou.sandbox"])

    def at(s):
        seen = end(s)
        assert not [t for t, _ in seen if t == "approval_request"]
        assert "payment on delivery" in seen[-1][1]["data"]["answer"]

    shopping(tmp_path, shop, at, text=JOB + "，货到付款")


# ---- the user's own codes ----

@pytest.mark.parametrize("standard", (True, False))
def test_own_codes_are_tried_where_the_shop_lists_none(tmp_path, standard):
    shop = NoHandlers("Hill", 29900, ["dev.rukou.sandbox"], standard=standard)
    shop.tried = []

    def at(s):
        a = until(s, "approval_request")["approval"]
        assert a["terms"]["discounts"] == ["MINUS5"] and a["terms"]["total_minor"] == 30000
        assert ["NOPE"] in shop.tried and s.api("GET", "/api/profile")["profile"]["coupons"] == ["NOPE", "MINUS5"]
        s.api("PUT", "/api/profile", {**PROFILE, "coupons": ["has space"]}, ok=(400,))
        s.api("PUT", "/api/profile", PROFILE)
        assert s.api("GET", "/api/profile")["profile"]["coupons"] == ["NOPE", "MINUS5"]  # without the key they stay
        s.api("POST", f"/api/approvals/{a['id']}", {"decision": "refuse", "terms_hash": a["terms_hash"]})
        end(s)

    shopping(tmp_path, shop, at, profile={**PROFILE, "coupons": ["NOPE", "MINUS5"]})
