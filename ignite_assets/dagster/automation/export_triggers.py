"""When a website's audiences are due for export. Pure, but for the records it is given to take in.

A website is due when every asset that its rules need has its newest day, once; and again when one of these is
captured anew with other content. When an older day of a rule's window is captured, the newest day is due again: a list
that was held for the missing day is released. So that a backfill of many days makes one export, that waits for a look
at which no more of them arrived.

Records may be taken in twice, as long as the last ones come last: what is known is the same afterwards.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ignite_assets.audiences.rules import ExportRule
from ignite_assets.dagster.partitions import read_key


@dataclass(frozen=True)
class Captured:
    """One materialization, as the instance recorded it."""

    storage_id: int
    asset: str
    key: str
    content_hash: str
    """Of a newest day; of an older one it is not asked for."""


class Newest(NamedTuple):
    """The newest day of a website's asset."""

    day: str
    content_hash: str
    storage_id: int
    """Of the record that brought this content: it tells content that came back from content that stayed."""


@dataclass(frozen=True)
class Due:
    """A website's export for a day."""

    website: str
    date: dt.date
    occasion: str
    """What asks for it: the same when the same records are looked at again, and no other's."""


@dataclass
class Watch:
    """What the sensor knows, and keeps as its cursor."""

    after: dict[str, int] = field(default_factory=dict)
    """By asset, the storage id of the last record taken in."""
    newest: dict[str, dict[str, Newest]] = field(default_factory=dict)
    """By website and asset."""
    sent: dict[str, str] = field(default_factory=dict)
    """By website, the fingerprint of the content that was asked for last."""
    older: dict[str, dict[str, int]] = field(default_factory=dict)
    """By website and asset, the last record of a day before the newest one."""
    seen: dict[str, dict[str, int]] = field(default_factory=dict)
    """By website, the older records that were there at the last look."""
    exported: dict[str, dict[str, int]] = field(default_factory=dict)
    """By website, the older records that were there when the website was asked for last."""

    @classmethod
    def read(cls, text: str | None) -> "Watch":
        """The sensor's cursor, read back."""
        if not text:
            return cls()
        known = json.loads(text)
        newest = {
            website: {asset: Newest(*found) for asset, found in assets.items()}
            for website, assets in known["newest"].items()
        }
        return cls(**known | {"newest": newest})

    def text(self) -> str:
        """The cursor to keep."""
        return json.dumps(self.__dict__, sort_keys=True)

    def take_in(self, records: Iterable[Captured], window_days: int = 0) -> None:
        """Learn of materializations, in the order of their storage ids.

        `window_days`: how many days back from the newest one an older day matters.
        """
        for record in records:
            self.after[record.asset] = max(record.storage_id, self.after.get(record.asset, 0))
            day, website = read_key(record.key)
            known = self.newest.setdefault(website, {})
            before = known.get(record.asset)
            found = Newest(day.isoformat(), record.content_hash, record.storage_id)
            if before is None or found.day > before.day or (found.day == before.day and found[1] != before[1]):
                known[record.asset] = found
            elif (
                dt.date.fromisoformat(before.day) - dt.timedelta(window_days) < day < dt.date.fromisoformat(before.day)
            ):
                older = self.older.setdefault(website, {})
                older[record.asset] = max(record.storage_id, older.get(record.asset, 0))

    def newest_of(self, asset: str, latest: Mapping[str, int]) -> list[int]:
        """Of an asset's last records by partition key, the ids of those that are of a website's newest day."""
        days = {website: found[asset].day for website, found in self.newest.items() if asset in found}
        for key in latest:
            day, _, website = key.partition("|")
            days[website] = max(day, days.get(website, ""))
        newest = {f"{day}|{website}" for website, day in days.items()}
        return [storage_id for key, storage_id in latest.items() if key in newest]

    def due(self, rules: Iterable[ExportRule], websites: Iterable[str]) -> Iterator[Due]:
        """The websites whose sources are all there for one newest day, with content not asked for yet."""
        for website, assets in _needed(rules, websites).items():
            known = self.newest.get(website, {})
            found = {asset: known[asset] for asset in assets if asset in known}
            days = {newest.day for newest in found.values()}
            if not assets or len(found) < len(assets) or len(days) != 1:
                continue
            fingerprint, older = _fingerprint(found), dict(self.older.get(website, {}))
            settled = older == self.seen.get(website, {})
            self.seen[website] = older
            if self.sent.get(website) != fingerprint or (settled and older != self.exported.get(website, {})):
                self.sent[website], self.exported[website] = fingerprint, older
                last = max([*(newest.storage_id for newest in found.values()), *older.values()])
                yield Due(website, dt.date.fromisoformat(days.pop()), f"{fingerprint}@{last}")

    def lacking(self, rules: Iterable[ExportRule], websites: Iterable[str]) -> dict[str, list[str]]:
        """The websites that can't be exported yet, each with the assets that lack the newest day of the others."""
        found = {}
        for website, assets in _needed(rules, websites).items():
            known = self.newest.get(website, {})
            days = {asset: known[asset].day if asset in known else "" for asset in assets}
            last = max(days.values(), default="")
            if late := [asset for asset, day in days.items() if day < last or not day]:
                found[website] = late
        return found


def _needed(rules: Iterable[ExportRule], websites: Iterable[str]) -> dict[str, list[str]]:
    """By website, the assets that its rules need."""
    some = list(rules)
    return {
        website: sorted({asset for rule in some if rule.covers(website) for asset in rule.source_assets})
        for website in websites
    }


def _fingerprint(found: Mapping[str, Newest]) -> str:
    content = {asset: (newest.day, newest.content_hash) for asset, newest in found.items()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
