"""What changes on a platform: members against what was written before, never against yesterday's data.

Who is on the list after an export is kept beside it, one row a person, sorted by hash (`STATE`). Nobody is ever removed
whom these exports did not add. With `before` the people on the platform's list, the law is

    before − removes + adds = members, removes and adds disjoint

for everyone who takes the exports in order. Where two writers followed the same export, an uploader may have taken one
of the two or both. So the next export reckons with all that any of them may have put on the platform: adds are the
members who are not certainly on it, removes those who may be on it and are no members.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ignite_assets.audiences.history import DamagedError, Export, fetch_state
from ignite_assets.audiences.holding import Allowed, Standing
from ignite_assets.audiences.rules import Mode
from ignite_assets.storage.duck import Workspace, strings

STATE = {"hash": "VARCHAR", "first_sent": "DATE", "last_sent": "DATE", "listed": "BOOLEAN", "withdrawn": "BOOLEAN"}
"""The columns of a state. `first_sent`, `last_sent`: dates of exports that added the person; `listed`: on the list
after the export; `withdrawn`: not certainly, for another export may have removed or not added them."""

_STATE_SCHEMA = pa.schema(
    [
        ("hash", pa.string()),
        ("first_sent", pa.date32()),
        ("last_sent", pa.date32()),
        ("listed", pa.bool_()),
        ("withdrawn", pa.bool_()),
    ]
)
_BATCH_ROWS = 1 << 17

RESEND_DAYS = 30
"""So long before a destination drops a member, they are added again."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What an export would do, and the file that says so person by person."""

    path: Path
    """Parquet in the workspace, sorted: `STATE`, and whether the person is in `adds` or in `removes`."""
    members: int
    """People on the list afterwards."""
    adds: int
    resent: int
    """Of the adds, those who are on the list already and would soon be dropped."""
    removes: int

    def save(self) -> Path:
        """Write the state, by Arrow, whose bytes are the same for equal rows."""
        target = self.path.with_name("state.parquet")
        with pq.ParquetFile(self.path) as rows, pq.ParquetWriter(target, _STATE_SCHEMA, compression="zstd") as writer:
            for batch in rows.iter_batches(_BATCH_ROWS, columns=[*STATE, "stays"]):
                stay = batch.filter(batch.column("stays")).select(list(STATE))
                writer.write_batch(stay.cast(_STATE_SCHEMA))
        return target

    def listed(self) -> Iterator[str]:
        """The hashes of everyone on the list afterwards, sorted."""
        return strings(self.path, "hash", "listed")

    def added(self) -> Iterator[str]:
        """The hashes to add, sorted."""
        return strings(self.path, "hash", "adds")

    def removed(self) -> Iterator[str]:
        """The hashes to remove, sorted."""
        return strings(self.path, "hash", "removes")


def stand(workspace: Workspace, reckoned: Sequence[Export], missing: tuple[dt.date, ...] = ()) -> Standing:
    """How the members stand against what exports may have put on the platform.

    Needs the workspace's `membership`, `suppressed` and `unconfirmed`. Raises `DamagedError` for a state that can't be
    relied on.
    """
    names = [f"state-{number}.parquet" for number in range(len(reckoned))]
    for export, name in zip(reckoned, names, strict=True):
        fetch_state(export, workspace.folder / name)
        workspace.view("state", [name], STATE)
        found = workspace.one("SELECT count(*) FILTER (listed) AS listed FROM state")["listed"]
        if found != export.manifest.state.rows:
            told = f"it lists {found:,} people, its manifest says {export.manifest.state.rows:,}"
            raise DamagedError(f"{export.location(export.manifest.state.name)}: {told}")
    workspace.view("states", names, STATE)
    path = workspace.write("standing", _STANDING, {"exports": len(reckoned)})
    workspace.view("standing", [path.name], {})
    return Standing(**workspace.one(_COUNTS), missing=missing)


def change(
    workspace: Workspace, allowed: Allowed, mode: Mode, day: dt.date, longest_membership_days: int | None
) -> Changes:
    """What is to change, as far as it is allowed. Needs the workspace's `standing`."""
    keep = dt.timedelta(max(1, longest_membership_days - RESEND_DAYS)) if longest_membership_days else None
    again = allowed != "opt_outs" and keep is not None
    values = {
        "export_day": day,
        "allowed": allowed,
        "resend_all": mode == "full",
        "stale": day - keep if again and keep else dt.date.min,
    }
    path = workspace.write("changes", _CHANGES.replace("{listed}", _LISTED[allowed]), values)
    workspace.view("changes", [path.name], {})
    return Changes(path=path, **workspace.one(_SUMS))


# `current`: on the list. `maybe`: possibly on the platform. `certain`: on the platform, whichever exports were taken.
_STANDING = """
    WITH members AS (SELECT hash FROM membership WHERE member),
        before AS (
            SELECT hash, min(first_sent) AS first_sent, max(last_sent) AS last_sent, bool_or(listed) AS current,
                bool_and(listed AND NOT withdrawn) AND count(*) = getvariable('exports') AS certain
            FROM states GROUP BY hash
        )
    SELECT hash,
        members.hash IS NOT NULL AS member,
        before.hash IS NOT NULL AS maybe,
        coalesce(before.current, false) AS current,
        coalesce(before.certain, false) AS certain,
        suppressed.hash IS NOT NULL AND unconfirmed.hash IS NULL AS opted_out,
        before.hash IS NOT NULL AND unconfirmed.hash IS NOT NULL AS kept,
        before.first_sent AS first_sent,
        before.last_sent AS last_sent
    FROM members FULL JOIN before USING (hash) LEFT JOIN suppressed USING (hash)
        LEFT JOIN unconfirmed USING (hash)
    ORDER BY hash
"""

_COUNTS = """
    SELECT count(*) FILTER (member) AS members,
        count(*) FILTER (current) AS written,
        count(*) FILTER (member AND NOT current) AS new,
        count(*) FILTER (current AND NOT member AND NOT opted_out AND NOT kept) AS leaving,
        count(*) FILTER (current AND kept) AS kept,
        count(*) FILTER (current AND opted_out) AS opted_out,
        count(*) FILTER (maybe AND opted_out) AS owed
    FROM standing
"""

_LISTED: dict[Allowed, str] = {
    "everything": "member OR (current AND kept)",
    "adds": "member OR (current AND NOT opted_out)",
    "opt_outs": "current AND NOT opted_out",
}

_CHANGES = """
    WITH decided AS (SELECT *, {listed} AS listed FROM standing),
        marked AS (
            SELECT *,
                listed AND certain AND NOT kept AND last_sent <= getvariable('stale') AS due,
                maybe AND NOT listed AND NOT kept AND (opted_out OR getvariable('allowed') = 'everything') AS removes
            FROM decided
        ),
        sure AS (
            SELECT *, listed AND NOT kept AND (due OR NOT certain) AND getvariable('allowed') <> 'opt_outs' AS adds
            FROM marked
        )
    SELECT hash,
        coalesce(first_sent, getvariable('export_day')) AS first_sent,
        CASE WHEN adds OR (listed AND getvariable('resend_all'))
            THEN getvariable('export_day') ELSE coalesce(last_sent, getvariable('export_day')) END AS last_sent,
        listed,
        NOT (certain OR adds) AS withdrawn,
        adds,
        removes,
        due,
        listed OR NOT removes AS stays
    FROM sure WHERE listed OR maybe
    ORDER BY hash
"""

_SUMS = """
    SELECT count(*) FILTER (listed) AS members, count(*) FILTER (adds) AS adds,
        count(*) FILTER (due) AS resent, count(*) FILTER (removes) AS removes
    FROM changes
"""
