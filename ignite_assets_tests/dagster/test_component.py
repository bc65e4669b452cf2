"""`IgniteComponent` in a project that `create-dagster` made, as its users meet it: scaffolded, checked and launched."""

import datetime as dt
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

import ignite_assets as ia
from ignite_assets.api.horizon import Horizon
from ignite_assets.config import load_settings
from ignite_assets.dagster.component import IgniteScaffoldParams
from ignite_assets.sandbox import SandboxServer
from ignite_assets_tests.commands import BIN, ROOT, environment
from ignite_assets_tests.conftest import ACME, EVERY, WEBSITES, variable
from ignite_assets_tests.docs.blocks import blocks

(DOCUMENTED,) = (block.text for block in blocks(ROOT / "docs" / "dagster.md") if block.kind == "yaml component")
"""The `defs.yaml` that the documentation shows."""


def test_scaffolding_writes_what_a_project_needs_and_no_value_of_a_secret() -> None:
    with create_defs_folder_sandbox() as sandbox:
        params = {"website": ["acme-honda", "bayside-kia"], "start_date": "2026-11-01"}
        folder = sandbox.scaffold_component(ia.IgniteComponent, defs_path="lake", scaffold_params=params)
        settings = load_settings(folder / "ignite.toml")
        assert list(settings.websites) == ["acme-honda", "bayside-kia"]
        assert settings.partitions.start_date == dt.date(2026, 11, 1)
        data = sandbox.project_root / "data" / "lake"
        assert settings.root == str((data / "lake").resolve())
        assert settings.place(settings.reports.to) == str((data / "reports").resolve())
        assert (data / ".gitignore").read_text().splitlines()[-1] == "*"
        asked = (sandbox.project_root / ".env.example").read_text().splitlines()
        assert asked[1:] == [
            "ACME_HONDA_TOKEN=", "ACME_HONDA_SECRET=", "BAYSIDE_KIA_TOKEN=", "BAYSIDE_KIA_SECRET="
        ]  # fmt: skip
        sandbox.scaffold_component(ia.IgniteComponent, defs_path="west", scaffold_params={"website": ["acme-honda"]})
        assert (sandbox.project_root / ".env.example").read_text().splitlines() == asked


def test_a_website_that_can_not_be_one_is_refused_before_anything_is_written() -> None:
    with create_defs_folder_sandbox() as sandbox, pytest.raises(Exception, match="found this key; allowed"):
        sandbox.scaffold_component(ia.IgniteComponent, defs_path="lake", scaffold_params={"website": ["A B"]})
    assert IgniteScaffoldParams().website == ["my-website"]


def test_the_documented_yaml_translates_the_assets() -> None:
    with create_defs_folder_sandbox() as sandbox:
        folder = sandbox.scaffold_component(ia.IgniteComponent, defs_path="ignite")
        (folder / "defs.yaml").write_text(DOCUMENTED)
        with sandbox.load_component_and_build_defs(folder) as (component, defs):
            assert isinstance(component, ia.IgniteComponent)
            graph = defs.resolve_asset_graph()
            assert {key.to_user_string() for key in graph.get_all_asset_keys()} == {
                f"bronze/{name}" for name in (*EVERY, "website_report")
            }
            visitors = graph.get(dg.AssetKey(["bronze", "visitors"]))
            assert (visitors.group_name, visitors.owners) == ("marketing", ["team:marketing-data"])
            assert visitors.pools == {"ignite"}
            assert (visitors.tags["domain"], visitors.tags["ignite/history"]) == ("advertising", "look_back")
            recency = graph.get(dg.AssetKey(["bronze", "visitor_recency"]))
            assert visitors.key in recency.parent_keys


class Project:
    """A project that `create-dagster` made; nothing is downloaded."""

    def __init__(self, folder: Path, url: str) -> None:
        quiet = folder / "user.toml"
        quiet.write_text("[cli.telemetry]\nenabled = false\n")
        self.folder = folder / "shop"
        self.environment = environment(
            DG_CLI_CONFIG=str(quiet),
            DAGSTER_DG_UPDATE_CHECK_ENABLED="0",
            PYTHONPATH=str(self.folder / "src"),
            DAGSTER_HOME=str(folder / "dagster_home"),
            **{variable(ACME.key, kind): getattr(ACME, kind) for kind in ("token", "secret")},
        )
        (folder / "dagster_home").mkdir()
        (folder / "dagster_home" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        self.run("create-dagster", "project", str(self.folder), "--no-uv-sync", cwd=folder)
        self.dg("scaffold", "defs", "ignite_assets.IgniteComponent", "ignite", "--website", ACME.key)
        configuration = self.folder / "src/shop/defs/ignite/ignite.toml"
        text = configuration.read_text()
        assert '#base_url = "https://e.atrc.link"' in text
        configuration.write_text(text.replace('#base_url = "https://e.atrc.link"', f'base_url = "{url}"'))

    def run(self, *command: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            [BIN / command[0], *command[1:]],
            cwd=cwd or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        assert ACME.secret not in done.stdout + done.stderr
        return done.stdout

    def dg(self, *arguments: str) -> str:
        return self.run("dg", *arguments)


@pytest.fixture
def platform() -> Iterator[SandboxServer]:
    """A sandbox whose clock is the machine's, as that of the project's processes."""
    with SandboxServer(WEBSITES) as server:
        yield server


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_created_project_scaffolds_checks_lists_and_launches_the_component(
    tmp_path: Path, platform: SandboxServer
) -> None:
    project = Project(tmp_path, platform.url)
    components = {each["key"] for each in json.loads(project.dg("list", "components", "--json"))["items"]}
    assert "ignite_assets.IgniteComponent" in components
    assert "validated successfully" in project.dg("check", "yaml")
    assert "All definitions loaded successfully" in project.dg("check", "defs")
    listed = json.loads(project.dg("list", "defs", "--json"))
    assert {asset["asset_key"] for asset in listed["assets"]} == {*EVERY, "website_report"}
    assert {"nightly", "heal"} <= {job["name"] for job in listed["jobs"]}

    day = Horizon().yesterday()
    project.dg("launch", "--assets", "visitors", "--partition", f"{day}|{ACME.key}")
    (file,) = (project.folder / "data/ignite/lake/visitors").rglob("*.parquet")
    assert file.parent.parent.name == f"website={ACME.key}"
    assert not (project.folder / "src/shop/defs/ignite/data").exists()
