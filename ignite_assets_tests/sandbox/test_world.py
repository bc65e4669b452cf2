"""The world: a pure function of website and moment, and a plausible one."""

import datetime as dt
import hashlib
import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ignite_assets.api.table import ALGOS, HASH_LENGTHS, Algo
from ignite_assets.sandbox import DEMO_WEBSITES, SandboxWebsite, World, websites
from ignite_assets.sandbox.households import households_of
from ignite_assets.sandbox.identities import hashed
from ignite_assets.sandbox.visits import as_text, visits_of
from ignite_assets.sandbox.world import UnknownIdError
from ignite_assets_tests.sandbox.conftest import NOW, SITES, days_ago

WORLD = World()
SITE = SITES[0]
MOMENTS = st.datetimes(dt.datetime(2025, 1, 1), dt.datetime(2027, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001


def test_every_algorithm_hashes_the_same_normalised_addresses() -> None:
    addresses = WORLD.addresses(SITE, None, NOW)
    for algo, function in zip(ALGOS, (hashlib.md5, hashlib.sha1, hashlib.sha256), strict=True):
        hashes = WORLD.visitors(SITE, None, NOW, algo)
        assert hashes == [function(address.strip().lower().encode()).hexdigest() for address in addresses]
        assert {len(value) for value in hashes} == {HASH_LENGTHS[algo]}


@pytest.mark.parametrize("algo", ALGOS)
def test_a_hash_is_of_the_trimmed_address_in_lower_case(algo: Algo) -> None:
    assert hashed([" Jon.Snow@Example.COM\n"], algo) == hashed(["jon.snow@example.com"], algo)


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
    for site in DEMO_WEBSITES:
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


@pytest.mark.slow
def test_a_million_visitors_are_answered() -> None:
    site = SandboxWebsite("enormous", 1_000_000)
    world = World()
    count = len(world.visitors(site, days_ago(60), NOW, "sha2"))
    assert count > 900_000
    assert len(world.visitors(site, days_ago(1), NOW, "md5")) < count
