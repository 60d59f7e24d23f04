"""A model that says what the test says: an OpenAI-compatible server for --base-url. It stands for no real model's
skill; it makes the agent's own behaviour fast and exact to test."""
import contextlib
import http.server
import json
import threading


class Script:
    """reply(body) -> str (text) or (name, args) for a call."""

    def __init__(self, query="跑步鞋", say=None, offer=1):
        self.query, self.text, self.offer, self.seen = query, say, offer, []

    def reply(self, body):
        self.seen.append(body)
        choice = body.get("tool_choice")
        name = choice["function"]["name"] if isinstance(choice, dict) else None
        if name == "search_offers":
            return name, {"query": self.query}
        if name == "start_checkout":
            offer = self.offer.pop(0) if isinstance(self.offer, list) else self.offer
            return name, {"offer": offer}
        if name:
            return name, {}
        return self.text or "好的。"


def chunks(answer):
    if isinstance(answer, str):
        yield {"choices": [{"index": 0, "delta": {"content": answer}, "finish_reason": None}]}
        yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    else:
        name, args = answer
        call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": json.dumps(args, ensure_ascii=False)}}
        yield {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}
        yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    yield {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}


@contextlib.contextmanager
def scripted(script):
    """Yields the arguments that make rukou talk to the script."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for c in chunks(script.reply(body)):
                self.wfile.write(f"data: {json.dumps(c, ensure_ascii=False)}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield ["--base-url", f"http://127.0.0.1:{server.server_port}/v1", "--model-name", "scripted"]
    finally:
        server.shutdown()
        server.server_close()
