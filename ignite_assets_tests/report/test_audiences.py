"""Audiences in a report: their names, and whether interest in them grew."""

import pytest

from ignite_assets.report.audiences import NOT_LISTED, Audiences, audience_names
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import DAY, ago
from ignite_assets_tests.report.made import audiences, capture, details, figures, members


@pytest.mark.parametrize("late", [0, 1], ids=["nightly", "healed"])
def test_interest_compares_two_weeks_of_first_visits(lake: Lake, late: int) -> None:
    first = {n: 3 if n < 4 else 9 if n < 10 else 50 for n in range(20)}  # four new this week, six the week before
    for age in range(14):
        holds = range(age - late * age, age + 1)
        there = [n for n, came in first.items() if came in holds or 1 in holds]
        rows = [details(n, score=1.0, first=ago(first[n])) for n in there]
        capture(lake, "location_details", ago(age), rows, late=late * age)
        capture(lake, "locations", ago(age), [], late=late * age)
        members(lake, ago(age), {1: there, 2: [n for n in there if n < 4]}, late=late * age)

    found = figures(lake).audiences

    assert found is not None
    assert found.trouble == ""
    every, new = found.sizes.rows
    assert (every["people"], every["new_this_week"], every["new_before"], every["change"]) == (20, 4, 6, -2)
    assert (new["people"], new["change"]) == (4, 4)
    assert [found.sizes.rows[n]["audience_id"] for n in found.moved] == [2, 1]


def reported(lake: Lake) -> Audiences:
    found = figures(lake).audiences
    assert found is not None
    return found


def test_a_day_that_is_missing_leaves_growth_untold(lake: Lake) -> None:
    members(lake, DAY, {1: range(5)})
    assert "were not captured" in reported(lake).trouble


def test_an_audience_that_is_not_listed_any_more_is_called_so(lake: Lake) -> None:
    members(lake, DAY, {1: range(5), 2: range(3)})
    audiences(lake, ago(2), {2: ("USED", "KIA", "RIO")})
    assert reported(lake).names == {1: NOT_LISTED, 2: "Used KIA Rio"}


def test_audiences_have_names_that_people_use_unlike_each_other() -> None:
    parts = ("primary_category", "brand", "model")
    given = {
        4: ("USED", "KIA", "RIO"),
        7: ("NEW", " FORD ", "F-150"),
        9: ("NEW", "FORD", "F-150"),
        11: (None, " ", None),
    }
    assert audience_names({n: dict(zip(parts, each, strict=True)) for n, each in given.items()}) == {
        4: "Used KIA Rio", 7: "New FORD F-150 (1)", 9: "New FORD F-150 (2)", 11: "All others",
    }  # fmt: skip
