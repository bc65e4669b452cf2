"""`ignite-assets` as its users run it: a process, with an environment, in a folder."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
IGNITE_ASSETS = str(BIN / "ignite-assets")


def environment(**more: str) -> dict[str, str]:
    """A minimal environment, with nothing of ours or Dagster's in it but what is given."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "PYTHONPATH", "TMPDIR") if name in os.environ}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "DAGSTER_DISABLE_TELEMETRY": "yes", **more}


def run(
    *arguments: str, folder: Path, env: Mapping[str, str] | None = None, command: str = IGNITE_ASSETS
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [command, *arguments],
        cwd=folder,
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@functools.cache
def demo() -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder in which `ignite-assets demo` was run, once for all tests, and what came of it."""
    folder = Path(tempfile.mkdtemp(prefix="ignite-demo-"))
    return folder, run("demo", folder=folder)


def remove_demo() -> None:
    """Leave nothing of the demo behind."""
    if demo.cache_info().currsize:
        shutil.rmtree(demo()[0])
        demo.cache_clear()
