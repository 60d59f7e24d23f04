#!/usr/bin/env python3
"""Makes bench/copy/*.txt: prompts as the agent gives them to the model after a real search in the sandbox shops.

  make all tools && python3 bench/copy/record.py

`rukou do` runs with a scripted model that records what it is asked; the conversation after search_offers is rendered by
our template. NAME.txt ends where the model answers; NAME-list.txt asks for the offers once more, in full. The pages of
pages.json stand in the same conversation as results of read_page, and the user asks for what is written there."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/api"))
from rukou import run  # noqa: E402
from scripted import Script, scripted  # noqa: E402

JOBS = [("shoes", "帮我找一双跑步鞋，500元以内，哪个平台便宜", "跑步鞋", "把上面每个商品的名称、店铺和总价原样列出来。"),
        ("cooker", "想买一个电饭煲，便宜点的", "电饭煲", "请用 JSON 把上面的 offers 原样写一遍。"),
        ("meter", "Find me a blood pressure monitor, the cheapest one", "blood pressure monitor", "List every offer above with its full title, shop and total."),
        ("tent", "I need a tent for two under 600 yuan", "tent", "Which offers did you find? Give the full title, shop and total of each.")]


def asked(say, query):
    """Messages of the model call that follows the search."""
    script = Script(query=query)
    with tempfile.TemporaryDirectory() as d, scripted(script) as model:
        run("do", say, "--approve", "no", "--json", *model, data=pathlib.Path(d) / "d",
            env={"RUKOU_CLOCK": "2026-11-23T10:00:00+08:00"}, timeout=300)
    for body in script.seen:
        last = body["messages"][-1]
        if last["role"] == "tool" and "offers" in last["content"]:
            return body["messages"]
    raise SystemExit(f"no search was made for {say}")


def render(messages):
    tool = os.environ.get("RENDER", str(ROOT / "build/release/tools/render_template"))
    line = json.dumps({"messages": messages, "arch": "qwen2", "add_generation_prompt": True}, ensure_ascii=False)
    return json.loads(subprocess.run([tool], input=line, capture_output=True, text=True, check=True).stdout)["text"]


def main():
    here = pathlib.Path(__file__).parent
    for name, say, query, again in JOBS:
        messages = asked(say, query)
        (here / f"{name}.txt").write_text(render(messages))
        messages += [{"role": "assistant", "content": "OK."}, {"role": "user", "content": again}]
        (here / f"{name}-list.txt").write_text(render(messages))
    head = messages[:next(i for i, m in enumerate(messages) if m["content"] == say)]
    for p in json.loads((here / "pages.json").read_text()):
        call = {"id": "call_1", "type": "function", "function": {"name": "read_page", "arguments": {"url": p["page"]["url"]}}}
        (here / f"{p['name']}.txt").write_text(render(head + [
            {"role": "user", "content": p["ask"]}, {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": json.dumps(p["page"], ensure_ascii=False)}]))


if __name__ == "__main__":
    main()
