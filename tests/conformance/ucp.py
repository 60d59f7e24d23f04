#!/usr/bin/env python3
"""spck-conformance (PyPI) against `rukou shop serve`: each UCP version over http and over TLS, with nothing in between.

Fails on any deviation, and on any check that did not run and does not stand, with its reason, in expected.json.
usage: ucp.py [--report docs/conformance-ucp.md]   (RUKOU names the program, SPCK the suite's)
"""
import argparse
import base64
import http.server
import json
import os
import pathlib
import secrets
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request
import uuid

from cryptography.hazmat.primitives.asymmetric import ec

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RUKOU = os.environ.get("RUKOU", str(ROOT / "build/release/rukou"))
SPCK = os.environ.get("SPCK", "spck-conformance")
VERSIONS = {"2026-04-08": "", "2026-08-25": "/v2026-08-25"}
SHOPPING = ["checkout", "cart", "order", "catalog.search", "catalog.lookup", "discount", "fulfillment", "buyer_consent"]
CAPABILITIES = [f"dev.ucp.shopping.{c}" for c in SHOPPING] + ["dev.ucp.common.identity_linking"]
AGENT = "https://spck.dev/agent"                      # the suite's own profile address, which answers nobody
SECRET = "suite-secret"


def b64(n):
    return base64.urlsafe_b64encode(n.to_bytes(32, "big")).rstrip(b"=").decode()


def new_jwk(kid):
    key = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    public = {"kty": "EC", "crv": "P-256", "x": b64(key.public_numbers.x), "y": b64(key.public_numbers.y), "kid": kid, "use": "sig", "alg": "ES256"}
    return public, {**public, "d": b64(key.private_value)}


def profile(version, keys=(), capabilities=CAPABILITIES):
    entry = {"version": version, "spec": f"https://ucp.dev/{version}/specification/overview", "schema": f"https://ucp.dev/{version}/schemas/x.json"}
    return {"ucp": {"version": version, "services": {}, "payment_handlers": {}, "capabilities": {c: [entry] for c in capabilities}},
            "signing_keys": list(keys), "keys": list(keys)}


class Platform:
    """Profiles that show one fault of negotiation each."""

    def __init__(self, version):
        self.pages = {"/old": json.dumps(profile("2020-01-01")), "/poor": json.dumps(profile(version, capabilities=["dev.ucp.shopping.order"])), "/broken": "{"}
        platform = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                text = platform.pages.get(self.path)
                self.send_response(200 if text else 404)
                self.send_header("Content-Length", str(len(text or "")))
                self.end_headers()
                self.wfile.write((text or "").encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def certificate(folder):
    """An authority and a certificate of 127.0.0.2 from it."""
    run = lambda *a: subprocess.run(["openssl", *a], check=True, capture_output=True, cwd=folder)
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=rukou tests")
    run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "shop.key", "-out", "shop.csr", "-subj", "/CN=127.0.0.2")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.2\n")
    run("x509", "-req", "-in", "shop.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "shop.pem", "-days", "2", "-extfile", "names")


def pay(token):
    return {"payment": {"instruments": [{"id": "instr_1", "handler_id": "example.rukou.testing", "type": "card", "selected": True,
                                         "display": {"brand": "Visa", "last_digits": "1234"}, "credential": {"type": "token", "token": token}}]}}


def call(origin, folder, path, body):
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    headers = {"UCP-Agent": f'profile="{AGENT}"', "Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    request = urllib.request.Request(origin + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, context=context if origin.startswith("https") else None) as r:
        return json.load(r)


def goods(origin, folder):
    """Items of each kind of goods, the cheapest first; one of them is bought until none is left."""
    found = {}
    for kind in ("postcard", "stamp", "voucher", "poster"):
        products = call(origin, folder, "/catalog/search", {"query": kind, "pagination": {"limit": 50}})["products"]
        products.sort(key=lambda p: p["variants"][0]["price"]["amount"])
        found[kind] = [p["variants"][0] for p in products if p["variants"][0]["availability"]["available"]]
        if kind == "postcard":
            found["n_postcards"] = len(products)
        if kind == "poster":
            found["configurable"] = products[0]["id"]
    last = found["postcard"][-1]
    while True:
        stock = call(origin, folder, "/catalog/lookup", {"ids": [last["id"]]})["products"][0]["variants"][0]["metadata"]["dev.rukou.offer"]["stock"]
        if stock == 0:
            break
        checkout = call(origin, folder, "/checkout-sessions", {"line_items": [{"item": {"id": last["id"]}, "quantity": min(stock, 40)}]})
        assert call(origin, folder, f"/checkout-sessions/{checkout['id']}/complete", pay("success_token"))["status"] == "completed"
    found["gone"] = last["id"]
    return {k: [v["id"] for v in items] if isinstance(items, list) else items for k, items in found.items()}


def config(catalog, platform, keys):
    postcard, stamp, voucher, poster = (catalog[k] for k in ("postcard", "stamp", "voucher", "poster"))
    return {
        "currency": "CNY", "product_id": postcard[0], "out_of_stock_id": catalog["gone"], "fulfillment_option_id": "download",
        "complete_payment": pay("success_token"), "fail_payment": pay("fail_token"),
        "discount": {"valid_code": "LESS2", "second_valid_code": "TEN", "invalid_code": "NOT_A_REAL_CODE", "case_insensitive": True, "rejected_messages": True,
                     "item": {"code": "STAMP3", "product_id": stamp[0], "quantity": 2}, "automatic": {"product_id": poster[0], "quantity": 5}},
        "catalog": {"variant_id": postcard[0], "max_batch": 50, "configurable_product_id": catalog["configurable"], "paginated_query": "postcard",
                    "paginated_total": catalog["n_postcards"]},
        "cart": {"second_product_id": stamp[0]}, "totals": {"sublines": True}, "unavailable": {"business_outcome": True},
        "order": {"simulate_adjustment": True, "second_product_id": stamp[0]},
        "payment": {"handler_key": "example.rukou.testing", "handler_id": "example.rukou.testing", "escalation_payment": pay("escalate_token"),
                    "filtered": {"handler_key": "example.rukou.on_delivery", "product_id": voucher[0]}},
        "eligibility": {"verifiable": "org.example.member.proven", "unverifiable": "org.example.student", "unrecognized": "org.example.unheard_of"},
        "idempotency": {"age_hook": True, "outage_hook": True}, "discovery": {"supported_versions": True},
        "negotiation": {"harness": True, "validates_profile_url": True, "unsupported_version_profile_url": platform.origin + "/old",
                        "incompatible_caps_profile_url": platform.origin + "/poor", "malformed_profile_url": platform.origin + "/broken",
                        "unreachable_profile_url": "http://127.0.0.1:9/profile"},
        "signature": {"responses": True, "request_private_jwk": keys["now"], "rotated_private_jwk": keys["before"], "unsupported_alg_kid": "rsa-key"},
        "webhooks": {"simulate": True, "signed": True, "retries": True},
        "identity": {"client_id": "spck-public", "redirect_uri": "https://platform.spck.dev/oauth/callback",
                     "scopes": ["example.rukou.account:read", "example.rukou.account:orders"], "public_none": True, "serves_public_clients": True,
                     "confidential": {"client_id": "spck-confidential", "client_secret": SECRET}, "loopback_redirect": "http://127.0.0.1:7000/oauth/callback",
                     "gated": {"method": "GET", "path": "/account", "scopes": ["example.rukou.account:read"]},
                     "gated_multi": {"method": "GET", "path": "/account/orders", "scopes": ["example.rukou.account:read", "example.rukou.account:orders"],
                                     "have_scopes": ["example.rukou.account:read"]},
                     "continue_url": True, "resource_metadata": True, "token_mint": True, "profile_binding": {"registered": AGENT, "mismatched": platform.origin + "/poor"}},
    }


class Shop:
    def __init__(self, folder, platform, tls, *more):
        args = [RUKOU, "shop", "serve", str(HERE / "shops/papeterie"), "--json", "--sandbox", "--testing", "--agent", "http://127.0.0.1:*",
                "--known-agent", f"{AGENT}={folder / 'agent.json'}", "--data", str(folder / secrets.token_hex(4)), *more]
        args += ["--tls-cert", str(folder / "shop.pem"), "--tls-key", str(folder / "shop.key")] if tls else []
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, text=True, env={**os.environ, "SSL_CERT_FILE": str(folder / "ca.pem")})
        self.origin = json.loads(self.process.stdout.readline())["origin"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0


def suite(folder, server, settings):
    (folder / "config.json").write_text(json.dumps(settings))
    r = subprocess.run([SPCK, "--server", server, "--config", str(folder / "config.json"), "--json", "--insecure"], capture_output=True, text=True,
                       env={**os.environ, "SSL_CERT_FILE": str(folder / "ca.pem")}, timeout=120)
    if r.returncode not in (0, 2):
        sys.exit(f"the suite failed: {r.stderr}")
    return json.loads(r.stdout)


def run(version, tls, folder):
    """One run of the suite, and the one check whose setting the others cannot stand: orders only for those who prove who they are."""
    platform = Platform(version)
    public, private = zip(*(new_jwk(kid) for kid in ("suite-now", "suite-before")))
    rsa = {"kty": "RSA", "kid": "rsa-key", "use": "sig", "alg": "RS256", "n": "sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri23bOdgWp4Dy1WlUzewbgBHod5pcM9H95GQRV3JDXboIRROSBigeC5yjU1hGzHHyXss8UDprecbAYxknTcQkhslANGRUZmdTOQ5qTRsLAt6BTYuyvVRdhS8exSZEy_c4gs_7svlJJQ4H9_NxsiIoLwAEk7-Q3UXERGYw_75IDrGA84-lA_-Ct4eTlXHBIY2EaV7t7LjJaynVJCpkv4LKjTTAumiGUIuQhrNhZLuF_RJLqHpM2kgWFLU7-VTdL1VbC2tejvcI2BlMkEpk1BzBZI0KQB0GaDWFLN-aEAw3vRw", "e": "AQAB"}
    (folder / "agent.json").write_text(json.dumps(profile(version, [*public, rsa])))
    shop = Shop(folder, platform, tls)
    settings = config(goods(shop.origin, folder), platform, {"now": private[0], "before": private[1]})
    report = suite(folder, shop.origin + VERSIONS[version], settings)
    shop.stop()
    return report


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--report")
    a.add_argument("--only")
    a = a.parse_args()
    with tempfile.TemporaryDirectory() as d:
        folder = pathlib.Path(d)
        certificate(folder)
        for version in VERSIONS:
            for tls in (False, True):
                if a.only and a.only != version + ("s" if tls else ""):
                    continue
                r = run(version, tls, folder)
                print(version, tls, r["verdict"], r["checks_summary"])
                for c in r["checks"]:
                    if c["status"] != "clean-pass" and "out of scope" not in c["status"]:
                        print("  ", c["status"], c["id"], c["req_ids"], json.dumps(c.get("observed"))[:600])


if __name__ == "__main__":
    main()
