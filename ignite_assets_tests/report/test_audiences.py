"""Audiences in a report: who joined and left them in a week."""

from ignite_assets.report.audiences import Audiences
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import DAY, ago
from ignite_assets_tests.report.made import WINDOW_DAYS, audiences, derive, figures, members, visitors

Sets = dict[int, dict[int, range]]


def reported(lake: Lake, history: Sets, *derived: int) -> Audiences | None:
    """The audiences of a history: members by audience, by age of the day."""
    visitors(lake, DAY, [1])
    for age, people in history.items():
        members(lake, ago(age), people)
    derive(lake, *(ago(age) for age in derived))
    return figures(lake).audiences


def test_a_week_of_trends_adds_up_to_how_each_audience_changed(lake: Lake) -> None:
    history = {age: {1: range(age, age + 9), 2: range(100, 120 - age)} for age in range(30)}

    found = reported(lake, history, *range(8))

    assert found is not None
    assert found.days == 7
    for trend in found.trends:
        now, before = (
            set().union(*(history[age][trend.audience] for age in range(at, at + WINDOW_DAYS))) for at in (0, 7)
        )
        assert trend.size == len(now) == len(before) + trend.joined - trend.left
    assert {trend.audience: (trend.joined, trend.left) for trend in found.trends}[1] == (7, 7)
    assert found.memberships.value == sum(trend.size for trend in found.trends)
    assert found.memberships.before == 18 + 13


def test_days_that_were_not_derived_are_told(lake: Lake) -> None:
    history = {age: {1: range(age, age + 9)} for age in range(30)}

    found = reported(lake, history, 0, 2)

    assert found is not None
    assert found.days == 2
    assert [(trend.joined, trend.left) for trend in found.trends] == [(2, 2)]
    assert found.memberships.before is None
    assert "that day's trends were not derived" in found.memberships.note


def test_without_a_day_before_nobody_is_said_to_have_joined(lake: Lake) -> None:
    found = reported(lake, {0: {1: range(5)}}, 0)

    assert found is not None
    assert found.days == 0
    assert [(trend.size, trend.joined, trend.left) for trend in found.trends] == [(5, 0, 0)]


def test_audiences_are_called_as_the_platform_labels_them_and_unlike_each_other(lake: Lake) -> None:
    audiences(
        lake,
        DAY,
        {1: ("NEW", "FORD", "F-150"), 2: ("NEW", " FORD ", "F-150"), 3: (None, None, " "), 4: ("USED", "KIA", None)},
    )

    found = reported(lake, {0: dict.fromkeys(range(1, 6), range(3))}, 0)

    assert found is not None
    assert {trend.audience: trend.label for trend in found.trends} == {
        1: "NEW FORD F-150 #1",
        2: "NEW FORD F-150 #2",
        3: "audience #3",
        4: "USED KIA",
        5: "audience #5",
    }


def test_those_that_moved_most_come_first(lake: Lake) -> None:
    history: Sets = {1: {1: range(50), 2: range(10)}, 0: {1: range(50), 2: range(5, 30)}}

    found = reported(lake, history, 0)

    assert found is not None
    assert [trend.audience for trend in found.trends] == [2, 1]


def test_trends_that_were_never_derived_are_not_known(lake: Lake) -> None:
    assert reported(lake, {0: {1: range(5)}}) is None
