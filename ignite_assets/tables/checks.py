"""What can be said of a captured partition: the checks, as findings. Reads the lake; no Dagster.

Each finding says what was seen, what was expected and what to do. A check that has nothing to compare with passes,
and says so.
"""

import json
import statistics
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ignite_assets.api.arrow import arrow_schema
from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.errors import MissingPartitionError
from ignite_assets.api.table import HASH_LENGTHS, Table
from ignite_assets.storage.lake import Partition
from ignite_assets.tables.examination import Finding, Subject, captured_at
from ignite_assets.tables.sparkline import sparkline

_TRAILING_DAYS = 28
_FEWEST_COMPARABLE = 3
_ADDRESSES = 5
"""More identifiers a visitor than this are not plausible."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check: what it is called, what it looks at, and whether it makes sense for a row of the table."""

    name: str
    description: str
    applies: Callable[[Table], bool]
    examine: Callable[[Subject], Finding]
    expected_of_backfills: bool = False
    """Whether not to pass is what is to be expected of days that are caught up on."""


_NOTHING = Finding(
    passed=False, saw="no partition", expected="a captured partition", advice="materialize the partition first"
)


def examine(check: Check, subject: Subject) -> Finding:
    """What a check finds. A partition that isn't there, or a check that breaks, is a finding too.

    Of an exception only its class and place are told: its text may quote what the partition holds.
    """
    try:
        return check.examine(subject) if subject.exists else _NOTHING
    except Exception as error:  # noqa: BLE001 - a check that breaks must not make the capture look failed
        place = traceback.extract_tb(error.__traceback__)[-1]
        broke = f"{type(error).__name__} in {place.name}, line {place.lineno}"
    return Finding(
        passed=False,
        severe=True,
        saw=f"the check itself failed: {broke}",
        expected="a verdict",
        advice="see that the partition's file can be read, capture it again, or report the check as broken",
    )


def keys_unique(subject: Subject) -> Finding:
    """No two rows share the row's identity."""
    keys = subject.endpoint.keys
    doubled = len(subject.table) - len(subject.keys)
    if doubled:  # counted exactly, which needs more of Arrow: the set's keys are hashes
        doubled = len(subject.table) - len(subject.table.group_by(list(keys), use_threads=False).aggregate([]))
    return Finding(
        passed=not doubled,
        severe=True,
        saw=f"{doubled:,} of {len(subject.table):,} rows repeat the {', '.join(keys)} of another",
        expected="none",
        advice="" if not doubled else "count distinct keys downstream, and tell the platform's support",
        numbers={"repeated": doubled},
    )


def hashes_well_formed(subject: Subject) -> Finding:
    """Every hash has the length and the characters of the algorithm."""
    algo = subject.footer["ignite.algo"]
    length = HASH_LENGTHS[algo]  # type: ignore[index]  # the footer holds one of them
    pattern = f"^[0-9a-f]{{{length}}}$"
    total = good = 0
    for column in subject.endpoint.columns:
        for values in _values(subject.table, column.name) if column.hashed else ():
            total += len(values)
            good += pc.sum(pc.match_substring_regex(values, pattern)).as_py() or 0
    odd = total - good
    return Finding(
        passed=not odd,
        saw=f"{odd:,} of {total:,} hashes are not {length} lower-case hexadecimal characters",
        expected=f"none, with algo {algo}",
        advice="" if not odd else "they are kept here and left out of exports; ask the platform's support about them",
        numbers={"malformed": odd, "hashes": total},
    )


def _values(table: pa.Table, name: str) -> list[pa.Array]:
    """The values of a column, piece by piece: merged, text of more than 2 GB would not fit an array."""
    pieces = table.column(name).chunks
    return [(pc.list_flatten(piece) if pa.types.is_list(piece.type) else piece).drop_null() for piece in pieces]


def columns_as_declared(subject: Subject) -> Finding:
    """The file's columns are those of the asset's table."""
    declared = arrow_schema(subject.endpoint)
    found = subject.lake.schema(subject.partition)
    same = found.equals(declared)
    return Finding(
        passed=same,
        severe=True,
        saw="the declared columns" if same else f"columns {', '.join(map(str, found))}",
        expected=f"columns {', '.join(declared.names)}",
        advice="" if same else "capture the partition again with this version, or read it by column name",
    )


def coercions(subject: Subject) -> Finding:
    """Few values of any column had to go to `extra`."""
    counts: dict[str, int] = json.loads(subject.footer.get("ignite.coercions", "{}"))
    column, worst = max(counts.items(), key=lambda item: item[1], default=("", 0))
    share = worst / subject.rows if subject.rows else 0.0
    limit = subject.thresholds.coercions_share
    return Finding(
        passed=share <= limit,
        saw=f"{worst:,} values of {column} did not fit it ({share:.1%})" if worst else "every value fits its column",
        expected=f"at most {limit:.1%} of a column",
        advice="" if share <= limit else f"look at `extra`, under {column}: the platform may have changed the field",
        numbers={"coercions": sum(counts.values()), "share": share},
    )


def misfits(subject: Subject) -> Finding:
    """Every record that the platform sent is a row."""
    count = int(subject.footer.get("ignite.misfits", "0"))
    places = ", ".join(json.loads(subject.footer.get("ignite.misfit_places", "[]"))[:5])
    return Finding(
        passed=not count,
        saw=f"{count:,} records can't be rows, at positions {places}{', …' if count > 5 else ''}"
        if count
        else "every record is a row",
        expected="none",
        advice=f"they are kept in {subject.lake.store.location(subject.partition.misfits)}; tell the platform's support"
        if count
        else "",
        numbers={"misfits": count},
    )


def rows_usual(subject: Subject) -> Finding:
    """As many rows as partitions captured as late usually have; none at all after some is an error."""
    usual = _comparable_rows(subject)
    history = _history([*reversed(usual), subject.rows])
    median = statistics.median(usual) if usual else 0
    emptied = bool(usual) and subject.rows == 0 and (median > 0 or usual[0] > 0)
    if len(usual) < _FEWEST_COMPARABLE and not emptied:
        return Finding(
            passed=True,
            saw=f"{subject.rows:,} rows",
            expected=f"nothing yet: of {_FEWEST_COMPARABLE} earlier partitions captured as late as this one, "
            f"there are {len(usual)}",
            numbers={"rows": subject.rows},
            history=history,
        )
    low, high = median * (1 - subject.thresholds.rows_fall), median * subject.thresholds.rows_jump
    passed = low <= subject.rows <= high and not emptied
    return Finding(
        passed=passed,
        severe=emptied,
        saw=f"{subject.rows:,} rows",
        expected=f"{low:,.0f} to {high:,.0f}, the median of {len(usual)} earlier partitions being {median:,.0f}",
        advice="" if passed else "see whether the website's tracking still runs before you trust this partition",
        numbers={"rows": subject.rows, "median": median},
        history=history,
    )


def _history(rows: Sequence[int]) -> str:
    """The partitions' rows as a chart, oldest first, with its ends in figures."""
    return f"{rows[0]:,} {sparkline(rows)} {rows[-1]:,}"


def _comparable_rows(subject: Subject) -> list[int]:
    """Rows of the trailing partitions captured as late, newest first: a later capture's window is longer."""
    late = subject.days_late
    rows = []
    for days in range(1, _TRAILING_DAYS + 1):
        earlier = subject.neighbour(-days)
        footer = subject.examination.footer(earlier)
        if footer and abs(subject.examination.days_late(earlier, footer) - late) <= late // 10:
            rows.append(int(footer["ignite.rows"]))
    return rows


def members_plausible(subject: Subject) -> Finding:
    """No audience has many more members than its visitors could have addresses."""
    ids = subject.endpoint.ids if isinstance(subject.endpoint, Endpoint) else None
    if ids is None:
        raise ValueError(f"{subject.endpoint.name} has no ids")
    parent = Partition(ids.endpoint, subject.partition.website, subject.partition.date)
    try:
        counts = subject.lake.read([parent], ["id", "visitors_count"])
    except MissingPartitionError:
        return Finding(
            passed=True,
            saw=f"no {parent.asset} of that day",
            expected=f"nothing: there is no visitors_count of {parent.asset} to compare with",
        )
    columns = (counts.column(name).to_pylist() for name in ("id", "visitors_count"))
    visitors = {i: count for i, count in zip(*columns, strict=True) if count is not None}
    tally = pc.value_counts(subject.table.column(ids.column))
    sizes = dict(zip(tally.field("values").to_pylist(), tally.field("counts").to_pylist(), strict=True))
    members = {i: size for i, size in sizes.items() if i in visitors}
    odd = sorted(i for i, size in members.items() if size > _ADDRESSES * max(visitors[i], 1))
    total = sum(visitors[i] for i in members)
    return Finding(
        passed=not odd,
        saw=f"{len(odd)} of {len(members)} have more than {_ADDRESSES} members per visitor",
        expected=f"none: a visitor resolves to few addresses; {sum(members.values()):,} members of {total:,} visitors",
        advice="" if not odd else f"compare with the platform's web UI: ids {', '.join(map(str, odd[:5]))}",
        numbers={"members": sum(members.values()), "visitors": total},
    )


def captured_on_time(subject: Subject) -> Finding:
    """Captured the day after its date: the partition holds that day's people, not those of a longer window."""
    late = subject.days_late
    return Finding(
        passed=late <= 0,
        saw=f"captured {late} {'day' if late == 1 else 'days'} late" if late > 0 else "captured the day after its date",
        expected=f"captured the day after its date ({subject.examination.zone.key})",
        advice="" if late <= 0 else "it holds whoever was last seen since its date; fine for trailing windows",
        numbers={"days_late": max(late, 0)},
    )


def nested(subject: Subject) -> Finding:
    """The window holds the next day's, if it was captured no earlier: what was seen since D+1 was seen since D."""
    newer = subject.neighbour(1)
    footer = subject.examination.footer(newer)
    if reason := _not_comparable(subject.footer, footer):
        return Finding(passed=True, saw=reason, expected="nothing: there is no window to compare with")
    mine, theirs = subject.keys, subject.examination.keys(newer)
    missing, limit = theirs.missing_from(mine), subject.thresholds.nesting_share
    passed = theirs.nearly_within(mine, limit)
    return Finding(
        passed=passed,
        severe=True,
        saw=f"{missing:,} of the {len(theirs):,} of {newer.date} are not in it",
        expected=f"at most {limit:.1%}, or one",
        advice="" if passed else "the platform answered for another window: capture both partitions again",
        numbers={"missing": missing},
    )


def _not_comparable(mine: Mapping[str, str], theirs: Mapping[str, str] | None) -> str:
    """Why a window can't be held against the next day's; empty when it can."""
    if theirs is None:
        return "no partition of the next day"
    if captured_at(theirs) > captured_at(mine):
        return "the next day's was captured later, so it may hold people that came since"
    if theirs.get("ignite.algo") != mine.get("ignite.algo"):
        return "the next day's has hashes of another algorithm"
    return ""


def _always(_: Table) -> bool:
    return True


def _capture(of: Callable[[Endpoint], bool] = _always) -> Callable[[Table], bool]:
    """Of captures alone, and of them those for which this holds."""
    return lambda table: isinstance(table, Endpoint) and of(table)


CHECKS: tuple[Check, ...] = (
    Check(
        name="keys_unique",
        description="No two rows share the row's identity.",
        applies=lambda table: bool(table.keys),
        examine=keys_unique,
    ),
    Check(
        name="hashes_well_formed",
        description="Every hash has the length and the characters of the algorithm.",
        applies=_capture(lambda row: row.hashed and any(column.hashed for column in row.columns)),
        examine=hashes_well_formed,
    ),
    Check(
        name="columns_as_declared",
        description="The file's columns are those of the asset's table.",
        applies=_always,
        examine=columns_as_declared,
    ),
    Check(
        name="coercions_few",
        description="Few values of any column had to go to `extra`.",
        applies=_capture(lambda row: row.answer != "hashes"),
        examine=coercions,
    ),
    Check(
        name="misfits_none",
        description="Every record that the platform sent is a row.",
        applies=_capture(lambda row: not callable(row.answer)),
        examine=misfits,
    ),
    Check(
        name="rows_usual",
        description="As many rows as partitions captured as late usually have; none after some is an error.",
        applies=_capture(),
        examine=rows_usual,
    ),
    Check(
        name="members_plausible",
        description="No audience has many more members than its visitors could have addresses.",
        applies=_capture(lambda row: row.ids is not None and not row.ids.from_partition),
        examine=members_plausible,
    ),
    Check(
        name="captured_on_time",
        description="Captured the day after its date.",
        applies=_capture(lambda row: row.history == "look_back"),
        examine=captured_on_time,
        expected_of_backfills=True,
    ),
    Check(
        name="nested",
        description="The window holds the next day's window.",
        applies=_capture(lambda row: row.dated and bool(row.keys)),
        examine=nested,
    ),
)
