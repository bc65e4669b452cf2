"""Run the tests in `ignite_assets_tests/dagster` with the newest Dagster that pyproject.toml allows.

`make test-newest` runs

    python -m ignite_assets_tests.newest <folder>

makes the folder an environment that has the newest Dagster, and behind it the libraries of this one, unless the newest
Dagster needs newer ones. When it is the Dagster of this environment, the other tests run with it, and nothing is run.
"""

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib.metadata import version
from pathlib import Path

from ignite_assets_tests.commands import ROOT

_PIP = (
    "-m", "pip", "--disable-pip-version-check", "--python", "{python}", "install", "-qq", "--no-input",
    "--upgrade", "--upgrade-strategy", "only-if-needed",
)  # fmt: skip
_PYTEST = (
    "-m", "pytest", "-q", "-n", "auto", "--dist", "worksteal", "-m", "not slow", "-W", "default",
    "ignite_assets_tests/dagster",
)  # fmt: skip


def requirements() -> list[str]:
    """The dependencies that are packages of Dagster's, with their ranges."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [text for text in project["dependencies"] if text.startswith("dagster")]


def environment_with_ours(folder: Path, *, editable: bool = True) -> Path:
    """Make a folder an environment that has this one's libraries behind its own; its Python.

    It has no pip: what is installed there is installed by this one's. `editable`: has this one's `.pth` files as well.
    """
    venv.create(folder, clear=True, symlinks=True)
    ours = sysconfig.get_path("purelib")
    line = f"import site; site.addsitedir({ours!r})\n" if editable else ours
    (Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)})) / "libraries.pth").write_text(line)
    return folder / "bin/python"


def make(folder: Path) -> str:
    """Make the environment anew; its Python. Raises `subprocess.CalledProcessError` when nothing can be installed."""
    python = str(environment_with_ours(folder))
    pip = [word.format(python=python) for word in _PIP]
    subprocess.run([sys.executable, *pip, *requirements()], cwd=ROOT, check=True)
    return python


def main() -> None:
    """Make the environment and run the tests in it; their exit status."""
    python = make(Path(sys.argv[1]).absolute())
    ask = [python, "-c", "from importlib.metadata import version; print(version('dagster'))"]
    newest = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip()
    if newest == version("dagster"):
        print(f"Dagster {newest} is the newest that pyproject.toml allows: the other tests run with it")  # noqa: T201
        return
    print(f"Dagster {newest}", flush=True)  # noqa: T201
    os.chdir(ROOT)
    os.execv(python, [python, *_PYTEST])


if __name__ == "__main__":
    main()
