"""Who may import whom: a rule for each room (`layers.ALLOWED`), and no circle."""

import pytest

from ignite_assets_tests.layers import ALLOWED, MODULES, ROOT, broken_rules, circles, public_types, room_of


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_room_allows(module: str) -> None:
    assert broken_rules(module, MODULES[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source", "broken"),
    [
        ("api.protocol", "from ignite_assets.storage.lake import Lake", "imports ignite_assets.storage.lake"),
        ("sandbox.world", "from ignite_assets.storage import store", "imports ignite_assets.storage.store"),
        ("storage.lake", "from ignite_assets.tables import capture", "imports ignite_assets.tables.capture"),
        ("tables.capture", "from ignite_assets.audiences import ledger", "imports ignite_assets.audiences.ledger"),
        ("audiences.rules", "from ignite_assets import config", "imports ignite_assets.config"),
        ("config.models", "from ignite_assets.report import page", "imports ignite_assets.report.page"),
        ("report.page", "from ignite_assets.dagster import build", "imports ignite_assets.dagster.build"),
        ("dagster.build", "from ignite_assets.cli import main", "imports ignite_assets.cli"),
        ("dagster.build", "from ignite_assets import lake", "imports ignite_assets"),
        ("cli.sql", "from starlette.applications import Starlette", "imports starlette.applications.Starlette"),
        ("testing", "from ignite_assets.cli import main", "imports ignite_assets.cli"),
        ("api.protocol", "import dagster as dg", "imports dagster"),
        ("api.protocol", "def f():\n    from requests import Session", "imports requests.Session"),
        ("api.protocol", "from http import client", "imports http.client"),
        ("config", "from dagster import Config", "imports dagster.Config"),
        ("dagster.assets.captured", "import socket", "imports socket"),
        ("sandbox.world", "import dagster", "imports dagster"),
    ],
)
def test_a_planted_import_is_found(module: str, source: str, broken: str) -> None:
    assert broken_rules(module, source) == [broken]


def test_a_wrong_import_is_planted_in_every_room() -> None:
    """A room may import neither itself by name of a stranger, nor a room that is not in its rule."""
    for room in ALLOWED:
        for other in set(ALLOWED) - ALLOWED[room] - {room, ""}:
            assert broken_rules(room or "testing", f"import ignite_assets.{other}") == [
                f"imports ignite_assets.{other}"
            ]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("api.client", "import requests\nfrom ignite_assets._version import __version__"),
        ("api.protocol", "from http import HTTPStatus"),
        ("sandbox.app", "from starlette.applications import Starlette"),
        ("dagster.build", "import dagster as dg\nfrom ignite_assets.api.errors import IgniteError"),
    ],
)
def test_an_allowed_import_is_no_broken_rule(module: str, source: str) -> None:
    assert broken_rules(module, source) == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circles() == []


def test_every_room_has_a_rule_and_the_root_stays_small() -> None:
    assert {room_of(module) for module in MODULES} == set(ALLOWED)
    entries = [path for path in ROOT.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= 14


def test_only_dagster_and_tests_load_the_definitions() -> None:
    importing = [
        module
        for module, path in MODULES.items()
        if "ignite_assets.definitions import" in path.read_text(encoding="utf-8")
    ]
    assert importing == []


def test_no_module_is_named_for_holding_odds_and_ends() -> None:
    odds = {"utils", "util", "helpers", "helper", "misc", "common"}
    assert [module for module in MODULES if odds & set(module.split("."))] == []


def test_no_two_public_types_have_one_name() -> None:
    modules: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        for name in public_types(path.read_text(encoding="utf-8")):
            modules.setdefault(name, []).append(module)
    assert {name: found for name, found in modules.items() if len(found) > 1} == {}
