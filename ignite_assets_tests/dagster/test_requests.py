"""How many requests a night and an export take where the lake is on an object store, at 60 and at 400 days."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ignite_assets.audiences import ledger
from ignite_assets.config import load_settings
from ignite_assets.dagster.assets.exports import run_exports
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets_tests.audiences.captures import DAY, NOW, WEBSITE, capture, hashed, somebody
from ignite_assets_tests.built import build_defs, frozen
from ignite_assets_tests.conftest import EVERY, START, Runner, reasons
from ignite_assets_tests.conftest import NOW as NIGHT
from ignite_assets_tests.s3 import URL, S3Server

pytestmark = pytest.mark.slow
WINDOW, HISTORY = 30, 28
"""Days of a window, and of the history that a partition is checked against."""


@pytest.fixture(params=[60, 400])
def filled(request: pytest.FixtureRequest, s3: S3Server, tmp_path: Path) -> Iterator[S3Server]:
    """One website's visitors, of the days before the newest; those that nothing reads are all alike."""
    local, data = Lake(str(tmp_path)), b""
    s3.empty()
    for n in range(1, request.param + 1):
        day = DAY - dt.timedelta(n)
        partition = Partition("visitors", WEBSITE, day)
        if n <= WINDOW + HISTORY + 2:
            rows = [{"hashed_email": hashed(i), "algo": "sha2"} for i in range(60 + n % 7)]
            captured = dt.datetime.combine(day + dt.timedelta(1), dt.time(0, 30), dt.UTC)
            capture(local, "visitors", day, rows, at=captured, algo="sha2")
            data = Path(local.location(partition)).read_bytes()
        s3.put([(f"lake/{partition.file}", data)])
    s3.age()
    yield s3
    s3.empty()


def files_read(server: S3Server) -> Counter[str]:
    """How often each file of visitors was read."""
    return Counter(
        request for request in server.requests if request.startswith("GET ") and "/lake/visitors/" in request
    )


def test_a_night_reads_each_file_of_its_windows_once_and_asks_at_most_forty_times_beside(
    filled: S3Server, config_file: Path, instance: dg.DagsterInstance
) -> None:
    text = config_file.read_text().replace('root = "lake"', f'root = "{URL}/lake"')
    config_file.write_text(text.replace(f'"{START}"', '"2025-01-01"'))
    defs = build_defs(load_settings(config_file), now=frozen(NIGHT), retry_policy=None)
    result = Runner(instance, defs).day(EVERY)
    assert result.success, reasons(result)
    *earlier, _ = sorted(files_read(filled).values())  # the day's own is of this moment, and may be read again
    assert earlier == [1] * (WINDOW - 1)
    assert filled.counts["PUT"] == len(EVERY)
    assert filled.counts.total() <= WINDOW + 40, filled.requests


def test_an_export_reads_each_file_once_and_asks_at_most_fifteen_times_beside(
    filled: S3Server, config_file: Path
) -> None:
    text = config_file.read_text().replace('root = "lake"', f'root = "{URL}/lake"')
    rule = f'[[exports]]\nname = "all"\ndestination = "plain_list"\nsource = "visitors"\nwindow_days = {WINDOW}\n'
    config_file.write_text(text.replace(f'"{START}"', '"2025-01-01"') + rule)
    settings = load_settings(config_file)
    lake, last = Lake(settings.root), DAY - dt.timedelta(1)
    for number, beside in ((1, 17), (2, 15)):  # the first begins the record of its list and of its place
        ledger.record(lake, WEBSITE, [somebody(number).hashes], source_hash=str(number), at=NOW)
        rows = [{"hashed_email": hashed(i), "algo": "sha2"} for i in range(60 + 10 * number)]
        capture(lake, "visitors", last, rows, at=NOW, algo="sha2")
        filled.age()
        filled.requests.clear()
        exported = run_exports(settings, Lake(settings.root), (), WEBSITE, last)
        (counts,) = (outcome.counts for outcome in exported.outcomes)
        assert counts.adds
        assert counts.removes == number - 1
        assert sorted(files_read(filled).values()) == [1] * (WINDOW + HISTORY)
        opt_outs = number  # each is a file of the ledger
        assert filled.counts.total() <= WINDOW + HISTORY + opt_outs + beside, filled.requests
