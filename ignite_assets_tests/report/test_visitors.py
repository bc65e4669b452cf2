"""Visitors in a report, against plain Python over the same history."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import DAY, ago
from ignite_assets_tests.report.made import WINDOW_DAYS, derive, figures, visitors

DAYS = st.dictionaries(
    st.integers(1, 20), st.tuples(st.sets(st.integers(0, 8)), st.sampled_from([0, 0, 0, 2, 9])), max_size=18
)


@given(history=DAYS, today=st.tuples(st.sets(st.integers(0, 8)), st.just(0)))
def test_numbers_are_those_of_the_history(
    tmp_path_factory: pytest.TempPathFactory,
    history: dict[int, tuple[set[int], int]],
    today: tuple[set[int], int],
) -> None:
    history = {0: today, **history}
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    for age, (people, late) in history.items():
        visitors(lake, ago(age), people, late=late)

    found = figures(lake).visitors

    assert [day.date for day in found.days] == [ago(age) for age in reversed(range(WINDOW_DAYS))]
    for age, day in enumerate(reversed(found.days)):
        assert day.visitors == (len(history[age][0]) if age in history else None)
        assert day.days_late == (history[age][1] if age in history else 0)
        own = [len(history[a][0]) for a in range(age, age + 7) if a in history and not history[a][1]]
        assert day.mean == (pytest.approx(sum(own) / len(own)) if len(own) >= 4 else None)
    assert found.week.value == len(set().union(*(history[age][0] for age in range(7) if age in history)))
    assert found.week.before == before_of(history)


def before_of(history: dict[int, tuple[set[int], int]]) -> int | None:
    """The week before, if both weeks are known to the day and without those who came after them."""
    for ages in (range(7), range(7, 14)):
        if any(age not in history for age in ages):
            return None
        # a capture so many days late was made after the night of `last` when it is later than the days between
        if any(history[age][1] > age - ages[0] for age in ages):
            return None
    return len(set().union(*(history[age][0] for age in range(7, 14))))


def test_a_day_is_compared_with_the_same_day_of_the_week_before(lake: Lake) -> None:
    visitors(lake, DAY, range(12))
    visitors(lake, ago(7), range(8))

    today = figures(lake).visitors.today

    assert (today.value, today.before, today.change, today.share) == (12, 8, 4, 0.5)
    assert today.note == ""


@pytest.mark.parametrize(
    ("late", "before", "note"),
    [
        (0, None, "No comparison with the week before: the day was not captured."),
        (0, 1, "No comparison with the week before: the day was captured later, with visitors who came since."),
        (1, 0, "The day was captured later, with visitors who came since."),
    ],
)
def test_what_can_not_be_compared_says_why(lake: Lake, late: int, before: int | None, note: str) -> None:
    visitors(lake, DAY, range(12), late=late)
    if before is not None:
        visitors(lake, ago(7), range(8), late=before)

    today = figures(lake).visitors.today

    assert (today.value, today.before, today.change, today.note) == (12, None, None, note)


def test_a_number_that_was_nothing_before_has_no_share(lake: Lake) -> None:
    visitors(lake, DAY, range(12))
    visitors(lake, ago(7), [])

    today = figures(lake).visitors.today

    assert (today.change, today.share) == (12, None)


def test_days_before_the_first_are_not_missing(lake: Lake) -> None:
    for age in range(3):
        visitors(lake, ago(age), range(5))

    found = figures(lake, partitions={"start_date": ago(2)})

    assert found.first == ago(2)
    assert [day.visitors for day in found.visitors.days] == [5, 5, 5]
    first = f"{ago(2).day} November 2026"
    assert found.visitors.week.note == f"There are no days before {first}."


def test_a_day_begins_in_the_time_zone_of_the_partitions(lake: Lake) -> None:
    visitors(lake, DAY, range(3))  # at half past midnight, UTC, of the day after

    assert figures(lake, partitions={"timezone": "Pacific/Kiritimati"}).days_late == 0
    assert figures(lake, partitions={"timezone": "America/Chicago"}).days_late == 0
    visitors(lake, DAY, range(3), late=1)
    assert figures(lake).days_late == 1
    assert figures(lake, partitions={"timezone": "America/Chicago"}).days_late == 0


def test_recency_counts_everyone_once_by_the_day_they_were_last_seen(lake: Lake) -> None:
    visitors(lake, ago(9), range(10))
    visitors(lake, ago(3), range(6))
    visitors(lake, DAY, range(2))
    derive(lake, DAY)

    recency = figures(lake).visitors.recency

    assert recency is not None
    assert {band.label: band.people for band in recency.bands} == {
        "on the day": 2,
        "1 to 6 days before": 4,
        "7 to 13 days before": 4,
    }
    assert recency.people == 10
    assert recency.coverage == pytest.approx(3 / 10)


def test_recency_that_was_never_derived_is_not_known(lake: Lake) -> None:
    visitors(lake, DAY, range(2))
    assert figures(lake).visitors.recency is None
