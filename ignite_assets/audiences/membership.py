"""Who belongs to a list: everyone seen in a trailing window, without those who opted out. Out of core, in DuckDB."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ignite_assets.api.table import HASH_LENGTHS, Algo
from ignite_assets.audiences.rules import MEMBERS, ExportRule, matching
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake, Partition
from ignite_assets.tables.windows import Window, trailing


@dataclass(frozen=True, kw_only=True)
class Membership:
    """Whom the window holds, and the file that lists them."""

    path: Path
    """Parquet in the workspace, sorted: `hash`, and whether it is a `member`."""
    window: Window
    members: int
    suppressed: int
    """Well-formed hashes that were left out, since they are of people who opted out."""
    malformed: int
    """Values that were left out, since they are no hashes of the algorithm."""


def newest_day(lake: Lake, rule: ExportRule, website: str) -> dt.date | None:
    """The newest day whose people have been captured; None when there is none."""
    return max(lake.dates(rule.members_asset, website), default=None)


def window(lake: Lake, asset: str, website: str, last: dt.date, days: int, first_day: dt.date | None = None) -> Window:
    """The trailing window of so many days that ends with `last`; no day before the first that has partitions."""
    return trailing(set(lake.dates(asset, website)), last, days, first_day)


def audience_ids(lake: Lake, rule: ExportRule, website: str, day: dt.date) -> list[int] | None:
    """The audiences or groups that a rule means on a day, sorted; None when they have never been listed.

    By the list captured last on or before the day, else by the first one after it. A rule that names nothing but ids
    needs no list.
    """
    if set(rule.match) == {"id"}:
        return sorted({int(value) for value in rule.match["id"]})
    newest = listing_day(lake, rule, website, day)
    if newest is None:
        return None
    listing = Partition(rule.source, website, newest)
    columns = ["id", *(name for name in rule.match if name != "id")]
    rows = lake.read({listing: lake.files(rule.source, website)[listing]}, columns)
    return matching(rule, rows.to_pylist())


def listing_day(lake: Lake, rule: ExportRule, website: str, day: dt.date) -> dt.date | None:
    """The day whose list of audiences or groups counts: the newest on or before, else the first after; None: none."""
    if set(rule.match) == {"id"}:
        return None
    days = lake.dates(rule.source, website)
    return max((known for known in days if known <= day), default=days[0]) if days else None


def gather(
    workspace: Workspace,
    lake: Lake,
    rule: ExportRule,
    website: str,
    day: dt.date,
    algo: Algo,
    first_day: dt.date | None = None,
    *,
    unusable: Collection[dt.date] = (),
) -> Window:
    """Make the workspace's `captured` the rows of a rule's window, and say which days those are.

    A day that is `unusable`, or whose rows are all of another algorithm, counts as missing. Lists that aren't combined
    read the rows one after the other, so for those they are put in order of the audience once.
    """
    asset, column = MEMBERS[rule.source]
    days = window(lake, asset, website, day, rule.window_days, first_day)
    columns = {"hashed_email": "VARCHAR", "algo": "VARCHAR", **({column: "BIGINT"} if column else {})}
    captured = {each: info for each, info in lake.files(asset, website).items() if each.date in days.captured}
    workspace.view_partitions("captured", lake, captured, columns)
    of_another = {row["date"] for row in workspace.rows(_OF_ANOTHER_ALGO, algo=algo)}
    if not rule.combine:
        sql = f"SELECT DISTINCT {column}, hashed_email, algo FROM captured ORDER BY {column}"  # noqa: S608 - our own name
        path = workspace.write("gathered", sql, {})
        workspace.view("captured", [path.name], columns)
    return trailing(set(days.captured) - of_another - set(unusable), day, rule.window_days, first_day)


_OF_ANOTHER_ALGO = """
    SELECT date FROM captured GROUP BY date HAVING NOT bool_or(coalesce(algo, '') = getvariable('algo'))
"""


def measure(
    workspace: Workspace, rule: ExportRule, window: Window, *, algo: Algo, audiences: Sequence[int] | None
) -> Membership:
    """The people of a window, of some audiences or (None) of all.

    Needs the workspace's `captured` (`gather`) and `suppressed` (`ledger.suppress`).
    """
    column = None if audiences is None else MEMBERS[rule.source][1]
    form = f"[0-9a-f]{{{HASH_LENGTHS[algo]}}}"
    values = {"algo": algo, "form": form, "audiences": list(audiences or [])}
    path = workspace.write("membership", _everyone(column, empty=audiences == []), values)
    workspace.view("membership", [path.name], {})
    return Membership(path=path, window=window, **workspace.one(_COUNTS))


def nobody(workspace: Workspace) -> None:
    """Make the workspace's `membership` empty, where only opt-outs are looked for."""
    workspace.view("membership", [], {"hash": "VARCHAR", "good": "BOOLEAN", "member": "BOOLEAN"})


def _everyone(column: str | None, *, empty: bool) -> str:
    """The one query: each value of the window once, with what it is, sorted."""
    wanted = f"WHERE {column} IN (SELECT unnest(getvariable('audiences')::BIGINT[]))" if column else ""
    wanted = "WHERE false" if empty else wanted
    return f"""
        SELECT hash, good, good AND suppressed.hash IS NULL AS member
        FROM (
            SELECT hashed_email AS hash,
                bool_or(algo = getvariable('algo')) AND regexp_full_match(hashed_email, getvariable('form')) AS good
            FROM captured {wanted} GROUP BY hashed_email
        ) LEFT JOIN suppressed USING (hash)
        ORDER BY hash
    """  # noqa: S608 - the column is a name of our own


_COUNTS = """
    SELECT count(*) FILTER (member) AS members,
        count(*) FILTER (good AND NOT member) AS suppressed,
        count(*) FILTER (NOT good) AS malformed
    FROM membership
"""
