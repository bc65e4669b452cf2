"""The criteria of the check `usual`: what fails one of them is worth a look, and can be used."""

import json
import statistics
from collections.abc import Sequence

import pyarrow.compute as pc

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.errors import MissingPartitionError
from ignite_assets.storage.lake import Partition
from ignite_assets.tables import history
from ignite_assets.tables.examination import FEWEST_COMPARABLE, Subject
from ignite_assets.tables.finding import Finding, finding, unknown
from ignite_assets.tables.sparkline import sparkline

_ADDRESSES = 5
"""More identifiers a visitor than this are not plausible."""


def rows(subject: Subject) -> Finding:
    """As many rows as usual."""
    usual, limits = history.usual_rows(subject), subject.thresholds
    shown = _history([*reversed(usual.rows), subject.rows])
    if usual.of < FEWEST_COMPARABLE:
        told = f"nothing yet: of {FEWEST_COMPARABLE} partitions to compare with, there are {usual.of}"
        return Finding(True, f"{subject.rows:,} rows", told, history=shown)
    low, high = usual.low * (1 - limits.rows_fall), usual.high * limits.rows_jump
    median = statistics.median((usual.low, usual.high))
    return finding(
        low <= subject.rows <= high,
        f"{subject.rows:,} rows",
        f"{low:,.0f} to {high:,.0f}; usual is {median:,.0f}, by {usual.of} partitions",
        "see whether the website's tracking still runs",
        history=shown,
    )


def _history(found: Sequence[int]) -> str:
    """The partitions' rows as a chart, oldest first, with its ends in figures."""
    return f"{found[0]:,} {sparkline(found)} {found[-1]:,}"


def hashes(subject: Subject) -> Finding:
    """Every hash has the form of the website's algorithm."""
    if subject.facts is None:
        return unknown("not known")
    odd = subject.facts.malformed
    return finding(
        not odd,
        f"{odd:,} of {subject.facts.hashes:,} hashes have another form",
        f"none, with algo {subject.footer['ignite.algo']}",
        "they are kept here and left out of exports; ask the platform's support about them",
    )


def coercions(subject: Subject) -> Finding:
    """Few values of any column had to go to `extra`."""
    counts: dict[str, int] = json.loads(subject.footer.get("ignite.coercions", "{}"))
    column, worst = max(counts.items(), key=lambda item: item[1], default=("", 0))
    share = worst / subject.rows if subject.rows else 0.0
    limit = subject.thresholds.coercions_share
    return finding(
        share <= limit,
        f"{worst:,} values of {column} did not fit it ({share:.1%})" if worst else "every value fits its column",
        f"at most {limit:.1%} of a column",
        f"look at `extra`, under {column}: the platform may have changed the field",
    )


def misfits(subject: Subject) -> Finding:
    """Every record that the platform sent is a row."""
    count = int(subject.footer.get("ignite.misfits", "0"))
    places = ", ".join(json.loads(subject.footer.get("ignite.misfit_places", "[]"))[:5])
    kept = subject.examination.lake.store.location(subject.partition.misfits)
    return finding(
        not count,
        f"{count:,} records or hashes can't be stored as such, at positions {places}{', …' if count > 5 else ''}"
        if count
        else "every record is a row",
        "none",
        f"they are kept in {kept}, clear text left out; tell the platform's support",
    )


def vanished(subject: Subject) -> Finding:
    """Every entity that was listed was found."""
    count = int(subject.footer.get("ignite.vanished", "0"))
    return finding(
        not count,
        f"{count:,} that were listed were not found (404)",
        "none",
        "a few may have been deleted in between; tell the platform's support if they come back",
    )


def members(subject: Subject) -> Finding:
    """No audience has many more members than its visitors could have addresses."""
    ids = subject.table.ids if isinstance(subject.table, Endpoint) else None
    if ids is None:
        raise ValueError(f"{subject.table.name} has no ids")
    lake, here = subject.examination.lake, subject.partition
    parent = Partition(ids.endpoint, here.website, here.date)
    try:
        counts = lake.read([parent], ["id", "visitors_count"])
    except MissingPartitionError:
        return unknown(f"no {parent.asset} of that day", f"nothing: no visitors_count of {parent.asset}")
    columns = (counts.column(name).to_pylist() for name in ("id", "visitors_count"))
    visitors = {i: count for i, count in zip(*columns, strict=True) if count is not None}
    tally = pc.value_counts(lake.read([here], [ids.column]).column(ids.column))
    sizes = dict(zip(tally.field("values").to_pylist(), tally.field("counts").to_pylist(), strict=True))
    known = {i: size for i, size in sizes.items() if i in visitors}
    odd = sorted(i for i, size in known.items() if size > _ADDRESSES * max(visitors[i], 1))
    return finding(
        not odd,
        f"{len(odd)} of {len(known)} have more than {_ADDRESSES} members per visitor",
        f"none; {sum(known.values()):,} members of {sum(visitors[i] for i in known):,} visitors",
        f"compare with the platform's web UI: ids {', '.join(map(str, odd[:5]))}",
    )


def on_time(subject: Subject) -> Finding:
    """Captured the day after its date: the partition holds that day's people, not those of a longer window."""
    late = subject.days_late
    return finding(
        late <= 0,
        f"captured {late} {'day' if late == 1 else 'days'} late" if late > 0 else "captured the day after its date",
        f"captured the day after its date ({subject.examination.zone.key})",
        "it holds whoever was last seen since its date; fine for trailing windows",
    )


def coverage(subject: Subject) -> Finding:
    """Every day of the window was there when the partition was derived."""
    missing = json.loads(subject.footer.get("ignite.window_missing", "[]"))
    days = subject.footer.get("ignite.window_days", "")
    return finding(
        not missing,
        f"{len(missing)} of {days} days were missing" if missing else "every day of the window was there",
        "none missing",
        f"capture them, and it is derived again: {', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}",
    )
