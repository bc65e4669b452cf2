"""`ignite-assets endpoints`: the table, in three forms."""

import json
from pathlib import Path

from click.testing import CliRunner

from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.cli import main
from ignite_assets_tests.commands import run
from ignite_assets_tests.conftest import NAMES


def show(*arguments: str) -> str:
    done = CliRunner().invoke(main, ["endpoints", *arguments])
    assert done.exit_code == 0
    return done.stdout


def test_the_table_has_a_line_an_endpoint() -> None:
    header, *lines = show().splitlines()

    assert header.split() == ["asset", "call", "dates", "columns"]
    assert [line.split()[:3] for line in lines] == [[e.name, "GET", e.path] for e in ENDPOINTS]
    assert [e.name for e, line in zip(ENDPOINTS, lines, strict=True) if "yesterday only" in line] == [
        "audiences",
        "audience_groups",
        "sales",
    ]


def test_json_has_every_column_with_its_description() -> None:
    shown = json.loads(show("--json"))["endpoints"]

    assert tuple(endpoint["asset"] for endpoint in shown) == NAMES
    for endpoint, row in zip(shown, ENDPOINTS, strict=True):
        assert [column["name"] for column in endpoint["columns"]] == [column.name for column in row.columns]
        assert all(column["description"] for column in endpoint["columns"])


def test_markdown_is_a_table_of_as_many_rows() -> None:
    lines = show("--markdown").splitlines()

    assert lines[1] == "|---|---|---|---|"
    assert len(lines) == len(ENDPOINTS) + 2


def test_json_and_markdown_exclude_each_other(tmp_path: Path) -> None:
    done = run("endpoints", "--json", "--markdown", folder=tmp_path)

    assert done.returncode == 2
    assert done.stdout == ""
