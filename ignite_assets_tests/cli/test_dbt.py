"""`ignite-assets dbt`: sources that dbt-duckdb builds on and tests, and statements for warehouses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ignite_assets.tables.registry import TABLES
from ignite_assets_tests.cli.conftest import Shop
from ignite_assets_tests.newest import environment_with_ours

_DBT = ("dbt-core==1.10.23", "dbt-duckdb==1.11.1")
_MODEL = "select website, date, count(*) as visitors from {{ source('ignite', 'visitors') }} group by all"
_PROJECT = "name: shop\nversion: '1.0'\nprofile: shop\n"
_PROFILE = "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n"


def test_a_file_that_is_there_is_not_replaced_unless_asked(shop: Shop) -> None:
    assert shop.run("dbt", "models").returncode == 0
    done = shop.run("dbt", "models")
    assert (done.returncode, "give --force" in done.stderr) == (1, True)
    assert shop.run("dbt", "models", "--force").returncode == 0


def test_a_warehouse_gets_no_statements_for_a_lake_on_a_disk(shop: Shop) -> None:
    done = shop.run("dbt", "--tables", "athena")
    assert (done.returncode, done.stdout) == (1, "")
    assert "a warehouse reads a bucket" in done.stderr


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dbt in an environment of its own, which has besides what this one has: its pins are others than ours."""
    python = environment_with_ours(tmp_path_factory.mktemp("dbt"))
    pip = ["-m", "pip", "-q", "--disable-pip-version-check", "--python", str(python), "install", "--no-compile"]
    subprocess.run([sys.executable, *pip, *_DBT], check=True, timeout=600)
    return python.with_name("dbt")


@pytest.mark.slow
def test_dbt_builds_on_the_sources_and_their_tests_pass(shop: Shop, dbt: Path) -> None:
    assert shop.run("materialize").returncode == 0
    project = shop.folder / "project"
    assert shop.run("dbt", str(project / "models")).returncode == 0
    for name, text in {"dbt_project.yml": _PROJECT, "profiles.yml": _PROFILE, "models/daily.sql": _MODEL}.items():
        (project / name).write_text(text)

    def run(*words: str) -> dict[str, str]:
        environment = {**shop.environment, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "HOME": str(shop.folder)}
        done = subprocess.run(
            [dbt, *words, "--profiles-dir", "."], cwd=project, env=environment, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        file = "sources.json" if words == ("source", "freshness") else "run_results.json"
        found = json.loads((project / "target" / file).read_text())["results"]
        return {each["unique_id"]: each["status"] for each in found}

    built = run("build")
    assert len(built) > 60
    assert set(built.values()) == {"pass", "success"}
    assert sum("keys_are_unique" in each for each in built) == sum(bool(table.keys) for table in TABLES)
    fresh = run("source", "freshness")
    assert len(fresh) == len(TABLES)
    assert set(fresh.values()) == {"pass"}
