"""The reference for what may be charged: reads the buyer's database and what merchants say they charged, and finds for
every charge the one signed, unexpired, unused approval of the same terms. Written from docs/trade.md and docs/api.md
alone; shares no code with the program (JCS and ES256 are done here)."""
import base64
import hashlib
import json
import sqlite3

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils


class Broken(AssertionError):
    pass


def must(truth, what):
    if not truth:
        raise Broken(what)


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def jcs(v):
    """RFC 8785 for what terms hold: objects, arrays, texts, whole numbers, booleans, null."""
    if isinstance(v, dict):
        keys = sorted(v, key=lambda k: k.encode("utf-16-be"))
        return "{" + ",".join(json.dumps(k, ensure_ascii=False) + ":" + jcs(v[k]) for k in keys) + "}"
    if isinstance(v, list):
        return "[" + ",".join(jcs(x) for x in v) + "]"
    if isinstance(v, bool) or v is None or isinstance(v, str):
        return json.dumps(v, ensure_ascii=False)
    must(isinstance(v, int) and abs(v) <= 2**53, f"a number of the terms is no whole number: {v}")
    return str(v)


def key_of(jwk):
    x, y = (int.from_bytes(unb64(jwk[c]), "big") for c in "xy")
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()


def verified(key, data, signature):
    must(len(signature) == 64, "a signature is not 64 bytes")
    der = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        key.verify(der, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def project(checkout, origin):
    """What a merchant's checkout says of the terms, in the form of the terms."""
    method = checkout["fulfillment"]["methods"][0]
    group = method["groups"][0]
    option = next(o for o in group["options"] if o["id"] == group["selected_option_id"])
    to = next(d for d in method["destinations"] if d["id"] == method["selected_destination_id"])
    total = [t["amount"] for t in checkout["totals"] if t["type"] == "total"]
    must(len(total) == 1 and sum(t["amount"] for t in checkout["totals"] if t["type"] != "total") == total[0], "the merchant's totals do not add up")
    return {
        "origin": origin, "currency": checkout["currency"], "total": total[0],
        "lines": [(x["item"]["id"], x["item"]["title"], x["quantity"], x["item"]["price"]) for x in checkout["line_items"]],
        "totals": [(t["type"], t.get("display_text", ""), t["amount"]) for t in checkout["totals"]],
        "codes": [d["code"] for d in checkout["discounts"]["applied"]],
        "delivery": (option["id"], option["title"], option["latest_fulfillment_time"][:10]),
        "address": {k: to.get(j, "") for k, j in (("name", "first_name"), ("phone", "phone_number"), ("street", "street_address"), ("city", "address_locality"))},
        "refund": next((x["title"] for x in checkout["links"] if x["type"] == "refund_policy"), "")}


def of_terms(t):
    f = t["fulfilment"]
    return {"origin": t["merchant"]["origin"], "currency": t["currency"], "total": t["total_minor"],
            "lines": [(x["item_id"], x["title"], x["quantity"], x["unit_minor"]) for x in t["lines"]],
            "totals": [(x["type"], x["text"], x["amount_minor"]) for x in t["totals"]], "codes": t["discounts"],
            "delivery": (f["id"], f["method"], f["date"]), "address": f["address"], "refund": t["refund_rule"]}


def same_or_cheaper(approved, charged):
    if approved == charged:
        return True
    if charged["total"] >= approved["total"]:
        return False
    a, c = dict(approved), dict(charged)
    for v in (a, c):
        del v["total"], v["totals"]
    lines_a, lines_c = a.pop("lines"), c.pop("lines")
    cheaper = len(lines_a) == len(lines_c) and all(x[:3] == y[:3] and y[3] <= x[3] for x, y in zip(lines_a, lines_c))
    return a == c and cheaper


def check(database, jwk, charges):
    """Raises Broken, or returns how many charges were traced."""
    key = key_of(jwk)
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    approvals = {r["id"]: r for r in db.execute("SELECT * FROM approvals")}
    intents = {r["id"]: r for r in db.execute("SELECT * FROM payment_intents")}
    captures = {r["approval_id"]: r for r in db.execute("SELECT * FROM ledger WHERE kind='capture'")}
    must(len(captures) == db.execute("SELECT COUNT(*) FROM ledger WHERE kind='capture'").fetchone()[0], "an approval is captured twice")
    yes = {}
    for n, data in db.execute("SELECT n, data_json FROM events WHERE type='approval_result' ORDER BY n"):
        data = json.loads(data)
        if data["decision"] == "approve":
            must(data["approval_id"] not in yes, "an approval was given twice")
            yes[data["approval_id"]] = (n, data.get("by"))
    asked = {json.loads(d)["approval"]["id"]: n for n, d in db.execute("SELECT n, data_json FROM events WHERE type='approval_request'")}
    used = set()
    for charge in charges:
        head, claims, sig = charge["token"].split(".")
        must(verified(key, f"{head}.{claims}".encode(), unb64(sig)), "a payment token is not signed by the user's key")
        claims = json.loads(unb64(claims))
        intent = intents.get(claims["jti"])
        must(intent, "a charge has no intent")
        must(intent["idempotency_key"] == charge["key"] and intent["amount_minor"] == claims["amount_minor"], "a charge is not its intent's")
        a = approvals[intent["approval_id"]]
        must(a["id"] not in used, "an approval was used twice")
        used.add(a["id"])
        terms = json.loads(a["terms_jcs"])
        must(jcs(terms) == a["terms_jcs"], "the terms are not canonical")
        must(hashlib.sha256(a["terms_jcs"].encode()).hexdigest() == a["terms_hash"], "the hash is not the terms'")
        must(a["signature"] and verified(key, a["terms_jcs"].encode(), unb64(a["signature"])), "the approval is not signed")
        must(a["decided_ms"] < terms["expires_ms"] == a["expires_ms"], "the approval had expired when it was given")
        must(a["decided_by"] in ("page", "terminal", "permission") and yes.get(a["id"], (0, None))[1] == a["decided_by"], "nobody gave the approval")
        must(asked[a["id"]] < yes[a["id"]][0] or a["decided_by"] == "permission", "it was given before it was asked")
        must(a["state"] == "completed" and a["id"] in captures, f"a charge without an order: approval {a['state']}")
        total = next(t["amount"] for t in charge["checkout"]["totals"] if t["type"] == "total")
        must(captures[a["id"]]["amount_minor"] == total == claims["amount_minor"], "charged is not captured")
        must(terms["merchant"]["origin"] == charge["merchant"] == claims["aud"], "another merchant was paid")
        must(terms["instrument"]["kind"] == claims["kind"], "another instrument paid")
        must(same_or_cheaper(of_terms(terms), project(charge["checkout"], charge["merchant"])), "what was charged is not what was approved")
        if a["decided_by"] == "permission":
            uses = db.execute("SELECT p.per_order_minor, p.currency, p.merchant_origin, p.revoked_ms FROM permission_uses u JOIN permissions p ON p.id=u.permission_id WHERE u.approval_id=?", (a["id"],)).fetchall()
            must(uses and all(terms["total_minor"] <= u["per_order_minor"] and u["currency"] == terms["currency"] and u["merchant_origin"] in (None, charge["merchant"]) for u in uses), "no permission covers it")
    must(used == set(captures), "the ledger holds a charge that no merchant made")
    legs = db.execute("SELECT l.seq, SUM(p.amount_minor) FROM ledger l JOIN postings p ON p.entry=l.seq GROUP BY l.seq HAVING SUM(p.amount_minor)<>0 OR COUNT(*)<>2").fetchall()
    must(not legs, "an entry does not sum to zero")
    for r in db.execute("SELECT p.id, p.per_day_minor, u.day, SUM(u.amount_minor) AS used FROM permission_uses u JOIN permissions p ON p.id=u.permission_id WHERE u.released_ms IS NULL GROUP BY p.id, u.day"):
        must(r["per_day_minor"] is None or r["used"] <= r["per_day_minor"], "a permission's day was overspent")
    db.close()
    return len(used)
