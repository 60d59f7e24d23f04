"""Shops that misbehave on purpose: a real sandbox shop behind a proxy that breaks one thing. The proxy's address is the
shop's identity, so everything else (terms, payment, signatures) is the real shop's own."""
import base64
import contextlib
import datetime
import http.client
import http.server
import ipaddress
import json
import os
import re
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from rukou import ROOT, RUKOU, run, served
from scripted import Script, scripted

CLOCK = {"RUKOU_CLOCK": "2026-11-23T10:00:00+08:00"}


SIGNED = ("signature", "signature-input", "content-digest")


class Answer:
    """What the shop said; a fault may change it, or end the connection by raising Drop."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.raw = status, headers, body

    @property
    def json(self):
        return json.loads(self.raw)

    @json.setter
    def json(self, value):
        """Other bytes than the shop signed: they go out unsigned, as from a merchant that signs nothing."""
        self.raw = json.dumps(value, ensure_ascii=False).encode()
        self.headers = {k: v for k, v in self.headers.items() if k.lower() not in SIGNED}


class Drop(Exception):
    """The connection ends without an answer."""


class Fault:
    """before(): seen before the shop does, may answer itself. after(): sees the shop's answer. log: (method, path, key).
    signed: the profile goes on promising that every answer is signed."""

    def __init__(self, before=None, after=None, signed=False):
        self.before, self.after, self.signed, self.log = before, after, signed, []

    def count(self, end):
        return sum(1 for m, p, _ in self.log if m != "GET" and p.endswith(end))


def signs_nothing(answer):
    """The profile does not promise that answers are signed, so that a fault is met for what it is."""
    if answer.status != 200:
        return
    profile = answer.json
    for services in profile["ucp"]["services"].values():
        for one in services:
            one.get("config", {}).pop("signed_responses", None)
    answer.json = profile


def handler(fault, shop):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault.log.append((self.command, self.path, self.headers.get("Idempotency-Key")))
            try:
                answer = fault.before(self, body) if fault.before else None
                if answer is None:
                    answer = self.ask(body)
                    if self.path.endswith("/.well-known/ucp") and not fault.signed:
                        signs_nothing(answer)
                    if fault.after:
                        fault.after(self, answer)
            except Drop:
                self.close_connection = True
                self.connection.close()
                return
            if answer == "sent":
                return
            self.send_response(answer.status)
            for k, v in answer.headers.items():
                self.send_header(k, v)
            self.send_header("Content-Length", str(len(answer.raw)))
            self.end_headers()
            self.wfile.write(answer.raw)

        do_GET = do_POST = do_PUT = serve

        def ask(self, body):
            to = urllib.parse.urlsplit(shop)
            c = http.client.HTTPConnection(to.hostname, to.port, timeout=30)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "content-length")}  # Host is signed
            c.request(self.command, self.path, body or None, headers)
            r = c.getresponse()
            kept = {k: v for k, v in r.getheaders() if k.lower() in ("content-type", "cache-control", "location", "www-authenticate", *SIGNED)}
            answer = Answer(r.status, kept, r.read())
            c.close()
            return answer

        def log_message(self, *_):
            pass

    return Handler


class Server(http.server.ThreadingHTTPServer):
    """tls: (certificate chain, key), PEM files."""

    def __init__(self, tls):
        super().__init__(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if tls else None
        if tls:
            self.tls.load_cert_chain(*tls)

    def finish_request(self, request, address):
        if self.tls:  # on the connection's own thread: who does not shake hands holds nobody up
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, address)

    def handle_error(self, request, address):
        if not isinstance(sys.exc_info()[1], OSError):  # the client may leave
            super().handle_error(request, address)


@contextlib.contextmanager
def trouble(fault, data, agent_port, shop="shops/xinghe", tls=None, more=()):
    """Yields the origin of the misbehaving shop."""
    server = Server(tls)
    origin = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    port = str(free_port("127.0.0.2"))
    argv = [RUKOU, "shop", "serve", str(ROOT / shop), "--json", "--sandbox", "--agent", f"http://127.0.0.1:{agent_port}", "--data", str(data),
            "--origin", origin, "--port", port, *more]
    proc = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={**os.environ, **CLOCK})
    try:
        server.RequestHandlerClass = handler(fault, f"http://127.0.0.2:{port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert json.loads(proc.stdout.readline())["origin"] == origin
        yield origin
    finally:
        server.shutdown()
        server.server_close()
        proc.terminate()
        proc.wait(20)


def free_port(address="127.0.0.1"):
    import socket
    with socket.socket() as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def hang(seconds=60):
    time.sleep(seconds)
    raise Drop


class World:
    """One server and one shop for many sentences, each with a fault of its own."""

    def __init__(self, data, shop, shop_data, script):
        self.data, self.shop, self.shop_data, self.script, self.fault, self.log = data, shop, shop_data, script, None, []  # log: of the shop's proxy

    def orders(self):
        return json.loads(run("shop", "orders", str(self.shop), "--json", data=self.shop_data).stdout)["orders"]

    def buy(self, text, query, fault=None):
        """(new orders of the shop, events). fault(handler, answer): spoils what the shop answers."""
        self.script.query, self.fault = query, fault
        before = {o["id"] for o in self.orders()}
        del self.log[:]
        p = run("do", text, "--approve", "yes", "--json", data=self.data, env=CLOCK)
        assert p.returncode == 0, p.stderr
        return [o for o in self.orders() if o["id"] not in before], [json.loads(x) for x in p.stdout.splitlines()]


@contextlib.contextmanager
def steady(tmp, shop="shops/xinghe", more_shops=(), signed=False):
    data, shop_data, port, world = tmp / "d", tmp / "shop-data", free_port(), None
    data.mkdir(mode=0o700)
    (data / "ports.json").write_text(json.dumps({"server": port, "shops": free_port()}))
    fault = Fault(after=lambda h, answer: world.fault(h, answer) if world and world.fault else None, signed=signed)
    script = Script()
    with trouble(fault, shop_data, port, shop=shop) as origin, scripted(script) as model:
        with served(data, *model, "--shops", ",".join([origin, *more_shops]), env=CLOCK):
            world = World(data, shop, shop_data, script)
            world.log = fault.log
            yield world


# ---- signatures and certificates of somebody else ----

def jwk_of(key):
    n = key.public_key().public_numbers()
    x, y = (base64.urlsafe_b64encode(v.to_bytes(32, "big")).rstrip(b"=").decode() for v in (n.x, n.y))
    return {"kid": "another", "kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256"}


def sign_again(answer, key, kid=None, times=None):
    """The shop's own signature made anew with another key or another time; kid None: under the shop's own name of its key."""
    h = {k.lower(): v for k, v in answer.headers.items()}
    params = h["signature-input"].removeprefix("sig1=")
    if times:
        params = re.sub(r"created=\d+", times, params)
    if kid:
        params = re.sub(r'keyid="[^"]*"', f'keyid="{kid}"', params)
    names = re.findall(r'"([^"]+)"', params[:params.index(")")])
    lines = [f'"{n}": {answer.status if n == "@status" else h[n]}' for n in names] + [f'"@signature-params": {params}']
    r, s = utils.decode_dss_signature(key.sign("\n".join(lines).encode(), ec.ECDSA(hashes.SHA256())))
    signature = base64.b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).decode()
    answer.headers = {k: v for k, v in answer.headers.items() if k.lower() not in ("signature", "signature-input")}
    answer.headers |= {"Signature-Input": f"sig1={params}", "Signature": f"sig1=:{signature}:"}


class Authority:
    """A certificate authority of this test, and what it signs."""

    def __init__(self, folder):
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
        self.file = folder / "authority.pem"
        self.file.write_bytes(self.make(self.name, self.key, self.key, ca=True).public_bytes(serialization.Encoding.PEM))

    def make(self, subject, key, signer, days=(-1, 30), host="127.0.0.1", ca=False):
        now = datetime.datetime.now(datetime.timezone.utc)
        san = x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name if signer is self.key else subject)
                .public_key(key.public_key()).serial_number(x509.random_serial_number())
                .not_valid_before(now + datetime.timedelta(days=days[0])).not_valid_after(now + datetime.timedelta(days=days[1]))
                .add_extension(x509.SubjectAlternativeName([san]), False).add_extension(x509.BasicConstraints(ca, None), True)
                .sign(signer, hashes.SHA256()))

    def pair(self, own=False, **how):
        """(certificate, key) of a shop; own: signed by itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a shop")])
        cert, pem = self.folder / "shop.crt", self.folder / "shop.key"
        cert.write_bytes(self.make(subject, key, key if own else self.key, **how).public_bytes(serialization.Encoding.PEM))
        pem.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return str(cert), str(pem)
