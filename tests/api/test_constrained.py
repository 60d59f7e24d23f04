"""Constrained decoding with noise for a model: random weights behind the real
vocabulary. Whatever it picks, a call names a tool and fits its schema, and a
reply with a response format validates."""

import json
import os
import pathlib
import random
import re
import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator

from test_schema_property import random_schema, validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "rukou"
HELPER = ROOT / "build/release/tools/chat_request"

SCHEMAS = {
    "search": {"type": "object", "properties": {
        "query": {"type": "string", "minLength": 1, "maxLength": 12}, "max": {"type": "number", "minimum": 0, "maximum": 5000},
        "sort": {"enum": ["price", "rating", "delivery"]}, "places": {"type": "array", "items": {"type": "string", "maxLength": 3}, "minItems": 1, "maxItems": 2}},
        "required": ["query"], "additionalProperties": False},
    "book": {"type": "object", "properties": {
        "day": {"type": "integer", "minimum": 1, "maximum": 31}, "who": {"$ref": "#/$defs/person"},
        "seat": {"anyOf": [{"type": "null"}, {"const": "window"}, {"type": "integer", "minimum": -3, "maximum": 3}]}},
        "required": ["day", "who"], "$defs": {"person": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}, "child": {"type": "boolean"}},
                                                         "required": ["name"], "additionalProperties": False}}},
    "now": {"type": "object", "properties": {}},
}
TOOLS = [{"type": "function", "function": {"name": n, "description": n, "parameters": s}} for n, s in SCHEMAS.items()]
MESSAGES = [{"role": "user", "content": "go"}]


@pytest.fixture(scope="module")
def noise_model(tmp_path_factory):
    real = sorted((CACHE / "models").glob("qwen2.5*.gguf"))
    assert real, f"no Qwen2.5 file in {CACHE}/models: run `rukou model pull 0.5b`"
    subprocess.run(["make", "-s", "-C", str(ROOT), "tools"], check=True)
    path = tmp_path_factory.mktemp("noise") / "noise.gguf"
    subprocess.run([sys.executable, str(ROOT / "tests/tools/tiny_gguf.py"), str(path), "--like", str(real[0])], check=True)
    return path


def ask(model, requests):
    lines = "".join(json.dumps({"messages": MESSAGES, **r}) + "\n" for r in requests)
    out = subprocess.run([str(HELPER), str(model)], input=lines.encode(), capture_output=True, timeout=600)
    assert out.returncode == 0, out.stderr.decode()
    replies, events = [], []
    for line in filter(None, out.stdout.split(b"\n")):
        event = json.loads(line)
        events.append(event)
        if "done" in event or "error" in event:
            replies.append(events)
            events = []
    assert len(replies) == len(requests)
    return replies


def calls_of(events):
    return [e["call"] for e in events if "call" in e]


def test_calls_always_fit(noise_model):
    requests = [{"tools": TOOLS, "tool_choice": 2, "one_call": True, "temperature": 1.5, "seed": s, "max_tokens": 400} for s in range(60)]
    requests += [{"tools": TOOLS, "tool_choice": 3, "tool_name": "book", "one_call": True, "temperature": 2, "seed": s, "max_tokens": 400} for s in range(20)]
    complete, names = 0, set()
    for request, events in zip(requests, ask(noise_model, requests)):
        done = events[-1]["done"]
        assert not [e for e in events if "text" in e]
        calls = calls_of(events)
        assert len(calls) == (done["finish"] == "tool_calls")
        assert done["finish"] in ("tool_calls", "length")
        for call in calls:
            Draft202012Validator(SCHEMAS[call["name"]]).validate(call["args"])
            assert call["name"] == request.get("tool_name", call["name"])
            names.add(call["name"])
            complete += 1
    assert complete >= 40 and names == set(SCHEMAS)


def test_free_choice_gives_text_or_fitting_calls(noise_model):
    requests = [{"tools": TOOLS, "temperature": 1, "seed": s, "max_tokens": 60} for s in range(20)]
    for events in ask(noise_model, requests):
        text = "".join(e.get("text", "") for e in events)
        assert not text.lstrip().startswith(('{"name": "search"', '{"name": "book"', '{"name": "now"'))
        assert "<|im_start|>" not in text and "<tool_call>" not in text
        for call in calls_of(events):
            Draft202012Validator(SCHEMAS[call["name"]]).validate(call["args"])


@pytest.mark.parametrize("name", SCHEMAS)
def test_response_format(noise_model, name):
    requests = [{"json_schema": SCHEMAS[name], "temperature": 1.5, "seed": s, "max_tokens": 400} for s in range(12)]
    finished = 0
    for events in ask(noise_model, requests):
        if events[-1]["done"]["finish"] == "stop":
            Draft202012Validator(SCHEMAS[name]).validate(json.loads("".join(e.get("text", "") for e in events)))
            finished += 1
    assert finished >= 6


def test_grammar(noise_model):
    date = 'root ::= "The date is " [0-9]{4} "-" [0-9]{2} ", " ("good" | "bad") "!" [a-z]?'
    requests = [{"grammar": date, "temperature": 1.5, "seed": s, "max_tokens": 60} for s in range(6)]
    requests += [{"grammar": date, "raw_prompt": "When? ", "temperature": 1.5, "seed": s, "max_tokens": 60} for s in range(6)]
    for events in ask(noise_model, requests):
        done = events[-1]["done"]
        assert done["finish"] == "stop"
        assert re.fullmatch(r"The date is \d{4}-\d{2}, (good|bad)![a-z]?", "".join(e.get("text", "") for e in events))
        assert done["n_decode_steps"] < done["n_completion"]


def tokens_of(events):
    return [e["logprob"]["bytes"] for e in events if "logprob" in e]


def test_forced_text_is_not_torn(noise_model):
    """Where bytes are certain the model may only write their own tokens, or one that begins with all of them and goes on."""
    sure, joined = {"temperature": 1.5, "max_tokens": 40, "n_top_logprobs": 0}, set()
    key = 'root ::= "{\\"query\\":\\"" [^"]{0,9} "\\"}"'
    for events in ask(noise_model, [{"grammar": key, "seed": s, **sure} for s in range(12)]):
        first, second, third, *_ = tokens_of(events)
        assert (first, second) == ('{"', "query") and third.startswith('":"')
    for events in ask(noise_model, [{"grammar": 'root ::= "http" [a-z]{0,3} "."?', "seed": s, **sure} for s in range(40)]):
        first = tokens_of(events)[0]
        assert first.startswith("http")
        joined.add(first)
    assert {"http", "https"} <= joined


@pytest.mark.parametrize("grammar, says", [("root ::= \"a\" root", "no text at all"), ("root ::= root \"a\" | \"b\"", "left recursion"),
                                           ("root ::= x", "not defined"), ("root = 1", "line 1")])
def test_grammar_that_cannot_be(noise_model, grammar, says):
    [events] = ask(noise_model, [{"grammar": grammar}])
    assert events[-1]["error"]["code"] == "invalid_request" and says in events[-1]["error"]["message"]


def test_grammar_stands_alone(noise_model):
    [events] = ask(noise_model, [{"grammar": "root ::= \"a\"", "json_object": True}])
    assert events[-1]["error"]["code"] == "invalid_request" and "grammar" in events[-1]["error"]["message"]


def test_random_schemas(noise_model):
    """The noise writes the tokens of 300 random schemas."""
    rng = random.Random(7)
    schemas = [random_schema(rng)[0] for _ in range(300)]
    finished = 0
    for schema, events in zip(schemas, ask(noise_model, [{"json_schema": s, "temperature": 1, "seed": i, "max_tokens": 150} for i, s in enumerate(schemas)])):
        if "error" in events[-1]:
            assert "oneOf" in events[-1]["error"]["message"] or "no value" in events[-1]["error"]["message"]
        elif events[-1]["done"]["finish"] == "stop":
            validator(schema).validate(json.loads("".join(e.get("text", "") for e in events)))
            finished += 1
    assert finished > 150


def test_same_seed_same_reply(noise_model):
    request = {"tools": TOOLS, "tool_choice": 2, "one_call": True, "temperature": 1, "seed": 5, "max_tokens": 300}
    first, second = ask(noise_model, [request, request])
    def shape(events):
        return [(e["call"]["name"], e["call"]["args"]) for e in events if "call" in e]
    assert shape(first) == shape(second) != []
    assert second[-1]["done"]["n_cached"] > 0


def test_schema_outside_the_subset_is_refused(noise_model):
    bad = {"type": "function", "function": {"name": "x", "parameters": {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}}}
    [events] = ask(noise_model, [{"tools": [bad]}])
    assert events[-1]["error"]["code"] == "invalid_request" and "properties/a/uniqueItems" in events[-1]["error"]["message"]


def test_context_full_names_both_numbers(noise_model):
    [events] = ask(noise_model, [{"messages": [{"role": "user", "content": "word " * 5000}]}])
    assert events[-1]["error"]["code"] == "context_length_exceeded" and "4096" in events[-1]["error"]["message"]
