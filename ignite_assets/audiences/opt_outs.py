"""Who opts out: addresses and hashes read from dropped files, checked, and put into batches for the platform.

Addresses are trimmed and in lower case, as every hash of them supposes. They stand in no message and in no repr; the
ledger gets their hashes.
"""

import functools
import hashlib
import json
import re
import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus

from ignite_assets.audiences import drop_files
from ignite_assets.audiences.ledger import Hashes

_AROUND = string.whitespace + "\u00a0\ufeff\u200b\u200c\u200d\u2060" + ',;<>"'
"""What lists put around addresses, and no address begins or ends with."""
_FIELDS = {32: "md5", 40: "sha1", 64: "sha256"}
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, repr=False)
class Person:
    """An address as it is hashed. Never shown."""

    address: str

    def __repr__(self) -> str:
        return "Person(***)"

    @functools.cached_property
    def hashes(self) -> Hashes:
        """What the ledger keeps in the address's place."""
        raw = self.address.encode()
        return Hashes(
            md5=hashlib.md5(raw, usedforsecurity=False).hexdigest(),
            sha1=hashlib.sha1(raw, usedforsecurity=False).hexdigest(),
            sha256=hashlib.sha256(raw).hexdigest(),
        )


@dataclass(frozen=True, kw_only=True)
class Reject:
    """A line that holds nobody, by its number."""

    line: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """What a file of addresses holds: each person once, in the order of the file."""

    people: tuple[Person, ...]
    rejects: tuple[Reject, ...]
    source_hash: str
    """SHA-256 of the file."""


@dataclass(frozen=True, kw_only=True)
class HashList:
    """What a file of hashes holds: each once, in the order of the file. Suppressed, never submitted."""

    people: tuple[Hashes, ...]
    rejects: tuple[Reject, ...]
    source_hash: str
    """SHA-256 of the file."""


def read_addresses(data: bytes, name: str) -> Addresses:
    """The addresses of a dropped file; its name says whether it is CSV, JSON or one address a line.

    A bad line is rejected by its number and stops no other. Raises `DropError` for a file that can't be read at all.
    """
    people: dict[str, Person] = {}
    rejects = []
    for line in drop_files.lines(data, name, pick=_with_at_sign, what="address"):
        read = [person(cell) for cell in line.cells]
        people |= {one.address: one for one in read if one}
        if line.trouble or not all(read):
            rejects.append(Reject(line=line.number, reason=line.trouble or "not an e-mail address"))
    return Addresses(people=tuple(people.values()), rejects=tuple(rejects), source_hash=_sha256(data))


def read_hashes(data: bytes, name: str) -> HashList:
    """The hashes of a dropped file, of any of the three algorithms, told apart by their length."""
    people: dict[Hashes, None] = {}
    rejects = []
    for line in drop_files.lines(data, name, pick=tuple, what="hash"):
        read = [found for cell in line.cells if (found := _hashes(cell))]
        people |= dict.fromkeys(read)
        if not read:
            rejects.append(Reject(line=line.number, reason=line.trouble or "not an MD5, SHA-1 or SHA-256"))
    return HashList(people=tuple(people), rejects=tuple(rejects), source_hash=_sha256(data))


def person(text: str) -> Person | None:
    """The person of an address; None when it isn't one. Whether anybody gets its mail isn't asked."""
    from email_validator import EmailNotValidError, validate_email

    address = text.strip(_AROUND).lower()
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        return None
    return Person(address)


def parameter(people: Iterable[Person]) -> str:
    """The `emails` parameter of an opt-out call: a JSON array ("Opt Outs" on the vendor's page)."""
    return json.dumps([one.address for one in people], ensure_ascii=False, separators=(",", ":"))


def batches(people: Iterable[Person], room: int) -> Iterator[tuple[Person, ...]]:
    """The people in as few calls as fit, in order.

    `room`: how many characters the encoded `emails` parameter may have, which is what the URL's bound leaves. An
    address that is longer by itself makes a call of its own.
    """
    waiting: list[Person] = []
    length = brackets = len(quote_plus("[]"))
    comma = len(quote_plus(","))
    for one in people:
        added = len(quote_plus(json.dumps(one.address, ensure_ascii=False))) + comma
        if waiting and length + added - comma > room:
            yield tuple(waiting)
            waiting, length = [], brackets
        waiting.append(one)
        length += added
    if waiting:
        yield tuple(waiting)


def rejects_file(rejects: Sequence[Reject]) -> bytes:
    """The rejects as CSV: numbers and reasons, nobody's address."""
    return "".join(["line,reason\n", *(f'{each.line},"{each.reason}"\n' for each in rejects)]).encode()


def _with_at_sign(row: Sequence[str]) -> tuple[str, ...]:
    return tuple(cell for cell in row if "@" in cell)


def _hashes(text: str) -> Hashes | None:
    value = text.strip(_AROUND).lower()
    field = _FIELDS.get(len(value))
    return Hashes(**{field: value}) if field and _HEX.fullmatch(value) else None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
