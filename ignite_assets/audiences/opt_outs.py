"""People who opt out, by their addresses, and the batches in which the platform is told of them.

Addresses are trimmed and in lower case, as every hash of them supposes. They stand in no message and in no repr; the
ledger gets their hashes.
"""

import functools
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote_plus

from ignite_assets.audiences.ledger import Hashes


@dataclass(frozen=True, repr=False)
class Person:
    """An address as it is hashed. Never shown."""

    address: str

    def __repr__(self) -> str:
        return "Person(***)"

    @functools.cached_property
    def hashes(self) -> Hashes:
        """What the ledger keeps in the address's place."""
        return hashes_of(self.address)


def hashes_of(address: str) -> Hashes:
    """The three hashes of an address."""
    raw = address.encode()
    return Hashes(
        hashlib.md5(raw, usedforsecurity=False).hexdigest(),
        hashlib.sha1(raw, usedforsecurity=False).hexdigest(),
        hashlib.sha256(raw).hexdigest(),
    )


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
