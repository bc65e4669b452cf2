"""A project of many websites that captures from a sandbox, and one night of one website captured into it."""

import contextlib
import datetime as dt
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ignite_assets.dagster.instance import DAGSTER_YAML
from ignite_assets.sandbox import SandboxServer, SandboxWebsite

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
FIRST = "site-000"
_EXPORT = '\n[[exports]]\nname = "seen"\nsource = "visitors"\ndestination = "plain_list"\nwindow_days = 7\n'


@dataclass(frozen=True)
class Project:
    """The folder of a project, its websites, and the days that it has captured."""

    folder: Path
    websites: tuple[str, ...]
    days: tuple[dt.date, ...]

    @classmethod
    def new(cls, folder: Path, websites: int, days: int, storage: str = "") -> "Project":
        """Write the configuration and the `dagster.yaml`; `storage`: its lines where it isn't SQLite's."""
        yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
        project = cls(
            folder,
            tuple(f"site-{number:03}" for number in range(websites)),
            tuple(yesterday - dt.timedelta(days=age) for age in reversed(range(days))),
        )
        (folder / "home").mkdir(parents=True)
        (folder / "home" / "dagster.yaml").write_text(DAGSTER_YAML + storage)
        (folder / "ignite.toml").write_text(project._configuration("http://127.0.0.1:9"))
        return project

    @property
    def environment(self) -> Mapping[str, str]:
        """That of every process of the project."""
        return {
            **os.environ,
            "DAGSTER_HOME": str(self.folder / "home"),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "IGNITE_CONFIG": str(self.folder / "ignite.toml"),
            "PYTHONPATH": str(REPOSITORY),
        }

    def capture(self) -> None:
        """Capture the newest night of the first website from a sandbox, with everything that is derived from it."""
        file = self.folder / "ignite.toml"
        before = file.read_text()
        with SandboxServer([SandboxWebsite(FIRST, 500)]) as server:
            (website,) = server.websites
            file.write_text(before.replace("http://127.0.0.1:9", server.url))
            credentials = {"SCALE_TOKEN": website.token, "SCALE_SECRET": website.secret}
            subprocess.run(
                [BIN / "ignite-assets", "materialize", "--website", FIRST],
                env={**self.environment, **credentials},
                cwd=self.folder,
                check=True,
                stdout=subprocess.DEVNULL,
            )
        file.write_text(before)

    @contextlib.contextmanager
    def with_more(self, lines: str) -> Iterator[None]:
        """More lines in the configuration, until the block ends."""
        file = self.folder / "ignite.toml"
        before = file.read_text()
        file.write_text(before + lines)
        yield
        file.write_text(before)

    def _configuration(self, url: str) -> str:
        tables = [
            f'[websites.{key}]\ntoken_env = "SCALE_TOKEN"\nsecret_env = "SCALE_SECRET"\n' for key in self.websites
        ]
        head = f'[platform]\nbase_url = "{url}"\n[partitions]\nstart_date = "{self.days[0]}"\n'
        return head + '[storage]\nroot = "lake"\n' + "".join(tables) + _EXPORT
