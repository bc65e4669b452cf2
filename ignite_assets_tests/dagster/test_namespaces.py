"""Two configurations in one code location, beside somebody's own `products`, `nightly` and `ignite`."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.assets.reports import recorded
from ignite_assets.dagster.automation.alerts import Ours, failed_checks, failed_partitions, messages
from ignite_assets.dagster.keys import AssetKeys
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import (
    ACME,
    EVERY,
    NOW,
    QUIET,
    WEBSITES,
    YESTERDAY,
    config_text,
    partition,
    reasons,
    set_credentials,
)

EVERYTHING = """
[alerts]
webhook_env = "WEBHOOK"
[[exports]]
name = "r"
source = "visitors"
destination = "plain_list"
window_days = 1
[opt_outs]
inbox = "inbox"
"""
KEY = f"{YESTERDAY}|{ACME.key}"


def configured(folder: Path, url: str, names: str) -> Settings:
    folder.mkdir()
    path = folder / "ignite.toml"
    path.write_text(config_text(url, WEBSITES, start=YESTERDAY, more=EVERYTHING + names))
    return load_settings(path)


@pytest.fixture
def lakes(tmp_path: Path, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Three configurations of the same websites: one without names of its own, one under a key, one under two."""
    set_credentials(monkeypatch)
    names = ("", '[dagster]\nkey_prefix = "east"', '[dagster]\nkey_prefix = ["raw", "west"]\nname_prefix = "w_"')
    return [configured(tmp_path / str(number), sandbox.url, each) for number, each in enumerate(names)]


def merged(*settings: Settings, beside: dg.Definitions | None = None) -> dg.Definitions:
    ours = [build_defs(each, now=frozen(NOW), retry_policy=None) for each in settings]
    return dg.Definitions.merge(*([beside] if beside else []), *ours)


def own() -> dg.Definitions:
    @dg.asset
    def products() -> None: ...

    @dg.op
    def remove_opted_out_people() -> None: ...

    @dg.job
    def nightly() -> None:
        remove_opted_out_people()

    return dg.Definitions(assets=[products], jobs=[nightly], resources={"ignite": 1, "ignite_lake": 2})


def names_of(defs: dg.Definitions) -> Iterator[str]:
    """Every name that is the code location's, not an asset's own."""
    repository = defs.get_repository_def()
    yield from (name for name in repository.job_names if not name.startswith("__"))
    yield from (schedule.name for schedule in repository.schedule_defs)
    yield from (sensor.name for sensor in repository.sensor_defs)
    yield from defs.resources or {}
    for job in repository.get_all_jobs():
        yield from job.graph.node_dict
    for key in repository.asset_graph.get_all_asset_keys():
        yield key.to_python_identifier()
        yield repository.asset_graph.get(key).group_name or ""


def test_two_lakes_merge_beside_somebodys_own_names(lakes: list[Settings]) -> None:
    defs = merged(*lakes[1:], beside=own())
    dg.Definitions.validate_loadable(defs)
    repository = defs.get_repository_def()
    assert {"nightly", "east_nightly", "w_nightly"} <= set(repository.job_names)
    keys = {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()}
    assert keys >= {"products", *(f"{prefix}/{name}" for prefix in ("east", "raw/west") for name in EVERY)}


def test_every_name_carries_the_prefix(lakes: list[Settings]) -> None:
    for settings, prefixes in ((lakes[1], ("east_",)), (lakes[2], ("w_", "raw__west__"))):
        assert {name for name in names_of(build_defs(settings)) if not name.startswith(prefixes)} == set()


def test_the_arguments_take_the_place_of_the_configuration(lakes: list[Settings]) -> None:
    defs = build_defs(lakes[0], key_prefix=["a", "b"], name_prefix="c")
    assert {name for name in names_of(defs) if not name.startswith(("c_", "a__b__"))} == set()
    assert "a_nightly" in set(names_of(build_defs(lakes[1], key_prefix="a")))
    with pytest.raises(ValueError, match="not a name"):
        build_defs(lakes[0], key_prefix="no/-/name")


def run(instance: dg.DagsterInstance, defs: dg.Definitions, job: str, *assets: str) -> dg.ExecuteInProcessResult:
    """One partition of some assets, checks included."""
    return defs.resolve_job_def(job).execute_in_process(
        instance=instance,
        partition_key=KEY,
        asset_selection=[dg.AssetKey.from_user_string(asset) for asset in assets] or None,
        run_config={"loggers": QUIET},
        raise_on_error=False,
    )


@pytest.mark.slow
def test_each_night_lands_in_its_own_lake_under_its_own_keys(
    instance: dg.DagsterInstance, lakes: list[Settings]
) -> None:
    defs = merged(*lakes)
    specs = {spec.key: spec for spec in defs.resolve_all_asset_specs()}
    for settings, job in zip(lakes, ("nightly", "east_nightly", "w_nightly"), strict=True):
        assert reasons(run(instance, defs, job)) == {}
        keys = AssetKeys.of(settings)
        recorded = {name: instance.fetch_materializations(keys[name], limit=10).records for name in EVERY}
        assert {name: len(records) for name, records in recorded.items()} == dict.fromkeys(EVERY, 1)
        assert all(Lake(settings.root).exists(partition(name)) for name in EVERY)
        lineage = specs[keys["visitor_recency"]].metadata["dagster/column_lineage"].value
        assert isinstance(lineage, dg.TableColumnLineage)
        assert {dep.asset_key for deps in lineage.deps_by_column.values() for dep in deps} == {keys["visitors"]}


@pytest.mark.slow
def test_exports_and_reports_are_recorded_and_read_under_the_prefix(
    instance: dg.DagsterInstance, lakes: list[Settings]
) -> None:
    east = lakes[1]
    defs = merged(*lakes[1:])
    for job in ("east_nightly", "east_export_audiences", "east_report"):
        assert reasons(run(instance, defs, job)) == {}
    assert list(Path(east.root).parent.glob("exports/r/website=acme-honda/*/manifest.json"))
    assert len(list(Path(east.root).parent.glob("reports/*/*/index.html"))) == 1
    rows = [[row.rule for row in recorded(instance, AssetKeys.of(each), KEY)] for each in lakes]
    assert rows == [[], ["r"], []]
    assert instance.get_materialized_partitions(dg.AssetKey(["raw", "west", "website_report"])) == set()


def test_an_export_is_asked_for_by_the_sensor_of_the_lake_that_was_captured(
    instance: dg.DagsterInstance, lakes: list[Settings]
) -> None:
    defs = merged(*lakes)
    assert run(instance, defs, "east_nightly", "east/visitors").success
    repository = defs.get_repository_def()
    asked = {}
    for name in ("", "east_", "w_"):
        sensor = repository.get_sensor_def(f"{name}audience_export_sensor")
        context = dg.build_sensor_context(instance=instance, repository_def=repository)
        asked[name] = [request.partition_key for request in sensor.evaluate_tick(context).run_requests or []]
    assert asked == {"": [], "east_": [KEY], "w_": []}


def healed(instance: dg.DagsterInstance, defs: dg.Definitions, name: str) -> set[str | None]:
    """The partitions of the first website that a healer asks for."""
    repository = defs.get_repository_def()
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=NOW, repository_def=repository)
    requests = repository.get_schedule_def(f"{name}heal_schedule").evaluate_tick(context).run_requests or []
    return {request.partition_key for request in requests if str(request.partition_key).endswith(ACME.key)}


@pytest.mark.slow
def test_a_run_under_way_and_a_platform_that_asks_to_wait_hold_back_their_own_healer_alone(
    instance: dg.DagsterInstance, lakes: list[Settings], sandbox: SandboxServer
) -> None:
    defs = merged(*lakes)
    assert healed(instance, defs, "") == healed(instance, defs, "east_") == {KEY}
    sandbox.faults.add(Fault(retry_after=3600))
    assert not run(instance, defs, "w_nightly", "raw/west/visitors").success
    sandbox.faults.clear()
    east = defs.resolve_job_def("east_nightly").get_subset(asset_selection={dg.AssetKey(["east", "visitors"])})
    instance.create_run_for_job(
        east, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": KEY}, asset_selection=east.asset_selection
    )
    assert [healed(instance, defs, name) for name in ("", "east_", "w_")] == [{KEY}, set(), set()]


@pytest.mark.slow
@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_failure_is_told_by_the_lake_that_it_is_of(
    instance: dg.DagsterInstance, lakes: list[Settings], sandbox: SandboxServer, failing: int
) -> None:
    sandbox.faults.add(Fault(endpoint="visitors", status=404))
    keys = [AssetKeys.of(settings) for settings in lakes]
    # Launched from the asset graph, all lakes together: one run, one step of which is looked at.
    chosen = [keys[failing]["visitors"].to_user_string(), *(each["sales"].to_user_string() for each in keys)]
    assert not run(instance, merged(*lakes), "__ASSET_JOB", *chosen).success
    records = instance.get_run_records()
    told = [messages(instance, records, failed_partitions, Ours(*each)) for each in zip(lakes, keys, strict=True)]
    assert [len(each) for each in told] == [int(number == failing) for number in range(3)]
    (trouble,) = told[failing][0].troubles
    assert (trouble.website, trouble.asset) == (ACME.key, "visitors")


def test_a_check_that_fails_is_told_by_the_lake_that_it_is_of(
    instance: dg.DagsterInstance, lakes: list[Settings]
) -> None:
    defs = merged(*lakes)
    job = defs.resolve_job_def("east_freshness")
    assert job.execute_in_process(instance=instance, run_config={"loggers": QUIET}, raise_on_error=False).success
    records = instance.get_run_records()
    told = [messages(instance, records, failed_checks, Ours(each, AssetKeys.of(each))) for each in lakes]
    assert [len(each) for each in told] == [0, len(WEBSITES), 0]
    assert {trouble.asset for message in told[1] for trouble in message.troubles} <= set(EVERY)


def test_a_day_that_was_captured_is_fresh_under_the_prefix(instance: dg.DagsterInstance, lakes: list[Settings]) -> None:
    east = load_settings(lakes[1].path)
    one = east.model_copy(update={"websites": {ACME.key: east.websites[ACME.key]}})
    defs = merged(one)
    assert run(instance, defs, "east_nightly", "east/visitors").success
    key = dg.AssetCheckKey(dg.AssetKey(["east", "visitors"]), "fresh")
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection=set(), asset_check_selection={key})
    (evaluation,) = job.execute_in_process(instance=instance).get_asset_check_evaluations()
    assert evaluation.passed
    assert NOW.time() > dt.time(6)
