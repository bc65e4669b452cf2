"""Every block of code of README.md and docs/ runs, or is one of the few that can't run here."""

import subprocess
import tomllib
from pathlib import Path

import dagster as dg
import pytest
import yaml

from ignite_assets.config import load_settings
from ignite_assets.config.reading import judge
from ignite_assets.dagster.build import build_defs
from ignite_assets_tests.commands import BIN, environment
from ignite_assets_tests.dagster.test_build import EVERYTHING
from ignite_assets_tests.docs.blocks import Block, blocks, moved, normalised
from ignite_assets_tests.docs.project import Project, with_outputs
from ignite_assets_tests.docs.readme import PAGES

BLOCKS = [block for page in PAGES for block in blocks(page)]
RUN = {"python", "sql", "toml", "console", "yaml workspace", "yaml dagster", "yaml run"}
READ = {"", "sh", "text"}
"""Command lines, which `test_commands` looks at, and text: neither is run."""

NOT_RUN = {
    ("dagster.md", "yaml component"): "is the component of `test_component`",
    ("contributing.md", "python row"): "is a row of a table; see `test_contributing`",
    ("recipes.md", "jinja"): "is a model of dbt; see `cli/test_dbt`",
    ("recipes.md", "python spark"): "needs Spark",
    ("recipes.md", "sql athena"): "needs Athena",
    ("operations.md", "ini systemd"): "needs systemd",
}
"""The blocks that can't run here, and why."""


def of(kind: str) -> pytest.MarkDecorator:
    """Parametrizes a test with the blocks of a kind."""
    return pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind == kind], ids=str)


def test_every_block_runs_or_is_named_here() -> None:
    others = [(block.page.name, block.kind) for block in BLOCKS if block.kind not in RUN | READ]

    assert sorted(others) == sorted(NOT_RUN)


@pytest.mark.slow
@of("python")
def test_python_runs(block: Block, here: Project) -> None:
    done = here.python(block.text)

    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@of("sql")
def test_sql_finds_rows(block: Block, here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb

    monkeypatch.chdir(here.folder)

    assert duckdb.connect().execute(moved(block.text, here.days)).fetchall() != []


@of("toml")
def test_toml_is_a_configuration(block: Block, tmp_path: Path) -> None:
    website = {"token_env": "ACME_HONDA_TOKEN", "secret_env": "ACME_HONDA_SECRET"}
    base = {"partitions": {"start_date": "2026-09-01"}, "websites": {"acme-honda": website}}
    document = tomllib.loads(block.text)

    settings = judge({**base, **document}, tmp_path / "ignite.toml")

    assert document.keys() <= settings.model_fields_set


@pytest.mark.slow
@of("yaml workspace")
def test_a_workspace_loads(block: Block, here: Project) -> None:
    (here.folder / "workspace.yaml").write_text(block.text)

    done = here.run("dagster", "definitions", "validate", "-w", "workspace.yaml")

    assert done.returncode == 0, done.stderr


@of("yaml run")
def test_a_run_takes_its_configuration(block: Block, config_file: Path) -> None:
    config_file.write_text(config_file.read_text() + EVERYTHING)
    defs = build_defs(load_settings(config_file))
    configuration = yaml.safe_load(block.text)
    job = "export_audiences" if "audience_exports" in configuration["ops"] else "nightly"

    dg.validate_run_config(defs.resolve_job_def(job), configuration)


@pytest.mark.slow
@of("yaml dagster")
def test_an_instance_loads(block: Block, tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(block.text)

    done = subprocess.run(
        [str(BIN / "dagster"), "instance", "info"], env=environment(DAGSTER_HOME=str(tmp_path)), cwd=tmp_path,
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@of("console")
def test_a_command_prints_what_is_shown(block: Block, here: Project) -> None:
    printed = with_outputs(block.text, here)

    assert normalised(block.text) == normalised(printed), "run `make docs`"
