"""Regressions on demand: answers that are whole, and wrong. A table, a row for each way to be wrong.

A fault names a row (`Fault(regress="other_window", endpoint="visitors")`), and the platform then asks its world
something else, or tells something else than the world says.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ignite_assets.sandbox.catalogue import audiences_of, groups_of
from ignite_assets.sandbox.world import UnknownIdError

_MEMBERS = ("audience_members", "audience_group_members")
_PLACE = ("latitude", "longitude", "street", "city", "state", "zip", "resident")


@dataclass(frozen=True, kw_only=True)
class Regression:
    """One way to be wrong."""

    endpoints: tuple[str, ...]
    """The endpoints that it makes sense for."""
    description: str
    ask: Callable[[str, Any], Any] = lambda _, asked: asked
    """What the world is asked instead: by endpoint and `answers.Question`, another question."""
    tell: Callable[[Any], Any] = lambda answer: answer
    """What is told instead of the world's answer."""


def _first(endpoint: str, asked: Any) -> Any:
    found = audiences_of(asked.website) if endpoint == "audience_members" else groups_of(asked.website)
    return replace(asked, id=found[0].id)


def _each(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Any], Any]:
    """The change made to every record of an answer."""
    return lambda answer: [change(each) for each in answer] if isinstance(answer, list) else change(answer)


def _hashes(change: Callable[[str], str]) -> Callable[[Any], Any]:
    """The change made to every hash of an answer."""

    def told(answer: Any) -> Any:
        if isinstance(answer, list):
            return list(map(change, answer))
        return {**answer, "hashed_emails": list(map(change, answer["hashed_emails"]))}

    return told


def _not_found(_: Any) -> Any:
    raise UnknownIdError


def _emptied(answer: Any) -> Any:
    return [] if isinstance(answer, list) else {name: [] for name in answer}


REGRESSIONS: Mapping[str, Regression] = {
    "other_window": Regression(
        endpoints=("visitors", "locations", "products", *_MEMBERS),
        description="the answer for the default 30 days, whatever date was asked for",
        ask=lambda _, asked: replace(asked, since=None),
    ),
    "other_people": Regression(
        endpoints=("visitors", "location_details", *_MEMBERS),
        description="as many people, and every hash another",
        tell=_hashes(lambda each: (hashlib.sha256(each.encode()).hexdigest() * 2)[: len(each)]),
    ),
    "one_list": Regression(
        endpoints=_MEMBERS, description="the first list of people for every audience or group", ask=_first
    ),
    "clear_text": Regression(
        endpoints=("visitors", "location_details", *_MEMBERS),
        description="e-mail addresses in clear text where hashes belong",
        tell=_hashes(lambda each: f"{each[:12]}@mail.example"),
    ),
    "renamed": Regression(
        endpoints=("products",),
        description="every field under another name",
        tell=_each(lambda each: {f"vehicle_{name}": value for name, value in each.items()}),
    ),
    "without_places": Regression(
        endpoints=("locations", "location_details"),
        description="locations without an address",
        tell=_each(lambda each: {name: value for name, value in each.items() if name not in _PLACE}),
    ),
    "without_hashes": Regression(
        endpoints=("location_details",),
        description="locations without hashed e-mails",
        tell=_each(lambda each: {**each, "hashed_emails": []}),
    ),
    "half_gone": Regression(
        endpoints=("audiences", "audience_groups", "products", "locations"),
        description="half of the records gone",
        tell=lambda answer: answer[: len(answer) // 2],
    ),
    "not_found": Regression(
        endpoints=("location_details", *_MEMBERS), description="404 for all that is listed", tell=_not_found
    ),
    "emptied": Regression(
        endpoints=("visitors", "products", "locations", "audiences", "audience_groups", "sales", *_MEMBERS),
        description="nothing at all",
        tell=_emptied,
    ),
}
"""By name."""
