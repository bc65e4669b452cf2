"""Opt-outs on their way: known here first, then told to the platform, batch by batch.

From the moment a file is read its people are in the ledger, and so in no export. Each batch that the platform
acknowledges is recorded before the next is sent: a kill at any point loses nobody, and a repeat sends only the rest.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from ignite_assets.audiences import ledger
from ignite_assets.audiences.opt_outs import Addresses, Person, Reject, batches, read_addresses, read_hashes
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.progress import begin

Send = Callable[[tuple[Person, ...]], None]
"""Tells the platform of some people. Raises `RequestError` when it doesn't acknowledge them."""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What became of a file's people."""

    people: int
    submitted: int
    """Acknowledged by the platform now."""
    known: int
    """Acknowledged before."""
    rejects: tuple[Reject, ...]
    """The lines that held nobody."""
    by_hash: bool = False
    """Whether hashes were given alone: the platform takes none."""


def suppress_hashes(lake: Lake, website: str, data: bytes, name: str, *, now: dt.datetime) -> Receipt:
    """Keep the people of a list of hashes out of every export. The platform takes no hashes, so nothing is submitted.

    Raises `DropError` for a file that can't be read at all.
    """
    found = read_hashes(data, name)
    ledger.record(lake, website, found.people, source_hash=found.source_hash, at=now)
    return Receipt(people=len(found.people), submitted=0, known=0, rejects=found.rejects, by_hash=True)


def suppress(lake: Lake, website: str, data: bytes, name: str, *, now: dt.datetime) -> Addresses:
    """Keep the people of a file of addresses out of every export, whether or not anybody else can be told.

    Raises `DropError` for a file that can't be read at all.
    """
    found = read_addresses(data, name)
    ledger.record(lake, website, (p.hashes for p in found.people), source_hash=found.source_hash, at=now)
    return found


def tell(
    lake: Lake,
    website: str,
    found: Addresses,
    *,
    send: Send,
    room: int,
    now: Callable[[], dt.datetime],
) -> Receipt:
    """Tell the platform of those of a file's people that it hasn't acknowledged yet.

    `room`: the characters that the encoded `emails` parameter of one call may have. Raises what `send` raises: the
    batches before it stay acknowledged.
    """
    before = ledger.acknowledged(lake, website)
    waiting = [person for person in found.people if person.hashes.sha256 not in before]
    progress = begin("people submitted", len(waiting))
    for batch in batches(waiting, room):
        send(batch)
        ledger.acknowledge(lake, website, (p.hashes for p in batch), source_hash=found.source_hash, at=now())
        progress.add(len(batch))
    return Receipt(
        people=len(found.people),
        submitted=len(waiting),
        known=len(found.people) - len(waiting),
        rejects=found.rejects,
    )
