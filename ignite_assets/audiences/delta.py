"""What changes on a platform: members against what was last sent, never against yesterday's data.

What was sent is kept beside each export, one row a person, sorted by hash (`STATE`). Nothing that this package did not
send is ever removed. With `sent` the people on the list before, the law is

    sent − removes + adds = members, removes and adds disjoint

An export may be made again for the same date, and nobody knows whether its earlier files reached the platform. So
both are reckoned with: adds are those who were not on the list the day before or whom earlier files removed, removes
those who were or whom earlier files named. Uploading both, or only the later ones, ends with the same list.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ignite_assets.audiences.holding import Allowed, Standing
from ignite_assets.audiences.membership import Membership
from ignite_assets.audiences.rules import Mode
from ignite_assets.storage.duck import Workspace, strings
from ignite_assets.storage.store import Store

STATE = {"hash": "VARCHAR", "first_sent": "DATE", "last_sent": "DATE", "listed": "BOOLEAN", "withdrawn": "BOOLEAN"}
"""The columns of what was sent: `listed`: on the list after the export, else removed by it; `withdrawn`: removed by it
or by an earlier export of the same date."""

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
"""So long before a destination drops a member, they are sent again."""

StateFile = tuple[Store, str]
"""Where a list of what was sent is."""


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
        """Write `STATE`, for the next export to follow on: by Arrow, whose bytes are the same for equal rows."""
        target = self.path.with_name("sent.parquet")
        with pq.ParquetFile(self.path) as rows, pq.ParquetWriter(target, _STATE_SCHEMA, compression="zstd") as writer:
            for batch in rows.iter_batches(_BATCH_ROWS, columns=list(STATE)):
                writer.write_batch(batch.cast(_STATE_SCHEMA))
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


def stand(
    workspace: Workspace, membership: Membership, before: StateFile | None, replaced: StateFile | None
) -> Standing:
    """How the members stand against what was sent before the date, and by the export that this one replaces."""
    _view_state(workspace, "before", before)
    _view_state(workspace, "replaced", replaced)
    current = "before.hash IS NOT NULL" if replaced is None else "coalesce(replaced.listed, false)"
    path = workspace.write("standing", _STANDING.replace("{current}", current), {})
    workspace.view("standing", Store(str(workspace.folder)), [path.name], {})
    return Standing(**workspace.one(_COUNTS), missing=membership.window.missing)


def change(
    workspace: Workspace, allowed: Allowed, mode: Mode, day: dt.date, longest_membership_days: int | None
) -> Changes:
    """What is to change, as far as it is allowed. Needs the workspace's `standing`."""
    keep = dt.timedelta(max(1, longest_membership_days - RESEND_DAYS)) if longest_membership_days else None
    again = allowed != "opt_outs" and keep is not None
    values = {"export_day": day, "resend_all": mode == "full", "stale": day - keep if again and keep else dt.date.min}
    path = workspace.write("changes", _CHANGES.replace("{listed}", _LISTED[allowed]), values)
    workspace.view("changes", Store(str(workspace.folder)), [path.name], {})
    return Changes(path=path, **workspace.one(_SUMS))


def _view_state(workspace: Workspace, name: str, state: StateFile | None) -> None:
    store, files = (state[0], [state[1]]) if state else (Store(str(workspace.folder)), [])
    workspace.view(f"{name}_rows", store, files, STATE)


# `before`: on the list when the date began. `touched`: named by the files that this export replaces.
_STANDING = """
    WITH members AS (SELECT hash FROM membership WHERE member),
        before AS (SELECT hash, first_sent, last_sent FROM before_rows WHERE listed),
        replaced AS (SELECT hash, first_sent, listed, withdrawn FROM replaced_rows)
    SELECT hash,
        members.hash IS NOT NULL AS member,
        before.hash IS NOT NULL AS before,
        replaced.hash IS NOT NULL AS touched,
        coalesce(replaced.withdrawn, false) AS withdrawn,
        {current} AS current,
        suppressed.hash IS NOT NULL AND unconfirmed.hash IS NULL AS opted_out,
        {current} AND unconfirmed.hash IS NOT NULL AS kept,
        coalesce(before.first_sent, replaced.first_sent) AS first_sent,
        before.last_sent AS last_sent
    FROM members FULL JOIN before USING (hash) FULL JOIN replaced USING (hash) LEFT JOIN suppressed USING (hash)
        LEFT JOIN unconfirmed USING (hash)
    ORDER BY hash
"""

_COUNTS = """
    SELECT count(*) FILTER (member) AS members,
        count(*) FILTER (current) AS sent,
        count(*) FILTER (member AND NOT current) AS new,
        count(*) FILTER (current AND NOT member AND NOT opted_out AND NOT kept) AS leaving,
        count(*) FILTER (kept) AS kept,
        count(*) FILTER (current AND opted_out) AS opted_out
    FROM standing
"""

_LISTED: dict[Allowed, str] = {
    "everything": "member OR kept",
    "adds": "member OR (current AND NOT opted_out)",
    "opt_outs": "current AND NOT opted_out",
}

_CHANGES = """
    WITH decided AS (SELECT *, {listed} AS listed FROM standing),
        marked AS (
            SELECT *, listed AND before AND NOT kept AND last_sent <= getvariable('stale') AS due,
                NOT listed AND (before OR touched) AS removes
            FROM decided
        )
    SELECT hash,
        coalesce(first_sent, getvariable('export_day')) AS first_sent,
        CASE WHEN listed AND (due OR NOT before OR getvariable('resend_all'))
            THEN getvariable('export_day') ELSE coalesce(last_sent, getvariable('export_day')) END AS last_sent,
        listed,
        removes OR withdrawn AS withdrawn,
        listed AND NOT kept AND (due OR withdrawn OR NOT before) AS adds,
        removes,
        due
    FROM marked WHERE listed OR removes
    ORDER BY hash
"""

_SUMS = """
    SELECT count(*) FILTER (listed) AS members, count(*) FILTER (adds) AS adds,
        count(*) FILTER (due) AS resent, count(*) FILTER (removes) AS removes
    FROM changes
"""
