"""docs/promises.md names tests that exist."""

import ast
import re

import pytest

from ignite_assets_tests.commands import ROOT
from ignite_assets_tests.docs.readme import DOCS

TESTS = ROOT / "ignite_assets_tests"
SECTIONS = dict(
    re.findall(r"^## (.*?)$(.*?)(?=^## |\Z)", (DOCS / "promises.md").read_text(), flags=re.MULTILINE | re.DOTALL)
)


def names_in(path: str) -> set[str]:
    """The names of the tests in a module."""
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("title", SECTIONS)
def test_every_promise_is_held_by_tests_that_exist(title: str) -> None:
    named: dict[str, set[str]] = {}
    for path, names in re.findall(r"^- `(\S+\.py)`: ((?:`test_\w+`,?\s+)+)", SECTIONS[title], flags=re.MULTILINE):
        named[path] = set(re.findall(r"test_\w+", names))

    assert named
    assert {path: names - names_in(path) for path, names in named.items()} == {path: set() for path in named}
