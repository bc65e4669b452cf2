"""A whole customer base dropped by mistake: suppressed at once, removed from no list until a person confirms it."""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path

import pytest

from ignite_assets.audiences import ledger
from ignite_assets.audiences.confirming import examiner
from ignite_assets.audiences.submission import Drop
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import (
    DAY,
    NOW,
    WEBSITE,
    address,
    ago,
    hashed,
    rule,
    run_one,
    tally,
    visitors,
)


def file_of(lake: Lake, to: Path, lines: Iterable[str], *, confirm: bool = False, later: int = 0) -> Drop:
    data, at = "\n".join(lines).encode(), NOW + dt.timedelta(hours=later)
    examine = examiner(lake, [rule(to)], WEBSITE, [WEBSITE], "website", 0.2)
    return Drop(lake=lake, website=WEBSITE, data=data, name="a.txt", at=at, examine=examine, confirm=confirm)


def drop(lake: Lake, to: Path, numbers: range, *, confirm: bool = False, later: int = 0) -> list[str]:
    """Drop a file of these people; why it is held."""
    return file_of(lake, to, map(address, numbers), confirm=confirm, later=later).suppress().doubts


def removed(lake: Lake, to: Path, mode: str = "delta") -> tuple[int, int, int]:
    """Export the newest day: adds, removes and the people on the list afterwards."""
    counts = run_one(lake, rule(to, mode=mode)).counts
    return counts.adds, counts.removes, counts.members


@pytest.fixture
def sent(lake: Lake, to: Path) -> Lake:
    """Ten people were sent, and one more is seen the day after."""
    visitors(lake, ago(1), range(10))
    run_one(lake, rule(to), ago(1))
    visitors(lake, DAY, range(12))
    return lake


def test_a_file_that_takes_too_much_of_a_list_removes_nobody_until_it_is_confirmed(sent: Lake, to: Path) -> None:
    (why,) = drop(sent, to, range(3, 11))
    assert "7 of the 10 people of everyone acme-honda" in why
    assert removed(sent, to) == (1, 0, 11), "the tenth is suppressed: not added"
    assert ledger.confirm(sent, WEBSITE, at=NOW) == 1
    assert removed(sent, to) == (0, 7, 4)
    assert drop(sent, to, range(3, 11)) == []


def test_somebody_whom_another_file_names_is_removed_at_once(sent: Lake, to: Path) -> None:
    drop(sent, to, range(3, 11))
    assert drop(sent, to, range(5, 6)) == []
    assert removed(sent, to) == (1, 1, 10)


def test_files_of_one_day_take_together_what_one_file_would(sent: Lake, to: Path) -> None:
    assert drop(sent, to, range(1)) == []
    assert drop(sent, to, range(1, 2), later=2) == []
    assert removed(sent, to) == (2, 2, 10)
    (why,) = drop(sent, to, range(2, 3), later=20)
    assert "3 of the 12 people" in why, "of those who were on it a day ago, or are now"
    assert drop(sent, to, range(2, 3), later=50) == [why.replace("3 of the 12 people of everyone acme-honda", LATER)]
    assert removed(sent, to)[1] == 0
    assert drop(sent, to, range(3, 5), later=50) == [], "a day later, and the one that is held takes nobody"
    assert removed(sent, to)[1] == 2
    assert ledger.confirm(sent, WEBSITE, at=NOW) == 1
    assert removed(sent, to)[1] == 1


LATER = "too much of a list when it came"


def test_lists_that_cannot_be_looked_at_keep_nobody_from_being_suppressed(sent: Lake, to: Path) -> None:
    (pointer,) = to.glob("everyone/*/0*/manifest.json")
    whole = pointer.read_bytes()
    pointer.write_bytes(b"")
    assert drop(sent, to, range(1)) == [], "that list is held, opt-outs too"
    pointer.write_bytes(whole)
    record = Path(sent.store.path("_lists/website=acme-honda/other/0123456789ab/a-written.json"))
    record.parent.mkdir(parents=True)
    record.write_text("")
    (why,) = drop(sent, to, range(1, 2))
    assert "can't be looked at" in why
    assert tally(sent, WEBSITE).known == 2
    record.unlink()
    assert drop(sent, to, range(1, 2)) == [], "looked at on the next try"
    assert ledger.held(sent, WEBSITE) == frozenset()


def test_a_small_file_and_a_confirmed_one_remove_at_once(sent: Lake, to: Path) -> None:
    assert drop(sent, to, range(2)) == []
    assert removed(sent, to) == (2, 2, 10)
    assert drop(sent, to, range(2, 9), confirm=True) == []
    assert removed(sent, to)[1] == 7


def test_a_whole_list_is_held_since_it_would_remove_by_leaving_out(sent: Lake, to: Path) -> None:
    drop(sent, to, range(3, 11))
    outcome = run_one(sent, rule(to, mode="full"))
    assert outcome.written is None
    assert "nobody has confirmed" in outcome.decision.reasons[0]


def test_a_list_of_hashes_is_held_as_well(sent: Lake, to: Path) -> None:
    receipt = file_of(sent, to, map(hashed, range(8))).suppress_hashes(["sha256"])
    assert "8 of the 10 people" in receipt.troubles[0]
    assert removed(sent, to)[1] == 0
