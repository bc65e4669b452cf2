"""`ignite-assets sql`, as a process: one query, one from a pipe, and a conversation in a terminal."""

import csv
import datetime as dt
import json
import os
import pty
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ignite_assets.api.errors import IgniteError
from ignite_assets.cli import main
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import hashed, visitors
from ignite_assets_tests.commands import IGNITE_ASSETS, environment, run
from ignite_assets_tests.conftest import WEBSITES, config_text
from ignite_assets_tests.lakes import small_lake

COUNTS = "SELECT website, date, count(*) AS people FROM visitors GROUP BY ALL ORDER BY ALL"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration and a lake, and no secret anywhere."""
    monkeypatch.delenv("IGNITE_CONFIG", raising=False)
    (tmp_path / "ignite.toml").write_text(config_text("http://127.0.0.1:9", WEBSITES))
    small_lake(tmp_path / "lake")
    return tmp_path


def piped(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [IGNITE_ASSETS, "sql", *arguments], cwd=folder, env=environment(), input=text, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


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
    done = piped(folder, f"{COUNTS};\n", "--format", "csv")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:2] == ["website,date,people", "acme-honda,2026-11-20,2"]


def test_several_queries_have_a_table_each(folder: Path) -> None:
    done = piped(folder, "CREATE TEMP TABLE mine AS FROM visitors; SELECT count(*) FROM mine; SELECT 42;")

    assert done.stdout.count("1 row\n") == 2
    assert "│            7 │" in done.stdout
    refused = piped(folder, "SELECT 1; SELECT 2", "--format", "csv")
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
def test_a_wrong_query_is_told_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, query: str, said: str
) -> None:
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(main, ["sql", query])

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert isinstance(CliRunner().invoke(main, ["sql", query, "--debug"]).exception, IgniteError)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((" ; ",), "the query is empty"),
        (("SELECT 1", "--format", "parquet"), "--format parquet needs --output"),
        (("SELECT 1", "--output", "nowhere/rows.csv"), "there is no folder nowhere"),
        (("SELECT 1", "--output", "rows.xlsx"), "--format is needed"),
        (("SELECT 1", "--format", "xml"), "'xml' is not one of"),
    ],
)
def test_bad_usage_is_told_as_such(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(main, ["sql", *arguments])

    assert (done.exit_code, done.stdout) == (2, "")
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


class Terminal:
    """A conversation with `ignite-assets sql`."""

    def __init__(self, folder: Path) -> None:
        self.end, child = pty.openpty()
        self.process = subprocess.Popen(
            [IGNITE_ASSETS, "sql"], cwd=folder, env=environment(TERM="dumb"), stdin=child, stdout=child, stderr=child,
            start_new_session=True, preexec_fn=_take_terminal,  # noqa: PLW1509 - one thread
        )  # fmt: skip
        os.close(child)

    def say(self, text: str) -> str:
        """Type a text; what is shown until the next prompt."""
        os.write(self.end, text.encode())
        return self.until("> ")

    def interrupt(self) -> str:
        """Press Ctrl-C until there is a new prompt: one that comes just before readline or DuckDB waits is lost."""
        shown = ""
        for _ in range(20):
            os.write(self.end, b"\x03")
            shown += self.until("> ", 3)
            if shown.endswith("ignite> "):
                break
        return shown

    def until(self, end: str, seconds: float = 60) -> str:
        """What is shown until it ends in a text, or the process does, or nothing comes any more."""
        shown = ""
        while not shown.endswith(end):
            ready, _, _ = select.select([self.end], [], [], seconds)
            try:
                data = os.read(self.end, 1 << 16) if ready else b""
            except OSError:
                data = b""
            if not data:
                break
            shown += data.decode(errors="replace").replace("\r", "")
        return shown

    def left(self) -> int:
        """What the process ends with, once it does."""
        self.until("never")
        return self.process.wait(60)

    def close(self) -> None:
        """Hang up."""
        self.process.kill()
        self.process.wait()
        os.close(self.end)


def _take_terminal() -> None:
    """Make standard input the terminal that Ctrl-C in it is for."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminal(folder: Path) -> Iterator[Terminal]:
    opened = Terminal(folder)
    yield opened
    opened.close()


def test_a_terminal_takes_one_query_after_another(terminal: Terminal, folder: Path) -> None:
    assert ".help shows what can be typed besides SQL" in terminal.until("> ")

    assert "SELECT count(*)\n   ...> " in terminal.say("SELECT count(*)\n")
    assert "│            7 │" in terminal.say("FROM visitors;\n")
    assert 'Error: Parser Error: syntax error at or near "SELEC"' in terminal.say("SELEC 1;\n")
    assert "   ...> " in terminal.say("SELECT ';\n")
    assert "│ ;\\nx    │" in terminal.say("x';\n")

    tables = terminal.say(".tables\n")
    assert "visitors                2         3 dates, 2026-11-20 to 2026-11-23" in tables
    assert "sales                   0         no dates" in tables
    schema = terminal.say(".schema visitors\n")
    assert "date          DATE                      The look-back date" in schema
    assert "Hash of a visitor's e-mail address." in schema
    assert "did you mean visitors?" in terminal.say(".schema visitor\n")
    assert "say of which asset" in terminal.say(".schema\n")
    assert ".schema ASSET" in terminal.say(".help\n")
    assert "there is no .nothing; there are .tables, .schema, .help, .quit" in terminal.say(".nothing\n")

    visitors(Lake(str(folder / "lake")), dt.date(2026, 11, 24), [1, 2, 3])
    assert "│           10 │" in terminal.say("SELECT count(*) FROM visitors;\n")

    os.write(terminal.end, b".quit\n")
    assert terminal.left() == 0


def test_ctrl_c_drops_what_was_typed_and_ctrl_d_leaves(terminal: Terminal) -> None:
    terminal.until("> ")

    terminal.say("SELECT 1\n")
    assert terminal.interrupt().endswith("ignite> ")
    assert "│    42 │" in terminal.say("SELECT 42 AS n;\n")

    os.write(terminal.end, b"\x04")
    assert terminal.left() == 0


@pytest.mark.slow
def test_ctrl_c_stops_a_query_that_runs(terminal: Terminal) -> None:
    terminal.until("> ")

    os.write(terminal.end, b"SELECT 'running'; SELECT count(*) FROM range(1000000000000) r WHERE r.range % 3 = 1;\n")
    assert "running" in terminal.until("1 row\n")
    assert terminal.interrupt().endswith("ignite> ")
    assert "│     5 │" in terminal.say("SELECT 5 AS n;\n")
