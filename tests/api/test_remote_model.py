"""The remote backend against a server that streams what the test says: text, reasoning,
calls in fragments and as tags, errors, and nonsense."""

import contextlib
import http.server
import json
import pathlib
import subprocess
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HELPER = ROOT / "build/release/tools/chat_request"
TOOLS = [{"type": "function", "function": {"name": "search", "parameters": {
    "type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"], "additionalProperties": False}}}]
MESSAGES = [{"role": "user", "content": "买鞋"}]


@contextlib.contextmanager
def model_server(status, body, pieces=7):
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append((self.path, dict(self.headers), json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(status)
            self.send_header("Content-Type", "text/event-stream" if status == 200 else "application/json")
            self.end_headers()
            for i in range(0, len(body), pieces):
                self.wfile.write(body[i:i + pieces])
                self.wfile.flush()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", seen
    finally:
        server.shutdown()
        server.server_close()


def stream(*deltas, finish="stop", usage=True, done=True):
    events = [{"choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
    if finish:
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if usage:
        events.append({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}})
    text = "".join(f"data: {json.dumps(e, ensure_ascii=False)}\n\n" for e in events)
    return (text + ("data: [DONE]\n\n" if done else "")).encode()


def ask(body, status=200, **request):
    subprocess.run(["make", "-s", "-C", str(ROOT), "tools"], check=True)
    with model_server(status, body) as (url, seen):
        out = subprocess.run([str(HELPER), "--remote", url, "some-model"], capture_output=True, timeout=60,
                             input=json.dumps({"messages": MESSAGES, **request}).encode() + b"\n")
    assert out.returncode == 0, out.stderr
    assert b"sk-test" not in out.stdout + out.stderr
    lines = [json.loads(line) for line in out.stdout.split(b"\n") if line]
    return lines[:-1], lines[-1], seen


def joined(events, kind):
    return "".join(e.get(kind, "") for e in events)


def test_text_usage_and_request():
    events, last, seen = ask(stream({"role": "assistant", "content": ""}, {"content": "你"}, {"content": "好 👟"}), temperature=0.5, seed=7,
                             max_tokens=20, stop=["END"], tools=TOOLS, one_call=True)
    assert joined(events, "text") == "你好 👟"
    done = last["done"]
    assert (done["finish"], done["n_prompt"], done["n_completion"], done["n_cached"]) == ("stop", 11, 5, 4)
    path, headers, body = seen[0]
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer sk-test"
    assert body["messages"] == MESSAGES and body["tools"] == TOOLS and body["stream"] is True and body["model"] == "some-model"
    assert (body["temperature"], body["seed"], body["max_tokens"], body["stop"], body["parallel_tool_calls"]) == (0.5, 7, 20, ["END"], False)


def test_calls_in_fragments():
    def part(i, **fn):
        return {"tool_calls": [{"index": i, "id": "x", "function": fn}]}
    events, last, _ = ask(stream(part(0, name="search", arguments=""), part(0, arguments='{"q": "跑'), part(0, arguments='鞋"}'),
                                 part(1, name="search", arguments='{"q":"b"}'), finish="tool_calls"), tools=TOOLS)
    assert [(c["call"]["name"], c["call"]["args"]) for c in events] == [("search", {"q": "跑鞋"}), ("search", {"q": "b"})]
    assert all(c["call"]["id"].startswith("call_") and len(c["call"]["id"]) == 29 for c in events)
    assert last["done"]["finish"] == "tool_calls"


def test_tags_in_text_and_reasoning():
    events, last, _ = ask(stream({"reasoning_content": "hm"}, {"content": "<think>\nwhy</th"}, {"content": "ink>\nSure.\n<tool_"},
                                 {"content": 'call>\n{"name": "search", "arguments": {"q": "x"}}\n</tool_call>'}), tools=TOOLS)
    assert joined(events, "reasoning") == "hmwhy" and joined(events, "text") == "Sure."
    assert [e["call"]["args"] for e in events if "call" in e] == [{"q": "x"}] and last["done"]["finish"] == "tool_calls"


@pytest.mark.parametrize("fn", [{"name": "search", "arguments": '{"q": 5}'}, {"name": "search", "arguments": "{}"}, {"name": "buy", "arguments": "{}"},
                                {"name": "search", "arguments": '{"q": "x"'}, {"name": "search", "arguments": '{"q": "x", "z": 1}'}])
def test_calls_that_do_not_fit_are_refused(fn):
    events, last, _ = ask(stream({"tool_calls": [{"index": 0, "function": fn}]}, finish="tool_calls"), tools=TOOLS)
    assert not any("call" in e for e in events)
    assert last["error"]["code"] == "upstream_error"


def test_response_format_is_checked():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    _, good, seen = ask(stream({"content": '{"n": 3}'}), json_schema=schema)
    assert good["done"]["finish"] == "stop" and seen[0][2]["response_format"]["json_schema"]["schema"] == schema
    _, bad, _ = ask(stream({"content": '{"n": "3"}'}), json_schema=schema)
    assert bad["error"]["code"] == "upstream_error" and "n must be an integer" in bad["error"]["message"]


@pytest.mark.parametrize("status,message,code", [
    (401, "Incorrect API key provided: sk-test", "upstream_error"), (404, "no such model", "model_not_found"), (429, "slow down sk-test", "busy"),
    (400, "maximum context length is 8192 tokens", "context_length_exceeded"), (400, "bad role", "invalid_request"),
    (503, "loading", "unavailable"), (500, "boom", "upstream_error")])
def test_http_errors(status, message, code):
    _, last, _ = ask(json.dumps({"error": {"message": message}}).encode(), status=status)
    assert last["error"]["code"] == code


def test_broken_streams():
    for body in (stream({"content": "half"}, finish=None), b"data: {broken\n\n", b"", b'data: {"error": {"message": "overloaded"}}\n\n'):
        _, last, _ = ask(body)
        assert last["error"]["code"] == "upstream_error", body


def test_cancel_and_length():
    events, last, _ = ask(stream(*[{"content": "word "}] * 50), cancel_after_events=3)
    assert last["done"]["finish"] == "cancelled" and len(events) <= 5
    _, last, _ = ask(stream({"tool_calls": [{"index": 0, "function": {"name": "search", "arguments": '{"q": "cut'}}]}, finish="length"), tools=TOOLS)
    assert last["done"]["finish"] == "length"
