"""deploy/helm-values.yaml: Dagster's own schemas take what the chart makes of it, and it says what dagster.yaml says.

The chart itself is in no package registry. Its templates write a dagster.yaml whose keys are those of the values in
another spelling; that is done here, and Dagster builds its instance of the result.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.ref import InstanceRef
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster_aws.s3 import S3ComputeLogManager
from dagster_k8s.job import construct_dagster_k8s_job
from dagster_k8s.launcher import K8sRunLauncher
from dagster_postgres.run_storage import PostgresRunStorage

from ignite_assets.config import load_settings
from ignite_assets.dagster.build import build_defs
from ignite_assets_tests.deploy.services import DEPLOY, HOME, image_environment

pytestmark = pytest.mark.slow

VALUES: Mapping[str, Any] = yaml.safe_load((DEPLOY / "helm-values.yaml").read_text())
COMPOSED: Mapping[str, Any] = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
DEPLOYMENT: Mapping[str, Any] = VALUES["dagster-user-deployments"]["deployments"][0]
LAUNCHER: Mapping[str, Any] = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
KUBECONFIG = """
{apiVersion: v1, kind: Config, current-context: here, contexts: [{name: here, context: {cluster: c, user: u}}],
 clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}], users: [{name: u, user: {}}]}
"""


def snake(value: object, deep: bool = False) -> Any:
    """A table with its keys as Dagster spells them; `deep`: those of the tables in it as well."""
    if not isinstance(value, dict):
        return value
    return {re.sub("([A-Z])", r"_\1", key).lower(): snake(each, deep) if deep else each for key, each in value.items()}


def launcher_config(kubeconfig: Path) -> dict[str, Any]:
    """The configuration of the run launcher as the chart writes it."""
    config = snake(LAUNCHER)
    config["env_secrets"] = [each["name"] for each in config["env_secrets"]]
    config["run_k8s_config"] = snake(config["run_k8s_config"])
    config |= {"load_incluster_config": False, "kubeconfig_file": str(kubeconfig), "job_namespace": "dagster"}
    config |= {"service_account_name": "dagster", "dagster_home": VALUES["global"]["dagsterHome"]}
    return {**config, "instance_config_map": "i", "postgres_password_secret": VALUES["global"]["postgresqlSecretName"]}


def rendered(kubeconfig: Path) -> dict[str, Any]:
    """The dagster.yaml that the chart writes, but for the storage."""
    daemon, logs = VALUES["dagsterDaemon"], VALUES["computeLogManager"]
    queue = snake(daemon["runCoordinator"]["config"]["queuedRunCoordinator"])
    return {
        "run_launcher": {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": launcher_config(kubeconfig)},
        "run_coordinator": {"module": "dagster", "class": daemon["runCoordinator"]["type"], "config": queue},
        "compute_logs": {
            "module": "dagster_aws.s3.compute_log_manager",
            "class": logs["type"],
            "config": snake(logs["config"]["s3ComputeLogManager"]),
        },
        **{name: snake(daemon[name]) for name in ("schedules", "sensors")},
        "run_monitoring": snake(daemon["runMonitoring"]),
        "retention": {key: snake(VALUES["retention"][key]) for key in ("schedule", "sensor")},
        "telemetry": VALUES["telemetry"],
        **VALUES["additionalInstanceConfig"],
    }


@pytest.fixture
def instance(tmp_path: Path) -> InstanceRef:
    """What Dagster reads from the chart's dagster.yaml. Raises where a key is not in its schema."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(rendered(kubeconfig)))
    return InstanceRef.from_dir(str(tmp_path))


def test_dagster_takes_every_setting(instance: InstanceRef) -> None:
    queue = VALUES["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]
    coordinator = instance.run_coordinator
    assert isinstance(coordinator, QueuedRunCoordinator)
    assert coordinator.get_run_queue_config().max_concurrent_runs == queue["maxConcurrentRuns"]
    assert isinstance(instance.compute_log_manager, S3ComputeLogManager)
    assert set(instance.settings) >= {"schedules", "sensors", "backfills", "run_monitoring", "retention", "telemetry"}


def test_a_run_has_its_secrets_memory_scratch_space_and_configuration(instance: InstanceRef) -> None:
    launcher = instance.run_launcher
    assert isinstance(launcher, K8sRunLauncher)
    run = dg.DagsterRun(job_name="nightly", run_id="0" * 32)
    context = launcher.get_container_context_for_run(run)
    config = context.get_k8s_job_config("your-registry/ignite-assets:1", launcher)
    job = construct_dagster_k8s_job(config, ["dagster"], "run", context.run_k8s_config).to_dict()
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert {each["secret_ref"]["name"] for each in container["env_from"]} == {"ignite-credentials", "ignite-bucket"}
    assert container["resources"]["limits"] == LAUNCHER["resources"]["limits"]
    assert spec["security_context"]["run_as_user"] == 10001
    assert job["spec"]["backoff_limit"] == 0
    environment = {each["name"]: each["value"] for each in container["env"]}
    places = [environment["TMPDIR"], str(Path(environment["IGNITE_CONFIG"]).parent)]
    assert set(places) <= {each["mount_path"] for each in container["volume_mounts"]}
    assert {each["name"] for each in spec["volumes"]} >= {each["name"] for each in LAUNCHER["volumes"]}


def test_the_code_server_has_what_its_runs_have() -> None:
    shared = ("envSecrets", "volumes", "volumeMounts")
    assert {name: DEPLOYMENT[name] for name in shared} == {name: LAUNCHER[name] for name in shared}
    assert [f"{each['name']}={each['value']}" for each in DEPLOYMENT["env"]] == LAUNCHER["envVars"]
    assert DEPLOYMENT["dagsterApiGrpcArgs"] == ["--module-name", "ignite_assets.definitions"]


def test_postgres_is_reached_by_the_driver_that_is_installed() -> None:
    values, composed = VALUES["postgresql"], COMPOSED["storage"]["postgres"]["postgres_db"]
    config = {
        "hostname": values["postgresqlHost"],
        "port": values["service"]["port"],
        "db_name": values["postgresqlDatabase"],
        "username": values["postgresqlUsername"],
        "password": "made-up",
        "scheme": values["postgresqlScheme"],
    }
    checked = process_config(resolve_to_config_type(PostgresRunStorage.config_type()), {"postgres_db": config})
    assert checked.success, checked.errors
    assert composed["scheme"] == config["scheme"] == "postgresql+psycopg2"


def test_limits_threads_retention_and_monitoring_are_those_of_the_compose_file() -> None:
    chart = rendered(Path("kubeconfig"))
    limits = chart["run_coordinator"]["config"]["tag_concurrency_limits"]
    assert limits == COMPOSED["concurrency"]["runs"]["tag_concurrency_limits"]
    for name in ("schedules", "sensors", "backfills", "retention", "telemetry", "nux"):
        assert chart[name] == COMPOSED[name], name
    assert COMPOSED["run_monitoring"].items() <= chart["run_monitoring"].items()
    for service in ("dagsterWebserver", "dagsterDaemon"):
        assert VALUES[service]["env"].items() <= image_environment().items()


def test_every_place_is_on_the_bucket() -> None:
    settings = load_settings(DEPLOY / "ignite.toml")
    places = [settings.root, settings.opt_outs.inbox, settings.reports.to, *(rule.to for rule in settings.exports)]
    buckets = {re.sub(r"(s3://\w+)/\w[\w-]*", r"\1", str(place)) for place in places}
    assert buckets == {f"s3://{COMPOSED['compute_logs']['config']['bucket']}"}
    assert (
        VALUES["computeLogManager"]["config"]["s3ComputeLogManager"]["bucket"]
        == COMPOSED["compute_logs"]["config"]["bucket"]
    )
    assert VALUES["global"]["dagsterHome"] == image_environment()["DAGSTER_HOME"] == f"{HOME}/dagster_home"


@pytest.mark.parametrize("executor", ["celery", "k8s"])
def test_every_job_validates_with_an_executor_of_many_machines(
    config_file: Path, monkeypatch: pytest.MonkeyPatch, executor: str
) -> None:
    config_file.write_text(f'{config_file.read_text()}[dagster]\nexecutor = "{executor}"\nbroker_env = "OUR_BROKER"\n')
    monkeypatch.setenv("OUR_BROKER", "redis://:s3cr3t@127.0.0.1:6379/0")
    repository = build_defs(load_settings(config_file)).get_repository_def()
    for name in repository.job_names:
        job = repository.get_job(name)
        config = dg.validate_run_config(job, {})
        if name != "__ASSET_JOB":  # the code location's
            assert list(config["execution"]) == [job.executor_def.name] == [executor]
            assert "s3cr3t" not in str(job.get_job_snapshot())
