"""Whether a run that is on record as under way has a process that works on it.

A killed process leaves its run as it was, and its partitions would be left alone for ever. So each run is tagged with
its process, and says every few minutes that it goes on. It is given up when its process is gone from this machine; or,
on another machine, when it has been silent through many looks: looks are counted, since clocks differ and stand still.
A run that was given up, or ended by force, stores nothing further.
"""

import contextlib
import datetime as dt
import json
import os
import platform
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import dagster as dg

from ignite_assets.api.horizon import Horizon
from ignite_assets.dagster.instance import UNFINISHED
from ignite_assets.dagster.keys import PLAIN, AssetKeys
from ignite_assets.dagster.waiting import NOT_BEFORE

PROCESS = "ignite/process"
"""A run's tag: the process that executes it."""
GIVEN_UP = "ignite/given_up"
"""A run's tag: why it was given up."""
SILENT_LOOKS = 30
"""So many looks, a minute apart, find nothing new of a run of another machine before it is given up."""
BEAT_SECONDS = 300.0
_CHECK_SECONDS = 15.0
Silence = Mapping[str, tuple[int, int]]
"""By run, its last event's id and the number of looks that have found no other."""


@dataclass(frozen=True)
class Process:
    """A process, as no other is known. Linux tells boots, namespaces and starts; elsewhere they are empty."""

    host: str
    boot: str
    namespace: str
    pid: int
    start: str

    @classmethod
    def of(cls, pid: int) -> "Process":
        """The process of this machine that has an id now."""
        return cls(platform.node(), _told("/proc/sys/kernel/random/boot_id"), _namespace(), pid, _start(pid))

    @property
    def is_gone(self) -> bool:
        """Whether it surely isn't there any more. False for one of another machine, container or boot."""
        here = Process.of(self.pid)
        return (
            bool(self.boot) and (here.boot, here.namespace) == (self.boot, self.namespace) and here.start != self.start
        )


def _told(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _start(pid: int) -> str:
    """When a process began, in ticks since the boot; empty when it has ended, be it that nobody has noticed yet."""
    state, *fields = _told(f"/proc/{pid}/stat").rpartition(")")[2].split() or ["Z"]
    return "" if state in "ZX" else fields[18]


class Pulse:
    """A run's sign of life, from a process that executes it."""

    def __init__(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
        self._instance, self._run = instance, run
        self._ended = threading.Event()
        self._checked = 0.0

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Tag the run with its process, and let it be heard of until the block ends."""
        worker = _worker(self._instance, self._run.run_id)
        # A worker that gives each step a process of its own is heard of only while a step of ours is under way.
        about = {**asdict(Process.of(worker or os.getpid())), "beats": worker == os.getpid()}
        if worker and self._run.tags.get(PROCESS) != json.dumps(about):
            self._instance.add_run_tags(self._run.run_id, {PROCESS: json.dumps(about)})
        thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            with contextlib.suppress(Exception):  # the next beat may be recorded
                self._instance.report_engine_event("The run goes on.", self._run)

    def check(self) -> None:
        """Stop the run if it is on record as ended: it was given up, or ended by force."""
        if abs(time.time() - self._checked) < _CHECK_SECONDS:
            return
        recorded = self._instance.get_run_by_id(self._run.run_id)
        if recorded is None or recorded.is_finished:
            raise dg.DagsterExecutionInterruptedError("the run is on record as ended: nothing further is stored")
        self._checked = time.time()


def _worker(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """The process that executes the run: this one, or the one whose step this one is. None for other executors."""
    events = (entry.dagster_event for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT))
    pids = {str(event.engine_event_data.metadata["pid"].value) for event in events if event and _has_pid(event)}
    return next((pid for pid in (os.getpid(), os.getppid()) if str(pid) in pids), None)


def _has_pid(event: dg.DagsterEvent) -> bool:
    return "pid" in event.engine_event_data.metadata


def give_up_lost_runs(
    instance: dg.DagsterInstance, horizon: Horizon, keys: AssetKeys = PLAIN, silence: Silence | None = None
) -> tuple[list[dg.DagsterRun], Silence]:
    """Record runs whose process is gone as failed; those that were given up, and how long others have been silent.

    `silence`: what the last look found; without it, runs of other machines are left alone.
    """
    lost, looked = [], {}
    for run in instance.get_runs(dg.RunsFilter(statuses=list(UNFINISHED))):
        process, beats = _process(run)
        if process is None or not keys.concerns(run):
            continue
        looks = 0
        if beats and silence is not None:
            last = _last_event(instance, run)
            before, count = silence.get(run.run_id, (last, -1))
            looks = count + 1 if before == last else 0
            looked[run.run_id] = (last, looks)
        if process.is_gone:
            lost.append(_given_up(instance, run, horizon, f"its process {process.pid} on {process.host} died"))
        elif looks >= SILENT_LOOKS:
            told = f"nothing was heard of its process {process.pid} on {process.host} in {looks} looks"
            lost.append(_given_up(instance, run, horizon, told))
    return lost, looked


def is_lost(run: dg.DagsterRun) -> bool:
    """Whether the process that executes a run surely isn't there any more."""
    process, _ = _process(run)
    return bool(process and process.is_gone)


def _process(run: dg.DagsterRun) -> tuple[Process | None, bool]:
    """The process that executes a run, and whether that is heard of all the time."""
    try:
        about = json.loads(run.tags[PROCESS])
        beats = bool(about.pop("beats"))
        return Process(**about), beats
    except (KeyError, ValueError, TypeError, AttributeError):
        return None, False


def _last_event(instance: dg.DagsterInstance, run: dg.DagsterRun) -> int:
    records = instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
    return records[0].storage_id if records else 0


def _given_up(instance: dg.DagsterInstance, run: dg.DagsterRun, horizon: Horizon, why: str) -> dg.DagsterRun:
    """Record the run's end; what it did not land is asked for again (`waiting`), once a day."""
    midnight = dt.datetime.combine(horizon.today(), dt.time(), horizon.timezone).astimezone(dt.UTC)
    instance.add_run_tags(run.run_id, {GIVEN_UP: why, NOT_BEFORE: midnight.isoformat()})
    if run.status == dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, f"The run was being stopped when {why}.")
    else:
        instance.report_run_failed(run, f"The run was given up: {why}.")
    return run
