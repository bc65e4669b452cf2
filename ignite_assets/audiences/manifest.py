"""What an export says of itself: `manifest.json`, written last. Without it there is no export."""

import datetime as dt
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from ignite_assets._version import __version__
from ignite_assets.api.table import Algo
from ignite_assets.audiences.destinations import Action
from ignite_assets.audiences.holding import Allowed
from ignite_assets.audiences.rules import Mode, Source

FORMAT = 1
"""Raised when a manifest can no longer be read as before."""


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """One file beside the manifest."""

    name: str
    bytes: int
    sha256: str
    action: Action | None = None
    """What the platform is to do with its people; None for the list of what was sent, which isn't uploaded."""
    rows: int
    """People in it."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """People, by what became of them."""

    members: int
    """On the list after the export."""
    adds: int
    resent: int
    """Of the adds, those sent again before the platform drops them."""
    removes: int
    opted_out: int
    """Of those on the list, people who opted out since; they are among the removes."""
    suppressed: int
    """People of the window who were left out, since they opted out."""
    malformed: int
    """Values of the window that are no hashes of the algorithm."""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The window, and which of its days were captured."""

    first: dt.date
    last: dt.date
    days: int
    captured: int
    missing: tuple[dt.date, ...]


@dataclass(frozen=True, kw_only=True)
class Previous:
    """The export that this one follows on."""

    date: dt.date
    sha256: str
    """Of its manifest."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One export: of a rule, a website and a date, and of an audience where lists aren't combined."""

    rule: str
    website: str
    date: dt.date
    audience: int | None
    destination: str
    source: Source
    mode: Mode
    algo: Algo
    allowed: Allowed
    """`everything`; or what was sent of a held export."""
    reasons: tuple[str, ...]
    """Why it was held, also where that was overridden."""
    forced: str | None
    """The reason given for sending it nevertheless."""
    counts: Counts
    window: Coverage
    files: tuple[FileEntry, ...]
    sent: FileEntry
    """The list of what was sent, for the next export."""
    previous: Previous | None
    written_at: dt.datetime

    def dump(self) -> bytes:
        """The manifest as JSON."""
        document = {"format": FORMAT, "ignite_assets": __version__, **asdict(self)}
        return (json.dumps(document, indent=2, default=_text) + "\n").encode()


def load(data: bytes) -> Manifest:
    """Read a manifest."""
    document = json.loads(data)
    known = {field.name: document[field.name] for field in fields(Manifest)}
    previous = known["previous"]
    return Manifest(
        **known
        | {
            "date": dt.date.fromisoformat(known["date"]),
            "written_at": dt.datetime.fromisoformat(known["written_at"]),
            "reasons": tuple(known["reasons"]),
            "counts": Counts(**known["counts"]),
            "window": _coverage(known["window"]),
            "files": tuple(FileEntry(**entry) for entry in known["files"]),
            "sent": FileEntry(**known["sent"]),
            "previous": previous and Previous(date=dt.date.fromisoformat(previous["date"]), sha256=previous["sha256"]),
        }
    )


def _coverage(document: dict[str, Any]) -> Coverage:
    day = dt.date.fromisoformat
    missing = tuple(day(each) for each in document["missing"])
    return Coverage(**document | {"first": day(document["first"]), "last": day(document["last"]), "missing": missing})


def _text(value: dt.date) -> str:
    return value.isoformat()
