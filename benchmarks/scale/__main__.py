"""What hundreds of websites and days cost: `python -m benchmarks.scale`, or `make bench-scale`.

For each storage and size, a project is made with its records and its lake, and each cost is measured in a process of
its own. Each cost is written to `.bench/scale/STORAGE-WEBSITESxDAYS.json` when it is measured; what is there is not
measured again.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.scale import postgres
from benchmarks.scale.project import REPOSITORY, Project
from benchmarks.scale.records import KEPT_DAYS, link, multiply

_KEPT = REPOSITORY / "docs" / "scale.json"
QUICK = ("10x100",)
SIZES = ("125x400", "500x400", "250x400")
_COSTS = ("definitions", "disk", "heal", "sensors", "page", "queue_1", "queue_25", "prune")
_MOST_SECONDS = 1500
"""A cost that takes longer is stopped, and said to have taken longer."""
_NIGHT_BYTES, _OLD_NIGHT_BYTES = 200_000, 120_000
"""About what the records of a website's night take, with its run and without."""


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK[0]} alone, in minutes")
    parser.add_argument("--size", action="append", metavar="WEBSITESxDAYS", help=f"default: {', '.join(SIZES)}")
    parser.add_argument("--storage", action="append", choices=("sqlite", "postgres"), help="default: both")
    parser.add_argument("--output", type=Path, default=REPOSITORY / ".bench" / "scale")
    parser.add_argument("--keep", action="store_true", help="keep the results as those of docs/scale.json")
    asked = parser.parse_args()
    asked.output.mkdir(parents=True, exist_ok=True)
    for size in asked.size or (QUICK if asked.quick else SIZES):
        for storage in asked.storage or ["sqlite", *(["postgres"] if postgres.is_there() else [])]:
            _measure(storage, size, asked.output)
    if asked.keep:
        _KEPT.write_text(json.dumps(_kept(asked.output), indent=2) + "\n")


def _kept(output: Path) -> dict[str, Any]:
    """What is kept, with the results that are there in the place of older ones, by storage and size."""
    before: dict[str, Any] = json.loads(_KEPT.read_text()) if _KEPT.exists() else {}
    found = {**before, **{file.stem: json.loads(file.read_text()) for file in output.glob("*.json")}}

    def order(name: str) -> tuple[bool, int]:
        storage, _, size = name.partition("-")
        return storage == "postgres", int(size.partition("x")[0])

    return {name: found[name] for name in sorted(found, key=order)}


def _measure(storage: str, size: str, output: Path) -> None:
    """Measure what is not yet in the file of a storage and size."""
    file, name = output / f"{storage}-{size}.json", f"{storage} {size}"
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    due = [cost for cost in _COSTS if cost not in found]
    websites, days = map(int, size.split("x"))
    kept = min(days, KEPT_DAYS)
    needs = websites * (kept * _NIGHT_BYTES + (days - kept) * _OLD_NIGHT_BYTES)
    if due and shutil.disk_usage(output).free < needs:
        print(f"{name}: skipped, it needs {needs / 1e9:.0f} GB of disk", flush=True)
        return
    if not due:
        return
    with _recording_in(storage, output) as lines, _made(output / f"{storage}-{size}", websites, days, lines) as project:
        began = time.monotonic()
        os.environ.update(project.environment)
        project.capture()
        with dg.DagsterInstance.get() as instance:
            multiply(project, instance)
        link(project)
        print(f"{name}: made in {time.monotonic() - began:.0f} s", flush=True)
        for cost in due:
            found[cost] = _cost(cost, project)
            file.write_text(json.dumps(found, indent=2) + "\n")
            print(f"{name}: {cost} {json.dumps(found[cost])}", flush=True)


@contextlib.contextmanager
def _recording_in(storage: str, output: Path) -> Iterator[str]:
    """The lines of a `dagster.yaml` for a storage, which is there until the block ends."""
    if storage == "sqlite":
        yield ""
        return
    with postgres.cluster(output) as cluster, postgres.pooled(cluster) as pool:
        yield pool.storage


@contextlib.contextmanager
def _made(folder: Path, websites: int, days: int, lines: str) -> Iterator[Project]:
    """A new project; its folder is removed when the block ends."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield Project.new(folder, websites, days, lines)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _cost(cost: str, project: Project) -> dict[str, Any]:
    """A cost of a project, in a process of its own. `queue_25`: with 25 websites in a run."""
    name, _, several = cost.partition("_")
    environment = {**project.environment, "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS": "1"}
    command = [sys.executable, "-m", "benchmarks.scale.costs", name]
    with project.with_more(f"[schedule]\nwebsites_per_run = {several}\n" if several else ""):
        try:
            told = subprocess.check_output(
                command, cwd=project.folder, env=environment, text=True, timeout=_MOST_SECONDS
            )
        except subprocess.TimeoutExpired:
            return {"more_than_seconds": _MOST_SECONDS}
    found: dict[str, Any] = json.loads([line for line in told.splitlines() if line.startswith("{")][-1])
    return found


if __name__ == "__main__":
    main()
