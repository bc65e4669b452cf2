"""The README is true: its tables are what the code says, its commands exist, its examples run."""

import datetime as dt
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from ignite_assets.api.endpoints import ENDPOINTS, EXTRA, Endpoint
from ignite_assets.api.horizon import Horizon
from ignite_assets.api.table import Column
from ignite_assets.cli import main
from ignite_assets.config import load_settings
from ignite_assets.dagster.build import build_defs
from ignite_assets.dagster.partitions import build_partitions
from ignite_assets.sandbox import SandboxServer, frozen, utc_now
from ignite_assets_tests.commands import BIN, ROOT, demo, run
from ignite_assets_tests.conftest import ACME, NOW, WEBSITES, YESTERDAY, Runner, config_text, reasons, set_credentials
from ignite_assets_tests.docs import readme
from ignite_assets_tests.docs.blocks import WRITTEN, moved, normalised
from ignite_assets_tests.docs.readme import README, code, part

TEXT = README.read_text()
ACME_CREDENTIALS = {"ACME_HONDA_TOKEN": ACME.token, "ACME_HONDA_SECRET": ACME.secret}


@pytest.mark.parametrize("name", readme.GENERATED)
def test_what_is_made_from_the_code_is_up_to_date(name: str) -> None:
    assert part(name).rstrip("\n") == readme.GENERATED[name](), "run `make docs`"


@pytest.mark.slow
def test_the_transcript_is_what_the_demo_prints() -> None:
    _, done = demo()

    assert done.returncode == 0
    assert normalised(part("transcript")) == normalised(readme.transcript(done.stdout))


def command_lines() -> Iterator[str]:
    """The lines of blocks without a language, and what stands between backquotes in the text."""
    fence = None
    for line in TEXT.splitlines():
        if line.startswith("```"):
            fence = line if fence is None else None
        elif fence == "```":
            yield line.strip()
        elif fence is None:
            yield from re.findall(r"`([^`]+)`", line)


def commands(program: str) -> Iterator[list[str]]:
    """The words of every command line of a program in the README."""
    for line in command_lines():
        for command in line.split(" -- "):
            if command.startswith(f"{program} "):
                yield shlex.split(command.replace("…", "2026-11-01"))[1:]


@pytest.mark.parametrize("words", list(commands("ignite-assets")), ids=" ".join)
def test_every_command_of_ours_exists_with_its_options(words: list[str]) -> None:
    name, *arguments = words
    command = main.commands[name]

    if arguments:  # the name alone stands for the command, whatever it requires
        command.make_context(name, [*arguments])


@pytest.mark.parametrize("words", list(commands("make")), ids=" ".join)
def test_every_target_exists(words: list[str]) -> None:
    (target,) = words

    assert re.search(rf"^{target}:.* ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_commands_are_found_at_all() -> None:
    assert {words[0] for words in commands("ignite-assets")} == set(main.commands)
    assert {"run", "test", "dev", "check", "docs"} <= {words[0] for words in commands("make")}
    assert len(list(commands("dagster"))) >= 2


@pytest.mark.slow
def test_dagster_materializes_a_partition_as_it_says(config_file: Path, sandbox: SandboxServer, tmp_path: Path) -> None:
    sandbox.now = utc_now
    day = Horizon().yesterday()
    (words,) = [words for words in commands("dagster") if words[:2] == ["asset", "materialize"]]
    where = [f"{day}|{ACME.key}" if "|" in word else word for word in words]
    home = tmp_path / "home"
    home.mkdir()

    done = run(
        *where, folder=ROOT, command=str(BIN / "dagster"),
        env={"IGNITE_CONFIG": str(config_file), "DAGSTER_HOME": str(home), **ACME_CREDENTIALS},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"lake/visitors/website={ACME.key}/date={day}/part-0.parquet").exists()


def test_the_example_configuration_is_right(tmp_path: Path) -> None:
    path = tmp_path / "ignite.toml"
    path.write_text(code("example"))

    settings = load_settings(path)

    assert sorted(settings.websites) == ["acme-honda", "bayside-kia"]
    assert [settings.algo(website) for website in sorted(settings.websites)] == ["sha2", "md5"]


def test_the_row_is_an_endpoint_from_the_client_to_the_lake(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_credentials(monkeypatch)
    known = {"Endpoint": Endpoint, "Column": Column, "EXTRA": EXTRA}
    row: Endpoint = eval(code("row"), known)  # the README's own text
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


@pytest.mark.slow
def test_the_readers_read_the_lake(monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = demo()
    monkeypatch.chdir(folder / ".demo")
    later = (Horizon().yesterday() + dt.timedelta(days=1) - WRITTEN).days
    imports, opened, *readers = [line for line in moved(code("readers"), later).splitlines() if line]
    known: dict[str, object] = {}
    exec(f"{imports}\n{opened}", known)

    table, frame, relation = (eval(reader, known) for reader in readers)

    assert set(table["website"].to_pylist()) == {ACME.key}
    assert list(frame.columns) == ["make", "website", "date"]
    assert len(relation.fetchall()) == 3


def test_the_downstream_example_is_an_asset(config_file: Path) -> None:
    known = {"partitions": build_partitions(load_settings(config_file))}
    exec(code("downstream"), known)

    assert "visitors_a_day" in known


def test_everything_it_says_is_somewhere_is_there() -> None:
    text = code("layout")
    names = re.findall(r"([a-z_]+(?:\.py|\.yaml|/))", text)

    there = {path.name for place in (ROOT, ROOT / "ignite_assets") for path in (*place.glob("*"), *place.glob("*/*"))}
    missing = [name for name in names if name.rstrip("/") not in there]
    assert missing == []
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", TEXT):
        assert (ROOT / picture).stat().st_size < 200_000


def test_it_speaks_of_no_place_on_anybodys_machine() -> None:
    assert not re.search(r"/(home|root|work|Users|tmp)/", TEXT)
