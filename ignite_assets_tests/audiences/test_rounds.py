"""Rounds of writers that export one list at once, while people come, leave and opt out: local, and on an S3 server."""

import multiprocessing
import random
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from ignite_assets.audiences import ledger
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Store
from ignite_assets_tests.audiences.captures import DAY, NOW, WEBSITE, hashes, rule, run, run_one, somebody, visitors
from ignite_assets_tests.audiences.uploader import PlatformList, exports, pointed_at

FOLDER = f"everyone/website={WEBSITE}"
PEOPLE = 40
"""In reach of a round; the next has one other, so that never all have opted out."""
_TOGETHER: list[Barrier] = []


def _join(together: Barrier) -> None:
    _TOGETHER.append(together)


def _write(places: tuple[str, str]) -> list[str]:
    """Export once all writers are there; the statuses of the lists."""
    root, to = places
    _TOGETHER[0].wait(300)
    return [outcome.status for outcome in run(Lake(root), rule(to))]


@contextmanager
def writers(count: int) -> Iterator[Any]:
    """Processes that export at the same moment."""
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(count, _join, (spawn.Barrier(count),)) as pool:
        yield lambda root, to: pool.map_async(_write, [(root, to)] * count, chunksize=1)


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

    with writers(count) as export:
        for number in range(rounds):
            people = range(number, number + PEOPLE)
            present = set(dice.sample(people, dice.randint(PEOPLE * 3 // 4, PEOPLE)))
            visitors(lake, DAY, sorted(present))
            under_way = export(root, to)
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
