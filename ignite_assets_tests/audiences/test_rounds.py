"""Rounds of processes that do one thing at once: export a list, capture a partition, submit a file of opt-outs.

On a local path and on an S3 server, where nothing but the bucket is shared.
"""

import io
import multiprocessing
import random
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ignite_assets.audiences import ledger
from ignite_assets.audiences.opt_outs import Person
from ignite_assets.audiences.submission import Drop, tell
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.storage.store import Store
from ignite_assets_tests.audiences.captures import (
    DAY,
    NOW,
    WEBSITE,
    hashes,
    rule,
    run,
    run_one,
    somebody,
    tally,
    visitors,
)
from ignite_assets_tests.audiences.uploader import PlatformList, exports, pointed_at

FOLDER = f"everyone/website={WEBSITE}"
PEOPLE = 40
"""In reach of a round; the next has one other, so that never all have opted out."""
PARTITION = Partition("visitors", WEBSITE, DAY)
ADDRESSES = "\n".join(somebody(number).address for number in range(PEOPLE)).encode()
_TOGETHER: list[Barrier] = []


def _join(together: Barrier) -> None:
    _TOGETHER.append(together)


def _write(places: tuple[str, str]) -> list[str]:
    """Export once all writers are there; the statuses of the lists."""
    root, to = places
    _TOGETHER[0].wait(300)
    return [outcome.status for outcome in run(Lake(root), rule(to))]


@contextmanager
def processes(count: int) -> Iterator[Any]:
    """Processes that do one thing at the same moment, each with an argument of its own."""
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(count, _join, (spawn.Barrier(count),)) as pool:
        yield lambda work, arguments: pool.map_async(work, arguments, chunksize=1)


def mirrored(to: Store, folder: Path) -> Path:
    """A list's files on the local path, of what is there and was not there before."""
    for name in to.files(FOLDER):
        path = folder / name
        if name.endswith(f"{FOLDER}/manifest.json") or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(to.read(name))
    return folder / FOLDER


def live(root: str, to: str, copy: Path, *, count: int, rounds: int) -> None:
    """Rounds of writers; after each, what an uploader holds who takes every export in order."""
    dice, lake, store = random.Random(count), Lake(root), Store(to)
    platform, opted_out = PlatformList(copy / FOLDER), set[int]()

    def opt_out(people: range) -> None:
        person = dice.choice(people)
        opted_out.add(person)
        ledger.record(lake, WEBSITE, [somebody(person).hashes], source_hash=f"{dice.random()}", at=NOW)

    with processes(count) as at_once:
        for number in range(rounds):
            people = range(number, number + PEOPLE)
            present = set(dice.sample(people, dice.randint(PEOPLE * 3 // 4, PEOPLE)))
            visitors(lake, DAY, sorted(present))
            under_way = at_once(_write, [(root, to)] * count)
            if dice.random() < 0.5:
                opt_out(people)
            assert all(under_way.get(300))
            pointed_at(mirrored(store, copy))
            platform.take()
            before = len(exports(copy / FOLDER))
            run_one(lake, rule(to))
            assert len(exports(mirrored(store, copy))) == before + 1
            platform.take()
            assert platform.people == hashes(present - opted_out), f"round {number}"


@pytest.mark.slow
def test_writers_at_once_leave_whole_and_truthful_exports(tmp_path: Path) -> None:
    to = tmp_path / "exports"
    live(str(tmp_path / "lake"), str(to), tmp_path / "copy", count=3, rounds=30)


@pytest.mark.slow
def test_two_machines_on_one_bucket_leave_whole_and_truthful_exports(tmp_path: Path, bucket: str) -> None:
    live(f"{bucket}/lake", f"{bucket}/exports", tmp_path / "copy", count=2, rounds=10)


def _capture(of: tuple[str, int, int]) -> int:
    """Commit a version of a partition, and read whatever version is there then; its number."""
    root, number, rows = of
    file = io.BytesIO()
    pq.write_table(
        pa.table({"version": [number] * rows, "noise": np.random.default_rng().integers(1 << 62, size=rows)}), file
    )
    lake = Lake(root)
    _TOGETHER[0].wait(300)
    lake.commit(PARTITION, file, b"" if number % 2 else f"{number}".encode())
    (version,) = set(lake.read([PARTITION], ["version"]).column("version").to_pylist())
    return int(version)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [10, 1_200_000])
def test_machines_that_capture_one_partition_leave_one_whole_version(bucket: str, rows: int) -> None:
    """A small file is one PUT; a large one is sent in parts under a name of its own, then copied."""
    root, written = f"{bucket}/lake", set[int]()
    with processes(2) as at_once:
        for number in range(0, 4 if rows > 10 else 20, 2):
            written |= {number, number + 1}
            read = at_once(_capture, [(root, number, rows), (root, number + 1, rows)]).get(300)
            assert set(read) <= {number, number + 1}, "an earlier version came back"
    lake = Lake(root)
    assert len(lake.read([PARTITION])) == rows
    assert lake.store.files("visitors") == [PARTITION.file], "no upload is left"


def _submit(of: tuple[str, str]) -> int:
    """Deal with a file of opt-outs; how many of its people are accounted for."""
    root, told = of
    lake = Lake(root)
    _TOGETHER[0].wait(300)
    found = Drop(lake=lake, website=WEBSITE, data=ADDRESSES, name="a.txt", at=NOW).suppress()

    def send(people: tuple[Person, ...]) -> None:
        with Path(told).open("a") as journal:
            journal.writelines(f"{one.address}\n" for one in people)

    receipt = tell(lake, WEBSITE, found, send=send, room=200, now=lambda: NOW)
    return receipt.submitted + receipt.known


@pytest.mark.slow
def test_machines_that_submit_one_file_lose_nobody_and_record_each_person_once(bucket: str, tmp_path: Path) -> None:
    """The platform may hear of a person twice, which changes nothing there."""
    with processes(2) as at_once:
        for number in range(5):
            root, told = f"{bucket}/lake{number}", [str(tmp_path / f"{number}-{each}") for each in range(2)]
            done = at_once(_submit, [(root, each) for each in told]).get(300)
            assert done == [PEOPLE, PEOPLE]
            heard = {line for each in told if Path(each).exists() for line in Path(each).read_text().split()}
            assert heard == {somebody(n).address for n in range(PEOPLE)}
            counts = tally(Lake(root), WEBSITE)
            assert (counts.known, counts.submitted) == (PEOPLE, PEOPLE)
