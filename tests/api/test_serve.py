"""`rukou serve` as a process: addresses, locks, ports, signals."""
import json
import signal
import socket
import subprocess
import urllib.request

from rukou import RUKOU, run, served


def test_prints_an_address_that_signs_in_and_ends_on_sigterm(tmp_path):
    with served(tmp_path / "d") as s:
        assert s.sign_in().api("GET", "/api/session")["user_id"]
        assert json.load(urllib.request.urlopen(s.origin + "/health"))
        assert s.stop(signal.SIGTERM) == 0


def test_a_second_serve_on_the_directory_prints_the_first_address(tmp_path):
    with served(tmp_path / "d") as s:
        second = run("serve", "--model", "0.5b", data=tmp_path / "d")
        assert second.returncode == 4
        assert s.origin in second.stdout + second.stderr
        assert len(second.stderr.strip().splitlines()) <= 1
        s.token = second.stdout.strip().split("?token=")[1]
        assert s.sign_in().api("GET", "/api/session")["user_id"], "its address signs another browser in"


def test_port_taken_is_one_line_with_the_fix(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        p = run("serve", "--model", "0.5b", "--port", str(port), data=tmp_path / "d")
    assert p.returncode != 0
    assert str(port) in p.stderr and "port" in p.stderr
    assert len(p.stderr.strip().splitlines()) == 1


def test_two_directories_run_side_by_side(tmp_path):
    with served(tmp_path / "a") as a, served(tmp_path / "b") as b:
        assert a.origin != b.origin
        name = lambda s: s.sign_in().cookie.split("=")[0]
        assert name(a) != name(b), "cookies ignore ports: the names must differ"
        shops = lambda s: json.loads((s.data / "ports.json").read_text())
        assert shops(a) != shops(b)


def test_shops_end_with_the_server_even_when_it_is_killed(tmp_path):
    with served(tmp_path / "d") as s:
        children = lambda: subprocess.run(["pgrep", "-f", f"shop serve.*{tmp_path}/d"], capture_output=True, text=True).stdout.split()
        assert children(), "the sandbox shops run as a process of their own"
        s.stop(signal.SIGKILL)
        for _ in range(100):
            if not children():
                break
            subprocess.run(["sleep", "0.1"])
        assert not children()


def test_plain_http_on_another_address_is_refused(tmp_path):
    p = run("serve", "--model", "0.5b", "--address", "0.0.0.0", data=tmp_path / "d")
    assert p.returncode != 0 and "tls_cert" in p.stderr


def test_missing_model_without_pull_is_exit_3(tmp_path):
    p = run("serve", "--no-pull", "--cache", str(tmp_path / "empty"), data=tmp_path / "d")
    assert p.returncode == 3
    assert "rukou model pull" in p.stderr
