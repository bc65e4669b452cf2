"""The lists there are: those that a rule asks for, and the record of every list that was ever written.

Whoever is on a list is owed their removal when they opt out, whatever the configuration says by then. So the lake
keeps a record, `_lists/website=<website>/<name>/[audience=<id>/]<place>/<time>-<event>.json`, to which events are
added and which is never changed: a list is `begun` before its first export is written, `written` after it, and
`retired` when a person says that nothing more is owed. Its last event counts.
"""

import datetime as dt
import hashlib
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ignite_assets.api.errors import IgniteError
from ignite_assets.audiences import membership
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.location import URL_SCHEME
from ignite_assets.storage.store import Store

FOLDER = "_lists"
Event = Literal["begun", "written", "retired"]
_TIME = "%Y%m%dT%H%M%S.%fZ"

_RECORD = re.compile(
    rf"{FOLDER}/website=(?P<website>[^/]+)/(?P<name>[^/]+)/(?:audience=(?P<audience>\d+)/)?(?P<place>[0-9a-f]{{12}})/"
    r"[^/]+-(?P<event>begun|written|retired)\.json"
)
_EXPORT = re.compile(
    r"(?P<name>[^/]+)/website=(?P<website>[^/]+)/"
    r"(?:date=[0-9-]{10}/)?(?:audience=(?P<audience>\d+)/)?(?:\.staged/)?manifest\.json"
)


class RecordError(IgniteError):
    """A file of the record of lists is damaged."""


@dataclass(frozen=True)
class List:
    """One list on a platform: of an export and a website, and of an audience where lists aren't combined."""

    to: str
    """The place of its files: an absolute path or a URL."""
    name: str
    """Of the export in the configuration."""
    website: str
    audience: int | None = None

    @property
    def title(self) -> str:
        """What it is called on the platform."""
        return f"{self.name} {self.website}" + ("" if self.audience is None else f" {self.audience}")

    @property
    def base(self) -> str:
        """The folder of its website, below `to`."""
        return f"{self.name}/website={self.website}"

    @property
    def folder(self) -> str:
        """The folder of its exports, below `to`."""
        return self.base + ("" if self.audience is None else f"/audience={self.audience}")

    @property
    def key(self) -> str:
        """What `list_ids` calls it."""
        return self.website if self.audience is None else f"{self.website}/{self.audience}"


@dataclass(frozen=True)
class Target:
    """One list to export."""

    of: List
    audiences: list[int] | None
    """Whose members; None: all people of the source."""
    refusal: str | None = None
    """Why nothing but opt-outs can go to it."""
    orphaned: bool = False
    """Whether nothing asks for the list any more, which is nobody's mistake."""


UNASKED = "no export asks for this list any more: people who opt out are removed from it, until it is retired"


def targets(lake: Lake, rule: ExportRule, website: str, day: dt.date, known: Iterable[List]) -> list[Target]:
    """The lists that the rule asks for on a day, then the known ones of its name and place that it asked for once."""
    ids, trouble = _audiences(lake, rule, website, day)
    combined = List(rule.to, rule.name, website)
    if rule.combine:
        asked = [Target(combined, ids, trouble) if rule.match else Target(combined, None)]
    else:
        asked = [Target(replace(combined, audience=each), [each]) for each in ids]
    if not asked:  # so that somebody hears why there is no list
        asked = [Target(combined, [], trouble)]
    made = {target.of for target in asked}
    gone = [each for each in known if each not in made and each == replace(combined, audience=each.audience)]
    return asked + [Target(each, [], trouble or UNASKED, orphaned=trouble is None) for each in in_order(gone)]


def _audiences(lake: Lake, rule: ExportRule, website: str, day: dt.date) -> tuple[list[int], str | None]:
    """The audiences that the rule means, and why they can't be had."""
    if rule.source == "visitors":
        return [], None
    ids = membership.audience_ids(lake, rule, website, day)
    if ids is None:
        return [], f"{rule.source} has never been captured"
    return ids, None if ids else f"no {rule.source} match the rule"


def in_order(lists: Iterable[List]) -> list[List]:
    """Lists as tables show them."""
    return sorted(lists, key=lambda of: (of.website, of.name, of.to, of.audience or 0))


def orphans(known: Iterable[List], rules: Collection[ExportRule]) -> list[List]:
    """Of known lists, those whose export is configured no more, or elsewhere, or for other websites."""
    return in_order(
        of for of in known if not any((of.name, of.to) == (r.name, r.to) and r.covers(of.website) for r in rules)
    )


def note(lake: Lake, of: List, event: Event, *, reason: str | None = None, is_first: bool = False) -> None:
    """Add an event to the record of a list; it comes after those that are there, whatever the clock says.

    `is_first`: there was none when the caller listed them (`on_record`).
    """
    place = stored(lake, of.to)
    inner = "" if of.audience is None else f"audience={of.audience}/"
    folder = f"{FOLDER}/website={of.website}/{of.name}/{inner}{_digest(place)}"
    at = _after([] if is_first else lake.store.files(folder), dt.datetime.now(dt.UTC))
    told = {"format": 1, "event": event, "at": at.isoformat(), "reason": reason, "to": place}
    told |= {"name": of.name, "website": of.website, "audience": of.audience}
    lake.store.put(f"{folder}/{at:{_TIME}}-{event}.json", (json.dumps(told, indent=2) + "\n").encode())


def _after(names: Iterable[str], now: dt.datetime) -> dt.datetime:
    """The present, or a moment after the last event of these files."""
    last = max((name.rpartition("/")[2].partition("-")[0] for name in names if _RECORD.fullmatch(name)), default="")
    if last < f"{now:{_TIME}}":
        return now
    return dt.datetime.strptime(last, _TIME).replace(tzinfo=dt.UTC) + dt.timedelta(microseconds=1)


def on_record(lake: Lake, website: str | None = None, rules: Iterable[ExportRule] = ()) -> dict[List, Event]:
    """The last event of each list that was ever written, of a website or of all.

    Only places that the rules don't name are read from the record's files. Raises `RecordError` for a list of which no
    file can be read.
    """
    store = lake.store
    places = {_digest(stored(lake, rule.to)): rule.to for rule in rules}
    last: dict[List, Event] = {}
    damaged: dict[str, RecordError] = {}
    for file in store.files(FOLDER if website is None else f"{FOLDER}/website={website}"):
        if not (match := _RECORD.fullmatch(file)):
            continue
        if match["place"] not in places:
            try:
                places[match["place"]] = _place(lake, store, file)
            except RecordError as error:
                damaged[match["place"]] = error
                continue
        audience = None if match["audience"] is None else int(match["audience"])
        event: Event = match["event"]  # type: ignore[assignment]  # the pattern allows no other
        last[List(places[match["place"]], match["name"], match["website"], audience)] = event
    for place, trouble in damaged.items():
        if place not in places:
            raise trouble
    return last


def owed(known: Mapping[List, Event]) -> list[List]:
    """The lists from which people who opt out are still removed, of those on record."""
    return [of for of, event in known.items() if event != "retired"]


def owed_websites(lake: Lake, rules: Iterable[ExportRule]) -> set[str]:
    """The websites of such lists. Raises `RecordError`."""
    return {of.website for of in owed(on_record(lake, None, rules))}


def adopt(lake: Lake, rules: Iterable[ExportRule], known: Iterable[List] = ()) -> bool:
    """Put on record the lists at the rules' places that version 0.1.0, or a lake that is gone, wrote: once a place.

    `known`: lists on record, whose places need no look. Returns whether there are more on record now.
    """
    due, more = {rule.to for rule in rules}.difference(of.to for of in known), False
    adopted = set(lake.store.files(f"{FOLDER}/places")) if due else set()
    for to in sorted(due):
        place = f"{FOLDER}/places/{_digest(stored(lake, to))}.json"
        if place in adopted:
            continue
        if found := in_order(_found_at(to)):
            recorded = on_record(lake, None, rules)
            for of in found:
                if of not in recorded:
                    note(lake, of, "written")
                    more = True
        lake.store.put(place, (json.dumps({"format": 1, "to": stored(lake, to)}) + "\n").encode())
    return more


def _found_at(to: str) -> Iterator[List]:
    matches = {match.groups(): match for name in Store(to).files("") if (match := _EXPORT.fullmatch(name))}
    for match in matches.values():
        yield List(to, match["name"], match["website"], None if match["audience"] is None else int(match["audience"]))


def _place(lake: Lake, store: Store, file: str) -> str:
    try:
        return _resolved(lake, json.loads(store.read(file))["to"])
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{store.location(file)}: a damaged record of a list ({type(error).__name__})") from None


def stored(lake: Lake, to: str) -> str:
    """A place as it is recorded: a path relative to the lake, so that both can move together; a URL as it is."""
    if URL_SCHEME.match(to) or URL_SCHEME.match(lake.root):
        return to
    return Path(os.path.relpath(to, lake.root)).as_posix()


def _resolved(lake: Lake, place: str) -> str:
    if URL_SCHEME.match(place) or URL_SCHEME.match(lake.root):
        return place
    return os.path.normpath(Path(lake.root) / place)


def _digest(place: str) -> str:
    return hashlib.sha256(place.encode()).hexdigest()[:12]
