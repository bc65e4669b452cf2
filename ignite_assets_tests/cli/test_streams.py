"""Terminals and streams of other kinds: what can't be shown is a `?`, and a closed standard input is an empty one."""

import os
import subprocess
import sys

import pytest

from ignite_assets_tests.cli.conftest import Shop

COMMAND = (sys.executable, "-c", "from ignite_assets.cli import main; main()")


def run(*words: str, folder: Shop, **environment: str) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, **folder.environment, **environment}
    return subprocess.run(words, cwd=folder.folder, env=env, capture_output=True, timeout=240, check=False)


@pytest.mark.parametrize(("form", "encoding"), [("csv", "latin-1"), ("json", "ascii")])
def test_data_is_utf_8_whatever_the_terminal_shows(shop: Shop, form: str, encoding: str) -> None:
    (shop.folder / "lake" / "visitors").mkdir(parents=True)
    done = run(
        *COMMAND, "sql", "--format", form, "SELECT '\u65e5\u672c' AS name", folder=shop, PYTHONIOENCODING=encoding
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert "\u65e5\u672c".encode() in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_can_not_show_a_character_shows_a_question_mark(shop: Shop, encoding: str) -> None:
    (shop.folder / "lake" / "visitors").mkdir(parents=True)
    done = run(*COMMAND, "sql", "SELECT '\u65e5\u672c' AS name", folder=shop, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"??" in done.stdout


def test_a_closed_standard_input_is_an_empty_one(shop: Shop) -> None:
    (shop.folder / "lake" / "visitors").mkdir(parents=True)
    done = run("/bin/sh", "-c", 'exec "$0" "$@" <&-', *COMMAND, "sql", folder=shop)
    assert done.returncode != 0
    assert done.stderr.endswith(b"Error: the query is empty\n")
