"""Who has opted out: hashes and times in the lake, appended to and never changed. Never an address.

Layout: `<root>/_opt_outs/website=<website>/<what>-<digest>.parquet`. The underscore keeps the folder out of the
assets' trees and out of what Spark and Hive read on their own; `website` stands in the path alone, as everywhere in
the lake. `what` is one of

- `seen`: people who opted out; they are suppressed from this moment, submitted or not;
- `alike`: other spellings of addresses that were seen, suppressed with them;
- `submitted`: the platform has acknowledged these people, or a person said that it has;
- `unclear`: the platform answered, and nobody can tell what; `retry`: a person said that it has not taken them;
- `withdrawn`: a person took the opt-out back.

Marks of a source, `<mark>-<source>.json`, say whether more than suppression may follow from its file: `examined` while
nobody has looked how much of a list it takes, `passed` when it takes little, `held` when it takes too much, `confirmed`
when a person confirmed it. The people of a file that is examined or held are in no new export, and are not removed from
what was sent.

Of a hash the last record counts: an opt-out after a withdrawal suppresses again, and is submitted again. The digest is
made of the people and the source, so recording a batch again finds its file there and changes nothing.

A file that can't be read, or holds other people than its name says, counts as missing where it is recorded: it is
written again. Everything else that needs it fails with `LedgerError`, which names it: nobody is exported because a
file is damaged.
"""

import datetime as dt
import hashlib
import io
import json
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from ignite_assets.api.errors import IgniteError
from ignite_assets.audiences.rules import Scope
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Listed, Store

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
_TIMED = {**_HASHES, "first_seen": "TIMESTAMPTZ"}
_CHUNK = 25_000
"""People in a file, at most: a list of a million is never held whole."""
Mark = Literal["examined", "held", "passed", "confirmed"]
_WAITING, _SETTLED = ("examined", "held"), ("passed", "confirmed")
COLUMNS = {"md5": "md5", "sha1": "sha1", "sha2": "sha256"}
"""By the algorithm of captures, the column of the ledger."""
_REASON, _SALT = b"reason", b"salt"
LedgerKind = Literal["seen", "alike", "submitted", "unclear", "retry", "withdrawn"]
_SUPPRESSING: tuple[LedgerKind, ...] = ("seen", "alike")
_EACH_TIME: tuple[LedgerKind, ...] = ("unclear", "retry", "withdrawn")


class LedgerError(IgniteError):
    """A file of the ledger can't be read; who opted out is not known, so nothing is exported."""


class Hashes(NamedTuple):
    """One person as the ledger knows them: of an address all three, of a hash given alone that one."""

    md5: str = ""
    sha1: str = ""
    sha256: str = ""

    def __repr__(self) -> str:
        return "Hashes(***)"


def record(
    lake: Lake,
    website: str,
    people: Iterable[Hashes],
    *,
    source_hash: str,
    at: dt.datetime,
    kind: LedgerKind = "seen",
    reason: str = "",
) -> str | None:
    """Write people down, before anything else is done with them; returns the last file's name, None for nobody.

    Files that are there and whole stay as they are. From here on no export of the website contains people who are
    `seen` or `alike`; after a withdrawal the same people of the same source are a new opt-out, unless they came `at` a
    moment before it. What is `unclear`, `retry` or `withdrawn` counts each time that it is recorded. `reason`: that of
    a person who says so.
    """
    apart = [secrets.token_hex(8)] if kind in _EACH_TIME else _withdrawals(lake, website, at)
    salt = " ".join([source_hash, *apart])
    name, each = None, iter(people)
    while known := sorted(set(islice(each, _CHUNK))):
        name = f"{_folder(website)}/{kind}-{_digest(known, salt)}.parquet"
        if not _is_whole(lake.store, name):
            told = {_REASON: reason.encode(), _SALT: salt.encode() if salt != source_hash else b""}
            lake.store.put(name, _parquet(known, kind, source_hash, at, told))
    return name


def withdraw(lake: Lake, website: str, people: Iterable[Collection[Hashes]], *, reason: str, at: dt.datetime) -> int:
    """Take back the opt-outs of people, each given by the hashes of all spellings; returns how many were suppressed.

    A later opt-out counts again.
    """
    standing = _effective(lake, website, _SUPPRESSING)
    by_value: dict[str, set[Hashes]] = {}
    for person in standing:
        for value in filter(None, person):
            by_value.setdefault(value, set()).add(person)
    found = [
        {person for spelling in each for value in spelling for person in by_value.get(value, ())} for each in people
    ]
    everything = [person for each in found for person in each]
    source = f"withdrawn {at.isoformat()}"
    record(lake, website, everything, kind="withdrawn", source_hash=source, at=at, reason=reason)
    return sum(map(bool, found))


def acknowledged(lake: Lake, website: str) -> frozenset[str]:
    """The SHA-256 of whom the platform has acknowledged since they last opted out.

    The people of a damaged file aren't among them: they are submitted again, and the file is written again.
    """
    rows = _rows(lake, website, ("submitted",), damaged=True)
    withdrawn = _withdrawn(lake, website)
    return frozenset(person.sha256 for person, at, _ in rows if person.sha256 and not _is_before(person, at, withdrawn))


def last_recorded(lake: Lake, website: str, source_hash: str) -> dt.datetime | None:
    """When a file's people were last written down as new opt-outs; None when they never were."""
    return max((at for _, at, source in _rows(lake, website, ("seen",)) if source == source_hash), default=None)


def moment(lake: Lake, website: str, now: dt.datetime) -> dt.datetime:
    """When an opt-out that arrives now is recorded: after every withdrawal, whatever the clocks of machines say."""
    times = {at for _, at, _ in _rows(lake, website, ("withdrawn",), damaged=True)}
    return max([now, *(at + dt.timedelta(microseconds=1) for at in times)])


def withdrawn_since(lake: Lake, website: str, moment: dt.datetime) -> frozenset[str]:
    """The hashes of people whose opt-out was taken back after a moment."""
    return frozenset(value for value, at in _withdrawn(lake, website).items() if value and at > moment)


def unclear(lake: Lake, website: str) -> dict[Hashes, int]:
    """How often the platform's answer about each person was unclear, since it was last settled."""
    rows = sorted(_rows(lake, website, ("unclear", "submitted", "retry"), named=True), key=lambda row: row[1])
    found: dict[Hashes, int] = {}
    for person, _, kind in rows:
        found[person] = found.get(person, 0) + 1 if kind == "unclear" else 0
    return {person: tries for person, tries in found.items() if tries}


def in_scope(lake: Lake, website: str, scope: Scope = "website") -> frozenset[str]:
    """The files that say whom exports of a website must not contain: there is one more when somebody opts out."""
    return _that_count(_listing(lake, None if scope == "all" else website))


def _that_count(files: Iterable[str]) -> frozenset[str]:
    return frozenset([*_of_kinds(files, *_SUPPRESSING, "withdrawn"), *_marks_of(files)])


@dataclass(frozen=True, kw_only=True)
class OptOutFiles:
    """The files with the opt-outs of a website, or of all."""

    listed: Listed
    settled: frozenset[str]
    """The sources that a person has to confirm, or has confirmed."""


def opt_out_files(lake: Lake, website: str | None) -> OptOutFiles:
    """The opt-outs of a website (None: of any)."""
    files = _listing(lake, website)
    settled = frozenset(_source(name) for name in _marks_of(files) if _kind(name) in ("held", "confirmed"))
    return OptOutFiles(listed=_some(files, *_SUPPRESSING), settled=settled)


def view_opt_outs(workspace: Workspace, lake: Lake, files: Listed) -> None:
    """Make the workspace's `opted_out`: hashes, `first_seen` and `source_hash` of each record in these files."""
    with _naming_the_unreadable(lake.store, files):
        workspace.view_files("opted_out", lake, files, {**_TIMED, "source_hash": "VARCHAR"})


def mark(lake: Lake, website: str, kind: Mark, source_hash: str, *, at: dt.datetime, reason: str = "") -> None:
    """Say what was found of a source; said once, it stays."""
    name = f"{_folder(website)}/{kind}-{source_hash}.json"
    if not lake.store.exists(name):
        lake.store.put(name, json.dumps({"at": at.isoformat(), "reason": reason}).encode())


def confirm(lake: Lake, website: str, *, at: dt.datetime, reason: str = "") -> int:
    """Write down that a person confirmed the held files of a website; returns how many there were."""
    found = held(lake, website)
    for source in found:
        mark(lake, website, "confirmed", source, at=at, reason=reason)
    return len(found)


def held(lake: Lake, website: str | None) -> frozenset[str]:
    """The sources of a website (None: of any) from which nothing but suppression follows yet."""
    return _held(_listing(lake, website))


def _held(files: Iterable[str]) -> frozenset[str]:
    names = _marks_of(files)
    done = {(name.rpartition("/")[0], _source(name)) for name in names if _kind(name) in _SETTLED}
    waiting = [name for name in names if _kind(name) in _WAITING]
    return frozenset(_source(name) for name in waiting if (name.rpartition("/")[0], _source(name)) not in done)


def is_settled(lake: Lake, website: str, source_hash: str) -> bool:
    """Whether a file takes little of each list, or a person confirmed it."""
    return any(lake.store.exists(f"{_folder(website)}/{kind}-{source_hash}.json") for kind in _SETTLED)


def is_held(lake: Lake, website: str, source_hash: str) -> bool:
    """Whether a file took too much of a list when it was looked at."""
    return lake.store.exists(f"{_folder(website)}/held-{source_hash}.json")


def _marks_of(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.endswith(".json") and _kind(name) in get_args(Mark)]


def _source(mark: str) -> str:
    return mark.rpartition("-")[2].removesuffix(".json")


def suppress(workspace: Workspace, lake: Lake, website: str, scope: Scope = "website") -> frozenset[str]:
    """Make the workspace's tables `suppressed` and `unconfirmed` (`hash`): whom exports of a website must not contain.

    Returns the files that were in scope (`in_scope`) when they were listed, which is once.

    `unconfirmed`: those of them whose every opt-out is of a file that nobody has confirmed (`hold`): they aren't added
    to a list, and aren't removed from one.

    Every hash of everyone in scope, whatever the algorithm of the export. A person known here by one hash alone and
    elsewhere by all three is suppressed by all three. Raises `LedgerError` naming a file that can't be read.
    """
    listed = _listing(lake, None)
    in_scope = listed if scope == "all" else _below(listed, _folder(website))
    everyone, withdrawn = _some(listed, *_SUPPRESSING, "submitted"), _some(in_scope, "withdrawn")
    with _naming_the_unreadable(lake.store, [*everyone, *withdrawn]):
        mine = _some(in_scope, *_SUPPRESSING, "submitted")
        workspace.table("in_scope", "SELECT NULL::VARCHAR AS hash WHERE false")
        for folder in sorted({name.rpartition("/")[0] for name in withdrawn}):
            workspace.view_files("opted_out", lake, _some(_below(mine, folder), *_SUPPRESSING), _TIMED)
            workspace.view_files("withdrawn", lake, _below(withdrawn, folder), _TIMED)
            workspace.table("in_scope", f"FROM in_scope UNION {_standing()}")
            mine = {name: info for name, info in mine.items() if not name.startswith(f"{folder}/")}
        workspace.view_files("ledger_in_scope", lake, mine, _HASHES)
        workspace.table("in_scope", f"FROM in_scope UNION {_each_hash('ledger_in_scope')}")
        workspace.view_files("ledger", lake, everyone, _HASHES)
        linked = "ledger WHERE " + " OR ".join(f"{name} IN (FROM in_scope)" for name in _HASHES)
        workspace.table("suppressed", f"FROM in_scope UNION {_each_hash(linked)}")
        _unconfirmed(workspace, lake, in_scope)
    return _that_count(in_scope)


def _unconfirmed(workspace: Workspace, lake: Lake, in_scope: Listed) -> None:
    """Make the table `unconfirmed` of `suppressed` and `ledger`."""
    sources = _held(in_scope)
    if not sources:
        workspace.table("unconfirmed", "FROM suppressed WHERE false")
        return
    columns = {**_HASHES, "source_hash": "VARCHAR"}
    workspace.view_files("opted_out", lake, _some(in_scope, *_SUPPRESSING), columns)
    listed = ", ".join(f"'{source}'" for source in sorted(sources))
    workspace.table("confirmed", _each_hash(f"opted_out WHERE source_hash NOT IN ({listed})"))
    linked = "ledger WHERE " + " OR ".join(f"{name} IN (FROM confirmed)" for name in _HASHES)
    workspace.table("unconfirmed", f"FROM suppressed EXCEPT (FROM confirmed UNION {_each_hash(linked)})")


def _standing() -> str:
    """The hashes of `opted_out` that were not withdrawn since."""
    listed = ", ".join(_HASHES)
    each = f"SELECT unnest([{listed}]) AS hash, first_seen AS seen FROM"
    return f"""
        SELECT hash
        FROM (SELECT hash, max(seen) AS seen FROM ({each} opted_out) WHERE hash IS NOT NULL GROUP BY hash) AS o
        WHERE NOT EXISTS (FROM ({each} withdrawn) AS w WHERE w.hash = o.hash AND w.seen > o.seen)
    """  # noqa: S608 - our own names


def _each_hash(rows: str) -> str:
    listed = ", ".join(_HASHES)
    return f"SELECT DISTINCT hash FROM (SELECT unnest([{listed}]) AS hash FROM {rows}) WHERE hash IS NOT NULL"  # noqa: S608 - our own names


def _withdrawals(lake: Lake, website: str, until: dt.datetime) -> list[str]:
    """The files of withdrawals up to a moment; a damaged one counts, so that it keeps nobody from opting out."""

    def counts(name: str) -> bool:
        try:
            return all(at <= until for _, at, _ in _records(_read_file(lake.store, name), ""))
        except LedgerError:
            return True

    return [name for name in _files(lake, website, "withdrawn") if counts(name)]


def _is_whole(store: Store, name: str) -> bool:
    """Whether there is such a file and it holds the people that its name was made of."""
    try:
        table = _read_file(store, name)
    except (FileNotFoundError, LedgerError):
        return False
    people = [person for person, _, _ in _records(table, name)]
    source = table["source_hash"][0].as_py() if people else ""
    salt = (table.schema.metadata or {}).get(_SALT, b"").decode() or source
    return f"-{_digest(people, salt)}." in name


def _parquet(
    people: list[Hashes], kind: LedgerKind, source_hash: str, at: dt.datetime, told: dict[bytes, bytes]
) -> pa.Buffer:
    count = len(people)
    columns = {
        **{name: pa.array((person[at] or None for person in people), pa.string()) for at, name in enumerate(_HASHES)},
        "first_seen": pa.repeat(pa.scalar(at, _TIME), count),
        "submitted_at": pa.repeat(pa.scalar(at if kind == "submitted" else None, _TIME), count),
        "source_hash": pa.repeat(source_hash, count),
    }
    schema = SCHEMA.with_metadata({key: value for key, value in told.items() if value} or None)
    sink = io.BytesIO()
    # Hashes are unlike each other: a dictionary of them would only take memory.
    pq.write_table(pa.table(columns, schema), sink, compression="zstd", use_dictionary=["source_hash"])
    return pa.py_buffer(sink.getbuffer())


def _digest(people: list[Hashes], salt: str) -> str:
    digest = hashlib.sha256(salt.encode())
    for person in people:
        digest.update(f"|{person.md5}|{person.sha1}|{person.sha256}".encode())
    return digest.hexdigest()[:32]


def _folder(website: str) -> str:
    return f"{FOLDER}/website={website}"


def _kind(name: str) -> str:
    return name.rpartition("/")[2].partition("-")[0]


def _files(lake: Lake, website: str | None, *kinds: LedgerKind) -> list[str]:
    """The ledger's files of these kinds (all, unless given), of a website or of all."""
    return _of_kinds(_listing(lake, website), *kinds)


def _listing(lake: Lake, website: str | None) -> Listed:
    """All files of a website, or of all."""
    return lake.store.listing(FOLDER if website is None else _folder(website))


def _of_kinds(names: Iterable[str], *kinds: LedgerKind) -> list[str]:
    wanted = kinds or get_args(LedgerKind)
    return [name for name in names if name.endswith(".parquet") and _kind(name) in wanted]


def _some(files: Listed, *kinds: LedgerKind) -> Listed:
    return {name: files[name] for name in _of_kinds(files, *kinds)}


def _below(files: Listed, folder: str) -> Listed:
    return {name: info for name, info in files.items() if name.startswith(f"{folder}/")}


LedgerRecord = tuple[Hashes, dt.datetime, str]
"""A person, when, and the source or the kind."""


def _rows(
    lake: Lake, website: str, kinds: tuple[LedgerKind, ...], *, named: bool = False, damaged: bool = False
) -> Iterator[LedgerRecord]:
    """The records of a website; with `named` each has its kind in the place of its source.

    Raises `LedgerError` for a damaged file, or passes it over where that is asked for.
    """
    for name in _files(lake, website, *kinds):
        if not damaged or _is_whole(lake.store, name):
            yield from _records(_read_file(lake.store, name), name if named else "")


def _records(table: pa.Table, name: str) -> Iterator[LedgerRecord]:
    values = [table[column].to_pylist() for column in (*_HASHES, "first_seen", "source_hash")]
    for md5, sha1, sha256, at, source in zip(*values, strict=True):
        yield Hashes(md5 or "", sha1 or "", sha256 or ""), at, _kind(name) if name else source


def _read_file(store: Store, name: str) -> pa.Table:
    """The rows of a file. Raises `LedgerError` when it is damaged, `OSError` when the store doesn't answer with it."""
    data = pa.BufferReader(store.read(name))
    try:
        table = pq.ParquetFile(data).read()
        return table.select(SCHEMA.names).cast(SCHEMA.with_metadata(table.schema.metadata))
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


def _withdrawn(lake: Lake, website: str) -> dict[str, dt.datetime]:
    """By hash, when it was last withdrawn."""
    found: dict[str, dt.datetime] = {}
    for person, at, _ in _rows(lake, website, ("withdrawn",)):
        for value in person:
            found[value] = max(at, found.get(value, at))
    return found


def _is_before(person: Hashes, at: dt.datetime, withdrawn: Mapping[str, dt.datetime]) -> bool:
    """Whether a record was overtaken by a withdrawal."""
    return bool(withdrawn) and any(value and value in withdrawn and withdrawn[value] > at for value in person)


def _effective(lake: Lake, website: str, kinds: tuple[LedgerKind, ...]) -> dict[Hashes, dt.datetime]:
    """The people whose opt-outs stand, and when each was first written down."""
    withdrawn, found = _withdrawn(lake, website), dict[Hashes, dt.datetime]()
    for person, at, _ in _rows(lake, website, kinds):
        if not _is_before(person, at, withdrawn):
            found[person] = min(at, found.get(person, at))
    return found


def without_effect(lake: Lake, people: Collection[Hashes], algorithms: Collection[str]) -> int:
    """How many people have no hash of these algorithms, and are known nowhere by one that goes with theirs."""
    idle = [person for person in people if not any(getattr(person, name) for name in algorithms)]
    if not idle:
        return 0
    linked: set[str] = set()
    for website in _websites(lake):
        linked.update(value for person, _, _ in _rows(lake, website, _SUPPRESSING) if all(person) for value in person)
    return sum(not linked.intersection(filter(None, person)) for person in idle)


def idle(lake: Lake, website: str, algorithms: Collection[str]) -> int:
    """How many people of a website's ledger can't be recognised in captures of these algorithms."""
    return without_effect(lake, _effective(lake, website, ("seen",)), algorithms)


def _websites(lake: Lake) -> list[str]:
    return sorted({name.split("/")[1].partition("=")[2] for name in _files(lake, None)})
