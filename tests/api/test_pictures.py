"""Pictures of offers: the page gets them from us, by an id that code gave them; the merchants decide nothing else."""
import pytest
from moody_merchant import Merchant, open_for_business
from rukou import served
from scripted import Script, scripted

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><script>alert(1)</script><rect width="9" height="9"/></svg>'
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


class Gallery(Merchant):
    """Running shoes, each with another kind of picture. asked: the paths of the pictures that were asked for."""

    def __init__(self, name, price):
        super().__init__(name, price)
        self.pictures, self.asked, self.neighbour = {}, [], ""

    def products(self):
        answer = super().products()
        shoe = answer["products"][0]
        answer["products"] = []
        for i, (name, url) in enumerate(self.pictures.items()):
            p = {**shoe, "id": f"p{i}", "title": f"跑步鞋 {name}", "variants": [{**shoe["variants"][0], "id": f"p{i}-0", "title": name}]}
            answer["products"].append({**p, "media": [{"type": "video", "url": "http://x/"}, {"type": "image", "url": url}]} if url else p)
        return answer

    def handle(self, method, path, headers, body):
        if not path.startswith("/pictures/"):
            return super().handle(method, path, headers, body)
        name = path.removeprefix("/pictures/")
        self.asked.append(name)
        return {
            "drawing": (200, ("image/svg+xml", SVG, {}), False),
            "photo": (200, ("text/html", PNG, {}), False),
            "page": (200, ("image/svg+xml", b"<html><script>alert(1)</script></html>", {}), False),
            "large": (200, ("image/png", PNG + bytes(1 << 20), {}), False),
            "moved": (302, ("text/plain", b"", {"Location": self.neighbour + "/pictures/secret"}), False),
        }.get(name, (404, {"code": "not_found"}, False))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A server, its two merchants, and the cards' picture ids by the picture's name."""
    shop, neighbour = Gallery("Gallery", 29900), Gallery("Neighbour", 39900)
    with open_for_business([shop, neighbour]) as origins, scripted(Script()) as model:
        shop.neighbour = neighbour.origin
        shop.pictures = {n: f"{shop.origin}/pictures/{n}" for n in ("drawing", "photo", "page", "large", "moved")}
        shop.pictures |= {"theirs": f"{neighbour.origin}/pictures/secret", "file": "file:///etc/passwd", "none": None}
        with served(tmp_path_factory.mktemp("pictures") / "d", *model, "--shops", ",".join(origins)) as s:
            s.sign_in()
            s.api("POST", "/api/turns", {"text": "找几款跑步鞋，先别买"})
            cards = next(d for t, d in s.events(until=lambda t, d: t == "turn_done") if t == "card")["data"]["cards"]
            yield s, shop, neighbour, {c["title"].split()[1]: c.get("picture_id") for c in cards}


def get(s, picture, **headers):
    return s.request("GET", f"/api/pictures/{picture}", headers={**s.headers(), **headers})


def test_a_drawing_comes_once_and_can_do_nothing(world):
    s, shop, _, ids = world
    for _ in range(3):
        status, headers, body = get(s, ids["drawing"])
        assert (status, headers["Content-Type"], body) == (200, "image/svg+xml", SVG)
        assert "sandbox" in headers["Content-Security-Policy"] and "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Cache-Control"].startswith("private")
    assert shop.asked.count("drawing") == 1
    assert get(s, ids["drawing"], **{"Sec-Fetch-Dest": "document"})[0] == 403
    assert get(s, ids["drawing"], **{"Sec-Fetch-Dest": "image"})[0] == 200


def test_bytes_decide_what_it_is(world):
    s, _, _, ids = world
    assert get(s, ids["photo"])[1]["Content-Type"] == "image/png"
    for name in ("page", "large"):
        status, headers, _ = get(s, ids[name])
        assert (status, headers["Content-Type"]) == (502, "application/json"), name


def test_it_is_no_way_to_other_places(world):
    s, _, neighbour, ids = world
    assert get(s, ids["moved"])[0] == 502 and get(s, ids["theirs"])[0] == 502
    assert neighbour.asked == []
    assert ids["file"] is None and ids["none"] is None
    for unknown in ("01900000-0000-7000-8000-000000000000", "http:%2F%2F127.0.0.1%2F", "x"):
        assert get(s, unknown)[0] == 404


def test_only_the_user_sees_them(world):
    s, _, _, ids = world
    assert s.request("GET", f"/api/pictures/{ids['drawing']}")[0] == 401
