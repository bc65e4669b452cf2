"""What the two schedules request, from the pure rules to real ticks over a real instance."""

import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from dagster._utils.schedules import schedule_execution_time_iterator
from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.api.horizon import LOOK_BACK_DAYS, Horizon
from ignite_assets.config import Settings
from ignite_assets.dagster import partitions
from ignite_assets.dagster.automation import healing
from ignite_assets.dagster.automation.alerts import Ours, failed_partitions
from ignite_assets.dagster.automation.healing import (
    Gap,
    expiring,
    find_gaps,
    healed_days,
    healing_requests,
    in_turn,
    nights_of_a_round,
    stale_keys,
    websites_made_again,
)
from ignite_assets.dagster.automation.schedules import nightly_requests
from ignite_assets.dagster.keys import PLAIN
from ignite_assets.dagster.partitions import build_partitions, partition_key
from ignite_assets.dagster.private import PARTITION
from ignite_assets.dagster.stale import stale_partitions
from ignite_assets.dagster.website_runs import WEBSITE_TAG
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.derived.derivation import Derivations
from ignite_assets.tables.derived.visitor_recency import VISITOR_RECENCY
from ignite_assets.tables.registry import DERIVED
from ignite_assets.tables.windows import days_between
from ignite_assets_tests.audiences.captures import capture, visitors
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import (
    ACME,
    BAYSIDE,
    DERIVED_NAMES,
    EVERY,
    LOOK_BACK,
    NAMES,
    NOW,
    QUIET,
    RANGE_END,
    RANGE_START,
    SUMMIT,
    WEBSITES,
    YESTERDAY,
    Runner,
    days_ago,
)

HORIZON = Horizon(now=frozen(NOW))
KEYS = [site.key for site in WEBSITES]
NOTHING: dict[str, set[str]] = {name: set() for name in NAMES}


def requests_of(found: Sequence[dg.RunRequest | dg.SkipReason]) -> list[dg.RunRequest]:
    return [each for each in found if isinstance(each, dg.RunRequest)]


def keys_in(request: dg.RunRequest, websites: Sequence[str] = ()) -> list[str]:
    """The partitions that a request is of, one or a range."""
    return [str(key) for key in partitions.keys_of({PARTITION: str(request.partition_key), **request.tags}, websites)]


def assets_of(request: dg.RunRequest) -> set[str]:
    return {key.to_user_string() for key in request.asset_selection or []}


# The nightly run.


def test_the_night_requests_one_run_a_website_over_every_asset() -> None:
    found = requests_of(list(nightly_requests(YESTERDAY, KEYS, ENDPOINTS, HORIZON)))
    assert [request.run_key for request in found] == [f"2026-11-19|{key}" for key in KEYS]
    assert [request.partition_key for request in found] == [f"2026-11-19|{key}" for key in KEYS]
    assert all(assets_of(request) == set(NAMES) for request in found)


def test_a_tick_that_comes_a_day_late_leaves_out_what_only_tells_the_present() -> None:
    found = requests_of(list(nightly_requests(days_ago(2), KEYS, ENDPOINTS, HORIZON)))
    assert len(found) == 3
    assert all(assets_of(request) == set(LOOK_BACK) for request in found)


def test_a_tick_that_comes_after_the_look_back_window_requests_nothing_and_says_so() -> None:
    (skipped,) = nightly_requests(days_ago(61), KEYS, ENDPOINTS, HORIZON)
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "2026-09-20 can't be captured any more"


def test_a_tick_whose_day_is_still_open_by_the_clock_says_so() -> None:
    (skipped,) = nightly_requests(NOW.date(), KEYS, ENDPOINTS, HORIZON)
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "2026-11-20 has not closed yet"


def test_the_night_derives_from_what_it_captures() -> None:
    requests = [
        requests_of(list(nightly_requests(day, KEYS, ENDPOINTS, HORIZON, DERIVED))) for day in (YESTERDAY, days_ago(2))
    ]
    assert [{frozenset(assets_of(request)) for request in each} for each in requests] == [
        {frozenset(EVERY)},
        {frozenset((*LOOK_BACK, *DERIVED_NAMES))},
    ]
    few = [endpoint for endpoint in ENDPOINTS if endpoint.name in ("visitors", "sales")]
    (request, *_) = requests_of(list(nightly_requests(YESTERDAY, KEYS, few, HORIZON, DERIVED)))
    assert assets_of(request) == {"visitors", "sales", "visitor_recency"}


@given(st.integers(1, 12), st.integers(1, 12))
def test_runs_of_several_websites_ask_for_each_website_once_and_for_none_beside_them(of: int, at_once: int) -> None:
    websites = [f"site-{n:02}" for n in range(of)]
    found = requests_of(
        list(nightly_requests(YESTERDAY, websites, ENDPOINTS, HORIZON, DERIVED, websites_per_run=at_once))
    )
    assert [key for request in found for key in keys_in(request, websites)] == [f"{YESTERDAY}|{w}" for w in websites]
    assert len(found) == -(-of // at_once)
    assert len({request.run_key for request in found}) == len(found)
    assert all(assets_of(request) == set(EVERY) for request in found)


def test_each_website_of_a_run_lands_fails_and_is_told_of_alone(
    runner: Runner, settings: Settings, sandbox: SandboxServer
) -> None:
    (request,) = requests_of(list(nightly_requests(YESTERDAY, KEYS, ENDPOINTS[:1], HORIZON, websites_per_run=3)))
    sandbox.faults.add(Fault(website=BAYSIDE.key, status=401))
    job = runner.defs.resolve_job_def("nightly").get_subset(asset_selection=set(request.asset_selection or ()))
    run = job.execute_in_process(
        instance=runner.instance, tags=request.tags, raise_on_error=False, run_config={"loggers": QUIET}
    )
    assert runner.recorded(ENDPOINTS[0].name) == [f"{YESTERDAY}|{key}" for key in (ACME.key, SUMMIT.key)]
    told = failed_partitions(runner.instance, run.dagster_run, Ours(settings, PLAIN))
    assert [(each.website, each.days) for each in told] == [(BAYSIDE.key, frozenset([YESTERDAY]))]


# Gaps.


def gaps_with(materialized: dict[str, set[str]], **how: object) -> list[Gap]:
    return find_gaps(ENDPOINTS, KEYS, materialized, HORIZON, **{"days": since(days_ago(3)), **how})  # type: ignore[arg-type]


def since(start: dt.date) -> list[dt.date]:
    return days_between(start, YESTERDAY)


def test_every_wanted_day_is_a_gap_when_nothing_is_materialized() -> None:
    assert gaps_with(NOTHING) == [
        Gap(days_ago(age), key, NAMES if age == 1 else LOOK_BACK) for age in (3, 2, 1) for key in KEYS
    ]


def test_a_gap_names_only_the_assets_that_are_missing() -> None:
    whole = {partition_key(days_ago(age), key) for age in (3, 2, 1) for key in KEYS}
    lacking = {str(key) for key in whole} - {f"{days_ago(2)}|{BAYSIDE.key}"}
    materialized = {name: lacking if name == "products" else {str(key) for key in whole} for name in NAMES}
    assert gaps_with(materialized) == [Gap(days_ago(2), BAYSIDE.key, ("products",))]


def derived_gaps(materialized: dict[str, set[str]], **how: object) -> list[Gap]:
    nothing: dict[str, set[str]] = {name: set() for name in EVERY}
    return gaps_with({**nothing, **materialized}, derived=DERIVED, **how)


def test_what_is_derived_is_a_gap_where_its_main_input_is_there_or_is_one() -> None:
    keys = {f"{days_ago(age)}|{key}" for age in (3, 2, 1) for key in KEYS}
    whole = dict.fromkeys(EVERY, keys)
    lacking = keys - {f"{days_ago(2)}|{BAYSIDE.key}"}
    here = (days_ago(2), BAYSIDE.key)
    assert derived_gaps(whole) == []
    assert derived_gaps({**whole, "audience_trends": lacking}) == [Gap(*here, (), ("audience_trends",))]
    assert derived_gaps({**whole, "visitors": lacking}) == [Gap(*here, ("visitors",))]  # derived from what was there
    assert derived_gaps({**whole, "visitors": lacking, "visitor_recency": lacking}) == [
        Gap(*here, ("visitors",), ("visitor_recency",))
    ]
    assert derived_gaps({}, days=since(days_ago(1))) == [Gap(YESTERDAY, key, NAMES, DERIVED_NAMES) for key in KEYS]


def test_what_is_derived_has_no_last_day_but_needs_its_main_input() -> None:
    old = {f"{days_ago(200)}|{ACME.key}"}
    found = derived_gaps({"visitors": old, "location_details": old, "audiences": old}, days=since(days_ago(201)))
    assert [gap for gap in found if gap.date < days_ago(LOOK_BACK_DAYS)] == [
        Gap(days_ago(200), ACME.key, (), ("visitor_recency",))
    ]


def test_what_is_stale_is_a_gap_although_it_is_materialized() -> None:
    keys = {f"{days_ago(age)}|{key}" for age in (3, 2, 1) for key in KEYS}
    stale = {"visitor_recency": {f"{days_ago(2)}|{ACME.key}"}}
    assert derived_gaps(dict.fromkeys(EVERY, keys), stale=stale) == [
        Gap(days_ago(2), ACME.key, (), ("visitor_recency",))
    ]


def test_a_day_captured_late_makes_stale_what_was_derived_without_it(settings: Settings) -> None:
    lake = Lake(settings.root)
    for age in (3, 1):
        visitors(lake, days_ago(age), [age])
        made = Derivations(lake, VISITOR_RECENCY, ACME.key, window_days=30, first_day=days_ago(40)).one(days_ago(age))
        lake.commit(Partition("visitor_recency", ACME.key, days_ago(age)), made.staged.file)
    assert stale_keys(stale_partitions(settings, DERIVED, HORIZON))["visitor_recency"] == set()

    visitors(lake, days_ago(2), [7])

    assert stale_keys(stale_partitions(settings, DERIVED, HORIZON))["visitor_recency"] == {f"{YESTERDAY}|{ACME.key}"}


def test_one_run_captures_what_is_missing_and_derives_from_it() -> None:
    gap = Gap(days_ago(2), ACME.key, ("visitors",), ("visitor_recency",))
    (request,) = requests_of(list(healing_requests([gap], NOW.date(), 1, HORIZON)))
    assert assets_of(request) == {"visitors", "visitor_recency"}
    assert request.asset_check_keys == []  # the assets' own steps evaluate their checks


def test_days_that_only_have_to_be_derived_wait_for_what_expires_and_come_newest_first() -> None:
    lasting = [Gap(days_ago(age), key, (), ("visitor_recency",)) for age in (300, 2) for key in (ACME.key, SUMMIT.key)]
    found = requests_of(list(healing_requests([*lasting, *GAPS], NOW.date(), 100, HORIZON)))
    assert [keys_in(request) for request in found] == [
        *([f"{days_ago(age)}|{key}" for age in (9, 8, 7)] for key in (ACME.key, BAYSIDE.key)),
        *([f"{days_ago(age)}|{key}"] for age in (2, 300) for key in (SUMMIT.key, ACME.key)),
    ]
    assert ["ignite/days_left" in request.tags for request in found] == [True] * 2 + [False] * len(lasting)
    assert expiring(lasting, HORIZON) == []


def test_a_partition_with_a_run_under_way_is_no_gap() -> None:
    found = gaps_with(NOTHING, under_way={f"{days_ago(3)}|{ACME.key}"})
    assert (days_ago(3), ACME.key) not in {(gap.date, gap.website) for gap in found}
    assert len(found) == 8


def test_no_gap_is_older_than_the_look_back_window_or_than_the_start_date() -> None:
    far = gaps_with(NOTHING, days=since(days_ago(400)))
    assert far[0].date == days_ago(LOOK_BACK_DAYS)
    assert gaps_with(NOTHING, days=since(days_ago(5)))[0].date == days_ago(5)
    assert gaps_with(NOTHING, days=since(days_ago(-5))) == []


@given(
    now=st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2027, 1, 1), timezones=st.just(dt.UTC)),  # noqa: DTZ001
    zone=st.sampled_from(["UTC", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu"]),
)
def test_every_gap_can_be_captured_whatever_the_moment_and_the_zone(now: dt.datetime, zone: str) -> None:
    horizon = Horizon(ZoneInfo(zone), frozen(now))
    gaps = find_gaps(ENDPOINTS, KEYS[:1], NOTHING, horizon, days=healed_days(dt.date(2025, 1, 1), horizon))
    rows = {endpoint.name: endpoint for endpoint in ENDPOINTS}
    assert all(horizon.refusal(rows[name], gap.date) is None for gap in gaps for name in gap.assets)
    assert {gap.date for gap in gaps} >= {horizon.yesterday() - dt.timedelta(days=age) for age in range(58)}
    assert horizon.look_back_refusal(gaps[0].date - dt.timedelta(days=1))


@given(count=st.integers(1, 600), night=st.dates(dt.date(2026, 1, 1), dt.date(2027, 1, 1)))
def test_every_website_has_its_turn_and_every_older_day_is_looked_at_within_a_month(count: int, night: dt.date) -> None:
    websites = [f"site-{n:03}" for n in range(count)]
    nights = [night + dt.timedelta(days=n) for n in range(nights_of_a_round(websites))]
    turns = [in_turn(websites, each) for each in nights]
    assert sorted(website for turn in turns for website in turn) == websites
    assert max(map(len, turns)) <= 60

    looks = [Horizon(now=frozen(NOW + dt.timedelta(days=n))) for n in range(0, 30 + len(nights), len(nights))]
    seen = {day for look in looks for day in healed_days(days_ago(150), look, len(nights))}
    assert seen >= set(days_between(days_ago(150), days_ago(1)))


GAPS = [Gap(days_ago(age), key, ("visitors",)) for age in (9, 8, 7) for key in (ACME.key, BAYSIDE.key)]


def test_healing_takes_each_websites_oldest_stretch_first_and_the_websites_in_turn() -> None:
    failing = [Gap(days_ago(age), SUMMIT.key, ("visitors",)) for age in range(60, 10, -2)]
    found = requests_of(list(healing_requests([*failing, *GAPS], NOW.date(), 4, HORIZON)))
    assert [keys_in(request) for request in found] == [
        [f"{days_ago(60)}|{SUMMIT.key}"],
        *([f"{days_ago(age)}|{key}" for age in (9, 8, 7)] for key in (ACME.key, BAYSIDE.key)),
        [f"{days_ago(58)}|{SUMMIT.key}"],
    ]


def test_a_new_websites_window_is_one_run_and_what_tells_the_present_another() -> None:
    gaps = derived_gaps({}, days=since(days_ago(80)))
    found = requests_of(list(healing_requests(gaps, NOW.date(), 100, HORIZON)))
    assert len(found) == 2 * len(KEYS)
    whole = [f"{days_ago(age)}|{ACME.key}" for age in range(LOOK_BACK_DAYS, 0, -1)]
    mine = {tuple(keys_in(request)): assets_of(request) for request in found if request.tags[WEBSITE_TAG] == ACME.key}
    assert mine == {tuple(whole): {*LOOK_BACK, *DERIVED_NAMES}, (whole[-1],): {"audiences", "audience_groups", "sales"}}


@given(st.integers(1, 10), st.permutations(GAPS))
def test_healing_is_bounded_and_does_not_depend_on_the_order_of_the_gaps(most: int, gaps: list[Gap]) -> None:
    found = requests_of(list(healing_requests(gaps, NOW.date(), most, HORIZON)))
    assert len(found) == min(most, 2)
    assert found == requests_of(list(healing_requests(GAPS, NOW.date(), most, HORIZON)))


def test_a_gap_is_healed_once_a_night_and_again_the_next_night() -> None:
    keys = [
        {request.run_key for request in requests_of(list(healing_requests(GAPS, night, 100, HORIZON)))}
        for night in (NOW.date(), NOW.date(), NOW.date() + dt.timedelta(days=1))
    ]
    assert keys[0] == keys[1]
    assert not keys[0] & keys[2]


def test_healing_tells_how_many_days_are_left() -> None:
    (request,) = requests_of(list(healing_requests(GAPS[:1], NOW.date(), 1, HORIZON)))
    assert request.tags["ignite/days_left"] == "51"


def test_healing_without_gaps_says_so() -> None:
    (skipped,) = healing_requests([], NOW.date(), 1, HORIZON)
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "nothing is missing"


def test_gaps_that_soon_can_not_be_closed_are_named() -> None:
    gaps = [Gap(days_ago(age), ACME.key, ("visitors", "products")) for age in (60, 57, 56)]
    assert expiring(gaps, HORIZON) == [
        "2026-09-21 can be captured for 0 more days: acme-honda lacks visitors, products",
        "2026-09-24 can be captured for 3 more days: acme-honda lacks visitors, products",
    ]


def test_many_gaps_of_a_day_that_expires_are_one_line() -> None:
    gaps = [Gap(days_ago(60), f"s-{n:03}", ("visitors",) if n else ("visitors", "products")) for n in range(400)]
    (line,) = expiring(gaps, HORIZON)
    named = "s-000, s-001, s-002, s-003, s-004 and 395 more lack visitors, products"
    assert line == f"2026-09-21 can be captured for 0 more days: {named}"


def test_the_healer_looks_at_what_can_be_captured_and_within_a_month_at_every_older_day() -> None:
    seen = set()
    for night in range(30):
        horizon = Horizon(now=frozen(NOW + dt.timedelta(days=night)))
        days = healed_days(days_ago(400), horizon)
        assert days == sorted(days)
        assert set(days) >= set(days_between(horizon.oldest(), horizon.yesterday()))
        assert len(days) <= LOOK_BACK_DAYS + 13
        seen |= set(days)
    assert seen == set(days_between(days_ago(400), YESTERDAY + dt.timedelta(days=29)))


# Ticks.

Tick = Callable[..., ScheduleExecutionData]


@pytest.fixture
def tick(settings: Settings, instance: dg.DagsterInstance) -> Tick:
    """One tick of a schedule at a moment, evaluated as the daemon does."""

    def evaluate(
        name: str, scheduled: dt.datetime, *, now: dt.datetime | None = None, of: Settings = settings
    ) -> ScheduleExecutionData:
        defs = build_defs(of, now=frozen(now or scheduled), retry_policy=None)
        repository = defs.get_repository_def()
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=scheduled, repository_def=repository
        )
        return repository.get_schedule_def(name).evaluate_tick(context)

    return evaluate


def with_partitions(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update={"partitions": settings.partitions.model_copy(update=changes)})


def keys_of(data: ScheduleExecutionData) -> list[str]:
    return [key for request in data.run_requests or [] for key in keys_in(request)]


def test_the_schedules_run_at_their_times_in_the_configured_zone(settings: Settings) -> None:
    there = with_partitions(settings, timezone="America/New_York")
    repository = build_defs(there).get_repository_def()
    nightly, healer = (repository.get_schedule_def(name) for name in ("nightly_schedule", "heal_schedule"))
    assert (nightly.cron_schedule, nightly.execution_timezone) == ("30 0 * * *", "America/New_York")
    assert (healer.cron_schedule, healer.execution_timezone) == ("30 2 * * *", "America/New_York")
    assert nightly.default_status is healer.default_status is dg.DefaultScheduleStatus.RUNNING


def test_schedules_that_are_not_enabled_are_stopped(settings: Settings) -> None:
    off = settings.model_copy(update={"schedule": settings.schedule.model_copy(update={"enabled": False})})
    repository = build_defs(off).get_repository_def()
    for name in ("nightly_schedule", "heal_schedule"):
        assert repository.get_schedule_def(name).default_status is dg.DefaultScheduleStatus.STOPPED


@pytest.mark.parametrize("late_by", [0, 3, 60 * 60 * 20])
def test_a_tick_requests_yesterday_for_every_website(tick: Tick, late_by: int) -> None:
    scheduled = dt.datetime(2026, 11, 20, 0, 30, tzinfo=dt.UTC)
    data = tick("nightly_schedule", scheduled, now=scheduled + dt.timedelta(seconds=late_by))
    assert keys_of(data) == [f"2026-11-19|{key}" for key in KEYS]
    assert all(assets_of(request) == set(EVERY) for request in data.run_requests or [])
    assert {request.tags["dagster/partition/website"] for request in data.run_requests or []} == set(KEYS)


@pytest.mark.parametrize(
    ("zone", "changes"),
    [
        ("America/New_York", ("2026-03-08", "2026-11-01")),
        ("Pacific/Auckland", ("2026-04-05", "2026-09-27")),
        ("America/Santiago", ("2026-04-05", "2026-09-06")),  # at midnight, which one night has twice and one has not
    ],
)
@pytest.mark.parametrize("at", ["00:00", "00:30", "01:30", "02:30", "23:30"])
def test_each_day_is_requested_once_in_the_nights_that_summer_time_begins_or_ends(
    zone: str, changes: tuple[str, ...], at: str, settings: Settings, instance: dg.DagsterInstance
) -> None:
    there = with_partitions(settings, timezone=zone, start_date=dt.date(2026, 1, 1))
    schedule = settings.schedule.model_copy(update={"nightly": dt.time.fromisoformat(at)})
    clock = NOW
    defs = build_defs(there.model_copy(update={"schedule": schedule}), now=lambda: clock)
    repository = defs.get_repository_def()
    nightly = repository.get_schedule_def("nightly_schedule")
    days = build_partitions(there).get_partitions_def_for_dimension("date")
    for change in map(dt.date.fromisoformat, changes):
        first = dt.datetime.combine(change, dt.time(12), ZoneInfo(zone)) - dt.timedelta(days=3)
        ticks = itertools.islice(
            schedule_execution_time_iterator(first.timestamp(), str(nightly.cron_schedule), zone, ascending=True), 5
        )
        found = []
        for moment in ticks:
            clock = moment.astimezone(dt.UTC)
            context = dg.build_schedule_context(
                instance=instance, scheduled_execution_time=moment, repository_def=repository
            )
            requests = nightly.evaluate_tick(context).run_requests or []
            assert all(assets_of(request) == set(EVERY) for request in requests)
            assert len(requests) == len(KEYS)
            found += sorted({str(request.partition_key).partition("|")[0] for request in requests})
            with dg.partition_loading_context(effective_dt=clock):
                assert days.get_last_partition_key() == found[-1], "the day that has closed by Dagster's reckoning"
        start = dt.date.fromisoformat(found[0])
        assert found == [str(start + dt.timedelta(days=n)) for n in range(5)]


def test_a_zone_ahead_of_utc_closes_its_day_before_utc_does(tick: Tick, settings: Settings) -> None:
    there = with_partitions(settings, timezone="Asia/Tokyo")
    scheduled = dt.datetime(2026, 11, 20, 0, 30, tzinfo=ZoneInfo("Asia/Tokyo"))
    data = tick("nightly_schedule", scheduled, of=there)
    assert keys_of(data) == [f"2026-11-19|{key}" for key in KEYS]
    assert all(assets_of(request) == set(EVERY) for request in data.run_requests or [])


def test_the_night_before_the_start_date_is_skipped(tick: Tick, settings: Settings) -> None:
    later = with_partitions(settings, start_date=dt.date(2026, 11, 20))
    data = tick("nightly_schedule", dt.datetime(2026, 11, 20, 0, 30, tzinfo=dt.UTC), of=later)
    assert not data.run_requests
    assert data.skip_message == "2026-11-19 is before the start date, 2026-11-20"


HEALING_TIME = dt.datetime(2026, 11, 20, 2, 30, tzinfo=dt.UTC)


@pytest.mark.slow
def test_three_nights_without_a_daemon_are_brought_back_by_the_next(
    tick: Tick, settings: Settings, instance: dg.DagsterInstance
) -> None:
    one = settings.model_copy(update={"websites": {ACME.key: settings.websites[ACME.key]}})
    recent = with_partitions(one, start_date=days_ago(5))
    runner = Runner(instance, build_defs(recent, now=frozen(NOW), retry_policy=None))
    runner.days([*LOOK_BACK, *DERIVED_NAMES], days_ago(5), days_ago(5))
    runner.day(EVERY)
    data = tick("heal_schedule", HEALING_TIME, of=recent)
    # The oldest day has its audiences' labels from the first list after it, which is yesterday's: it is stale.
    assert keys_of(data)[:3] == [f"{days_ago(age)}|{ACME.key}" for age in (4, 3, 2)]
    assert set(keys_of(data)) == {f"{days_ago(age)}|{ACME.key}" for age in (5, 4, 3, 2)}
    heal(runner, data)
    for name in (*LOOK_BACK, *DERIVED_NAMES):
        assert sorted(set(runner.recorded(name))) == [f"{days_ago(age)}|{ACME.key}" for age in (5, 4, 3, 2, 1)]
    again = tick("heal_schedule", HEALING_TIME, of=recent)
    assert keys_of(again) == [f"{YESTERDAY}|{ACME.key}"]  # derived before the days in between were there
    assert assets_of(again.run_requests[0]) == set(DERIVED_NAMES)  # type: ignore[index]  # asserted above
    heal(runner, again)
    healed = tick("heal_schedule", HEALING_TIME, of=recent)
    assert not healed.run_requests
    assert healed.skip_message == "nothing is missing"


def heal(runner: Runner, data: ScheduleExecutionData) -> None:
    """Execute what the healer requests."""
    for request in data.run_requests or []:
        days = [dt.date.fromisoformat(key[:10]) for key in keys_in(request)]
        assert runner.days(sorted(assets_of(request)), days[0], days[-1]).success


def test_the_healer_is_bounded_by_the_configuration(tick: Tick, settings: Settings) -> None:
    few = settings.model_copy(update={"schedule": settings.schedule.model_copy(update={"heal_runs_per_tick": 4})})
    assert len(tick("heal_schedule", HEALING_TIME, of=few).run_requests or []) == 4


@pytest.mark.parametrize(
    ("tags", "spared"),
    [
        ({"dagster/partition": f"{days_ago(3)}|{ACME.key}"}, {3}),
        ({RANGE_START: f"{days_ago(3)}|{ACME.key}", RANGE_END: f"{days_ago(2)}|{ACME.key}"}, {3, 2}),
    ],
    ids=["one partition", "a range"],
)
@pytest.mark.parametrize(
    ("status", "under_way"),
    [
        (dg.DagsterRunStatus.NOT_STARTED, True),
        (dg.DagsterRunStatus.STARTED, True),
        (dg.DagsterRunStatus.CANCELING, True),
        (dg.DagsterRunStatus.FAILURE, False),
        (dg.DagsterRunStatus.CANCELED, False),
    ],
)
def test_the_healer_leaves_alone_what_a_run_is_under_way_for(
    tick: Tick,
    settings: Settings,
    instance: dg.DagsterInstance,
    tags: dict[str, str],
    spared: set[int],
    status: dg.DagsterRunStatus,
    under_way: bool,
) -> None:
    recent = with_partitions(settings, start_date=days_ago(3))
    job = build_defs(recent).resolve_job_def("heal")
    instance.create_run_for_job(job, status=status, tags=tags)
    found = set(keys_of(tick("heal_schedule", HEALING_TIME, of=recent)))
    expected = {f"{days_ago(age)}|{ACME.key}" for age in ((3, 2, 1) if not under_way else {3, 2, 1} - spared)}
    assert {key for key in found if key.endswith(ACME.key)} == expected
    assert len({key for key in found if key.endswith(BAYSIDE.key)}) == 3


def record_everything_but(instance: dg.DagsterInstance, *missing: tuple[str, str]) -> None:
    """Put every asset of yesterday on record, of all websites; none of the files is there."""
    for website, name in itertools.product(KEYS, EVERY):
        if (website, name) not in missing:
            event = dg.AssetMaterialization(name, partition=partition_key(YESTERDAY, website))
            instance.report_runless_asset_event(event)


def test_of_many_websites_the_healer_looks_at_files_in_turn_and_where_the_records_lack_something(
    tick: Tick, settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(healing, "_WEBSITES_A_NIGHT", 1)
    recent = with_partitions(settings, start_date=YESTERDAY)
    night = HEALING_TIME.date()
    (turn,) = in_turn(sorted(KEYS), night)
    lacking, whole = sorted({*KEYS} - {turn})
    record_everything_but(instance, (lacking, "sales"))
    found = keys_of(tick("heal_schedule", HEALING_TIME, of=recent))
    assert set(found) == {f"{YESTERDAY}|{turn}", f"{YESTERDAY}|{lacking}"}
    later = [in_turn(sorted(KEYS), night + dt.timedelta(days=n)) for n in (1, 2)]
    assert {whole} in later


def test_what_the_lake_holds_without_a_record_is_recorded_and_not_captured_again_although_it_is_not_its_websites_turn(
    tick: Tick, settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(healing, "_WEBSITES_A_NIGHT", 1)
    recent = with_partitions(settings, start_date=YESTERDAY)
    (turn,) = in_turn(sorted(KEYS), HEALING_TIME.date())
    lacking, held = sorted({*KEYS} - {turn})
    capture(Lake(recent.root), "sales", YESTERDAY, [], held, at=NOW)
    record_everything_but(instance, (lacking, "sales"), (held, "sales"))
    assert set(keys_of(tick("heal_schedule", HEALING_TIME, of=recent))) == {f"{YESTERDAY}|{w}" for w in (turn, lacking)}
    recorded = instance.get_materialized_partitions(dg.AssetKey("sales"))
    assert recorded == {f"{YESTERDAY}|{website}" for website in (turn, held)}


def test_a_website_whose_other_days_were_made_again_is_looked_at() -> None:
    days = dict(zip(KEYS, (YESTERDAY, days_ago(2), days_ago(3)), strict=True))
    runs = [dg.DagsterRun("heal", tags={PARTITION: f"{day}|{website}"}) for website, day in days.items()]
    runs.append(dg.DagsterRun("heal", tags={RANGE_START: f"{days_ago(4)}|gone", RANGE_END: f"{YESTERDAY}|gone"}))
    assert websites_made_again(runs, KEYS, YESTERDAY) == set(KEYS[1:])
