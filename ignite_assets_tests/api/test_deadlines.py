"""A call's time is bounded, whatever drips: over real sockets, a drop at a time, in every part of an answer."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ignite_assets.api import wire
from ignite_assets.api.deadlines import Deadline
from ignite_assets.api.endpoints import by_name
from ignite_assets.api.errors import NetworkError
from ignite_assets.api.patience import Tally
from ignite_assets.api.protocol import Call
from ignite_assets.sandbox.damage import DRIPS
from ignite_assets_tests.api.conftest import QUICK, Clients, days_ago, fetch
from ignite_assets_tests.api.servers import RawServer, dripping, ok, self_signed

VISITORS = Call(endpoint=by_name()["visitors"], look_back=days_ago(1))
BRIEF = replace(QUICK, call_seconds=0.15)
LATE = "the call took longer than 0.15 s"
LATER = replace(QUICK, call_seconds=2)
"""Time enough for the request to arrive on a busy machine."""


@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS)
def test_an_answer_that_drips_is_ended(drip: tuple[bytes, bytes], client_for: Clients) -> None:
    with RawServer(dripping(*drip)) as server, pytest.raises(NetworkError, match=LATE) as ended:
        fetch(client_for(base_url=server.url, limits=BRIEF), VISITORS)
    assert ended.value.tries == 1
    assert ended.value.__context__ is None


def test_a_submission_whose_answer_drips_is_ended(client_for: Clients) -> None:
    with RawServer(dripping(*DRIPS["header"])) as server, pytest.raises(NetworkError, match="longer than 2 s"):
        client_for(base_url=server.url, limits=LATER).opt_out("ann@example.com", Tally())
    assert server.requests[0].startswith(b"POST /opt_outs/new?")


def test_a_handshake_that_drips_is_ended(client_for: Clients) -> None:
    record = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"
    with RawServer(dripping(record, b"\x03"), greets=True) as server, pytest.raises(NetworkError, match=LATE):
        fetch(client_for(base_url=server.url.replace("http:", "https:"), limits=BRIEF), VISITORS)


def test_an_answer_that_drips_through_tls_is_ended(
    tmp_path: Path, client_for: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with (
        RawServer(dripping(*DRIPS["header"]), tls=context) as server,
        pytest.raises(NetworkError, match="longer than 2 s"),
    ):
        fetch(client_for(base_url=server.url, limits=LATER), VISITORS)
    assert len(server.requests) == 1


def test_a_proxy_whose_answer_drips_is_ended(client_for: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(NetworkError, match=LATE):
            fetch(client_for(base_url="https://platform.invalid", limits=BRIEF), VISITORS)


@contextlib.contextmanager
def _full() -> Iterator[int]:
    """A port on loopback that takes no more connections: the next one waits until it gives up."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        while True:
            waiting = held.enter_context(socket.socket())
            waiting.settimeout(0.1)
            try:
                waiting.connect(listener.getsockname())
            except TimeoutError:
                yield listener.getsockname()[1]
                return


def test_connecting_is_ended(client_for: Clients) -> None:
    with _full() as port, pytest.raises(NetworkError, match=LATE):
        fetch(client_for(base_url=f"http://127.0.0.1:{port}", limits=BRIEF), VISITORS)


def test_a_connection_that_has_served_before_is_ended_too(client_for: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = threading.Semaphore(0)
    send = wire._Watched.request

    def sent(*args: Any, **kwargs: Any) -> None:
        send(*args, **kwargs)
        requests.release()

    def twice() -> Iterator[bytes]:
        requests.acquire()
        yield ok(b'["a"]')
        requests.acquire()
        yield from dripping(*DRIPS["header"])

    monkeypatch.setattr(wire._Watched, "request", sent)
    with RawServer(twice()) as server:
        client = client_for(base_url=server.url)
        assert fetch(client, VISITORS).num_rows == 1
        client.limits = BRIEF
        with pytest.raises(NetworkError, match=LATE):
            fetch(client, VISITORS)
    assert len(server.requests) == 1, "the second call came over the first one's connection"


def test_a_resolver_that_hangs_is_not_waited_for(client_for: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    answered, asked = threading.Event(), []

    def hang(host: str, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        answered.wait(60)
        raise socket.gaierror("unknown")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    for limits, told in (
        (BRIEF, LATE),
        (replace(QUICK, timeout_seconds=0.05), "the platform's host name couldn't be looked up in time"),
    ):
        with pytest.raises(NetworkError, match=told):
            fetch(client_for(base_url="https://platform.example", limits=limits), VISITORS)
    assert asked == ["platform.example"], "one thread waits for all who ask"
    answered.set()


def test_one_thread_looks_after_every_call(client_for: Clients) -> None:
    with RawServer(ok(b'["a"]')) as server:
        for client in (client_for(base_url=server.url), client_for(base_url=server.url)):
            fetch(client, VISITORS)
    assert [thread.name for thread in threading.enumerate()].count("ignite-deadlines") == 1


def test_each_of_many_deadlines_ends_its_own_connection_and_no_other() -> None:
    pairs = [socket.socketpair() for _ in range(40)]
    with contextlib.ExitStack() as enforced:
        for number, (near, far) in enumerate(pairs):
            enforced.callback(near.close)
            enforced.callback(far.close)
            deadline = enforced.enter_context(Deadline(0.01 + (39 - number) * 0.002 if number % 2 else 3600))
            deadline.watch(near)
        for number, (near, _) in enumerate(pairs):
            near.settimeout(20 if number % 2 else 0)
            if number % 2:
                assert near.recv(1) == b""
            else:
                with pytest.raises(BlockingIOError):
                    near.recv(1)


def test_a_connection_taken_too_late_is_ended_at_once() -> None:
    near, far = socket.socketpair()
    with near, far, Deadline(0) as deadline:
        deadline.watch(near)
        assert near.recv(1) == b""


def test_a_connection_that_was_let_go_lives_on() -> None:
    near, far = socket.socketpair()
    other, end = socket.socketpair()
    with near, far, other, end:
        with Deadline(3600) as deadline, Deadline(3600) as later:
            deadline.watch(near)
            later.watch(other)
            deadline.release()
            deadline._at = later._at = 0.0
            with Deadline(0):  # has the thread look at them all
                assert other.recv(1) == b"", "both are over by now"
        far.send(b"x")
        assert near.recv(1) == b"x"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_calls_are_ended_in_a_forked_process_too() -> None:
    with Deadline(3600):
        child = os.fork()
        if child == 0:
            near, _far = socket.socketpair()
            near.settimeout(20)
            with Deadline(0.01) as deadline:
                deadline.watch(near)
                os._exit(0 if near.recv(1) == b"" else 1)
        assert os.waitpid(child, 0)[1] == 0
