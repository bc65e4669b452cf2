"""The server: loopback alone, quiet, quick to stop, and with a journal of what was asked."""

import contextlib
import datetime as dt
import logging
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from ignite_assets.sandbox import DEMO_WEBSITES, Fault, SandboxServer, SandboxWebsite, frozen
from ignite_assets_tests.sandbox.conftest import NOW, SITES, Caller, days_ago


def test_it_serves_the_demo_dealers_by_default() -> None:
    with SandboxServer() as server:
        assert [site.key for site in server.websites] == ["acme-honda", "bayside-kia", "summit-ford"]
        assert Caller(server, DEMO_WEBSITES[2]).get("/api/audiences").status_code == 200


def test_it_listens_on_loopback_alone(server: SandboxServer) -> None:
    assert server.url == f"http://127.0.0.1:{server.port}"
    with pytest.raises(OSError, match=r"refused|unreachable"):
        socket.create_connection(("127.0.0.2", server.port), timeout=5)


def test_a_port_that_is_taken_is_an_error(server: SandboxServer) -> None:
    with pytest.raises(OSError, match="in use"):
        SandboxServer(port=server.port).start()


def test_a_stopped_server_frees_its_port() -> None:
    with SandboxServer(SITES) as server:
        port = server.port
        Caller(server, SITES[0]).json("/api/audiences")
    with SandboxServer(SITES, port=port) as again:
        assert Caller(again, SITES[0]).json("/api/audiences")


def test_it_stops_while_answers_are_under_way() -> None:
    with SandboxServer(SITES) as server:
        server.faults.add(Fault(endpoint="visitors", endless=True, body=b"["), Fault(endpoint="sales", delay=3600))
        url, query = server.url, {"token": SITES[0].token}
        with ThreadPoolExecutor(1) as pool, requests.get(f"{url}/api/visitors", query, stream=True) as endless:
            assert next(endless.iter_content(1)) == b"["
            waiting = pool.submit(requests.get, f"{url}/api/sales", query, timeout=60)
            server.stop()
            assert isinstance(waiting.exception(), requests.ConnectionError)


def test_a_connection_that_is_accepted_while_it_stops_is_closed() -> None:
    with SandboxServer(SITES) as server:
        held, go = threading.Event(), threading.Event()

        def hold() -> None:
            held.set()
            go.wait(60)

        server._uvicorn.servers[0].get_loop().call_soon_threadsafe(hold)
        assert held.wait(60)
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
            stopping = threading.Thread(target=server.stop)
            stopping.start()
            go.wait(0.15)  # by then the loop accepts and stops in one turn
            go.set()
            stopping.join()
            with contextlib.suppress(ConnectionResetError):
                assert client.recv(1) == b""


def test_nothing_is_logged_about_a_request(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.CRITICAL, "urllib3"):
        caller.get("/api/visitors")
        caller.get("/api/visitors", secret="wrong")
    assert caller.website.token not in caplog.text


def test_the_journal_tells_what_was_asked(server: SandboxServer, caller: Caller) -> None:
    assert len(server.requests) == 0
    caller.get("/api/visitors", date=days_ago(2), algo="sha2")
    caller.get("/api/locations/5")
    caller.get("/api/sales", token="unknown")
    server.faults.add(Fault(cut="reset"))
    with pytest.raises(requests.ConnectionError):
        caller.get("/api/products")
    assert [tuple(request) for request in server.requests] == [
        ("GET", "visitors", "acme-honda", None, days_ago(2).isoformat(), "sha2", 200),
        ("GET", "location_details", "acme-honda", 5, None, None, 404),
        ("GET", "sales", None, None, None, None, 401),
        ("GET", "products", "acme-honda", None, None, None, None),
    ]
    assert len(server.requests.of("sales")) == 1
    server.requests.clear()
    assert list(server.requests) == []


def test_the_journal_holds_no_credentials(server: SandboxServer, caller: Caller) -> None:
    caller.get("/api/visitors")
    caller.opt_out(params={"token": caller.website.token, "emails": "someone@example.com"})
    text = repr(list(server.requests))
    assert caller.website.token not in text
    assert caller.website.secret not in text
    assert "@" not in text


def test_two_websites_with_one_token_are_refused() -> None:
    with pytest.raises(ValueError, match="share"):
        SandboxServer([SandboxWebsite("a", token="same"), SandboxWebsite("b", token="same")])


def test_a_clock_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        frozen(NOW.replace(tzinfo=None))


def test_the_real_clock_moves_with_the_world() -> None:
    with SandboxServer(SITES) as server:
        before = dt.datetime.now(dt.UTC)
        answer = Caller(server, SITES[0]).json("/api/visitors", algo="sha2")
        after = dt.datetime.now(dt.UTC)
        truths = [server.world.visitors(SITES[0], None, moment, "sha2") for moment in (before, after)]
        assert answer in truths


def test_a_website_is_found_by_its_key(server: SandboxServer) -> None:
    assert server.website("bayside-kia") == SITES[1]
    with pytest.raises(KeyError):
        server.website("nobody")


def test_importing_the_sandbox_brings_neither_dagster_nor_pandas() -> None:
    program = "import sys, ignite_assets.sandbox as _; print(sorted({'dagster', 'pandas'} & set(sys.modules)))"
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"
