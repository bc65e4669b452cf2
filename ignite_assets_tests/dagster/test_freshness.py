"""Whether every website's last due day is there: by website, by the zone's clock, and told to a person."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from ignite_assets.api.horizon import Horizon
from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.automation.alert_sensors import build_sensors
from ignite_assets.dagster.checks.freshness import CHECK_NAME, due_day, stale
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.derived.derivation import Derivations
from ignite_assets.tables.derived.visitor_recency import VISITOR_RECENCY
from ignite_assets.tables.registry import TABLES
from ignite_assets_tests.audiences.captures import visitors
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import ACME, BAYSIDE, NAMES, NOW, SUMMIT, WEBSITES, YESTERDAY, days_ago
from ignite_assets_tests.webhook import Receiver

SIX = dt.time(6)
KEYS = [site.key for site in WEBSITES]


def land(
    instance: dg.DagsterInstance, assets: Sequence[str], websites: Sequence[str], day: dt.date = YESTERDAY
) -> None:
    """Record partitions as landed."""
    for asset in assets:
        for website in websites:
            key = partition_key(day, website)
            instance.report_runless_asset_event(dg.AssetMaterialization(dg.AssetKey(asset), partition=key))


def evaluated(
    settings: Settings, instance: dg.DagsterInstance, now: dt.datetime = NOW, assets: Sequence[str] = NAMES
) -> dict[str, dg.AssetCheckEvaluation]:
    """What the schedule's job finds, by asset."""
    job = build_defs(settings, now=frozen(now)).resolve_job_def("freshness")
    chosen = {dg.AssetCheckKey(dg.AssetKey(name), CHECK_NAME) for name in assets}
    subset = job.get_subset(asset_selection=set(), asset_check_selection=chosen)
    result = subset.execute_in_process(instance=instance)
    return {e.asset_key.path[-1]: e for e in result.get_asset_check_evaluations()}


# What is due.


@pytest.mark.parametrize(
    ("zone", "now", "due"),
    [
        ("UTC", "2026-11-20T05:59:59+00:00", "2026-11-18"),
        ("UTC", "2026-11-20T06:00:00+00:00", "2026-11-19"),
        ("UTC", "2026-11-20T23:59:59+00:00", "2026-11-19"),
        ("America/New_York", "2026-11-20T10:59:59+00:00", "2026-11-18"),
        ("America/New_York", "2026-11-20T11:00:00+00:00", "2026-11-19"),
        ("America/New_York", "2026-11-21T04:59:59+00:00", "2026-11-19"),
        ("Pacific/Auckland", "2026-11-19T16:59:59+00:00", "2026-11-18"),
        ("Pacific/Auckland", "2026-11-19T17:00:00+00:00", "2026-11-19"),
    ],
)
def test_a_day_is_due_from_the_deadline_in_the_zone(zone: str, now: str, due: str) -> None:
    horizon = Horizon(ZoneInfo(zone), frozen(dt.datetime.fromisoformat(now)))
    assert due_day(horizon, SIX) == dt.date.fromisoformat(due)


def test_stale_websites_are_told_with_the_newest_day_they_have() -> None:
    landed = [f"{YESTERDAY}|{ACME.key}", f"{days_ago(5)}|{BAYSIDE.key}", f"{days_ago(9)}|{BAYSIDE.key}"]
    assert stale(landed, KEYS, YESTERDAY) == {BAYSIDE.key: str(days_ago(5)), SUMMIT.key: "no date yet"}


def test_a_newer_day_does_not_stand_in_for_the_due_one() -> None:
    landed = [f"{YESTERDAY}|{ACME.key}"]
    assert stale(landed, [ACME.key], days_ago(2)) == {ACME.key: str(YESTERDAY)}


# The checks.


def test_one_fresh_website_does_not_hide_a_stale_one(settings: Settings, instance: dg.DagsterInstance) -> None:
    land(instance, ["visitors"], [ACME.key, BAYSIDE.key])
    land(instance, ["visitors"], [SUMMIT.key], days_ago(3))
    land(instance, ["sales"], KEYS)
    found = evaluated(settings, instance, assets=["visitors", "sales"])
    assert found["sales"].passed
    visitors = found["visitors"]
    assert not visitors.passed
    assert visitors.severity == dg.AssetCheckSeverity.ERROR
    assert visitors.partition is None
    assert visitors.description == "1 of 3 websites lack 2026-11-19"
    assert {"saw", "expected", "what_to_do"} <= visitors.metadata.keys()


def test_before_the_deadline_the_day_is_not_missed(settings: Settings, instance: dg.DagsterInstance) -> None:
    land(instance, ["visitors"], KEYS, days_ago(2))
    early = NOW.replace(hour=5)
    assert evaluated(settings, instance, early, ["visitors"])["visitors"].passed
    assert not evaluated(settings, instance, NOW, ["visitors"])["visitors"].passed


def test_before_the_first_day_nothing_is_due(config_file: Path, instance: dg.DagsterInstance) -> None:
    config_file.write_text(config_file.read_text().replace("2026-09-01", "2026-11-20"))
    found = evaluated(load_settings(config_file), instance, assets=["visitors"])
    assert found["visitors"].passed
    assert found["visitors"].description == "no day is due yet"


def test_stale_derived_partitions_are_named_by_website_and_day(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    lake = Lake(settings.root)
    visitors(lake, YESTERDAY, [1])
    made = Derivations(lake, VISITOR_RECENCY, ACME.key, window_days=30, first_day=days_ago(40)).one(YESTERDAY)
    lake.commit(Partition("visitor_recency", ACME.key, YESTERDAY), made.staged.file)
    assert evaluated(settings, instance, assets=["visitor_recency"])["visitor_recency"].passed

    visitors(lake, days_ago(2), [2])

    found = evaluated(settings, instance, assets=["visitor_recency"])["visitor_recency"]
    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.WARN
    assert found.metadata["stale_days"].value == {ACME.key: [str(YESTERDAY)]}
    assert f"--from {YESTERDAY} --select visitor_recency" in str(found.metadata["what_to_do"].value)


def test_the_schedule_evaluates_every_assets_freshness_at_the_deadline(
    config_file: Path, instance: dg.DagsterInstance
) -> None:
    text = config_file.read_text().replace("[partitions]\n", '[partitions]\ntimezone = "America/New_York"\n')
    config_file.write_text(text + '[alerts]\ndeadline = "07:15"\n')
    settings = load_settings(config_file)
    defs = build_defs(settings, now=frozen(NOW))
    (schedule,) = (each for each in defs.schedules or [] if each.name == "freshness_schedule")
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("15 7 * * *", "America/New_York")
    assert schedule.job_name == "freshness"
    keys = defs.resolve_job_def("freshness").asset_layer.asset_graph.asset_check_keys
    assert keys == {dg.AssetCheckKey(dg.AssetKey(table.name), CHECK_NAME) for table in TABLES}
    found = defs.resolve_job_def("freshness").execute_in_process(instance=instance)
    assert len(found.get_asset_check_evaluations()) == len(TABLES)
    assert not found.get_asset_materialization_events()


def test_stale_websites_reach_a_person_one_message_each(
    config_file: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    config_file.write_text(config_file.read_text() + '[alerts]\nwebhook_env = "ALERTS_WEBHOOK"\n')
    settings = load_settings(config_file)
    (sensor,) = (each for each in build_sensors(settings) if each.name == "failed_check_alert_sensor")
    land(instance, ["visitors", "sales"], [ACME.key])
    land(instance, ["visitors", "sales"], [SUMMIT.key], days_ago(3))
    with Receiver() as receiver:
        monkeypatch.setenv("ALERTS_WEBHOOK", receiver.url)
        cursor = sensor.evaluate_tick(dg.build_sensor_context(instance=instance)).cursor
        evaluated(settings, instance, assets=["visitors", "sales"])
        for _ in range(2):
            context = dg.build_sensor_context(instance=instance, cursor=cursor)
            cursor = sensor.evaluate_tick(context).cursor
    bayside, summit = receiver.texts
    assert bayside.startswith("bayside-kia, night of ")
    assert bayside.endswith("• sales, visitors: fresh: last captured for no date yet")
    assert summit.startswith("summit-ford, night of ")
    assert summit.endswith("• sales, visitors: fresh: last captured for 2026-11-17")
