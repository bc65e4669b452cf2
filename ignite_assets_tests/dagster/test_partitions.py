"""The partitions: their keys, and the days that there are."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.api.names import is_website_key
from ignite_assets.config import Settings
from ignite_assets.dagster.partitions import build_partitions, lake_partitions, partition_key, read_key
from ignite_assets.storage.lake import Partition
from ignite_assets_tests.conftest import ACME, WEBSITES, YESTERDAY, days_ago

DATES = st.dates(dt.date(2000, 1, 1), dt.date(2100, 1, 1))
KEYS = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,20}[a-z0-9])?", fullmatch=True).filter(is_website_key)


def test_there_is_a_partition_for_each_closed_day_and_website(settings: Settings) -> None:
    now = dt.datetime(2026, 9, 4, 0, 0, 1, tzinfo=dt.UTC)
    keys = build_partitions(settings).get_partition_keys(current_time=now)
    assert keys == [
        f"{day}|{site.key}"
        for day in (dt.date(2026, 9, 1), dt.date(2026, 9, 2), dt.date(2026, 9, 3))
        for site in WEBSITES
    ]


@pytest.mark.parametrize(("zone", "newest"), [("UTC", 3), ("America/New_York", 2), ("Asia/Tokyo", 3)])
def test_a_day_closes_in_the_configured_zone(settings: Settings, zone: str, newest: int) -> None:
    there = settings.model_copy(update={"partitions": settings.partitions.model_copy(update={"timezone": zone})})
    now = dt.datetime(2026, 9, 4, 3, 59, tzinfo=dt.UTC)
    last = build_partitions(there).get_partition_keys(current_time=now)[-1]
    assert read_key(last)[0] == dt.date(2026, 9, newest)


@given(DATES, KEYS)
def test_a_key_is_read_back_however_dagster_spells_it(day: dt.date, website: str) -> None:
    key = partition_key(day, website)
    assert read_key(key) == read_key(str(key)) == (day, website)
    assert key.keys_by_dimension == {"date": day.isoformat(), "website": website}


def test_the_date_stands_before_the_website() -> None:
    assert str(partition_key(YESTERDAY, ACME.key)) == "2026-11-19|acme-honda"


@given(st.sets(st.tuples(DATES, KEYS), min_size=1))
def test_the_lakes_partitions_come_by_website_and_date_whatever_the_order_of_the_keys(
    wanted: set[tuple[dt.date, str]],
) -> None:
    keys = {partition_key(day, website) for day, website in wanted}
    found = lake_partitions("visitors", keys)
    assert found == tuple(
        Partition("visitors", website, day) for website, day in sorted((website, day) for day, website in wanted)
    )


def test_an_unknown_website_is_no_partition(settings: Settings) -> None:
    partitions = build_partitions(settings)
    assert partitions.has_partition_key(partition_key(days_ago(2), ACME.key))
    assert not partitions.has_partition_key(partition_key(days_ago(2), "nobody"))
