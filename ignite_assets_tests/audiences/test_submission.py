"""Opt-outs on their way: in the ledger first, recorded batch by batch, whatever the platform does."""

import datetime as dt
from collections.abc import Iterator

import pytest

from ignite_assets.api.errors import RequestError, ServerError
from ignite_assets.audiences import ledger
from ignite_assets.audiences.acknowledgement import NotTakenError, check
from ignite_assets.audiences.drops.decoding import DropError
from ignite_assets.audiences.opt_outs import Person
from ignite_assets.audiences.submission import (
    Drop,
    NotSettledError,
    Receipt,
    settle,
    tell,
    withdraw,
)
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import tally

WEBSITE = "acme-honda"
NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
PEOPLE = [f"person{number}@example.com" for number in range(10)]
DATA = "\n".join(PEOPLE).encode()
ROOM = 90
"""For three of them."""
CANARY = "c4n4ry@example.com"


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


def drop(lake: Lake, data: bytes, name: str = "a.txt", at: dt.datetime = NOW) -> Drop:
    return Drop(lake=lake, website=WEBSITE, data=data, name=name, at=at)


def deal_with(lake: Lake, platform: Platform, data: bytes = DATA, now: dt.datetime = NOW) -> Receipt:
    found = drop(lake, data).suppress()
    return tell(lake, WEBSITE, found, send=platform, room=ROOM, now=lambda: now)


def test_everyone_is_told_once_in_batches(lake: Lake) -> None:
    platform = Platform()
    receipt = deal_with(lake, platform)
    assert (receipt.people, receipt.submitted, receipt.known, receipt.done) == (10, 10, 0, True)
    assert [one for batch in platform.told for one in batch] == PEOPLE
    assert len(platform.told) > 2
    receipt = deal_with(lake, platform)
    assert (receipt.submitted, receipt.known) == (0, 10)
    assert sum(map(len, platform.told)) == 10


@pytest.mark.parametrize("batches", [0, 1, 2])
def test_a_platform_that_fails_is_told_of_the_rest_alone(lake: Lake, batches: int) -> None:
    failing, well = Platform(batches), Platform()
    with pytest.raises(ServerError):
        deal_with(lake, failing)
    known = tally(lake, WEBSITE)
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
    receipt = drop(lake, f"{'0a' * 16}\n{'0b' * 32}\nnobody".encode()).suppress_hashes(["sha256"])
    assert (receipt.people, receipt.submitted, receipt.by_hash) == (2, 0, True)
    assert [reject.line for reject in receipt.rejects] == [3]
    known = tally(lake, WEBSITE)
    assert (known.known, known.submitted, known.by_hash) == (2, 0, 2)


def test_a_file_that_cannot_be_read_suppresses_nobody(lake: Lake) -> None:
    with pytest.raises(DropError):
        drop(lake, b"%PDF", "a.json").suppress()
    assert tally(lake, WEBSITE).known == 0


def test_hashes_of_another_algorithm_than_the_captures_cannot_take_effect(lake: Lake) -> None:
    ann = Person(PEOPLE[0]).hashes
    data = f"{ann.md5}\n{'0a' * 16}".encode()
    receipt = drop(lake, data).suppress_hashes(["sha256"])
    assert (receipt.people, receipt.effective, receipt.done) == (2, 0, False)
    assert receipt.troubles == ("none of them can take effect: the hashes are md5, the captures sha256",)
    ledger.record(lake, "other", [ann], source_hash="a", at=NOW)
    again = drop(lake, data).suppress_hashes(["sha256"])
    assert (again.effective, again.done) == (1, True), "known elsewhere by all three"


class Answering(Platform):
    """Answers with an object."""

    def __init__(self, answer: dict[str, object]) -> None:
        super().__init__()
        self.answer = answer

    def __call__(self, people: tuple[Person, ...]) -> None:
        super().__call__(people)
        check(self.answer, len(people))


@pytest.mark.parametrize(
    "answer",
    [
        {"error": CANARY},
        {"errors": [CANARY]},
        {"success": False},
        {"success": "false"},
        {"accepted": 0, "rejected": 5},
        {"accepted": 1},
        {"status": "error"},
        {"result": {"failed": 2}},
        {"invalid_emails": 2, "error_count": 1},
    ],
)
def test_an_answer_that_says_trouble_keeps_people_queued_and_is_told_by_its_fields(
    lake: Lake, answer: dict[str, object]
) -> None:
    for _ in range(4):
        with pytest.raises(NotTakenError) as caught:
            deal_with(lake, Answering(answer))
        assert CANARY not in str(caught.value)
    assert tally(lake, WEBSITE).submitted == 0
    assert deal_with(lake, Answering({})).submitted == 10


def test_an_unknown_answer_is_tried_three_times_then_a_person_settles_it(lake: Lake) -> None:
    odd = Answering({"queued_as": CANARY})
    for run in range(5):
        with pytest.raises(NotSettledError) as caught:
            deal_with(lake, odd)
        assert CANARY not in str(caught.value)
        assert ("queued_as" in str(caught.value)) == (run < 3)
    assert sum(map(len, odd.told)) == 30, "three times each"
    assert settle(lake, WEBSITE, acknowledged=False, reason="it has none", now=NOW + dt.timedelta(hours=1)) == 10
    with pytest.raises(NotSettledError):
        deal_with(lake, odd, now=NOW + dt.timedelta(hours=1.5))
    assert sum(map(len, odd.told)) == 40
    assert settle(lake, WEBSITE, acknowledged=True, reason="it has them", now=NOW + dt.timedelta(hours=2)) == 10
    assert deal_with(lake, odd).known == 10


@pytest.mark.parametrize("status", [202, 204])
def test_a_status_that_is_neither_a_failure_nor_the_documented_one_is_an_unknown_answer(
    lake: Lake, status: int
) -> None:
    class Accepting(Platform):
        def __call__(self, people: tuple[Person, ...]) -> None:
            super().__call__(people)
            raise RequestError(website=WEBSITE, endpoint="opt_outs", reason="no data", status=status)

    platform = Accepting()
    for _ in range(4):
        with pytest.raises(NotSettledError):
            deal_with(lake, platform)
    assert sum(map(len, platform.told)) == 30
    assert settle(lake, WEBSITE, acknowledged=True, reason="it has them", now=NOW + dt.timedelta(hours=2)) == 10


def test_a_withdrawn_opt_out_counts_no_more_until_the_person_opts_out_again(lake: Lake) -> None:
    platform, hour = Platform(), dt.timedelta(hours=1)
    deal_with(lake, platform)
    data = f"{PEOPLE[0].upper()}\nnobody.else@example.com".encode()
    assert withdraw(lake, WEBSITE, data, "a.txt", by_hash=False, reason="again", now=NOW + hour) == (2, 1)
    assert withdraw(
        lake, WEBSITE, Person(PEOPLE[1]).hashes.md5.encode(), "a.txt", by_hash=True, reason="again", now=NOW + hour
    ) == (1, 1)
    assert tally(lake, WEBSITE)[:2] == (8, 8)
    found = drop(lake, DATA, at=NOW + 2 * hour).suppress()
    receipt = tell(lake, WEBSITE, found, send=platform, room=ROOM, now=lambda: NOW + 2 * hour)
    assert (receipt.submitted, receipt.known) == (2, 8)
    assert tally(lake, WEBSITE).known == 10
