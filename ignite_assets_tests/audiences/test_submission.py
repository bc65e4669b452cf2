"""Opt-outs on their way: in the ledger first, recorded batch by batch, whatever the platform does."""

import datetime as dt
from collections.abc import Iterator

import pytest

from ignite_assets.api.errors import ServerError
from ignite_assets.audiences import ledger
from ignite_assets.audiences.drop_files import DropError
from ignite_assets.audiences.opt_outs import Person
from ignite_assets.audiences.submission import Receipt, suppress, suppress_hashes, tell
from ignite_assets.storage.lake import Lake

WEBSITE = "acme-honda"
NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
PEOPLE = [f"person{number}@example.com" for number in range(10)]
DATA = "\n".join(PEOPLE).encode()
ROOM = 90
"""For three of them."""


class Platform:
    """Acknowledges batches until it fails."""

    def __init__(self, batches: int = 1000) -> None:
        self.told: list[list[str]] = []
        self._left = batches

    def __call__(self, people: tuple[Person, ...]) -> None:
        if not self._left:
            raise ServerError(website=WEBSITE, endpoint="opt_outs", reason="the platform failed", status=503)
        self._left -= 1
        self.told.append([one.address for one in people])


def deal_with(lake: Lake, platform: Platform, data: bytes = DATA) -> Receipt:
    found = suppress(lake, WEBSITE, data, "a.txt", now=NOW)
    return tell(lake, WEBSITE, found, send=platform, room=ROOM, now=lambda: NOW)


def test_everyone_is_told_once_in_batches(lake: Lake) -> None:
    platform = Platform()
    assert deal_with(lake, platform) == Receipt(people=10, submitted=10, known=0, rejects=())
    assert [one for batch in platform.told for one in batch] == PEOPLE
    assert len(platform.told) > 2
    assert deal_with(lake, platform) == Receipt(people=10, submitted=0, known=10, rejects=())
    assert sum(map(len, platform.told)) == 10


@pytest.mark.parametrize("batches", [0, 1, 2])
def test_a_platform_that_fails_is_told_of_the_rest_alone(lake: Lake, batches: int) -> None:
    failing, well = Platform(batches), Platform()
    with pytest.raises(ServerError):
        deal_with(lake, failing)
    known = ledger.tally(lake, WEBSITE)
    assert known.known == 10, "suppressed before anybody was told"
    assert known.submitted == sum(map(len, failing.told))
    receipt = deal_with(lake, well)
    assert [one for batch in failing.told + well.told for one in batch] == PEOPLE
    assert receipt.known == known.submitted


def test_each_batch_is_recorded_before_the_next_is_sent(lake: Lake) -> None:
    seen: list[int] = []

    class Looking(Platform):
        def __call__(self, people: tuple[Person, ...]) -> None:
            seen.append(len(ledger.acknowledged(lake, WEBSITE)))
            super().__call__(people)

    platform = Looking()
    deal_with(lake, platform)
    sizes = iter(map(len, platform.told))
    assert seen == list(_sums_before(sizes))


def _sums_before(sizes: Iterator[int]) -> Iterator[int]:
    total = 0
    for size in sizes:
        yield total
        total += size


def test_somebody_known_from_another_file_is_not_told_again(lake: Lake) -> None:
    platform = Platform()
    deal_with(lake, platform, PEOPLE[3].encode())
    receipt = deal_with(lake, platform)
    assert (receipt.submitted, receipt.known) == (9, 1)
    assert sum(batch.count(PEOPLE[3]) for batch in platform.told) == 1


def test_hashes_are_suppressed_and_never_submitted(lake: Lake) -> None:
    receipt = suppress_hashes(lake, WEBSITE, f"{'0a' * 16}\n{'0b' * 32}\nnobody".encode(), "a.txt", now=NOW)
    assert (receipt.people, receipt.submitted, receipt.by_hash) == (2, 0, True)
    assert [reject.line for reject in receipt.rejects] == [3]
    known = ledger.tally(lake, WEBSITE)
    assert (known.known, known.submitted, known.by_hash) == (2, 0, 2)


def test_a_file_that_cannot_be_read_suppresses_nobody(lake: Lake) -> None:
    with pytest.raises(DropError):
        suppress(lake, WEBSITE, b"[", "a.json", now=NOW)
    assert ledger.tally(lake, WEBSITE).known == 0
