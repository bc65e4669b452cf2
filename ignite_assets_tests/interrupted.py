"""Writes of each kind of file that are interrupted or killed, in a process of their own.

    python -m ignite_assets_tests.interrupted

imports everything once, then reads orders from standard input, a line each: `<root> <kind> <version> <signal>
<moment>`. A fork of this process carries an order out; a line tells its pid, the next how it ended: 0, minus a signal,
or 130 and 143 for SIGINT and SIGTERM as the command line handles them, and how many moments were passed. The process
sends itself the signal at the so-manyth moment of its write, at none for 0. A moment is as in `killed`.
"""

import datetime as dt
import io
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from ignite_assets.audiences import history, ledger
from ignite_assets.audiences.lists import List
from ignite_assets.storage import store as storing
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.storage.store import Store
from ignite_assets_tests.audiences.captures import DAY, NOW, WEBSITE, hashed, rule, run_one, somebody, tally, visitors
from ignite_assets_tests.killed import TO_THE_SYSTEM

Version = Literal["old", "new"]
PARTITION = Partition("visitors", WEBSITE, dt.date(2026, 11, 1))
PAGE, DROPPED, PROCESSED = "reports/page.html", "inbox/people.csv", "inbox/processed/people.csv"
ROWS = 400
PEOPLE = [somebody(number).hashes for number in range(50)]


def below(root: str, folder: str) -> str:
    """The root of a folder's own, of a path or a URL."""
    place, mark, query = root.partition("?")
    return f"{place}/{folder}{mark}{query}"


def write_partition(root: str, version: Version) -> None:
    file = io.BytesIO()
    noise = pa.array(os.urandom(16) for _ in range(ROWS))  # which nothing compresses
    pq.write_table(pa.table({"version": [version] * ROWS, "noise": noise}), file, use_dictionary=["version"])
    Lake(root).commit(PARTITION, file)


def read_partition(root: str) -> str | None:
    lake = Lake(root)
    if not lake.exists(PARTITION):
        return None
    table = lake.read([PARTITION])
    assert len(table) == ROWS
    (version,) = table["version"].unique().to_pylist()
    return str(version)


def record_people(root: str, version: Version) -> None:
    if version == "new":
        ledger.record(Lake(root), WEBSITE, PEOPLE, source_hash="a", at=NOW)


def read_ledger(root: str) -> str | None:
    counts = tally(Lake(root), WEBSITE)
    assert counts.known in (0, len(PEOPLE))
    return "new" if counts.known else "old"


MEMBERS = {"old": range(40), "new": range(30, 90)}


def prepare_export(root: str, version: Version) -> None:
    visitors(Lake(below(root, "lake")), DAY, MEMBERS[version])


def export(root: str, _: Version) -> None:
    run_one(Lake(below(root, "lake")), rule(below(root, "exports")))


def read_export(root: str) -> str | None:
    """Who is on the list after the newest export. Fails for a manifest of other files than there are."""
    newest = history.newest(List(below(root, "exports"), "everyone", WEBSITE))
    if newest is None:
        return None
    store = Store(newest.of.to)
    for entry in newest.manifest.files:
        assert sha256(store.read(f"{newest.path}/{entry.name}")).hexdigest() == entry.sha256
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state.parquet"
        history.fetch_state(newest, state)
        people = {row["hash"] for row in pq.ParquetFile(state).read().to_pylist() if row["listed"]}
    (version,) = (name for name, members in MEMBERS.items() if people == {hashed(each) for each in members})
    return version


def write_page(root: str, version: Version) -> None:
    Store(root).put(PAGE, f"<html>{version * 9000}</html>".encode())


def read_page(root: str) -> str | None:
    store = Store(root)
    if not store.exists(PAGE):
        return None
    (version,) = (each for each in ("old", "new") if store.read(PAGE).decode() == f"<html>{each * 9000}</html>")
    return version


CONTENT = b"person@example.com\n" * 500


def drop(root: str, _: Version) -> None:
    Store(root).put(DROPPED, CONTENT)


def put_away(root: str, version: Version) -> None:
    store = Store(root)
    if version == "old":
        store.delete(PROCESSED)
    elif store.exists(DROPPED):
        store.move(DROPPED, PROCESSED)


def read_inbox(root: str) -> str | None:
    """Where the dropped file is; it has to be whole wherever it is, and somewhere."""
    store = Store(root)
    there = [name for name in (DROPPED, PROCESSED) if store.exists(name)]
    assert there
    assert {store.read(name) for name in there} == {CONTENT}
    return "new" if there == [PROCESSED] else "old"


@dataclass(frozen=True)
class Kind:
    """One kind of file: how a version of it is written and read."""

    write: Callable[[str, Version], None]
    read: Callable[[str], str | None]
    prepare: Callable[[str, Version], None] = lambda _root, _version: None
    """What is there before the write, and not interrupted."""


KINDS = {
    "partition": Kind(write_partition, read_partition),
    "ledger": Kind(record_people, read_ledger),
    "export": Kind(export, read_export, prepare_export),
    "page": Kind(write_page, read_page),
    "processed": Kind(put_away, read_inbox, drop),
}


class Moments:
    """Counts the moments of a write, and sends this process a signal at one of them."""

    def __init__(self, number: int, last: int) -> None:
        self.passed = 0
        self._number, self._last = number, last

    def __call__(self, _frame: FrameType, event: str, function: Any) -> None:
        if event in {"c_call", "c_return", "c_exception"} and function.__name__ in TO_THE_SYSTEM:
            self.passed += 1
            if self.passed == self._last:
                os.kill(os.getpid(), self._number)


def stop(number: int, _frame: FrameType | None) -> None:
    """End as the command line does."""
    raise KeyboardInterrupt(number)


def carry_out(root: str, kind: str, version: Version, moments: Moments) -> None:
    """Write a version, its moments counted on a local path."""
    KINDS[kind].prepare(root, version)
    storing._COPY_BYTES = 1024
    if "://" not in root:
        sys.setprofile(moments)
    try:
        KINDS[kind].write(root, version)
    finally:
        sys.setprofile(None)


def child(root: str, kind: str, version: Version, moments: Moments) -> int:
    """The exit status of an order."""
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        carry_out(root, kind, version, moments)
    except (KeyboardInterrupt, OSError) as error:
        # Python's own `rmtree`, when interrupted, closes a folder twice and fails with that.
        interrupt = error if isinstance(error, KeyboardInterrupt) else error.__context__
        if not isinstance(interrupt, KeyboardInterrupt):
            raise
        return 128 + (interrupt.args[0] if interrupt.args else signal.SIGINT)
    return 0


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def main() -> None:
    """Carry out orders until there are none."""
    for line in sys.stdin:
        root, kind, version, number, moment = line.split()
        assert version in ("old", "new")
        moments = Moments(int(number), int(moment))
        reads, writes = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                say(str(os.getpid()))
                status = child(root, kind, version, moments)  # type: ignore[arg-type]  # mypy knows no narrowing by `in`
                os.write(writes, str(moments.passed).encode())
            except Exception:
                traceback.print_exc()
                raise
            finally:
                os._exit(status)
        os.close(writes)
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        passed = os.read(reads, 100).decode() or "0"
        os.close(reads)
        say(f"{ended} {passed}")


if __name__ == "__main__":
    main()
