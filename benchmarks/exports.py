"""`python -m benchmarks.exports`: a million members in thirty partitions to a delta, beside DuckDB's bare query.

The bare query reads the same partitions and writes the members, sorted, to one file: no ledger, no comparison with
what was sent, no manifest. Each variant has a process of its own; the bound on DuckDB's memory is the export's.
"""

import argparse
import datetime as dt
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import duckdb

from ignite_assets.audiences.exports import Options, export
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.storage.duck import MEMORY_MIB, Workspace
from ignite_assets.storage.lake import Lake

WEBSITE = "acme-honda"
LAST = dt.date(2026, 11, 20)
_SAMPLES = 5
"""Different days that are written; the others are links to them, and as much to read."""
_DAYS = 31
_THREADS = 2


def main() -> int:
    """Make the partitions, run each variant once, print what it cost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exports", description=__doc__)
    parser.add_argument("--members", type=int, default=1_000_000, help="people in all")
    parser.add_argument("--scratch", type=Path, help="where the partitions are written")
    parser.add_argument("--variant", choices=sorted(VARIANTS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.variant:
        return _measure(options.variant, options.folder)
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="ignite-bench-") as folder:
        _capture(Path(folder), options.members)
        _table([(variant, _run(variant, Path(folder))) for variant in VARIANTS])
    return 0


def _capture(folder: Path, members: int) -> None:
    """Thirty-one days of visitors: each holds 97 of 100 people, the first and the last some that no other has."""
    session = duckdb.connect(config={"threads": _THREADS})
    days = [LAST - dt.timedelta(ago) for ago in reversed(range(_DAYS))]
    for number, day in enumerate(days):
        path = _partition(folder, day)
        path.parent.mkdir(parents=True)
        if _SAMPLES < number < _DAYS - 1:
            os.link(_partition(folder, days[1 + number % _SAMPLES]), path)
            continue
        first, end = -(members // 100 if number == 0 else 0), members + (members // 100 if number == _DAYS - 1 else 0)
        session.execute(
            f"""
            COPY (
                SELECT sha256('person' || i || '@example.com') AS hashed_email, 'sha2' AS algo,
                    TIMESTAMPTZ '2026-11-21 00:30:00+00' AS captured_at
                FROM range({first}, {end}) AS t(i) WHERE hash(i, {number}) % 100 < 97
            ) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
            """
        )


def _partition(folder: Path, day: dt.date) -> Path:
    return folder / "lake" / "visitors" / f"website={WEBSITE}" / f"date={day}" / "part-0.parquet"


def _export(folder: Path, day: dt.date) -> dict[str, int]:
    rule = ExportRule(
        name="everyone",
        websites=("*",),
        source="visitors",
        destination="meta_custom_audience",
        to=str(folder / "exports"),
        window_days=30,
    )
    with Workspace(threads=_THREADS, folder=folder) as workspace:
        (outcome,) = export(workspace, Lake(str(folder / "lake")), rule, WEBSITE, day, Options(algo="sha2"))
    assert not outcome.decision.held, outcome.decision.reasons
    return asdict(outcome.counts)


def _bare(folder: Path) -> dict[str, int]:
    session = duckdb.connect(
        config={"threads": _THREADS, "memory_limit": f"{MEMORY_MIB}MiB", "temp_directory": str(folder / "spilled")}
    )
    files = [str(_partition(folder, LAST - dt.timedelta(ago))) for ago in range(30)]
    query = "SELECT DISTINCT hashed_email AS email FROM read_parquet($files) ORDER BY 1"
    (count,) = session.execute(f"COPY ({query}) TO '{folder / 'bare.csv'}'", {"files": files}).fetchall()[0]
    return {"members": count}


VARIANTS: dict[str, Callable[[Path], dict[str, int]]] = {
    "bare": _bare,
    "first": lambda folder: _export(folder, LAST - dt.timedelta(1)),
    "delta": lambda folder: _export(folder, LAST),
}
_TITLES = {
    "bare": "DuckDB alone: the members, sorted, to a file",
    "first": "the first export: everyone is added",
    "delta": "the next day's delta, after that",
}


def _run(variant: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.exports", "--variant", variant, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _measure(variant: str, folder: Path) -> int:
    started, cpu = time.perf_counter(), time.process_time()
    counts = VARIANTS[variant](folder)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(json.dumps({"seconds": seconds, "cpu": cpu, "mib": mib, **counts}))
    return 0


def _table(costs: list[tuple[str, dict[str, float]]]) -> None:
    bare = costs[0][1]
    print(
        f"{'':46} {'seconds':>8} {'CPU s':>7} {'ratio':>6} {'peak MiB':>9} {'members':>10} {'adds':>10} {'removes':>8}"
    )
    for variant, cost in costs:
        print(
            f"{_TITLES[variant]:46} {cost['seconds']:8.1f} {cost['cpu']:7.1f} {cost['cpu'] / bare['cpu']:6.2f} "
            f"{cost['mib']:9.0f} {cost['members']:10,.0f} {cost.get('adds', 0):10,.0f} {cost.get('removes', 0):8,.0f}"
        )


if __name__ == "__main__":
    sys.exit(main())
