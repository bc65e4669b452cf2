"""Claims of docs/ that neither a table nor a block of code holds."""

import dagster as dg
import pytest

from ignite_assets.config import Settings
from ignite_assets.dagster.build import build_defs
from ignite_assets.dagster.instance import dagster_home
from ignite_assets.dagster.io_manager import IO_MANAGER


def test_a_project_with_its_own_io_manager_and_executor_takes_the_package_in(settings: Settings) -> None:
    yours = dg.Definitions(
        resources={"io_manager": dg.FilesystemIOManager(base_dir="yours")}, executor=dg.multiprocess_executor
    )

    merged = dg.Definitions.merge(yours, build_defs(settings))

    dg.Definitions.validate_loadable(merged)
    assert merged.resources is not None
    assert {"io_manager", "ignite", IO_MANAGER} <= set(merged.resources)


def test_the_launchpad_puts_a_launch_from_the_asset_graph_into_one_process(defs: dg.Definitions) -> None:
    dg.validate_run_config(defs.resolve_implicit_global_asset_job_def(), {"execution": {"config": {"in_process": {}}}})


def test_the_instance_moves_when_the_lake_gets_a_url(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    folder = settings.path.parent

    homes = [
        dagster_home(settings.model_copy(update={"storage": settings.storage.model_copy(update={"root": root})}))
        for root in ("data/lake", "s3://agency-lake/ignite")
    ]

    assert homes == [folder / "data/dagster_home", folder / "dagster_home"]
