"""`ignite_assets.lake()`: what readers get, in whatever form they want it, and what they are told is there."""

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pytest

import ignite_assets as ia
from ignite_assets.api.errors import ConfigurationError, SelectionError
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.reader import LakeReader
from ignite_assets.tables.registry import TABLES
from ignite_assets_tests.audiences.captures import hashed, visitors
from ignite_assets_tests.conftest import WEBSITES, variable
from ignite_assets_tests.lakes import ACME, BAYSIDE, FIRST, SECOND, THIRD, small_lake, store


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return small_lake(tmp_path / "lake")


@pytest.fixture
def reader(lake: Lake) -> LakeReader:
    return LakeReader(lake, TABLES)


def pairs(table: pa.Table) -> list[tuple[str, dt.date]]:
    """The websites and dates of some rows, each once, in their order."""
    rows = zip(table.column("website").to_pylist(), table.column("date").to_pylist(), strict=True)
    return list(dict.fromkeys(rows))


def test_the_configured_lake_is_opened_without_any_secret(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for site in WEBSITES:
        for kind in ("token", "secret"):
            monkeypatch.delenv(variable(site.key, kind))
    visitors(Lake(str(config_file.parent / "lake")), FIRST, [1])
    assert ia.lake().assets() == ["visitors"]

    monkeypatch.setenv("IGNITE_CONFIG", "elsewhere.toml")
    assert ia.lake(config_file).assets() == ia.lake(str(config_file)).assets() == ["visitors"]
    with pytest.raises(ConfigurationError, match=r"elsewhere\.toml"):
        ia.lake()


def test_importing_the_package_waits_for_nothing() -> None:
    script = (
        "import sys, ignite_assets; heavy = ('dagster', 'pyarrow', 'pandas', 'duckdb', 'pydantic', 'numpy')\n"
        "import json; print(json.dumps([name for name in heavy if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_reading_does_not_wait_for_dagster(lake: Lake) -> None:
    script = (
        "import sys; from ignite_assets.storage.reader import LakeReader; from ignite_assets.storage.lake import Lake; "
        "from ignite_assets.tables.registry import TABLES\n"
        f"reader = LakeReader(Lake({lake.root!r}), TABLES); reader.read('visitors')\n"
        "reader.sql('FROM visitors').fetchall()\n"
        "print('dagster' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_package_has_the_names_that_it_says_it_has() -> None:
    from ignite_assets.dagster.io_manager import ParquetIOManager
    from ignite_assets.dagster.partitions import build_partitions
    from ignite_assets.dagster.resources import IgniteResource

    assert (ia.IgniteResource, ia.ParquetIOManager, ia.build_partitions) == (
        IgniteResource, ParquetIOManager, build_partitions,
    )  # fmt: skip
    assert all(getattr(ia, name) for name in ia.__all__)
    assert set(ia.__all__) <= set(dir(ia))
    with pytest.raises(AttributeError, match="has no attribute 'lakes'"):
        ia.lakes  # type: ignore[attr-defined] # noqa: B018


def test_rows_come_with_their_website_and_date(reader: LakeReader) -> None:
    table = reader.read("visitors", website=BAYSIDE)
    assert table.column_names == ["hashed_email", "algo", "captured_at", "website", "date"]
    assert table.drop_columns(["captured_at"]).to_pylist() == [
        {"hashed_email": hashed(7), "algo": "sha2", "website": BAYSIDE, "date": SECOND}
    ]
    assert (table.field("website").type, table.field("date").type) == (pa.string(), pa.date32())
    assert table.field("algo").metadata[b"description"].startswith(b"The hash algorithm")


@pytest.mark.parametrize(
    ("dates", "found"),
    [
        (None, [FIRST, SECOND, THIRD]),
        ("2026-11-21", [SECOND]),
        (SECOND, [SECOND]),
        (dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC), [SECOND]),
        ("2026-11-21:2026-11-23", [SECOND, THIRD]),
        ("2026-11-21:", [SECOND, THIRD]),
        (":2026-11-22", [FIRST, SECOND]),
        (":", [FIRST, SECOND, THIRD]),
        ("2026-11-22:2026-11-30", [THIRD]),
        ([THIRD, "2026-11-20"], [FIRST, THIRD]),
        ((day for day in (FIRST,)), [FIRST]),
    ],
)
def test_dates_are_one_or_several_or_a_range_of_those_there_are(
    reader: LakeReader, dates: Any, found: list[dt.date]
) -> None:
    assert pairs(reader.read("visitors", website=ACME, dates=dates)) == [(ACME, day) for day in found]


@pytest.mark.parametrize("website", [None, [ACME, BAYSIDE], (key for key in (BAYSIDE, ACME))])
def test_websites_are_all_or_those_that_are_named(reader: LakeReader, website: Any) -> None:
    found = pairs(reader.read("visitors", website=website, dates=SECOND))
    assert found == [(ACME, SECOND), (BAYSIDE, SECOND)]


def test_the_same_comes_as_a_frame_or_a_dataset(reader: LakeReader) -> None:
    chosen: dict[str, Any] = {"website": ACME, "dates": "2026-11-21:"}
    table = reader.read("visitors", **chosen)
    frame, polars, dataset = (
        reader.pandas("visitors", **chosen), reader.polars("visitors", **chosen), reader.dataset("visitors", **chosen)
    )  # fmt: skip
    assert isinstance(frame, pd.DataFrame)
    assert isinstance(polars, pl.DataFrame)
    assert isinstance(dataset, pads.Dataset)
    assert len(table) == 4
    assert frame.to_dict("records") == table.to_pandas().to_dict("records")
    assert polars.to_dicts() == table.to_pylist() == dataset.to_table().to_pylist()


@pytest.mark.parametrize("form", ["read", "pandas", "polars"])
def test_columns_are_chosen_and_website_and_date_stay(reader: LakeReader, form: str) -> None:
    rows = getattr(reader, form)("locations", columns=["date", "state", "id"])
    names = rows.column_names if form == "read" else rows.columns
    assert list(names) == ["state", "id", "website", "date"]
    assert len(rows) == 1


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_without_a_data_frame_library_it_says_what_to_install(
    reader: LakeReader, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=f"pip install {library}"):
        getattr(reader, library)("visitors")


def test_a_reader_can_look_around(reader: LakeReader) -> None:
    assert reader.assets() == ["visitors", "locations"]
    assert reader.websites() == reader.websites("visitors") == [ACME, BAYSIDE]
    assert reader.websites("locations") == [ACME]
    assert reader.dates("visitors") == [FIRST, SECOND, THIRD]
    assert reader.dates("visitors", BAYSIDE) == [SECOND]


def test_what_others_stored_is_read_like_our_own(lake: Lake, reader: LakeReader) -> None:
    store(lake, "my_scores", {"score": [1.5, 2.5]})
    (Path(lake.root) / "_opt_outs" / f"website={ACME}").mkdir(parents=True)
    (Path(lake.root) / "notes").mkdir()
    assert reader.assets() == ["visitors", "locations", "my_scores"]
    assert reader.read("my_scores").to_pylist() == [
        {"score": score, "website": ACME, "date": FIRST} for score in (1.5, 2.5)
    ]


@pytest.mark.parametrize(
    ("asset", "how", "said"),
    [
        ("visitor", {}, "has no asset 'visitor'; did you mean visitors? there are visitors (3 dates, 2026-11-20 "),
        ("locs", {}, "to 2026-11-23), locations (1 date, 2026-11-23)"),
        ("sales", {}, "has no asset 'sales'; there are visitors (3 dates"),
        ("../lake/visitors", {}, "has no asset '../lake/visitors'"),
        ("visitors", {"website": "acme"}, "no website 'acme'; did you mean acme-honda? there are acme-honda, b"),
        ("visitors", {"website": [ACME, "x"]}, "visitors has no website 'x'; there are acme-honda, bayside-kia"),
        ("visitors", {"website": []}, "no website is asked for; visitors has acme-honda, bayside-kia"),
        ("visitors", {"dates": "2026-11-22"}, "has no 2026-11-22; it has 3 dates, 2026-11-20 to 2026-11-23"),
        ("visitors", {"dates": [FIRST, "2026-11-22"]}, "visitors has no 2026-11-22"),
        ("visitors", {"dates": THIRD, "website": [ACME, BAYSIDE]}, "bayside-kia has no 2026-11-23; it has 1 date, "),
        ("visitors", {"dates": "2026-12-01:"}, "no date in '2026-12-01:'; visitors has 3 dates, 2026-11-20"),
        ("visitors", {"dates": []}, "no date is asked for; visitors has 3 dates"),
        ("visitors", {"dates": "yesterday"}, "'yesterday' is neither a date (YYYY-MM-DD) nor a range first:last"),
        ("visitors", {"dates": 20261120}, "20261120 is neither a date"),
        ("visitors", {"dates": "2026-11-23:2026-11-20"}, "ends before it begins"),
        ("visitors", {"columns": ["hashed"]}, "visitors has no column 'hashed'; did you mean hashed_email? there are"),
        ("visitors", {"columns": "algo"}, "a list of names is wanted, such as ['algo']"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_an_error_that_says_what_is(
    reader: LakeReader, asset: str, how: dict[str, Any], said: str
) -> None:
    with pytest.raises(SelectionError) as caught:
        reader.read(asset, **how)
    assert said in str(caught.value)


def test_an_empty_lake_says_so(tmp_path: Path) -> None:
    reader = LakeReader(Lake(str(tmp_path / "nowhere")), TABLES)
    assert (reader.assets(), reader.websites(), reader.is_empty) == ([], [], True)
    assert repr(reader) == f"<lake at {tmp_path / 'nowhere'}, empty>"
    with pytest.raises(SelectionError, match="there are none yet"):
        reader.read("visitors")


def test_its_repr_tells_what_it_holds(reader: LakeReader, lake: Lake) -> None:
    assert repr(reader).splitlines() == [
        f"<lake at {lake.root} of acme-honda, bayside-kia:",
        "  visitors   3 dates, 2026-11-20 to 2026-11-23",
        "  locations  1 date, 2026-11-23>",
    ]


@pytest.mark.slow
def test_no_query_of_a_url_is_shown() -> None:
    reader = LakeReader(Lake("s3://bucket/lake?endpoint_override=127.0.0.1:9&scheme=http&region=hidden"), TABLES)
    assert repr(reader) == "<lake at s3://bucket/lake, which can't be read: OSError>"


def test_days_with_other_columns_are_read_as_one_table(lake: Lake, reader: LakeReader) -> None:
    later = {"hashed_email": ["x"], "algo": ["sha2"], "captured_at": [dt.datetime.now(dt.UTC)], "channel": ["web"]}
    store(lake, "visitors", later, SECOND, ACME)
    table = reader.read("visitors", website=ACME)
    assert table.column_names == ["hashed_email", "algo", "captured_at", "channel", "website", "date"]
    assert table.column("channel").to_pylist() == [None, None, "web", None, None]
    assert reader.read("visitors", website=ACME, dates=FIRST).column_names[-3:] == ["captured_at", "website", "date"]


def test_columns_of_kinds_that_nothing_unites_are_an_error(lake: Lake, reader: LakeReader) -> None:
    store(lake, "my_scores", {"score": [1.5]})
    store(lake, "my_scores", {"score": ["high"]}, SECOND)
    with pytest.raises(SelectionError, match="the files of my_scores have no columns in common"):
        reader.read("my_scores")
    assert reader.read("my_scores", dates=FIRST).column("score").to_pylist() == [1.5]


def test_what_is_captured_meanwhile_is_read(lake: Lake, reader: LakeReader) -> None:
    assert len(reader.read("visitors")) == 7
    visitors(lake, dt.date(2026, 11, 24), [1, 2, 3])
    visitors(lake, FIRST, [])
    assert len(reader.read("visitors")) == 8
