"""Ctrl-C and its like while partitions are captured: no traceback, no run that seems to go on, no process left."""

import contextlib
import os
import re
import select
import signal
import subprocess
from pathlib import Path

import dagster as dg
import pytest

from ignite_assets.sandbox import Fault, SandboxServer
from ignite_assets_tests.cli.conftest import Shop
from ignite_assets_tests.commands import IGNITE_ASSETS, environment

SLOW = 400.0


def left_behind(session: int) -> list[str]:
    """The processes of a session that do not end within a minute."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended in the meantime
            command = (folder / "cmdline").read_text()
            if os.getsid(int(folder.name)) == session and command and not _ends(int(folder.name)):
                found.append(command)
    return found


def _ends(pid: int) -> bool:
    descriptor = os.pidfd_open(pid)
    try:
        return bool(select.select([descriptor], [], [], 60)[0])
    finally:
        os.close(descriptor)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_stopped_it_ends_at_once_and_cleanly(shop: Shop, platform: SandboxServer, number: signal.Signals) -> None:
    platform.faults.add(Fault(endpoint="visitors", delay=SLOW))
    with subprocess.Popen(
        [IGNITE_ASSETS, "materialize", "--json", "--website", "acme-honda", "--website", "bayside-kia"],
        cwd=shop.folder,
        env=environment(**shop.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr
        for line in process.stderr:
            if (landed := re.match(r"(\d+) of \d+ ", line)) and int(landed[1]) >= 8:
                break  # both websites have begun, and wait for their visitors
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
