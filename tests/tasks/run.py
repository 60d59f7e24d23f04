#!/usr/bin/env python3
"""run.py [--model M] [--only ID,ID] FILE...: runs tasks (one JSON a line) through `rukou do` as a client of one
`rukou serve`, and checks what the shops' own databases and the ledger say, never the model's word for it.
Last line: N passed, N failed."""
import argparse
import json
import pathlib
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "api"))
from rukou import ROOT, run, served  # noqa: E402

SHOPS = sorted(p.parent for p in (ROOT / "shops").glob("*/shop.conf"))
PROFILES = json.loads((HERE / "profiles.json").read_text())
KNOWN = {"category", "qty", "attr", "title_has", "max_total_minor", "cheapest", "best", "deliver_on", "address_has", "instrument"}


def shop_orders(data):
    """{order id: order} of every shop, from their databases."""
    found = {}
    for shop in SHOPS:
        p = run("shop", "orders", str(shop), "--json", data=data)
        assert p.returncode == 0, p.stderr
        found |= {o["id"]: o for o in json.loads(p.stdout)["orders"]}
    return found


def catalogue(data, category):
    """Everything the shops sell of a category, as their own search answers."""
    ports = json.loads((pathlib.Path(data) / "ports.json").read_text())
    every = sorted(p.parent for p in (ROOT / "shops").rglob("shop.conf"))  # as the sandbox numbers its ports
    for i in (every.index(shop) for shop in SHOPS):
        profile = json.load(urllib.request.urlopen(f"http://127.0.0.2:{ports['shops'] + i}/.well-known/ucp"))
        url = profile["ucp"]["services"]["dev.ucp.shopping"][0]["endpoint"].rstrip("/") + "/catalog/search"
        page = {"limit": 1000}
        while page:
            body = json.dumps({"filters": {"categories": [category]}, "pagination": page}).encode()
            answer = json.load(urllib.request.urlopen(urllib.request.Request(url, body, {
                "Content-Type": "application/json", "Request-Id": "0", "UCP-Agent": f'profile="http://127.0.0.1:{ports["server"]}/.well-known/ucp"'})))
            yield from answer["products"]
            page = answer["pagination"]["has_next_page"] and {"limit": 1000, "cursor": answer["pagination"]["cursor"]}


def meets(product, variant, want):
    extra = product["metadata"]["dev.rukou.offer"]
    have = {**extra["attributes"], **{o["name"]: o["id"] for o in variant["options"]}}
    return extra["category"] == want["category"] and all(have.get(k) == v for k, v in want.get("attr", {}).items()) and \
        want.get("title_has", "") in product["title"] and variant["availability"]["available"]


def total(product, variant, qty, date=None):
    extra = product["metadata"]["dev.rukou.offer"]
    goods = variant["price"]["amount"] * qty
    off = max([0] + [c["amount_minor"] if "amount_minor" in c else goods * c["percent"] // 100
                     for c in extra["coupons"] if goods >= c["min_subtotal_minor"]])
    fees = [d["fee_minor"] for d in extra["deliveries"] if not date or d["date"] == date]
    return goods - off + min(fees) if fees else None


def fault(order, want, data):
    """What is wrong with an order, or None."""
    line = order["lines"][0]
    have = {**line["attributes"], **line["options"]}
    if len(order["lines"]) != 1 or line["category"] != want["category"]:
        return f"category {line['category']}"
    if line["quantity"] != want.get("qty", 1):
        return f"quantity {line['quantity']}"
    for k, v in want.get("attr", {}).items():
        if have.get(k) != v:
            return f"{k} is {have.get(k)}"
    if want.get("title_has", "") not in "".join(line["titles"].values()):
        return f"title {line['title']}"
    if order["total_minor"] > want.get("max_total_minor", 1 << 60):
        return f"total {order['total_minor']}"
    if "deliver_on" in want and order["delivery"]["date"] != want["deliver_on"]:
        return f"delivery {order['delivery']['date']}"
    if want.get("address_has", "") not in json.dumps(order["address"], ensure_ascii=False):
        return f"address {order['address']}"
    if order["instrument"]["kind"] != want.get("instrument", "card"):
        return f"paid by {order['instrument']['kind']}"
    if want.get("cheapest") or want.get("best"):
        offers = [(p, v) for p in catalogue(data, want["category"]) for v in p["variants"] if meets(p, v, want)]
        totals = [(t, p) for p, v in offers if (t := total(p, v, want.get("qty", 1), want.get("deliver_on"))) is not None and t <= want.get("max_total_minor", 1 << 60)]
        if want.get("cheapest") and order["total_minor"] > min(t for t, _ in totals):
            return f"total {order['total_minor']}, the lowest is {min(t for t, _ in totals)}"
        if want.get("best") and line["rating"] < max(p["rating"]["value"] for _, p in totals) - 0.001:
            return f"rating {line['rating']}"
    return None


def say(text, data, approve, chat, clock):
    args = ["do", text, "--approve", approve, "--json"] + (["--chat", chat] if chat else [])
    p = run(*args, data=data, timeout=600, env={"RUKOU_CLOCK": clock})
    lines = [json.loads(x) for x in p.stdout.splitlines() if x.startswith("{")]
    return p, lines


def run_task(task, server):
    """(passed, remark)."""
    data, wanted = server.data, task["expect"]["orders"]
    for w in wanted:
        assert set(w) <= KNOWN, set(w) - KNOWN
    profile = server.api("GET", "/api/profile")["profile"]
    keep = [i for i in profile["instruments"]]
    told = {"name": "", "phone": "", "address": "", "home_city": "", "sizes": {}, "passengers": []} | PROFILES[task["profile"]]
    server.api("PUT", "/api/profile", {**told, "instruments": keep})
    before, chat, asked = shop_orders(data), None, 0
    answers = [" ".join(task["user"].values())] if task["user"] else []
    for text in task["say"]:
        p, events = say(text, data, task["approve"], chat, task["clock"])
        while True:
            if p.returncode != 0 or not events or events[-1]["type"] != "done":
                return False, (p.stderr.strip() or "no end")[-200:]
            chat = events[-1]["chat_id"]
            if not any(e["type"] == "question" for e in events) or asked == 2:
                break
            asked += 1
            reply = answers.pop() if answers else "都可以" if task["lang"] == "zh" else "Anything is fine"
            p, events = say(reply, data, task["approve"], chat, task["clock"])
    made = {k: o for k, o in shop_orders(data).items() if k not in before}
    answer = events[-1]["answer"]
    if len(answer) < 2:
        return False, "no answer"
    if len(made) != len(wanted):
        return False, f"{len(made)} orders; answer: {answer[:160]}"
    for order, want in zip(made.values(), wanted):
        bad = fault(order, want, data)
        if bad:
            return False, bad
    return True, f"{asked} questions" if asked else ""


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--model", default="1.5b")
    a.add_argument("--only", default="")
    a.add_argument("files", nargs="+")
    o = a.parse_args()
    tasks = [json.loads(x) for f in o.files for x in open(f, encoding="utf-8") if x.strip()]
    tasks = [t for t in tasks if not o.only or t["id"] in o.only.split(",")]
    passed = 0
    with tempfile.TemporaryDirectory() as d, served(pathlib.Path(d) / "data", model=o.model, env={"RUKOU_CLOCK": tasks[0]["clock"]}) as server:
        server.sign_in()
        for t in tasks:
            start = time.monotonic()
            ok, remark = run_task(t, server)
            passed += ok
            print(f"{'ok  ' if ok else 'FAIL'} {t['id']:16} {time.monotonic() - start:5.0f} s  {remark}", flush=True)
    print(f"{passed} passed, {len(tasks) - passed} failed")
    return 0 if passed == len(tasks) else 1


if __name__ == "__main__":
    sys.exit(main())
