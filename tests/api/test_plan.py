"""A plan of four parts at three sellers over HTTP: train out, train back, a room, tickets. The parts are held by
tests/tools/hold_trip, so that no model has to choose them; the rest is `rukou serve` and the sellers, one of which may refuse."""
import contextlib
import datetime
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest
from rukou import ROOT, RUKOU, run, served
from scripted import Script, scripted
from trouble import CLOCK, Answer, Drop, Fault, free_port, trouble

SELLERS = {"rail": "tongtu", "hotel": "yunqi", "zoo": "changyou"}
HOLD = pathlib.Path(RUKOU).parent / "tools/hold_trip"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    subprocess.run([sys.executable, ROOT / "tests/tools/tiny_gguf.py", path], check=True)
    return path


class Trip:
    """The sellers, the held parts, and a signed-in server."""

    def __init__(self, tmp_path, model, stack, **faults):
        self.data = tmp_path / "d"
        self.data.mkdir(mode=0o700)
        port = free_port()
        (self.data / "ports.json").write_text(json.dumps({"server": port, "shops": free_port()}))
        self.faults = {name: faults.get(name) or Fault() for name in SELLERS}
        origins = {name: stack.enter_context(trouble(self.faults[name], tmp_path / name, port, f"shops/travel/{shop}")) for name, shop in SELLERS.items()}
        day = datetime.date(2026, 11, 23) + datetime.timedelta(days=4)
        argv = [HOLD, self.data, str(port), *origins.values(), "上海", "北京", str(day), str(day + datetime.timedelta(days=1))]
        held = subprocess.run(argv, capture_output=True, text=True, timeout=60, env={**CLOCK, "PATH": "/usr/bin:/bin"})
        assert held.returncode == 0, held.stderr
        self.ids = json.loads(held.stdout)
        args = ("--shops", ",".join(origins.values()))
        self.s = stack.enter_context(served(self.data, *args, model=model, env=CLOCK)).sign_in()

    def plan(self, **changes):
        plan = self.s.api("POST", "/api/plans", {"title": "北京周末", "approval_ids": self.ids})["plan"]
        if changes:
            plan = self.s.api("PATCH", f"/api/plans/{plan['id']}", {"changes": changes})["plan"]
        return plan

    def decide(self, plan, decision="approve", ok=(200,)):
        return self.s.api("POST", f"/api/plans/{plan['id']}", {"decision": decision, "sheet_hash": plan["sheet_hash"]}, ok=ok)

    def end(self, plan, timeout=60):
        limit = time.monotonic() + timeout
        while time.monotonic() < limit:
            now = self.s.api("GET", f"/api/plans/{plan['id']}")["plan"]
            if now["state"] not in ("approved", "completing", "undoing"):
                assert self.s.api("GET", "/api/ledger/audit")["audit"]["ok"]
                return now
            time.sleep(0.2)
        raise AssertionError(f"no end: {now['state']} {now['result']}")

    def sums(self):
        entries = self.s.api("GET", "/api/ledger")["entries"]
        return {kind: sum(e["amount_minor"] for e in entries if e["kind"] == kind) for kind in ("capture", "refund")}


@pytest.fixture
def trip(tmp_path, model):
    with contextlib.ExitStack() as stack:
        yield lambda **faults: Trip(tmp_path, model, stack, **faults)


def states(plan):
    return [p["state"] for p in plan["result"]["parts"]]


def is_complete(h):
    return h.command == "POST" and h.path.endswith("/complete")


DECLINED = Answer(422, {"Content-Type": "application/json"}, b'{"code":"payment_failed","content":"declined"}')


def test_four_parts_are_one_answer(trip):
    t = trip()
    s = t.s
    for bad in ({"title": "x"}, {"title": "x", "approval_ids": []}, {"title": 1, "approval_ids": t.ids}, {"title": "x", "approval_ids": [7]}):
        s.api("POST", "/api/plans", bad, ok=(400,))
    s.api("POST", "/api/plans", {"title": "x", "approval_ids": ["nobody"]}, ok=(404,))
    plan = t.plan()
    assert plan["state"] == "pending" and plan["on_failure"] == "undo" and len(plan["approvals"]) == 4
    assert plan["totals"] == {"CNY": sum(a["terms"]["total_minor"] for a in plan["approvals"])}
    assert [a["undo"]["fee_minor"] for a in plan["approvals"]][2:] == [0, 0], "the room and the tickets are free to cancel"
    assert all(0 < a["undo"]["fee_minor"] <= (a["terms"]["total_minor"] * 5 + 99) // 100 for a in plan["approvals"][:2]), "the trains cost five percent"
    one = plan["approvals"][0]
    s.api("POST", f"/api/approvals/{one['id']}", {"decision": "approve", "terms_hash": one["terms_hash"]}, ok=(409,))
    kept = s.api("PATCH", f"/api/plans/{plan['id']}", {"changes": {"on_failure": "keep"}})["plan"]
    s.api("PATCH", f"/api/plans/{plan['id']}", {"changes": {"on_failure": "burn"}}, ok=(400,))
    assert kept["sheet_hash"] != plan["sheet_hash"]
    t.decide(plan, ok=(409,))
    key = s.api("POST", "/api/keys", {"scopes": ["chat"]})["key"]
    assert s.request("POST", f"/api/plans/{plan['id']}", {"decision": "approve", "sheet_hash": kept["sheet_hash"]},
                     {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})[0] == 403
    longer = s.api("PATCH", f"/api/approvals/{one['id']}", {"changes": {"renew": True}})["approval"]
    assert longer["supersedes"] == one["id"] and longer["plan_id"] == plan["id"] and longer["diff"] == []
    plan = s.api("GET", f"/api/plans/{plan['id']}")["plan"]
    assert plan["approvals"][0]["id"] == longer["id"] and plan["sheet_hash"] not in (kept["sheet_hash"], None)
    t.decide(plan)
    done = t.end(plan)
    assert done["state"] == "completed" and states(done) == ["stands"] * 4
    assert t.sums() == {"capture": plan["totals"]["CNY"], "refund": 0}
    assert done["result"]["totals"]["CNY"]["cost_minor"] == plan["totals"]["CNY"]
    t.decide(plan)
    t.decide(plan, "refuse", ok=(410,))
    assert len(s.api("GET", "/api/orders")["orders"]) == 4
    seen = [e["data"]["plan"]["state"] for k, e in s.events(until=lambda k, e: k == "plan" and e["data"]["plan"]["state"] == "completed", timeout=20) if k == "plan"]
    assert seen[0] == "pending" and [x for i, x in enumerate(seen) if i == 0 or seen[i - 1] != x] == ["pending", "approved", "completing", "completed"]


def test_a_declined_train_undoes_the_rest(trip):
    declined = []

    def decline_second(h, body):
        if is_complete(h):
            declined.append(h.path)
            return DECLINED if len(declined) > 1 else None
    t = trip(rail=Fault(before=decline_second))
    plan = t.plan()
    t.decide(plan)
    done = t.end(plan)
    assert done["state"] == "undone" and sorted(states(done)) == ["failed", "refunded", "refunded", "refunded"]
    failed = next(p for p in done["result"]["parts"] if p["state"] == "failed")
    assert failed["why"] == "payment_refused" and failed["paid_minor"] == 0 and failed["what_can_be_done"] == "again"
    fees = {p["approval_id"]: p["fee_minor"] for p in done["result"]["parts"] if p["state"] == "refunded"}
    shown = {a["id"]: a["undo"]["fee_minor"] for a in plan["approvals"]}
    assert all(fee == shown[i] for i, fee in fees.items()), "what the sheet said"
    money = done["result"]["totals"]["CNY"]
    assert t.sums() == {"capture": money["paid_minor"], "refund": money["back_minor"]} and money["cost_minor"] == sum(fees.values())
    assert [o["status"] for o in t.s.api("GET", "/api/orders")["orders"]] == ["refunded"] * 3
    t.s.stop()
    assert run("orders", "audit", data=t.data).returncode == 0


def test_an_answer_that_is_lost_is_looked_up_before_anything_is_undone(trip):
    lost = []

    def lose_first(h, answer):
        if is_complete(h) and not lost:
            lost.append(True)
            raise Drop
    t = trip(hotel=Fault(after=lose_first))
    plan = t.plan()
    t.decide(plan)
    done = t.end(plan)
    assert lost and done["state"] == "completed" and states(done) == ["stands"] * 4
    assert not any(p.startswith("/refunds") for f in t.faults.values() for _, p, _ in f.log)


def test_a_server_that_dies_goes_on_with_the_plan(tmp_path, model):
    held_up = []

    def hold_up(h, body):
        if is_complete(h) and not held_up:
            held_up.append(True)
            time.sleep(3)
            raise Drop
    with contextlib.ExitStack() as stack:
        t = Trip(tmp_path, model, stack, zoo=Fault(before=hold_up))
        plan = t.plan()
        t.decide(plan)
        limit = time.monotonic() + 30
        while not held_up and time.monotonic() < limit:
            time.sleep(0.05)
        assert held_up
        t.s.proc.kill()
        t.s.proc.wait(20)
        args = ("--shops", ",".join(a["terms"]["merchant"]["origin"] for a in plan["approvals"][1:]))
        t.s = stack.enter_context(served(t.data, *args, model=model, env=CLOCK)).sign_in()
        done = t.end(plan)
        assert done["state"] == "completed" and states(done) == ["stands"] * 4
        assert t.sums() == {"capture": plan["totals"]["CNY"], "refund": 0}


# ---- one sentence, several purchases, in the terminal ----

TWO = "买一双跑步鞋和一个血压计"


def two_things():
    return scripted(Script(plan=[{"tool": "search_offers", "what": "跑步鞋"}, {"tool": "search_offers", "what": "血压计"}]))


def test_the_terminal_shows_one_sheet_and_takes_one_word(tmp_path):
    with two_things() as model:
        p = subprocess.run([RUKOU, "do", TWO, *model, "--data", tmp_path / "d"], input="keep\npart 2 quantity 2\nyes\n", capture_output=True, text=True,
                           timeout=120, env={**os.environ, **CLOCK})
    assert p.returncode == 0, p.stderr
    sheets = p.stdout.split("=== plan: ")[1:]
    assert len(sheets) == 3 and p.stderr.count("Type yes") == 3, "the first, and one after each change"
    assert "退掉" in sheets[0] and "其余部分照买" in sheets[1] and "quantity: 1 -> 2" in sheets[2]
    assert "退订：全额退" in sheets[0] and sheets[0].count("+-- approval") == 2
    assert "全部买好了" in p.stdout and p.stdout.count("订单号") == 2
    assert len(json.loads(run("orders", "--json", data=tmp_path / "d").stdout)) == 2
    assert run("orders", "audit", data=tmp_path / "d").returncode == 0


@pytest.mark.parametrize("approve", ["yes", "no", "ask"])
def test_a_plan_by_a_policy_and_at_the_end_of_input(tmp_path, approve):
    with two_things() as model:
        p = run("do", TWO, "--approve", approve, "--json", *model, data=tmp_path / "d", env=CLOCK)
    events = [json.loads(x) for x in p.stdout.splitlines()]
    end = [e["data"]["plan"] for e in events if e["type"] == "plan"][-1]
    assert end["state"] == ("completed" if approve == "yes" else "refused")
    assert len(events[-1]["orders"]) == (2 if approve == "yes" else 0)


def test_a_part_that_is_left_alone_is_asked_for_by_itself(tmp_path):
    """The second thing cannot be had: what was held for the plan is an approval like any other."""
    first = []

    def refuse_others(h, body):
        if h.command == "POST" and h.path.endswith("/checkout-sessions"):
            item = json.loads(body)["line_items"][0]["item"]["id"]
            first.append(item)
            return None if item == first[0] else Answer(422, {"Content-Type": "application/json"}, b'{"code":"sold_out","content":"no"}')
    data, port = tmp_path / "d", free_port()
    data.mkdir(mode=0o700)
    (data / "ports.json").write_text(json.dumps({"server": port, "shops": free_port()}))
    with trouble(Fault(before=refuse_others), tmp_path / "shop", port, "shops/lanhai") as shop, two_things() as model:
        p = run("do", TWO, "--approve", "yes", "--json", "--shops", shop, *model, data=data, env=CLOCK)
    events = [json.loads(x) for x in p.stdout.splitlines()]
    asked = [e["data"]["approval"].get("in_plan", False) for e in events if e["type"] == "approval_request"]
    assert asked == [True, False] and len(set(first)) > 1
    assert not [e for e in events if e["type"] == "plan"] and len(events[-1]["orders"]) == 1


def test_a_trip_in_one_sentence_is_paid_in_an_order_that_can_be_undone(tmp_path):
    steps = [{"tool": "trains", "from": "上海", "to": "北京", "when": "11月28日"}, {"tool": "trains", "from": "北京", "to": "上海", "when": "11月30日"},
             {"tool": "hotels", "city": "北京", "when": "11月28日"}, {"tool": "tickets", "city": "北京", "name": "故宫", "when": "11月29日"}]
    words = "订一张11月28日上海到北京的高铁票，11月30日北京回上海的高铁票，北京11月28日住两晚的酒店，再买一张11月29日故宫的门票"
    with scripted(Script(plan=steps)) as model:
        p = run("do", words, "--approve", "yes", "--json", *model, data=tmp_path / "d", env=CLOCK)
    events = [json.loads(x) for x in p.stdout.splitlines()]
    plans = [e["data"]["plan"] for e in events if e["type"] == "plan"]
    assert plans[-1]["state"] == "completed" and states(plans[-1]) == ["stands"] * 4, p.stderr
    fees = {a["id"]: a.get("undo", {}).get("fee_minor") for a in plans[-1]["approvals"]}
    paid = [fees[e["data"]["order"]["approval_id"]] for e in events if e["type"] == "order"]
    assert len(paid) == 4 and paid == sorted(paid, key=lambda fee: 10**9 if fee is None else fee), "what is lost least first, the saver rate last"
    assert events[-1]["answer"].count("订单号") == 4 and plans[-1]["totals"]["CNY"] == sum(o["total_minor"] for o in events[-1]["orders"])
