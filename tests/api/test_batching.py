"""Many requests at once, one far too long, one that nobody reads: on random weights, because only the order of things counts."""
import concurrent.futures
import json
import socket
import subprocess
import sys

import pytest

from rukou import ROOT, served

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    d = tmp_path_factory.mktemp("batching")
    subprocess.run([sys.executable, str(ROOT / "tests/tools/tiny_gguf.py"), str(d / "tiny.gguf")], check=True)
    with served(d / "d", "--shops", "http://127.0.0.2:1", model=d / "tiny.gguf") as s:
        yield s


def ask(server, timeout=120, **body):
    body = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 20, "seed": 1, **body}
    status, headers, data = server.request("POST", "/v1/chat/completions", body, JSON, timeout)
    return status, headers, json.loads(data)


def test_300_at_once_are_answered_or_told_to_come_back(server):
    def one(i):
        return ask(server, messages=[{"role": "user", "content": f"number {i}"}])

    with concurrent.futures.ThreadPoolExecutor(300) as pool:
        answers = list(pool.map(one, range(300)))
    good = [a for a in answers if a[0] == 200]
    assert len(good) >= 150
    for status, headers, body in answers:
        if status != 200:
            assert status in (429, 503) and headers["Retry-After"] and body["error"]["message"]
    assert ask(server)[0] == 200


def test_a_prompt_of_100000_tokens_is_a_clear_400(server):
    status, _, body = ask(server, messages=[{"role": "user", "content": "0 1 2 3 4 5 6 7 8 9 " * 10000}])
    assert status == 400 and body["error"]["code"] == "context_length_exceeded" and "tokens" in body["error"]["message"]


@pytest.mark.parametrize("token", ["99999999", "-1", "2147483648"])
def test_bias_of_a_token_that_is_not_there(server, token):
    status, _, body = ask(server, logit_bias={token: 5})
    assert status == 400 and "logit_bias" in body["error"]["message"]


def test_a_reader_that_stops_reading_holds_nobody_up(server):
    body = json.dumps({"messages": [{"role": "user", "content": "hello"}], "max_tokens": 900, "stream": True, "logprobs": True, "top_logprobs": 20}).encode()
    held = []
    try:
        for _ in range(4):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect((server.host, server.port))
            s.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: {server.host}:{server.port}\r\nContent-Type: application/json\r\n"
                      f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            held.append(s)
        for _ in range(8):
            assert ask(server)[0] == 200
    finally:
        for s in held:
            s.close()
    assert ask(server)[0] == 200


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A server whose KV memory holds less than eight conversations."""
    d = tmp_path_factory.mktemp("small")
    subprocess.run([sys.executable, str(ROOT / "tests/tools/tiny_gguf.py"), str(d / "tiny.gguf")], check=True)
    with served(d / "d", "--shops", "http://127.0.0.2:1", model=d / "tiny.gguf", env={"RUKOU_KV_MEMORY": "1", "RUKOU_KV_WAIT": "0"}) as s:
        yield s


def test_full_kv_memory_is_503_with_retry_after(small):
    def one(i):
        return ask(small, messages=[{"role": "user", "content": f"number {i}"}], max_tokens=None, grammar="root ::= [a-z]{4000}", temperature=1, seed=i)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(8)))
    full = [a for a in answers if a[0] == 503]
    assert full and len(full) < 8
    for _, headers, body in full:
        assert int(headers["Retry-After"]) >= 1 and "memory" in body["error"]["message"]
    assert ask(small)[0] == 200
