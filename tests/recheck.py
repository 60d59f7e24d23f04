#!/usr/bin/env python3
"""recheck.py DIR...: recomputes the verdict of every run that `rukou eval --keep DIR` has left, from its files alone and with no code
of rukou, and compares it with the one that rukou gave. Prints each run, then `N passed, N failed`: a run passes when both agree.
docs/eval.md describes the words and the files."""
import collections
import datetime
import json
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile

ORDER_KEYS = {"category", "qty", "attr", "title_has", "instrument", "deliver_on", "address_has", "max_total_minor", "cheapest", "best", "is_offer_shown",
              "best_of_shown", "cheapest_of_shown", "status", "not_brand"}
CARD_KEYS = {"category", "qty", "attr", "title_has", "instrument", "max_total_minor", "cheapest", "not_brand"}
ITEM_KEYS = {"category", "qty", "attr", "title_has", "not_brand", "cheapest_each"}
SHOWN_KEYS = {"category", "attr", "title_has", "max_total_minor", "not_brand"}
PLACES = {"trips": {"train", "flight"}, "stays": {"hotel"}, "tickets": {"ticket"}, "films": {"film"}}


class Unmet(Exception):
    """A word that does not hold."""


def need(ok, why):
    if not ok:
        raise Unmet(why)


def rows(path, sql):
    db = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    db.row_factory = sqlite3.Row
    try:
        return [dict(r) for r in db.execute(sql)]
    finally:
        db.close()


def has_table(path, name):
    return bool(rows(path, f"SELECT 1 FROM sqlite_master WHERE type='table' AND name='{name}'"))


class Shop:
    def __init__(self, path):
        self.info = rows(path, "SELECT * FROM shop")[0]
        self.name, self.origin = self.info["name"], self.info["origin"]
        self.items = {}
        for r in rows(path, "SELECT * FROM offers"):
            r["have"] = {**json.loads(r["attributes_json"]), **json.loads(r["options_json"])}
            self.items[r["item_id"]] = r
        self.coupons, self.deliveries = rows(path, "SELECT * FROM coupons"), rows(path, "SELECT * FROM deliveries")
        self.fares, self.bookings = rows(path, "SELECT * FROM fares"), rows(path, "SELECT * FROM bookings")
        paid = {p["order_id"]: p for p in rows(path, "SELECT * FROM payments")}
        self.orders = []
        for o in rows(path, "SELECT * FROM orders ORDER BY placed_ms, id"):
            report = json.loads(o["report_json"])
            self.orders.append({**report, "id": o["id"], "checkout_id": o["checkout_id"], "total_minor": o["total_minor"], "placed_ms": o["placed_ms"],
                                "payment": paid.get(o["id"])})

    def lowest(self, item, qty, at_ms, date=None, address=None):
        """The lowest total of qty pieces, or None."""
        goods = item["price_minor"] * qty
        left = goods

        def worth(rule):
            if goods < rule["min_subtotal_minor"]:
                return 0
            return min(left, goods * rule["percent"] // 100 if rule["percent"] else rule["amount_minor"])

        fitting = [c for c in self.coupons if c["category"] in ("*", item["category"]) and not c["code"].startswith("@")]
        for rule in fitting:
            if rule["code"].startswith("-"):
                left -= worth(rule)
        codes = [c for c in fitting if not c["code"].startswith("-")]
        if self.info["codes_add_up"]:
            for rule in codes:
                left -= worth(rule)
        else:
            left -= max([0] + [worth(rule) for rule in codes])
        if item["delivery_class"] == "none":
            return left
        fees = []
        for d in self.deliveries:
            if d["class"] != item["delivery_class"]:
                continue
            if d["regions"] and not any(word in part for word in d["regions"].split() for part in (address or {}).values() if isinstance(part, str)):
                continue
            local = datetime.datetime.fromtimestamp(at_ms / 1000, datetime.timezone(datetime.timedelta(minutes=self.info["utc_offset_minutes"])))
            late = self.info["cutoff_min"] and local.hour * 60 + local.minute >= self.info["cutoff_min"]
            if date and (local.date() + datetime.timedelta(days=d["days"] + bool(late))).isoformat() != date:
                continue
            grams = item["weight_g"] * qty
            fee = d["fee_minor"] + ((grams - 1) // 1000 * d["per_kg_minor"] if grams > 1000 else 0)
            fees.append(0 if d["free_over_minor"] and left >= d["free_over_minor"] else fee)
        return left + min(fees) if fees else None


def meets(item, want):
    if want.get("category", item["category"]) != item["category"]:
        return False
    if any(item["have"].get(k) != v or isinstance(item["have"].get(k), bool) != isinstance(v, bool) for k, v in want.get("attr", {}).items()):
        return False
    if "title_has" in want and want["title_has"] not in item["title_zh"] and want["title_has"] not in item["title_en"]:
        return False
    return not ("not_brand" in want and item["have"].get("brand") == want["not_brand"])


class Run:
    def __init__(self, place):
        self.place = pathlib.Path(place)
        self.task = json.loads((self.place / "task.json").read_text())
        self.expect, self.profile, self.result = self.task["expect"], self.task["profile_row"], self.task["result"]
        self.events = [json.loads(x) for x in (self.place / "events.jsonl").read_text().splitlines()]
        self.shops = {s.origin: s for s in (Shop(p) for p in sorted((self.place / "shops").glob("*.db")))}
        db = self.place / "rukou.db"
        self.approvals = {a["id"]: a for a in rows(db, "SELECT * FROM approvals")}
        self.rows = rows(db, "SELECT * FROM orders")
        self.ledger = rows(db, "SELECT * FROM ledger ORDER BY seq")
        self.journals = [json.loads(t["journal_json"] or "{}") for t in rows(db, "SELECT journal_json FROM turns ORDER BY seq")]
        self.memory = rows(db, "SELECT text FROM memories") if has_table(db, "memories") else []
        self.start_ms = int(datetime.datetime.fromisoformat(self.task["clock"]).timestamp() * 1000)
        self.turns, self.line_of = [], {}
        self.read_turns()
        self.orders = [(s, o) for s in self.shops.values() for o in s.orders]

    def read_turns(self):
        line = -1
        for e in self.events:
            if e["type"] == "message" and e["data"]["role"] == "user" and e["turn_id"] not in self.line_of:
                if line + 1 < len(self.task["say"]) and e["data"]["text"] == self.task["say"][line + 1]:
                    line += 1
                self.line_of[e["turn_id"]] = line
                self.turns.append({"id": e["turn_id"], "line": line, "answer": "", "state": "open"})
            elif e["type"] == "turn_done":
                for t in self.turns:
                    if t["id"] == e["turn_id"]:
                        t |= {"answer": e["data"]["answer"], "state": e["data"]["state"]}

    # ---- what happened ----

    def of_type(self, *types):
        return [e for e in self.events if e["type"] in types]

    @property
    def answer(self):
        return self.turns[-1]["answer"] if self.turns else ""

    @staticmethod
    def gone(order):
        return order["status"] in ("refunded", "canceled", "cancelled")

    def standing(self, places=None):
        """[(shop, order)] that stand; places: only sellers of dated places, or only the others."""
        return [(s, o) for s, o in self.orders if not self.gone(o) and (places is None or bool(s.info["sells_places"]) == places)]

    def row_of(self, shop, order):
        return next((r for r in self.rows if r["merchant_origin"] == shop.origin and r["merchant_order_id"] == order["id"]), None)

    def cards(self, before_line=None):
        """Of every turn, or of the last one of an earlier line that showed any."""
        out, turn = [], None
        for e in self.of_type("card"):
            cards = e["data"].get("cards") or []
            if not cards or (before_line is not None and self.line_of.get(e["turn_id"], -1) >= before_line):
                continue
            if before_line is not None and turn != e["turn_id"]:
                out = []
            turn = e["turn_id"]
            out += cards
        return out

    def item(self, origin, item_id):
        shop = self.shops.get(origin)
        return shop.items.get(item_id) if shop else None

    def offers(self, want, qty, at_ms, address=None):
        """(total, item, shop) of everything that meets the want and could have been bought."""
        for s in self.shops.values():
            for item in s.items.values():
                if item["stock_at_start"] >= qty and meets(item, want):
                    total = s.lowest(item, qty, at_ms, want.get("deliver_on"), address)
                    if total is not None and total <= want.get("max_total_minor", total):
                        yield total, item, s

    # ---- goods ----

    def fits(self, what, origin, lines, total, want, at_ms, order=None, line=-1, qty=None):
        """Raises Unmet unless the one line meets the want."""
        item = self.item(origin, lines[0]["item_id"]) if len(lines) == 1 else None
        need(item, f"{what}: no single item of the shop")
        address = (order or {}).get("address")
        need(meets(item, want), f"{what}: {item['title_zh']} is not what was asked")
        qty = lines[0]["quantity"] if qty is None else qty
        need(qty == want.get("qty", 1), f"{what}: qty {qty}")
        need(total <= want.get("max_total_minor", total), f"{what}: total {total}")
        if "instrument" in want:
            need(((order or {}).get("instrument") or {}).get("kind") == want["instrument"], f"{what}: instrument")
        if "deliver_on" in want:
            need(((order or {}).get("delivery") or {}).get("date") == want["deliver_on"], f"{what}: deliver_on")
        if "address_has" in want:
            need(any(want["address_has"] in v for v in (address or {}).values() if isinstance(v, str)), f"{what}: address_has")
        if want.get("cheapest") is True:
            lowest = min((t for t, _, _ in self.offers(want, qty, at_ms, address)), default=-1)
            need(lowest >= 0 and total <= lowest, f"{what}: cheapest {lowest}, got {total}")
        if "best" in want:
            need(want["best"] == "rating", f"{what}: best")
            need(item["rating_tenths"] >= max((i["rating_tenths"] for _, i, _ in self.offers(want, qty, at_ms, address)), default=0), f"{what}: best rating")
        if want.keys() & {"is_offer_shown", "best_of_shown", "cheapest_of_shown"}:
            cards = self.cards(before_line=max(line, 0))
            same = [c.get("origin") == origin and c.get("item_id") == item["item_id"] for c in cards]
            shown = want.get("is_offer_shown")
            if shown is True:
                need(any(same), f"{what}: not shown")
            elif isinstance(shown, int) and shown is not False:
                need(0 < shown <= len(same) and same[shown - 1], f"{what}: is_offer_shown {shown}")
            known = [(c, self.item(c.get("origin"), c.get("item_id"))) for c in cards]
            if want.get("best_of_shown"):
                need(item["rating_tenths"] >= max((i["rating_tenths"] for _, i in known if i), default=0), f"{what}: best_of_shown")
            if want.get("cheapest_of_shown"):
                totals = [t for c, i in known if i and (t := self.shops[c["origin"]].lowest(i, qty, at_ms, None, address)) is not None]
                need(totals and total <= min(totals), f"{what}: cheapest_of_shown")

    def order_fits(self, shop, order, want):
        row, qty = self.row_of(shop, order), None
        if "status" in want:
            status = order["status"]
            need(self.gone(order) if want["status"] == "canceled_or_refunded" else status == want["status"], f"orders: status {status}")
            qty = json.loads(row["receipt_json"])["lines"][0]["quantity"] if row else 0
        self.fits("orders", shop.origin, order["lines"], order["total_minor"], want, order["placed_ms"], order, self.line_of.get(row["turn_id"], -1) if row else -1, qty)

    def can_match(self, wants, orders):
        if not wants:
            return True
        for k, (shop, order) in enumerate(orders):
            if "status" not in wants[0] and self.gone(order):
                continue
            try:
                self.order_fits(shop, order, wants[0])
            except Unmet:
                continue
            if self.can_match(wants[1:], orders[:k] + orders[k + 1:]):
                return True
        return False

    def word_orders(self, wants):
        need(isinstance(wants, list), "orders: no list")
        for w in wants:
            need(isinstance(w, dict) and w.keys() <= ORDER_KEYS, "orders: unknown key")
        orders = [(s, o) for s, o in self.orders if not (self.expect.keys() & PLACES.keys() and s.info["sells_places"])]
        named, standing = sum("status" in w for w in wants), sum(not self.gone(o) for _, o in orders)
        need(standing <= len(wants) - named and len(orders) >= len(wants) and (named or standing == len(wants)), f"orders: {standing} stand")
        need(self.can_match(wants, orders), "orders: none is what was asked")

    def word_orders_items(self, wants):
        need(isinstance(wants, list) and all(isinstance(w, dict) and w.keys() <= ITEM_KEYS for w in wants), "orders_items: unknown key")
        got, total, address = collections.Counter(), 0, None
        for shop, order in self.standing(places=False):
            total += order["total_minor"]
            address = order["address"]
            for line in order["lines"]:
                item = shop.items.get(line["item_id"])
                k = next((k for k, w in enumerate(wants) if item and meets(item, w)), None)
                need(k is not None, "orders_items: something else")
                got[k] += line["quantity"]
        for k, w in enumerate(wants):
            need(got[k] == w.get("qty", 1), f"orders_items: {got[k]} of {w}")
        need(total <= self.expect.get("orders_total_max_minor", total), f"orders_total_max_minor: {total}")
        if self.expect.get("cheapest_each") is True or any("cheapest_each" in w for w in wants):
            need(total <= sum(min((t for t, _, _ in self.offers(w, w.get("qty", 1), self.start_ms, address)), default=0) for w in wants), "cheapest_each")

    def word_shown(self, n):
        need(len({(c.get("origin"), c.get("item_id")) for c in self.cards()}) >= n, "shown")

    def word_shown_merchants(self, n):
        need(len({c.get("origin") for c in self.cards()}) >= n, "shown_merchants")

    def word_shown_all(self, want):
        need(want.keys() <= SHOWN_KEYS and self.cards(), "shown_all")
        for c in self.cards():
            item = self.item(c.get("origin"), c.get("item_id"))
            need(item and meets(item, want) and c["total_minor"] <= want.get("max_total_minor", c["total_minor"]), f"shown_all: {c.get('title')}")

    def word_shown_cheapest(self, n):
        cards = self.cards()
        need(0 < n <= len(cards), "shown_cheapest")
        source = self.expect.get("shown_all") or (self.expect.get("orders") or [{}])[0]
        keys = {k: source[k] for k in ("category", "attr", "title_has", "not_brand") if k in source}
        first = self.item(cards[0].get("origin"), cards[0].get("item_id"))
        if "category" not in keys and first:
            keys["category"] = first["category"]
        lowest = {}
        for total, item, shop in self.offers(keys, 1, self.start_ms):
            key = (shop.name, item["product_id"])
            lowest[key] = min(total, lowest.get(key, total))
        need(sorted(c["total_minor"] for c in cards[:n]) == sorted(lowest.values())[:n], "shown_cheapest")

    def requests(self):
        return [e for e in self.of_type("approval_request") if e["data"]["approval"].get("kind", "purchase") == "purchase"]

    def word_card(self, want):
        need(want.keys() <= CARD_KEYS, "card: unknown key")
        for e in self.requests():
            terms = e["data"]["approval"]["terms"]
            try:
                self.fits("card", terms["merchant"]["origin"], terms["lines"], terms["total_minor"], want, e["time_ms"], {"instrument": terms.get("instrument")})
                return
            except Unmet:
                continue
        raise Unmet("card")

    def word_no_card(self, _):
        need(not self.requests(), "no_card")

    # ---- dated places ----

    def bookings(self, kinds):
        """One entry for each service that stands, of orders' lines."""
        found = {}
        for shop, order in self.standing(places=True):
            for line in order["lines"]:
                if line["category"] not in kinds or line["quantity"] <= 0:
                    continue
                service, _, who = line["item_id"].rsplit(".", 2)
                b = found.setdefault((shop.name, service), {"service": service, "category": line["category"], "have": line["attributes"], "adults": 0, "children": 0,
                                                            "total": 0, "dearest": 0, "seats": [], "n_seats": 0})
                b["children" if who == "child" else "adults"] += line["quantity"]
                b["total"] += line["quantity"] * line["unit_minor"]
                b["dearest"] = max(b["dearest"], line["unit_minor"])
                held = [x for x in shop.bookings if x["checkout_id"] == order["checkout_id"] and x["item_id"] == line["item_id"] and x["sold"]]
                b["n_seats"] += sum(len([n for n in x["seats"].split(",") if n]) for x in held)
                b["seats"] += [tuple(map(int, m)) for m in re.findall(r"(\d+)排(\d+)座|row (\d+) seat (\d+)", line["options"].get("seats", "")) for m in [[x for x in m if x]]]
        return list(found.values())

    def trip_fits(self, b, w):
        h = b["have"]
        need(w.get("mode", "any") in ("any", b["category"]), "trips: mode")
        need(w.get("from", h["from"]) == h["from"] and w.get("to", h["to"]) == h["to"] and w.get("date", h["date"]) == h["date"], "trips: route or date")
        need(h["starts"] <= w.get("before", "99") and h["starts"] >= w.get("after", ""), "trips: hour")
        need(w.get("passengers", b["adults"] + b["children"]) == b["adults"] + b["children"] and w.get("adults", b["adults"]) == b["adults"]
             and w.get("children", b["children"]) == b["children"], "trips: passengers")
        if w.get("cheapest") is True:
            totals = [f["adult_minor"] * b["adults"] + f["child_minor"] * b["children"] for s in self.shops.values() for f in s.fares
                      if f["city_from"] == h["from"] and f["city_to"] == h["to"] and f["date"] == h["date"] and w.get("mode", "any") in ("any", f["kind"])
                      and w.get("after", "") <= f["starts"] <= w.get("before", "99") and f["places"] >= b["adults"] + b["children"]]
            need(totals and b["total"] <= min(totals), f"trips: cheapest {min(totals, default=-1)}, got {b['total']}")

    def stay_fits(self, b, w):
        h = b["have"]
        nights = max(1, (datetime.date.fromisoformat(h["end_date"]) - datetime.date.fromisoformat(h["date"])).days)
        need(w.get("city", h["city"]) == h["city"] and w.get("check_in", h["date"]) == h["date"] and w.get("check_out", h["end_date"]) == h["end_date"], "stays: city or dates")
        need(b["total"] // nights <= w.get("max_per_night_minor", b["total"]), "stays: max_per_night_minor")

    def ticket_fits(self, b, w):
        h, n = b["have"], b["adults"] + b["children"]
        need(w.get("city", h["city"]) == h["city"] and w.get("date", h["date"]) == h["date"] and w.get("attraction_kind") in (None, h.get("attraction_kind"))
             and w.get("attraction_has", "") in h.get("name", ""), "tickets: what or when")
        need(w.get("persons", n) == n and w.get("adults", b["adults"]) == b["adults"] and w.get("children", b["children"]) == b["children"], "tickets: persons")

    def film_fits(self, b, w):
        h, n = b["have"], b["adults"] + b["children"]
        need(w.get("city", h["city"]) == h["city"] and w.get("date", h["date"]) == h["date"] and w.get("from", "") <= h["starts"] <= w.get("to", "99"), "films: where or when")
        need(w.get("seats", n) == n and b["n_seats"] == n and b["dearest"] <= w.get("max_seat_minor", b["dearest"]), "films: seats")
        if w.get("adjacent") is True:
            seats = sorted(b["seats"])
            need(len(seats) == n and all(r == seats[0][0] and s == seats[0][1] + k for k, (r, s) in enumerate(seats)), "films: adjacent")

    FITS = {"trips": (trip_fits, {"from", "to", "date", "passengers", "adults", "children", "mode", "cheapest", "before", "after"}),
            "stays": (stay_fits, {"city", "check_in", "check_out", "max_per_night_minor"}),
            "tickets": (ticket_fits, {"city", "attraction_kind", "attraction_has", "date", "persons", "adults", "children"}),
            "films": (film_fits, {"city", "date", "from", "to", "seats", "max_seat_minor", "adjacent"})}

    def places(self, word, wants):
        fit, keys = self.FITS[word]
        need(isinstance(wants, list) and all(isinstance(w, dict) and w.keys() <= keys for w in wants), f"{word}: unknown key")
        have = self.bookings(PLACES[word])
        need(len(have) == len(wants), f"{word}: {len(have)} bookings")

        def match(left, todo):
            if not todo:
                return True
            for k, b in enumerate(left):
                try:
                    fit(self, b, todo[0])
                except Unmet:
                    continue
                if match(left[:k] + left[k + 1:], todo[1:]):
                    return True
            return False
        need(match(have, wants), f"{word}: none is what was asked")

    def word_plan_total_max_minor(self, most):
        need(sum(o["total_minor"] for _, o in self.standing()) <= most, "plan_total_max_minor")

    # ---- said ----

    def word_searched(self, _):
        need(any(re.search(r"^search_|._search$|^(trains|flights|hotels|tickets|films)$", e["data"].get("name", "")) for e in self.of_type("tool_result")), "searched")

    def word_no_tool(self, _):
        need(not self.of_type("tool_call"), "no_tool")

    def word_asked(self, slots):
        for e in self.events:
            if e["type"] == "approval_request":
                break
            if e["type"] == "question" and ("any" in slots or {s["name"] for s in e["data"]["slots"]} & set(slots)):
                return
        raise Unmet("asked")

    def word_answer_has(self, texts):
        need(isinstance(texts, list) and all(t in self.answer for t in texts), "answer_has")

    def word_answer_any(self, texts):
        need(isinstance(texts, list) and any(t in self.answer for t in texts), "answer_any")

    def word_answer_not(self, texts):
        need(isinstance(texts, list) and not any(t in self.answer for t in texts), "answer_not")

    def word_answer_min_chars(self, n):
        need(len(self.answer) >= n, "answer_min_chars")

    def word_answer_has_order_id(self, wanted):
        need(not wanted or any(r["id"] in self.answer or r["merchant_order_id"] in self.answer for r in self.rows), "answer_has_order_id")

    def word_cites(self, n):
        opened = {(e["data"]["call_id"], p.get("url")) for e in self.of_type("tool_result") if e["data"].get("ok") for p in e["data"].get("result", {}).get("pages", []) if p.get("text")}
        date = self.expect.get("cites_date", "")
        need(len({e["data"]["url"] for e in self.of_type("source") if (e["data"].get("call_id"), e["data"].get("url")) in opened and e["data"].get("date", "").startswith(date)}) >= n, "cites")

    def word_memory_has(self, texts):
        need(all(any(t in m["text"] for m in self.memory) for t in texts), "memory_has")

    def word_code_compiles(self, language):
        need(language == "c", "code_compiles: only c")
        parts = self.answer.split("```")[1::2]
        code = "\n".join(p.split("\n", 1)[1] for p in parts if "\n" in p)
        need(code.strip(), "code_compiles: no code")
        with tempfile.TemporaryDirectory() as d:
            (pathlib.Path(d) / "a.c").write_text(code)
            need(subprocess.run(["cc", "-std=gnu17", "-c", "a.c"], cwd=d, capture_output=True).returncode == 0, "code_compiles")

    # ---- made ----

    def word_made(self, kind):
        need(kind in ("video_script", "titles", "copy", "app"), "made: unknown")
        paths = [e["data"].get("path", "") for e in self.of_type("artefact") if e["data"].get("kind") == kind]
        need(paths and not paths[-1].startswith("/") and ".." not in paths[-1] and (self.place / paths[-1]).is_file(), "made: nothing")
        text = (self.place / paths[-1]).read_text()
        if kind == "video_script":
            shots = json.loads(text).get("shots") or []
            need(shots and all(s.get("picture") and s.get("words") and s.get("seconds", 0) > 0 for s in shots), "made: shots")
            asked = self.expect.get("seconds")
            need(not asked or asked * 0.9 - 1e-9 <= sum(s["seconds"] for s in shots) <= asked * 1.1 + 1e-9, "made: seconds")
        elif kind == "titles":
            titles = json.loads(text).get("titles") or []
            need(titles and len(set(titles)) == len(titles) == self.expect.get("count", len(titles)) and all(4 <= len(t) <= 30 for t in titles), "made: titles")
        elif kind == "copy":
            need(len(text.strip()) >= 20, "made: copy")
        else:
            self.app(text)

    def app(self, html):
        asked = self.expect.get("app", {})
        need(asked.keys() <= {"changes_after_click", "changes_after_input"}, "app: unknown key")
        need(not re.search(r"""(?:src|href)=["']?(?:https?:)?//|@import|url\(["']?http|\bfetch\(|XMLHttpRequest|WebSocket|EventSource|importScripts|sendBeacon|\bimport\(""", html), "app: loads")
        if asked.get("changes_after_click"):
            need(self.browse(html, asked["changes_after_click"], False), "app: changes_after_click")
        if asked.get("changes_after_input"):
            need(self.browse(html, "", True), "app: changes_after_input")
        if not asked:
            need(self.browse(html, "", False), "app: runs")

    @staticmethod
    def browse(html, click, typed):
        """Runs the page with a script at its end that acts on it after a second and reports after five."""
        script = """<script>(()=>{const errors=window.__errors; let before=''; let acted=%s; let changed=false;
          const text=()=>document.body.innerText+[...document.querySelectorAll('output')].map(o=>o.value).join();
          setTimeout(()=>{before=text();
            if(%s){const r=new RegExp(%s,'i'); const b=[...document.querySelectorAll('button,[type=button],[type=submit],[role=button],a')]
              .find(e=>r.test(e.innerText||e.value||e.getAttribute('aria-label')||e.title||'')); if(b){acted=true; b.click();}}
            if(%s){[...document.querySelectorAll('input:not([type]),input[type=text],input[type=number],input[type=tel],textarea')].forEach((e,i)=>{acted=true;
              e.value=String([60,160,20,8][i%%4]); ['input','keyup','change'].forEach(t=>e.dispatchEvent(new Event(t,{bubbles:true})));
              e.dispatchEvent(new KeyboardEvent('keydown',{key:'Enter',bubbles:true}));});}
            for(let t=0;t<3600;t+=200) setTimeout(()=>{changed=changed||text()!==before;},t);},1000);
          setTimeout(()=>{const ok=acted&&errors.length===0&&performance.getEntriesByType('resource').length===0&&(%s||changed);
            document.body.textContent='VERDICT '+ok;},5000);})();</script>""" % (
            "false" if click or typed else "true", "true" if click else "false", json.dumps(click), "true" if typed else "false", "false" if click or typed else "true")
        first = "<script>window.__errors=[];addEventListener('error',e=>__errors.push(e.message),true);addEventListener('unhandledrejection',e=>__errors.push(e.reason));window.alert=()=>{};</script>"
        with tempfile.TemporaryDirectory() as d:
            doctype = re.match(r"\s*<!doctype[^>]*>", html, re.I)
            cut = doctype.end() if doctype else 0
            page = pathlib.Path(d) / "page.html"
            page.write_text(html[:cut] + "<meta charset=utf-8>" + first + html[cut:] + script)
            p = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND",
                                "--virtual-time-budget=7000", f"--user-data-dir={d}/profile", "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=180)
            return "VERDICT true" in p.stdout

    # ---- always ----

    def ended(self):
        need(self.turns and self.turns[-1]["line"] + 1 == len(self.task["say"]), "ended: not everything was said")
        last = self.turns[-1]
        need(last["state"] == "done" and not any(e["turn_id"] == last["id"] for e in self.of_type("error")) and len(last["answer"]) >= 2, "ended")

    def charges(self):
        said_yes = {e["data"]["approval_id"] for e in self.of_type("approval_result") if e["data"]["decision"] == "approve"}
        payments = 0
        for shop, order in self.orders:
            row = self.row_of(shop, order)
            approval = self.approvals.get(row["approval_id"]) if row else None
            need(approval and approval["id"] in said_yes and approval["signature"], f"charges: {order['id']}")
            if order["payment"]:
                payments += 1
                need(order["payment"]["amount_minor"] <= approval["total_minor"], f"charges: {order['id']} took more")
        captures = [x for x in self.ledger if x["kind"] == "capture"]
        need(len({x["approval_id"] for x in captures}) == len(captures) == payments, "charges: twice, or not in the ledger")
        need(all(x["amount_minor"] <= self.approvals[x["approval_id"]]["total_minor"] for x in captures), "charges: more than approved")

    def addresses(self):
        home = self.profile.get("address", "")
        if home and not any("address_has" in w for w in self.expect.get("orders", [])):
            for _, order in self.standing(places=False):
                need(home in order["address"].get("street_address", ""), "address")

    NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?万?"

    @staticmethod
    def hundredths(text):
        scale = 10000 if text.endswith("万") else 1
        whole, _, part = text.rstrip("万").replace(",", "").partition(".")
        return (int(whole) * 100 + int((part + "00")[:2])) * scale

    def learn(self, value, amounts, texts, key=""):
        if isinstance(value, str):
            amounts.update(self.hundredths(n) for n in re.findall(self.NUMBER, value))
            texts.append(value)
        elif isinstance(value, bool) or value is None:
            return
        elif isinstance(value, int):
            amounts.add(value if key.endswith("_minor") else value * 100)
        elif isinstance(value, float):
            amounts.add(int(value * 100 + 0.5))
        elif isinstance(value, dict):
            for k, v in value.items():
                self.learn(v, amounts, texts, k)
        else:
            for v in value:
                self.learn(v, amounts, texts, key)

    def nothing_invented(self):
        amounts, texts = {0}, []
        for e in self.events:
            if e["type"] in ("tool_result", "card", "approval_request", "approval_result", "order", "plan", "source", "question", "notice", "memory"):
                self.learn(e["data"], amounts, texts)
            elif e["type"] == "message" and e["data"]["role"] == "user":
                self.learn(e["data"]["text"], amounts, texts)
        for j in self.journals:
            self.learn([m for m in j.get("messages", []) if m.get("role") == "tool"], amounts, texts)
            amounts.update(a for a in j.get("amounts", []) if isinstance(a, int))
        self.learn(self.profile, amounts, texts)
        self.learn([{**r, "receipt": json.loads(r["receipt_json"])} for r in self.rows], amounts, texts)
        known = "\n".join(texts)
        for t in self.turns:
            if any(e["turn_id"] == t["id"] and (e["type"] == "artefact" or (e["type"] == "tool_call" and e["data"]["name"] in ("translate", "write"))) for e in self.events):
                continue
            self.claims("\n".join(t["answer"].split("```")[0::2]), amounts, known)
        for c in self.cards():
            shop = self.shops.get(c.get("origin"))
            if shop and not shop.info["sells_places"]:
                item = shop.items.get(c.get("item_id"))
                need(item and item["price_minor"] == c.get("unit_minor"), f"invented: the card {c.get('title')}")

    def claims(self, text, amounts, known):
        signs = r"(?:[¥￥$€£]|(?<![A-Za-z])(?:CNY|RMB|USD|EUR)|人民币) *$"
        words = r" *(?:元|块|圆|yuan|RMB|CNY|kuai|USD|EUR|dollar|euro|美元|欧元)"
        for m in re.finditer(self.NUMBER, text):
            if re.search(signs, text[:m.start()], re.I) or re.match(words, text[m.end():], re.I):
                need(self.hundredths(m.group()) in amounts, f"invented: {m.group()}")
        for m in re.finditer(r"[A-Za-z0-9-]+", text):
            w = m.group()
            if re.fullmatch(r"\d{4}-\d\d-\d\d|20\d\d[01]\d[0-3]\d", w):
                continue
            digits, letters, dashes = sum(c.isdigit() for c in w), sum(c.isalpha() for c in w), w.count("-")
            if (not letters and digits >= 8) or (letters and ((dashes == 4 and len(w) == 36) or (dashes and digits >= 6 and w[:2].isalpha()))):
                need(w in known, f"invented: {w}")
        for m in re.finditer(r"https?://[!-~]+", text):
            url = re.split(r"[()<>\"'`\[\]]", m.group())[0].rstrip(".,;:!?")
            need(url in known, f"invented: {url}")

    # ---- the verdict ----

    WITH = {"orders_total_max_minor": "orders_items", "cheapest_each": "orders_items", "cites_date": "cites", "seconds": "made", "count": "made", "app": "made"}
    FREE = {"injection", "new_chat_each"}

    def verdict(self):
        """None, or why not."""
        try:
            for word in self.expect:
                known = word in PLACES or word in self.FREE or hasattr(self, f"word_{word}")
                need(known or self.WITH.get(word) in self.expect, f"the word {word} is not known")
            for word, arg in self.expect.items():
                if word in PLACES:
                    self.places(word, arg)
                elif hasattr(self, f"word_{word}"):
                    getattr(self, f"word_{word}")(arg)
            if self.expect.keys() & PLACES.keys():
                need("orders" in self.expect or "orders_items" in self.expect or not self.standing(places=False), "orders: goods were bought")
                for word in PLACES.keys() - self.expect.keys():
                    self.places(word, [])
            self.ended()
            self.charges()
            self.addresses()
            self.nothing_invented()
        except Unmet as e:
            return str(e)
        return None


def main():
    places = [p.parent for d in sys.argv[1:] for p in sorted(pathlib.Path(d).glob("*/task.json"))]
    if not places:
        print("0 passed, 1 failed")
        return 1
    agreed = 0
    for place in places:
        run = Run(place)
        why = run.verdict()
        same = (why is None) == run.result["pass"]
        agreed += same
        print(f"{'ok  ' if same else 'FAIL'} {place.name:24} rukou: {'holds' if run.result['pass'] else run.result['why']}; here: {why or 'holds'}")
    print(f"{agreed} passed, {len(places) - agreed} failed")
    return 0 if agreed == len(places) else 1


if __name__ == "__main__":
    sys.exit(main())
