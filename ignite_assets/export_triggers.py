"""When a website's audiences are due for export. Pure, but for the records it is given to take in.

A website is due when every asset that its rules need has its newest day, once; and again when one of these is
captured anew with other content. Older days that arrive late change nothing: an old day is never sent.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ignite_assets.audiences.rules import ExportRule
from ignite_assets.partitions import read_key


@dataclass(frozen=True)
class Captured:
    """One materialization, as the instance recorded it."""

    storage_id: int
    asset: str
    key: str
    content_hash: str


@dataclass(frozen=True)
class Due:
    """A website's export for a day; equal content makes an equal fingerprint."""

    website: str
    date: dt.date
    fingerprint: str


@dataclass
class Watch:
    """What the sensor knows, and keeps as its cursor."""

    after: dict[str, int] = field(default_factory=dict)
    """By asset, the storage id of the last record taken in."""
    newest: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """By website and asset, the newest day and its content hash."""
    sent: dict[str, str] = field(default_factory=dict)
    """By website, the fingerprint that was asked for last."""

    @classmethod
    def read(cls, text: str | None) -> "Watch":
        """The sensor's cursor, read back."""
        return cls(**json.loads(text)) if text else cls()

    def text(self) -> str:
        """The cursor to keep."""
        return json.dumps(self.__dict__, sort_keys=True)

    def take_in(self, records: Iterable[Captured]) -> None:
        """Learn of materializations, in the order of their storage ids."""
        for record in records:
            self.after[record.asset] = record.storage_id
            day, website = read_key(record.key)
            known = self.newest.setdefault(website, {})
            if record.asset not in known or day.isoformat() >= known[record.asset][0]:
                known[record.asset] = [day.isoformat(), record.content_hash]

    def due(self, rules: Iterable[ExportRule], websites: Iterable[str]) -> Iterator[Due]:
        """The websites whose sources are all there for one newest day, with content not asked for yet."""
        needed = {
            website: sorted({asset for rule in rules if rule.covers(website) for asset in rule.source_assets})
            for website in websites
        }
        for website, assets in needed.items():
            found = [self.newest.get(website, {}).get(asset) for asset in assets]
            complete = [each for each in found if each is not None]
            days = {day for day, _ in complete}
            if not assets or len(complete) < len(assets) or len(days) != 1:
                continue
            fingerprint = _fingerprint(dict(zip(assets, complete, strict=True)))
            if self.sent.get(website) != fingerprint:
                self.sent[website] = fingerprint
                yield Due(website, dt.date.fromisoformat(days.pop()), fingerprint)


def _fingerprint(newest: Mapping[str, list[str]]) -> str:
    return hashlib.sha256(json.dumps(newest, sort_keys=True).encode()).hexdigest()[:16]
