"""Which dates may be asked for, whatever the zone and the hour."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.api.endpoints import ENDPOINTS, Endpoint, by_name
from ignite_assets.api.errors import DateRefusedError, LateAnswerError
from ignite_assets.api.horizon import Horizon
from ignite_assets.sandbox import frozen

VISITORS, SALES = by_name()["visitors"], by_name()["sales"]
CHANGE_AT_MIDNIGHT = ("America/Havana", "Asia/Beirut", "Africa/Cairo")
"""Zones whose clocks change at midnight."""
OTHERS = ("UTC", "America/New_York", "America/Santiago", "Pacific/Auckland", "Pacific/Kiritimati", "Pacific/Pago_Pago")
zones = st.sampled_from([*OTHERS, *CHANGE_AT_MIDNIGHT])
any_moment = st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2027, 12, 31), timezones=st.just(dt.UTC))  # noqa: DTZ001
CHANGES = ("2026-03-08T07", "2026-11-01T06", "2026-04-04T14", "2026-09-26T14", "2026-04-05T03", "2026-09-06T04")
"""When summer time begins or ends in those zones (UTC)."""
near_a_change = st.builds(
    lambda change, minutes: dt.datetime.fromisoformat(f"{change}:00+00:00") + dt.timedelta(minutes=minutes),
    st.sampled_from(CHANGES),
    st.integers(-180, 180),
)
moments = any_moment | near_a_change
horizons = st.builds(lambda zone, moment: Horizon(ZoneInfo(zone), frozen(moment)), zones, moments)


@given(horizon=horizons, back=st.integers(-3, 100))
def test_age_counts_from_the_later_of_today_in_the_zone_and_in_utc(horizon: Horizon, back: int) -> None:
    day = horizon.today() - dt.timedelta(days=back)
    utc_today = horizon.now().astimezone(dt.UTC).date()
    assert horizon.age(day) == max((horizon.today() - day).days, (utc_today - day).days)


@given(horizon=horizons)
def test_the_oldest_date_is_allowed_and_the_one_before_is_not(horizon: Horizon) -> None:
    assert horizon.look_back_refusal(horizon.oldest()) is None
    assert horizon.look_back_refusal(horizon.oldest() - dt.timedelta(days=1)) is not None
    assert horizon.age(horizon.oldest()) == 60


@given(horizon=horizons, back=st.integers(-3, 100), endpoint=st.sampled_from(ENDPOINTS))
def test_what_may_be_captured_has_closed_and_is_within_reach(horizon: Horizon, back: int, endpoint: Endpoint) -> None:
    day = horizon.today() - dt.timedelta(days=back)
    allowed = horizon.refusal(endpoint, day) is None
    assert allowed == (back >= 1 and horizon.age(day) <= 60 and (endpoint.history == "look_back" or back == 1))


@given(zone=zones, moment=moments, seconds=st.integers(0, 86400))
def test_a_day_that_has_closed_stays_closed_and_each_day_has_its_turn(
    zone: str, moment: dt.datetime, seconds: int
) -> None:
    before, after = (Horizon(ZoneInfo(zone), frozen(each)) for each in (moment, moment + dt.timedelta(seconds=seconds)))
    assert before.yesterday() <= after.yesterday() <= before.yesterday() + dt.timedelta(days=2)
    assert before.oldest() <= after.oldest()


@given(horizon=horizons, seconds=st.integers(0, 30 * 3600))
def test_an_answer_about_the_present_is_taken_until_the_zones_midnight(horizon: Horizon, seconds: int) -> None:
    answered = horizon.now() + dt.timedelta(seconds=seconds)
    same_day = answered.astimezone(horizon.timezone).date() == horizon.today()
    try:
        horizon.check_answer(SALES, horizon.yesterday(), answered)
    except LateAnswerError:
        assert not same_day
    else:
        assert same_day


@pytest.mark.parametrize(
    ("zone", "moment", "oldest"),
    [
        ("UTC", "2026-11-20T00:00:00", "2026-09-21"),
        ("UTC", "2026-11-20T23:59:59", "2026-09-21"),
        ("America/Los_Angeles", "2026-11-20T02:00:00", "2026-09-21"),  # there it is still the 19th
        ("Pacific/Kiritimati", "2026-11-20T12:00:00", "2026-09-22"),  # there it is already the 21st
    ],
)
def test_the_oldest_date_by_zone_and_hour(zone: str, moment: str, oldest: str) -> None:
    horizon = Horizon(ZoneInfo(zone), frozen(dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC)))
    assert horizon.oldest().isoformat() == oldest


@pytest.mark.parametrize(
    ("endpoint", "day", "reason"),
    [
        (VISITORS, "2026-11-20", "has not closed yet; the newest date is 2026-11-19"),
        (VISITORS, "2026-09-20", "61 days back, beyond .* 60 days: .* the oldest date is 2026-09-21"),
        (SALES, "2026-11-18", "sales only tells the present, and 2026-11-18 is not the day that just closed"),
        (SALES, "2026-11-20", "has not closed yet"),
    ],
)
def test_a_refusal_says_why(endpoint: Endpoint, day: str, reason: str) -> None:
    horizon = Horizon(now=frozen(dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)))
    with pytest.raises(DateRefusedError, match=reason):
        horizon.check(endpoint, dt.date.fromisoformat(day))


def test_an_allowed_date_passes_the_check() -> None:
    horizon = Horizon(now=frozen(dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)))
    for endpoint in ENDPOINTS:
        horizon.check(endpoint, dt.date(2026, 11, 19))
