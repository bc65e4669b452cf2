"""What Dagster's pages say of partitions after runs that failed in part, over GraphQL."""

from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster_graphql.test.utils import execute_dagster_graphql

from ignite_assets.api.endpoints import by_name
from ignite_assets.dagster.checks.partition_checks import partition_checks
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.tables.checks import CHECKS
from ignite_assets_tests.conftest import ACME, BAYSIDE, RANGE_END, RANGE_START, SUMMIT, YESTERDAY, days_ago, variable
from ignite_assets_tests.dagster.test_checks import Checked
from ignite_assets_tests.dagster.test_checks import checked as checked  # noqa: PLC0414 - a fixture

KINDS = [f"{kind}Partitions" for kind in ("succeeded", "failed", "executionFailed", "inProgress", "skipped")]
GRID = f"""query Grid($key: AssetKeyInput!) {{ assetNodeOrError(assetKey: $key) {{ ... on AssetNode {{
  partitionStats {{ numMaterialized numFailed numMaterializing }}
  assetChecksOrError {{ ... on AssetChecks {{ checks {{ name partitionStatuses {{
    ... on AssetCheckMultiPartitionStatuses {{ ranges {{ primaryDimStartKey primaryDimEndKey secondaryDim {{
      ... on AssetCheckDefaultPartitionStatuses {{ {" ".join(KINDS)} }} }} }} }}
  }} }} }} }} }} }} }}"""


def grid(instance: dg.DagsterInstance, asset: str) -> Any:
    """What the page of an asset says."""
    origin = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="ignite_assets.definitions"))
    with WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget([origin])) as context:
        answer = execute_dagster_graphql(context.create_request_context(), GRID, {"key": {"path": [asset]}})
    assert not answer.errors, answer.errors
    return answer.data["assetNodeOrError"]


@pytest.mark.slow
def test_refused_credentials_of_one_website_of_a_run_colour_the_partitions_and_checks_of_no_other(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable(BAYSIDE.key, "secret"), "wrong")
    first, last = partition_key(days_ago(3), ACME.key), partition_key(YESTERDAY, SUMMIT.key)
    checked.run(
        ["visitors"], partition_checks(by_name()["visitors"]), tags={RANGE_START: str(first), RANGE_END: str(last)}
    )
    assert not checked.success
    shown = grid(checked.instance, "visitors")
    assert shown["partitionStats"] == {"numMaterialized": 6, "numFailed": 3, "numMaterializing": 0}
    checks = {each["name"]: each["partitionStatuses"] for each in shown["assetChecksOrError"]["checks"]}
    for check in CHECKS:
        found = {
            website: {
                kind for each in checks[check]["ranges"] for kind in KINDS if website in each["secondaryDim"][kind]
            }
            for website in (ACME.key, BAYSIDE.key, SUMMIT.key)
        }
        assert found.pop(BAYSIDE.key) == {"executionFailedPartitions"}  # there is nothing to evaluate
        assert set().union(*found.values()) <= {"succeededPartitions", "failedPartitions"}
