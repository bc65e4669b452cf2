"""`ignite-assets --help` and what every command has in common."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ignite_assets._version import __version__
from ignite_assets.cli import main
from ignite_assets_tests.commands import IGNITE_ASSETS, run_anew

COMMANDS = sorted(main.commands)
HEAVY = ("dagster", "pyarrow", "pandas", "duckdb", "pydantic", "numpy", "uvicorn", "rich")


def test_help_names_every_command(tmp_path: Path) -> None:
    done = run_anew(IGNITE_ASSETS, "--help", folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert {"demo", "doctor", "endpoints", "materialize", "sandbox"} <= set(COMMANDS)
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_waits_for_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys; from ignite_assets.cli import main; main(sys.argv[1:], standalone_mode=False); "
        f"print(sorted(set({HEAVY}) & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example_and_takes_debug(name: str) -> None:
    done = CliRunner().invoke(main, [name, "--help"])

    assert done.exit_code == 0
    assert f"\n    ignite-assets {name}" in done.stdout.partition("Example")[2]
    assert "--debug" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does(name: str) -> None:
    options = [parameter for parameter in main.commands[name].params if isinstance(parameter, click.Option)]

    assert [option.name for option in options if not option.help] == []


def test_the_version_is_the_packages() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout == f"ignite-assets, version {__version__}\n"
