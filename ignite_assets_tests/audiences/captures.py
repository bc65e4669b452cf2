"""Lakes for the tests: people by number, hashed as the platform hashes them, in partitions written as captures are."""

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from ignite_assets.api.arrow import arrow_schema
from ignite_assets.api.endpoints import by_name
from ignite_assets.api.table import Algo
from ignite_assets.audiences import ledger
from ignite_assets.audiences.attempt import Options, Outcome
from ignite_assets.audiences.exports import export
from ignite_assets.audiences.opt_outs import Person
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.storage.staging import Stage

WEBSITE = "acme-honda"
DAY = dt.date(2026, 11, 20)
NOW = dt.datetime(2026, 11, 21, 0, 30, tzinfo=dt.UTC)

_FUNCTIONS = {"md5": hashlib.md5, "sha1": hashlib.sha1, "sha2": hashlib.sha256}


def address(number: int) -> str:
    return f"person{number}@example.com"


def hashed(number: int, algo: Algo = "sha2") -> str:
    return _FUNCTIONS[algo](address(number).encode()).hexdigest()


def hashes(numbers: Iterable[int], algo: Algo = "sha2") -> set[str]:
    return {hashed(number, algo) for number in numbers}


def somebody(number: int) -> Person:
    return Person(address(number))


class Tally(NamedTuple):
    """How many people of a website opted out, and of them those known by a hash alone; whom the platform knows."""

    known: int
    submitted: int
    by_hash: int


def tally(lake: Lake, website: str) -> Tally:
    known = ledger._effective(lake, website, ("seen",))
    return Tally(len(known), len(ledger.acknowledged(lake, website)), sum(not all(person) for person in known))


def ago(days: int) -> dt.date:
    return DAY - dt.timedelta(days)


def capture(
    lake: Lake,
    asset: str,
    day: dt.date,
    rows: Iterable[Mapping[str, Any]],
    website: str = WEBSITE,
    *,
    at: dt.datetime = NOW,
    **facts: str,
) -> None:
    """Commit a partition of these rows, captured at a moment, with these facts in its footer besides."""
    schema = arrow_schema(by_name()[asset])
    complete = [dict.fromkeys(schema.names) | {"captured_at": at} | dict(row) for row in rows]
    stage = Stage(schema, dictionaries=[], unhashed=frozenset({"captured_at"}))
    stage.write(pa.RecordBatch.from_pylist(complete, schema=schema))
    about = {"endpoint": asset, "website": website, "look_back_date": str(day), "captured_at": at.isoformat()}
    staged = stage.finish(about | facts)  # whose file is closed with it
    lake.commit(Partition(asset, website, day), staged.file)


def visitors(
    lake: Lake, day: dt.date, people: Iterable[int | str], algo: Algo = "sha2", website: str = WEBSITE
) -> None:
    """Commit a day's visitors: people by number, or values as they are."""
    values = [value if isinstance(value, str) else hashed(value, algo) for value in people]
    capture(lake, "visitors", day, [{"hashed_email": value, "algo": algo} for value in values], website)


def members(
    lake: Lake, day: dt.date, people: Mapping[int, Iterable[int]], website: str = WEBSITE, algo: Algo = "sha2"
) -> None:
    """Commit a day's audience members, by audience."""
    rows = [
        {"audience_id": audience, "hashed_email": hashed(number, algo), "algo": algo}
        for audience, numbers in people.items()
        for number in numbers
    ]
    capture(lake, "audience_members", day, rows, website)


def rule(to: Path | str, **changed: Any) -> ExportRule:
    """A rule for everyone's visitors of one day, unless changed; nothing holds it but its share of leavers."""
    usual: dict[str, Any] = {
        "name": "everyone",
        "websites": ("*",),
        "source": "visitors",
        "destination": "plain_list",
        "to": str(to),
        "window_days": 1,
        "max_shrink": 1.0,
    }
    return ExportRule(**usual | changed)


def run(
    lake: Lake,
    of: ExportRule,
    day: dt.date = DAY,
    *,
    algo: Algo = "sha2",
    website: str = WEBSITE,
    workspace: Workspace | None = None,
    **options: Any,
) -> list[Outcome]:
    """Export, in a workspace of its own unless one is given."""
    if workspace:
        return export(workspace, lake, of, website, day, Options(algo=algo, now=NOW, **options))
    with Workspace(memory_mib=256, threads=1) as own:
        return run(lake, of, day, algo=algo, website=website, workspace=own, **options)


def run_one(lake: Lake, of: ExportRule, day: dt.date = DAY, **options: Any) -> Outcome:
    """Export a rule that makes one list."""
    (outcome,) = run(lake, of, day, **options)
    return outcome


def uploaded(folder: Path) -> dict[str, list[str]]:
    """The lines of an export's files for upload, by their names without what is made from their content."""
    files = folder.glob("*.txt")
    return {f"{path.stem.rpartition('-')[0]}.txt": path.read_text().splitlines() for path in files}
