"""A lake with twenty days of everything, made once, and lakes of a test's own."""

from pathlib import Path

import pytest

from ignite_assets.report.figures import Figures
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.report.made import figures, fill


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Not to be written to."""
    lake = Lake(str(tmp_path_factory.mktemp("full") / "lake"))
    fill(lake)
    return lake


@pytest.fixture(scope="session")
def reported(full: Lake) -> Figures:
    return figures(full)
