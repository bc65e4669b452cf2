"""A folder with an `ignite.toml` for a sandbox whose clock is the real one, as the command line's is."""

import contextlib
import datetime as dt
import json
import os
import pty
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from ignite_assets.api.horizon import Horizon
from ignite_assets.config import load_settings
from ignite_assets.dagster.instance import DAGSTER_YAML
from ignite_assets.sandbox import SandboxServer
from ignite_assets_tests.commands import IGNITE_ASSETS, environment, run
from ignite_assets_tests.conftest import WEBSITES, living_config, variable


@pytest.fixture(scope="session")
def standing_platform() -> Iterator[SandboxServer]:
    with SandboxServer(WEBSITES) as server:
        yield server


@pytest.fixture
def platform(standing_platform: SandboxServer) -> SandboxServer:
    """The sandbox with no faults and an empty journal."""
    standing_platform.faults.clear()
    standing_platform.requests.clear()
    return standing_platform


@dataclass
class Shop:
    """A folder with a configuration, the credentials of its websites, and the commands that are run in it."""

    folder: Path
    zone: str
    environment: dict[str, str]

    @property
    def yesterday(self) -> dt.date:
        return Horizon(ZoneInfo(self.zone)).yesterday()

    def days_ago(self, days: int) -> dt.date:
        return self.yesterday - dt.timedelta(days=days - 1)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(*arguments, folder=self.folder, env=self.environment)

    def materialize(self, *arguments: str) -> tuple[list[dict[str, Any]], subprocess.CompletedProcess[str]]:
        """The partitions that `materialize --json` tells of, and the process."""
        done = self.run("materialize", "--json", *arguments)
        return json.loads(done.stdout)["partitions"], done

    def instance(self) -> dg.DagsterInstance:
        """The instance beside the lake."""
        return dg.DagsterInstance.from_config(str(self.folder / "dagster_home"))

    def files(self) -> list[str]:
        """The lake's files, hidden ones too."""
        lake = self.folder / "lake"
        return sorted(str(path.relative_to(lake)) for path in lake.rglob("*") if path.is_file())


def shop_in(folder: Path, url: str, *, root: str = "lake") -> Shop:
    """A shop for the demo's websites on a platform."""
    text = living_config(url, 81)
    (folder / "ignite.toml").write_text(text.replace('root = "lake"', f'root = "{root}"'))
    credentials = {variable(site.key, kind): getattr(site, kind) for site in WEBSITES for kind in ("token", "secret")}
    return Shop(folder, load_settings(folder / "ignite.toml").partitions.timezone, credentials)


@pytest.fixture
def shop(tmp_path: Path, platform: SandboxServer) -> Shop:
    return shop_in(tmp_path, platform.url)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder to be `DAGSTER_HOME`, without telemetry."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "dagster.yaml").write_text(DAGSTER_YAML)
    return folder


def statuses(partitions: Sequence[dict[str, Any]]) -> dict[str, set[str]]:
    """The statuses of each website's partitions."""
    found: dict[str, set[str]] = {}
    for partition in partitions:
        found.setdefault(partition["website"], set()).add(partition["status"])
    return found


def on_terminal(shop: Shop, *arguments: str) -> tuple[str, str]:
    """What a command shows on a terminal that is its standard error, and what it prints."""
    ours, terminal = pty.openpty()
    shown = b""
    with subprocess.Popen(
        [IGNITE_ASSETS, *arguments],
        cwd=shop.folder,
        env=environment(**shop.environment, TERM="xterm"),
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
    ) as process:
        os.close(terminal)
        with contextlib.suppress(OSError):  # how a terminal that is gone reads
            while piece := os.read(ours, 1 << 16):
                shown += piece
        printed, _ = process.communicate(timeout=240)
    os.close(ours)
    return shown.decode(), printed
