"""An interrupt or a kill at any moment of a write leaves the old file or the new one, and the next write succeeds.

Each kind of file that the package writes, on a local path and on an S3 server; SIGINT and SIGTERM as the command line
handles them, and SIGKILL. On a local path a moment is a call into the system; on S3 it is a request.
"""

import io
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ignite_assets.storage import store as storing
from ignite_assets.storage.store import Store
from ignite_assets_tests.commands import ROOT, environment
from ignite_assets_tests.interrupted import KINDS, Version
from ignite_assets_tests.storage.test_lake_on_s3 import Way, objects, url
from ignite_assets_tests.storage.test_lake_on_s3 import store as store  # noqa: PLC0414 - a fixture
from ignite_assets_tests.storage.test_lake_on_s3 import way as way  # noqa: PLC0414 - a fixture

pytestmark = pytest.mark.slow
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
ENDS = {0, 128 + signal.SIGINT, 128 + signal.SIGTERM, -signal.SIGKILL}
MOMENTS = 3
"""How many of a write's moments are tried with each signal, evenly spread; each signal has others."""


class Writer:
    """A process that writes, and is interrupted or killed when told to."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ignite_assets_tests.interrupted"], cwd=ROOT,
            env={**environment(), **{k: v for k, v in os.environ.items() if k.startswith("AWS_")}},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def begin(self, root: str, kind: str, version: Version, number: int = 0, moment: int = 0) -> int:
        """Begin a write; the pid of its process."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{root} {kind} {version} {number} {moment}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> tuple[int, int]:
        """How the write ended, and how many moments it had."""
        assert self._process.stdout
        ended, passed = map(int, self._process.stdout.readline().split())
        assert ended in ENDS
        return ended, passed

    def write(self, root: str, kind: str, version: Version) -> int:
        """Write, not interrupted; how many moments it had."""
        self.begin(root, kind, version)
        ended, passed = self.end()
        assert ended == 0
        return passed

    def close(self) -> None:
        with self._process as process:
            assert process.stdin
            process.stdin.close()


@pytest.fixture(scope="module")
def writer(store: int) -> Iterator[Writer]:
    assert store  # which sets the credentials of processes
    writer = Writer()
    yield writer
    writer.close()


def spread(moments: int, number: signal.Signals) -> list[int]:
    """A signal's share of the moments from the first to the last."""
    among = MOMENTS * len(SIGNALS)
    mine = range(SIGNALS.index(number), among, len(SIGNALS))
    return sorted({1 + round((moments - 1) * each / (among - 1)) for each in mine})


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("kind", KINDS)
def test_on_a_local_path(writer: Writer, tmp_path: Path, kind: str, number: signal.Signals) -> None:
    read = KINDS[kind].read
    root = str(tmp_path / "counted")
    writer.write(root, kind, "old")
    moments = writer.write(root, kind, "new")
    assert moments >= 4
    ends = set()
    for moment in spread(moments, number):
        root = str(tmp_path / str(moment))
        writer.write(root, kind, "old")
        before = read(root)
        writer.begin(root, kind, "new", number, moment)
        ends.add(writer.end()[0])
        assert read(root) in {before, "new"}
        writer.write(root, kind, "new")
        assert read(root) == "new"
        assert [path for path in Path(root).rglob(".*") if path.is_file()] == []
    assert -number in ends if number == signal.SIGKILL else 128 + number in ends


class Nth:
    """Sends a process a signal when it makes its so-manyth request that changes something."""

    def __init__(self, number: int, request: int) -> None:
        self.pid = threading.Event()
        self.target = 0
        self.seen = 0
        self._number, self._request = number, request
        self._lock = threading.Lock()

    def at(self, pid: int) -> None:
        self.target = pid
        self.pid.set()

    def __call__(self, _: socket.socket) -> None:
        with self._lock:
            self.seen += 1
            mine = self.seen == self._request
        if mine:
            assert self.pid.wait(60)
            os.kill(self.target, self._number)
            if self._number == signal.SIGKILL:
                raise ConnectionAbortedError  # the server at the other end takes half a body for a whole one


CHANGES = (b"PUT ", b"POST ", b"DELETE ")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("kind", KINDS)
def test_on_an_object_store(writer: Writer, store: int, way: Way, kind: str, number: signal.Signals) -> None:
    read = KINDS[kind].read
    way.changes = CHANGES

    def struck(place: str, request: int) -> tuple[int, int]:
        """How a write ended during which a request brought the signal, and how many requests it had."""
        direct, through = (url(port).replace("/lake?", f"/{place}?") for port in (store, way.port))
        writer.write(direct, kind, "old")
        before = read(direct)
        way.strike = strike = Nth(number, request)
        strike.at(writer.begin(through, kind, "new"))
        ended, _ = writer.end()
        assert read(direct) in {before, "new"}
        way.strike = None
        writer.write(direct, kind, "new")
        assert read(direct) == "new"
        return ended, strike.seen

    ended, requests = struck(f"{kind}-{number}", 0)
    assert ended == 0
    assert requests >= 1
    ends = {struck(f"{kind}-{number}-{request}", request)[0] for request in spread(requests, number)}
    assert ends == {-number if number == signal.SIGKILL else 128 + number}
    assert [name for name in objects(store) if "/." in name] == []


def test_what_killed_uploads_left_is_removed_when_it_is_old(store: int, monkeypatch: pytest.MonkeyPatch) -> None:
    there = Store(url(store).replace("/lake?", "/leftovers?"))
    large = io.BytesIO(b"x" * (storing._MEMORY_BYTES + 1))
    left, others = f"day/.file.{'0' * 16}", [f"day/.other.{'0' * 16}", "day/.file.notours", "day/file.csv"]
    for name in (left, *others):
        there.put(name, b"left")
    there.put("day/file", large)
    assert set(there.files("day")) == {left, *others, "day/file"}
    monkeypatch.setattr(storing, "_LEFTOVER_AGE", -storing._LEFTOVER_AGE)
    there.put("day/file", large)
    assert set(there.files("day")) == {*others, "day/file"}
