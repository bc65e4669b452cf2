"""`ignite-assets sandbox`, as a process: what it prints works, and it stops when it is told to."""

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from ignite_assets_tests.commands import IGNITE_ASSETS, environment, run


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A sandbox under way, and what it printed; killed unless it has ended."""
    with subprocess.Popen(
        [IGNITE_ASSETS, "sandbox", *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        printed = ""
        while "Stop it" not in printed:
            line = process.stdout.readline()
            assert line, process.communicate()
            printed += line
        try:
            yield process, printed
        finally:
            process.kill()


def ask(printed: str, path: str = "/api/visitors", **query: str) -> requests.Response:
    """Call the first website as the sandbox says it can be."""
    (url,) = re.findall(r"http://127\.0\.0\.1:\d+", printed)
    token, secret = re.findall(r"token (\S+) +secret (\S+)", printed)[0]
    return requests.get(f"{url}{path}", {"token": token, "secret": secret, **query}, timeout=30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_what_it_says_until_it_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path) as (process, printed):
        answer = ask(printed)
        process.send_signal(number)
        _, errors = process.communicate(timeout=240)

    assert answer.status_code == 200
    assert len(answer.json()) > 0
    assert (process.returncode, errors) == (0, "")


@pytest.mark.slow
def test_the_variables_it_prints_make_the_other_commands_work(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, printed):
        exported = dict(re.findall(r"export (\w+)=(\S+)", printed))
        done = run("doctor", folder=tmp_path, env=exported)

    assert done.returncode == 0
    assert done.stdout.count("ok    website") == 3


@pytest.mark.slow
def test_it_serves_the_websites_at_the_moment_and_the_speed_that_are_wanted_and_keeps_opt_outs(tmp_path: Path) -> None:
    wanted = ("--websites", "5", "--households", "40", "--latency", "0.5", "--opt-outs", "gone.jsonl")
    found = []
    for now in ("2026-11-20T12:00:00", "2026-11-20"):
        with serving(tmp_path, *wanted, "--now", now) as (_, printed):
            answer = ask(printed, date="2026-11-19")
            (url,) = re.findall(r"http://127\.0\.0\.1:\d+", printed)
            token = re.findall(r"token (\S+)", printed)[0]
            done = requests.post(f"{url}/opt_outs/new", {"token": token, "emails": "nobody@example.com"}, timeout=30)
        assert printed.count(" 40 households") == 5
        assert answer.elapsed.total_seconds() >= 0.5
        assert done.status_code == 200
        found.append(answer.json())

    assert len(found[1]) < len(found[0])
    assert (tmp_path / "gone.jsonl").stat().st_size > 0


def test_calls_fail_when_they_are_to(tmp_path: Path) -> None:
    with serving(tmp_path, "--failing", "1") as (_, printed):
        assert ask(printed).status_code == 503


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, printed):
        (port,) = re.findall(r"http://127\.0\.0\.1:(\d+)", printed)
        done = run("sandbox", "--port", port, folder=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_commands_status_is_its_own(tmp_path: Path) -> None:
    done = run("sandbox", "--", "sh", "-c", "echo $IGNITE_CONFIG; exit 7", folder=tmp_path)

    assert done.returncode == 7
    assert done.stdout == f"{tmp_path}/.sandbox/ignite.toml\n"


def test_a_command_that_a_signal_ends_gives_the_status_that_shells_give(tmp_path: Path) -> None:
    assert run("sandbox", "--", "sh", "-c", "kill -TERM $$", folder=tmp_path).returncode == 128 + signal.SIGTERM


def test_a_command_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = run("sandbox", "--", "no-such-command", folder=tmp_path)

    assert done.returncode == 1
    assert done.stderr == "Error: [Errno 2] No such file or directory: 'no-such-command'\n"


def test_a_start_date_stays_when_the_sandbox_is_started_again(tmp_path: Path) -> None:
    for now in ("2026-11-01", "2026-11-20"):
        run("sandbox", "--now", now, "--", "true", folder=tmp_path)

    assert 'start_date = "2026-09-02"' in (tmp_path / ".sandbox/ignite.toml").read_text()
