"""`ignite-assets` as its users run it: a process, with an environment, in a folder."""

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ignite_assets_tests.forks import ForkServer

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
IGNITE_ASSETS = str(BIN / "ignite-assets")
PATIENCE = 400.0
"""Seconds that anything may take that is waited for."""


def until(found: Callable[[], Any], what: str) -> Any:
    """What is found, once it is something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.3)
    pytest.fail(f"not within {PATIENCE:g} s: {what}")


def environment(**more: str) -> dict[str, str]:
    """A minimal environment, with nothing of ours or Dagster's in it but what is given."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "PYTHONPATH", "TMPDIR") if name in os.environ}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "DAGSTER_DISABLE_TELEMETRY": "yes", **more}


def run(
    *arguments: str, folder: Path, env: Mapping[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `ignite-assets` to its end, in a fork that has its imports done."""
    return _forks().run([IGNITE_ASSETS, *arguments], folder=folder, env=environment(**(env or {})), stdin=stdin)


@functools.cache
def _forks() -> ForkServer:
    return ForkServer(environment())


def run_anew(*command: str, folder: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run any command to its end, in a new process."""
    return subprocess.run(
        command, cwd=folder, env=environment(**(env or {})), capture_output=True, text=True, timeout=800, check=False
    )


@functools.cache
def demo() -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder in which `ignite-assets demo` was run, once for all tests, and its result."""
    folder = Path(tempfile.mkdtemp(prefix="ignite-demo-"))
    atexit.register(shutil.rmtree, folder)
    return folder, run_anew(IGNITE_ASSETS, "demo", folder=folder)
