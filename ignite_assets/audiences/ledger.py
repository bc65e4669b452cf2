"""Who has opted out, for good: hashes and times in the lake, appended to and never changed. Never an address.

Layout: `<root>/_opt_outs/website=<website>/<what>-<digest>.parquet`. The underscore keeps the folder out of the
assets' trees and out of what Spark and Hive read on their own; `website` stands in the path alone, as everywhere in
the lake. `what` is `seen`, or `submitted` once the platform has acknowledged: a later row for the same people that
carries `submitted_at`. The digest is made of the people and the source, so recording a batch again finds its file
there and changes nothing. Suppression counts from the first row, submitted or not.
"""

import datetime as dt
import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass, fields

import pyarrow as pa
import pyarrow.parquet as pq

from ignite_assets.audiences.rules import Scope
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Store

FOLDER = "_opt_outs"
_TIME = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        ("md5", pa.string()),
        ("sha1", pa.string()),
        ("sha256", pa.string()),
        pa.field("first_seen", _TIME, nullable=False),
        ("submitted_at", _TIME),
        pa.field("source_hash", pa.string(), nullable=False),
    ]
)
_HASHES = {"md5": "VARCHAR", "sha1": "VARCHAR", "sha256": "VARCHAR"}


@dataclass(frozen=True, order=True, repr=False)
class Hashes:
    """One person as the ledger knows them: of an address all three, of a hash given alone that one."""

    md5: str = ""
    sha1: str = ""
    sha256: str = ""

    def __repr__(self) -> str:
        return "Hashes(***)"


@dataclass(frozen=True, kw_only=True)
class LedgerCounts:
    """How many people a website's ledger knows."""

    known: int
    submitted: int
    by_hash: int
    """Known by a hash alone: suppressed, never submitted."""


def record(lake: Lake, website: str, people: Iterable[Hashes], *, source_hash: str, at: dt.datetime) -> str | None:
    """Write down people who opted out, before anything else is done with them; returns the file's name.

    From here on no export of the website contains them.
    """
    return _append(lake, website, "seen", people, source_hash, at)


def acknowledge(lake: Lake, website: str, people: Iterable[Hashes], *, source_hash: str, at: dt.datetime) -> str | None:
    """Write down that the platform has acknowledged these people; returns the file's name."""
    return _append(lake, website, "submitted", people, source_hash, at)


def acknowledged(lake: Lake, website: str, source_hash: str | None = None) -> frozenset[str]:
    """The SHA-256 of whom the platform has acknowledged, from one source or from all."""
    table = _read(lake, _files(lake, website, "submitted-"))
    rows = zip(table["sha256"].to_pylist(), table["source_hash"].to_pylist(), strict=True)
    return frozenset(sha256 for sha256, source in rows if sha256 and source_hash in (None, source))


def tally(lake: Lake, website: str) -> LedgerCounts:
    """Count the people of a website's ledger."""
    table = _read(lake, _files(lake, website))
    known = set(zip(*(table[name].to_pylist() for name in _HASHES), strict=True))
    by_hash = sum(not all(person) for person in known)
    return LedgerCounts(known=len(known), submitted=len(acknowledged(lake, website)), by_hash=by_hash)


def arrivals(lake: Lake, website: str | None) -> list[dt.datetime]:
    """When each person that a website's ledger knows (None: any website's) was first written down, in order."""
    table = _read(lake, _files(lake, website))
    first: dict[tuple[str | None, ...], dt.datetime] = {}
    people = zip(*(table[name].to_pylist() for name in _HASHES), strict=True)
    for person, at in zip(people, table["first_seen"].to_pylist(), strict=True):
        first[person] = min(at, first.get(person, at))
    return sorted(first.values())


def in_scope(lake: Lake, website: str, scope: Scope = "website") -> frozenset[str]:
    """The files that say whom exports of a website must not contain: there is one more when somebody opts out."""
    return frozenset(_files(lake, None if scope == "all" else website, "seen-"))


def suppress(workspace: Workspace, lake: Lake, website: str, scope: Scope = "website") -> None:
    """Make the workspace's table `suppressed` (`hash`): whom exports of a website must not contain.

    Every hash of everyone in scope, whatever the algorithm of the export. A person known here by one hash alone and
    elsewhere by all three is suppressed by all three.
    """
    store = Store(lake.root)
    everyone = _files(lake, None)
    mine = everyone if scope == "all" else _files(lake, website)
    workspace.view("ledger_in_scope", store, mine, _HASHES)
    workspace.table("in_scope", _each_hash("ledger_in_scope"))
    workspace.view("ledger", store, everyone, _HASHES)
    linked = "ledger WHERE " + " OR ".join(f"{name} IN (FROM in_scope)" for name in _HASHES)
    workspace.table("suppressed", f"FROM in_scope UNION {_each_hash(linked)}")


def _each_hash(rows: str) -> str:
    listed = ", ".join(_HASHES)
    return f"SELECT DISTINCT hash FROM (SELECT unnest([{listed}]) AS hash FROM {rows}) WHERE hash IS NOT NULL"  # noqa: S608 - our own names


def _append(
    lake: Lake, website: str, what: str, people: Iterable[Hashes], source_hash: str, at: dt.datetime
) -> str | None:
    """Add a file of these people, unless it is there; None for nobody."""
    known = sorted(set(people))
    if not known:
        return None
    store, name = Store(lake.root), f"{_folder(website)}/{what}-{_digest(known, source_hash)}.parquet"
    if not store.exists(name):
        store.put(name, _parquet(known, what, source_hash, at))
    return name


def _parquet(people: list[Hashes], what: str, source_hash: str, at: dt.datetime) -> pa.Buffer:
    count = len(people)
    columns = {name: [getattr(person, name) or None for person in people] for name in _HASHES}
    columns |= {
        "first_seen": [at] * count,
        "submitted_at": [at if what == "submitted" else None] * count,
        "source_hash": [source_hash] * count,
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(columns, SCHEMA), sink, compression="zstd")
    return pa.py_buffer(sink.getvalue())


def _digest(people: list[Hashes], source_hash: str) -> str:
    digest = hashlib.sha256(source_hash.encode())
    for person in people:
        digest.update("".join(f"|{getattr(person, field.name)}" for field in fields(person)).encode())
    return digest.hexdigest()[:32]


def _folder(website: str) -> str:
    return f"{FOLDER}/website={website}"


def _files(lake: Lake, website: str | None, prefix: str = "") -> list[str]:
    """The ledger's files, of a website or of all."""
    names = Store(lake.root).files(FOLDER if website is None else _folder(website))
    return [
        n
        for n in names
        if n.endswith(".parquet") and n.rpartition("/")[2].startswith(prefix or ("seen-", "submitted-"))
    ]


def _read(lake: Lake, names: list[str]) -> pa.Table:
    store = Store(lake.root)
    tables = []
    for name in names:
        with store.open(name) as file:
            tables.append(pq.ParquetFile(file).read())
    return pa.concat_tables([SCHEMA.empty_table(), *tables])
