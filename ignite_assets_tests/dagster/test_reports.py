"""The asset `website_report`: where its page is, what Dagster is told, and what it does without."""

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.assets import exports as audience_exports
from ignite_assets.dagster.assets.reports import ASSET, JOB, page_name
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.report.page import DEALER, OPERATIONS
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Store
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import (
    ACME,
    BAYSIDE,
    EVERY,
    NOW,
    QUIET,
    YESTERDAY,
    Runner,
    contents,
    days_ago,
    partition,
    reasons,
    retries,
)
from ignite_assets_tests.dagster.test_audience_exports import EXPORTS, export


def page_of(settings: Settings, day: dt.date = YESTERDAY, website: str = ACME.key) -> Path:
    return settings.path.parent / "reports" / page_name(website, day)


def number(page: Path, query: str, column: str) -> str:
    found = re.search(rf'data-query="{query}" data-row="0" data-column="{column}" value="(.*?)"', page.read_text())
    assert found
    return found[1]


def report(runner: Runner, day: dt.date = YESTERDAY) -> dict[str, object]:
    """Make the report of a day; what Dagster was told of it."""
    result = runner.day([ASSET], day)
    assert reasons(result) == {}
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_it_follows_from_what_it_reads_and_is_partitioned_alike(config_file: Path) -> None:
    config_file.write_text(config_file.read_text() + EXPORTS)
    graph = build_defs(load_settings(config_file), now=frozen(NOW)).resolve_asset_graph()
    node = graph.get(dg.AssetKey(ASSET))
    assert {key.to_user_string() for key in node.parent_keys} == {*EVERY, audience_exports.ASSET}
    assert node.partitions_def == graph.get(dg.AssetKey("visitors")).partitions_def
    assert (node.group_name, node.kinds) == ("reports", {"html"})
    assert node.tags["ignite/personal_data"] == "false"
    dg.Definitions.validate_loadable(build_defs(load_settings(config_file)))


@pytest.mark.slow
def test_a_day_becomes_a_page_that_dagster_links_to(runner: Runner, settings: Settings, lake: Lake) -> None:
    runner.day(EVERY)

    told = report(runner)

    page = page_of(settings)
    assert told["page"] == page.as_uri()
    assert told["path"] == str(page)
    assert told["bytes"] == page.stat().st_size < 500_000
    visitors = int(lake.footer(partition("visitors"))["ignite.rows"])
    assert told["visitors_week"] == visitors > 0
    assert number(page, "visitors_by_week", "this_week") == str(visitors)
    assert told["products"] == int(lake.footer(partition("products"))["ignite.rows"])
    assert page.with_name(OPERATIONS).exists()


def test_a_page_is_replaced_whole(runner: Runner, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    runner.day(["visitors"])
    report(runner)
    before = contents(str(settings.path.parent / "reports"))
    page = page_name(ACME.key, YESTERDAY)
    summary = f"website={ACME.key}/summary.json"
    assert set(before) == {page, page.replace(DEALER, OPERATIONS), summary, DEALER}

    def fail(store: Store, name: str, data: bytes) -> None:
        with store.writing(name) as file:
            file.write(data[:100])
            raise OSError("no space left")

    monkeypatch.setattr(Store, "put", fail)
    result = runner.day([ASSET])

    assert "OSError: no space left" in reasons(result)[ASSET]
    assert contents(str(settings.path.parent / "reports")) == before


def test_a_day_without_anything_fails_and_is_not_tried_again(runner: Runner, settings: Settings) -> None:
    runner.day(["visitors"])
    defs = build_defs(settings, now=frozen(NOW), retry_policy=dg.RetryPolicy(max_retries=1))

    result = Runner(runner.instance, defs).day([ASSET], days_ago(2))

    told = f"nothing of {ACME.key} was captured for {days_ago(2)}; `ignite-assets materialize --website {ACME.key}"
    assert reasons(result)[ASSET].startswith(told)
    assert retries(result) == 0
    assert not page_of(settings, days_ago(2)).exists()


def test_credentials_that_were_refused_are_named_on_the_page(
    config_file: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(config_file)
    runner = Runner(instance, build_defs(settings, now=frozen(NOW), retry_policy=None))
    runner.day(["visitors"])
    monkeypatch.setenv(settings.websites[ACME.key].secret_env, "wrong")
    runner.day(["products"])

    report(runner)

    page = page_of(settings).read_text()
    assert page.count("The platform refused the website&#39;s credentials.") == 1
    assert "token and secret" in page


def test_inputs_that_are_missing_are_missing_on_the_page(runner: Runner, settings: Settings) -> None:
    runner.day(["visitors"])
    told = report(runner)
    assert "products" not in told
    assert "Partly captured: the inventory" in page_of(settings).read_text()


def test_lists_that_were_held_are_told_as_dagster_has_them(config_file: Path, instance: dg.DagsterInstance) -> None:
    config_file.write_text(config_file.read_text() + EXPORTS)
    settings = load_settings(config_file)
    runner = Runner(instance, build_defs(settings, now=frozen(NOW), retry_policy=None))
    runner.day(["visitors"])
    export(runner)
    export(runner, names=["large"])  # a record of its own, newer than that of both

    told = report(runner)

    page = page_of(settings).with_name(OPERATIONS).read_text()
    assert told["lists_written"] == 1
    assert re.search(r'<span class="tag good">written</span>', page)
    assert re.search(r'<span class="tag bad">held</span>.*members, fewer than 100,000', page)
    assert re.search(r'<td class="right">\d+\*</td>', page), "counted by the record alone"
    assert "* From Dagster's record of the export" in page


def test_another_days_exports_are_not_told(config_file: Path, instance: dg.DagsterInstance) -> None:
    config_file.write_text(config_file.read_text() + EXPORTS)
    settings = load_settings(config_file)
    runner = Runner(instance, build_defs(settings, now=frozen(NOW), retry_policy=None))
    runner.days(["visitors"], days_ago(2), YESTERDAY)
    export(runner)

    assert report(runner, days_ago(2))["lists_written"] == 0

    page = page_of(settings, days_ago(2)).with_name(OPERATIONS)
    assert page.read_text().count(">not exported<") == 2


def test_pages_go_where_they_are_configured_to(config_file: Path, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    config_file.write_text(config_file.read_text() + f'\n[reports]\nto = "{tmp_path}/elsewhere"\n')
    settings = load_settings(config_file)
    runner = Runner(instance, build_defs(settings, now=frozen(NOW), retry_policy=None))
    runner.day(["visitors"])

    assert report(runner)["path"] == f"{tmp_path}/elsewhere/{page_name(ACME.key, YESTERDAY)}"


@pytest.mark.slow
def test_details_are_shown_and_tagged_when_the_settings_ask_for_them(
    config_file: Path, instance: dg.DagsterInstance, lake: Lake
) -> None:
    config_file.write_text(config_file.read_text() + "\n[reports]\npersonal_details = true\n")
    settings = load_settings(config_file)
    defs = build_defs(settings, now=frozen(NOW), retry_policy=None)
    runner = Runner(instance, defs)
    runner.day(EVERY)
    report(runner)

    assert defs.resolve_asset_graph().get(dg.AssetKey(ASSET)).tags["ignite/personal_data"] == "true"
    streets = {row["street"] for row in lake.read([partition("locations")]).to_pylist()}
    page = page_of(settings).read_text()
    assert sum(f"{street}," in page for street in streets) >= 5


@pytest.mark.slow
def test_dagster_is_told_of_nobody(runner: Runner, lake: Lake) -> None:
    runner.day(EVERY)
    told = str(report(runner))
    for row in lake.read([partition("locations")]).to_pylist():
        assert row["street"] not in told
        assert row["resident"] is None or row["resident"] not in told


def requests(settings: Settings, at: dt.datetime) -> list[dg.RunRequest]:
    (schedule,) = [s for s in build_defs(settings).get_repository_def().schedule_defs if s.name == "report_schedule"]
    context = dg.build_schedule_context(scheduled_execution_time=at)
    ticked = schedule(context)
    assert isinstance(ticked, Iterator)
    return [request for request in ticked if isinstance(request, dg.RunRequest)]


def test_the_schedule_asks_for_a_page_of_each_website_after_the_night(settings: Settings) -> None:
    found = requests(settings, dt.datetime(2026, 11, 20, 6, 30, tzinfo=dt.UTC))
    assert [request.partition_key for request in found] == [
        partition_key(YESTERDAY, website) for website in sorted(settings.websites)
    ]
    assert BAYSIDE.key in str(found[1].run_key)
    assert len({request.run_key for request in found}) == 3


def test_before_the_first_day_there_is_nothing_to_report(settings: Settings) -> None:
    assert requests(settings, dt.datetime(2026, 9, 1, 6, 30, tzinfo=dt.UTC)) == []


@pytest.mark.parametrize(("enabled", "status"), [("true", "RUNNING"), ("false", "STOPPED")])
def test_it_is_on_when_schedules_are_and_runs_when_configured(config_file: Path, enabled: str, status: str) -> None:
    config_file.write_text(config_file.read_text() + f'\n[schedule]\nenabled = {enabled}\n[reports]\nat = "07:45"\n')
    repository = build_defs(load_settings(config_file)).get_repository_def()
    (schedule,) = [each for each in repository.schedule_defs if each.name == "report_schedule"]
    assert (schedule.cron_schedule, schedule.job_name) == ("45 7 * * *", JOB)
    assert schedule.default_status == dg.DefaultScheduleStatus[status]


def test_the_job_makes_the_page_alone(runner: Runner, settings: Settings) -> None:
    runner.day(["visitors"])
    result = runner.defs.resolve_job_def(JOB).execute_in_process(
        instance=runner.instance, partition_key=partition_key(YESTERDAY, ACME.key), run_config={"loggers": QUIET}
    )
    assert result.success
    assert page_of(settings).exists()
