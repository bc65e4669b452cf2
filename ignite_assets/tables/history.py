"""Comparisons of a partition with its website's history, however that was captured. Pure: subjects in, numbers out.

The window of a partition that was captured late is longer than a night's. People last seen since a day are a subset of
those last seen since an earlier one, and a window of n days holds at most n times as many as one of a day. So a window
of any length says between which bounds the rows of another are.
"""

import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ignite_assets.api.keysets import Sample
from ignite_assets.tables.examination import FEWEST_COMPARABLE, Subject

NEAREST = 7
"""So many partitions of the history are compared in detail: one odd day among them changes no median."""
_SETTLED = 7
"""With a shorter history its extremes count, not its medians: a new website's days differ."""


@dataclass(frozen=True)
class UsualRows:
    """The rows that a partition should have, by its history."""

    low: float
    high: float
    of: int
    """Partitions that say so."""
    rows: tuple[int, ...]
    """Of the comparable partitions, newest first."""


def usual_rows(subject: Subject) -> UsualRows:
    """Between which medians the rows should be; equal bounds where windows are of one length.

    Where a week's rhythm shows, the median of the same weekday counts too.
    """
    alike = [each for each in subject.past if _as_long(each, subject)]
    if len(alike) >= FEWEST_COMPARABLE or subject.table.history == "current_state":
        rows = [each.rows for each in alike]
        same_day = [each.rows for each in alike if each.partition.date.weekday() == subject.partition.date.weekday()]
        medians = [statistics.median(each) for each in (rows, same_day) if len(each) >= FEWEST_COMPARABLE]
        medians = medians or [statistics.median(rows)] if rows else [0]
        return UsualRows(min(medians), max(medians), len(rows), tuple(rows))
    near = sorted(subject.past, key=lambda each: abs(math.log(each.days / subject.days)))[:NEAREST]
    bounds = [_bounds(each, subject.days) for each in near]
    low, high = (statistics.median(each) for each in zip(*bounds, strict=True)) if bounds else (0, 0)
    return UsualRows(low, high, len(near), tuple(each.rows for each in near))


def _as_long(other: Subject, subject: Subject) -> bool:
    """Whether the two windows are about as long; what tells the present has none."""
    late = subject.days_late
    return subject.table.history == "current_state" or abs(other.days_late - late) <= late // 10


def _bounds(other: Subject, days: int) -> tuple[float, float]:
    scaled = other.rows * days / other.days
    return min(other.rows, scaled), max(other.rows, scaled)


def possible_rows(subject: Subject) -> UsualRows:
    """As `usual_rows`; with little history the extremes of what was seen."""
    usual = usual_rows(subject)
    if usual.of >= _SETTLED or not usual.rows:
        return usual
    return UsualRows(min(usual.low, *usual.rows), max(usual.high, *usual.rows), usual.of, usual.rows)


def sampled(subject: Subject) -> list[tuple[Subject, Sample]]:
    """The nearest partitions of the history whose keys can be compared with the subject's, and their samples."""
    algo = subject.footer.get("ignite.algo")
    found = ((each, each.facts.sample) for each in subject.past if each.facts and each.rows)
    same = ((each, sample) for each, sample in found if sample and each.footer.get("ignite.algo") == algo)
    return list(itertools.islice(same, NEAREST))


def wider(subject: Subject) -> list[tuple[Subject, Sample]]:
    """Windows that hold the subject's: opened earlier, captured the same day or later."""
    return [
        (each, sample)
        for each, sample in sampled(subject)
        if each.partition.date < subject.partition.date and subject.closes <= each.closes
    ]


@dataclass(frozen=True)
class Again:
    """How many keys of some windows are found in others that share no day with them."""

    share: float
    """The share of those that could be found."""
    found: int
    of: int
    """Of so many that could be, summed over pairs of windows."""


def seen_again(subject: Subject, mine: Sample) -> tuple[Again, Again]:
    """The subject's keys in the windows of its history, and those windows' keys in each other.

    Of the shares of the first the median counts, of the second the upper quartile: a few windows with other people
    change neither.
    """
    past = [each for each in sampled(subject) if subject.is_apart(each[0])]
    pairs = [(a, b) for (one, a), (other, b) in itertools.combinations(past, 2) if one.is_apart(other)]
    return _again([(mine, sample) for _, sample in past], 0.5), _again(pairs, 0.75)


def _again(pairs: Sequence[tuple[Sample, Sample]], quantile: float) -> Again:
    counts = [(common, min(mine, others)) for common, mine, others in (one.common(other) for one, other in pairs)]
    shares = [common / could for common, could in counts if could]
    share = float(np.quantile(shares, quantile)) if shares else 0.0
    return Again(share, *(sum(each) for each in zip(*counts, strict=True))) if counts else Again(share, 0, 0)


def share_within(mine: Sample, other: Sample) -> float:
    """The share of the other's keys that are among mine."""
    common, _, others = mine.common(other)
    return common / others if others else 0.0


def median_of(past: Sequence[Subject], measure: Callable[[Subject], float | None]) -> float | None:
    """The median of what the nearest partitions show, of those that show anything."""
    values = (value for each in past if (value := measure(each)) is not None)
    found = list(itertools.islice(values, NEAREST))
    return statistics.median(found) if found else None
