"""What a person should hear of a night: one message a website, made from the instance's records of finished runs.

`webhook` delivers the messages; `alert_sensors` says when. Messages quote only what this package wrote
itself; a foreign exception is named by its class, since its text may hold anything.
"""

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg

from ignite_assets.api.errors import FailureRecord
from ignite_assets.config import Settings
from ignite_assets.dagster import failures
from ignite_assets.dagster.assets import exports
from ignite_assets.dagster.automation import opt_out_job
from ignite_assets.dagster.keys import AssetKeys
from ignite_assets.dagster.liveness import GIVEN_UP
from ignite_assets.dagster.partitions import read_key
from ignite_assets.dagster.private import PARTITION, RANGE_START
from ignite_assets.tables.checks import CHECKS

STALE = "ignite/stale_websites"
"""The metadata key under which a freshness check lists websites with the last date they were captured for."""

RUNS_A_TICK = 100
_OVERLAP_SECONDS = 30.0
"""A run may become visible this much later than one that ended after it: clocks differ, transactions take time."""
_REMEMBERED = 2_000
_LINES = 10
_REMOVALS = "removals"
_FIRST_WAIT_SECONDS = 60
_LONGEST_WAIT_SECONDS = 3_600
_DOUBLINGS = 6
_OURS = frozenset(CHECKS)


@dataclass(frozen=True)
class Trouble:
    """One thing that went wrong with a website's asset."""

    website: str
    asset: str
    failure: FailureRecord


Collect = Callable[[dg.DagsterInstance, dg.DagsterRun, "Ours"], list[Trouble]]


@dataclass(frozen=True)
class Ours:
    """Which runs and records are of a configuration, beside which there may be others in the instance."""

    settings: Settings
    keys: AssetKeys

    def opt_outs(self, run: dg.DagsterRun) -> dict[str, str]:
        """What a run of opt-outs is about: its website, and a dropped file's label; empty for other runs."""
        named = self.settings.dagster.named
        jobs = {opt_out_job.JOB: opt_out_job.OP, exports.REMOVALS_JOB: exports.REMOVALS_OP}
        op = next((named(op) for job, op in jobs.items() if run.job_name == named(job)), None)
        config: Any = run.run_config
        try:
            return dict(config["ops"][op]["config"]) if op else {}
        except (KeyError, TypeError):
            return {}


@dataclass(frozen=True)
class Cursor:
    """How far the runs have been looked through, what was said, and when delivery is tried again."""

    after: float
    """Time of the last run looked at, in seconds since 1970."""
    seen: Mapping[str, float] = field(default_factory=dict)
    """The runs about that time that were looked at, with theirs."""
    said: tuple[str, ...] = ()
    """The website-nights that a message was delivered for, oldest first."""
    failures: int = 0
    """Deliveries that failed in a row."""
    not_before: float = 0.0

    @classmethod
    def read(cls, text: str | None) -> "Cursor | None":
        """The cursor of a sensor's text; None at first, and for a text that isn't one."""
        try:
            fields = json.loads(text or "")
            return cls(**{**fields, "said": tuple(fields["said"])})
        except (ValueError, TypeError, KeyError):
            return None

    @classmethod
    def first(cls, instance: dg.DagsterInstance, now: float) -> "Cursor":
        """One that starts now: history is no news."""
        start = cls(after=now)
        return start.past(finished(instance, start, most=None))

    def text(self) -> str:
        """The cursor as a sensor keeps it."""
        return json.dumps({**self.__dict__, "said": self.said[-_REMEMBERED:]})

    def delivered(self, key: str) -> "Cursor":
        """A message was taken."""
        return replace(self, said=(*self.said, key), failures=0, not_before=0.0)

    def refused(self, now: float) -> "Cursor":
        """A message was not taken: wait twice as long as the last time."""
        wait = min(_FIRST_WAIT_SECONDS * 2 ** min(self.failures, _DOUBLINGS), _LONGEST_WAIT_SECONDS)
        return replace(self, failures=self.failures + 1, not_before=now + wait)

    def past(self, records: Sequence[dg.RunRecord]) -> "Cursor":
        """The runs were looked at, and all that there was to say of them was said."""
        times = {record.dagster_run.run_id: record.update_timestamp.timestamp() for record in records}
        after = max([self.after, *times.values()])
        seen = {run: time for run, time in {**self.seen, **times}.items() if time > after - _OVERLAP_SECONDS}
        return replace(self, after=after, seen=seen)


def finished(instance: dg.DagsterInstance, cursor: Cursor, most: int | None = RUNS_A_TICK) -> list[dg.RunRecord]:
    """Runs that ended and haven't been looked at, oldest first, at most so many."""
    records = instance.get_run_records(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE],
            updated_after=dt.datetime.fromtimestamp(cursor.after - _OVERLAP_SECONDS, dt.UTC),
        ),
        limit=most and most + len(cursor.seen),
        order_by="update_timestamp",
        ascending=True,
    )
    return [record for record in records if record.dagster_run.run_id not in cursor.seen][:most]


@dataclass
class Message:
    """What is said of one website's night."""

    website: str
    night: dt.date
    troubles: list[Trouble] = field(default_factory=list)
    file: str = ""
    """The dropped file of opt-outs that it is about, as the inbox calls it, or `_REMOVALS`; empty for captures."""

    @property
    def key(self) -> str:
        """What makes it the same message, whatever run it comes from."""
        return f"{self.website}|{self.night}" + (f"|{self.file}" if self.file else "")

    def text(self, headline: str) -> str:
        """The message: the website and night, then a line a reason."""
        by_cause: dict[tuple[object, ...], list[Trouble]] = {}
        for trouble in self.troubles:
            by_cause.setdefault(trouble.failure.cause, []).append(trouble)
        alike = sorted(by_cause.values(), key=lambda troubles: troubles[0].failure.words)
        lines = [
            f"• {', '.join(sorted({trouble.asset for trouble in troubles}))}: {troubles[0].failure.words}"
            for troubles in alike
        ]
        more = [f"• and {len(lines) - _LINES} more reasons"] if len(lines) > _LINES else []
        return "\n".join([f"{self.website}, night of {self.night}: {headline}", *lines[:_LINES], *more])


def messages(
    instance: dg.DagsterInstance,
    records: Sequence[dg.RunRecord],
    collect: Collect,
    ours: Ours,
) -> list[Message]:
    """One message for each of our websites and each night that the runs brought trouble to."""
    websites, zone = ours.settings.websites, ours.settings.partitions.zone
    found: dict[tuple[str, dt.date, str], Message] = {}
    for record in records:
        asked = ours.opt_outs(record.dagster_run)
        file = asked.get("label", _REMOVALS if asked else "")
        night = record.create_timestamp.astimezone(zone).date()
        for trouble in collect(instance, record.dagster_run, ours):
            if trouble.website in websites or asked:  # a list may be of a website that is configured no more
                message = found.setdefault((trouble.website, night, file), Message(trouble.website, night, file=file))
                message.troubles.append(trouble)
    return [found[key] for key in sorted(found)]


def failed_partitions(instance: dg.DagsterInstance, run: dg.DagsterRun, ours: Ours) -> list[Trouble]:
    """What a failed run did not capture, and why."""
    website = ours.opt_outs(run).get("website") or _website(run.tags.get(PARTITION) or run.tags.get(RANGE_START))
    if run.status != dg.DagsterRunStatus.FAILURE or website is None or not ours.keys.concerns(run):
        return []
    troubles = []
    failed = list(_events(instance, run, dg.DagsterEventType.STEP_FAILURE))
    for event in failed:
        if ours.keys.is_another_lakes_step(event.step_key or ""):
            continue
        records = failures.failed_partitions(event).values() or [failures.failed_step(event)]
        by_cause = {record.cause: record for record in records}
        troubles += [
            Trouble(website, ours.keys.asset_of_step(event.step_key or ""), record) for record in by_cause.values()
        ]
    how = run.tags.get(GIVEN_UP) or f"ended as {run.status.value.lower()}"
    ended = f"{how}, see run {run.run_id}"
    return troubles if failed else [Trouble(website, "the run", FailureRecord(kind="run", reason=ended, gist=ended))]


def failed_checks(instance: dg.DagsterInstance, run: dg.DagsterRun, ours: Ours) -> list[Trouble]:
    """The checks of a run's partitions that found data not to be used, and the websites that a day is missing of."""
    troubles = []
    for event in _events(instance, run, dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        evaluation = event.asset_check_evaluation_data
        theirs = ours.keys.is_another_lakes(evaluation.asset_key)
        if theirs or evaluation.passed or evaluation.severity != dg.AssetCheckSeverity.ERROR:
            continue
        for website, told in _websites_of(evaluation):
            found = f"{evaluation.check_name}: {told}"
            record = FailureRecord(kind=evaluation.check_name, reason=found, gist=found)
            troubles.append(Trouble(website, ours.keys.asset(evaluation.asset_key), record))
    return troubles


def _website(key: str | None) -> str | None:
    """The website of a partition key; None for keys that aren't ours."""
    try:
        return read_key(key)[1] if key else None
    except ValueError:
        return None


def _websites_of(evaluation: dg.AssetCheckEvaluation) -> list[tuple[str, str]]:
    """The websites that an evaluation is about, each with what is said of it."""
    if website := _website(evaluation.partition):
        told = evaluation.description if evaluation.check_name in _OURS else None
        return [(website, told or "did not pass")]
    stale = evaluation.metadata.get(STALE)
    days: Any = stale.value if isinstance(stale, dg.JsonMetadataValue) else None
    return [(site, f"last captured for {day}") for site, day in days.items()] if isinstance(days, dict) else []


def _events(instance: dg.DagsterInstance, run: dg.DagsterRun, kind: dg.DagsterEventType) -> Iterable[dg.DagsterEvent]:
    for entry in instance.all_logs(run.run_id, of_type=kind):
        if entry.dagster_event:
            yield entry.dagster_event
