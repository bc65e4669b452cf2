"""What hundreds of websites and days cost: `python -m benchmarks.scale`, or `make bench-scale`.

For each storage and size, a project is made with its records and its lake, and each cost is measured in a process of
its own, before and after old runs are pruned. The results go to `.bench/scale/results.json`.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.scale import postgres
from benchmarks.scale.project import REPOSITORY, Project
from benchmarks.scale.records import link, multiply

QUICK = ("10x70",)
SIZES = ("125x400", "250x400", "500x400")
_QUEUED, _QUEUED_QUICKLY = 500, 50
"""The websites of a night that is queued."""
_AT_ONCE = 25
_IN_ORDER = ("definitions", "disk", "heal", "sensors", "page", "prune")


def main() -> None:
    """Measure, print a table, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK[0]} alone, in minutes")
    parser.add_argument("--size", action="append", metavar="WEBSITESxDAYS", help=f"default: {', '.join(SIZES)}")
    parser.add_argument("--storage", action="append", choices=("sqlite", "postgres"), help="default: both")
    parser.add_argument("--output", type=Path, default=REPOSITORY / ".bench" / "scale")
    asked = parser.parse_args()
    storages = asked.storage or ["sqlite", *(["postgres"] if postgres.is_there() else [])]
    results = []
    for storage in storages:
        for size in asked.size or (QUICK if asked.quick else SIZES):
            websites, days = map(int, size.split("x"))
            queued = _QUEUED_QUICKLY if asked.quick else _QUEUED
            found = _measured(storage, websites, days, queued, asked.output)
            results.append({"storage": storage, "websites": websites, "days": days, **found})
            (asked.output / "results.json").write_text(json.dumps(results, indent=2) + "\n")
            print(json.dumps(results[-1], indent=2), flush=True)


def _measured(storage: str, websites: int, days: int, night: int, output: Path) -> dict[str, Any]:
    folder = output / storage
    with _recording_in(storage, output) as lines:
        queued = {f"queue_{night}_by_{several}": _queued(folder, lines, night, several) for several in (1, _AT_ONCE)}
    with _recording_in(storage, output) as lines, _made(folder, websites, days, lines) as project:
        os.environ.update(project.environment)
        project.capture()
        with dg.DagsterInstance.get() as instance:
            multiply(project, instance)
        link(project)
        costs = {name: _cost(name, project) for name in _IN_ORDER}
        after = {f"{name}_after_prune": _cost(name, project) for name in ("disk", "heal", "sensors", "page")}
        return {**queued, **costs, **after}


@contextlib.contextmanager
def _recording_in(storage: str, output: Path) -> Iterator[str]:
    """The lines of a `dagster.yaml` for a storage, which is there until the block ends."""
    if storage == "sqlite":
        yield ""
        return
    output.mkdir(parents=True, exist_ok=True)
    with postgres.cluster() as cluster:
        yield cluster.storage


@contextlib.contextmanager
def _made(folder: Path, websites: int, days: int, lines: str, more: str = "") -> Iterator[Project]:
    """A new project; its folder is removed when the block ends."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield Project.new(folder, websites, days, lines, more)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _queued(folder: Path, lines: str, websites: int, several: int) -> dict[str, Any]:
    """What it costs to queue a night of many websites, so many in a run."""
    more = f"[schedule]\nwebsites_per_run = {several}\n"
    with _made(folder / f"by{several}", websites, 60, lines, more) as project:
        return _cost("queue", project)


def _cost(name: str, project: Project) -> dict[str, Any]:
    """A cost of a project, in a process of its own."""
    environment = {**project.environment, "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS": "1"}
    command = [sys.executable, "-m", "benchmarks.scale.costs", name]
    done = subprocess.run(command, cwd=project.folder, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, Any] = json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])
    return told


if __name__ == "__main__":
    main()
