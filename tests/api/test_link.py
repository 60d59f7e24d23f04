"""The user's account at a shop: linked with consent, its token renewed when it has run out, by one of many requests; taken back
by the shop, it is said once and asked for no more. No token is seen by a model, a log or a database."""
import concurrent.futures
import http.client
import json
import re
import stat
import subprocess
import types
import urllib.parse

import pytest
from rukou import ROOT, RUKOU, run, served
from scripted import Script, scripted
from test_shop import ADDRESS, Agent, complete, find, request_for
from trouble import CLOCK, Answer, Fault, free_port, trouble

PAPETERIE = ROOT / "tests/conformance/shops/papeterie"


class World:
    def __init__(self, tmp):
        self.tmp, self.data, self.shop_data, self.port, self.other = tmp, tmp / "d", tmp / "shop-data", free_port(), Agent()
        self.profile = f"http://127.0.0.1:{self.port}/.well-known/ucp"
        self.script, self.sent, self.down, self.tokens = Script(query="postcard"), [], False, set()
        self.data.mkdir(mode=0o700)
        (self.data / "ports.json").write_text(json.dumps({"server": self.port, "shops": free_port()}))

    def shop(self):
        """The conformance suite's shop, with our agent among its clients."""
        d = self.tmp / "papeterie"
        d.mkdir()
        (self.tmp / "common").symlink_to(PAPETERIE.parent / "common")
        for f in PAPETERIE.iterdir():
            if f.name != "clients.tsv":
                (d / f.name).write_bytes(f.read_bytes())
        (d / "clients.tsv").write_text(f"{self.profile}\t-\thttp://127.0.0.1/linked\t{self.profile}\trukou\n")
        return d

    def look(self, h, body):
        if h.path == "/oauth2/token" and self.down:
            return Answer(503, {"Content-Type": "application/json"}, b'{"error":"temporarily_unavailable"}')
        if "/checkout-sessions" in h.path:
            self.sent.append(h.headers.get("Authorization"))

    def links(self):
        return json.loads((self.data / "links.json").read_text())[self.origin]

    def expire(self):
        (self.data / "links.json").write_text(json.dumps({self.origin: self.links() | {"expires_ms": 1}}))

    def do(self):
        """(what stood in Authorization of its checkouts, requests for tokens)"""
        del self.sent[:], self.fault.log[:]
        p = run("do", "buy a postcard, the cheapest", "--approve", "no", "--json", data=self.data, env=CLOCK)
        assert p.returncode == 0 and self.sent, p.stderr + p.stdout
        return set(self.sent), sum(path == "/oauth2/token" for _, path, _ in self.fault.log)

    def link(self):
        """As the user does it in a browser; an order's number and telephone number say who it is."""
        shop = types.SimpleNamespace(origin=self.origin)
        card = find(self.other, shop, "postcard")[0]["variants"][0]["id"]
        _, co = self.other.call(shop, "POST", "/checkout-sessions", request_for(card))
        order = complete(self.other, shop, co)[1]["order"]["id"]
        p = subprocess.Popen([RUKOU, "shop", "link", self.origin, "--data", str(self.data)], stdout=subprocess.PIPE, text=True)
        url = urllib.parse.urlsplit(re.search(r"open (\S+)", p.stdout.readline())[1])
        form = urllib.parse.urlencode({"order": order, "phone": ADDRESS["phone_number"]})
        status, headers = self.ask(url.netloc, "POST", url.path + "?" + url.query, form)
        back = urllib.parse.urlsplit(headers["Location"])
        assert status == 302 and self.ask(back.netloc, "GET", back.path + "?" + back.query)[0] == 200
        assert p.wait(20) == 0, p.stdout.read()
        p.stdout.close()
        self.remember()

    def remember(self):
        self.tokens |= {self.links()[k] for k in ("access_token", "refresh_token")}

    def ask(self, netloc, method, path, body=None):
        c = http.client.HTTPConnection(netloc, timeout=20)
        c.request(method, path, body, {"Content-Type": "application/x-www-form-urlencoded"} if body else {})
        r = c.getresponse()
        r.read()
        c.close()
        return r.status, dict(r.getheaders())


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("link"))
    w.fault = Fault(before=w.look)
    with trouble(w.fault, w.shop_data, w.port, shop=w.shop(), more=["--agent", w.other.origin]) as origin, scripted(w.script) as model:
        w.origin = origin
        with served(w.data, *model, "--shops", origin, env=CLOCK) as w.server:
            w.server.sign_in()
            yield w
    w.other.server.shutdown()


def bearer(world):
    return {"Bearer " + world.links()["access_token"]}


def test_an_account_is_linked_and_used(world):
    assert world.do() == ({None}, 0)
    world.link()
    assert stat.S_IMODE((world.data / "links.json").stat().st_mode) == 0o600
    assert world.do() == (bearer(world), 0)
    (shop,) = world.server.api("GET", "/api/shops")["shops"]
    assert shop["linked"] and not shop["link_ended"]


def test_a_token_that_has_run_out_is_renewed(world):
    before = world.links()
    world.expire()
    used, asked = world.do()
    world.remember()
    now = world.links()
    assert (used, asked) == (bearer(world), 1)
    assert now["access_token"] != before["access_token"] and now["refresh_token"] != before["refresh_token"] and now["scope"] == before["scope"]
    assert world.do() == (bearer(world), 0)


def test_many_requests_renew_it_once(world):
    """A refresh token is for one use; who used it twice would lose the link."""
    world.expire()
    del world.sent[:], world.fault.log[:]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = [pool.submit(run, "do", "buy a postcard, the cheapest", "--approve", "no", "--json", data=world.data, env=CLOCK) for _ in range(3)]
        assert all(r.result().returncode == 0 for r in runs)
    world.remember()
    assert set(world.sent) == bearer(world) and sum(path == "/oauth2/token" for _, path, _ in world.fault.log) == 1


def test_a_server_that_is_down_ends_no_link(world):
    world.expire()
    world.down = True
    before = world.links()
    used, asked = world.do()
    assert used == {None} and asked >= 1 and world.links() == before
    world.down = False
    used, asked = world.do()
    world.remember()
    assert (used, asked) == (bearer(world), 1)


def test_a_link_that_the_shop_takes_back_is_said_and_not_asked_for_again(world):
    form = urllib.parse.urlencode({"token": world.links()["refresh_token"], "client_id": world.profile})
    assert world.ask(urllib.parse.urlsplit(world.origin).netloc, "POST", "/oauth2/revoke", form)[0] == 200
    old = bearer(world)
    used, asked = world.do()
    assert used == old | {None} and asked == 1, "refused once, asked once, then without an account"
    assert world.links() == {}
    assert world.do() == ({None}, 0)
    assert "no longer linked" in run("shop", "list", data=world.data).stdout
    (shop,) = world.server.api("GET", "/api/shops")["shops"]
    assert shop["link_ended"] and not shop["linked"]
    said = open(f"{world.data}.stderr").read()
    assert said.count("is no longer linked") == 1 and f"rukou shop link {world.origin}" in said and "invalid_grant" in said
    world.link()
    assert world.do() == (bearer(world), 0)
    assert run("shop", "unlink", world.origin, data=world.data).returncode == 0
    assert world.do() == ({None}, 0)


def test_no_token_is_seen(world):
    assert len(world.tokens) >= 8
    said = json.dumps(world.script.seen) + open(f"{world.data}.stderr").read()
    kept = b"".join(f.read_bytes() for f in world.data.rglob("*") if f.is_file() and f.name != "links.json")
    for token in world.tokens:
        assert token not in said and token.encode() not in kept
