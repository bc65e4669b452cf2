"""docs/contributing.md: the row that it shows is an endpoint, and the places that it names exist."""

import re
from pathlib import Path

import pandas as pd
import pytest

from ignite_assets.api.endpoints import ENDPOINTS, EXTRA, Endpoint
from ignite_assets.api.table import Column
from ignite_assets.config import load_settings
from ignite_assets.dagster.build import build_defs
from ignite_assets.sandbox import SandboxServer, frozen
from ignite_assets_tests.commands import ROOT
from ignite_assets_tests.conftest import ACME, NOW, WEBSITES, YESTERDAY, Runner, config_text, reasons, set_credentials
from ignite_assets_tests.docs.blocks import blocks
from ignite_assets_tests.docs.readme import DOCS

PAGE = DOCS / "contributing.md"


def test_the_row_is_an_endpoint_from_the_client_to_the_lake(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_credentials(monkeypatch)
    (text,) = [block.text for block in blocks(PAGE) if block.kind == "python row"]
    row: Endpoint = eval(text, {"Endpoint": Endpoint, "Column": Column, "EXTRA": EXTRA})  # the page's own text
    endpoints = (*ENDPOINTS, row)
    with SandboxServer(WEBSITES, endpoints=endpoints, now=frozen(NOW)) as server:
        path = tmp_path / "ignite.toml"
        path.write_text(config_text(server.url, WEBSITES))
        defs = build_defs(load_settings(path), endpoints=endpoints, now=frozen(NOW), retry_policy=None)
        result = Runner(runner.instance, defs).day([row.name])

    assert reasons(result) == {}
    rows = pd.read_parquet(tmp_path / f"lake/{row.name}/website={ACME.key}/date={YESTERDAY}/part-0.parquet")
    assert list(rows.columns) == ["id", "booked_at", "hashed_email", "extra", "captured_at"]
    assert len(rows) > 0


def test_every_place_that_it_names_is_there() -> None:
    places = re.findall(r"`((?:ignite_assets|docs|\.ci)[\w/.]*)`", PAGE.read_text())

    assert len(places) > 5
    assert [place for place in places if not (ROOT / place).exists()] == []
