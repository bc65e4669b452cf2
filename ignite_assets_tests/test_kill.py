"""A kill -9 at any moment leaves the old partition or the new one, and nothing that the next run doesn't clean."""

import contextlib
import datetime as dt
import functools
import io
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest

from ignite_assets.sandbox import SandboxServer, SandboxWebsite, frozen
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.commands import ROOT, environment
from ignite_assets_tests.conftest import NOW
from ignite_assets_tests.killed import PARTITION, WRITE_BYTES

OLD, NEW = NOW, NOW + dt.timedelta(hours=1)
SITE = SandboxWebsite(PARTITION.website, 4000)
pytestmark = pytest.mark.slow


class Captures:
    """A process that captures the partition as of a moment, and dies at it when told to."""

    def __init__(self, server: SandboxServer, root: Path, moment: dt.datetime) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ignite_assets_tests.killed",
             server.url, str(root), moment.isoformat(), SITE.token, SITE.secret],
            cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def order(self, order: str) -> int:
        """How the capture ended: 0, or minus the signal that ended it."""
        self.begin(order)
        return self.end()

    def count(self) -> int:
        """Capture, and answer how many moments the commit had."""
        self.begin("count")
        assert self._process.stdout
        moments, ended = map(int, self._process.stdout.readline().split())
        assert ended == 0
        return moments

    def begin(self, order: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()

    def end(self) -> int:
        assert self._process.stdout
        return int(self._process.stdout.readline())

    def kill(self) -> None:
        """End the process, and the capture with it, at once."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        pids = [*map(int, children.read_text().split())] if children.exists() else []
        for pid in (self._process.pid, *pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        with self._process as process:
            if process.stdin:
                with contextlib.suppress(OSError):
                    process.stdin.close()


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer((SITE,), now=frozen(NOW)) as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@contextlib.contextmanager
def captures(server: SandboxServer, root: Path, moment: dt.datetime) -> Iterator[Captures]:
    process = Captures(server, root, moment)
    try:
        yield process
    finally:
        process.close()


def file(root: Path) -> Path:
    return root / PARTITION.folder / "part-0.parquet"


def left(root: Path) -> list[str]:
    """What lies in the partition's folder beside its file."""
    folder = root / PARTITION.folder
    return [path.name for path in folder.iterdir() if path.name != "part-0.parquet"] if folder.exists() else []


def version(root: Path) -> str | None:
    """When the version that a reader gets was captured; None where there is none. Read as readers do, to its end."""
    seen = duckdb.connect().execute(f"FROM glob('{root}/**/*.parquet')").fetchall()
    if not seen:
        return None
    assert seen == [(str(file(root)),)]
    return captured(file(root).read_bytes())


def misfits(root: Path) -> str:
    """When the version was captured whose misfits are kept: stored before its partition, whole like it."""
    return str(json.loads((root / PARTITION.misfits).read_bytes())["captured_at"])


@functools.cache
def captured(data: bytes) -> str:
    """When a whole file was captured."""
    parquet = pq.ParquetFile(io.BytesIO(data))
    table = parquet.read()
    facts = {key.decode(): value.decode() for key, value in parquet.metadata.metadata.items()}
    assert len(table) > 100
    assert facts["ignite.rows"] == str(len(table))
    (moment,) = table.column("captured_at").unique().to_pylist()
    assert facts["ignite.captured_at"] == moment.isoformat()
    return str(moment.isoformat())


def test_killed_at_any_moment_of_a_commit_the_old_version_or_the_new_one_is_there(
    server: SandboxServer, root: Path
) -> None:
    with captures(server, root, OLD) as old, captures(server, root, NEW) as new:
        assert old.order("all") == 0
        before = file(root).read_bytes()
        writes = len(before) // WRITE_BYTES
        assert writes >= 20
        found = []
        for moment in itertools.count(1):
            file(root).write_bytes(before)
            if new.order(str(moment)) != -signal.SIGKILL:
                break
            found.append((str(version(root)), bool(left(root))))
            assert misfits(root) in ({version(root), NEW.isoformat()})
        assert misfits(root) == NEW.isoformat()
        assert file(root).read_bytes() != before
        # Old until the rename, new from it on, and what is left lies there in between alone.
        versions = [seen for seen, _ in found]
        assert versions == sorted(versions)
        assert set(versions) == {OLD.isoformat(), NEW.isoformat()}
        assert sum(leftover for _, leftover in found) > writes
        assert new.order("all") == 0
    assert left(root) == []
    assert version(root) == NEW.isoformat()


def test_killed_at_any_moment_of_a_first_commit_there_is_no_partition_or_a_whole_one(
    server: SandboxServer, root: Path
) -> None:
    with captures(server, root, NEW) as new:
        found = []
        for moment in itertools.count(1, 4):
            shutil.rmtree(root, ignore_errors=True)
            if new.order(str(moment)) != -signal.SIGKILL:
                break
            found.append(version(root) is not None)
        assert found == sorted(found)
        assert {True, False} == set(found)
        assert new.order("all") == 0
    assert left(root) == []
    assert version(root) == NEW.isoformat()


def test_killed_by_chance_while_it_asks_reads_or_stores_it_leaves_the_old_version_or_the_new_one(
    server: SandboxServer, root: Path
) -> None:
    chance = random.Random(7)
    with captures(server, root, OLD) as old:
        assert old.order("all") == 0
    for _ in range(4):
        new = Captures(server, root, NEW)
        assert new.order("all") == 0
        new.begin("all")
        time.sleep(chance.uniform(0, 0.1))
        new.kill()
        assert version(root) == NEW.isoformat()
    with captures(server, root, OLD) as old:
        assert old.order("all") == 0
    assert left(root) == []
    assert version(root) == OLD.isoformat()


def test_two_runs_of_a_partition_at_once_leave_the_whole_version_of_one(server: SandboxServer, root: Path) -> None:
    with captures(server, root, OLD) as one, captures(server, root, NEW) as other:
        seen: set[str | None] = set()
        for _ in range(15):
            one.begin("all")
            other.begin("all")
            if seen:
                seen.add(version(root))
            assert (one.end(), other.end()) == (0, 0)
            seen.add(version(root))
            assert left(root) == []
    assert seen <= {OLD.isoformat(), NEW.isoformat()}


def test_one_run_killed_beside_another_does_not_disturb_it(server: SandboxServer, root: Path) -> None:
    with captures(server, root, OLD) as one, captures(server, root, NEW) as other:
        assert one.order("all") == 0  # the folders are there: what is counted is what happens again
        moments = other.count()
        for moment in range(1, moments - 10, moments // 12):
            one.begin("all")
            other.begin(str(moment))
            assert (one.end(), other.end()) == (0, -signal.SIGKILL)
            assert version(root) in {OLD.isoformat(), NEW.isoformat()}
        assert one.order("all") == 0
    assert left(root) == []
    assert version(root) == OLD.isoformat()


@pytest.mark.parametrize("reader", ["pyarrow", "glob"])
def test_no_reader_of_the_lake_picks_up_what_a_kill_left(server: SandboxServer, root: Path, reader: str) -> None:
    with captures(server, root, OLD) as old, captures(server, root, NEW) as new:
        assert old.order("all") == 0
        moments = new.count()
        assert old.order("all") == 0
        moment = moments // 2
        assert new.order(str(moment)) == -signal.SIGKILL
    assert left(root)
    if reader == "pyarrow":
        table = pads.dataset(root / PARTITION.asset, format="parquet", partitioning="hive").to_table()
        assert len(table) == pq.ParquetFile(file(root)).metadata.num_rows
    else:
        assert [*root.glob("**/*.parquet")] == [file(root)]
    assert Lake(str(root)).partitions(PARTITION.asset) == [PARTITION]
