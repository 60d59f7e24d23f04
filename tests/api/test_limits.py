"""One bad client never ends another: garbage, floods, slow ones, and the limits in between."""
import concurrent.futures
import json
import random
import socket
import subprocess
import sys
import time

import pytest

from rukou import ROOT, run, served

NO_SHOP = ("--shops", "http://127.0.0.2:1")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("limits") / "d", *NO_SHOP) as s:
        yield s.sign_in()


@pytest.fixture(autouse=True)
def still_well(server):
    yield
    status, _, body = server.request("GET", "/health", timeout=5)
    assert status == 200 and json.loads(body)["status"] == "ok"


@pytest.fixture(scope="module")
def limits():
    return {row["name"]: row["value"] for row in json.loads(run("limits", "--json").stdout)}


def raw(server, data, wait=5.0):
    """Sends bytes, returns what comes back until the other side closes."""
    with socket.create_connection((server.host, server.port), timeout=wait) as s:
        got = b""
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while piece := s.recv(65536):
                got += piece
        except OSError:  # it closed first, or says nothing more
            pass
        return got


def head(server, line="GET /health HTTP/1.1", *headers):
    return "\r\n".join([line, f"Host: {server.host}:{server.port}", "Connection: close", *headers, "", ""]).encode()


@pytest.mark.parametrize("data", [
    b"\x00" * 1000, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"\r\n" * 5000, b"GET / HTTP/9.9\r\n\r\n",
    b"A" * 100000, b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000,
    b"POST /api/turns HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /api/turns HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /api/chats/%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n",
])
def test_garbage(server, data):
    got = raw(server, data)
    assert not got.startswith(b"HTTP/1.1 200") and not got.startswith(b"HTTP/1.1 500")


def test_random_bytes(server):
    rnd = random.Random(7)
    for _ in range(60):
        start = rnd.choice([b"", b"GET ", b"POST /api/turns HTTP/1.1\r\n", head(server, "POST /v1/chat/completions HTTP/1.1", "Content-Length: 30")])
        raw(server, start + rnd.randbytes(rnd.randrange(1, 400)), wait=2)


def test_body_limit(server, limits):
    n = limits["MAX_HTTP_BODY_BYTES"]
    pad = len(json.dumps({"x": ""}).encode())
    headers = {"Content-Type": "application/json"}
    assert server.request("POST", "/v1/chat/completions", json.dumps({"x": "a" * (n - pad)}).encode(), headers)[0] == 400
    assert server.request("POST", "/v1/chat/completions", json.dumps({"x": "a" * (n - pad + 1)}).encode(), headers)[0] == 413
    got = raw(server, head(server, "POST /v1/chat/completions HTTP/1.1", f"Content-Length: {n * 50}", "Expect: 100-continue"))
    assert got.startswith(b"HTTP/1.1 413")


def test_header_limit(server, limits):
    n = limits["MAX_HTTP_HEADER_BYTES"]
    assert raw(server, head(server, "GET /health HTTP/1.1", "X: " + "a" * (n // 2))).startswith(b"HTTP/1.1 200")
    assert raw(server, head(server, "GET /health HTTP/1.1", "X: " + "a" * n)).startswith(b"HTTP/1.1 431")


def test_depth_limit(server):
    body = b'{"messages":' + b"[" * 70 + b"]" * 70 + b"}"
    status, _, data = server.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    assert status == 400 and b"nested" in data


def test_too_many_connections_from_one_address(server, limits):
    held = []
    try:
        for _ in range(limits["MAX_HTTP_PER_IP"] + 5):
            held.append(socket.create_connection((server.host, server.port), timeout=5))
        time.sleep(0.3)
        got = raw(server, head(server))
        assert got.startswith(b"HTTP/1.1 429") and b"Retry-After" in got
    finally:
        for s in held:
            s.close()
    time.sleep(0.5)


def test_too_many_streams(server, limits):
    held = []
    try:
        for _ in range(limits["MAX_SSE_STREAMS"]):
            s = socket.create_connection((server.host, server.port), timeout=5)
            s.sendall(f"GET /api/events?after=0 HTTP/1.1\r\nHost: {server.host}:{server.port}\r\nCookie: {server.cookie}\r\n\r\n".encode())
            assert s.recv(12) == b"HTTP/1.1 200"
            held.append(s)
        status, headers, _ = server.request("GET", "/api/events?after=0", headers=server.headers())
        assert status == 503 and headers["Retry-After"]
        assert server.api("GET", "/api/chats")["chats"] == [], "other requests go on"
    finally:
        for s in held:
            s.close()
    deadline = time.monotonic() + 10
    while b"rukou_event_streams 0\n" not in server.request("GET", "/metrics")[2]:
        assert time.monotonic() < deadline, "readers that left are noticed"
        time.sleep(0.2)


def test_a_slow_client_holds_nobody_up(server):
    slow = [socket.create_connection((server.host, server.port), timeout=5) for _ in range(50)]
    try:
        for s in slow:
            s.sendall(b"POST /api/turns HTTP/1.1\r\nContent-Le")
        start = time.monotonic()
        for _ in range(50):
            assert server.request("GET", "/health")[0] == 200
        assert time.monotonic() - start < 5
    finally:
        for s in slow:
            s.close()


def test_an_idle_connection_is_closed(server, limits):
    with socket.create_connection((server.host, server.port), timeout=limits["HTTP_IDLE_TIMEOUT_S"] + 15) as s:
        s.sendall(b"GET /health HTTP/1.1\r\nHo")
        start = time.monotonic()
        while s.recv(1000):
            pass
        assert time.monotonic() - start < limits["HTTP_IDLE_TIMEOUT_S"] + 10


def test_many_at_once(server):
    def one(i):
        if i % 3 == 0:
            return server.request("GET", "/api/chats", headers=server.headers())[0] == 200
        if i % 3 == 1:
            return server.request("POST", "/v1/chat/completions", b"{", {"Content-Type": "application/json"})[0] == 400
        return server.request("GET", f"/nothing/{i}")[0] == 404

    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        assert all(pool.map(one, range(600)))


def test_a_bad_request_does_not_end_a_running_one(server):
    body = {"messages": [{"role": "user", "content": "Count from 1 to 60."}], "max_tokens": 80, "temperature": 0}
    headers = {"Content-Type": "application/json"}
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        good = pool.submit(server.request, "POST", "/v1/chat/completions", body, headers, 120)
        while not good.done():
            raw(server, b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 10\r\n\r\n{")
            server.request("POST", "/v1/chat/completions", {"messages": 5}, headers)
            server.request("POST", "/v1/chat/completions", b"\xff\xff", headers)
        status, _, data = good.result()
    assert status == 200 and json.loads(data)["usage"]["completion_tokens"] > 10


def test_300_requests_in_a_small_memory(tmp_path):
    """More conversations than kv_memory holds: each is answered, or refused with a time to come back; the cap holds."""
    model = tmp_path / "tiny.gguf"
    subprocess.run([sys.executable, ROOT / "tests/tools/tiny_gguf.py", model], check=True)

    with served(tmp_path / "d", *NO_SHOP, "--kv-memory", "1", model=model) as s:
        def ask(i):
            body = {"model": model.stem, "max_tokens": 60, "messages": [{"role": "user", "content": f"{i} " + "word " * 40}]}
            try:
                return s.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"}, timeout=100)
            except OSError:
                return 503, {"Retry-After": "1"}, b""  # over the connections of one address: closed
        with concurrent.futures.ThreadPoolExecutor(300) as pool:
            answers = list(pool.map(ask, range(300)))
        statuses = [a[0] for a in answers]
        assert set(statuses) <= {200, 429, 503} and statuses.count(200) >= 20, {x: statuses.count(x) for x in set(statuses)}
        assert all("Retry-After" in h for status, h, _ in answers if status != 200)
        assert s.request("GET", "/health", timeout=5)[0] == 200
        metrics = dict(line.rsplit(" ", 1) for line in s.request("GET", "/metrics")[2].decode().splitlines() if line[0] != "#")
        assert 0 < float(metrics["rukou_kv_bytes"]) <= float(metrics["rukou_kv_limit_bytes"]) <= 1 << 20
        assert float(metrics["rukou_kv_tokens_reused_total"]) > 0 and float(metrics["rukou_kv_evictions_total"]) > 0
