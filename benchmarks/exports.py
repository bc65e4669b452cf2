"""An export of thirty days of visitors, and DuckDB's bare query: `python -m benchmarks.exports VARIANT FOLDER`.

The bare query reads the same partitions and writes the members, sorted, to one file: no ledger, no comparison with
what was sent, no manifest. The bound on DuckDB's memory is the export's.
"""

import datetime as dt
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb

from benchmarks.task import Task, yesterday
from benchmarks.variants.design import WEBSITE, capture, client
from ignite_assets.audiences.attempt import Options
from ignite_assets.audiences.exports import export
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.storage.duck import MEMORY_MIB, Workspace
from ignite_assets.storage.lake import Lake, Partition

_DAYS = 30
_THREADS = 2


def make_lake(task: Task) -> None:
    """Capture the visitors of the task's website for thirty days into its folder."""
    with client(task) as platform:
        for ago in range(_DAYS):
            capture(task, "visitors", platform, _day(ago))


def _day(ago: int) -> dt.date:
    return yesterday() - dt.timedelta(days=ago)


def _export(folder: Path) -> None:
    rule = ExportRule(
        name="everyone",
        websites=("*",),
        source="visitors",
        destination="meta_custom_audience",
        to=str(folder / "exports"),
        window_days=_DAYS,
    )
    with Workspace(threads=_THREADS, folder=folder) as workspace:
        (outcome,) = export(workspace, Lake(str(folder / "lake")), rule, WEBSITE, yesterday(), Options(algo="sha2"))
    assert not outcome.decision.held, outcome.decision.reasons


def _bare(folder: Path) -> None:
    session = duckdb.connect(
        config={"threads": _THREADS, "memory_limit": f"{MEMORY_MIB}MiB", "temp_directory": str(folder / "spilled")}
    )
    files = [str(folder / "lake" / Partition("visitors", WEBSITE, _day(ago)).file) for ago in range(_DAYS)]
    query = "SELECT DISTINCT hashed_email AS email FROM read_parquet($files) ORDER BY 1"
    session.execute(f"COPY ({query}) TO '{folder / 'bare.csv'}'", {"files": files})


VARIANTS: Mapping[str, Callable[[Path], None]] = {"export": _export, "bare": _bare}

if __name__ == "__main__":
    VARIANTS[sys.argv[1]](Path(sys.argv[2]))
