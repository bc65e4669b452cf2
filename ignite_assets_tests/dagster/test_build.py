"""The definitions as a whole: what they hold, and what building them must not take."""

import re
import sys
from pathlib import Path

import dagster as dg
import pytest

from ignite_assets.api.errors import ConfigurationError
from ignite_assets.api.horizon import LOOK_BACK_DAYS
from ignite_assets.config import Settings, load_settings
from ignite_assets.dagster.io_manager import IO_MANAGER
from ignite_assets.sandbox import SandboxServer
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.built import build_defs
from ignite_assets_tests.conftest import EVERY, WEBSITES, Runner, variable


def test_the_definitions_load(settings: Settings) -> None:
    dg.Definitions.validate_loadable(build_defs(settings))


def test_they_need_no_secret_and_make_no_request(
    settings: Settings, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for site in WEBSITES:
        for kind in ("token", "secret"):
            monkeypatch.delenv(variable(site.key, kind))
    dg.Definitions.validate_loadable(build_defs(settings))
    assert len(sandbox.requests) == 0


def test_there_are_the_two_jobs_and_schedules_that_keep_the_lake_whole(settings: Settings) -> None:
    repository = build_defs(settings).get_repository_def()
    assert {"nightly", "heal"} <= set(repository.job_names)
    jobs = {schedule.name: schedule.job_name for schedule in repository.schedule_defs}
    assert jobs["nightly_schedule"] == "nightly"
    assert jobs["heal_schedule"] == "heal"


@pytest.mark.parametrize("name", ["nightly", "heal"])
def test_a_job_covers_every_row_of_both_tables(settings: Settings, name: str) -> None:
    job = build_defs(settings).resolve_job_def(name)
    assert {key.to_user_string() for key in job.asset_layer.selected_asset_keys} == set(EVERY)


EVERYTHING = """
[alerts]
webhook_env = "WEBHOOK"
[[exports]]
name = "r"
source = "visitors"
destination = "plain_list"
[opt_outs]
inbox = "inbox"
"""


@pytest.fixture
def menu(config_file: Path) -> dg.RepositoryDefinition:
    """Every job, schedule and sensor that there can be."""
    config_file.write_text(config_file.read_text() + EVERYTHING)
    return build_defs(load_settings(config_file)).get_repository_def()


def test_every_job_schedule_and_sensor_says_in_a_line_when_it_does_what(menu: dg.RepositoryDefinition) -> None:
    jobs = [menu.get_job(name) for name in menu.job_names if not name.startswith("__")]
    starters: list[dg.ScheduleDefinition | dg.SensorDefinition] = [*menu.schedule_defs, *menu.sensor_defs]
    assert (len(jobs), len(starters)) == (8, 10)
    for description in [job.description for job in jobs] + [starter.description for starter in starters]:
        assert re.fullmatch(r"[A-Z][^\n]{40,150}\.", str(description))
    assert all(
        re.match(r"Every (day|night|morning|minute|5 minutes|30 seconds)\b[^:]*(:\d\d)?: ", str(s.description))
        for s in starters
    )
    assert [job.name for job in jobs if not re.search("[Ss]tarted |; runs ", str(job.description))] == []


@pytest.mark.parametrize("executor", ["in_process", "multiprocess"])
def test_every_job_has_the_configured_executor_wherever_it_is_merged_into(config_file: Path, executor: str) -> None:
    config_file.write_text(f'{config_file.read_text()}{EVERYTHING}[dagster]\nexecutor = "{executor}"\n')
    other = {"in_process": dg.multiprocess_executor, "multiprocess": dg.in_process_executor}[executor]
    defs = dg.Definitions.merge(dg.Definitions(executor=other), build_defs(load_settings(config_file)))
    repository = defs.get_repository_def()

    names = {name: repository.get_job(name).executor_def.name for name in repository.job_names}

    assert names.pop("__ASSET_JOB") == other.name  # launches from the asset graph name no job of ours
    assert set(names.values()) == {executor}
    assert len(names) == 8


@pytest.mark.parametrize(("executor", "package"), [("celery", "dagster_celery"), ("k8s", "dagster_k8s")])
def test_an_executor_whose_package_is_missing_says_what_to_install(
    config_file: Path, monkeypatch: pytest.MonkeyPatch, executor: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    config_file.write_text(f'{config_file.read_text()}[dagster]\nexecutor = "{executor}"\n')

    with pytest.raises(ConfigurationError, match=rf'pip install "ignite_assets\[{executor}\]"'):
        build_defs(load_settings(config_file))


@pytest.mark.parametrize("enabled", [True, False])
def test_what_starts_by_itself_is_on_or_off_as_a_whole(config_file: Path, enabled: bool) -> None:
    config_file.write_text(f"{config_file.read_text()}{EVERYTHING}[schedule]\nenabled = {str(enabled).lower()}\n")
    repository = build_defs(load_settings(config_file)).get_repository_def()

    starters: list[dg.ScheduleDefinition | dg.SensorDefinition] = [*repository.schedule_defs, *repository.sensor_defs]

    assert {starter.default_status.value for starter in starters} == {"RUNNING" if enabled else "STOPPED"}
    assert len(starters) == 10


def test_schedules_are_named_for_their_job_and_sensors_for_what_they_are(menu: dg.RepositoryDefinition) -> None:
    assert {schedule.name for schedule in menu.schedule_defs} == {
        f"{schedule.job_name}_schedule" for schedule in menu.schedule_defs
    }
    assert all(sensor.name.endswith("_sensor") for sensor in menu.sensor_defs)


def test_every_check_says_what_it_is_about(menu: dg.RepositoryDefinition) -> None:
    nodes = menu.asset_graph.asset_check_keys
    told = {key: menu.asset_graph.get_check_spec(key).description for key in nodes}
    assert all(told.values())


def test_no_step_has_a_policy_of_dagsters_which_would_try_again_after_a_stop(settings: Settings) -> None:
    for job in build_defs(settings).get_repository_def().get_all_jobs():
        for node in job.nodes:
            assert isinstance(node.definition, dg.OpDefinition)
            assert (node.retry_policy, node.definition.retry_policy) == (None, None)


def test_runs_of_backfills_take_many_partitions_and_no_asset_beside_one_that_it_is_made_from(
    settings: Settings,
) -> None:
    graph = build_defs(settings).resolve_asset_graph()
    policies = {name: graph.get(dg.AssetKey(name)).backfill_policy for name in EVERY}
    for name, policy in policies.items():
        assert policy
        assert (policy.max_partitions_per_run or 0) >= LOOK_BACK_DAYS + 1
        parents = {key.to_user_string() for key in graph.get(dg.AssetKey(name)).parent_keys}
        assert policy not in {policies[parent] for parent in parents}


def test_a_resource_can_be_replaced(settings: Settings, instance: dg.DagsterInstance, lake: Lake) -> None:
    class Nowhere(dg.ConfigurableIOManager):
        def handle_output(self, context: dg.OutputContext, obj: object) -> None:
            """Store nothing."""

        def load_input(self, context: dg.InputContext) -> None:
            raise NotImplementedError

    runner = Runner(instance, build_defs(settings, resources={IO_MANAGER: Nowhere()}))
    assert runner.day(["visitors"]).success
    assert lake.partitions("visitors") == []
