"""The rooms of the package and the arrows between them, read from its imports. `make layers` prints them.

A room is a folder. Its arrows count every import: those inside functions and those for types alone too.
"""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import ignite_assets

PACKAGE = "ignite_assets"
ROOT = Path(ignite_assets.__file__).parent

ALLOWED: Mapping[str, frozenset[str]] = {
    "api": frozenset(),
    "sandbox": frozenset({"api"}),
    "storage": frozenset({"api"}),
    "tables": frozenset({"api", "storage"}),
    "audiences": frozenset({"api", "storage", "tables"}),
    "config": frozenset({"api", "storage", "tables", "audiences"}),
    "report": frozenset({"api", "storage", "tables", "audiences", "config"}),
    "dagster": frozenset({"api", "storage", "tables", "audiences", "config", "report"}),
    "cli": frozenset({"", "api", "sandbox", "storage", "tables", "audiences", "config", "report", "dagster"}),
    "": frozenset({"api", "sandbox", "storage", "tables", "config", "dagster"}),
}
"""By room, the rooms that it may import besides itself; empty: the package's own modules, its front door."""

DAGSTER = ("dagster", "dagster_shared", "dagster_pipes", "dagster_webserver", "dagster_graphql")
NETWORK = (
    "requests", "urllib3", "urllib.request", "http.client", "socket", "ssl", "asyncio.streams", "httpx", "aiohttp",
    "ftplib", "smtplib",
)  # fmt: skip
SERVER = ("starlette", "uvicorn", "multipart", "python_multipart", "http.server", "socketserver")

LIBRARIES: Mapping[tuple[str, ...], tuple[str, ...]] = {
    DAGSTER: ("dagster", "cli", "definitions"),
    NETWORK: ("api.client", "api.deadlines", "api.resolving", "api.wire", "sandbox"),
    SERVER: ("sandbox",),
}
"""Libraries that have to do with the outside, and the only places that may import them."""

ANYWHERE = "_version"


def module_name(path: Path) -> str:
    """`api.client` for `ignite_assets/api/client.py`, `api` for its `__init__.py`, empty for the package's own."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def room_of(module: str) -> str:
    """The room that a module stands in; empty for the package's own modules."""
    first = module.partition(".")[0]
    return first if (ROOT / first).is_dir() else ""


def stands_in(name: str, place: str) -> bool:
    """Whether a dotted name is a place's or of something in it."""
    return name == place or name.startswith(f"{place}.")


def public_types(source: str) -> Iterator[str]:
    """The names that a module gives to its public classes and type aliases."""
    for node in ast.parse(source).body:
        match node:
            case ast.ClassDef(name=name) if not name.startswith("_"):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) if name[0].isupper() and not name.isupper():
                yield name


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
    """What a module imports and its room does not allow."""
    room = room_of(module)
    broken = [
        f"imports {PACKAGE}.{own}".rstrip(".")
        for own in own_imports(source)
        if own != ANYWHERE and room_of(own) not in {room, *ALLOWED[room]}
    ]
    for libraries, places in LIBRARIES.items():
        if not any(stands_in(module, place) for place in places):
            broken += [f"imports {found}" for found in imports(source) if any(stands_in(found, x) for x in libraries)]
    return broken


def module_graph() -> dict[str, set[str]]:
    """By module, the modules of the package that it imports."""
    return {
        module: set(own_imports(path.read_text(encoding="utf-8"))) - {module, ANYWHERE}
        for module, path in MODULES.items()
    }


def folder_graph() -> dict[str, set[str]]:
    """By folder, the folders that its modules import."""
    folders: dict[str, set[str]] = {}
    for module, targets in module_graph().items():
        here = _folder(module)
        folders.setdefault(here, set()).update(_folder(target) for target in targets)
        folders[here].discard(here)
    return folders


def circles() -> list[str]:
    """The modules of a circle of imports, in order; empty when there is none."""
    try:
        tuple(TopologicalSorter(module_graph()).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def _folder(module: str) -> str:
    path = MODULES[module].parent.relative_to(ROOT).parts
    return ".".join(path)


def _floors(graph: Mapping[str, set[str]]) -> dict[str, int]:
    """By module, how many imports stand below it at most."""
    floors: dict[str, int] = {}
    for module in TopologicalSorter(graph).static_order():
        floors[module] = 1 + max((floors[target] for target in graph[module]), default=0)
    return floors


def _lines(folder: str) -> int:
    return sum(
        len(path.read_text(encoding="utf-8").splitlines())
        for module, path in MODULES.items()
        if _folder(module) == folder
    )


def described() -> Iterator[str]:
    """The rooms with their lines and arrows, then the sums, a line each."""
    graph = folder_graph()
    for folder in sorted(graph):
        arrows = ", ".join(sorted(target or PACKAGE for target in graph[folder]))
        yield f"{folder or PACKAGE:24}{_lines(folder):7,}  {arrows}".rstrip()
    floors = max(_floors({room: {r for r in ALLOWED[room] if r != room} for room in ALLOWED}).values())
    yield (
        f"{len(graph)} rooms on {floors} floors, {sum(map(len, graph.values()))} arrows, "
        f"{len(MODULES)} modules, {sum(map(_lines, graph)):,} lines; circles: {' > '.join(circles()) or 'none'}"
    )


if __name__ == "__main__":
    print("\n".join(described()))  # noqa: T201 - what it is for
