"""Every command line of ours on the pages, in a block or in the text, exists with its options."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from ignite_assets.cli import main
from ignite_assets_tests.commands import ROOT
from ignite_assets_tests.docs.blocks import blocks
from ignite_assets_tests.docs.project import Project
from ignite_assets_tests.docs.readme import PAGES
from ignite_assets_tests.docs.test_links import prose


def command_lines(page: Path) -> Iterator[str]:
    """The lines of blocks of commands, and what stands between backquotes in the text."""
    for block in blocks(page):
        if block.kind in ("", "sh"):
            yield from block.text.splitlines()
    yield from re.findall(r"`([^`\n]+)`", prose(page))


def commands(program: str) -> list[list[str]]:
    """The words after a program's name, of each of its command lines."""
    shell = (line.removeprefix("docker compose exec code ") for page in PAGES for line in command_lines(page))
    lines = {line.partition(" < ")[0] for line in shell}
    return [
        shlex.split(line.replace("…", "2026-11-01"))[1:] for line in sorted(lines) if line.startswith(f"{program} ")
    ]


@pytest.mark.parametrize("words", commands("ignite-assets"), ids=" ".join)
def test_every_command_of_ours_exists_with_its_options(words: list[str]) -> None:
    name, *arguments = words
    command = main.commands[name]

    if arguments:  # the name alone stands for the command, whatever it requires
        command.make_context(name, [*arguments])


@pytest.mark.parametrize("words", commands("make"), ids=" ".join)
def test_every_target_exists(words: list[str]) -> None:
    target, *variables = words

    assert all("=" in variable for variable in variables)
    assert re.search(rf"^{target}:.* ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.slow
def test_dagster_materializes_a_partition_as_the_pages_say(here: Project) -> None:
    (words,) = [words for words in commands("dagster") if words[:2] == ["asset", "materialize"] and words[2:]]

    done = here.run("dagster", *words)

    assert done.returncode == 0, done.stderr
