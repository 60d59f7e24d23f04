"""Shops that misbehave on purpose: a real sandbox shop behind a proxy that breaks one thing. The proxy's address is the
shop's identity, so everything else (terms, payment, signatures) is the real shop's own."""
import contextlib
import http.client
import http.server
import json
import os
import subprocess
import threading
import time
import urllib.parse

from rukou import ROOT, RUKOU

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
    """before(): seen before the shop does, may answer itself. after(): sees the shop's answer. log: (method, path, key)."""

    def __init__(self, before=None, after=None):
        self.before, self.after, self.log = before, after, []

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
                    if self.path.endswith("/.well-known/ucp"):
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
            kept = {k: v for k, v in r.getheaders() if k.lower() in ("content-type", "cache-control", *SIGNED)}
            answer = Answer(r.status, kept, r.read())
            c.close()
            return answer

        def log_message(self, *_):
            pass

    return Handler


@contextlib.contextmanager
def trouble(fault, data, agent_port, shop="shops/xinghe"):
    """Yields the origin of the misbehaving shop."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    origin = f"http://127.0.0.1:{server.server_port}"
    argv = [RUKOU, "shop", "serve", str(ROOT / shop), "--json", "--sandbox", "--agent", f"http://127.0.0.1:{agent_port}", "--data", str(data),
            "--origin", origin, "--port", str(free_port("127.0.0.2"))]
    port = argv[-1]
    proc = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={**os.environ, **CLOCK})
    try:
        assert json.loads(proc.stdout.readline())["origin"] == origin
        server.RequestHandlerClass = handler(fault, f"http://127.0.0.2:{port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
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
