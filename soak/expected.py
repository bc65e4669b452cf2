"""What a partition should hold: the world's records of its moment, and the file's rows made records again.

Nothing here goes through the package's own parsing: a row's columns and its `extra` are put together into the record
that the platform must have sent, and that is compared with the record that the world makes.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence, Set
from typing import Any

from ignite_assets.api.endpoints import CAPTURED_AT, EXTRA, Endpoint
from ignite_assets.api.table import Algo
from ignite_assets.sandbox import SandboxWebsite, World
from ignite_assets.sandbox.world import UnknownIdError

Record = dict[str, Any]


def world_records(
    world: World,
    site: SandboxWebsite,
    endpoint: Endpoint,
    day: dt.date,
    now: dt.datetime,
    algo: Algo,
    ids: Sequence[int],
    gone: Set[int],
) -> list[Record]:
    """The records of a partition of `day` that was captured at `now`, each as `record_of` makes it of a row.

    `ids` are those of the partition that an endpoint takes its ids from, `gone` those that were answered with 404.
    """
    name = endpoint.name
    if name == "visitors":
        return [{"hashed_email": each, "algo": algo} for each in world.visitors(site, day, now, algo)]
    if name == "location_details":
        return [{**_plain(endpoint, each), "algo": algo} for each in _details(world, site, set(ids) - gone, now, algo)]
    if name == "audience_members":
        audiences = _ids(world.audiences(site, now), gone)
        return _members(
            endpoint, {each: world.audience_members(site, each, day, now, algo) for each in audiences}, algo
        )
    if name == "audience_group_members":
        groups = _ids(world.audience_groups(site, now), gone)
        return _members(
            endpoint, {each: world.audience_group_members(site, each, day, now, algo) for each in groups}, algo
        )
    if name == "sales":
        answer = world.sales(site, now)
        kinds = {"sale": answer["sales"], "matched_sale": answer["matched_sales"]}
        return [{"kind": kind, "record": record} for kind, records in kinds.items() for record in records]
    windowed = {"products": world.products, "locations": world.locations}
    current = {"audiences": world.audiences, "audience_groups": world.audience_groups}
    records = windowed[name](site, day, now) if name in windowed else current[name](site, now)
    return [_plain(endpoint, record) for record in records]


def _ids(records: Sequence[Mapping[str, Any]], gone: Set[int]) -> list[int]:
    return sorted(record["id"] for record in records if record["id"] not in gone)


def _members(endpoint: Endpoint, members: Mapping[int, Sequence[str]], algo: Algo) -> list[Record]:
    column = endpoint.columns[0].name
    return [{column: each, "hashed_email": hash_, "algo": algo} for each, hashes in members.items() for hash_ in hashes]


def _details(
    world: World, site: SandboxWebsite, ids: Set[int], now: dt.datetime, algo: Algo
) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for each in sorted(ids):
        try:
            found.append(world.location_details(site, each, now, algo))
        except UnknownIdError:
            continue
    return found


def _plain(endpoint: Endpoint, record: Mapping[str, Any]) -> Record:
    """The record as it can be told from a row: without the brackets around links."""
    links = {column.name for column in endpoint.columns if column.type == "url"}
    return {
        key: value.removeprefix("<").removesuffix(">") if key in links and isinstance(value, str) else value
        for key, value in record.items()
    }


def record_of(endpoint: Endpoint, row: Mapping[str, Any]) -> Record:
    """The record that a row was made of."""
    record: Record = json.loads(row.get(EXTRA.name) or "{}")
    for column in endpoint.columns:
        value = row[column.name]
        if column is EXTRA or value is None:
            continue
        holder = record
        for step in column.source[:-1]:
            holder = holder.setdefault(step, {})
        holder[column.source[-1]] = _sent(column.type, value, quoted=column.quoted)
    return record


def _sent(kind: str, value: Any, *, quoted: bool) -> Any:
    if kind == "json":
        return json.loads(value)
    if kind == "timestamp":
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    return str(value) if quoted else value


def columns_of(endpoint: Endpoint) -> list[str]:
    """The names of the columns that a file of the endpoint has."""
    return [column.name for column in (*endpoint.columns, CAPTURED_AT)]
