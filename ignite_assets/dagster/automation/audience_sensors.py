"""What starts exports, removals and submissions: thin shells over `export_triggers`, ledger and inbox."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import dagster as dg

from ignite_assets.audiences import inbox, ledger, lists
from ignite_assets.audiences.inbox import again_after
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.config import Settings
from ignite_assets.dagster.assets import exports as audience_exports
from ignite_assets.dagster.automation import opt_out_job as opt_outs
from ignite_assets.dagster.automation.daily import sensor_status
from ignite_assets.dagster.automation.export_triggers import Captured, Watch
from ignite_assets.dagster.instance import UNFINISHED
from ignite_assets.dagster.keys import PLAIN, AssetKeys
from ignite_assets.dagster.landing import recorded_hash
from ignite_assets.dagster.partitions import partition_key
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Store

_RECORDS_A_PAGE = 500
_SECONDS_A_TICK = 20.0
"""Dagster ends a tick after a minute and forgets its cursor, and so what was looked at."""
_AGAIN = 100
"""So many storage ids are looked at again: databases may commit them out of order."""

_NAMED = 3

_FILE_TAG = "ignite/opt_out_file"
_REMOVALS_TAG = "ignite/removals"


def build_audience_sensors(
    settings: Settings, keys: AssetKeys = PLAIN, *, now: Callable[[], float] = time.time
) -> list[dg.SensorDefinition]:
    """The sensors that the configuration has work for. `now` tells seconds since 1970."""
    exports = [_export_sensor(settings, keys)] if settings.exports else []
    place = settings.opt_outs.inbox
    inbox_sensors = [_inbox_sensor(settings, place, now)] if place else []
    return [*exports, _removals_sensor(settings, now), *inbox_sensors]


def _removals_sensor(settings: Settings, now: Callable[[], float]) -> dg.SensorDefinition:
    named = settings.dagster.named

    @dg.sensor(
        name=named("opt_out_removal_sensor"),
        job_name=named(audience_exports.REMOVALS_JOB),
        minimum_interval_seconds=60,
        default_status=sensor_status(settings),
        description=(
            "Every minute: has people who opted out removed from each list that was ever written of their website; "
            "asks again for runs that failed."
        ),
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        known = _Asked.read(context.cursor)
        found = {
            website: _asked(context.instance, settings, website, extent, known.get(website), now())
            for website, extent in _ledgers(settings).items()
        }
        due = [(website, asked) for website, asked in found.items() if asked != known.get(website) and asked.tries]
        cursor = json.dumps({website: asked.__dict__ for website, asked in found.items()}, sort_keys=True)
        if due:
            return dg.SensorResult(run_requests=[_removals(settings, *each) for each in due], cursor=cursor)
        return dg.SensorResult(skip_reason="nobody else has opted out of a website that has lists", cursor=cursor)

    return look


@dataclass(frozen=True)
class _Asked:
    """What the removals sensor last asked for a website."""

    extent: str
    """Of the ledger then."""
    tries: int = 0
    """Runs that were asked for on it, none of which is known to have gone well."""
    not_before: float = 0.0
    """When the next one may be asked for, in seconds since 1970."""

    @classmethod
    def read(cls, cursor: str | None) -> dict[str, Self]:
        """By website; a cursor of version 0.1.0 knows extents alone."""
        known = json.loads(cursor) if cursor else {}
        return {website: cls(told) if isinstance(told, str) else cls(**told) for website, told in known.items()}

    def key(self, website: str) -> str:
        """What makes the run one that is asked for once."""
        return f"opt-outs|{website}|{self.extent}" + (f"#{self.tries}" if self.tries > 1 else "")


def _asked(
    instance: dg.DagsterInstance, settings: Settings, website: str, extent: str, known: _Asked | None, now: float
) -> _Asked:
    """What to ask for by now: a new run for a ledger that changed, and after waits for one whose run went wrong."""
    if known is None or known.extent != extent:
        return _Asked(extent, 1, now + again_after(0))
    if not known.tries:
        return known
    mine = dg.RunsFilter(
        job_name=settings.dagster.named(audience_exports.REMOVALS_JOB), tags={_REMOVALS_TAG: known.key(website)}
    )
    statuses = {run.status for run in instance.get_runs(mine)}
    if dg.DagsterRunStatus.SUCCESS in statuses:
        return replace(known, tries=0)
    if now < known.not_before or statuses.intersection(UNFINISHED):
        return known
    return _Asked(extent, known.tries + 1, now + again_after(known.tries))


def _removals(settings: Settings, website: str, asked: _Asked) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=asked.key(website),
        run_config={"ops": {settings.dagster.named(audience_exports.REMOVALS_OP): {"config": {"website": website}}}},
        tags={_REMOVALS_TAG: asked.key(website)},
    )


def _ledgers(settings: Settings) -> dict[str, str]:
    """By website that has lists, what its ledger holds, as a digest; of those whose ledger is empty, nothing."""
    lake, rules = Lake(settings.root), settings.rules()
    lists.adopt(lake, rules)
    websites = sorted(lists.owed_websites(lake, rules))
    named = {website: sorted(ledger.in_scope(lake, website, settings.opt_outs.scope)) for website in websites}
    return {w: hashlib.sha256("\n".join(names).encode()).hexdigest()[:16] for w, names in named.items() if names}


def _export_sensor(settings: Settings, keys: AssetKeys) -> dg.SensorDefinition:
    rules = settings.rules()
    sources = sorted({asset for rule in rules for asset in rule.source_assets})

    @dg.sensor(
        name=settings.dagster.named("audience_export_sensor"),
        job_name=settings.dagster.named(audience_exports.JOB),
        minimum_interval_seconds=60,
        default_status=sensor_status(settings),
        description=(
            "Every minute: exports a website's audiences once everything they need has its newest day, and again when "
            "that day changes."
        ),
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        watch = Watch.read(context.cursor)
        days = max(rule.window_days for rule in rules)
        deadline = time.monotonic() + _SECONDS_A_TICK
        behind = []
        for asset in sources:
            if time.monotonic() > deadline:
                behind.append(asset)
            else:
                _take_in(context.instance, watch, asset, keys, days)
        # With records still unread a day may look newest that isn't.
        due = [] if behind else list(watch.due(rules, sorted(settings.websites)))
        requests = [
            dg.RunRequest(
                run_key=f"export|{each.website}|{each.date}|{each.occasion}",
                partition_key=partition_key(each.date, each.website),
            )
            for each in due
        ]
        if requests:
            return dg.SensorResult(run_requests=requests, cursor=watch.text())
        return dg.SensorResult(skip_reason=_idle(behind, watch, rules, settings), cursor=watch.text())

    return look


def _idle(behind: Sequence[str], watch: Watch, rules: Sequence[ExportRule], settings: Settings) -> str:
    """Why nothing is exported, for whoever looks at the sensor's ticks."""
    if behind:
        return f"more records of {', '.join(behind)} are to be read first"
    lacking = watch.lacking(rules, sorted(settings.websites))
    waits = [f"{website} waits for {', '.join(assets)}" for website, assets in list(lacking.items())[:_NAMED]]
    more = [f"and {len(lacking) - _NAMED} more websites wait"] if len(lacking) > _NAMED else []
    return "; ".join([*waits, *more, "nothing else is new" if lacking else "nothing is new"])


def _take_in(instance: dg.DagsterInstance, watch: Watch, asset: str, keys: AssetKeys, window_days: int) -> None:
    """Let the watch learn of an asset's new records. Reads those of newest days alone, however many there are."""
    latest = instance.get_latest_storage_id_by_partition(
        keys[asset],
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        after_cursor=max(0, watch.after.get(asset, 0) - _AGAIN),
    )
    newest = watch.newest_of(asset, latest)
    contents: dict[int, str] = {}
    for at in range(0, len(newest), _RECORDS_A_PAGE):
        page = dg.AssetRecordsFilter(asset_key=keys[asset], storage_ids=newest[at : at + _RECORDS_A_PAGE])
        records = instance.fetch_materializations(page, limit=_RECORDS_A_PAGE).records
        contents |= {record.storage_id: _content(record) for record in records}
    in_order = sorted((storage_id, key) for key, storage_id in latest.items())
    watch.take_in((Captured(each, asset, key, contents.get(each, "")) for each, key in in_order), window_days)


def _content(record: dg.EventLogRecord) -> str:
    materialization = record.asset_materialization
    return (materialization and recorded_hash(materialization)) or f"record {record.storage_id}"


def _inbox_sensor(settings: Settings, place: str, now: Callable[[], float]) -> dg.SensorDefinition:
    @dg.sensor(
        name=settings.dagster.named("opt_out_inbox_sensor"),
        job_name=settings.dagster.named(opt_outs.JOB),
        minimum_interval_seconds=30,
        default_status=sensor_status(settings),
        description=(
            "Every 30 seconds: has each complete file in the opt-out inbox dealt with, so that its people are in no "
            "further export."
        ),
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        looks = inbox.Looks.read(context.cursor)
        store = Store(settings.place(place))
        websites = {*settings.websites, *lists.owed_websites(Lake(settings.root), settings.rules())}
        inbox.clear(store, websites)
        files = inbox.dropped(store, websites)
        wanted = looks.take_in(files, _under_way(context.instance, settings), now=now())
        cursor = looks.text()
        if wanted:
            return dg.SensorResult(run_requests=[_request(settings, *each) for each in wanted], cursor=cursor)
        return dg.SensorResult(skip_reason=_told(len(files), inbox.astray(store, websites)), cursor=cursor)

    return look


def _under_way(instance: dg.DagsterInstance, settings: Settings) -> set[str]:
    """The files that a run is dealing with, or is about to."""
    runs = instance.get_runs(dg.RunsFilter(job_name=settings.dagster.named(opt_outs.JOB), statuses=list(UNFINISHED)))
    return {run.tags[_FILE_TAG] for run in runs if _FILE_TAG in run.tags}


def _told(waiting: int, astray: int) -> str:
    """Why nothing is started."""
    told = "no files"
    if waiting:
        who, whose = ("1 file waits", "its") if waiting == 1 else (f"{waiting} files wait", "their")
        told = f"{who}: to be complete, for {whose} run, or to be tried again"
    if not astray:
        return told
    who = "1 file stands" if astray == 1 else f"{astray} files stand"
    return f"{told}; {who} where nobody reads {'it' if astray == 1 else 'them'}"


def _request(settings: Settings, file: inbox.Dropped, tried: int) -> dg.RunRequest:
    config = {"website": file.website, "label": file.label, "again": tried > 0}
    return dg.RunRequest(
        run_key=f"{file.key}@{file.version}#{tried}",
        run_config={"ops": {settings.dagster.named(opt_outs.OP): {"config": config}}},
        tags={_FILE_TAG: file.key},
    )
