"""A lake and a place for exports, both empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake of one test's own."""
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def to(tmp_path: Path) -> Path:
    """Where one test's exports go."""
    return tmp_path / "exports"


@pytest.fixture(scope="session")
def workspace() -> Iterator[Workspace]:
    """One session for the many exports of one test."""
    with Workspace(memory_mib=256, threads=1) as workspace:
        yield workspace
