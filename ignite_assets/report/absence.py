"""What a report lacks, in words: what is missing, why, and what to do. Said once, first, on both pages."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.errors import FailureRecord
from ignite_assets.api.horizon import LOOK_BACK_DAYS
from ignite_assets.config import Settings
from ignite_assets.report.condition import AssetState
from ignite_assets.report.readings import DAY, Readings
from ignite_assets.report.words import day_ranges, day_words, listed

PLAIN = {
    "visitors": "visitors",
    "products": "the inventory",
    "locations": "households",
    "location_details": "first visits of households",
    "audiences": "the list of audiences",
    "audience_members": "people of audiences",
    "audience_groups": "the list of audience groups",
    "audience_group_members": "people of audience groups",
    "sales": "sales",
}
"""What people call the data sets."""
_RESTS_ON = ("visitors", "locations", "location_details", "audience_members")
"""Whose days before the report's its numbers rest on."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something that a reader must know before any number."""

    severe: bool = False
    what: str
    why: str = ""
    remedy: str = ""


def notices(
    readings: Readings,
    states: Sequence[AssetState],
    endpoints: Sequence[Endpoint],
    failures: Mapping[str, FailureRecord],
) -> Iterator[Notice]:
    """What the report of a day lacks, the worst first."""
    yield from _of_the_day(readings, endpoints, failures)
    yield from _late(readings)
    yield from _gaps(readings, states, endpoints)
    if stale := [state for state in states if state.stale]:
        names = listed([f"{state.asset.replace('_', ' ')} of {day_ranges(state.stale)}" for state in stale])
        yield Notice(
            what=f"Out of date in the lake: {names}.",
            why="Captures that they are made from have changed since. The numbers of the report don't rest on them.",
            remedy="The heal schedule makes them again each night.",
        )
    newest = max((day for each in endpoints for day in readings.captured(each.name)[-1:]), default=readings.day)
    if newest > readings.day:
        yield Notice(what=f"There is newer data, up to {day_words(newest)}.")


def _of_the_day(
    readings: Readings, endpoints: Sequence[Endpoint], failures: Mapping[str, FailureRecord]
) -> Iterator[Notice]:
    """The data sets that the report's own day lacks."""
    missing = [each for each in endpoints if not readings.has(each.name)]
    if not missing:
        return
    names = listed([_plain(each.name) for each in missing])
    known = [failures[each.name] for each in missing if each.name in failures]
    yield Notice(
        severe=True,
        what=f"Partly captured: {names} of {day_words(readings.day)} {'is' if len(missing) == 1 else 'are'} missing.",
        why=cause(known),
        remedy=f"{remedy(known)} {' '.join(_while(readings.day, missing))}",
    )


def _while(day: dt.date, missing: Sequence[Endpoint]) -> Iterator[str]:
    """Until when what a day lacks can be captured."""
    if again := [_plain(each.name) for each in missing if each.history == "look_back"]:
        yield f"{_begun(listed(again))} can be captured until {day_words(day + LOOK_BACK_DAYS * DAY)}."
    if present := [_plain(each.name) for each in missing if each.history != "look_back"]:
        yield f"{_begun(listed(present))} can only be captured on {day_words(day + DAY)}."


def _begun(text: str) -> str:
    """A text as a sentence begins."""
    return text[:1].upper() + text[1:]


def _late(readings: Readings) -> Iterator[Notice]:
    late = readings.days_late("visitors", readings.day)
    if late:
        yield Notice(
            what=f"{day_words(readings.day)} was captured {late} {'day' if late == 1 else 'days'} late.",
            why="It holds the people who came since as well, so its visitors aren't told apart from theirs.",
            remedy="A report of a later day has them in their places.",
        )


def _gaps(readings: Readings, states: Sequence[AssetState], endpoints: Sequence[Endpoint]) -> Iterator[Notice]:
    """The days before the report's that lack what the numbers rest on."""
    kinds = {each.name for each in endpoints if each.name in _RESTS_ON}
    gaps: dict[tuple[dt.date, ...], list[str]] = {}
    for state in states:
        days = tuple(day for day in state.missing if day != readings.day)
        if state.asset in kinds and days:
            gaps.setdefault(days, []).append(_plain(state.asset))
    for days, names in gaps.items():
        until = days[0] + LOOK_BACK_DAYS * DAY
        yield Notice(
            what=f"Days without {listed(names)}: {day_ranges(days)}.",
            why=f"{'It was' if len(days) == 1 else 'They were'} not captured.",
            remedy=f"The first can be captured until {day_words(until)}; the heal schedule does so each night.",
        )


def _plain(asset: str) -> str:
    return PLAIN.get(asset, asset.replace("_", " "))


def cause(failures: Sequence[FailureRecord]) -> str:
    """Why captures failed, in a sentence; what is known when nothing is on record."""
    if not failures:
        return "No capture of it is on record."
    newest = failures[0]
    if newest.status in (401, 403):
        return "The platform refused the website's credentials."
    if newest.kind == "CredentialsError":
        return "The website's credentials are not set."
    return f"The last capture failed: {newest.gist or newest.reason}."


def remedy(failures: Sequence[FailureRecord]) -> str:
    """What to do, in a sentence."""
    if failures and (failures[0].status in (401, 403) or failures[0].kind == "CredentialsError"):
        return (
            "Set the website's token and secret as the platform's Website Info shows them; then capture the day again."
        )
    return "Capture the day again."


def nothing(website: str, day: dt.date | None, settings: Settings, failures: Mapping[str, FailureRecord]) -> str:
    """Why a website has no report, and what to do, in a line."""
    of = settings.websites.get(website)
    unset = [name for name in (of.token_env, of.secret_env) if not settings.variable(name)] if of else []
    what = f"nothing of {website} was captured" + (f" for {day}" if day else " yet")
    if unset:
        return f"{what}: {listed(unset)} {'is' if len(unset) == 1 else 'are'} not set"
    advice = f"`ignite-assets materialize --website {website} --date {day or 'yesterday'}` captures it"
    if known := list(failures.values()):
        return f"{what}. {cause(known)} {remedy(known)}".rstrip(".")
    return f"{what}; {advice}"
