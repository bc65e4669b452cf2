"""Opt-outs on their way: into the ledger first, then to the platform, batch by batch.

From the moment a file is read its people are in the ledger, and so in no export. Each batch that the platform
acknowledges is recorded before the next is sent: a kill at any point loses nobody, and a repeat sends only the rest.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from ignite_assets.api.errors import BodyError, IgniteError, RequestError, ShapeError
from ignite_assets.audiences import ledger
from ignite_assets.audiences.acknowledgement import MOST_TRIES, UnclearAnswerError
from ignite_assets.audiences.confirming import Examine
from ignite_assets.audiences.drops.digests import HashList, read_hashes
from ignite_assets.audiences.drops.reading import Reading, read_addresses
from ignite_assets.audiences.drops.tables import Reject
from ignite_assets.audiences.ledger import Hashes, LedgerKind
from ignite_assets.audiences.opt_outs import Person, batches, hashes_of
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.progress import begin

Send = Callable[[tuple[Person, ...]], None]
"""Tells the platform of some people. Raises `RequestError`, or what `acknowledgement.check` raises."""


class NotSettledError(IgniteError):
    """The platform's answers about some people are not understood; a person has to say whether it has taken them."""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What happened to a file's people."""

    people: int
    """Suppressed."""
    submitted: int = 0
    """Acknowledged by the platform now."""
    known: int = 0
    """Acknowledged before."""
    withdrawn: int = 0
    """Taken back since the file came: no longer among `people`, and not submitted."""
    found: int
    """Everything in the file that looked like an address, or was a hash."""
    suppressed: int
    """Of what was found."""
    rejected: int = 0
    """Of what was found."""
    left_out: tuple[tuple[str, int], ...] = ()
    """Of what was found, by the rule."""
    rejects: Sequence[Reject] = ()
    """The lines that a person has to look at."""
    troubles: tuple[str, ...] = ()
    """Why nothing was submitted, or nothing takes effect."""
    by_hash: bool = False
    """Whether hashes were given alone: the platform takes none."""
    effective: int = 0
    """Of people given by a hash, those whose hash is of an algorithm that is captured."""

    refused: bool = False
    """Whether the file can't be read as what it seems."""
    untold: bool = False
    """Whether the platform is told of nobody, since the website is configured no more."""

    @property
    def whole(self) -> bool:
        """Whether the whole file is kept: nothing in it could be accounted for, or none of it takes effect."""
        idle = self.by_hash and not self.effective and bool(self.troubles)
        return self.refused or idle or bool(self.rejects and not (self.people or self.left_out))

    @property
    def done(self) -> bool:
        """Whether there is nothing that a person has to look at."""
        return not (self.rejects or self.troubles)


@dataclass(frozen=True, kw_only=True)
class Drop:
    """A file of opt-outs of a website, and how its people are recorded."""

    lake: Lake
    website: str
    data: bytes = field(repr=False)
    name: str = field(repr=False)
    at: dt.datetime
    """The moment that its people are recorded with."""
    examine: Examine | None = None
    """Says of which lists it takes too much; None where there are no lists."""
    confirm: bool = False
    """Whether somebody has confirmed that it may."""

    def suppress_hashes(self, algorithms: Collection[str]) -> Receipt:
        """Keep the people of a list of hashes out of every export. The platform takes no hashes: none is submitted.

        `algorithms`: those of the captures, as the ledger's columns. Raises `DropError` for a file that can't be read.
        """
        found = read_hashes(self.data, self.name)

        def record() -> None:
            ledger.record(self.lake, self.website, found.people, source_hash=found.source_hash, at=self.at)

        unconfirmed = self._record(found.source_hash, record)
        effective = len(found.people) - ledger.without_effect(self.lake, found.people, algorithms)
        return Receipt(
            people=len(found.people),
            found=len(found.people) + len(found.rejects) + found.left_out,
            suppressed=len(found.people),
            rejected=len(found.rejects),
            left_out=(("no hashes of people", found.left_out),) if found.left_out else (),
            rejects=found.rejects,
            by_hash=True,
            effective=effective,
            troubles=(*_idle(found, effective, algorithms), *unconfirmed),
        )

    def suppress(self, columns: Collection[str] = (), *, must_have: bool = False) -> Reading:
        """Keep the people of a file of addresses out of every export, whether or not the platform can be told.

        `columns`: those that have the addresses, if it is known; `must_have`: whether one of them has to be there.
        Raises `DropError` for a file that can't be read at all.
        """
        found = read_addresses(self.data, self.name, columns, must_have=must_have)

        def record() -> None:
            alike = (hashes_of(form) for each in found.people for form in found.forms(each))
            people = map(hashes_of, found.people)
            ledger.record(self.lake, self.website, alike, kind="alike", source_hash=found.source_hash, at=self.at)
            ledger.record(self.lake, self.website, people, source_hash=found.source_hash, at=self.at)

        found.doubts += self._record(found.source_hash, record)
        return found

    def _record(self, source_hash: str, record: Callable[[], None]) -> list[str]:
        """Record its people; why nothing more may follow: it takes too much of a list, and nobody confirmed it.

        It is held before it is recorded, so that no export removes its people before it was looked at.
        """
        lake, website = self.lake, self.website
        if self.examine is None or ledger.is_settled(lake, website, source_hash):
            record()
            return []
        ledger.mark(lake, website, "examined", source_hash, at=self.at)
        record()
        try:
            losses = self.examine(source_hash, self.at)
            if losses:
                ledger.mark(lake, website, "held", source_hash, at=self.at)
            elif ledger.is_held(lake, website, source_hash):
                losses = ["too much of a list when it came"]
        except (IgniteError, OSError) as error:
            losses = [f"nobody knows how much of the lists, which can't be looked at ({error})"]
        if losses and not self.confirm:
            told = f"nobody is removed or submitted until `ignite-assets opt-out --website {website} --confirm`"
            return [f"it would take {', '.join(losses)}: {told}"]
        ledger.mark(lake, website, "confirmed" if losses else "passed", source_hash, at=self.at)
        return []


def _idle(found: HashList, effective: int, algorithms: Collection[str]) -> Iterator[str]:
    if found.people and not effective:
        given, captured = ", ".join(sorted(found.by_algorithm)), ", ".join(sorted(algorithms))
        yield f"none of them can take effect: the hashes are {given}, the captures {captured}"


def tell(
    lake: Lake,
    website: str,
    found: Reading,
    *,
    send: Send,
    room: int,
    now: Callable[[], dt.datetime],
    withdrawn: Collection[str] = (),
) -> Receipt:
    """Tell the platform of those of a file's people that it hasn't acknowledged yet.

    `withdrawn`: hashes of people who aren't told of, since their opt-out was taken back after the file came. `room`:
    the characters that the encoded `emails` parameter of one call may have. Raises what `send` raises: the batches
    before it stay acknowledged. Answers that nobody understands are counted, and raise `NotSettledError`.
    """
    before = ledger.acknowledged(lake, website)
    settled = before.union(withdrawn)
    waiting = [each for each in found.submitted if not settled or hashes_of(each).sha256 not in settled]
    tried = ledger.unclear(lake, website)
    asked = [each for each in waiting if not tried or tried.get(hashes_of(each), 0) < MOST_TRIES]
    progress = begin("people submitted", len(asked))
    unclear = None
    for batch in batches(map(Person, asked), room):
        hashes: list[Hashes] = [one.hashes for one in batch]
        try:
            send(batch)
        except (UnclearAnswerError, RequestError) as error:
            if not _is_unclear(error):
                raise
            unclear = str(error)
            ledger.record(lake, website, hashes, kind="unclear", source_hash=found.source_hash, at=now())
            continue
        ledger.record(lake, website, hashes, kind="submitted", source_hash=found.source_hash, at=now())
        progress.add(len(batch))
    if unclear:
        raise NotSettledError(f"{unclear}; it is asked {MOST_TRIES} times, over as many runs")
    if held := len(waiting) - len(asked):
        who = "1 person is" if held == 1 else f"{held:,} people are"
        raise NotSettledError(
            f"{who} held, since the platform's answers about them were not understood: find out whether "
            f"it has them, then `ignite-assets opt-out --website {website} --acknowledged --reason …`, or "
            "--not-acknowledged"
        )
    return receipt(found, submitted=len(waiting), withdrawn=withdrawn)


def _is_unclear(error: IgniteError) -> bool:
    """Whether the platform may have taken people: it answered with no failure, and not with what it documents."""
    if isinstance(error, UnclearAnswerError | BodyError | ShapeError):
        return True
    return isinstance(error, RequestError) and error.status in range(201, 300)


def receipt(found: Reading, *, submitted: int = 0, withdrawn: Collection[str] = (), untold: bool = False) -> Receipt:
    """The receipt of a file of addresses."""
    back = {each for each in found.people if hashes_of(each).sha256 in withdrawn} if withdrawn else set[str]()
    return Receipt(
        people=len(found.people) - len(back),
        submitted=submitted,
        known=0 if untold else len(found.submitted) - submitted - len(back.intersection(found.submitted)),
        withdrawn=len(back),
        found=found.found,
        suppressed=found.suppressed,
        rejected=found.rejected,
        left_out=tuple(sorted(found.left_out.items())),
        rejects=found.rejects,
        troubles=tuple([found.refused] if found.refused else found.doubts),
        refused=bool(found.refused),
        untold=untold,
    )


def withdraw(
    lake: Lake, website: str, data: bytes, name: str, *, by_hash: bool, reason: str, now: dt.datetime
) -> tuple[int, int]:
    """Take back the opt-outs of a file's people, in every spelling; how many it names, and how many were suppressed."""
    if by_hash:
        people = [[person] for person in read_hashes(data, name).people]
    else:
        found = read_addresses(data, name)
        people = [[hashes_of(form) for form in (each, *found.forms(each))] for each in found.people]
    taken = ledger.withdraw(lake, website, people, reason=reason, at=now)
    return len(people), taken


def settle(lake: Lake, website: str, *, acknowledged: bool, reason: str, now: dt.datetime) -> int:
    """Say of everybody about whom the platform's answer was unclear whether it has taken them; returns how many."""
    people = list(ledger.unclear(lake, website))
    source = f"settled {now.isoformat()}"
    kind: LedgerKind = "submitted" if acknowledged else "retry"
    ledger.record(lake, website, people, kind=kind, source_hash=source, at=now, reason=reason)
    return len(people)
