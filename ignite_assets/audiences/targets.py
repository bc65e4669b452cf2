"""The lists that a rule makes for a website.

One list, or one for each audience (`combine = false`). A list that the rule no longer asks for is kept in mind for
one thing: who opts out is still removed from it.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from ignite_assets.audiences import membership
from ignite_assets.audiences.folders import List
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.storage.lake import Lake


@dataclass(frozen=True)
class Target:
    """One list to export."""

    of: List
    audiences: list[int] | None
    """Whose members; None: all people of the source."""
    given_up: str | None = None
    """Why nothing but opt-outs can go to it."""
    retired: bool = False
    """Whether the rule doesn't ask for it any more, which is nobody's mistake."""


def targets(lake: Lake, rule: ExportRule, website: str, day: dt.date, known: Iterable[List]) -> list[Target]:
    """The lists that the rule asks for on a day, then the known ones that it asked for once."""
    ids, trouble = _audiences(lake, rule, website, day)
    if rule.combine:
        asked = [
            Target(List(rule.name, website), ids, trouble) if rule.match else Target(List(rule.name, website), None)
        ]
    else:
        asked = [Target(List(rule.name, website, each), [each]) for each in ids]
    if not asked:  # so that somebody hears why there is no list
        asked = [Target(List(rule.name, website), [], trouble)]
    made = {target.of for target in asked}
    never = trouble or "the rule no longer asks for this list"
    gone = sorted((each for each in known if each not in made), key=lambda each: each.audience or 0)
    return asked + [Target(each, [], never, retired=trouble is None) for each in gone]


def _audiences(lake: Lake, rule: ExportRule, website: str, day: dt.date) -> tuple[list[int], str | None]:
    """The audiences that the rule means, and why they can't be had."""
    if rule.source == "visitors":
        return [], None
    ids = membership.audience_ids(lake, rule, website, day)
    if ids is None:
        return [], f"{rule.source} has never been captured"
    return ids, None if ids else f"no {rule.source} match the rule"
