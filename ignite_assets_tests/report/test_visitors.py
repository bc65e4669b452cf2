"""Visitors in a report, against the visits of made-up people however their days were captured."""

import datetime as dt
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from ignite_assets.report.readings import Readings
from ignite_assets.report.visitors import Visitors, read
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import DAY, WEBSITE, ago
from ignite_assets_tests.report.made import WINDOW_DAYS, figures, settings, visitors

AGES = range(14)
Seen = Mapping[int, set[int]]
"""By person, how many days ago they came; negative: after the report's day."""
PEOPLE = st.dictionaries(st.integers(0, 9), st.sets(st.integers(-3, 13), max_size=5), max_size=10)
LATE = st.fixed_dictionaries(dict.fromkeys(AGES, st.sampled_from([0, 0, 0, 0, 3, 16, None])))
"""By age of the day, how many days late it was captured; None: never."""


def captured(lake: Lake, seen: Seen, late: Mapping[int, int | None]) -> Visitors:
    """The figures of days captured as the platform answers: with everyone seen from the day to the capture."""
    for age, days in late.items():
        if days is not None:
            there = [who for who, ages in seen.items() if any(age - days <= each <= age for each in ages)]
            visitors(lake, ago(age), there, late=days)
    with Workspace(threads=1) as workspace:
        return read(Readings(lake, workspace, WEBSITE, DAY, settings()))


@settings_of_hypothesis(max_examples=25)
@given(seen=PEOPLE, late=LATE)
def test_everyone_counts_on_the_last_day_they_came_however_it_was_captured(
    tmp_path_factory: pytest.TempPathFactory, seen: Seen, late: dict[int, int | None]
) -> None:
    found = captured(Lake(str(tmp_path_factory.mktemp("lake"))), seen, late)

    last = {who: min(age for age in ages if age >= 0) for who, ages in seen.items() if max(ages, default=-1) >= 0}
    gaps = [age for age in AGES if late[age] is None]
    shown = {bar.date: bar.people for bar in found.bars}
    assert list(shown) == [ago(age) for age in reversed(range(WINDOW_DAYS))]
    for age in range(WINDOW_DAYS):
        if late[age] is None:
            assert shown[ago(age)] is None
        elif shown[ago(age)] is not None and not any(gap < age for gap in gaps):
            assert shown[ago(age)] == sum(each == age for each in last.values())
    if not found.trouble and found.weeks:
        assert found.weeks.first["this_week"] == sum(age < 7 for age in last.values())
    if not found.before and found.weeks:
        assert found.weeks.first["week_before"] == sum(7 <= age < 14 for age in last.values())


@settings_of_hypothesis(max_examples=5)
@given(seen=PEOPLE)
def test_healed_days_and_nightly_days_give_the_same_numbers(
    tmp_path_factory: pytest.TempPathFactory, seen: Seen
) -> None:
    past = {who: {age for age in ages if age >= 0} for who, ages in seen.items()}
    nightly = captured(Lake(str(tmp_path_factory.mktemp("nightly"))), past, dict.fromkeys(AGES, 0))
    healed = captured(Lake(str(tmp_path_factory.mktemp("healed"))), past, {age: age for age in AGES})

    assert [bar.people for bar in nightly.bars] == [bar.people for bar in healed.bars]
    assert nightly.weeks
    assert healed.weeks
    assert nightly.weeks.rows == healed.weeks.rows
    assert (nightly.before, healed.before) == ("", "")


def gaps(found: Visitors) -> dict[dt.date, str]:
    return {bar.date: bar.gap for bar in found.bars if bar.gap}


def test_a_gap_is_marked_and_breaks_the_comparison(lake: Lake) -> None:
    found = captured(lake, {1: {0, 3}, 2: {5}}, {age: None if age == 4 else 0 for age in AGES})

    assert gaps(found) == {ago(4): "not captured"}
    assert found.trouble == found.before == "16 Nov was not captured"


def test_a_late_day_before_a_gap_is_not_drawn_since_it_holds_the_gaps_people(lake: Lake) -> None:
    found = captured(lake, {1: {4}, 2: {5}}, {age: {4: None, 5: 5}.get(age, 0) for age in AGES})

    assert gaps(found) == {ago(4): "not captured", ago(5): "captured later, with the days after it"}
    assert found.trouble == "", "the people of the gap are there, and in the right week"
    assert found.weeks
    assert found.weeks.first["this_week"] == 2


def test_a_late_last_day_leaves_all_before_it_unknown_since_people_came_back_after_it(lake: Lake) -> None:
    found = captured(lake, {1: {0}, 2: {-1}}, {age: 2 if age == 0 else 0 for age in AGES})

    assert gaps(found) == {bar.date: "captured later, with the days after it" for bar in found.bars}
    assert "captured later" in found.trouble


def test_a_capture_by_day_says_until_when_it_holds_people(lake: Lake) -> None:
    visitors(lake, DAY, [1])
    assert figures(lake).visitors.until is None
    late_morning = figures(lake, partitions={"timezone": "Asia/Tokyo"}).visitors.until
    assert late_morning
    assert late_morning.hour == 9


def test_before_the_first_day_there_is_nothing_to_compare_with(lake: Lake) -> None:
    for age in range(7):
        visitors(lake, ago(age), range(5))

    found = figures(lake, partitions={"start_date": ago(6)}).visitors

    assert (found.trouble, found.before) == ("", "captures begin on 14 November 2026")
    assert len(found.bars) == 7
