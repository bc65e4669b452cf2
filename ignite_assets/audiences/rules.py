"""The rules of `[[exports]]`: who is exported where, their mistakes, and the audiences that they mean."""

import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator

from ignite_assets.api.names import is_website_key
from ignite_assets.api.section import AllowedText, Section
from ignite_assets.api.table import Algo
from ignite_assets.audiences.destinations import Destination, by_name
from ignite_assets.storage.location import Location

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


def _export_name(name: str) -> str:
    """Keep names that can be a folder on every operating system, as keys of websites can."""
    if not is_website_key(name):
        raise ValueError("not the name of an export")
    return name


def _destination(name: str) -> str:
    if name not in by_name():
        raise ValueError("no such destination")
    return name


def _values(found: object) -> tuple[str | int, ...]:
    """One value, or a list of them."""
    values = found if isinstance(found, list | tuple) else [found]
    if not all(isinstance(value, str | int) and not isinstance(value, bool) for value in values):
        raise ValueError("neither text nor a whole number")
    return tuple(values)


ExportName = Annotated[
    str,
    AfterValidator(_export_name),
    AllowedText("1 to 63 lower-case letters a-z, digits and, inside only, '.', '_' and '-' (no '..')"),
]
DestinationName = Annotated[str, AfterValidator(_destination), AllowedText(f"one of {', '.join(by_name())}")]
MatchValues = Annotated[
    tuple[str | int, ...],
    PlainValidator(_values),
    AllowedText("text, a whole number, or a list of these"),
]


class ExportRule(Section):
    """One rule that turns captured memberships into files for an ad platform."""

    name: ExportName = Field(examples=["used-shoppers-meta"], description="Names the export and its folder.")
    websites: tuple[str, ...] = Field(
        ("*",), strict=False, min_length=1, description="Keys of websites, or globs such as *-honda."
    )
    source: Source = Field(
        examples=["audiences"], description="Whose members: all visitors, audiences, or audience groups."
    )
    match: Annotated[
        Mapping[str, MatchValues],
        AllowedText('a table such as { primary_category = "USED", brand = ["KIA", "HONDA"] }'),
    ] = Field(
        {},
        examples=[{"primary_category": "USED"}],
        description="By field of the source (id always works), the values of which one has to be there.",
    )
    window_days: int = Field(30, ge=1, le=MAX_WINDOW_DAYS, description="Days of captures that make the list.")
    destination: DestinationName = Field(examples=["meta_custom_audience"], description="The ad platform.")
    to: Location = Field("exports", description="Folder or bucket for the files.")
    mode: Mode = Field("delta", description="Whole lists, or what changed since the last one.")
    combine: bool = Field(True, description="One list for all that match, or one for each audience.")
    min_members: int | None = Field(
        None, ge=0, examples=[1000], description="Hold smaller lists; the destination's own unless set."
    )
    max_shrink: float = Field(0.5, ge=0, le=1, description="Hold a list that would lose more than this share.")
    max_growth: float = Field(
        3.0, ge=0, description="Hold a list that would grow by more than this share of its people; 3.0 is fourfold."
    )
    max_replaced: float = Field(
        0.9, ge=0, le=1, description="Hold a list that would have more than this share of its people replaced."
    )
    adds_when_incomplete: bool = Field(
        False, description="Whether people may be added while days of the window are missing."
    )
    list_ids: Annotated[Mapping[str, str], AllowedText('a table such as { acme-honda = "123" }')] = Field(
        {},
        examples=[{"acme-honda": "123"}],
        description="By website, or website/audience id: the platform's id of the list.",
    )

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
        """The destination's row."""
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


def mistakes_between(rules: Sequence[ExportRule], algos: Mapping[str, Algo]) -> Iterator[str]:
    """What no setting shows by itself, a line each: rules against their source, each other and the websites.

    `algos` has the websites' hash algorithms by key.
    """
    for rule in rules:
        yield from (f"{rule.name}: {mistake}" for mistake in _against_source(rule))
    names = [rule.name for rule in rules]
    yield from (
        f"{name}: the name of more than one export" for name in sorted({n for n in names if names.count(n) > 1})
    )
    for rule in rules:
        yield from (f"{rule.name}: {mistake}" for mistake in _against_websites(rule, algos))


def _against_source(rule: ExportRule) -> Iterator[str]:
    if rule.source == "visitors" and not rule.combine:
        yield "combine: found false; visitors are one list"
    allowed = MATCH_FIELDS[rule.source]
    for name, values in rule.match.items():
        if name not in allowed:
            yield f"match.{name}: unknown key; allowed: {', '.join(allowed) or 'none for this source'}"
        elif not values:
            yield f"match.{name}: found no value; an empty list matches nothing"
        elif name == "id" and not all(str(value).isdecimal() for value in values):
            yield "match.id: allowed: whole numbers"


def _against_websites(rule: ExportRule, algos: Mapping[str, Algo]) -> Iterator[str]:
    for pattern in rule.websites:
        if not any(fnmatch.fnmatchcase(website, pattern) for website in algos):
            yield f"websites: no website is called {pattern}; there are {', '.join(sorted(algos))}"
    for website, algo in sorted(algos.items()):
        if rule.covers(website) and algo not in rule.row.algos:
            yield (
                f"destination: {rule.destination} takes {' or '.join(rule.row.algos)}, {website} is captured as {algo}"
            )
