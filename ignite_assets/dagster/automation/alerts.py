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
from ignite_assets.dagster.partitions import keys_of, partition_key, read_key
from ignite_assets.tables.checks import CHECKS

STALE = "ignite/stale_websites"
"""The metadata key under which a freshness check lists websites with the last date they were captured for."""

RUNS_A_TICK = 100
_OVERLAP_SECONDS = 30.0
"""A run may become visible this much later than one that ended after it: clocks differ, transactions take time."""
_REMEMBERED = 2_000
_LINES = 10
_FEW_DAYS = 3
_CHARACTERS, _OF_A_REASON = 3_500, 400
"""Slack asks for messages of at most 4,000 characters."""
_LACKING = 200
_DAYS_REMEMBERED = 7
_REMOVALS = "removals"
_FIRST_WAIT_SECONDS = 60
_LONGEST_WAIT_SECONDS = 3_600
_DOUBLINGS = 6
_RUNS_OF_A_NIGHT = 1_000
_OURS = frozenset((*CHECKS, exports.CHECK))


@dataclass(frozen=True)
class Trouble:
    """One thing that went wrong with a website's asset."""

    website: str
    asset: str
    failure: FailureRecord
    days: frozenset[dt.date] = frozenset()
    """The days that are missing, where it is about some."""
    run: str = ""
    """The run's id."""


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
    lacking: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By website, what a message said did not land, as `asset|date`, with the time of the message."""
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

    def delivered(self, message: "Message", now: float) -> "Cursor":
        """A message was taken."""
        lacking = {**self.lacking.get(message.website, {}), **dict.fromkeys(message.lacking, now)}
        kept = dict(sorted(lacking.items())[-_LACKING:])
        return replace(
            self,
            said=(*self.said, message.key),
            lacking={**self.lacking, message.website: kept} if kept else self.lacking,
            failures=0,
            not_before=0.0,
        )

    def recovered(self, website: str) -> "Cursor":
        """What a website lacked has landed, and was told."""
        return replace(self, lacking={k: v for k, v in self.lacking.items() if k != website})

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

    @property
    def lacking(self) -> list[str]:
        """What did not land, as `asset|date`."""
        return [f"{each.asset}|{day}" for each in self.troubles for day in sorted(each.days)]

    def text(self, headline: str, dagster_url: str | None = None) -> str:
        """The message: the website and night, a line a reason, and the run. Escaped for Slack."""
        by_cause: dict[tuple[object, ...], list[Trouble]] = {}
        for trouble in self.troubles:
            by_cause.setdefault(trouble.failure.cause, []).append(trouble)
        alike = sorted(by_cause.values(), key=lambda troubles: troubles[0].failure.words)
        lines = [_escaped(_line(troubles)) for troubles in alike]
        shown = lines[:_LINES]
        while len("\n".join(shown)) > _CHARACTERS:
            shown.pop()
        more = [f"• and {len(lines) - len(shown)} more reasons"] if len(lines) > len(shown) else []
        text = "\n".join([_escaped(f"{self.website}, night of {self.night}: {headline}"), *shown, *more])
        run = next((trouble.run for trouble in reversed(self.troubles) if trouble.run), "")
        link = f"\n<{dagster_url.rstrip('/')}/runs/{run}|The run in Dagster>" if dagster_url and run else ""
        return text + link


def _line(troubles: Sequence[Trouble]) -> str:
    """The assets and days that one cause is of, and the cause."""
    assets = ", ".join(sorted({trouble.asset for trouble in troubles}))
    days = sorted({day for trouble in troubles for day in trouble.days})
    of = f" of {_dates(days)}" if days else ""
    reason = troubles[0].failure.words
    return f"• {assets}{of}: {reason if len(reason) <= _OF_A_REASON else f'{reason[:_OF_A_REASON]}…'}"


def _dates(days: Sequence[dt.date]) -> str:
    """The days, or how many there are between which."""
    if len(days) <= _FEW_DAYS:
        return ", ".join(map(str, days))
    return f"{len(days)} days from {days[0]} to {days[-1]}"


def _escaped(text: str) -> str:
    """The text with the three characters replaced that mean something in Slack."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


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
    """What a failed run did not land, and why: website by website, a trouble for each cause."""
    asked = ours.opt_outs(run).get("website")
    websites = [asked] if asked else sorted(_websites_of_run(run, ours))
    if run.status != dg.DagsterRunStatus.FAILURE or not websites or not ours.keys.concerns(run):
        return []
    troubles = []
    failed = list(_events(instance, run, dg.DagsterEventType.STEP_FAILURE))
    for event in failed:
        if not ours.keys.is_another_lakes_step(event.step_key or ""):
            troubles += _troubles_of_step(event, run, ours.keys.asset_of_step(event.step_key or ""), websites)
    how = run.tags.get(GIVEN_UP) or f"ended as {run.status.value.lower()}"
    ended = f"{how}, see run {run.run_id}"
    record = FailureRecord(kind="run", reason=ended, gist=ended)
    return troubles if failed else [Trouble(website, "the run", record, run=run.run_id) for website in websites]


def _troubles_of_step(event: dg.DagsterEvent, run: dg.DagsterRun, asset: str, websites: Sequence[str]) -> list[Trouble]:
    """By website and cause, the partitions that a step failed to land; for each website, a step that failed as one."""
    records = failures.failed_partitions(event)
    if not records:
        return [Trouble(website, asset, failures.failed_step(event), run=run.run_id) for website in websites]
    found: dict[tuple[object, ...], Trouble] = {}
    for key, record in records.items():
        day, website = read_key(key)
        alike = found.setdefault((website, record.cause), Trouble(website, asset, record, run=run.run_id))
        found[website, record.cause] = replace(alike, days=alike.days | {day})
    return list(found.values())


def failed_checks(instance: dg.DagsterInstance, run: dg.DagsterRun, ours: Ours) -> list[Trouble]:
    """The checks of a run's partitions that found data not to be used, and the websites that a day is missing of.

    Not the missing day of a website of which a run failed that night: that is told already.
    """
    troubles = []
    for event in _events(instance, run, dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        evaluation = event.asset_check_evaluation_data
        theirs = ours.keys.is_another_lakes(evaluation.asset_key)
        if theirs or evaluation.passed or evaluation.severity != dg.AssetCheckSeverity.ERROR:
            continue
        for website, told in _websites_of(evaluation):
            found = f"{evaluation.check_name}: {told}"
            record = FailureRecord(kind=evaluation.check_name, reason=found, gist=found)
            of = _partition(evaluation.partition)
            days = frozenset([of[0]] if of else [])
            troubles.append(Trouble(website, ours.keys.asset(evaluation.asset_key), record, days, run.run_id))
    told_of = _failed_that_night(instance, run, ours) if any(not each.days for each in troubles) else set()
    return [each for each in troubles if each.days or each.website not in told_of]


def _failed_that_night(instance: dg.DagsterInstance, run: dg.DagsterRun, ours: Ours) -> set[str]:
    """The websites of runs that failed since the midnight before a run."""
    record = instance.get_run_record_by_id(run.run_id)
    if record is None:
        return set()
    made = record.create_timestamp.astimezone(ours.settings.partitions.zone)
    midnight = dt.datetime.combine(made.date(), dt.time(), made.tzinfo)
    since = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], created_after=midnight)
    failed = instance.get_runs(since, limit=_RUNS_OF_A_NIGHT)
    return {website for each in failed if ours.keys.concerns(each) for website in _websites_of_run(each, ours)}


def recovered(instance: dg.DagsterInstance, cursor: Cursor, ours: Ours, now: float) -> list[tuple[str, str]]:
    """The websites of which all that was said to be missing has landed since, each with what is said of it."""
    found = []
    for website, lacking in cursor.lacking.items():
        by_asset: dict[str, list[dt.date]] = {}
        for partition in lacking:
            asset, _, day = partition.partition("|")
            by_asset.setdefault(asset, []).append(dt.date.fromisoformat(day))
        since = min(lacking.values())
        if now - since > _DAYS_REMEMBERED * 86_400:
            found.append((website, ""))
        elif all(_landed(instance, ours.keys[asset], website, days, since) for asset, days in by_asset.items()):
            days = sorted({day for each in by_asset.values() for day in each})
            found.append((website, f"{website}: landed after all: {', '.join(sorted(by_asset))} of {_dates(days)}"))
    return found


def _landed(
    instance: dg.DagsterInstance, asset: dg.AssetKey, website: str, days: Sequence[dt.date], since: float
) -> bool:
    wanted = [str(partition_key(day, website)) for day in days]
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset, asset_partitions=wanted, after_timestamp=since), limit=2 * _LACKING
    ).records
    return {record.partition_key for record in records} == set(wanted)


def _websites_of_run(run: dg.DagsterRun, ours: Ours) -> set[str]:
    """The websites of a run's partitions; none for runs that aren't ours."""
    try:
        return {read_key(key)[1] for key in keys_of(run.tags, ours.settings.websites)}
    except (ValueError, KeyError):
        return set()


def _partition(key: str | None) -> tuple[dt.date, str] | None:
    """The date and the website of a partition key; None for keys that aren't ours."""
    try:
        return read_key(key) if key else None
    except ValueError:
        return None


def _websites_of(evaluation: dg.AssetCheckEvaluation) -> list[tuple[str, str]]:
    """The websites that an evaluation is about, each with what is said of it."""
    if of := _partition(evaluation.partition):
        told = evaluation.description if evaluation.check_name in _OURS else None
        return [(of[1], told or "did not pass")] if of[1] else []
    stale = evaluation.metadata.get(STALE)
    days: Any = stale.value if isinstance(stale, dg.JsonMetadataValue) else None
    return [(site, f"last captured for {day}") for site, day in days.items()] if isinstance(days, dict) else []


def _events(instance: dg.DagsterInstance, run: dg.DagsterRun, kind: dg.DagsterEventType) -> Iterable[dg.DagsterEvent]:
    for entry in instance.all_logs(run.run_id, of_type=kind):
        if entry.dagster_event:
            yield entry.dagster_event
