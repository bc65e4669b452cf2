"""The distributions: what is in them, and that the wheel works where there is no checkout."""

import ast
import importlib.metadata
import os
import re
import signal
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

import ignite_assets
from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.sandbox import SandboxServer
from ignite_assets_tests.commands import ROOT, environment
from ignite_assets_tests.conftest import WEBSITES, variable
from ignite_assets_tests.newest import environment_with_ours
from soak.processes import free_port

PACKAGE = Path(ignite_assets.__file__).parent
PLACES = importlib.metadata.packages_distributions()
"""By the name that is imported, the distributions that bring it."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> set[str]:
    """The distributions that the package says it needs at run time."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    texts = [*project["dependencies"], *(text for extra in ("s3", "celery", "k8s") for text in extras[extra])]
    return {normal(re.split(r"[^A-Za-z0-9._-]", text)[0]) for text in texts}


def imported() -> set[str]:
    """The names outside of the standard library that any module of the package imports."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"ignite_assets"}


def test_every_import_is_of_a_declared_dependency() -> None:
    of_tests = {"pytest"}  # `ignite_assets.testing` is used from within pytest alone
    of_another = {"pydantic_core", "botocore"}  # pydantic needs one exact version of the one, boto3 of the other
    for_types = {"typing_extensions"}  # `if TYPE_CHECKING`; pydantic brings it
    of_dagster = {"alembic", "sqlalchemy"}  # its records, held on to in `dagster.private`
    wanted_by_users = {"pandas", "polars"}  # `lake().pandas()` and `.polars()` say how to install them

    names = imported() - of_tests - of_another - for_types - of_dagster - wanted_by_users

    assert [name for name in sorted(names) if not {normal(brings) for brings in PLACES[name]} & declared()] == []


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel and the source distribution of this tree."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=240)
    return folder


def the_file(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def wheel_names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(dist: Path) -> None:
    names = wheel_names(the_file(dist, "*.whl"))

    sources = {str(path.relative_to(PACKAGE.parent)) for path in PACKAGE.rglob("*") if path.is_file()}
    ours = {name for name in sources if "__pycache__" not in name}
    assert {name for name in names if ".dist-info/" not in name} == ours
    assert "ignite_assets/py.typed" in names


@pytest.mark.slow
def test_the_wheel_says_what_it_is(dist: Path) -> None:
    with zipfile.ZipFile(the_file(dist, "*.whl")) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = archive.read(name).decode()
        scripts = archive.read(name.replace("METADATA", "entry_points.txt")).decode()

    assert f"Version: {ignite_assets.__version__}\n" in metadata
    assert "Requires-Python: >=3.11\n" in metadata
    assert "Description-Content-Type: text/markdown\n" in metadata
    assert (ROOT / "README.md").read_text(encoding="utf-8").strip() in metadata
    assert "ignite-assets = ignite_assets.cli:main" in scripts


@pytest.mark.slow
def test_the_source_distribution_holds_what_is_tracked_and_builds_the_same_wheel(dist: Path, tmp_path: Path) -> None:
    with tarfile.open(the_file(dist, "*.tar.gz")) as archive:
        if hasattr(tarfile, "data_filter"):  # since 3.11.4
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(tmp_path)
    (tree,) = tmp_path.iterdir()
    held = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path / "again")]
    subprocess.run(command, cwd=tree, check=True, capture_output=True, timeout=240)

    assert set(listed.splitlines()) - held == set()
    assert wheel_names(the_file(tmp_path / "again", "*.whl")) == wheel_names(the_file(dist, "*.whl"))


class Elsewhere:
    """A virtual environment that has the wheel, and the libraries of this one behind it."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        """Install the wheel; its dependencies are this environment's, whose own ignite_assets is not seen."""
        self.python = environment_with_ours(folder / "venv", editable=False)
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "-q", "--no-deps", "--no-index"]
        subprocess.run([*pip, "--ignore-installed", str(wheel)], check=True, timeout=240)

    def environment(self, **more: str) -> dict[str, str]:
        """The variables of its processes: none that leads back to this tree."""
        kept = {name: value for name, value in environment(**more).items() if name != "PYTHONPATH"}
        return {**kept, "PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"}

    def run(self, *words: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
        """Run the environment's Python, or with a first word `ignite-assets` that script."""
        program = [str(self.python.with_name(words[0])), *words[1:]] if words[0] == "ignite-assets" else [
            str(self.python), *words
        ]  # fmt: skip
        env = self.environment(**more)
        return subprocess.run(program, cwd=folder, env=env, capture_output=True, text=True, timeout=240, check=False)

    def call(self, *words: str, folder: Path, **more: str) -> str:
        """Run it to success; what it printed."""
        done = self.run(*words, folder=folder, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def elsewhere(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    return Elsewhere(tmp_path_factory.mktemp("elsewhere"), the_file(dist, "*.whl"))


@pytest.mark.slow
def test_what_is_imported_elsewhere_is_the_wheel(elsewhere: Elsewhere, tmp_path: Path) -> None:
    where = elsewhere.call("-c", "import ignite_assets; print(ignite_assets.__file__)", folder=tmp_path).strip()
    version = elsewhere.call("ignite-assets", "--version", folder=tmp_path)

    assert where == str(the_file(elsewhere.python.parents[1], "lib/python*/site-packages/ignite_assets/__init__.py"))
    assert version == f"ignite-assets, version {ignite_assets.__version__}\n"


@pytest.mark.slow
def test_the_demo_runs_from_an_empty_folder(elsewhere: Elsewhere, tmp_path: Path) -> None:
    printed = elsewhere.call("ignite-assets", "demo", "--nights", "1", "--days", "1", folder=tmp_path)

    assert "first DuckDB query" in printed
    assert [path.name for path in tmp_path.iterdir()] == [".demo"]
    assert len(list(tmp_path.glob(".demo/lake/visitors/*/*/part-0.parquet"))) == 3


@pytest.mark.slow
def test_a_new_project_works_with_the_wheel(elsewhere: Elsewhere, tmp_path: Path) -> None:
    site = WEBSITES[0]
    credentials = {variable(site.key, kind): getattr(site, kind) for kind in ("token", "secret")}
    with SandboxServer(WEBSITES) as server:
        elsewhere.call("ignite-assets", "init", "--website", site.key, folder=tmp_path)
        path = tmp_path / "ignite.toml"
        path.write_text(re.sub('#base_url = ".*"', f'base_url = "{server.url}"', path.read_text()))
        doctor = elsewhere.call("ignite-assets", "doctor", folder=tmp_path, **credentials)
        elsewhere.call("ignite-assets", "materialize", "--select", "visitors", folder=tmp_path, **credentials)
        loaded = elsewhere.run(
            "-m", "dagster", "definitions", "validate", "--load-with-grpc", "-w", "workspace.yaml", folder=tmp_path
        )

    assert f"ok    website {site.key}" in doctor
    assert len(list(tmp_path.glob("data/lake/visitors/*/*/part-0.parquet"))) == 1
    assert loaded.returncode == 0, loaded.stderr
    assert "Validation successful for code location ignite_assets" in loaded.stderr + loaded.stdout


@pytest.fixture
def dagster_dev(elsewhere: Elsewhere, tmp_path: Path) -> Iterator[str]:
    """The address of `dagster dev` on a new project, all of its processes in a group of their own."""
    elsewhere.call("ignite-assets", "init", "--website", WEBSITES[0].key, folder=tmp_path)
    port = free_port()
    with subprocess.Popen(
        [elsewhere.python, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)],
        cwd=tmp_path, env=elsewhere.environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as server:  # fmt: skip
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, signal.SIGTERM)


@pytest.mark.slow
def test_dagster_dev_serves_a_new_project(dagster_dev: str) -> None:
    query = "{ assetNodes { assetKey { path } } }"
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=Retry(60, backoff_factor=0.1, backoff_max=2)))
        session.get(f"{dagster_dev}/server_info", timeout=240).raise_for_status()
        answer = session.post(f"{dagster_dev}/graphql", json={"query": query}, timeout=240).json()

    served = {node["assetKey"]["path"][0] for node in answer["data"]["assetNodes"]}
    assert {endpoint.name for endpoint in ENDPOINTS} <= served


CLIENT = """\
from ignite_assets import build_defs, lake, load_settings

reveal_type(load_settings().root)
reveal_type(lake().read)
reveal_type(build_defs)
load_settings(3)
"""


@pytest.mark.slow
def test_a_type_checker_sees_the_types(elsewhere: Elsewhere, tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text(CLIENT)

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull, "--python-executable",
         str(elsewhere.python), "client.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False, env=environment(PYTHONPATH=""),
    )  # fmt: skip

    errors = [line for line in done.stdout.splitlines() if " error: " in line]
    assert 'Revealed type is "str"' in done.stdout, done.stdout
    assert re.search(r'Revealed type is "def .*Settings.*Definitions"', done.stdout), done.stdout
    assert re.search(r'Revealed type is "def \(asset: str, .*website: .*dates: ', done.stdout), done.stdout
    assert len(errors) == 1
    assert 'incompatible type "int"; expected "str | Path | None"' in errors[0]
