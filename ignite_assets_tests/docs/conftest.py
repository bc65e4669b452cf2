"""The project of the pages' examples, made once, and copies of it to work in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ignite_assets_tests.docs.project import Project, project


@pytest.fixture(scope="session")
def standing_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with project(tmp_path_factory.mktemp("project")) as made:
        yield made


@pytest.fixture
def here(standing_project: Project, tmp_path: Path) -> Project:
    return standing_project.copy(tmp_path / "project")
