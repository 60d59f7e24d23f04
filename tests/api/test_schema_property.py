"""Random schemas: what their automata write is valid for PyPI's jsonschema, and
valid values in canonical form are accepted. Cases of the official JSON Schema
test suite, which the source package of jsonschema carries."""

import io
import json
import os
import pathlib
import random
import string
import subprocess
import sys
import tarfile

import pytest
from jsonschema import Draft202012Validator, FormatChecker

ROOT = pathlib.Path(__file__).resolve().parents[2]
HELPER = ROOT / "build/release/tools/constrain"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "rukou"
N_SCHEMAS = 5000
PATTERNS = ["^[a-z]{2,5}$", "^\\d{3}-\\d{2}$", "b", "^(red|green|blue)?$", "^[^\"]*$", "^[A-Z][\\w ]{0,8}$", "x|^y", "\\.$"]
FORMATS = ["date", "date-time", "email", "uri", "uuid"]
KEYS = ["a", "ab", "name", "q", "x y", "值", "to", "a\"b", "n"]


def validator(schema):
    return Draft202012Validator(schema, format_checker=FormatChecker())


def ask(requests):
    out = subprocess.run([str(HELPER)], input="".join(json.dumps(r) + "\n" for r in requests).encode(), capture_output=True, timeout=500)
    assert out.returncode == 0, out.stderr.decode()
    answers = [json.loads(line) for line in out.stdout.splitlines()]
    assert len(answers) == len(requests)
    return answers


def canonical(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# ---- random schemas, each with a way to make values that fit

def text(rng, n):
    return "".join(rng.choice(string.ascii_letters + " 买é\"\\\n😀") for _ in range(n))


def a_string(rng, depth):
    kind = rng.randrange(5)
    if kind == 0:
        low, high = rng.randrange(4), rng.randrange(4, 30)
        return {"type": "string", "minLength": low, "maxLength": high}, lambda r: text(r, r.randint(low, high))
    if kind == 1:
        return {"type": "string", "pattern": rng.choice(PATTERNS), **({"maxLength": rng.randrange(6, 20)} if rng.random() < .3 else {})}, None
    if kind == 2:
        return {"type": "string", "format": rng.choice(FORMATS)}, None
    if kind == 3:
        low = rng.randrange(5)
        return {"type": "string", "minLength": low}, lambda r: text(r, low + r.randrange(9))
    return {"type": "string"}, lambda r: text(r, r.randrange(12))


def a_number(rng, depth):
    low = rng.choice([rng.randint(-1000, 1000), 0, 1, rng.randint(-10**12, 10**12)])
    high = low + rng.choice([0, 3, 50, 10**6])
    kind = rng.randrange(6)
    if kind == 0:
        return {"type": "integer", "minimum": low, "maximum": high}, lambda r: r.randint(low, high)
    if kind == 1:
        m = rng.choice([2, 3, 7, 10, 25, 1000])
        return {"type": "integer", "multipleOf": m, "minimum": low, "maximum": high + m}, lambda r: -(-low // m) * m
    if kind == 2:
        f, g = round(low / 7, 3), round(high / 7 + 1, 3)
        return {"type": "number", "minimum": f, "exclusiveMaximum": g}, lambda r: min(max(round(r.uniform(f, g - .01), r.randrange(6)), f), g - .001)
    if kind == 3:
        return {"type": "number", "exclusiveMinimum": low}, lambda r: low + r.choice([.5, 1, 100, 1e-3])
    if kind == 4:
        return {"type": "number"}, lambda r: r.choice([0, 1, -1.5, 0.1, 123456789, -r.random()])
    return {"type": "integer"}, lambda r: r.randint(-10**15, 10**15)


def a_value(rng, depth):
    values = rng.sample([1, 2, "a", "ab", None, True, 1.5, [1, "x"], {"k": None}, "", "值", -3], rng.randint(1, 5))
    return ({"const": values[0]}, lambda r: values[0]) if rng.random() < .2 else ({"enum": values}, lambda r: r.choice(values))


def an_array(rng, depth):
    item, make = random_schema(rng, depth + 1)
    low = rng.randrange(3)
    schema = {"type": "array", "items": item, "minItems": low, "maxItems": low + rng.randrange(3)}
    if rng.random() < .25:
        first, make_first = random_schema(rng, depth + 1)
        schema["prefixItems"] = [first]
        schema["maxItems"] += 1
        high = schema["maxItems"]
        return schema, make and make_first and (lambda r: ([make_first(r)] + [make(r) for _ in range(high)])[:r.randint(low, high)])
    return schema, make and (lambda r: [make(r) for _ in range(r.randint(low, schema["maxItems"]))])


def an_object(rng, depth):
    keys = rng.sample(KEYS, rng.randrange(5))
    parts = {k: random_schema(rng, depth + 1) for k in keys}
    required = [k for k in keys if rng.random() < .5]
    schema = {"type": "object", "properties": {k: s for k, (s, _) in parts.items()}, "required": required}
    if rng.random() < .3:
        schema["additionalProperties"] = rng.choice([False, True, {"type": "integer"}])
    more = schema.get("additionalProperties")

    def make(r):
        v = {k: parts[k][1](r) for k in keys if k in required or r.random() < .5}
        if more and r.random() < .5:
            v["zz"] = 5
        return v
    return schema, make if all(m for _, m in parts.values()) else None


def alternatives(rng, depth):
    if rng.random() < .5:
        parts = [random_schema(rng, depth + 1) for _ in range(rng.randint(1, 3))]
        return {"anyOf": [s for s, _ in parts]}, parts[0][1]
    kinds = [random_schema(rng, depth + 1) for _ in range(2)]
    schema = {"oneOf": [{"type": "object", "properties": {"kind": {"const": i}, "v": s}, "required": ["kind", "v"]} for i, (s, _) in enumerate(kinds)]}
    return schema, kinds[1][1] and (lambda r: {"kind": 1, "v": kinds[1][1](r)})


def all_of(rng, depth):
    low = rng.randint(-50, 50)
    return ({"allOf": [{"type": "integer", "minimum": low}, {"maximum": low + 9}], "description": "both"}, lambda r: r.randint(low, low + 9))


def random_schema(rng, depth=0):
    simple = [a_string, a_number, a_value, all_of, lambda r, d: (({"type": "boolean"}, lambda q: q.random() < .5)),
              lambda r, d: ({"type": ["null", "integer"]}, lambda q: q.choice([None, 4]))]
    return rng.choice(simple + ([an_array, an_object, an_object, alternatives] * 2 if depth < 3 else []))(rng, depth)


RECURSIVE = {"$defs": {"node": {"type": "object", "properties": {"v": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2},
                                                                 "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]}}, "required": ["v"]}},
             "$ref": "#/$defs/node"}


def build():
    subprocess.run(["make", "-s", "-C", str(ROOT), "tools"], check=True)


@pytest.fixture(scope="module")
def random_answers():
    build()
    rng = random.Random(20261124)
    made = [random_schema(rng) for _ in range(N_SCHEMAS)] + [(RECURSIVE, lambda r: {"v": 1, "kids": [{"v": 2, "next": None}]})]
    requests, values = [], []
    for i, (schema, make) in enumerate(made):
        own = [make(rng) for _ in range(3)] if make else []
        own = [v for v in own if validator(schema).is_valid(v)]
        requests.append({"schema": schema, "walk": 3, "seed": i, "accept": [canonical(spelled(v)) for v in own]})
        values.append(own)
    return requests, values, ask(requests)


def test_everything_written_is_valid(random_answers):
    requests, _, answers = random_answers
    written = refused = 0
    for request, answer in zip(requests, answers):
        if "error" in answer:
            refused += 1
            assert "no value is allowed" in answer["error"] or "oneOf" in answer["error"] or "too complex" in answer["error"], answer
            continue
        for t in answer["texts"]:
            assert t is not None
            errors = list(validator(request["schema"]).iter_errors(json.loads(t)))
            assert not errors, (request["schema"], t, errors[0].message)
            written += 1
    assert written > 2.9 * N_SCHEMAS and refused < N_SCHEMAS / 50


@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_judged_by_others(name):
    """date-time and uri by rfc3339-validator and rfc3986-validator, which jsonschema's checker takes when they are there."""
    checker = FormatChecker(formats=[name])  # raises where nobody judges it
    [answer] = ask([{"schema": {"type": "string", "format": name}, "walk": 300, "seed": 5}])
    values = [json.loads(t) for t in answer["texts"]]
    for v in values:
        checker.check(v, name)
    assert len(set(values)) > 100
    if name in ("date-time", "uri"):
        assert not checker.conforms("2026-13-01T00:00:00Z" if name == "date-time" else "http:// x", name)


def test_valid_values_in_canonical_form_are_accepted(random_answers):
    requests, values, answers = random_answers
    n = 0
    for request, own, answer in zip(requests, values, answers):
        for text_, v, yes in zip(request["accept"], own, answer.get("accepted", [])):
            assert yes, (request["schema"], text_)
            n += 1
    assert n > N_SCHEMAS


# ---- the official suite

SUITE_KEYWORDS = ["additionalProperties", "allOf", "anyOf", "boolean_schema", "const", "default", "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "items",
                  "maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum", "multipleOf", "oneOf", "pattern", "prefixItems", "properties", "ref",
                  "required", "type", "infinite-loop-detection"]


def suite():
    """[(file, schema, [(value, valid)])] of draft 2020-12, from the source package in the version of deps/python.txt."""
    version = next(line.split("==")[1].strip() for line in (ROOT / "deps/python.txt").read_text().splitlines() if line.startswith("jsonschema=="))
    name = f"jsonschema-{version}.tar.gz"
    if not (CACHE / name).exists():
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "jsonschema", "-d", str(CACHE), f"jsonschema=={version}"], check=True)
    groups = []
    with tarfile.open(CACHE / name) as tar:
        for member in tar.getmembers():
            path = pathlib.PurePosixPath(member.name)
            if path.parent.name == "draft2020-12" and path.parent.parent.name == "tests" and path.stem in SUITE_KEYWORDS:
                for group in json.load(io.TextIOWrapper(tar.extractfile(member), "utf-8")):
                    groups.append((path.stem, group["schema"], [(t["data"], t["valid"]) for t in group["tests"]]))
    return groups


def spelled(value):
    """Canonical: a whole number without a point."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    if isinstance(value, list):
        return [spelled(v) for v in value]
    if isinstance(value, dict):
        return {k: spelled(v) for k, v in value.items()}
    return value


def test_official_suite(capsys):
    build()
    groups = suite()
    requests = [{"schema": s, "walk": 5, "seed": 1, "accept": [canonical(spelled(v)) for v, _ in tests]} for _, s, tests in groups]
    compiled = wrong = narrowed = cases = 0
    for (name, schema, tests), request, answer in zip(groups, requests, ask(requests)):
        if "error" in answer:
            continue
        compiled += 1
        for (value, valid), accepted in zip(tests, answer["accepted"]):
            cases += 1
            if accepted and not valid and name != "format":
                wrong += 1
                print("accepted, not valid:", name, schema, value)
            narrowed += valid and not accepted
        for t in answer["texts"]:
            assert name == "format" or validator(schema).is_valid(json.loads(t)), (name, schema, t)
    with capsys.disabled():
        print(f"\nJSON-Schema-Test-Suite: {len(groups)} schemas, {compiled} compiled, {cases} values, {narrowed} valid ones outside the narrower form")
    assert wrong == 0 and compiled > len(groups) / 2
