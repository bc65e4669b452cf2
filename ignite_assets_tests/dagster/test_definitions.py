"""The code location that `workspace.yaml` names, met as users meet it: in processes of their own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ignite_assets.api.horizon import Horizon, utc_now
from ignite_assets.config import Settings, load_settings
from ignite_assets.sandbox import SandboxServer
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets_tests.conftest import ACME, WEBSITES, living_config, variable

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def run(*command: str | Path, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240, check=False)


WATCHED = """
import json, os, sys

events = []

def watch(event, args):
    # urllib3 binds a socket of its own to learn whether there is IPv6; nothing is sent.
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        events.append(event)

sys.addaudithook(watch)
import ignite_assets.definitions
from ignite_assets.definitions import defs

names = ("pandas", "duckdb", "polars", "pyarrow.dataset", "ignite_assets.sandbox", "starlette", "uvicorn")
print(json.dumps({"sockets": events, "imported": [name for name in names if name in sys.modules]}))
"""


def test_loading_calls_nobody_needs_no_secret_and_imports_nothing_heavy(
    config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for site in WEBSITES:
        for kind in ("token", "secret"):
            monkeypatch.delenv(variable(site.key, kind))
    assert config_file.exists()
    done = run(sys.executable, "-c", WATCHED)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"sockets": [], "imported": []}


def test_loading_without_a_configuration_says_how_to_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IGNITE_CONFIG", raising=False)
    done = run(sys.executable, "-c", "import ignite_assets.definitions", cwd=tmp_path)
    assert done.returncode != 0
    assert "ConfigurationError" in done.stderr
    assert "there is no such file (in the working directory, since IGNITE_CONFIG names no other)" in done.stderr
    assert "[websites.acme-honda]" in done.stderr


SNAPSHOT = """
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import serialize_value
from ignite_assets.definitions import defs

print(serialize_value(RepositorySnap.from_def(defs.get_repository_def())))
"""


def test_no_secret_stands_in_what_dagster_stores_of_the_code_location(config_file: Path) -> None:
    done = run(sys.executable, "-c", SNAPSHOT)
    assert done.returncode == 0, done.stderr
    assert load_settings(config_file).platform.base_url in done.stdout
    for site in WEBSITES:
        assert site.token not in done.stdout
        assert site.secret not in done.stdout


@pytest.fixture
def living_settings(sandbox: SandboxServer, config_file: Path) -> Settings:
    """A configuration whose sandbox goes by the machine's clock, as other processes do."""
    sandbox.now = utc_now
    config_file.write_text(living_config(sandbox.url, 60))
    return load_settings(config_file)


@pytest.fixture
def dagster_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "dagster_home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    return home


@pytest.mark.slow
@pytest.mark.usefixtures("config_file", "dagster_home")
def test_dagster_validates_the_workspace() -> None:
    done = run(BIN / "dagster", "definitions", "validate", "-w", "workspace.yaml")
    assert done.returncode == 0, done.stderr
    assert "All code locations passed validation" in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("dagster_home")
@pytest.mark.parametrize("assets", [["visitors"], ["visitors", "visitor_recency"]], ids=" then ".join)
def test_dagster_materializes_one_partition_from_the_command_line(living_settings: Settings, assets: list[str]) -> None:
    yesterday = Horizon(living_settings.partitions.zone).yesterday()
    key = f"{yesterday}|{ACME.key}"
    lake = Lake(living_settings.root)
    for asset in assets:
        done = run(
            *(BIN / "dagster", "asset", "materialize", "-m", "ignite_assets.definitions"),
            *("--select", asset, "--partition", key),
        )
        assert done.returncode == 0, done.stderr
        assert lake.partitions(asset) == [Partition(asset, ACME.key, yesterday)]
        assert all(site.secret not in done.stderr + done.stdout for site in WEBSITES)
