"""Whether the captures that a list is made of are sound: judged from their footers, whoever captured them and when."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ignite_assets.api.endpoints import by_name
from ignite_assets.audiences import membership
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.checks import NOT_SOUND, examine
from ignite_assets.tables.examination import Examination
from ignite_assets.tables.thresholds import Thresholds


@dataclass(frozen=True)
class Captures:
    """What is doubted of a rule's captures."""

    reasons: tuple[str, ...]
    """A line for each partition that isn't sound, with website, day and findings; without those in `empty`."""
    empty: Mapping[dt.date, str]
    """By day without rows that is doubted, such a line: these days count as not captured."""


def look(
    lake: Lake,
    rule: ExportRule,
    website: str,
    day: dt.date,
    *,
    thresholds: Thresholds,
    zone: ZoneInfo,
    first_day: dt.date | None = None,
) -> Captures:
    """Examine the partitions that a rule's lists for a day are made of."""
    reasons: list[str] = []
    empty: dict[dt.date, str] = {}
    window = membership.window(lake, rule.members_asset, website, day, rule.window_days, first_day)
    wanted = {rule.members_asset: window.captured}
    if rule.source != "visitors" and (listed := membership.listing_day(lake, rule, website, day)):
        wanted[rule.source] = (listed,)
    for asset, days in wanted.items():
        examination = Examination(lake, by_name()[asset], thresholds, zone)
        for each in days:
            subject = examination.subject(Partition(asset, website, each))
            verdict = examine(subject, "sound")
            if verdict.passed:
                continue
            found = (f"{name}: {finding.measured}" for name, finding in verdict.failed.items())
            reason = f"{subject.partition} {NOT_SOUND}: {', and '.join(found)}"
            if asset == rule.members_asset and subject.is_known and not subject.rows:
                empty[each] = reason
            else:
                reasons.append(reason)
    return Captures(tuple(reasons), empty)
