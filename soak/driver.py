"""The soak itself: moves the clock from night to night, pulls plugs, and waits for runs to end."""

import datetime as dt
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path

import dagster as dg

from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.api.horizon import LOOK_BACK_DAYS, Horizon
from ignite_assets.config import load_settings
from ignite_assets.dagster.instance import DAGSTER_YAML, open_instance
from ignite_assets.dagster.landing import Kept
from ignite_assets.dagster.partitions import keys_of, partition_key, read_key
from ignite_assets.sandbox import Fault, SandboxServer, frozen, websites
from ignite_assets.sandbox.damage import DRIPS
from ignite_assets.sandbox.faults import SandboxCall
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.examination import captured_at
from soak.clock import CLOCK_VARIABLE, ClockFile
from soak.definitions import soak_definitions
from soak.exporting import RULES, Exports
from soak.plan import SICKNESSES, Night, Victim, plan
from soak.processes import CodeServer, Command, Daemon, free_port
from soak.proof import Excuses, Proof, is_doubted, materializations, prove
from soak.ticks import LOCATION, Scheduler, Watch, submit_by_hand

NIGHTLY, HEAL = "nightly_schedule", "heal_schedule"
PHASE_SECONDS = 600.0
"""The longest that a night's runs may take."""
_POLL_SECONDS = 0.2
_CALLS_A_RUN = 35
"""About as many calls a night's run makes: plugs are pulled after some of them."""
OLD_DAYS = 3
"""Days beyond the look-back window that an operator asks for in the last night."""
_QUEUE = """
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    dequeue_interval_seconds: 1
"""
_TROUBLES = (
    Fault(status=429, retry_after=1),
    Fault(status=503),
    Fault(status=500),
    Fault(cut="reset"),
    Fault(cut="close"),
    Fault(cut="length"),
    Fault(cut="chunked"),
)
"""What goes wrong at random, each as often as the others."""
_SAID_ONCE = ("audiences", "audience_groups", "sales", "visitors", "products", "locations")
"""Endpoints that answer a capture in one piece: midnight comes while one of them is asked."""
_BEFORE, _AFTER = (50, 59), (1, 40)
"""Seconds before and after midnight between which it comes."""
_SENSE_SECONDS = 2.0
_STOP_SECONDS = 60.0
"""The longest that a run takes to end when it is terminated."""
_BACK_DAYS = 1
"""Days that an operator asks for again while the platform is sick."""
_LOOKED_AT_DAYS = 4
"""Nights in which an operator looks for what is doubted."""
_DETAILS = tuple(endpoint.name for endpoint in ENDPOINTS if endpoint.ids)
_DRIP_SHARE, _VANISHED_SHARE, _MIXED_UP_SHARE = 0.1, 0.2, 0.2
_A_NIGHT = 2
"""Of these at most so many a night: a call that drips is not made again, nor is one for an entity that is gone."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a soak is told."""

    folder: Path
    """Where everything of it is; emptied before it begins."""
    first: dt.date | None = None
    """The first night's day; by default the one with which the last night's is yesterday."""
    days: int = 60
    websites: int = 2
    households: int = 200
    history: int = 14
    """Days before the first night that the healer finds missing in it."""
    trouble: float = 0.12
    """Share of calls that go wrong at random."""
    seed: int = 2020
    seconds: float = 3600
    """The longest that it may take."""


@dataclass
class Report:
    """What happened, and what was proved."""

    nights: int = 0
    unattended: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    jumps: int = 0
    midnights: int = 0
    """How many came while a run waited for answers."""
    sick: Counter[str] = field(default_factory=Counter)
    """Nights by the way in which the platform regressed."""
    exports: Counter[str] = field(default_factory=Counter)
    """Lists by what happened to them; `proved` are those that hold the people whom the world saw."""
    faults: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    retries: int = 0
    refused: int = 0
    """Partitions that an operator asked for beyond the look-back window, and that were refused."""
    oldest_asked: int = 0
    """The largest age of a date that reached the platform, in days."""
    seconds: float = 0
    proof: Proof = field(default_factory=Proof)


class Soak:
    """One soak, from the first night to the last."""

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        """Make the folder and everything in it; nothing runs yet. `say` hears of each night."""
        self._options, self._say = options, say
        self._draw = random.Random(options.seed)  # noqa: S311 - chance that can be repeated, not secrecy
        first = options.first or dt.datetime.now(dt.UTC).date() - dt.timedelta(days=options.days)
        self._nights = plan(first, options.days, options.seed)
        self._start = self._nights[0].day - dt.timedelta(days=options.history)
        self.report = Report()
        self.excuses = Excuses(self._nights[0].day + dt.timedelta(days=1))
        self._folder = _emptied(options.folder)
        self._clock = ClockFile(self._folder / "clock")
        self._port = free_port()
        self._began = time.monotonic()
        self._crossing: str | None = None
        self._next_look = 0.0
        self._terminated: list[str] = []

    def run(self) -> Report:
        """Live through the nights, then prove."""
        with self._sandbox() as self._server, self._instance() as self._dagster, self._processes():
            self._settings = load_settings(self._folder / "ignite.toml")
            definitions = soak_definitions(self._settings, self._clock)
            times = {NIGHTLY: self._settings.schedule.nightly, HEAL: self._settings.schedule.heal}
            self._scheduler = Scheduler(self._dagster, definitions, times, _at(self._nights[0].day, dt.time(12)))
            self._watch = Watch(self._dagster)
            self.exports = Exports(
                self._settings, self._dagster, definitions, self._scheduler, self._server.websites, self.excuses
            )
            for night in self._nights:
                self._live(night)
            if (self._nights[-1].day - self._start).days >= LOOK_BACK_DAYS + OLD_DAYS:
                self._ask_for_old_days()
            self._prove()
        self.report.seconds = time.monotonic() - self._began
        return self.report

    @property
    def days(self) -> list[dt.date]:
        """Every day that has a partition when the soak ends."""
        return [self._start + dt.timedelta(days=n) for n in range((self._nights[-1].day - self._start).days + 1)]

    # What there is.

    @contextmanager
    def _sandbox(self) -> Iterator[SandboxServer]:
        sites = websites(self._options.websites, self._options.households)
        with SandboxServer(sites, now=self._clock) as server:
            self._count_faults(server)
            yield server

    def _count_faults(self, server: SandboxServer) -> None:
        strike = server.faults.strike

        def counted(call: SandboxCall) -> tuple[float, Fault | None]:
            if self._crossing and (call.endpoint, call.id) == (self._crossing, None):
                self._cross()
            delay, fault = strike(call)
            if fault:
                self.report.faults[_name(fault)] += 1
            if fault and fault.regress and call.website:
                self.excuses.sick.add((call.website, self._clock()))
            gone = fault and (fault.status == HTTPStatus.NOT_FOUND or fault.regress == "not_found")
            if gone and call.website and call.id:
                self.excuses.gone[call.endpoint, call.website, self._clock()].add(call.id)
            return delay, fault

        server.faults.strike = counted  # type: ignore[method-assign]

    @contextmanager
    def _instance(self) -> Iterator[dg.DagsterInstance]:
        home = self._folder / "dagster_home"
        home.mkdir()
        (home / "dagster.yaml").write_text(DAGSTER_YAML + _QUEUE)
        before = dict(os.environ)
        try:
            with open_instance(home) as instance:
                yield instance
        finally:
            os.environ.clear()
            os.environ.update(before)

    @contextmanager
    def _processes(self) -> Iterator[None]:
        (self._folder / "ignite.toml").write_text(self._configuration())
        workspace = self._folder / "workspace.yaml"
        workspace.write_text(
            f"load_from:\n  - grpc_server:\n      host: 127.0.0.1\n      port: {self._port}\n"
            f"      location_name: {LOCATION}\n"
        )
        (self._folder / "tmp").mkdir()
        self._environment = environment = {
            "IGNITE_CONFIG": str(self._folder / "ignite.toml"),
            CLOCK_VARIABLE: str(self._folder / "clock"),
            "TMPDIR": str(self._folder / "tmp"),
            "PYTHONWARNINGS": "ignore",
            **self._credentials(),
        }
        self._code = CodeServer(self._port, environment, self._folder / "code_server.log")
        self._daemon = Daemon(workspace, environment, self._folder / "daemon.log")
        self._move(_at(self._nights[0].day, dt.time(23, 59)))
        try:
            self._code.start()
            self._daemon.start()
            yield
        finally:
            self._daemon.kill()
            self._code.kill()

    def _configuration(self) -> str:
        tables = [
            f'[websites.{site.key}]\ntoken_env = "{_variable(site.key, "TOKEN")}"\n'
            f'secret_env = "{_variable(site.key, "SECRET")}"\n'
            for site in self._server.websites
        ]
        # The real clock must start nothing: the ticks are ours.
        head = f'[platform]\nbase_url = "{self._server.url}"\nmax_concurrency = 8\n[schedule]\nenabled = false\n'
        start = f'[partitions]\nstart_date = "{self._start}"\n'
        return "".join([head, start, '[storage]\nroot = "lake"\n', *tables, RULES])

    def _credentials(self) -> dict[str, str]:
        return {
            _variable(site.key, what): value
            for site in self._server.websites
            for what, value in (("TOKEN", site.token), ("SECRET", site.secret))
        }

    # Time.

    def _move(self, moment: dt.datetime) -> None:
        """Set the clock of all that there is, once the journal of the moment before has been read."""
        self._read_journal()
        self._clock.move(moment)
        self._server.now = frozen(moment)

    def _read_journal(self) -> None:
        """Note what was asked at the moment that the clock shows, and for which dates."""
        asked = list(self._server.requests)
        self._server.requests.clear()
        self.report.requests += len(asked)
        dates = [dt.date.fromisoformat(request.date) for request in asked if request.date]
        if dates:
            age = (self._clock().date() - min(dates)).days
            self.report.oldest_asked = max(self.report.oldest_asked, age)
            if age > LOOK_BACK_DAYS:
                self.report.proof.problems.append(f"{min(dates)} was asked for at {self._clock()}: {age} days back")

    def _moment(self, day: dt.date, time_of_day: dt.time) -> dt.datetime:
        """A time of the night after a day, some seconds past it."""
        after = _at(day + dt.timedelta(days=1), time_of_day)
        return after + dt.timedelta(seconds=self._draw.uniform(1, 55))

    # Nights.

    def _live(self, night: Night) -> None:
        began = time.monotonic()
        self.report.nights += 1
        self._server.faults.clear()
        self._excuse(night)
        if night.scene == "midnight":
            self._trouble()
            self._midnight(night)
        elif night.attended:
            self._begin(night)
            self._trouble(drips=night.scene != "command")
            self._nightly(night)
            self.exports.make()
            if night.scene == "sick":
                self._launch([night.day - dt.timedelta(days=n) for n in range(1, _BACK_DAYS + 1)])
            self._phase(night, HEAL, night.victim_of_healing)
            self._end(night)
        else:
            self.report.unattended += 1
            if night.part == 0:
                self._leave(night)
        self.exports.make()
        self._note_on_time(night.day)
        scene = night.sickness or night.scene or night.victim or ""
        self._say(f"{night.day}  {scene:<12} {time.monotonic() - began:5.1f} s")

    def _excuse(self, night: Night) -> None:
        """Nobody can see the present of this night: all websites', or one's."""
        keys = [site.key for site in self._server.websites]
        if not night.attended:
            self._excuse_all(night, keys, "nobody was there")
        elif night.scene == "midnight":
            self._excuse_all(night, keys, "midnight came first")
        elif night.scene == "down":
            self._excuse_all(night, keys[:1], "the website was down")
        elif night.scene == "credentials":
            self._excuse_all(night, keys[-1:], "the credentials were wrong")

    def _excuse_all(self, night: Night, keys: list[str], reason: str) -> None:
        self.excuses.present.update({(night.day, key): reason for key in keys})

    def _leave(self, night: Night) -> None:
        """The first night of a scene without anybody: the daemon dies, or the clock is about to jump."""
        if night.scene == "no daemon":
            self._daemon.kill()
            self.report.kills["daemon"] += 1
        else:
            self.report.jumps += 1

    def _begin(self, night: Night) -> None:
        site = self._server.websites
        if not self._daemon.running:
            self._daemon.start()
        if night.scene == "down":
            self._server.faults.add(Fault(website=site[0].key, cut="reset") if night.part else _down(site[0].key))
        if night.scene == "credentials":
            self._deploy({_variable(site[-1].key, "SECRET"): "not-the-secret"})
        if night.sickness:
            self._server.faults.add(*_sick(night.sickness, self._draw.choice(site).key))
            self.report.sick[night.sickness] += 1

    def _end(self, night: Night) -> None:
        if night.scene == "credentials":
            self._deploy({})
        self._server.faults.clear()
        if not night.is_late:
            self._capture_doubted_again(night)

    def _capture_doubted_again(self, night: Night) -> None:
        """What an operator does in the morning: force what is doubted, once the platform is well."""
        self._move(self._moment(night.day, dt.time(8)))
        lake = Lake(self._settings.root)
        days = [night.day - dt.timedelta(days=n) for n in range(_LOOKED_AT_DAYS)]
        horizon = Horizon(now=self._clock)
        wanted = [
            Partition(endpoint.name, site.key, day)
            for endpoint in ENDPOINTS
            for site in self._server.websites
            for day in days
            if horizon.refusal(endpoint, day) is None
        ]
        there = [each for each in wanted if each not in self.excuses.asked and lake.exists(each)]
        doubted = [each for each in there if is_doubted(lake, each, self._settings)]
        self.excuses.asked.update(doubted)
        self._capture(doubted, force=True)

    def _note_on_time(self, day: dt.date) -> None:
        """Note what was captured the night after its day, and brought rows: nothing but a force may replace it."""
        lake = Lake(self._settings.root)
        for endpoint in ENDPOINTS:
            for site in self._server.websites:
                partition = Partition(endpoint.name, site.key, day)
                kept = Kept.if_readable(lake, partition)
                if kept and kept.is_on_time(dt.UTC):
                    self.excuses.on_time[partition] = captured_at(kept.footer)

    def _deploy(self, environment: dict[str, str]) -> None:
        """Start code server and daemon anew, with other credentials."""
        self._daemon.stop()
        self._code.stop()
        self._code.start(**environment)
        self._daemon.start()

    def _trouble(self, *, drips: bool = True) -> None:
        share = self._options.trouble / len(_TROUBLES)
        for trouble in _TROUBLES:
            fields = {name: getattr(trouble, name) for name in ("status", "cut", "retry_after")}
            self._server.faults.add(Fault(**fields, probability=share, seed=self._draw.getrandbits(32)))
        self._server.faults.add(*(fault for fault in self._rare_trouble() if drips or not fault.drip))

    def _rare_trouble(self) -> Iterator[Fault]:
        """An answer that drips, answers for another id than the one asked for, and entities that are gone."""
        draw = self._draw
        drip = Fault(drip=draw.choice(list(DRIPS)), probability=_DRIP_SHARE, times=1)
        mixed_up = Fault(endpoint="location_details", mixed_up=True, probability=_MIXED_UP_SHARE, times=_A_NIGHT)
        gone = Fault(endpoint=draw.choice(_DETAILS), status=404, probability=_VANISHED_SHARE, times=_A_NIGHT)
        yield from (replace(fault, seed=draw.getrandbits(32)) for fault in (drip, mixed_up, gone))

    def _nightly(self, night: Night) -> None:
        if night.scene == "back":
            self._tick_and_go_back(night)
        elif night.scene == "ahead":  # three days after the night before: in the middle of this one
            self._move(self._moment(night.day, self._settings.schedule.heal))
            self._scheduler.tick(self._clock(), self._port)
            self._wait(None)
        elif night.scene == "command":
            self._command(night)
        else:
            self._phase(night, NIGHTLY, night.victim)

    def _midnight(self, night: Night) -> None:
        """The night's runs start late, and a midnight comes while they are under way."""
        before = _at(night.day + dt.timedelta(days=1), dt.time(23, 59)) + dt.timedelta(seconds=self._seconds(_BEFORE))
        self._move(before)
        self._crossing = self._draw.choice(_SAID_ONCE)
        self._scheduler.tick(before, self._port)
        self._wait(None)
        self._crossing = None

    def _cross(self) -> None:
        self._crossing, before = None, self._clock()
        midnight = _at(before.date() + dt.timedelta(days=1), dt.time())
        after = midnight + dt.timedelta(seconds=self._seconds(_AFTER))
        self.excuses.midnights.append((before, after))
        self.report.midnights += 1
        self._clock.move(after)
        self._server.now = frozen(after)

    def _seconds(self, between: tuple[int, int]) -> float:
        return self._draw.uniform(*between)

    def _command(self, night: Night) -> None:
        """Our own command captures the night, and its processes are killed; it, or the daemon, takes them up again."""
        now = self._moment(night.day, self._settings.schedule.nightly)
        self._move(now)
        self._scheduler.skip(NIGHTLY, now)
        asked = ["materialize", "--date", str(night.day)]
        command = Command(asked, self._environment, self._folder / "command.log")
        calls = self._draw.randint(1, _CALLS_A_RUN * self._options.websites)
        command.start()
        while command.running and len(self._server.requests) < calls:
            self._check_time(self._began + self._options.seconds)
            time.sleep(_POLL_SECONDS / 4)
        if command.running:
            self.report.kills["command"] += 1
        command.kill_all() if self._draw.random() < 1 / 2 else command.kill()
        if self._draw.random() < 1 / 2:
            command.start()
            command.wait()
        self._wait(None)

    def _tick_and_go_back(self, night: Night) -> None:
        """The night's runs are in the queue when the clock goes back by an hour: their day has not closed yet."""
        self._daemon.stop()
        self._move(self._moment(night.day, self._settings.schedule.nightly))
        self._scheduler.tick(self._clock(), self._port)
        self._move(self._clock() - dt.timedelta(hours=1))
        self.report.jumps += 1
        self._scheduler.tick(self._clock(), self._port)
        self._daemon.start()
        self._wait(None)
        if asked := len(self._server.requests):
            self.report.proof.problems.append(f"{night.day} had not closed yet: {asked} requests were made")

    def _phase(self, night: Night, schedule: str, victim: Victim | None) -> None:
        """One of the night's two times: tick, and wait for what was started."""
        time_of_day = {NIGHTLY: self._settings.schedule.nightly, HEAL: self._settings.schedule.heal}[schedule]
        self._move(self._moment(night.day, time_of_day))
        if not self._scheduler.tick(self._clock(), self._port):
            return
        struck = self._wait(victim)
        if schedule == HEAL:  # nobody brings the present back after that
            self.excuses.present.update(dict.fromkeys(struck, "the healer's run was killed"))

    def _wait(self, victim: Victim | None) -> set[tuple[dt.date, str]]:
        """Wait for all runs to end; the partitions of runs that were under way when something was killed."""
        deadline = time.monotonic() + PHASE_SECONDS
        struck: set[tuple[dt.date, str]] = set()
        requests = self._draw.randint(0, _CALLS_A_RUN * self._options.websites) * (victim is not None)
        while self._watch.unfinished():
            self._check_time(min(deadline, self._began + self._options.seconds))
            self._take_up_again()
            workers = self._code.workers()
            if victim and workers and len(self._server.requests) >= requests:
                time.sleep(self._draw.uniform(0, 0.3))
                struck = {read_key(key) for run in self._watch.under_way() for key in keys_of(run.tags)}
                if victim == "run":
                    self._terminate()
                else:
                    self._kill(victim)
                victim = None
            self._watch.look(workers=workers)
            time.sleep(_POLL_SECONDS)
        return struck

    def _check_time(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the runs of {self._clock()} did not end")

    def _take_up_again(self) -> None:
        """Request what runs left out whose processes died, as the daemon does every minute by the package's sensor."""
        if time.monotonic() < self._next_look:
            return
        # Looks are a minute apart, so many of them that hear nothing mean more than so many of ours.
        if requests := self._scheduler.sense("come_back_sensor", remembers=False):
            submit_by_hand(self._dagster, requests, self._clock(), self._port)
        self._next_look = time.monotonic() + _SENSE_SECONDS

    def _terminate(self) -> None:
        """Terminate a run as the UI does, and wait for its end."""
        runs = [run for run in self._watch.under_way() if run.status == dg.DagsterRunStatus.STARTED]
        if not runs:
            return
        run = self._draw.choice(runs)
        self._terminated.append(run.run_id)
        self.report.kills["run"] += 1
        self._dagster.run_coordinator.cancel_run(run.run_id)
        deadline = time.monotonic() + _STOP_SECONDS
        while run.run_id in {each.run_id for each in self._watch.unfinished()}:
            if time.monotonic() > deadline:
                self.report.proof.problems.append(f"run {run.run_id} goes on after it was terminated")
                return
            time.sleep(_POLL_SECONDS)

    def _kill(self, victim: Victim) -> None:
        if victim == "worker":
            workers = self._code.workers()
            if not workers:
                return
            os.kill(self._draw.choice(workers), signal.SIGKILL)
        else:
            self._daemon.kill()
            if victim == "everything":
                self._code.kill()
                self._code.start()
            self._daemon.start()
        self.report.kills[victim] += 1

    # The end.

    def _ask_for_old_days(self) -> None:
        """Launch what can't be captured any more: it is to fail unasked, and to leave what there is.

        Then the oldest day that can be, which is to land.
        """
        self._move(self._moment(self._nights[-1].day, dt.time(4)))
        oldest, *older = (self._clock().date() - dt.timedelta(days=LOOK_BACK_DAYS + n) for n in range(OLD_DAYS + 1))
        before = self._bytes(older)
        self._launch(older, force=True)
        if asked := len(self._server.requests):
            self.report.proof.problems.append(f"days beyond the look-back window: {asked} requests were made")
        if self._bytes(older) != before:
            self.report.proof.problems.append("days beyond the look-back window: their files were touched")
        self.report.refused = len(older)
        before = self._bytes([oldest])
        self._launch([oldest], force=True)
        if self._bytes([oldest]) == before:
            self.report.proof.problems.append(f"{oldest} was not captured anew, {LOOK_BACK_DAYS} days back")

    def _launch(self, days: list[dt.date], *, force: bool = False) -> None:
        """Run what tells the past of the first website's days, as an operator does, and wait for it."""
        site = self._server.websites[0].key
        look_back = [endpoint.name for endpoint in ENDPOINTS if endpoint.history == "look_back"]
        partitions = [Partition(name, site, day) for day in days for name in look_back]
        if force:
            self.excuses.asked.update(partitions)
        self._capture(partitions, force=force)

    def _capture(self, partitions: Sequence[Partition], *, force: bool) -> None:
        """Run what an operator launches by hand, a run for each day of a website, and wait for it."""
        config = {"config": {"replace_on_time": force}}
        requests = []
        for day, website in sorted({(each.date, each.website) for each in partitions}):
            names = [each.asset for each in partitions if (each.date, each.website) == (day, website)]
            key = partition_key(day, website)
            requests.append(
                dg.RunRequest(
                    run_key=f"by hand|{self._clock()}|{key}",
                    partition_key=key,
                    asset_selection=[dg.AssetKey(name) for name in names],
                    run_config={"ops": dict.fromkeys(names, config)},
                )
            )
        if requests:
            submit_by_hand(self._dagster, requests, self._clock(), self._port)
            self._wait(None)

    def _bytes(self, days: list[dt.date]) -> dict[str, bytes]:
        """The files of the first website's days."""
        root, site = Path(self._settings.root), self._server.websites[0].key
        paths = [path for day in days for path in sorted(root.glob(f"*/website={site}/date={day}/*"))]
        return {str(path): path.read_bytes() for path in paths}

    def _prove(self) -> None:
        self._read_journal()
        self.report.exports = self.exports.counts
        proof = prove(self._settings, self._server.world, self._server.websites, self._dagster, self.days, self.excuses)
        proof.problems[:0] = [*self.report.proof.problems, *self.exports.problems, *self._went_on()]
        if unfinished := self._watch.unfinished():
            proof.problems.append(f"{len(unfinished)} runs have not ended")
        self.report.proof = proof
        self.report.runs = Counter(run.status.value for run in self._dagster.get_runs())
        self.report.retries = sum(
            int(str(each.metadata["retries"].value))
            for endpoint in ENDPOINTS
            for each in materializations(self._dagster, endpoint.name)
            if "retries" in each.metadata  # not of those that were recorded from what the lake holds
        )

    def _went_on(self) -> Iterator[str]:
        """The runs that did not stop when they were terminated: which may be at the end of a step by then."""
        begun = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_RESTARTED}
        for run in self._terminated:
            entries = self._dagster.all_logs(run)
            kinds = [entry.dagster_event.event_type for entry in entries if entry.dagster_event]
            stopped = kinds.index(dg.DagsterEventType.PIPELINE_CANCELING)
            if (steps := sum(kind in begun for kind in kinds[stopped:])) > 1:
                yield f"run {run} began {steps} steps after it was terminated"


def _emptied(folder: Path) -> Path:
    folder = folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    return folder


def _at(day: dt.date, time_of_day: dt.time) -> dt.datetime:
    return dt.datetime.combine(day, time_of_day, dt.UTC)


def _variable(key: str, what: str) -> str:
    return f"SOAK_{key.upper().replace('-', '_')}_{what}"


def _down(key: str) -> Fault:
    return Fault(website=key, status=503)


def _sick(sickness: str, website: str) -> Iterator[Fault]:
    """The platform regresses for a website."""
    return (Fault(website=website, endpoint=endpoint, regress=sickness) for endpoint in SICKNESSES[sickness])


def _name(fault: Fault) -> str:
    if fault.regress:
        return fault.regress
    if fault.drip:
        return f"dripping {fault.drip}"
    return "mixed up" if fault.mixed_up else fault.cut or str(fault.status)
