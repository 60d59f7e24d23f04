"""What the API tests share: run the program, start and stop `rukou serve`, sign in, read events."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUKOU = os.environ.get("RUKOU", str(ROOT / "build/release/rukou"))
START_S = 120


def run(*args, data=None, env=None, timeout=120, text=True, **kw):
    """Runs `rukou ARGS`; returns the finished process."""
    argv = [RUKOU, *args] + (["--data", str(data)] if data else [])
    return subprocess.run(argv, capture_output=True, text=text, timeout=timeout,
                          env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, **kw)


class Server:
    """A running `rukou serve` and a signed-in page session."""

    def __init__(self, proc, url, data):
        self.proc, self.url, self.data = proc, url, data
        at = urllib.parse.urlsplit(url)
        self.host, self.port, self.origin = at.hostname, at.port, f"{at.scheme}://{at.netloc}"
        self.token = urllib.parse.parse_qs(at.query)["token"][0]
        self.cookie = self.csrf = None

    def request(self, method, path, body=None, headers=None, timeout=30):
        """(status, headers, bytes) of one request, with no session of its own."""
        conn = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        if isinstance(body, (dict, list)):
            body = json.dumps(body, ensure_ascii=False).encode()
        conn.request(method, path, body=body, headers=headers or {})
        answer = conn.getresponse()
        data = answer.read()
        conn.close()
        return answer.status, dict(answer.getheaders()), data

    def sign_in(self):
        status, headers, _ = self.request("GET", f"/?token={self.token}")
        assert status in (302, 303), status
        self.cookie = headers["Set-Cookie"].split(";")[0]
        self.csrf = self.api("GET", "/api/session")["csrf"]
        return self

    def headers(self, method="GET"):
        h = {"Cookie": self.cookie}
        if method != "GET":
            h |= {"X-CSRF-Token": self.csrf, "Origin": self.origin, "Content-Type": "application/json"}
        return h

    def api(self, method, path, body=None, ok=(200, 201, 202), **extra):
        """A signed-in request whose JSON answer is returned."""
        status, _, data = self.request(method, path, body, {**self.headers(method), **extra})
        assert status in ok, (status, data[:500])
        return json.loads(data)

    def events(self, after=0, until=None, timeout=240):
        """Events as (type, data) until until(type, data) is true."""
        conn = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        conn.request("GET", f"/api/events?after={after}", headers=self.headers())
        answer = conn.getresponse()
        assert answer.status == 200, answer.status
        seen, kind, data, limit = [], None, [], time.monotonic() + timeout
        for line in answer:
            assert time.monotonic() < limit, "no end of events"
            line = line.decode().rstrip("\r\n")
            if line.startswith("event:"):
                kind = line[6:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].strip())
            elif not line and data:
                event = (kind, json.loads("\n".join(data)))
                seen.append(event)
                kind, data = None, []
                if until and until(*event):
                    break
        conn.close()
        return seen

    def stop(self, sig=signal.SIGTERM, timeout=30):
        self.proc.send_signal(sig)
        return self.proc.wait(timeout)


@contextlib.contextmanager
def served(data, *args, model="0.5b", env=None):
    """`rukou serve` on a data directory of its own."""
    argv = [RUKOU, "serve", "--data", str(data), "--model", str(model), *args]
    proc = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=open(f"{data}.stderr", "ab"), text=True,
                            stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
    try:
        yield Server(proc, printed_url(proc), data)
    finally:
        if proc.poll() is None:
            proc.terminate()
            try:
                proc.wait(30)
            except subprocess.TimeoutExpired:
                proc.kill()
                raise
        proc.stdout.close()


def printed_url(proc):
    """The address that a starting server prints on stdout."""
    for line in proc.stdout:
        found = re.search(r"https?://\S+\?token=\S+", line)
        if found:
            return found.group(0)
    raise AssertionError(f"serve ended with {proc.wait()} and printed no address")
