"""The news site of the sandbox, over real HTTP."""
import json
import os
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest

from rukou import ROOT, RUKOU


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    data = tmp_path_factory.mktemp("news")
    p = subprocess.Popen([RUKOU, "shop", "serve", "--json", "--sandbox", "--agent", "http://127.0.0.1:1", "--news", str(ROOT / "sites/news/articles.txt"),
                          "--data", str(data / "d"), str(ROOT / "shops/moxiang")], stdout=subprocess.PIPE, text=True, cwd=ROOT,
                         env={**os.environ, "RUKOU_CLOCK": "2026-11-23T09:00:00+08:00"})
    try:
        lines = [json.loads(p.stdout.readline()) for _ in range(2)]
        assert lines[0]["shop"] == "moxiang" and lines[1]["site"] == "news"
        yield lines[1]["origin"]
    finally:
        p.terminate()
        assert p.wait(20) == 0


def get(url):
    with urllib.request.urlopen(url, timeout=10) as r:
        return r.read().decode()


def search(site, q, **more):
    return json.loads(get(f"{site}/search?" + urllib.parse.urlencode({"q": q, "format": "json", **more})))["results"]


def test_the_front_page_lists_what_has_appeared(site):
    front = get(site + "/")
    names = re.findall(r'href="/articles/([^"]+)"', front)
    times = re.findall(r'datetime="([^"]+)"', front)
    assert len(names) == len(set(names)) >= 40 and times == sorted(times, reverse=True) and times[0] <= "2026-11-23T09:00:00"
    assert "translation-earbuds" not in names, "it appears at 09:10"
    technology = [t[:10] for t in re.findall(r'datetime="([^"]+)">[^<]*</time> · 科技', front)]
    assert {d: technology.count(d) for d in set(technology)} == {f"2026-11-{d}": 3 - (d == 23) for d in range(17, 24)}
    for name in names:
        assert "<article>" in get(f"{site}/articles/{name}")


def test_search(site):
    today = search(site, "今天有什么科技新闻", time_range="day")
    assert {r["publishedDate"][:10] for r in today} == {"2026-11-23"} and len(today) == 2
    assert search(site, "camping")[0]["url"].endswith("camping-rain") and search(site, "露营 清单")[0]["url"].endswith("camping-autumn")
    assert {r["url"].split("/")[-1] for r in search(site, "旧电池 回收")} >= {"battery-recycling"}
    assert search(site, "electric cars")[0]["publishedDate"] and search(site, "zzzz") == search(site, "") == []
    assert "electric-car-winter" in get(f"{site}/search?q=" + urllib.parse.quote("电动车"))
    assert "<script>" not in get(f"{site}/search?q=%3Cscript%3E")


def test_robots_and_what_is_not_there(site):
    assert "Disallow: /search" in get(site + "/robots.txt")
    for path in ("/articles/translation-earbuds", "/articles/none", "/nothing"):
        with pytest.raises(urllib.error.HTTPError) as e:
            get(site + path)
        assert e.value.code == 404
