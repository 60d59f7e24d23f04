#!/usr/bin/env python3
"""baseline.py nothing|random|first FILE [OPTIONS of rukou eval]: what the tasks come to without a model that understands anything.

nothing: one fixed sentence, whatever is asked. random: any choice that the grammar allows, drawn evenly (--seed N, default 1).
first: the first choice that the grammar allows, with the user's own words in every free text: what code alone comes to.
Words of an answer are a fixed sentence in all three. docs/eval.md has the numbers."""
import argparse
import contextlib
import http.server
import json
import os
import pathlib
import random
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
RUKOU = os.environ.get("RUKOU", str(HERE.parents[1] / "build/release/rukou"))
SENTENCE = "好的。"


class Chooser:
    """Fills JSON Schemas."""

    def __init__(self, mode, seed):
        self.mode, self.dice, self.words = mode, random.Random(seed), ""

    def pick(self, options):
        return options[0] if self.mode == "first" else self.dice.choice(options)

    def text(self, schema):
        words = self.words
        if self.mode == "random" and words:
            at = self.dice.randrange(len(words))
            words = words[at:at + self.dice.randint(2, 12)]
        return (words.strip() or "x")[:schema.get("maxLength", 200)]

    def value(self, schema):
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.pick(schema["enum"])
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self.value(self.pick(schema[key]))
        kind = schema.get("type", "string")
        if kind == "object":
            required = schema.get("required", [])
            return {k: self.value(v) for k, v in schema.get("properties", {}).items() if k in required or (self.mode == "random" and self.dice.random() < 0.5)}
        if kind == "array":
            low, high = schema.get("minItems", 1), schema.get("maxItems", 3)
            return [self.value(schema["items"]) for _ in range(low if self.mode == "first" else self.dice.randint(low, min(high, max(low, 3))))]
        if kind in ("integer", "number"):
            low = schema.get("minimum", 1)
            return low if self.mode == "first" else self.dice.randint(int(low), int(schema.get("maximum", low + 9)))
        if kind == "boolean":
            return self.pick([True, False])
        return self.text(schema)

    def answer(self, body):
        """Text, or (name, arguments) of a call."""
        said = [m["content"] for m in body["messages"] if m["role"] == "user" and isinstance(m.get("content"), str)]
        self.words = said[-1] if said else ""
        if self.mode == "nothing":
            return SENTENCE
        schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
        if schema:
            return json.dumps(self.value(schema), ensure_ascii=False)
        choice, tools = body.get("tool_choice"), [t["function"] for t in body.get("tools") or []]
        if isinstance(choice, dict):
            tools = [t for t in tools if t["name"] == choice["function"]["name"]]
        elif choice != "required" and (not tools or choice == "none" or self.pick([True, False])):
            return SENTENCE
        tool = self.pick(tools)
        return tool["name"], self.value(tool["parameters"])


def chunks(answer):
    if isinstance(answer, str):
        delta = {"content": answer}
    else:
        delta = {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": answer[0], "arguments": json.dumps(answer[1], ensure_ascii=False)}}]}
    yield {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop" if isinstance(answer, str) else "tool_calls"}]}
    yield {"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}}


@contextlib.contextmanager
def serving(chooser):
    """Yields the port of the server."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for c in chunks(chooser.answer(body)):
                self.wfile.write(f"data: {json.dumps(c, ensure_ascii=False)}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("mode", choices=["nothing", "random", "first"])
    a.add_argument("file")
    a.add_argument("--seed", type=int, default=1)
    o, rest = a.parse_known_args()
    with serving(Chooser(o.mode, o.seed)) as port:
        return subprocess.run([RUKOU, "eval", o.file, "--base-url", f"http://127.0.0.1:{port}/v1", "--model-name", o.mode, *rest]).returncode


if __name__ == "__main__":
    sys.exit(main())
