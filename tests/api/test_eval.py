"""`rukou eval` from outside: verdicts, the simulated user, results that go on, what a run leaves, and the second opinion."""
import contextlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys

import pytest

from rukou import ROOT, run
from scripted import Script, scripted

CLOCK = "2026-11-23T10:00:00+08:00"
THERMOS = {"id": "buys", "say": ["买一个保温杯，最便宜的"], "expect": {"orders": [{"category": "thermos", "qty": 1, "cheapest": True}], "shown": 1}}
REFUSES = {"id": "refuses", "say": ["买一个保温杯，最便宜的"], "approve": "up_to:100 CNY", "expect": {"orders": [], "card": {"category": "thermos", "cheapest": True}}}
ASKS = {"id": "asks", "profile": "empty", "say": ["买一个保温杯，最便宜的"], "user": {"address": "杭州市西湖区文三路100号 王芳 13900000000"},
        "expect": {"asked": ["address"], "orders": [{"category": "thermos", "address_has": "文三路"}]}}
WRONG = {"id": "wrong", "say": ["买一个保温杯，最便宜的"], "expect": {"orders": []}}
ODD = {"id": "odd", "say": ["你好"], "expect": {"glitter": True}}


@pytest.fixture
def eval_(tmp_path):
    """eval_(tasks, *args) -> (the finished process, its results)."""
    shutil.copy(ROOT / "tests/tasks/profiles.json", tmp_path)

    def go(tasks, *args, code=0, model=None):
        lines = [t if isinstance(t, str) else json.dumps({"lang": "zh", "clock": CLOCK, "profile": "family", "user": {}, "approve": "yes"} | t, ensure_ascii=False) for t in tasks]
        (tmp_path / "tasks.jsonl").write_text("\n".join(["# a comment", *lines, ""]))
        with contextlib.nullcontext(model) if model else scripted(Script(query="保温杯")) as model:
            p = run("eval", str(tmp_path / "tasks.jsonl"), "--json", *args, *model, data=tmp_path / "data", timeout=300)
        assert p.returncode == code, p.stderr
        return p, [json.loads(x) for x in p.stdout.splitlines()]
    return go


def recheck(place):
    return subprocess.run([sys.executable, str(ROOT / "tests/recheck.py"), str(place)], capture_output=True, text=True)


def test_verdicts_and_what_is_left(eval_, tmp_path):
    kept = tmp_path / "kept"
    _, results = eval_([THERMOS, REFUSES, ASKS, WRONG, ODD], "--keep", str(kept))
    got = {r["id"]: r for r in results}
    assert [r["pass"] for r in results] == [True, True, True, False, False], results
    assert got["wrong"]["why"] == "orders: asked 0 standing, got 1" and got["odd"]["why"] == "the word glitter is not known"
    buys = got["buys"]
    assert len(buys["orders"]) == len(buys["charges"]) == len(buys["approvals"]) == 1 and buys["cards"] > 0 and buys["model_calls"] > 0 and buys["seconds"] > 0
    assert buys["charges"][0]["amount_minor"] == buys["orders"][0]["total_minor"]
    assert got["refuses"]["approvals"][0]["state"] == "refused" and got["refuses"]["orders"] == []
    assert {p.name for p in (kept / "buys").iterdir()} == {"task.json", "events.jsonl", "rukou.db", "shops", "made"}
    p = recheck(kept)
    assert p.returncode == 0 and p.stdout.splitlines()[-1] == "5 passed, 0 failed", p.stdout

    # Hundreds of other expectations of the same runs: both checkers agree, and some of them hold.
    p = subprocess.run([sys.executable, str(ROOT / "tests/tasks/compare.py"), *(str(kept / x) for x in ("buys", "refuses", "asks"))], capture_output=True, text=True)
    assert p.returncode == 0, p.stdout + p.stderr

    # A verdict that the files do not bear out is found.
    task = json.loads((kept / "wrong/task.json").read_text())
    task["result"]["pass"] = True
    (kept / "wrong/task.json").write_text(json.dumps(task))
    shop = next(s for s in (kept / "buys/shops").glob("*.db") if sqlite3.connect(s).execute("SELECT count(*) FROM orders").fetchone()[0])
    db = sqlite3.connect(shop)
    db.execute("UPDATE orders SET total_minor=total_minor+1")
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    p = recheck(kept)
    assert p.returncode == 1 and sorted(re.findall(r"^FAIL (\S+)", p.stdout, re.M)) == ["buys", "wrong"], p.stdout


class Babbler(Script):
    """Plans that are no reading of the words."""

    def reply(self, body):
        if "response_format" in body:
            return json.dumps({"do": "buy", "steps": [{"tool": "search_offers", "what": w} for w in ("500 y", "an", "a pair of r")]})
        return "Fine."


def test_a_plan_that_is_no_reading_of_the_words_keeps_to_the_budget(eval_):
    """The limit went to a thing that no shop has; what was found instead keeps to it."""
    with scripted(Babbler()) as model:
        _, results = eval_([{"id": "babble", "lang": "en", "say": ["Buy a pair of running shoes under 500 yuan, wherever it is cheapest"], "expect": {"orders": [], "no_card": True}}], model=model)
    assert results[0]["pass"], results[0]


def test_results_go_on(eval_, tmp_path):
    out = tmp_path / "results.jsonl"
    with scripted(Script(query="保温杯")) as model:
        eval_([THERMOS, WRONG], "--out", str(out), "--only", "buys", model=model)
        p, _ = eval_([THERMOS, WRONG], "--out", str(out), code=4, model=model)
        assert "--resume goes on in it" in p.stderr
        with out.open("a") as f:
            f.write('{"id": "wrong", "pa')  # a run that was cut off
        _, results = eval_([THERMOS, WRONG], "--out", str(out), "--resume", model=model)
        assert [r["id"] for r in results] == ["wrong"]  # buys was there
        head, *rest = [json.loads(x) for x in out.read_text().splitlines()]
        assert set(head) == {"commit", "program", "model", "tasks", "tasks_sha256", "temperature", "repeat"} and [r["id"] for r in rest] == ["buys", "wrong"]
        for other, args in ((REFUSES, []), (WRONG, ["--temperature", "0.7"])):
            p, _ = eval_([THERMOS, other], "--out", str(out), "--resume", *args, code=4, model=model)
            assert "results of two runs do not mix" in p.stderr


@pytest.mark.parametrize("tasks, says", [
    (['{"id": "a"'], "line 2: "), ([{"id": "a/b", "say": ["x"], "expect": {"orders": []}}], "line 2: id"), ([{"id": "a", "say": [], "expect": {"orders": []}}], "line 2: say"),
    ([{"id": "a", "say": ["x"], "expect": {}}], "line 2: expect"), ([{"id": "a", "say": ["x"], "profile": "nobody", "expect": {"orders": []}}], "line 2: profile"),
    ([{"id": "a", "say": ["x"], "approve": ["yes", "no"], "expect": {"orders": []}}], "line 2: approve"), ([{"id": "a", "say": ["x"], "clock": "noon", "expect": {"orders": []}}], "line 2: clock"),
    ([WRONG, WRONG], "line 3: the id stands twice"), ([], "holds no task")])
def test_bad_files(eval_, tasks, says):
    p, _ = eval_(tasks, code=1)
    assert says in p.stderr


def test_bad_options(eval_):
    for args in (["--repeat", "0"], ["--jobs", "2"], ["--resume"], ["--only", "nobody"], ["--temperature", "3"]):
        eval_([WRONG], *args, code=2)
