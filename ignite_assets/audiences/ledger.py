"""Who has opted out, for good: hashes and times in the lake, appended to and never changed. Never an address.

Layout: `<root>/_opt_outs/website=<website>/<what>-<digest>.parquet`. The underscore keeps the folder out of the
assets' trees and out of what Spark and Hive read on their own; `website` stands in the path alone, as everywhere in
the lake. `what` is `seen`, or `submitted` once the platform has acknowledged: a later row for the same people that
carries `submitted_at`. The digest is made of the people and the source, so recording a batch again finds its file
there and changes nothing. Suppression counts from the first row, submitted or not.

A file that can't be read, or holds other people than its name says, counts as missing where it is recorded: it is
written again. Everything else that needs it fails with `LedgerError`, which names it: nobody is exported because a
file is damaged.
"""

import datetime as dt
import hashlib
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

import pyarrow as pa
import pyarrow.parquet as pq

from ignite_assets.api.errors import IgniteError
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


class LedgerError(IgniteError):
    """A file of the ledger can't be read; who opted out is not known, so nothing is exported."""


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
    """The SHA-256 of whom the platform has acknowledged, from one source or from all.

    Whoever a damaged file names isn't among them: they are submitted again, and the file is written again.
    """
    names = _files(lake, website, "submitted-")
    table = _read(lake, [name for name in names if _is_whole(lake.store, name)])
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
    elsewhere by all three is suppressed by all three. Raises `LedgerError` naming a file that can't be read.
    """
    everyone = _files(lake, None)
    mine = everyone if scope == "all" else _files(lake, website)
    with _naming_the_unreadable(lake.store, everyone):
        workspace.view("ledger_in_scope", lake.store, mine, _HASHES)
        workspace.table("in_scope", _each_hash("ledger_in_scope"))
        workspace.view("ledger", lake.store, everyone, _HASHES)
        linked = "ledger WHERE " + " OR ".join(f"{name} IN (FROM in_scope)" for name in _HASHES)
        workspace.table("suppressed", f"FROM in_scope UNION {_each_hash(linked)}")


def _each_hash(rows: str) -> str:
    listed = ", ".join(_HASHES)
    return f"SELECT DISTINCT hash FROM (SELECT unnest([{listed}]) AS hash FROM {rows}) WHERE hash IS NOT NULL"  # noqa: S608 - our own names


def _append(
    lake: Lake, website: str, what: str, people: Iterable[Hashes], source_hash: str, at: dt.datetime
) -> str | None:
    """Add a file of these people, unless it is there and whole; None for nobody."""
    known = sorted(set(people))
    if not known:
        return None
    name = f"{_folder(website)}/{what}-{_digest(known, source_hash)}.parquet"
    if not _is_whole(lake.store, name):
        lake.store.put(name, _parquet(known, what, source_hash, at))
    return name


def _is_whole(store: Store, name: str) -> bool:
    """Whether there is such a file and it holds the people that its name was made of."""
    try:
        rows = _read_file(store, name).to_pylist()
    except (FileNotFoundError, LedgerError):
        return False
    people = [Hashes(**{field: row[field] or "" for field in _HASHES}) for row in rows]
    return f"-{_digest(people, rows[0]['source_hash'] if rows else '')}." in name


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
    names = lake.store.files(FOLDER if website is None else _folder(website))
    return [
        n
        for n in names
        if n.endswith(".parquet") and n.rpartition("/")[2].startswith(prefix or ("seen-", "submitted-"))
    ]


def _read(lake: Lake, names: list[str]) -> pa.Table:
    return pa.concat_tables([SCHEMA.empty_table(), *(_read_file(lake.store, name) for name in names)])


def _read_file(store: Store, name: str) -> pa.Table:
    """The rows of a file. Raises `LedgerError` when it is damaged, `OSError` when the store doesn't answer with it."""
    data = pa.BufferReader(store.read(name))
    try:
        return pq.ParquetFile(data).read().select(SCHEMA.names).cast(SCHEMA)
    except (OSError, KeyError, pa.ArrowException) as error:
        raise LedgerError(_UNREADABLE.format(file=store.location(name), error=type(error).__name__)) from None


_UNREADABLE = (
    "{file} of the opt-out ledger can't be read ({error}), so who opted out is not known and nothing is exported: "
    "restore it, or record the list that it was made of again"
)


@contextmanager
def _naming_the_unreadable(store: Store, names: Iterable[str]) -> Iterator[None]:
    """Where reading these files fails, raise the `LedgerError` of the first that can't be read."""
    import duckdb

    try:
        yield
    except (OSError, duckdb.Error, pa.ArrowException):
        for name in names:
            _read_file(store, name)
        raise
