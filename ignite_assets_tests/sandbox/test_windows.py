"""Look-back windows: what `date` means, as laws of the world."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ignite_assets.sandbox import SandboxWebsite, World
from ignite_assets.sandbox.households import households_of
from ignite_assets.sandbox.visits import visits_of
from ignite_assets_tests.sandbox.conftest import NOW, SITES, TODAY, days_ago

WORLD = World()
SITE = SITES[0]
MOMENTS = st.datetimes(dt.datetime(2025, 1, 1), dt.datetime(2027, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001
AGES = st.integers(0, 60)


def look_back_answers(since: dt.date, now: dt.datetime) -> list[set[str]]:
    audience = WORLD.audiences(SITE, now)[0]["id"]
    group = WORLD.audience_groups(SITE, now)[0]["id"]
    assert isinstance(audience, int)
    assert isinstance(group, int)
    return [
        set(WORLD.visitors(SITE, since, now, "sha2")),
        set(WORLD.audience_members(SITE, audience, since, now, "sha2")),
        set(WORLD.audience_group_members(SITE, group, since, now, "sha2")),
        {str(location["id"]) for location in WORLD.locations(SITE, since, now)},
        {str(product["vin"]) for product in WORLD.products(SITE, since, now)},
    ]


@settings(max_examples=40, deadline=None)
@given(now=MOMENTS, ages=st.tuples(AGES, AGES))
def test_a_window_contains_every_later_window(now: dt.datetime, ages: tuple[int, int]) -> None:
    early, late = (now.date() - dt.timedelta(days=age) for age in sorted(ages, reverse=True))
    for wide, narrow in zip(look_back_answers(early, now), look_back_answers(late, now), strict=True):
        assert narrow <= wide


@settings(max_examples=30, deadline=None)
@given(now=MOMENTS, age=st.integers(0, 50), later=st.timedeltas(dt.timedelta(0), dt.timedelta(days=10)))
def test_whoever_was_seen_since_a_date_stays_seen_since_that_date(
    now: dt.datetime, age: int, later: dt.timedelta
) -> None:
    since = now.date() - dt.timedelta(days=age)
    assert set(WORLD.visitors(SITE, since, now, "md5")) <= set(WORLD.visitors(SITE, since, now + later, "md5"))


@settings(max_examples=30, deadline=None)
@given(now=MOMENTS, age=AGES)
def test_a_window_holds_exactly_the_households_with_a_visit_in_it(now: dt.datetime, age: int) -> None:
    since = now.date() - dt.timedelta(days=age)
    households = households_of(SITE)
    expected = [
        households.first_id + row
        for row in range(SITE.households)
        if any(since <= visit.moment.date() for visit in visits_of(households, row, now))
    ]
    assert [location["id"] for location in WORLD.locations(SITE, since, now)] == expected


def test_the_longest_window_holds_exactly_the_households_with_a_visit_in_it() -> None:
    site = SandboxWebsite("many", 3000)
    households = households_of(site)
    last = {row: visits[-1] for row in range(3000) if (visits := visits_of(households, row, NOW))}
    expected = [households.first_id + row for row, visit in last.items() if visit.moment.date() >= days_ago(60)]
    assert any(visit.moment.date() == days_ago(60) for visit in last.values())
    assert [location["id"] for location in WORLD.locations(site, days_ago(60), NOW)] == expected


def test_a_visit_shows_from_the_minute_after_it() -> None:
    households = households_of(SITE)
    visits = [(row, visit) for row in range(SITE.households) for visit in visits_of(households, row, NOW)]
    today = [(row, visit.moment.replace(second=59)) for row, visit in visits if visit.moment.date() == TODAY]
    assert today
    for row, moment in today:
        for now, shown in ((moment, False), (moment + dt.timedelta(seconds=1), True)):
            ids = [location["id"] for location in WORLD.locations(SITE, TODAY, now)]
            assert (households.first_id + row in ids) is shown
            assert (visits_of(households, row, now)[-1:] == visits_of(households, row, NOW)[-1:]) is shown


@settings(max_examples=30, deadline=None)
@given(now=MOMENTS)
def test_no_visit_lies_in_the_future(now: dt.datetime) -> None:
    households = households_of(SITE)
    assert all(visit.moment <= now for row in range(50) for visit in visits_of(households, row, now))


def test_a_closed_day_is_whole_at_midnight() -> None:
    midnight = dt.datetime.combine(TODAY, dt.time(tzinfo=dt.UTC))
    later_that_day = set(WORLD.visitors(SITE, days_ago(1), midnight.replace(hour=23), "md5"))
    today_alone = set(WORLD.visitors(SITE, TODAY, midnight.replace(hour=23), "md5"))
    at_midnight = set(WORLD.visitors(SITE, days_ago(1), midnight, "md5"))
    assert at_midnight
    assert at_midnight | today_alone == later_that_day
    assert not WORLD.visitors(SITE, TODAY, midnight, "md5")


@pytest.mark.parametrize("age", [61, 62, 90, 4000])
def test_a_date_beyond_sixty_days_is_answered_for_thirty(age: int) -> None:
    thirty = WORLD.visitors(SITE, days_ago(30), NOW, "md5")
    assert WORLD.visitors(SITE, days_ago(age), NOW, "md5") == thirty == WORLD.visitors(SITE, None, NOW, "md5")


def test_sixty_days_are_still_answered_in_full() -> None:
    windows = [len(WORLD.visitors(SITE, days_ago(age), NOW, "md5")) for age in (60, 59, 30)]
    assert windows == sorted(windows, reverse=True)
    assert windows[0] > windows[-1]


def test_a_date_in_the_future_is_an_empty_window() -> None:
    assert WORLD.visitors(SITE, TODAY + dt.timedelta(days=1), NOW, "md5") == []


def test_the_zone_of_the_clock_changes_nothing() -> None:
    elsewhere = NOW.astimezone(dt.timezone(dt.timedelta(hours=-10)))
    for since in (None, days_ago(3)):
        assert WORLD.products(SITE, since, elsewhere) == WORLD.products(SITE, since, NOW)
        assert WORLD.visitors(SITE, since, elsewhere, "md5") == WORLD.visitors(SITE, since, NOW, "md5")
