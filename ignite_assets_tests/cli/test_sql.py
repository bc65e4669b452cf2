"""`ignite-assets sql`, as a process: one query, one from a pipe, and a file of views for other programs."""

import contextlib
import csv
import datetime as dt
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from ignite_assets.storage.catalogue import CatalogueError
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.reader import LakeReader
from ignite_assets.tables.registry import TABLES
from ignite_assets_tests.audiences.captures import hashed, visitors
from ignite_assets_tests.commands import IGNITE_ASSETS, environment, run
from ignite_assets_tests.conftest import WEBSITES, config_text
from ignite_assets_tests.lakes import small_lake, store

COUNTS = "SELECT website, date, count(*) AS people FROM visitors GROUP BY ALL ORDER BY ALL"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration and a lake, and no secret anywhere."""
    monkeypatch.delenv("IGNITE_CONFIG", raising=False)
    (tmp_path / "ignite.toml").write_text(config_text("http://127.0.0.1:9", WEBSITES))
    small_lake(tmp_path / "lake")
    return tmp_path


def test_a_query_is_answered_with_a_table(folder: Path) -> None:
    done = run("sql", COUNTS, folder=folder)

    assert (done.returncode, done.stderr) == (0, "")
    assert "│ acme-honda  │ 2026-11-20 │      2 │" in done.stdout
    assert done.stdout.endswith("\n4 rows\n")


def test_a_long_answer_shows_its_first_rows_and_how_many_there_are(folder: Path) -> None:
    done = run("sql", "SELECT range AS n FROM range(100000)", folder=folder)

    assert len([line for line in done.stdout.splitlines() if line.startswith("│")]) == 40 + 2
    assert "│    39 │" in done.stdout
    assert done.stdout.endswith("100,000 rows, the first 40 shown; --format csv, json or parquet has them all\n")


def test_a_table_in_a_pipe_is_not_cut_off(folder: Path) -> None:
    done = run("sql", "SELECT repeat('x', 500) AS long, * FROM visitors", folder=folder)

    assert "x" * 500 in done.stdout
    assert hashed(0) in done.stdout
    assert "…" not in done.stdout


def test_csv_and_json_hold_every_row(folder: Path) -> None:
    query = "SELECT range AS n, 'a,b' AS text, [range] AS list, NULL AS nothing FROM range(50000)"
    as_csv = run("sql", query, "--format", "csv", folder=folder)
    as_json = run("sql", query, "--format", "json", folder=folder)

    rows = list(csv.DictReader(as_csv.stdout.splitlines()))
    assert len(rows) == 50_000
    assert rows[-1] == {"n": "49999", "text": "a,b", "list": "[49999]", "nothing": ""}
    records = json.loads(as_json.stdout)
    assert len(records) == 50_000
    assert records[-1] == {"n": 49999, "text": "a,b", "list": [49999], "nothing": None}


def test_json_has_moments_numbers_and_every_column(folder: Path) -> None:
    query = (
        "SELECT captured_at, date, sum(1) AS total, 1.5::DECIMAL(4, 2) AS price, 'nan'::DOUBLE AS no, 1 AS a, 2 AS a"
    )
    done = run("sql", f"{query} FROM visitors GROUP BY ALL ORDER BY date LIMIT 1", "--format", "json", folder=folder)

    assert json.loads(done.stdout) == [
        {"captured_at": "2026-11-21T00:30:00+00:00", "date": "2026-11-20", "total": 2, "price": 1.5, "no": None,
         "a": 1, "a_1": 2}
    ]  # fmt: skip
    empty = run("sql", "FROM sales", "--format", "json", folder=folder)
    assert json.loads(empty.stdout) == []


@pytest.mark.parametrize("name", ["rows.csv", "rows.json", "rows.parquet", "rows.txt"])
def test_the_files_name_says_the_format(folder: Path, name: str) -> None:
    done = run("sql", COUNTS, "--output", name, folder=folder)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    path = folder / name
    if name == "rows.parquet":
        assert pq.read_table(path).column("people").to_pylist() == [2, 2, 2, 1]
    else:
        same = run("sql", COUNTS, "--format", {"rows.txt": "table"}.get(name, path.suffix[1:]), folder=folder)
        assert path.read_text() == same.stdout
    assert {each.name for each in folder.iterdir()} == {"ignite.toml", "lake", name}


def test_a_query_that_fails_leaves_the_file_before(folder: Path) -> None:
    (folder / "rows.csv").write_text("before")
    done = run("sql", "SELECT error('no') FROM visitors", "--output", "rows.csv", folder=folder)

    assert done.returncode == 1
    assert (folder / "rows.csv").read_text() == "before"
    assert len(list(folder.iterdir())) == 3


def test_a_query_comes_from_a_pipe(folder: Path) -> None:
    done = run("sql", "--format", "csv", folder=folder, stdin=f"{COUNTS};\n")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:2] == ["website,date,people", "acme-honda,2026-11-20,2"]


def test_several_queries_have_a_table_each(folder: Path) -> None:
    done = run(
        "sql", folder=folder, stdin="CREATE TEMP TABLE mine AS FROM visitors; SELECT count(*) FROM mine; SELECT 42;"
    )

    assert done.stdout.count("1 row\n") == 2
    assert "│            7 │" in done.stdout
    refused = run("sql", "--format", "csv", folder=folder, stdin="SELECT 1; SELECT 2")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "several results" in refused.stderr


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM visitrs", 'Catalog Error: Table with name visitrs does not exist! Did you mean "visitors"?'),
        ("SELECT nobody FROM visitors", 'Referenced column "nobody" not found'),
        ("SELEC 1", 'Parser Error: syntax error at or near "SELEC"'),
        ("SELECT error('so it is') FROM visitors", "so it is"),
        ("SELECT 'x'::INTEGER FROM visitors", "Could not convert string 'x' to INT32"),
        ("DELETE FROM visitors", "Can only delete from base table"),
    ],
)
def test_a_wrong_query_is_told_in_one_line(folder: Path, query: str, said: str) -> None:
    done = run("sql", query, folder=folder)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" in run("sql", query, "--debug", folder=folder).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((" ; ",), "the query is empty"),
        (("SELECT 1", "--format", "parquet"), "--format parquet needs --output"),
        (("SELECT 1", "--output", "nowhere/rows.csv"), "there is no folder nowhere"),
        (("SELECT 1", "--output", "rows.xlsx"), "--format is needed"),
        (("SELECT 1", "--format", "xml"), "'xml' is not one of"),
        (("SELECT 1", "--save", "lake.duckdb"), "--save takes no query"),
        (("--save", "nowhere/lake.duckdb"), "there is no folder nowhere"),
    ],
)
def test_bad_usage_is_told_as_such(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run("sql", *arguments, folder=folder)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_without_a_configuration_it_says_how_to_begin(tmp_path: Path) -> None:
    done = run("sql", "SELECT 1", folder=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no such file" in done.stderr


def test_an_empty_lake_is_mentioned(tmp_path: Path) -> None:
    (tmp_path / "ignite.toml").write_text(config_text("http://127.0.0.1:9", WEBSITES))
    done = run("sql", "SELECT count(*) FROM visitors", "--format", "csv", folder=tmp_path)

    assert (done.returncode, done.stdout) == (0, "count_star()\n0\n")
    assert done.stderr == f"Nothing has been captured yet in {tmp_path / 'lake'}\n"


def test_without_a_query_on_a_terminal_it_says_how_to_give_one(folder: Path) -> None:
    ours, terminal = pty.openpty()
    done = subprocess.run(
        [IGNITE_ASSETS, "sql"], cwd=folder, env=environment(), stdin=terminal, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip
    os.close(ours)
    os.close(terminal)

    assert (done.returncode, done.stdout) == (2, "")
    assert "ignite-assets sql < query.sql" in done.stderr
    assert "ignite-assets sql --save lake.duckdb" in done.stderr


@pytest.mark.slow
def test_ctrl_c_stops_a_query_that_runs(folder: Path) -> None:
    query = "SELECT 'running'; SELECT count(*) FROM range(1000000000000) r WHERE r.range % 3 = 1;"
    with subprocess.Popen(
        [IGNITE_ASSETS, "sql", query], cwd=folder, env=environment(PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        while "1 row" not in process.stdout.readline():
            pass
        while process.poll() is None:  # one that comes just before DuckDB waits is lost
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
        assert process.stderr
        assert (process.returncode, process.stderr.read()) == (130, "Interrupted.\n")


OPENED = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
connection.execute("SET TimeZone = 'UTC'")
print(connection.execute(sys.argv[2]).fetchall())
"""


def opened(file: Path, query: str, away: Path) -> str:
    """What another process, in another folder and without the package's imports, reads from a DuckDB file."""
    done = subprocess.run(
        [sys.executable, "-c", OPENED, str(file), query],
        cwd=away,
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    return done.stdout.strip()


def test_a_saved_file_of_views_is_read_by_duckdb_elsewhere(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    done = run("sql", "--save", "lake.duckdb", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"lake.duckdb has a view for each of {len(TABLES)} assets of {folder / 'lake'}" in done.stdout
    assert {each.name for each in folder.iterdir()} == {"ignite.toml", "lake", "lake.duckdb"}

    file, away = folder / "lake.duckdb", tmp_path_factory.mktemp("away")
    assert opened(file, "SELECT website, count(*) FROM visitors GROUP BY ALL ORDER BY ALL", away) == (
        "[('acme-honda', 6), ('bayside-kia', 1)]"
    )
    assert "Scanning Files: 1/4" in opened(file, "EXPLAIN FROM visitors WHERE date = '2026-11-20'", away)
    assert opened(file, "FROM sales", away) == "[]"
    visitors(Lake(str(folder / "lake")), dt.date(2026, 11, 24), [1, 2, 3])
    assert opened(file, "SELECT count(*) FROM visitors", away) == "[(10,)]"


@pytest.mark.parametrize("statement", [
    "CREATE TABLE mine (n INTEGER)", "CREATE VIEW mine AS SELECT 1", "CREATE MACRO mine() AS 1", "CREATE SCHEMA mine",
    "CREATE SEQUENCE mine", "CREATE TYPE mine AS ENUM ('a')",
])  # fmt: skip
def test_only_a_saved_file_of_views_is_replaced(folder: Path, statement: str) -> None:
    file = folder / "lake.duckdb"
    reader = LakeReader(Lake(str(folder / "lake")), TABLES)
    reader.save_views(file)
    store(Lake(str(folder / "lake")), "my-scores", {"score": [1.5]})
    assert "my-scores" in reader.save_views(file)
    with duckdb.connect(str(file)) as connection:
        connection.execute(statement)
    before = file.read_bytes()
    with pytest.raises(CatalogueError, match=r"holds more than views of a lake \(mine\)"):
        reader.save_views(file)
    assert file.read_bytes() == before


def test_what_is_no_saved_file_of_views_is_left_alone(folder: Path) -> None:
    reader = LakeReader(Lake(str(folder / "lake")), TABLES)
    for file in (folder / "ignite.toml", folder / "empty", folder / "others.duckdb"):
        if file.suffix == ".duckdb":
            duckdb.connect(str(file)).close()
        elif file.name == "empty":
            file.touch()
        before = file.read_bytes()
        with pytest.raises(CatalogueError, match="is left as it is"):
            reader.save_views(file)
        assert file.read_bytes() == before
    reader.save_views(folder / "lake.duckdb")
    (folder / "lake.duckdb.wal").touch()
    with pytest.raises(CatalogueError, match="in use"):
        reader.save_views(folder / "lake.duckdb")


@pytest.mark.parametrize("name", ["a [b] lake", "it's", "a*b?"])
def test_views_are_saved_of_a_lake_of_any_name(tmp_path: Path, name: str) -> None:
    lake = small_lake(tmp_path / name / "lake")
    LakeReader(lake, TABLES).save_views(tmp_path / "lake.duckdb")
    assert opened(tmp_path / "lake.duckdb", "SELECT count(*) FROM visitors", tmp_path) == "[(7,)]"


@pytest.mark.parametrize("root", ["s3://agency/lake?region=eu-west-1", "/date=2026-11-20/lake"])
def test_a_lake_that_duckdb_can_not_read_by_itself_is_refused(tmp_path: Path, root: str) -> None:
    with pytest.raises(CatalogueError, match=r"local path only|takes for its own"):
        LakeReader(Lake(root), TABLES).save_views(tmp_path / "lake.duckdb")
    assert list(tmp_path.iterdir()) == []
