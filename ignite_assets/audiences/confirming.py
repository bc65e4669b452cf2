"""Opt-outs that would take too much of a list: nobody is removed or submitted until a person confirms them.

A file is judged once, when its people are in the ledger already, together with the other files of the day: one list
split into many files takes as much as one file. Until then it is held, so that no export removes anybody meanwhile.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence

from ignite_assets.api.errors import IgniteError
from ignite_assets.audiences import history, ledger, lists
from ignite_assets.audiences.history import DamagedError
from ignite_assets.audiences.ledger import OptOutFiles
from ignite_assets.audiences.lists import List
from ignite_assets.audiences.rules import ExportRule, Scope
from ignite_assets.storage.duck import Workspace, told
from ignite_assets.storage.lake import Lake

Examine = Callable[[str, dt.datetime], list[str]]
"""The lists of which a recorded file and the others of its day take too much, in words; by its SHA-256 and the time."""
TOGETHER = dt.timedelta(days=1)
"""Files that came within this time are judged together."""
_MEMORY_MIB = 192


def examiner(
    lake: Lake, rules: Sequence[ExportRule], website: str, websites: Collection[str], scope: Scope, max_share: float
) -> Examine:
    """What judges the files of a website; `websites`: those whose lists its opt-outs count for."""

    def examine(source_hash: str, now: dt.datetime) -> list[str]:
        import duckdb

        lists.adopt(lake, rules)
        known = lists.owed(lists.on_record(lake, None, rules))
        mine = lists.in_order(of for of in known if of.website in websites)
        if not mine:
            return []
        files = ledger.opt_out_files(lake, None if scope == "all" else website)
        try:
            with Workspace(memory_mib=_MEMORY_MIB, threads=1) as workspace:
                return list(_large_losses(workspace, lake, mine, files, source_hash, now - TOGETHER, max_share))
        except duckdb.Error as error:
            raise IgniteError(told(error)) from None

    return examine


def _large_losses(
    workspace: Workspace,
    lake: Lake,
    known: Sequence[List],
    files: OptOutFiles,
    source_hash: str,
    since: dt.datetime,
    max_share: float,
) -> Iterator[str]:
    """The lists of which more than a share, and more than one person, opted out by this file and since a moment."""
    ledger.view_opt_outs(workspace, lake, files.listed)
    values = {"source": source_hash, "since": since, "aside": sorted(files.settled)}
    made = set[str]()
    for of in known:
        try:
            algo = _view_list(workspace, of, since)
        except DamagedError:  # the list is held, opt-outs too, and its exports say so
            continue
        if algo is None:
            continue
        if algo not in made:
            path = workspace.write(f"recent-{algo}", _RECENT.format(column=ledger.COLUMNS[algo]), values)
            workspace.view(f"recent_{algo}", [path.name], {})
            made.add(algo)
        count = workspace.one(_COUNT.format(algo=algo))
        if count["taken"] > 1 and count["taken"] > max_share * count["listed"]:
            yield f"{count['taken']:,} of the {count['listed']:,} people of {of.name} {of.website}"


def _view_list(workspace: Workspace, of: List, since: dt.datetime) -> str | None:
    """Make `states` of who is on a list and who was on it at a moment; returns its algorithm, None without exports."""
    if (newest := history.newest(of)) is None:
        return None
    before = history.newest_by(of, since)
    exports = [newest] if before is None or before.folder == newest.folder else [newest, before]
    names = [f"listed-{number}.parquet" for number in range(len(exports))]
    for export, name in zip(exports, names, strict=True):
        history.fetch_state(export, workspace.folder / name)
    workspace.view("states", names, {})
    return newest.manifest.algo


_RECENT = """
    SELECT DISTINCT hash({column}) AS person FROM opted_out
    WHERE {column} IS NOT NULL AND (source_hash = getvariable('source')
        OR (first_seen > getvariable('since')
            AND source_hash NOT IN (SELECT unnest(getvariable('aside')::VARCHAR[]))))
"""
"""Numbers in the place of hashes, which take a tenth of the memory; two are alike by chance once in 10^19 pairs."""

_COUNT = """
    SELECT count(*) AS listed, count(*) FILTER (person IN (SELECT person FROM recent_{algo})) AS taken
    FROM (SELECT DISTINCT hash(hash) AS person FROM states WHERE listed)
"""
