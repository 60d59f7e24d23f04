"""The door: sign-in, who may do what, the agent API's resources, the event stream, ends."""
import concurrent.futures
import http.client
import json
import signal
import sqlite3
import ssl
import stat
import subprocess
import threading
import time
import uuid

import pytest

from rukou import run, served

NO_SHOP = ("--shops", "http://127.0.0.2:1")
NUMBERS = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,"  # the model goes on for long
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("door") / "d", *NO_SHOP) as s:
        yield s.sign_in()


@pytest.fixture
def terminal(server):
    return open_terminal(server)


def open_terminal(server):
    token = (server.data / "terminal.token").read_text()
    status, _, body = server.request("POST", "/api/session/terminal", {"token": token}, JSON)
    assert status == 200
    return {"Authorization": f"Bearer {json.loads(body)['token']}", **JSON}


def status_of(server, method, path, body=None, headers=None):
    status, _, data = server.request(method, path, body, headers)
    return status, json.loads(data)["error"]["code"] if status >= 400 else None


def ask(server, text, **extra):
    return server.api("POST", "/api/turns", {"text": text, **extra})


def until_done(turn_id):
    return lambda kind, data: kind == "turn_done" and data["turn_id"] == turn_id


# ---- sign-in ----

def test_the_token_works_once(server):
    status, headers, body = server.request("GET", f"/?token={server.token}")
    assert status == 401 and "Set-Cookie" not in headers
    assert server.request("GET", "/?token=")[0] == 200
    assert server.request("GET", "/?token=" + "0" * 64)[0] == 401


def test_the_cookie_is_for_browsers_of_this_directory(server, terminal):
    _, _, body = server.request("POST", "/api/session/link", {}, terminal)
    token = json.loads(body)["url"].split("token=")[1]
    status, headers, _ = server.request("HEAD", f"/?token={token}")
    assert "Set-Cookie" not in headers, "a preview does not use the token up"
    status, headers, _ = server.request("GET", f"/?token={token}")
    cookie = headers["Set-Cookie"]
    data_id = server.api("GET", "/api/session")["data_id"]
    assert status == 303 and headers["Location"] == "/"
    assert cookie.startswith(f"rukou_{data_id}=") and "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie


def test_session_says_who_and_what(server):
    v = server.api("GET", "/api/session")
    assert v["user_id"] and v["csrf"] and v["version"] and v["sandbox"] is True
    assert v["model"]["local"] is True and v["model"]["n_ctx"] > 0
    assert abs(v["now_ms"] / 1000 - time.time()) < 5


def test_no_token_is_stored(server):
    db = sqlite3.connect(f"file:{server.data}/rukou.db?mode=ro", uri=True)
    dump = "\n".join(db.iterdump())
    assert server.cookie.split("=")[1] not in dump and server.token not in dump


def test_files_of_a_running_server(server):
    for name in ("terminal.token", "server.json", "approval.pem"):
        assert stat.S_IMODE((server.data / name).stat().st_mode) == 0o600
    assert json.loads((server.data / "server.json").read_text()) == {"origin": server.origin, "port": server.port, "pid": server.proc.pid}


def test_without_credentials_nothing(server):
    for method, path in [("GET", "/api/session"), ("GET", "/api/chats"), ("GET", "/api/events"), ("GET", "/api/profile"),
                         ("GET", "/api/orders"), ("GET", "/api/ledger"), ("POST", "/api/turns"), ("POST", "/api/approvals/x"),
                         ("POST", "/api/keys"), ("POST", "/api/session/link")]:
        assert status_of(server, method, path, {} if method == "POST" else None, JSON) == (401, "unauthorized")
    for bad in ("Bearer ", "Bearer undefined", "Bearer " + "0" * 64, "Basic eDp5"):
        assert status_of(server, "GET", "/api/chats", headers={"Authorization": bad}) == (401, "unauthorized")
    page = server.cookie.split("=")[1]
    assert status_of(server, "GET", "/api/chats", headers={"Authorization": f"Bearer {page}"}) == (401, "unauthorized")
    assert status_of(server, "POST", "/api/session/terminal", {"token": ""}, JSON) == (401, "unauthorized")


def test_a_wrong_key_is_not_helped_by_a_cookie(server):
    assert status_of(server, "GET", "/api/chats", headers={**server.headers(), "Authorization": "Bearer rk-x"})[0] == 401


# ---- what a page of another site may not do ----

@pytest.mark.parametrize("change", [
    {"X-CSRF-Token": None}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "0" * 64}, {"Origin": None}, {"Origin": "http://evil.example"},
    {"Origin": "null"}, {"Host": "evil.example"}, {"Origin": "http://127.0.0.1"},
])
def test_a_write_needs_csrf_origin_and_host(server, change):
    headers = {k: v for k, v in {**server.headers("POST"), **change}.items() if v is not None}
    assert status_of(server, "POST", "/api/turns", {"text": "hi"}, headers) == (403, "forbidden")


def test_host_is_checked_everywhere(server):
    for path in ("/", "/health", "/metrics", "/v1/models", "/.well-known/ucp", "/api/chats", "/nothing"):
        assert status_of(server, "GET", path, headers={"Host": f"evil.example:{server.port}"})[0] == 403
    assert server.request("GET", "/health", headers={"Host": f"localhost:{server.port}"})[0] == 200


def test_event_stream_of_another_site_is_refused(server):
    for change in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}):
        assert status_of(server, "GET", "/api/events", headers={**server.headers(), **change})[0] == 403


def test_v1_is_not_for_other_sites_either(server):
    body = {"messages": [{"role": "user", "content": "x"}]}
    assert server.request("POST", "/v1/chat/completions", body, {**JSON, "Origin": "http://evil.example"})[0] == 403
    assert server.request("POST", "/v1/chat/completions", body, {"Content-Type": "text/plain"})[0] == 400


# ---- keys ----

def new_key(server, **body):
    return server.api("POST", "/api/keys", body)["key"]


def test_keys_have_scopes_and_an_end(server):
    key = new_key(server)
    auth = {"Authorization": f"Bearer {key}", **JSON}
    assert status_of(server, "GET", "/api/chats", headers={"X-Api-Key": key})[0] == 200
    assert status_of(server, "GET", "/api/chats", headers={"X-Api-Key": key + "x"})[0] == 401
    assert key.startswith("rk-") and server.request("GET", "/api/chats", headers=auth)[0] == 200
    assert status_of(server, "POST", "/api/approvals/x", {"decision": "approve", "terms_hash": "x"}, auth) == (403, "forbidden")
    assert status_of(server, "POST", "/api/keys", {}, auth)[0] == 403
    assert status_of(server, "POST", "/api/session/link", {}, auth)[0] == 403
    assert status_of(server, "PUT", "/api/profile", {}, auth)[0] == 403
    server.api("DELETE", "/api/keys", {"key": key})
    assert server.request("GET", "/api/chats", headers=auth)[0] == 401
    assert status_of(server, "DELETE", "/api/keys", {"key": key}, server.headers("DELETE"))[0] == 404
    for bad in ({"scopes": ["all"]}, {"days": 0}, {"scopes": [1]}):
        assert status_of(server, "POST", "/api/keys", bad, server.headers("POST"))[0] == 400


def test_signing_out_ends_the_session_and_its_stream(server):
    other = open_terminal(server)
    ended = threading.Event()

    def read():
        server.request("GET", "/api/events?after=0", headers=other, timeout=30)
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    time.sleep(0.5)
    assert server.request("DELETE", "/api/session", headers=other)[0] == 200
    assert server.request("GET", "/api/chats", headers=other)[0] == 401
    assert ended.wait(10)


# ---- turns and events ----

def test_a_turn_is_followed_from_anywhere(server):
    start = server.api("GET", "/api/chats")["last_event"]
    ids = ask(server, "Say hello in one short sentence.")
    live = server.events(after=start, until=until_done(ids["turn_id"]))
    mine = [(k, d) for k, d in live if k not in ("snapshot", "delta", "progress")]
    assert [d["n"] for _, d in mine] == list(range(start + 1, start + 1 + len(mine))), "numbered, none lost, none doubled"
    assert mine[0][0] == "message" and mine[0][1]["data"]["role"] == "user"
    # what was streamed is the message that was stored
    text, snaps = {}, set()
    for kind, d in live:
        if kind == "snapshot":
            assert d["message_id"] not in snaps and d["offset_bytes"] == len(d["text"].encode())
            snaps.add(d["message_id"])
            text[d["message_id"]] = d["text"]
        elif kind == "delta":
            assert d["offset_bytes"] == len(text[d["message_id"]].encode())
            text[d["message_id"]] += d["text"]
    answers = [d["data"] for k, d in mine if k == "message" and d["data"]["role"] == "assistant"]
    assert answers
    for a in answers:
        if a["message_id"] in text:
            assert a["text"].startswith(text[a["message_id"]].strip())
    # later, from the start and from the middle: the same rows
    again = server.events(after=start, until=until_done(ids["turn_id"]))
    assert again == mine
    middle = mine[0][1]["n"]
    assert server.events(after=middle, until=until_done(ids["turn_id"])) == mine[1:]
    chat = server.api("GET", f"/api/chats/{ids['chat_id']}")
    assert chat["chat"]["id"] == ids["chat_id"] and chat["events"] == [d for _, d in mine]
    assert chat["last_event"] >= mine[-1][1]["n"] and len(chat["messages"]) >= 2


def test_last_event_id_wins(server):
    ids = ask(server, "Say yes.")
    seen = server.events(after=0, until=until_done(ids["turn_id"]))
    last = seen[-2][1]["n"] if seen[-2][0] not in ("delta", "snapshot", "progress") else seen[-1][1]["n"] - 1
    conn = http.client.HTTPConnection(server.host, server.port, timeout=20)
    conn.request("GET", "/api/events?after=0", headers={**server.headers(), "Last-Event-ID": str(last)})
    answer = conn.getresponse()
    assert answer.getheader("Content-Type") == "text/event-stream"
    assert answer.readline() == f"id: {last + 1}\n".encode()
    conn.close()
    for bad in ("-1", "x", "1.5", "99999999999999999999"):
        assert status_of(server, "GET", f"/api/events?after={bad}", headers=server.headers())[0] == 400


def test_many_readers_see_the_same(server):
    start = server.api("GET", "/api/chats")["last_event"]
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        ids = ask(server, "Name three colours.")
        readers = [pool.submit(server.events, start, until_done(ids["turn_id"])) for _ in range(12)]
        durable = [[d for k, d in r.result() if k not in ("snapshot", "delta", "progress")] for r in readers]
    assert all(d == durable[0] for d in durable) and len(durable[0]) >= 3


def test_cancel(server):
    ids = ask(server, "Write a long story about a river, at least five hundred words.")
    server.api("POST", f"/api/turns/{ids['turn_id']}/cancel", {})
    done = server.events(after=0, until=until_done(ids["turn_id"]))[-1][1]
    assert done["data"]["state"] == "cancelled"
    assert status_of(server, "POST", f"/api/turns/{uuid.uuid4()}/cancel", {}, server.headers("POST"))[0] == 404


def test_idempotency_key_of_a_turn(server):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = server.api("POST", "/api/turns", {"text": "Say one."}, **key)
    assert server.api("POST", "/api/turns", {"text": "Say one."}, **key) == first
    assert status_of(server, "POST", "/api/turns", {"text": "Say two."}, {**server.headers("POST"), **key}) == (409, "conflict")
    assert status_of(server, "POST", "/api/turns", {"text": "x"}, {**server.headers("POST"), "Idempotency-Key": "k" * 256})[0] == 400
    server.events(after=0, until=until_done(first["turn_id"]))


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b"{}", b'{"text": 5}', b'{"text": ""}', b'{"text": "a", "text": "b"}', b'{"text": "\xff"}',
    b'{"text": "x", "thinking": "yes"}', b'{"text": "x", "chat_id": 7}', b"[" * 100 + b"]" * 100, b'{"text": "\\ud800"}',
])
def test_bad_turns_are_refused_and_nothing_starts(server, body):
    before = server.api("GET", "/api/chats")
    status, code = status_of(server, "POST", "/api/turns", body, server.headers("POST"))
    assert 400 <= status < 500 and code
    assert server.api("GET", "/api/chats") == before


def test_a_message_of_one_megabyte_is_refused_with_the_limit(server):
    for n, want in ((262145, 413), (1 << 20, 413)):
        status, _, data = server.request("POST", "/api/turns", {"text": "a" * n}, server.headers("POST"))
        assert status == want and "262144" in json.loads(data)["error"]["message"]


def test_things_that_are_not_there(server):
    for path in ("/api/chats/", "/api/approvals/", "/api/orders/"):
        for name in (str(uuid.uuid4()), "x" * 500, "..%2F..%2Fetc", "%00", "'; DROP TABLE chats;--".replace(" ", "%20")):
            assert status_of(server, "GET", path + name, headers=server.headers())[0] in (400, 404)
    assert status_of(server, "DELETE", f"/api/chats/{uuid.uuid4()}", headers=server.headers("DELETE"))[0] == 404
    assert server.request("PATCH", "/api/chats", headers=server.headers("POST"))[0] == 405
    assert server.request("GET", "/api/nothing", headers=server.headers())[0] == 404


def test_deleting_a_chat(server):
    ids = ask(server, "Say ok.")
    server.events(after=0, until=until_done(ids["turn_id"]))
    server.api("DELETE", f"/api/chats/{ids['chat_id']}")
    assert ids["chat_id"] not in [c["id"] for c in server.api("GET", "/api/chats")["chats"]]
    assert status_of(server, "GET", f"/api/chats/{ids['chat_id']}", headers=server.headers())[0] == 404


def test_profile_orders_ledger(server):
    profile = server.api("GET", "/api/profile")["profile"]
    assert profile["demo"] is True and {i["kind"] for i in profile["instruments"]} == {"card", "wallet"}
    profile["name"] = "王小明"
    assert server.api("PUT", "/api/profile", profile)["profile"]["name"] == "王小明"
    assert status_of(server, "PUT", "/api/profile", [], server.headers("PUT"))[0] == 400
    assert server.api("GET", "/api/orders") == {"orders": []}
    assert not [e for e in server.api("GET", "/api/ledger")["entries"] if e["order_id"]]


# ---- open routes and the page ----

def test_health_metrics_profile(server):
    assert json.loads(server.request("GET", "/health")[2])["status"] == "ok"
    status, headers, text = server.request("GET", "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain")
    lines = text.decode().splitlines()
    assert any(line.startswith('rukou_http_requests_total{method="GET",route="/health",status="200"}') for line in lines)
    for line in lines:
        assert line.startswith("#") or float(line.rsplit(" ", 1)[1]) >= 0
    status, headers, body = server.request("GET", "/.well-known/ucp")
    v = json.loads(body)
    assert headers["Cache-Control"] == "public, max-age=60" and v["keys"][0]["crv"] == "P-256" and "d" not in v["keys"][0]
    assert v["ucp"]["version"] == "2026-08-25" and "dev.ucp.shopping.checkout" in v["ucp"]["capabilities"]
    older = v["ucp"]["supported_versions"]["2026-04-08"]
    assert older.startswith("http://127.0.0.1:")
    w = json.loads(server.request("GET", older[older.index("/", 8):])[2])
    assert w["ucp"]["version"] == "2026-04-08" and w["signing_keys"] == w["keys"] == v["keys"] and "supported_versions" not in w["ucp"]
    assert w["ucp"]["capabilities"]["dev.ucp.shopping.order"][0]["config"]["webhook_url"].endswith("/webhooks/ucp/orders")


def test_the_page_is_strict(server):
    for path in ("/", "/chat/123", "/orders", "/profile"):
        status, headers, body = server.request("GET", path)
        assert status == 200 and headers["Content-Type"].startswith("text/html") and headers["Content-Encoding"] == "gzip"
        csp = headers["Content-Security-Policy"]
        assert "default-src 'none'" in csp and "frame-ancestors 'none'" in csp and "unsafe" not in csp
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
    tag = headers["ETag"]
    assert server.request("GET", "/", headers={"If-None-Match": tag})[0] == 304
    assert server.request("GET", "/../etc/passwd")[0] == 404


# ---- start and end ----

def test_plain_http_elsewhere_needs_tls_or_a_proxy(tmp_path):
    for flags in ([], ["--trusted-proxy", "127.0.0.1"], ["--public-origin", "https://x.example"], ["--tls-cert", "x.pem"]):
        p = run("serve", "--model", "0.5b", *NO_SHOP, "--address", "0.0.0.0", *flags, data=tmp_path / "d")
        assert p.returncode != 0 and "tls" in p.stderr.lower() and len(p.stderr.strip().splitlines()) == 1


def test_behind_a_proxy_everything_needs_a_key(tmp_path):
    with served(tmp_path / "d", *NO_SHOP, "--trusted-proxy", "127.0.0.1", "--public-origin", "https://shop.example",
                "--address", "0.0.0.0") as s:
        assert s.origin == "https://shop.example"
        s.host, s.port = "127.0.0.1", json.loads((s.data / "server.json").read_text())["port"]
        public = {"Host": "shop.example"}
        assert s.request("GET", "/v1/models", headers=public)[0] == 401
        assert s.request("GET", "/metrics", headers=public)[0] == 401
        assert s.request("GET", "/health", headers=public)[0] == 200
        status, headers, _ = s.request("GET", f"/?token={s.token}", headers=public)
        assert status == 303 and headers["Set-Cookie"].endswith("; Secure")


def test_tls(tmp_path):
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    with served(tmp_path / "d", *NO_SHOP, "--tls-cert", str(cert), "--tls-key", str(key)) as s:
        conn = http.client.HTTPSConnection(s.host, s.port, context=ssl.create_default_context(cafile=cert), timeout=20)
        conn.request("GET", f"/?token={s.token}")
        answer = conn.getresponse()
        answer.read()
        assert answer.status == 303 and "Secure" in answer.getheader("Set-Cookie")
        cookie = answer.getheader("Set-Cookie").split(";")[0]
        conn.request("GET", "/api/events?after=0", headers={"Cookie": cookie})
        answer = conn.getresponse()
        assert answer.status == 200 and answer.getheader("Content-Type") == "text/event-stream"
        conn.close()
        assert s.stop() == 0


def test_sigterm_lets_a_running_answer_end(tmp_path):
    with served(tmp_path / "d", *NO_SHOP) as s:
        body = {"prompt": NUMBERS, "max_tokens": 60, "temperature": 0}
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            answer = pool.submit(s.request, "POST", "/v1/completions", body, JSON, 60)
            stream = pool.submit(s.sign_in().events, 0, None, 60)
            time.sleep(0.5)
            assert not answer.done()
            s.proc.send_signal(signal.SIGTERM)
            status, _, data = answer.result()
            assert status == 200 and json.loads(data)["usage"]["completion_tokens"] == 60
            stream.result()
        assert s.proc.wait(30) == 0
        assert not (s.data / "server.json").exists() and not (s.data / "terminal.token").exists()


def test_sigterm_does_not_wait_for_ever(tmp_path):
    with served(tmp_path / "d", *NO_SHOP) as s:
        body = {"prompt": NUMBERS, "max_tokens": 8000, "temperature": 0}
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(s.request, "POST", "/v1/completions", body, JSON, 60)
            time.sleep(1)
            start = time.monotonic()
            assert s.stop() == 0
            assert time.monotonic() - start < 20
            assert answer.result()[0] == 503


def test_a_turn_goes_on_after_kill(tmp_path):
    with served(tmp_path / "d", *NO_SHOP) as s:
        ids = ask(s.sign_in(), "Say hello in one sentence.")
        s.stop(signal.SIGKILL)
    with served(tmp_path / "d", *NO_SHOP) as s:
        events = s.sign_in().events(after=0, until=until_done(ids["turn_id"]))
        assert [d["data"]["text"] for k, d in events if k == "message" and d["data"]["role"] == "user"] == ["Say hello in one sentence."]
        assert sum(k == "turn_done" for k, _ in events) == 1
