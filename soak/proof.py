"""The proof: what the lake and the instance hold is what the world says, partition by partition."""

import datetime as dt
import functools
import json
import operator
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

from ignite_assets.api.endpoints import ENDPOINTS, Endpoint, by_name
from ignite_assets.api.horizon import LOOK_BACK_DAYS
from ignite_assets.audiences import lists
from ignite_assets.config import Settings
from ignite_assets.dagster.landing import Kept, recorded_hash
from ignite_assets.dagster.partitions import partition_key, read_key
from ignite_assets.sandbox import SandboxWebsite, World
from ignite_assets.storage.lake import FILE_NAME, Lake, Partition
from ignite_assets.tables.checks import examine
from ignite_assets.tables.examination import Examination, captured_at
from ignite_assets.tables.registry import DERIVED
from soak.expected import Record, columns_of, record_of, world_records

Key = tuple[dt.date, str]
"""A day and a website."""


@dataclass
class Excuses:
    """Why a partition may be missing."""

    first_night: dt.date
    """The date of the first night that anything was captured in."""
    present: dict[Key, str] = field(default_factory=dict)
    """The days whose present nobody could see that night, and why."""
    gone: defaultdict[tuple[str, str, dt.datetime], set[int]] = field(default_factory=lambda: defaultdict(set))
    """The ids that an endpoint answered with 404, of a website at a moment."""
    midnights: list[tuple[dt.datetime, dt.datetime]] = field(default_factory=list)
    """The moments before and after a midnight that came while answers were under way."""
    sick: set[tuple[str, dt.datetime]] = field(default_factory=set)
    """The websites and moments at which the platform regressed."""
    on_time: dict[Partition, dt.datetime] = field(default_factory=dict)
    """Partitions with rows that were captured on time, and when."""
    asked: set[Partition] = field(default_factory=set)
    """Partitions that an operator had captured again by force."""

    def moments(self, endpoint: str, website: str, moment: dt.datetime) -> list[tuple[dt.datetime, Set[int]]]:
        """When what was captured at a moment may have been answered, and the ids that were not found at that moment."""
        both = next((pair for pair in self.midnights if moment in pair), (moment,))
        gone: set[int] = set().union(*(self.gone.get((endpoint, website, each), set()) for each in both))
        return [(each, gone) for each in both]

    def reason(self, endpoint: Endpoint, day: dt.date, website: str) -> str | None:
        """Why the partition may be missing; None when it may not."""
        if endpoint.history == "current_state":
            if day < self.first_night - dt.timedelta(days=1):
                return "the present of a day before the first night"
            return self.present.get((day, website))
        age = (self.first_night - day).days
        return "beyond the look-back window in the first night" if age > LOOK_BACK_DAYS else None


@dataclass
class Proof:
    """What was found."""

    verified: int = 0
    rows: int = 0
    gone: int = 0
    """Entities that had vanished when their details were asked for, as the partitions count them."""
    excused: Counter[str] = field(default_factory=Counter)
    """How many are legitimately missing, by the reason."""
    doubted: int = 0
    """What the platform answered wrongly, and `sound` doubts."""
    kept: int = 0
    """On-time partitions that nothing replaced."""
    unrecorded: list[str] = field(default_factory=list)
    """Excused partitions that a killed run committed and could not record any more."""
    problems: list[str] = field(default_factory=list)


def prove(
    settings: Settings,
    world: World,
    websites: Sequence[SandboxWebsite],
    instance: dg.DagsterInstance,
    days: Sequence[dt.date],
    excuses: Excuses,
) -> Proof:
    """Compare the lake with the world, with the instance and with what should be there."""
    lake = Lake(settings.root)
    proof = Proof()
    for endpoint in ENDPOINTS:
        found = lake.partitions(endpoint.name)
        _prove_presence(endpoint, found, days, websites, excuses, proof)
        _prove_records(endpoint, found, instance, excuses, proof)
        hashes = _recorded_hashes(endpoint, instance)
        for partition in found:
            site = next(site for site in websites if site.key == partition.website)
            try:
                _prove_partition(endpoint, partition, lake, world, site, settings, hashes, excuses, proof)
            except Exception as error:  # noqa: BLE001 - a file that can't be read is a finding, not the end
                proof.problems.append(f"{partition} can't be verified: {error!r}")
    proof.problems += replaced(lake, excuses, proof)
    proof.problems += unfollowed(lake, instance)
    proof.problems += leftovers(Path(settings.root))
    return proof


def _prove_presence(
    endpoint: Endpoint,
    found: Sequence[Partition],
    days: Sequence[dt.date],
    websites: Sequence[SandboxWebsite],
    excuses: Excuses,
    proof: Proof,
) -> None:
    wanted = {Partition(endpoint.name, site.key, day) for day in days for site in websites}
    proof.problems += [f"{each} should not exist" for each in sorted(set(found) - wanted)]
    for each in sorted(wanted - set(found)):
        if reason := excuses.reason(endpoint, each.date, each.website):
            proof.excused[reason] += 1
        else:
            proof.problems.append(f"{each} is missing")


def _prove_records(
    endpoint: Endpoint, found: Sequence[Partition], instance: dg.DagsterInstance, excuses: Excuses, proof: Proof
) -> None:
    recorded = {read_key(key) for key in instance.get_materialized_partitions(dg.AssetKey(endpoint.name))}
    present = {(each.date, each.website) for each in found}
    for day, website in sorted(recorded - present):
        proof.problems.append(f"{endpoint.name} {day}|{website} is materialized and not in the lake")
    for day, website in sorted(present - recorded):
        told = f"{endpoint.name} {day}|{website} is in the lake and not materialized"
        (proof.unrecorded if excuses.reason(endpoint, day, website) else proof.problems).append(told)


def _recorded_hashes(endpoint: Endpoint, instance: dg.DagsterInstance) -> Mapping[str, str]:
    """The content hash that was recorded last of each partition."""
    hashes: dict[str, str] = {}
    for materialization in materializations(instance, endpoint.name):
        hashes[str(materialization.partition)] = str(recorded_hash(materialization))
    return hashes


def materializations(instance: dg.DagsterInstance, asset: str) -> Iterator[dg.AssetMaterialization]:
    """Everything recorded of an asset, oldest first."""
    cursor: str | None = None
    while True:
        page = instance.fetch_materializations(dg.AssetKey(asset), limit=500, cursor=cursor, ascending=True)
        yield from (record.asset_materialization for record in page.records if record.asset_materialization)
        cursor = page.cursor
        if not page.has_more:
            return


def _prove_partition(
    endpoint: Endpoint,
    partition: Partition,
    lake: Lake,
    world: World,
    site: SandboxWebsite,
    settings: Settings,
    hashes: Mapping[str, str],
    excuses: Excuses,
    proof: Proof,
) -> None:
    """One file: its footer, its columns, its rows."""
    footer = lake.footer(partition)
    table = lake.read([partition]).drop_columns(["website", "date"])
    rows = table.to_pylist()
    moment = dt.datetime.fromisoformat(footer["ignite.captured_at"])
    told = {name: footer[f"ignite.{name}"] for name in ("endpoint", "website", "look_back_date", "rows")}
    ids: list[int] = []
    if endpoint.ids and endpoint.ids.from_partition:
        listing = Partition(endpoint.ids.endpoint, partition.website, partition.date)
        ids = lake.read([listing], ["id"]).column("id").to_pylist()
    algo = settings.algo(partition.website)
    found = [record_of(endpoint, row) for row in rows]
    worlds, gone = [], frozenset[int]()
    # A further try within the moment may have found an entity that was gone before.
    there = {row[endpoint.ids.column] for row in rows} if endpoint.ids else set()
    for each, absent in excuses.moments(endpoint.name, partition.website, moment):
        gone = frozenset((absent & set(ids) if ids else absent) - there)
        worlds.append(world_records(world, site, endpoint, partition.date, each, algo, ids, gone))
    true = found == worlds[0] if len(worlds) == 1 else _is_between(found, worlds)
    if not true and (partition.website, moment) in excuses.sick and is_doubted(lake, partition, settings):
        proof.doubted += 1
        return
    recorded = hashes.get(str(partition_key(partition.date, partition.website)))
    faults = {
        "its footer is another partition's": told
        != {
            "endpoint": endpoint.name,
            "website": partition.website,
            "look_back_date": str(partition.date),
            "rows": str(len(rows)),
        },
        "its columns are not the endpoint's": table.schema.names != columns_of(endpoint),
        "its rows were captured at other moments": any(row["captured_at"] != moment for row in rows),
        f"it was captured at {moment}": not _in_time(endpoint, partition.date, moment),
        "it is not the version that was recorded last": recorded not in (None, footer["ignite.content_hash"]),
        # An audience without members has no row to be missed.
        f"it lacks {len(gone)} entities and counts {footer['ignite.vanished']}": (
            endpoint.history == "look_back" and not endpoint.dated and len(gone) > int(footer["ignite.vanished"])
        ),
        f"its {len(rows)} rows are not the {len(worlds[0])} of the world": not true,
    }
    proof.problems += [f"{partition}: {fault}" for fault, found in faults.items() if found]
    proof.verified += not any(faults.values())
    proof.rows += len(rows)
    proof.gone += int(footer["ignite.vanished"])


def _is_between(found: Sequence[Record], worlds: Sequence[Sequence[Record]]) -> bool:
    """Whether each record is of one of two moments, and none is missing that is of both."""
    there, *known = (Counter(map(_text, records)) for records in (found, *worlds))
    return functools.reduce(operator.and_, known) <= there <= functools.reduce(operator.or_, known)


def _text(record: Record) -> str:
    """A record as text, the same for equal records: 1 and 1.0 are."""
    return json.dumps(json.loads(json.dumps(record), parse_int=float), sort_keys=True)


def is_doubted(lake: Lake, partition: Partition, settings: Settings) -> bool:
    """Whether the check `sound` doubts a partition."""
    examination = Examination(lake, by_name()[partition.asset], settings.checks, settings.partitions.zone)
    return not examine(examination.subject(partition), "sound").passed


def replaced(lake: Lake, excuses: Excuses, proof: Proof) -> list[str]:
    """Partitions that were captured on time, and that something else stands in the place of unasked."""
    problems = []
    for partition, moment in sorted(excuses.on_time.items()):
        kept = Kept.if_readable(lake, partition)
        now = captured_at(kept.footer) if kept else None
        if now == moment:
            proof.kept += 1
        elif partition not in excuses.asked:
            problems.append(f"{partition} was captured on time, at {moment}, and is now of {now}")
    return problems


def _in_time(endpoint: Endpoint, day: dt.date, moment: dt.datetime) -> bool:
    """Whether the day had closed, and was neither too old to be asked for nor, of what tells the present, past."""
    age = (moment.astimezone(dt.UTC).date() - day).days
    return 1 <= age <= (1 if endpoint.history == "current_state" else LOOK_BACK_DAYS)


def unfollowed(lake: Lake, instance: dg.DagsterInstance) -> list[str]:
    """Derived partitions that are not where their main input is, or that lake and instance don't agree on."""

    def recorded(asset: str) -> set[Key]:
        return {read_key(key) for key in instance.get_materialized_partitions(dg.AssetKey(asset))}

    problems = []
    for row in DERIVED:
        made, wanted = recorded(row.name), recorded(row.main)
        present = {(each.date, each.website) for each in lake.partitions(row.name)}
        problems += [f"{row.name} {day}|{site} was not derived" for day, site in sorted(wanted - made)]
        problems += [f"{row.name} {day}|{site} is not both recorded and there" for day, site in sorted(made ^ present)]
    return problems


def leftovers(root: Path) -> list[str]:
    """Whatever lies in the lake and is no partition's file."""
    found = (path.relative_to(root) for path in sorted(root.rglob("*")) if not path.is_dir())
    left = [path for path in found if path.name != FILE_NAME and (path.parts[0] != lists.FOLDER or path.name[0] == ".")]
    return [f"{path} was left behind" for path in left]
