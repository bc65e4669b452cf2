"""Ctrl-C and its like while partitions are captured: no traceback, no run that seems to go on, no process left."""

import contextlib
import os
import re
import select
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import dagster as dg
import pytest

from ignite_assets.cli.command import Command
from ignite_assets.dagster.liveness import GIVEN_UP
from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets_tests.cli.conftest import Shop
from ignite_assets_tests.commands import IGNITE_ASSETS, environment

SLOW = 400.0


def in_session(session: int) -> list[int]:
    """The processes of a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended in the meantime
            if os.getsid(int(folder.name)) == session and (folder / "cmdline").read_text():
                found.append(int(folder.name))
    return found


def left_behind(session: int) -> list[str]:
    """The processes of a session that do not end within a minute."""
    found = []
    for pid in in_session(session):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_text()
            if not _ends(pid):
                found.append(command)
    return found


def _ends(pid: int) -> bool:
    descriptor = os.pidfd_open(pid)
    try:
        return bool(select.select([descriptor], [], [], 60)[0])
    finally:
        os.close(descriptor)


WANTED = ("--website", "acme-honda", "--select", "products,visitors")


@contextlib.contextmanager
def at_work(shop: Shop, landed: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command whose partitions have landed but for those that wait for visitors."""
    with subprocess.Popen(
        [IGNITE_ASSETS, "materialize", "--json", *arguments],
        cwd=shop.folder,
        env=environment(**shop.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr
        for line in process.stderr:
            if (told := re.match(r"(\d+) of \d+ ", line)) and int(told[1]) >= landed:
                break
        yield process


@pytest.mark.slow
@pytest.mark.parametrize("whole", [False, True], ids=["its group", "its workers as well"])
def test_killed_it_hides_no_day_from_the_next_command(shop: Shop, platform: SandboxServer, whole: bool) -> None:
    platform.faults.add(Fault(endpoint="visitors", delay=SLOW))
    with at_work(shop, 1, *WANTED) as process:
        for pid in in_session(process.pid) if whole else ():
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert left_behind(process.pid) == []
    with shop.instance() as instance:
        (run,) = instance.get_runs()
        assert run.status == (dg.DagsterRunStatus.STARTED if whole else dg.DagsterRunStatus.FAILURE)
        platform.faults.clear()

        partitions, done = shop.materialize(*WANTED)

        assert done.returncode == 0
        assert {each["asset"]: each["status"] for each in partitions} == {
            "products": "skipped",
            "visitors": "materialized",
        }
        again, given_up = instance.get_runs()
        assert (again.status, given_up.status) == (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
        assert ("died" in given_up.tags.get(GIVEN_UP, "")) == whole


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_that_comes_in_a_destructor_still_stops_it(number: signal.Signals) -> None:
    class Dropped:
        def __del__(self) -> None:
            signal.raise_signal(number)

    @click.command(cls=Command)
    def waits() -> None:
        Dropped()
        threading.Event().wait(60)

    with pytest.raises(SystemExit) as ended:
        waits.main([], standalone_mode=False)
    assert ended.value.code == 128 + number


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_stopped_it_ends_at_once_and_cleanly(shop: Shop, platform: SandboxServer, number: signal.Signals) -> None:
    platform.faults.add(Fault(endpoint="visitors", delay=SLOW))
    both = ("--website", "acme-honda", "--website", "bayside-kia")
    with at_work(shop, 8, *both) as process:  # both websites have begun
        os.killpg(process.pid, number)  # as a terminal does: to the command and to whatever it started
        printed, errors = process.communicate(timeout=SLOW / 2)

    assert process.returncode == 128 + number
    assert printed == ""
    assert "of 24 partitions landed; the runs under way are recorded as canceled.\nInterrupted.\n" in errors
    assert "Traceback" not in errors
    assert left_behind(process.pid) == []
    with shop.instance() as instance:
        assert dg.DagsterRunStatus.CANCELED in {run.status for run in instance.get_runs()}
        assert [run for run in instance.get_runs() if not run.is_finished] == []
    assert all(name.endswith("/part-0.parquet") for name in shop.files())
