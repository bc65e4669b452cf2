"""What an export says of itself: `manifest.json`. Without it there is no export.

Readers skip fields that they don't know, so a newer version may add some; a change that they must not skip raises
`FORMAT`. Format 1 is that of version 0.1.0 (`earlier`).
"""

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from ignite_assets._version import __version__
from ignite_assets.api.table import Algo
from ignite_assets.audiences.destinations import Action, by_name
from ignite_assets.audiences.holding import Allowed
from ignite_assets.audiences.rules import Mode, Source

FORMAT = 2
_PRINT_BYTES = 4
"""400 kB for 100,000 files; one that is lost is overlooked once in 40,000 times."""


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """One file beside the manifest."""

    name: str
    bytes: int
    sha256: str
    action: Action | None = None
    """What the platform is to do with its people; None for the state, which isn't uploaded."""
    rows: int
    """People in it."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """People, by what the export does with them."""

    members: int = 0
    """On the list after the export."""
    adds: int = 0
    resent: int = 0
    """Of the adds, those sent again before the platform drops them."""
    removes: int = 0
    opted_out: int = 0
    """Of those on the list, people who opted out since; they are among the removes."""
    suppressed: int = 0
    """People of the window who are left out, since they opted out."""
    malformed: int = 0
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
class Ledger:
    """How far the ledger of opt-outs went that an export was reckoned with."""

    files: int
    sha256: str
    """Of the files' names, sorted, a line each."""
    seen: str | None = None
    """The first four bytes of the SHA-256 of each name, sorted, in base64; None in manifests of earlier versions."""

    @classmethod
    def of(cls, names: Collection[str]) -> "Ledger":
        """The extent of a ledger of these files."""
        lines = "".join(f"{name}\n" for name in sorted(names))
        prints = sorted(hashlib.sha256(name.encode()).digest()[:_PRINT_BYTES] for name in names)
        seen = base64.b64encode(b"".join(prints)).decode()
        return cls(files=len(names), sha256=hashlib.sha256(lines.encode()).hexdigest(), seen=seen)

    def lacks(self, recorded: "Ledger") -> bool:
        """Whether a file is gone that a recorded one had, however many were added.

        Where that one doesn't say which it had: whether there are fewer, or as many others.
        """
        if self.seen is not None and recorded.seen is not None:
            return not _prints(recorded.seen) <= _prints(self.seen)
        return self.files < recorded.files or (self.files == recorded.files and self.sha256 != recorded.sha256)


def _prints(seen: str) -> frozenset[bytes]:
    data = base64.b64decode(seen)
    return frozenset(data[at : at + _PRINT_BYTES] for at in range(0, len(data), _PRINT_BYTES))


@dataclass(frozen=True, kw_only=True)
class Follows:
    """An export that this one was reckoned from."""

    folder: str
    """Beside this export's own."""
    sha256: str
    """Of its manifest."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One export of a list."""

    number: Annotated[int, Field(ge=0, le=10**9)]
    """How many exports of the list it reckons with, itself included: higher than that of any export it follows."""
    name: str
    """Of the export in the configuration."""
    website: str
    audience: int | None
    date: dt.date
    """The last day of the window."""
    destination: str
    list_id: str | None
    """The platform's id of the list, as configured."""
    source: Source
    mode: Mode
    algo: Algo
    allowed: Allowed
    """`everything`; or what was written of a held export."""
    reasons: tuple[str, ...]
    """Why it was held, also where that was overridden."""
    forced: str | None
    """The reason given for writing it nevertheless."""
    accepted: Mapping[str, str] = field(default_factory=dict)
    """By doubt about a capture of the window, the reason for which the list was written nevertheless, now or before."""
    counts: Counts
    window: Coverage | None
    """None where only opt-outs were removed, which needs no captures."""
    files: tuple[FileEntry, ...]
    """To upload, in this order."""
    state: FileEntry
    """Who is on the list afterwards, for the next export."""
    ledger: Ledger | None
    follows: tuple[Follows, ...]
    """None for the first export of a list; more than one where two writers followed the same export."""
    written_at: AwareDatetime

    def dump(self) -> bytes:
        """The manifest as JSON."""
        return _json({"format": FORMAT, "ignite_assets": __version__, **asdict(self)})

    def pointer(self, folder: str) -> bytes:
        """The list's `manifest.json`: the same, and in which folder its files are."""
        return _json({"format": FORMAT, "ignite_assets": __version__, "folder": folder, **asdict(self)})


def _json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, default=lambda value: value.isoformat()) + "\n").encode()


def load(data: bytes) -> Manifest:
    """Read a manifest of any format; a field that it lacks has its default, where it has one.

    Raises `ValueError`, which says what is wrong, for a manifest that can't be relied on.
    """
    try:
        document = json.loads(data)
        version = document["format"]
        if version not in (1, FORMAT):
            raise ValueError(f"format {version} is not known to version {__version__}")
        manifest = _MANIFEST.validate_python(document if version == FORMAT else _earlier(document))
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"not a manifest: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from None
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a manifest: {error!r}") from None
    if manifest.destination not in by_name():
        raise ValueError(f"destination {manifest.destination} is not known to version {__version__}")
    return manifest


_MANIFEST = TypeAdapter(Manifest)


def _earlier(document: dict[str, Any]) -> dict[str, Any]:
    """A manifest of version 0.1.0 in the fields of this one."""
    new: dict[str, Any] = {"number": 0, "list_id": None, "ledger": None, "follows": []}
    return document | new | {"name": document["rule"], "state": document["sent"]}
