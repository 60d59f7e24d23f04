"""A model that says what the test says: an OpenAI-compatible server for --base-url. It stands for no real model's
skill; it makes the agent's own behaviour fast and exact to test."""
import contextlib
import http.server
import json
import threading


class Script:
    """reply(body) -> str. plan: steps for a plan, or a list of them, one a plan; else one search for query, and talk where the
    words do not say that anything is to be bought or found."""

    def __init__(self, query="跑步鞋", say=None, plan=None):
        self.query, self.text, self.plan, self.seen = query, say, plan, []

    def steps(self, tools, does):
        if isinstance(self.plan, list) and self.plan and isinstance(self.plan[0], list):
            return self.plan.pop(0)
        if self.plan is not None:
            return self.plan
        return [{"tool": "search_offers", "what": self.query}] if "search_offers" in tools and len(does) == 1 else [{"tool": "talk"}]

    def reply(self, body):
        self.seen.append(body)
        form = body.get("response_format")
        if not form:
            return self.text or "好的。"
        schema = form["json_schema"]["schema"]
        does = schema["properties"]["do"]["enum"]
        tools = [t["properties"]["tool"]["const"] for t in schema["properties"]["steps"]["items"]["anyOf"]]
        return json.dumps({"do": does[0], "steps": self.steps(tools, does)}, ensure_ascii=False)


def chunks(answer):
    yield {"choices": [{"index": 0, "delta": {"content": answer}, "finish_reason": None}]}
    yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
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
