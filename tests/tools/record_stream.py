#!/usr/bin/env python3
"""Records what the real program with the real model sends to a page: one file of events a turn, for the page tests.

    python3 tests/tools/record_stream.py [--model 1.5b] [NAME...]

Writes tests/browser/recorded/NAME.jsonl: a first line that says how it was made, then one event a line,
[ms since the start, type, data]; durable events as stored, snapshots and deltas as streamed. Ids, hashes and times are
as they were; the mock gives new ones where the page checks them (tests/browser/mock/server.mjs)."""
import argparse
import json
import pathlib
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "api"))
from rukou import ROOT, run, served

OUT = ROOT / "tests/browser/recorded"
CLOCK = "2026-11-23T10:00:00+08:00"
TURNS = {
    "job-zh": ("买一双跑步鞋，500元以内，哪个平台便宜就在哪买", "approve"),
    "job-en": ("Buy a rice cooker, the cheapest under 300 yuan", "refuse"),
    "browse-zh": ("找几款保温杯，100元以内，先别买", None),
    "question-zh": ("买点口罩", None),
}


def decide(server, approval, decision):
    server.api("POST", f"/api/approvals/{approval['id']}", {"decision": decision, "terms_hash": approval["terms_hash"]})


def record(server, text, decision):
    """The events of one turn as [ms, type, data]."""
    start, after = time.monotonic(), server.api("GET", "/api/chats")["last_event"]
    seen, turn = [], {}

    def on_event(kind, data):
        mine = not turn or data.get("turn_id") == turn["turn_id"]
        if mine:
            seen.append([int((time.monotonic() - start) * 1000), kind, data["data"] if "n" in data else data])
            if kind == "approval_request":
                threading.Thread(target=decide, args=(server, data["data"]["approval"], decision)).start()
        return mine and kind == "turn_done"

    reader = threading.Thread(target=server.events, kwargs={"after": after, "until": on_event, "timeout": 600})
    reader.start()
    time.sleep(0.5)
    turn.update(server.api("POST", "/api/turns", {"text": text}))
    reader.join()
    return seen


def compact(events):
    """Deltas of one message that follow each other within 100 ms are one; of the progress one a second is kept."""
    out = []
    for ms, kind, data in events:
        last = out[-1] if out else None
        if kind == "delta" and last and last[1] == "delta" and last[2]["message_id"] == data["message_id"] and ms - last[0] < 100:
            last[2]["text"] += data["text"]
        elif kind == "progress" and last and last[1] == "progress" and ms - last[0] < 1000:
            last[2] |= data
        else:
            out.append([ms, kind, data])
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--model", default="1.5b")
    p.add_argument("names", nargs="*", metavar="NAME", default=list(TURNS))
    a = p.parse_args()
    OUT.mkdir(exist_ok=True)
    version = run("--version").stdout.strip()
    with tempfile.TemporaryDirectory() as tmp, served(pathlib.Path(tmp) / "d", model=a.model, env={"RUKOU_CLOCK": CLOCK}) as server:
        server.sign_in()
        for name in a.names or TURNS:
            text, decision = TURNS[name]
            events = compact(record(server, text, decision))
            head = {"made_by": f"tests/tools/record_stream.py --model {a.model} {name}", "version": version, "model": a.model, "clock": CLOCK,
                    "text": text, "decision": decision}
            lines = [json.dumps(x, ensure_ascii=False, separators=(",", ":")) for x in [head, *events]]
            (OUT / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
            print(f"{name}: {len(events)} events, {sum(map(len, lines))} characters")


if __name__ == "__main__":
    main()
