"""The world: a pure function with the laws of the platform's look-back windows."""

import datetime as dt
import hashlib
import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ignite_assets.api.endpoints import ALGOS, HASH_LENGTHS
from ignite_assets.sandbox import SandboxWebsite, World, demo_websites, websites
from ignite_assets.sandbox.households import households_of
from ignite_assets.sandbox.visits import as_text, visits_of
from ignite_assets.sandbox.world import UnknownIdError
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


def test_every_algorithm_hashes_the_same_normalised_addresses() -> None:
    addresses = WORLD.addresses(SITE, None, NOW)
    for algo, function in zip(ALGOS, (hashlib.md5, hashlib.sha1, hashlib.sha256), strict=True):
        hashes = WORLD.visitors(SITE, None, NOW, algo)
        assert hashes == [function(address.strip().lower().encode()).hexdigest() for address in addresses]
        assert {len(value) for value in hashes} == {HASH_LENGTHS[algo]}


def test_every_address_is_somebody_alone_on_a_reserved_domain() -> None:
    addresses = WORLD.addresses(SITE, days_ago(60), NOW)
    assert len(set(addresses)) == len(addresses)
    assert {address.partition("@")[2] for address in addresses} == {"example.com", "example.net", "example.org"}


def test_the_world_is_the_same_in_every_process() -> None:
    program = (
        "import datetime as dt; from ignite_assets.sandbox import World, SandboxWebsite\n"
        "now = dt.datetime(2026, 11, 20, 9, 30, 12, tzinfo=dt.UTC); site = SandboxWebsite('acme-honda', 300)\n"
        "world = World(); print(world.visitors(site, None, now, 'md5'), world.sales(site, now), site.secret)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    command = [sys.executable, "-c", program]
    elsewhere = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    here = f"{WORLD.visitors(SITE, None, NOW, 'md5')} {WORLD.sales(SITE, NOW)} {SITE.secret}"
    assert elsewhere.stdout.strip() == here


def test_another_seed_or_key_is_another_world() -> None:
    others = (SandboxWebsite("acme-honda", 300, seed=1), SandboxWebsite("acme-kia", 300))
    worlds = [tuple(WORLD.visitors(site, None, NOW, "md5")) for site in (SITE, *others)]
    assert len(set(worlds)) == 3
    assert len({site.token for site in (SITE, *others)}) == 3


def test_some_households_come_once_and_some_come_often() -> None:
    households = households_of(SITE)
    sessions = Counter(len(visits_of(households, row, NOW)) for row in range(SITE.households))
    assert sessions[1] > 20
    assert sum(count for visits, count in sessions.items() if visits > 20) > 20


def test_visits_follow_the_week() -> None:
    site = SandboxWebsite("weekly", 2000)
    households = households_of(site)
    visits = [visit for row in range(site.households) for visit in visits_of(households, row, NOW)]
    weekdays = Counter(visit.moment.weekday() for visit in visits)
    assert weekdays.most_common(1)[0][0] == 5
    assert weekdays[5] > 1.3 * weekdays[6]
    hours = Counter(visit.moment.hour for visit in visits)
    assert hours[20] > 4 * hours[3]


def test_households_have_up_to_three_addresses_and_some_have_none() -> None:
    counts = Counter(households_of(SITE).email_counts.tolist())
    assert sorted(counts) == [0, 1, 2, 3]


def test_the_demo_dealers_are_of_a_size_for_a_quick_night() -> None:
    for site in demo_websites():
        for age in range(1, 8):
            midnight = dt.datetime.combine(days_ago(age), dt.time(0, 30, tzinfo=dt.UTC))
            assert 15 <= len(WORLD.visitors(site, midnight.date() - dt.timedelta(days=1), midnight, "md5")) <= 200
        assert 150 <= len(WORLD.visitors(site, None, NOW, "md5")) <= 900


def test_inventory_comes_and_goes() -> None:
    then, now = (
        {str(product["vin"]) for product in WORLD.products(SITE, moment.date(), moment)}
        for moment in (NOW - dt.timedelta(days=25), NOW)
    )
    assert then - now
    assert now - then
    assert then & now


@settings(max_examples=50, deadline=None)
@given(now=MOMENTS)
def test_a_product_is_created_before_it_is_updated_and_neither_lies_ahead(now: dt.datetime) -> None:
    for product in WORLD.products(SITE, None, now):
        assert str(product["created_at"]) <= str(product["updated_at"]) <= as_text(now)


def test_a_vehicle_that_was_sold_is_in_windows_until_that_day_alone() -> None:
    sales = [sale for sale in WORLD.sales(SITE, NOW)["sales"] if str(sale["sale_date"]) >= days_ago(58).isoformat()]
    assert len(sales) > 10
    for sale in sales:
        day = dt.date.fromisoformat(str(sale["sale_date"]))
        for since, listed in ((day, True), (day + dt.timedelta(days=1), False)):
            assert (sale["vin"] in {product["vin"] for product in WORLD.products(SITE, since, NOW)}) is listed


def test_a_group_is_the_union_of_its_audiences() -> None:
    audiences = WORLD.audiences(SITE, NOW)
    for group in WORLD.audience_groups(SITE, NOW):
        union: set[str] = set()
        for audience in audiences:
            filters = {"primary_category": "primary_categories", "brand": "brands", "model": "models"}
            if all(not group[wanted] or audience.get(name) in group[wanted] for name, wanted in filters.items()):  # type: ignore[operator]
                union |= set(WORLD.audience_members(SITE, int(str(audience["id"])), days_ago(40), NOW, "sha1"))
        assert set(WORLD.audience_group_members(SITE, int(str(group["id"])), days_ago(40), NOW, "sha1")) == union


def test_a_matched_sale_is_a_sale_whose_buyer_had_visited() -> None:
    sales = WORLD.sales(SITE, NOW)
    assert {str(sale["sale_id"]) for sale in sales["matched_sales"]} < {str(sale["sale_id"]) for sale in sales["sales"]}
    assert all(str(sale["visit_last"])[:10] <= str(sale["sale_date"]) for sale in sales["matched_sales"])


def test_a_website_without_households_answers_empty() -> None:
    site = SandboxWebsite("nobody", 0)
    assert WORLD.visitors(site, None, NOW, "md5") == []
    assert WORLD.locations(site, None, NOW) == []
    assert WORLD.sales(site, NOW) == {"sales": [], "matched_sales": []}
    assert {audience["visitors_count"] for audience in WORLD.audiences(site, NOW)} == {0}


def test_an_unknown_id_is_unknown() -> None:
    for unknown in (0, 5, 10**15):
        with pytest.raises(UnknownIdError):
            WORLD.location_details(SITE, unknown, NOW, "md5")
        with pytest.raises(UnknownIdError):
            WORLD.audience_members(SITE, unknown, None, NOW, "md5")
        with pytest.raises(UnknownIdError):
            WORLD.audience_group_members(SITE, unknown, None, NOW, "md5")


def test_many_websites_are_as_many_worlds_with_their_own_credentials() -> None:
    many = websites(20, 10)
    assert len({site.key for site in many}) == len({site.token for site in many}) == 20
    assert len({tuple(WORLD.visitors(site, days_ago(60), NOW, "md5")) for site in many}) > 15


@pytest.mark.parametrize("key", ["", "Acme", "a|b", "-a", "a/b", "a b"])
def test_a_key_that_could_not_be_configured_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="not a website"):
        SandboxWebsite(key)


def test_a_million_visitors_are_answered() -> None:
    site = SandboxWebsite("enormous", 1_000_000)
    world = World()
    count = len(world.visitors(site, days_ago(60), NOW, "sha2"))
    assert count > 900_000
    assert len(world.visitors(site, days_ago(1), NOW, "md5")) < count
