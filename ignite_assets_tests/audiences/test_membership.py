"""Windows, the audiences of a day, and the membership facts."""

import datetime as dt
from pathlib import Path

import pytest

from ignite_assets.audiences import ledger, membership
from ignite_assets.audiences.membership import Membership
from ignite_assets.storage.duck import Workspace, strings
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import DAY, NOW, WEBSITE, ago, capture, hashed, rule, somebody, visitors


def test_a_window_says_which_days_are_missing(lake: Lake) -> None:
    for days in (9, 3, 1, 0):
        visitors(lake, ago(days), [1])
    window = membership.window(lake, "visitors", WEBSITE, DAY, 5)
    assert (window.first, window.last, window.days) == (ago(4), DAY, 5)
    assert window.captured == (ago(3), ago(1), DAY)
    assert window.missing == (ago(4), ago(2))


@pytest.mark.parametrize(("first_day", "days"), [(None, 5), (ago(2), 3), (ago(9), 5), (DAY, 1)])
def test_a_window_begins_no_earlier_than_the_first_day_that_has_partitions(
    lake: Lake, first_day: dt.date | None, days: int
) -> None:
    assert membership.window(lake, "visitors", WEBSITE, DAY, 5, first_day).days == days


def test_the_newest_day_is_a_website_s_own(lake: Lake, to: Path) -> None:
    visitors(lake, ago(2), [1])
    visitors(lake, DAY, [1], website="other")
    assert membership.newest_day(lake, rule(to), WEBSITE) == ago(2)
    assert membership.newest_day(lake, rule(to), "nobody") is None


def listed(lake: Lake, day: dt.date, *ids: int) -> None:
    capture(lake, "audience_groups", day, [{"id": each, "label": f"Group {each % 2}"} for each in ids])


def test_audiences_are_those_listed_last_on_or_before_the_day(lake: Lake, to: Path) -> None:
    of = rule(to, source="audience_groups", match={"label": ("GROUP 1",)})
    assert membership.audience_ids(lake, of, WEBSITE, DAY) is None
    listed(lake, ago(1), 1, 2, 3)
    listed(lake, ago(5), 4, 5)
    assert membership.audience_ids(lake, of, WEBSITE, DAY) == [1, 3]
    assert membership.audience_ids(lake, of, WEBSITE, ago(2)) == [5]
    assert membership.audience_ids(lake, of, WEBSITE, ago(9)) == [5]


def measured(lake: Lake, to: Path) -> tuple[Membership, list[str]]:
    of = rule(to, window_days=3)
    with Workspace(threads=1) as workspace:
        ledger.suppress(workspace, lake, WEBSITE)
        window = membership.gather(workspace, lake, of, WEBSITE, DAY, "sha2")
        people = membership.measure(workspace, of, window, algo="sha2", audiences=None)
        return people, list(strings(people.path, "hash", "member"))


def test_members_are_sorted(lake: Lake, to: Path) -> None:
    visitors(lake, DAY, range(300))
    _, hashes = measured(lake, to)
    assert hashes == sorted(map(hashed, range(300)))


def test_each_value_of_a_window_is_counted_once(lake: Lake, to: Path) -> None:
    for days in (0, 1):
        visitors(lake, ago(days), [1, 2, 3, "short", hashed(4, "md5")])
    ledger.record(lake, WEBSITE, [somebody(2).hashes, somebody(99).hashes], source_hash="a", at=NOW)
    people, hashes = measured(lake, to)
    assert (people.members, people.suppressed, people.malformed) == (2, 1, 2)
    assert hashes == sorted([hashed(1), hashed(3)])
    assert people.window.missing == (ago(2),)


def test_a_well_formed_hash_of_another_algorithm_is_malformed_and_its_day_missing(lake: Lake, to: Path) -> None:
    visitors(lake, DAY, [hashed(1)], "md5")  # 64 characters that the capture calls MD5
    visitors(lake, ago(1), [])
    visitors(lake, ago(2), [2])
    people, hashes = measured(lake, to)
    assert (people.malformed, hashes) == (1, [hashed(2)])
    assert people.window.missing == (DAY,)


def test_a_window_without_any_day_holds_nobody(lake: Lake, to: Path) -> None:
    people, hashes = measured(lake, to)
    assert (people.members, hashes, len(people.window.missing)) == (0, [], 3)


def test_a_workspace_leaves_nothing_behind(tmp_path: Path) -> None:
    with Workspace(folder=tmp_path) as workspace:
        assert workspace.folder.parent == tmp_path
        assert workspace.folder.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == []
