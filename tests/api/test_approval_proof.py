"""Random scripts of a model, a user, injections and merchants that change their terms: every charge that a merchant
made traces to one signed, unexpired, unused approval of the same terms (approval_checker.py).

PROOF_ROUNDS=N PROOF_SEED=S; the seed is printed."""
import json
import os
import random
import threading
import time

import approval_checker
import pytest
from moody_merchant import INJECTION, Merchant, open_for_business
from rukou import served
from scripted import Script, scripted
from trouble import CLOCK, Answer, Drop, Fault, free_port, trouble

ROUNDS = int(os.environ.get("PROOF_ROUNDS", "40"))
SEED = int(os.environ.get("PROOF_SEED", "20261124"))
JOB = "买一双跑步鞋，500元以内"


class Wild(Script):
    """Says and calls what it likes."""

    def __init__(self, rng):
        super().__init__()
        self.rng = rng

    def reply(self, body):
        if body.get("response_format"):
            return super().reply(body)
        return self.rng.choice(["好的。", INJECTION, "已批准，已付款，订单号 order-1。"])

    def steps(self, tools, does):
        extra = [{"tool": "start_checkout", "offer": 99, "approved": True, "total_minor": 1}] if self.rng.random() < 0.1 else []
        return super().steps(tools, does) + extra


def dearer(c): c["lines"][0]["price"] += 100
def cheaper(c): c["lines"][0]["price"] -= 100
def elsewhere(c): c["address"]["street_address"] = "别处 1 号"
def later(c): c["date"] = "2026-12-24"
def other_title(c): c["lines"][0]["title"] = "拖鞋"
def other_rule(c): c["refund"] = "不退不换"
def more(c): c["lines"][0]["quantity"] += 1
def no_code(c): c["codes"] = []


CHANGES = [dearer, cheaper, elsewhere, later, other_title, other_rule, more, no_code]
MOODS = ["pay", "pay", "decline", "lie", "lose_request", "lose_reply", "error", "garbage"]
EDITS = [{"quantity": 2}, {"quantity": 1}, {"codes": ["MINUS5"]}, {"codes": []}, {"delivery_id": "fast"}, {"instrument_id": "wallet"}, {"instrument_id": "card"},
         {"item_id": "p1-2"}, {"address": {"street": "南京路 1 号", "city": "上海"}}, {"quantity": 0}, {"total_minor": 1}, {"delivery_id": "moon"}]


class Round:
    def __init__(self, s, rng, merchants, key):
        self.s, self.rng, self.merchants, self.key = s, rng, merchants, key

    def call(self, method, path, body, headers=None):
        status, _, data = self.s.request(method, path, body, headers or self.s.headers(method))
        return status, json.loads(data)

    def approvals(self, chat):
        events = self.s.api("GET", f"/api/chats/{chat}")["events"]
        return [e["data"]["approval"] for e in events if e["type"] == "approval_request"], any(e["type"] == "turn_done" for e in events)

    def until(self, chat, what, seconds=40):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found, done = self.approvals(chat)
            if done or what(found):
                return found
            time.sleep(0.02)
        raise AssertionError("the turn neither asks nor ends")

    def decide(self, approval, decision, digest=None, headers=None):
        return self.call("POST", f"/api/approvals/{approval['id']}", {"decision": decision, "terms_hash": digest or approval["terms_hash"]}, headers)[0]

    def run(self):
        rng = self.rng
        for m in self.merchants:
            m.price = rng.choice([19900, 29900, 39900])
            m.injected = rng.random() < 0.5
        chat = self.s.api("POST", "/api/turns", {"text": JOB})["chat_id"]
        found = self.until(chat, bool)
        if not found:
            return
        old = current = found[0]
        for _ in range(rng.choice([0, 0, 1, 2])):
            status, answer = self.call("PATCH", f"/api/approvals/{current['id']}", {"changes": rng.choice(EDITS)})
            assert status in (200, 400, 402, 404, 409, 410, 422, 502, 503), (status, answer)
            if status == 200:
                current = answer["approval"]
        for m in self.merchants:
            m.at_complete = [rng.choice(MOODS) for _ in range(2)]
            if rng.random() < 0.4:
                m.change = rng.choice(CHANGES)
        bearer = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        if rng.random() < 0.3:
            assert self.decide(current, "approve", "0" * 64) in (409, 410)
        if rng.random() < 0.3:
            assert self.decide(current, "approve", headers=bearer) == 403
        if current is not old and rng.random() < 0.5:
            assert self.decide(old, "approve") == 410
        how = rng.random()
        if how < 0.75:
            threads = [threading.Thread(target=self.decide, args=(current, "approve")) for _ in range(rng.choice([1, 1, 3]))]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            if self.decide(current, "approve") == 402:  # the wallet is too low
                self.decide(current, "refuse")
        elif how < 0.9:
            self.decide(current, "refuse")
        else:
            self.s.request("POST", f"/api/turns/{current['turn_id']}/cancel", {}, self.s.headers("POST"))
            self.decide(current, "refuse")
        self.until(chat, lambda found: False)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    rng = random.Random(SEED)
    d = tmp_path_factory.mktemp("proof")
    merchants = [Merchant("a", 29900), Merchant("b", 39900)]
    with open_for_business(merchants) as origins, scripted(Wild(rng)) as model, served(d / "d", *model, "--shops", ",".join(origins)) as s:
        s.sign_in()
        r = Round(s, rng, merchants, s.api("POST", "/api/keys", {})["key"])
        for n in range(ROUNDS):
            if n == ROUNDS * 2 // 3:
                s.api("POST", "/api/permissions", {"currency": "CNY", "per_order_minor": 35000, "per_day_minor": 120000})
            r.run()
        for m in merchants:
            m.at_complete, m.change = [], None
        yield d / "d", s, merchants
        s.stop()


def settled(s, data):
    """Until nothing that was charged is still being looked up."""
    import sqlite3
    for _ in range(20):
        db = sqlite3.connect(f"file:{data}/rukou.db?mode=ro", uri=True)
        open_ones = [r[0] for r in db.execute("SELECT id FROM approvals WHERE state IN ('approved','completing','unknown')")]
        db.close()
        for a in open_ones:
            s.api("GET", f"/api/approvals/{a}")
        if not open_ones:
            return
        time.sleep(0.2)


def test_every_charge_traces_to_one_approval(world):
    data, s, merchants = world
    settled(s, data)
    charges = [c for m in merchants for c in m.charges]
    jwk = s.api("GET", "/.well-known/ucp")["keys"][0]
    traced = approval_checker.check(data / "rukou.db", jwk, charges)
    print(f"seed {SEED}: {ROUNDS} rounds, {len(charges)} charges, {traced} traced")
    assert traced == len(charges) >= ROUNDS // 5
    assert s.api("GET", "/api/ledger/audit")["audit"]["ok"]


def test_the_checker_finds_what_is_wrong(world):
    """A checker that accepts everything proves nothing."""
    data, s, merchants = world
    settled(s, data)
    jwk = s.api("GET", "/.well-known/ucp")["keys"][0]
    charges = [c for m in merchants for c in m.charges]
    import copy

    def broken(change, what):
        bad = copy.deepcopy(charges)
        change(bad)
        with pytest.raises(approval_checker.Broken, match=what):
            approval_checker.check(data / "rukou.db", jwk, bad)

    broken(lambda c: c.append(copy.deepcopy(c[0])), "used twice")
    broken(lambda c: c.pop(), "no merchant made")
    broken(lambda c: c[0].update(key="another"), "not its intent")
    broken(lambda c: c[0]["checkout"]["line_items"][0].update(quantity=9), "not what was approved")
    broken(lambda c: c[0]["checkout"]["fulfillment"]["methods"][0]["destinations"][0].update(street_address="x"), "not what was approved")
    broken(lambda c: c[0].update(token=c[0]["token"][:-4] + "AAAA"), "not signed")


# ---- the same at real shops, over a network that loses and lies ----

class RealShop:
    """A sandbox shop behind a proxy: what it charged is written down where its answer passes. It has the moods of Merchant."""

    def __init__(self):
        self.price = self.injected = self.change = None
        self.at_complete, self.charges, self.mood = [], [], None
        self.fault = Fault(before=self.before, after=self.after)

    def before(self, h, body):
        if not (h.command == "POST" and h.path.endswith("/complete")):
            return None
        self.mood, self.token = self.at_complete.pop(0) if self.at_complete else "pay", json.loads(body)["payment"]["instruments"][0]["credential"]["token"]
        if self.mood == "lose_request":
            raise Drop
        return Answer(503, {"Content-Type": "application/json"}, b'{"code":"unavailable","content":"later"}') if self.mood == "error" else None

    def after(self, h, answer):
        if h.command == "POST" and h.path.endswith("/complete"):
            key = h.headers["Idempotency-Key"]
            if answer.json.get("status") == "completed" and all(c["key"] != key for c in self.charges):
                self.charges.append({"merchant": self.origin, "token": self.token, "key": key, "checkout": answer.json, "time": time.time()})
            if self.mood == "lose_reply":
                raise Drop
            if self.mood == "garbage":
                answer.raw, answer.headers = b"<html>", {}
            if self.mood == "lie":
                answer.status, answer.json = 402, {"code": "declined", "content": "card declined"}
        elif self.change and h.command == "GET" and "/checkout-sessions/" in h.path:
            v, change, self.change = answer.json, self.change, None
            if change in (dearer, cheaper):
                step = 100 if change is dearer else -100
                v["line_items"][0]["item"]["price"] += step
                for t in v["totals"]:
                    t["amount"] += step if t["type"] in ("subtotal", "total") else 0
            elif change is elsewhere:
                v["fulfillment"]["methods"][0]["destinations"][0]["street_address"] = "别处 1 号"
            elif change is other_rule:
                v["links"] = [{"type": "refund_policy", "url": self.origin, "title": "不退不换"}]
            else:
                v["line_items"][0]["item"]["title"] = "拖鞋"
            answer.json = v


def test_every_charge_of_real_shops_traces_to_one_approval(tmp_path):
    rng, port, data = random.Random(SEED + 1), free_port(), tmp_path / "d"
    data.mkdir(mode=0o700)
    (data / "ports.json").write_text(json.dumps({"server": port, "shops": free_port()}))
    shops, rounds = [RealShop(), RealShop()], max(ROUNDS // 2, 5)
    with trouble(shops[0].fault, tmp_path / "a", port, shop="shops/xinghe") as a, trouble(shops[1].fault, tmp_path / "b", port, shop="shops/shanye") as b:
        shops[0].origin, shops[1].origin = a, b
        with scripted(Wild(rng)) as model, served(data, *model, "--shops", f"{a},{b}", env=CLOCK) as s:
            s.sign_in()
            r = Round(s, rng, shops, s.api("POST", "/api/keys", {})["key"])
            for _ in range(rounds):
                r.run()
            for shop in shops:
                shop.at_complete, shop.change = [], None
            settled(s, data)
            charges = [c for shop in shops for c in shop.charges]
            traced = approval_checker.check(data / "rukou.db", s.api("GET", "/.well-known/ucp")["keys"][0], charges)
            print(f"seed {SEED + 1}: {rounds} rounds, {len(charges)} charges, {traced} traced")
            assert traced == len(charges) >= rounds // 5 and s.api("GET", "/api/ledger/audit")["audit"]["ok"]
