"""Who may import whom: design.md, section 5, as a table. A module that is not in it fails, so that it gets placed."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import ignite_assets

PACKAGE = "ignite_assets"
ROOT = Path(ignite_assets.__file__).parent


@dataclass(frozen=True)
class Layer:
    """What the modules of one place may import."""

    own: tuple[str, ...] = ()
    """Modules and subpackages of this package, without its name."""
    dagster: bool = False
    network: bool = False
    """Opens sockets through a library or by itself."""
    server: bool = False
    """Answers HTTP."""


PLAIN = (
    "api", "storage", "staging", "snapshots", "capture", "examination", "audiences", "config", "quality", "notify",
    "sparkline", "progress", "file_store", "workspace", "windows", "derived", "report",
)  # fmt: skip
DAGSTER_HALF = (
    "partitions", "resources", "failures", "metadata", "captures", "io_manager", "assets", "checks", "evaluations",
    "sensors", "schedules", "alerts", "freshness", "instance", "audience_exports", "audience_sensors",
    "export_triggers", "opt_outs", "derivations", "website_reports",
)  # fmt: skip

LAYERS = {
    "": Layer(own=("build", "config", "reading")),
    "api": Layer(own=("api",)),
    "api.client": Layer(own=("api",), network=True),
    "api.wire": Layer(own=("api",), network=True),
    "storage": Layer(own=("api",)),
    "staging": Layer(own=("api",)),
    "file_store": Layer(),
    "workspace": Layer(own=("file_store", "storage", "api.endpoints")),
    "windows": Layer(),
    "examination": Layer(own=("api", "storage")),
    "sparkline": Layer(),
    "progress": Layer(),
    "quality": Layer(own=("api", "storage", "examination", "sparkline")),
    "notify": Layer(own=("api", "config"), network=True),
    "snapshots": Layer(own=("api", "progress", "staging")),
    "capture": Layer(own=("api", "progress", "storage", "staging", "snapshots")),
    "audiences": Layer(own=("audiences", "api", "progress", "storage", "file_store", "workspace", "windows")),
    "derived": Layer(own=("derived", "api", "storage", "staging", "file_store", "workspace", "windows")),
    "contents": Layer(own=("api", "storage", "derived")),
    "selecting": Layer(own=("api", "storage")),
    "views": Layer(own=("api", "storage", "contents", "workspace")),
    "reading": Layer(own=("api", "storage", "config", "derived", "contents", "selecting", "views")),
    "report": Layer(
        own=(
            *("report", "api", "storage", "file_store", "workspace", "windows", "derived", "examination", "quality"),
            "audiences",
        )
    ),
    "config": Layer(own=("config", "audiences", "api.addresses", "api.endpoints", "api.errors", "api.names")),
    "sandbox": Layer(own=("sandbox", "api.endpoints", "api.errors"), network=True, server=True),
    "testing": Layer(own=("sandbox",)),
    **{name: Layer(own=(*PLAIN, *DAGSTER_HALF), dagster=True) for name in DAGSTER_HALF},
    "build": Layer(own=(*PLAIN, *DAGSTER_HALF), dagster=True),
    "instance": Layer(own=("config",), dagster=True),
    "workers": Layer(own=("api.errors",)),
    "runs": Layer(own=("api", "derived")),
    "execution": Layer(own=(*PLAIN, *DAGSTER_HALF, "build", "runs", "workers"), dagster=True),
    "definitions": Layer(own=("build", "config"), dagster=True),
    "cli": Layer(
        own=(*PLAIN, *DAGSTER_HALF, "build", "instance", "runs", "execution", "sandbox", "reading", "views", "cli"),
        dagster=True,
    ),
}
"""A module's layer is the longest of these names that it is or stands in."""

DAGSTER = ("dagster", "dagster_shared", "dagster_pipes", "dagster_webserver", "dagster_graphql")
NETWORK = (
    "requests", "urllib3", "urllib.request", "http.client", "socket", "ssl", "asyncio.streams", "httpx", "aiohttp",
    "ftplib", "smtplib",
)  # fmt: skip
SERVER = ("starlette", "uvicorn", "multipart", "python_multipart", "http.server", "socketserver")


def module_name(path: Path) -> str:
    """`api.client` for `ignite_assets/api/client.py`, `api` for its `__init__.py`, empty for the package's own."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def stands_in(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")


def layer_name(module: str) -> str | None:
    if not module:
        return ""
    return max((name for name in LAYERS if name and stands_in(module, name)), key=len, default=None)


def imports(source: str) -> Iterator[str]:
    """Each absolute name that a module imports, wherever in it; `from a import b` is `a` and may be `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(source: str) -> Iterator[str]:
    """The modules of this package that a module imports, without the package's name."""
    for name in imports(source):
        if stands_in(name, PACKAGE):
            inner = name.removeprefix(PACKAGE).removeprefix(".")
            while inner not in MODULES:  # the last part is a name in the module
                inner = inner.rpartition(".")[0]
            yield inner


def broken_rules(module: str, source: str) -> list[str]:
    """What a module imports and its layer does not allow."""
    name = layer_name(module)
    if name is None:
        return ["has no place in LAYERS"]
    layer = LAYERS[name]
    broken = [
        f"imports {PACKAGE}.{own}"
        for own in own_imports(source)
        if own and not any(stands_in(own, place) for place in layer.own)  # anyone may know the version
    ]
    for allowed, libraries in ((layer.dagster, DAGSTER), (layer.network, NETWORK), (layer.server, SERVER)):
        if not allowed:
            broken += [f"imports {found}" for found in imports(source) if any(stands_in(found, x) for x in libraries)]
    return broken


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_layer_allows(module: str) -> None:
    assert broken_rules(module, MODULES[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source", "broken"),
    [
        ("api.protocol", "import dagster as dg", "imports dagster"),
        ("api.protocol", "from ignite_assets.storage import Lake", "imports ignite_assets.storage"),
        ("api.protocol", "def f():\n    from requests import Session", "imports requests.Session"),
        ("api.protocol", "from http import client", "imports http.client"),
        ("storage", "from ignite_assets import config", "imports ignite_assets.config"),
        ("sandbox.world", "from ignite_assets.api.horizon import Horizon", "imports ignite_assets.api.horizon"),
        ("config", "from dagster import Config", "imports dagster.Config"),
        ("assets", "import socket", "imports socket"),
        ("utils", "", "has no place in LAYERS"),
    ],
)
def test_a_broken_rule_is_found(module: str, source: str, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("storage", "config", "api.horizon"):
        monkeypatch.setitem(MODULES, name, Path())
    assert broken_rules(module, source) == [broken]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("api.client", "import requests\nfrom ignite_assets import __version__"),
        ("api.protocol", "from http import HTTPStatus"),
        ("sandbox.app", "from starlette.applications import Starlette"),
        ("assets", "import dagster as dg\nfrom ignite_assets.api.errors import IgniteError"),
    ],
)
def test_what_a_layer_allows_is_not_taken_for_a_broken_rule(module: str, source: str) -> None:
    assert broken_rules(module, source) == []


def test_only_dagster_and_tests_load_the_definitions() -> None:
    assert [name for name, layer in LAYERS.items() if "definitions" in layer.own] == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {
        module: set(own_imports(path.read_text(encoding="utf-8"))) - {"", module} for module, path in MODULES.items()
    }
    assert set(TopologicalSorter(graph).static_order()) == set(MODULES)


def test_no_module_is_named_for_holding_odds_and_ends() -> None:
    odds = {"utils", "util", "helpers", "helper", "misc", "common"}
    assert [module for module in MODULES if odds & set(module.split("."))] == []
