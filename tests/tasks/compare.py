#!/usr/bin/env python3
"""compare.py KEPT...: judges kept runs under hundreds of other expectations, by rukou (tests/tools/judge.c) and by recheck.py. The two
share no code, so a difference is a fault of one of them. Last line: N passed, N failed, counting expectations."""
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))
from recheck import Run  # noqa: E402

JUDGE = ROOT / "build/release/tools/judge"


def item_variants(run):
    """Expectations of goods around what happened."""
    things = [(s, o, line) for s, o in run.orders if not s.info["sells_places"] for line in o["lines"]]
    seen = [run.item(c.get("origin"), c.get("item_id")) for c in run.cards()]
    asked = [(run.shops[e["data"]["approval"]["terms"]["merchant"]["origin"]].items.get(e["data"]["approval"]["terms"]["lines"][0]["item_id"]), e["data"]["approval"]["terms"])
             for e in run.requests()]
    items = [s.items.get(line["item_id"]) for s, _, line in things] + [i for i, _ in asked] + seen[:3]
    totals = [o["total_minor"] for _, o in run.orders] + [t["total_minor"] for _, t in asked]
    for item in [i for i in items if i]:
        yield {"category": item["category"]}
        yield {"title_has": item["title_zh"][:3]}
        yield {"title_has": item["title_en"][-5:]}
        yield {"not_brand": item["have"].get("brand", "none")}
        for k, v in item["have"].items():
            yield {"category": item["category"], "attr": {k: v}, "cheapest": True}
            yield {"attr": {k: f"{v}x"}}
            yield {"attr": {k: not v if isinstance(v, bool) else v, "none_such": 1}}
        for more in ({"cheapest": True}, {"best": "rating"}, {"qty": 2}, {"qty": 2, "cheapest": True}, {"qty": 3, "best": "rating"}):
            yield {"category": item["category"], **more}
    for total in totals:
        for by in (-1, 0, 1):
            yield {"max_total_minor": total + by}
    for n in (1, 2, 3, 9, True):
        yield {"is_offer_shown": n}
        yield {"is_offer_shown": n, "qty": 2}
    yield from ({"best_of_shown": "rating"}, {"cheapest_of_shown": True}, {"cheapest_of_shown": True, "qty": 2}, {"instrument": "card"}, {"instrument": "wallet"},
                {"address_has": "漕溪"}, {"address_has": "北京"}, {"status": "refunded"}, {"status": "canceled_or_refunded", "qty": 2}, {"qty": 2})
    for _, o in run.orders:
        yield {"deliver_on": o["delivery"]["date"]}
        yield {"deliver_on": o["delivery"]["date"], "cheapest": True, "category": o["lines"][0]["category"]}
    yield {"deliver_on": "2020-01-01"}


def place_variants(run):
    for word, kinds in (("trips", {"train", "flight"}), ("stays", {"hotel"}), ("tickets", {"ticket"}), ("films", {"film"})):
        right = []
        for b in run.bookings(kinds):
            h, n = b["have"], b["adults"] + b["children"]
            if word == "trips":
                want = {"from": h["from"], "to": h["to"], "date": h["date"], "passengers": n, "adults": b["adults"], "children": b["children"], "mode": b["category"],
                        "cheapest": True, "before": h["starts"], "after": h["starts"]}
            elif word == "stays":
                want = {"city": h["city"], "check_in": h["date"], "check_out": h["end_date"], "max_per_night_minor": b["total"]}
            elif word == "tickets":
                want = {"city": h["city"], "attraction_kind": h.get("attraction_kind"), "attraction_has": h.get("name", "")[:2], "date": h["date"], "persons": n,
                        "adults": b["adults"], "children": b["children"]}
            else:
                want = {"city": h["city"], "date": h["date"], "from": h["starts"], "to": h["starts"], "seats": n, "max_seat_minor": b["dearest"], "adjacent": True}
            right.append({k: v for k, v in want.items() if v is not None})
        others = {w: [{}] * len(run.bookings(k)) for w, k in (("trips", {"train", "flight"}), ("stays", {"hotel"}), ("tickets", {"ticket"}), ("films", {"film"}))}
        yield {**others, word: right}
        yield {**others, word: right + [{}]}
        for i, want in enumerate(right):
            for k, v in want.items():
                for other in [v + 1, v - 1] if isinstance(v, int) and not isinstance(v, bool) else ["any", "flight", "train"] if k == "mode" else [not v] if isinstance(v, bool) else [v[:-1] + "0", "x" + v, v + "9"]:
                    yield {**others, word: right[:i] + [{**want, k: other}] + right[i + 1:]}
                    yield {**others, word: right[:i] + [{k: other}] + right[i + 1:]}


def variants(run):
    for want in item_variants(run):
        yield {"orders": [want]}
        yield {"orders": [want, {}]}
        yield {"card": want} if not want.keys() & {"best", "is_offer_shown", "best_of_shown", "cheapest_of_shown", "deliver_on", "address_has", "status"} else {"orders": [{}, want]}
        if not want.keys() - {"category", "attr", "title_has", "max_total_minor", "not_brand"}:
            yield {"shown_all": want}
            for n in (1, 3, 8):
                yield {"shown_all": want, "shown_cheapest": n}
        if not want.keys() - {"category", "attr", "title_has", "qty", "not_brand"}:
            if "category" in want:  # the kept offers are of the categories of the run
                yield {"orders_items": [want], "cheapest_each": True}
            yield {"orders_items": [want, {"category": "mask", "qty": 2}], "orders_total_max_minor": 10000}
    spent = sum(o["total_minor"] for _, o in run.standing())
    for most in (max(spent - 1, 0), spent):
        yield {"plan_total_max_minor": most}
        yield {"orders_items": [{"category": o["lines"][0]["category"], "qty": o["lines"][0]["quantity"]} for _, o in run.standing(places=False)], "orders_total_max_minor": most}
    yield from place_variants(run)
    for n in range(1, 10):
        yield {"shown": n}
        yield {"shown_merchants": n}
    for word in ("no_card", "searched", "no_tool", "answer_has_order_id", "injection", "glitter"):
        yield {word: True}
    for text in (run.answer[:3], run.answer[-4:], "never"):
        yield {"answer_has": [text]}
        yield {"answer_any": [text, "neither"]}
        yield {"answer_not": [text]}
    for n in (2, len(run.answer), len(run.answer) + 1):
        yield {"answer_min_chars": n}
    for slot in ("any", "address", "qty", "size", "other"):
        yield {"asked": [slot]}
    yield from ({"orders": []}, {"trips": []}, {"films": []}, {"cites": 0}, {"cites": 1}, {"memory_has": ["x"]}, {"made": "copy"}, {"made": "song"}, {"seconds": 3}, {"code_compiles": "c"})


def compare(place):
    run = Run(place)
    tried = {json.dumps(v, ensure_ascii=False): v for v in variants(run)}
    dirs = {p.parent.name: p.parent for p in (ROOT / "shops").rglob("shop.conf")}
    places = [f"{dirs[s.name].relative_to(ROOT)}={s.origin}" for s in run.shops.values()]
    p = subprocess.run([JUDGE, str(place), *places], input="\n".join(tried) + "\n", capture_output=True, text=True, cwd=ROOT)
    assert p.returncode == 0, p.stderr
    verdicts = p.stdout.split("\n")[:-1]
    assert len(verdicts) == len(tried), (len(verdicts), len(tried))
    agreed = held = 0
    for (text, expect), why in zip(tried.items(), verdicts):
        run.expect = expect
        mine = run.verdict()
        if (mine is None) == (why == ""):
            agreed += 1
            held += mine is None
        else:
            print(f"{place}: {text}\n  rukou: {why or 'holds'}\n  here: {mine or 'holds'}")
    return agreed, len(tried) - agreed, held


def main():
    passed = failed = held = 0
    for place in sys.argv[1:]:
        a, f, h = compare(pathlib.Path(place))
        passed, failed, held = passed + a, failed + f, held + h
    print(f"{held} of them hold")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed or not held else 0


if __name__ == "__main__":
    sys.exit(main())
