"""docs/operations.md tells of everything that can fail, be checked or start by itself, and of nothing else."""

import importlib
import pkgutil
import re
from pathlib import Path

import dagster as dg
import pytest

import ignite_assets
from ignite_assets.api.errors import IgniteError
from ignite_assets.config import load_settings
from ignite_assets.dagster.assets import exports as audience_exports
from ignite_assets.dagster.build import build_defs
from ignite_assets.dagster.checks import freshness
from ignite_assets.tables.checks import CHECKS, CRITERIA
from ignite_assets_tests.docs.readme import DOCS

TEXT = (DOCS / "operations.md").read_text(encoding="utf-8")
EVERYTHING = """
[alerts]
webhook_env = "WEBHOOK"
[opt_outs]
inbox = "opt-outs"
[[exports]]
name = "used"
source = "audiences"
destination = "meta_custom_audience"
[dagster]
keep_runs_days = 90
"""


def rows(title: str, text: str = TEXT) -> dict[str, list[str]]:
    """The rows of a section's table by the name in their first cell; what follows the name there tells two apart."""
    section = re.search(rf"^## {title}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"there is no section {title}"
    lines = [line for line in section[1].splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {name.strip("`"): rest for name, *rest in cells}


def subclasses(cls: type[IgniteError]) -> set[type[IgniteError]]:
    return {found for child in cls.__subclasses__() for found in {child, *subclasses(child)}}


@pytest.fixture(scope="module")
def errors() -> dict[str, type[IgniteError]]:
    """Every class of the tree that the package defines, by name."""
    for module in pkgutil.walk_packages(ignite_assets.__path__, "ignite_assets."):
        if module.name not in ("ignite_assets.definitions", "ignite_assets.testing"):
            importlib.import_module(module.name)
    return {cls.__name__: cls for cls in subclasses(IgniteError) if cls.__module__.startswith("ignite_assets.")}


@pytest.fixture
def everything(config_file: Path) -> dg.Definitions:
    """The definitions of a configuration that leaves nothing out."""
    config_file.write_text(config_file.read_text() + EVERYTHING)
    return build_defs(load_settings(config_file))


def test_every_error_has_a_row(errors: dict[str, type[IgniteError]]) -> None:
    assert rows("Failures").keys() == errors.keys()


def test_what_is_said_of_another_try_is_so(errors: dict[str, type[IgniteError]]) -> None:
    told = {name: row[1] for name, row in rows("Failures").items()}

    known = {name: "yes" if cls.retryable else "no" for name, cls in errors.items()}
    assert told == {**known, "StoppedError": "depends"}


def test_every_check_has_a_row_that_says_what_it_says_itself(everything: dg.Definitions) -> None:
    specs = [spec for definition in everything.asset_checks or [] for spec in definition.check_specs]
    specs += [
        spec
        for definition in everything.assets or []
        if isinstance(definition, dg.AssetsDefinition)
        for spec in definition.check_specs
    ]

    told = {(name.split("`")[0], row[0]) for name, row in rows("Checks").items()}
    assert told == {(spec.name, spec.description) for spec in specs}


def test_everything_that_starts_by_itself_has_a_row_with_its_job(everything: dg.Definitions) -> None:
    started = {each.name for each in [*(everything.schedules or []), *(everything.sensors or [])]}
    jobs = {job.name for job in everything.resolve_all_job_defs() if not job.name.startswith("__")}

    table = rows("What runs by itself")
    assert table.keys() == started
    assert set(re.findall(r"\(job `(\w+)`\)", TEXT)) == jobs


def test_a_check_that_can_fail_is_told_from_one_that_warns() -> None:
    told = {name for name, row in rows("Checks").items() if "fails" in row[1]}
    assert told == {"sound", freshness.CHECK_NAME, audience_exports.CHECK}


@pytest.mark.parametrize("check", CHECKS)
def test_every_finding_has_a_row_that_says_what_it_says_itself(check: str) -> None:
    told = {name: row[0] for name, row in rows(f"`{check}`", (DOCS / "checks.md").read_text(encoding="utf-8")).items()}
    assert told == {each.name: each.description for each in CRITERIA if each.check == check}
