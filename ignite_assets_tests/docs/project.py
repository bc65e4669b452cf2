"""The project that the pages' examples are run in: three dealers, their last nights captured, on the sandbox."""

import contextlib
import datetime as dt
import hashlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from ignite_assets.api.horizon import Horizon
from ignite_assets.api.names import credential_variable
from ignite_assets.sandbox import DEMO_WEBSITES, SandboxServer
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.reader import LakeReader
from ignite_assets.tables.registry import TABLES
from ignite_assets_tests.commands import run, run_anew
from ignite_assets_tests.conftest import zone_at_noon
from ignite_assets_tests.docs.blocks import WRITTEN, moved

NIGHTS = 4
LARGEST = DEMO_WEBSITES[-1]
LOOK_BACK = ("visitors", "products", "audience_members")
MORE = """
[[exports]]
name = "used-shoppers-meta"
source = "audiences"
match = { primary_category = "USED" }
window_days = 3
destination = "meta_custom_audience"
"""


@dataclass(frozen=True)
class Project:
    """A folder with an `ignite.toml`, a captured lake, and the environment of its commands."""

    folder: Path
    zone: str
    credentials: dict[str, str]

    @property
    def days(self) -> int:
        """How many days after the pages' own time it is."""
        return (Horizon(ZoneInfo(self.zone)).yesterday() + dt.timedelta(days=1) - WRITTEN).days

    def copy(self, folder: Path) -> "Project":
        """One like it, to change things in."""
        shutil.copytree(self.folder, folder)
        return replace(self, folder=folder)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder, the dates in it moved from the pages' time to today's."""
        program, *words = [moved(word, self.days) for word in command]
        if program == "ignite-assets":
            return run(*words, folder=self.folder, env=self.credentials)
        return run_anew(program, *words, folder=self.folder, env=self.credentials)

    def python(self, source: str) -> subprocess.CompletedProcess[str]:
        """Run a piece of Python in a process of its own, in the folder."""
        return self.run(sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", source)

    def shown(self, line: str) -> str:
        """What a command line prints on standard output, its dates moved back to the pages' time."""
        done = self.run(*shlex.split(line))
        assert done.stdout, f"{line}: {done.stderr}"
        return moved(done.stdout, -self.days)


@contextlib.contextmanager
def project(folder: Path) -> Iterator[Project]:
    """Make the project in a folder; the platform answers until the end."""
    with SandboxServer(DEMO_WEBSITES) as server:
        made = Project(
            folder,
            zone_at_noon(),
            {
                credential_variable(site.key, kind): getattr(site, kind)
                for site in DEMO_WEBSITES
                for kind in ("token", "secret")
            },
        )
        _set_up(made, server)
        yield made


def _set_up(made: Project, server: SandboxServer) -> None:
    asked = [word for site in DEMO_WEBSITES for word in ("--website", site.key)]
    _succeed(made, "ignite-assets", "init", *asked)
    path = made.folder / "ignite.toml"
    text = re.sub('#base_url = ".*"', f'base_url = "{server.url}"', path.read_text())
    path.write_text(re.sub('#timezone = ".*"', f'timezone = "{made.zone}"', text) + MORE)
    last = WRITTEN - dt.timedelta(days=1)
    first = last - dt.timedelta(days=NIGHTS - 1)
    assets = [word for name in LOOK_BACK for word in ("--select", name)]
    _succeed(made, "ignite-assets", "materialize", "--from", str(first), "--to", str(last), *assets)
    _succeed(made, "ignite-assets", "materialize", "--select", "audiences")
    (made.folder / "unsubscribed.csv").write_text("\n".join(["email", *_listed(made, server), "no address"]))


def _listed(made: Project, server: SandboxServer) -> list[str]:
    """The addresses of three people whom the largest dealer's export lists."""
    rows = LakeReader(Lake(str(made.folder / "data/lake")), TABLES).sql(
        f"SELECT hashed_email FROM audience_members WHERE website = '{LARGEST.key}' AND audience_id IN "
        f"(SELECT id FROM audiences WHERE website = '{LARGEST.key}' AND primary_category = 'USED')"
    )
    assert rows is not None
    listed = {hashed for (hashed,) in rows.fetchall()}
    known = server.world.addresses(LARGEST, None, dt.datetime.now(dt.UTC))
    return [address for address in known if hashlib.sha256(address.encode()).hexdigest() in listed][:3]


def _succeed(made: Project, *command: str) -> None:
    done = made.run(*command)
    assert done.returncode == 0, done.stdout + done.stderr


def with_outputs(text: str, made: Project) -> str:
    """A console block's text with what its commands print today."""
    commands = [line for line in text.splitlines() if line.startswith("$ ")]
    return "\n".join(f"{line}\n{made.shown(line.removeprefix('$ ')).strip()}" for line in commands) + "\n"
