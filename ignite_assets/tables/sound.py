"""The criteria of the check `sound`: a partition that fails one of them must not be used."""

import itertools
import statistics
from collections.abc import Sequence

from ignite_assets.api.arrow import arrow_schema
from ignite_assets.api.keysets import Sample
from ignite_assets.api.table import HASH_LENGTHS
from ignite_assets.tables import history
from ignite_assets.tables.examination import FEWEST_COMPARABLE, Subject, captured_at
from ignite_assets.tables.facts import Facts
from ignite_assets.tables.finding import Finding, finding, unknown

_MALFORMED_SHARE = 0.05
_FEW_ROWS = 10
_FEW_COMPARED = 150
"""Without a norm, so many comparisons without one that fits are needed for a doubt."""
_FEW_EXPECTED = 10
_SMALL = 20
"""Usual rows below which a loss may be chance."""
_EMPTY_AFTER = 10
"""Usual people from which none at all isn't chance."""
_NO_CHANCE = ((6, 4), (3, 12), (0, 20))
"""From so many entities on, a list of so many people that they all have is no chance."""
_MUCH = 50
"""Rows below which a growth may be chance."""
_WITHIN, _MORE = 0.9, 1.5
"""A window that holds this share of each of the nights before, and has so many times their rows, is a longer one."""

_TRUST = (
    "don't use the partition; see whether the website's tracking still runs, ask the platform's support, capture it "
    "again"
)
_LONGER = "the platform seems to have answered for a longer window, as it does past 60 days; capture it again"
_NO_FACTS = "not known: the file is of a version that gathered no facts"


def columns(subject: Subject) -> Finding:
    """The file's columns are those of the asset's table."""
    declared = arrow_schema(subject.table)
    found = subject.schema
    same = found.equals(declared)
    return finding(
        same,
        f"the {len(declared)} declared columns" if same else f"columns {', '.join(map(str, found))}",
        f"{len(declared)} declared columns" if same else f"columns {', '.join(declared.names)}",
        "capture the partition again with this version, or read it by column name",
    )


def keys(subject: Subject) -> Finding:
    """No two rows share the row's identity."""
    facts = subject.facts
    if facts is None or facts.keys is None:
        return unknown(_NO_FACTS)
    doubled = subject.rows - facts.keys
    return finding(
        not doubled,
        f"{doubled:,} of {subject.rows:,} rows repeat the {', '.join(subject.table.keys)} of another",
        "none",
        "count distinct keys downstream, and tell the platform's support",
    )


def hashes(subject: Subject) -> Finding:
    """Nearly all hashes have the form of the website's algorithm."""
    if subject.facts is None:
        return unknown(_NO_FACTS)
    algo, facts = subject.footer["ignite.algo"], subject.facts
    length = HASH_LENGTHS[algo]  # type: ignore[index]  # the footer holds one of them
    share = facts.malformed / facts.hashes if facts.hashes else 0.0
    return finding(
        share <= _MALFORMED_SHARE,
        f"{facts.malformed:,} of {facts.hashes:,} hashes are not {length} lower-case hexadecimal characters",
        f"at most {_MALFORMED_SHARE:.0%}, with algo {algo}",
        "see whether the platform answers another algorithm than the one asked for",
    )


def hollow(subject: Subject) -> Finding:
    """Columns that usually have values have them."""
    facts = subject.facts
    if facts is None or subject.rows < _FEW_ROWS:
        return unknown(_NO_FACTS if facts is None else f"{subject.rows:,} rows, too few to tell")
    near = ((each.facts, each.rows) for each in subject.past if each.facts and each.rows >= _FEW_ROWS)
    past = list(itertools.islice(near, history.NEAREST))
    hollowed = []
    for column in (column for column in subject.table.columns if column.name in facts.empty):
        norm = statistics.median(_filled(each, column.name, rows) for each, rows in past) if past else 0.0
        share = _filled(facts, column.name, subject.rows)
        if norm * subject.rows >= _FEW_ROWS / 2 and share < norm * (1 - subject.thresholds.hollow_share):
            hollowed.append(f"{column.name} {share:.0%} (usually {norm:.0%})")
    return finding(
        not hollowed,
        f"filled are {', '.join(hollowed)}" if hollowed else "columns are as full as usual",
        f"at least {1 - subject.thresholds.hollow_share:.0%} of the usual values in each column",
        "see in `extra` whether the platform renamed a field or changed its form, and tell its support",
    )


def _filled(facts: Facts, name: str, rows: int) -> float:
    """The share of rows that have a value in a column."""
    return 1 - facts.empty.get(name, 0) / rows


def rows(subject: Subject) -> Finding:
    """The rows are neither gone nor many times the usual."""
    usual, limits = history.possible_rows(subject), subject.thresholds
    low, high = usual.low * (1 - limits.rows_lost), usual.high * limits.rows_grown
    last = usual.rows[0] if usual.rows else 0
    emptied = not subject.rows and max(history.usual_rows(subject).low, last / 2) >= _least(subject)
    known = usual.of >= FEWEST_COMPARABLE
    lost = known and usual.low >= _SMALL and subject.rows < low
    grown = known and subject.rows >= _MUCH and subject.rows > high
    of = f"by {usual.of} partitions of the history"
    return finding(
        not (emptied or lost or grown),
        f"{subject.rows:,} rows",
        f"{low:,.0f} to {high:,.0f}, {of}" if known else f"no verdict but on emptiness, {of}",
        _TRUST,
    )


def _least(subject: Subject) -> int:
    """The usual rows from which none at all isn't chance."""
    row = subject.table
    if row.history == "current_state":
        return 1
    return _EMPTY_AFTER * (3 if len(row.keys) > 1 else 1)  # a person is in several audiences


def window(subject: Subject) -> Finding:
    """The answer isn't that of a longer window: it doesn't hold nearly everyone of the days before."""
    mine = subject.facts.sample if subject.facts else None
    past = [
        (each, sample)
        for each, sample in history.sampled(subject)
        if each.partition.date < subject.partition.date and subject.is_apart(each) and each.rows >= _FEW_ROWS
    ]
    if mine is None or not past:
        wider = history.wider(subject)
        return _in_wider(subject, wider) if mine and wider else unknown("no earlier window to compare with")
    within = statistics.median(history.share_within(mine, sample) for _, sample in past)
    times = subject.rows / statistics.median(each.rows * max(1, subject.days / each.days) for each, _ in past)
    return finding(
        within < _WITHIN or times < _MORE or subject.rows < _MUCH,
        f"it holds {within:.0%} of each earlier window, and {times:.1f} times its rows",
        f"less than {_WITHIN:.0%}, or less than {_MORE:g} times its rows",
        _LONGER,
    )


def _in_wider(subject: Subject, wider: Sequence[tuple[Subject, Sample]]) -> Finding:
    """By what holds a window: those that opened earlier and were captured the same day or later.

    They can't be smaller, but for who came between two captures of one day.
    """
    times = subject.rows / statistics.median(each.rows for each, _ in wider)
    return finding(
        len(wider) < FEWEST_COMPARABLE or subject.rows < _MUCH or times < _MORE,
        f"it has {times:.1f} times the rows of earlier windows of the same capture",
        f"less than {_MORE:g} times",
        _LONGER,
    )


def people(subject: Subject) -> Finding:
    """As many people or things as usual were seen before: the answer is this website's."""
    mine = subject.facts.sample if subject.facts else None
    if mine is None or not subject.rows:
        return unknown("no keys to look for" if subject.facts else _NO_FACTS)
    seen, norm = history.seen_again(subject, mine)
    share, among = seen.share, "other windows of the history, by their median"
    if not norm.of and (wider := history.wider(subject)):
        share = statistics.median(history.share_within(sample, mine) for _, sample in wider)
        least = subject.thresholds.known_share if len(wider) >= FEWEST_COMPARABLE else 0.0
        doubted = subject.rows >= _FEW_ROWS and share <= least
        among, expected = "earlier windows of the same capture", f"more than {least:.0%}"
    elif not norm.of:
        doubted = not seen.found and seen.of >= _FEW_COMPARED
        expected = "some, in so many comparisons" if seen.of >= _FEW_COMPARED else "nothing yet: too little history"
    else:
        least = norm.share * subject.thresholds.known_share
        few = subject.rows < _MUCH and subject.table.history == "look_back"  # a household is in them together
        enough = subject.rows >= _FEW_ROWS and seen.of * norm.share >= _FEW_EXPECTED
        doubted = enough and (not seen.found if few else seen.share < least)
        expected = f"at least {least:.1%}; usual is {norm.share:.0%}"
    return finding(
        not doubted,
        f"{share:.0%} of its keys are in {among}",
        expected,
        "the answer seems to be another website's; check the website's token and secret, ask the platform's support",
    )


def entities(subject: Subject) -> Finding:
    """The audiences or groups of the days before are still there."""
    share, count = _lost(subject)
    limit = subject.thresholds.entities_lost
    return finding(
        share <= limit or count < 2,
        f"{count:,.0f} of those listed before are gone ({share:.0%})",
        f"at most {limit:.0%}, or one",
        "see in the platform's settings whether they were deleted; if not, don't use the partition",
    )


def _lost(subject: Subject) -> tuple[float, float]:
    """The share of the entities of earlier partitions that are gone, and how many that are: medians."""
    facts = subject.facts
    if facts is None:
        return 0.0, 0.0

    def share(other: Subject) -> float | None:
        if other.facts is None:
            return None
        if facts.entities is not None:
            before = other.facts.entities
            return max(0.0, 1 - facts.entities / before) if before else None
        if facts.sample is None or other.facts.sample is None or not other.rows:
            return None
        return 1 - history.share_within(facts.sample, other.facts.sample)

    def count(other: Subject) -> float | None:
        lost = share(other)
        before = other.facts.entities if other.facts and other.facts.entities is not None else other.rows
        return None if lost is None else lost * before

    earlier = [each for each in subject.past if each.partition.date < subject.partition.date]
    if subject.table.history == "look_back" and facts.entities is None:  # a longer window lists more
        earlier = [each for each in earlier if each.days <= subject.days]
    return history.median_of(earlier, share) or 0.0, history.median_of(earlier, count) or 0.0


def alike(subject: Subject) -> Finding:
    """Different audiences, groups or locations have different people."""
    facts = subject.facts
    if facts is None:
        return unknown(_NO_FACTS)
    norm = history.median_of(subject.past, lambda each: each.facts.alike_share if each.facts else None) or 0.0
    chance = facts.alike_hashes < next(hashes for entities, hashes in _NO_CHANCE if facts.alike >= entities)
    told = f"{facts.alike if facts.alike > 1 else 0:,} of {facts.compared:,} have one and the same list"
    return finding(
        chance or facts.alike_share <= max(0.5, norm),
        f"{told}, of {facts.alike_hashes:,}" if facts.alike > 1 else told,
        f"at most {max(0.5, norm):.0%}",
        "the platform seems to have answered one list for all; capture it again",
    )


def nested(subject: Subject) -> Finding:
    """The window holds the next day's, if it was captured no earlier: what was seen since D+1 was seen since D."""
    newer = subject.tomorrow
    if reason := _not_comparable(subject, newer):
        return unknown(reason)
    mine, theirs = (each.facts.sample if each.facts else None for each in (subject, newer))
    if mine is None or theirs is None:
        return unknown(_NO_FACTS)
    common, _, of = mine.common(theirs)
    limit = subject.thresholds.nesting_share
    missing, allowed = of - common, limit * of
    return finding(
        missing <= max(1, allowed if mine.whole and theirs.whole else allowed + 3 * allowed**0.5 + 1),
        f"{missing / of if of else 0:.1%} of those of {newer.partition.date} are not in it",
        f"at most {limit:.1%}, or one",
        "the platform answered for another window: capture both partitions again",
    )


def _not_comparable(subject: Subject, newer: Subject) -> str:
    """Why a window can't be held against the next day's; empty when it can."""
    if not newer.is_known:
        return "no partition of the next day"
    if captured_at(newer.footer) > captured_at(subject.footer):
        return "the next day's was captured later, so it may hold people that came since"
    if newer.footer.get("ignite.algo") != subject.footer.get("ignite.algo"):
        return "the next day's has hashes of another algorithm"
    return ""
