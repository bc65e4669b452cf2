"""What is exported where: the rules of the configuration, their mistakes, and the audiences that they mean."""

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ignite_assets.api.table import Algo
from ignite_assets.audiences.destinations import Destination, by_name

Source = Literal["visitors", "audiences", "audience_groups"]
Mode = Literal["full", "delta"]
Scope = Literal["website", "all"]
"""Whom an opt-out counts for: the website it was given for, or all."""

MATCH_FIELDS: Mapping[Source, tuple[str, ...]] = {
    "visitors": (),
    "audiences": ("id", "primary_category", "brand", "model"),
    "audience_groups": ("id", "label"),
}
"""By source, the columns of its partitions that a rule may name."""

MEMBERS: Mapping[Source, tuple[str, str | None]] = {
    "visitors": ("visitors", None),
    "audiences": ("audience_members", "audience_id"),
    "audience_groups": ("audience_group_members", "audience_group_id"),
}
"""By source, the asset whose partitions hold the people, and its column for the audience."""

MAX_WINDOW_DAYS = 60
"""The vendor's longest look-back ("Look-back Date"): older days can't be captured any more."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class ExportRule:
    """One `[[exports]]` of the configuration."""

    name: str
    websites: tuple[str, ...]
    """Keys or globs."""
    source: Source
    destination: str
    to: str
    """A path or a URL."""
    match: Mapping[str, tuple[str | int, ...]] = field(default_factory=dict)
    """By field, the values of which one has to be there; an audience meets every field. Empty: all."""
    window_days: int = 30
    mode: Mode = "delta"
    combine: bool = True
    """One list for all that match; or one for each audience."""
    min_members: int | None = None
    """The destination's own unless given."""
    max_shrink: float = 0.5
    """Share of the people sent before; more leaving holds the export."""
    adds_when_incomplete: bool = False
    """Whether people may be added while days of the window are missing; nobody is removed then but opt-outs."""
    list_ids: Mapping[str, str] = field(default_factory=dict)
    """By website, or `website/audience id`: the platform's id of the list."""

    @property
    def members_asset(self) -> str:
        """The asset whose partitions hold the people."""
        return MEMBERS[self.source][0]

    @property
    def source_assets(self) -> tuple[str, ...]:
        """The assets whose partitions an export of this rule needs."""
        return (self.members_asset,) if self.source == "visitors" else (self.source, self.members_asset)

    @property
    def row(self) -> Destination:
        """The destination's row; `KeyError` when there is none."""
        return by_name()[self.destination]

    def covers(self, website: str) -> bool:
        """Whether the rule is for a website."""
        return any(fnmatch.fnmatchcase(website, pattern) for pattern in self.websites)


def matching(rule: ExportRule, rows: Iterable[Mapping[str, Any]]) -> list[int]:
    """The ids of the audiences or groups, of the rows of their partition, that a rule means; sorted.

    Text is compared whole and without regard to case; ids as numbers, also when a rule writes them as text.
    """
    wanted = {name: {_comparable(value) for value in values} for name, values in rule.match.items()}
    return sorted(
        int(row["id"]) for row in rows if all(_comparable(row.get(name)) in values for name, values in wanted.items())
    )


def _comparable(value: object) -> str:
    return str(value).strip().casefold() if value is not None else ""


def mistakes(rule: ExportRule) -> list[str]:
    """What is wrong with one rule, a line each: the key, what was found, what is allowed."""
    return [
        *_not_one_of("source", rule.source, get_args(Source)),
        *_not_one_of("mode", rule.mode, get_args(Mode)),
        *_not_one_of("destination", rule.destination, tuple(by_name())),
        *_out_of_bounds(rule),
        *_bad_match(rule),
    ]


def mistakes_together(rules: Sequence[ExportRule], algos: Mapping[str, Algo]) -> list[str]:
    """What is wrong between rules and websites (their hash algorithms by key), a line each."""
    found = []
    names = [rule.name for rule in rules]
    found += [f"{name}: the name of more than one export" for name in sorted({n for n in names if names.count(n) > 1})]
    for rule in rules:
        found += [f"{rule.name}: {mistake}" for mistake in _against_websites(rule, algos)]
    return found


def _against_websites(rule: ExportRule, algos: Mapping[str, Algo]) -> Iterator[str]:
    for pattern in rule.websites:
        if not any(fnmatch.fnmatchcase(website, pattern) for website in algos):
            yield f"websites: no website is called {pattern}; there are {', '.join(sorted(algos))}"
    destination = by_name().get(rule.destination)
    for website, algo in sorted(algos.items()):
        if destination and rule.covers(website) and algo not in destination.algos:
            yield (
                f"destination: {destination.name} takes {' or '.join(destination.algos)}, "
                f"{website} is captured as {algo}"
            )


def _not_one_of(key: str, value: str, allowed: Sequence[str]) -> list[str]:
    return [] if value in allowed else [f"{key}: found {value}; allowed: one of {', '.join(allowed)}"]


def _out_of_bounds(rule: ExportRule) -> Iterator[str]:
    if not _NAME.fullmatch(rule.name) or ".." in rule.name:
        yield "name: allowed: 1 to 63 lower-case letters a-z, digits and, inside only, '.', '_' and '-' (no '..')"
    if not rule.websites:
        yield "websites: missing; required: a list of keys or globs"
    if not rule.to.strip():
        yield "to: missing; required: a path or a URL"
    if not 1 <= rule.window_days <= MAX_WINDOW_DAYS:
        yield f"window_days: found {rule.window_days}; allowed: a whole number from 1 to {MAX_WINDOW_DAYS}"
    if rule.min_members is not None and rule.min_members < 0:
        yield f"min_members: found {rule.min_members}; allowed: a whole number, at least 0"
    if not 0 <= rule.max_shrink <= 1:
        yield f"max_shrink: found {rule.max_shrink}; allowed: a number from 0 to 1"
    if rule.source == "visitors" and not rule.combine:
        yield "combine: found false; visitors are one list"


def _bad_match(rule: ExportRule) -> Iterator[str]:
    allowed = MATCH_FIELDS.get(rule.source, ())
    for name, values in rule.match.items():
        if name not in allowed:
            yield f"match.{name}: unknown key; allowed: {', '.join(allowed) or 'none for this source'}"
        elif not values:
            yield f"match.{name}: found no value; an empty list matches nothing"
        elif name == "id" and not all(str(value).isdecimal() for value in values):
            yield "match.id: allowed: whole numbers"
