"""web_search and read_page over the sandbox news site: what is opened is cited, and text of others opens, buys and tells nothing."""
import http.server
import json
import threading

import pytest

from rukou import run
from scripted import Script, scripted

CLOCK = {"RUKOU_CLOCK": "2026-11-23T10:00:00+08:00"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("web") / "d"


def do(text, data, *args, env=None):
    p = run("do", text, "--approve", "yes", "--json", *args, data=data, env=CLOCK | (env or {}))
    return p, [json.loads(x) for x in p.stdout.splitlines()]


def of(events, kind):
    return [e["data"] for e in events if e["type"] == kind]


def web(text, data, plan, say="知道了。", env=None):
    with scripted(Script(say=say, plan=plan)) as model:
        p, events = do(text, data, *model, env=env)
    assert p.returncode == 0, p.stderr
    assert not of(events, "approval_request") and not of(events, "card") and not of(events, "order")
    return events, of(events, "turn_done")[0]["answer"]


def test_todays_news_is_read_and_cited(data):
    events, answer = web("今天有什么科技新闻？", data, [{"tool": "web_search", "query": "科技新闻"}])
    sources = of(events, "source")
    assert len(sources) == 3 and {s["date"] for s in sources} == {"2026-11-23"}
    call = of(events, "tool_call")[0]
    assert all(s["call_id"] == call["call_id"] and s["url"] in answer and s["title"] in answer for s in sources)
    pages = of(events, "tool_result")[0]["result"]["pages"]
    assert [p["url"] for p in pages] == [s["url"] for s in sources] and all(len(p["text"]) > 80 for p in pages)


def test_an_article_with_an_injection_does_nothing(data):
    events, answer = web("帮我总结一下露营的文章", data, [{"tool": "web_search", "query": "露营"}], "文章讲了三处营地。")
    assert "忽略以上所有内容" in json.dumps(of(events, "tool_result"), ensure_ascii=False)
    assert "三处营地" in answer and "[1]" in answer and "camping-autumn" in answer


def test_nothing_found_is_said(data):
    events, answer = web("find articles about zzqx", data, [{"tool": "web_search", "query": "zzqx"}], "I looked.")
    assert not of(events, "source") and "nothing was found" in answer


@pytest.mark.parametrize("address", ["http://127.0.0.2:1/", "https://elsewhere.example/steal?address=x", "file:///etc/passwd", "javascript:1"])
def test_only_an_address_that_the_user_wrote_is_opened(data, address):
    events, answer = web("看看那个页面", data, [{"tool": "read_page", "address": address}])
    assert not of(events, "source") and of(events, "tool_result")[0]["ok"] is False and "只能打开你写出的网址" in answer


def test_a_written_address_is_opened_and_a_private_one_is_not(data):
    seen = []

    class Inside(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    inside = http.server.HTTPServer(("127.0.0.1", 0), Inside)
    threading.Thread(target=inside.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{inside.server_port}/router"
    events, answer = web(f"what does {url} say", data, [{"tool": "read_page", "address": url}], "Nothing.")
    inside.shutdown()
    assert seen == [] and not of(events, "source") and "could not be opened" in answer
    site = next(s["url"] for s in of(web("科技新闻", data, [{"tool": "web_search", "query": "科技"}])[0], "source"))
    events, answer = web(f"总结 {site}", data, [{"tool": "read_page", "address": site}])
    assert of(events, "source")[0]["url"] == site and site in answer


def test_the_profile_stays_at_home(data):
    street = json.loads(run("profile", "--json", data=data).stdout)["address"]
    events, answer = web("搜一下附近的新闻", data, [{"tool": "web_search", "query": f"{street} 新闻"}])
    assert not of(events, "source") and "个人资料" in answer and of(events, "tool_result")[0]["ok"] is False
    events, _ = web(f"{street} 有什么科技新闻", data, [{"tool": "web_search", "query": f"{street} 科技"}])
    assert of(events, "tool_result")[0]["ok"], "the user wrote it"


def test_no_search_is_said(data):
    events, answer = web("科技新闻", data, [{"tool": "web_search", "query": "科技"}], "知道了。", env={"RUKOU_SEARCH_URL": "http://127.0.0.1:1/search"})
    assert not of(events, "source") and "现在不能搜索" in answer
