"""Who opted out, counted: never an address, a hash or the name of a file."""

import datetime as dt
from dataclasses import dataclass

from ignite_assets.audiences import inbox, ledger
from ignite_assets.config import Settings
from ignite_assets.report.readings import WEEK, Query, Readings
from ignite_assets.storage.duck import pattern
from ignite_assets.storage.store import Store


@dataclass(frozen=True, kw_only=True)
class OptOutFigures:
    """The opt-outs of a website when the report was made."""

    known: Query
    """`people` of the website's ledger, in no export, and `first_day`, the first one's; of them `this_week`, of the
    seven days before the report, `by_hash`, known by a hash alone and so never submitted, and `submitted`, whom the
    platform has acknowledged."""
    elsewhere: bool
    """Whether the people of all websites' ledgers count."""
    waiting: int | None
    """Files of the inbox not yet dealt with; None without an inbox."""
    rejects: int
    """Files of rejected lines, and whole files, that wait for a person."""
    idle: int
    """Of the people, those known by a hash that can't take effect: the captures are of another algorithm."""


def read(readings: Readings, settings: Settings, now: dt.datetime) -> OptOutFigures:
    """Count a website's opt-outs."""
    lake, website = readings.lake, readings.website
    box = Store(settings.place(settings.opt_outs.inbox)) if settings.opt_outs.inbox else None
    return OptOutFigures(
        known=_known(readings, now),
        elsewhere=settings.opt_outs.scope == "all",
        waiting=len(inbox.of_website(box, website)) if box else None,
        rejects=len(inbox.rejects(box, [website]).get(website, ())) if box else 0,
        idle=ledger.idle(lake, website, settings.captured_hashes(website)),
    )


def _known(readings: Readings, now: dt.datetime) -> Query:
    files = readings.lake.store.listing(f"{ledger.FOLDER}/website={readings.website}")
    columns = dict.fromkeys(ledger.COLUMNS.values(), "VARCHAR") | {"first_seen": "TIMESTAMPTZ"}
    sources = {}
    for kind in ("seen", "submitted", "withdrawn"):
        mine = {
            name: info
            for name, info in files.items()
            if name.rpartition("/")[2].startswith(f"{kind}-") and name.endswith(".parquet")
        }
        shown = f"{ledger.FOLDER}/website={pattern(readings.website)}/{kind}-*.parquet"
        sources[kind] = readings.files(kind, mine, shown, columns)
    return readings.ask("opt_outs", _KNOWN, sources, since=now - WEEK)


_KNOWN = """
    WITH withdrawn AS (
        SELECT hash, max(first_seen) AS withdrawn_at
        FROM (SELECT unnest([md5, sha1, sha256]) AS hash, first_seen FROM {withdrawn}) GROUP BY hash
    ), standing AS (
        SELECT md5, sha1, sha256, first_seen, acknowledged FROM (
            SELECT *, false AS acknowledged FROM {seen}
            UNION ALL BY NAME SELECT *, true AS acknowledged FROM {submitted}
        ) AS told
        WHERE NOT EXISTS (FROM withdrawn WHERE hash IN (md5, sha1, sha256) AND withdrawn_at > told.first_seen)
    )
    SELECT count(*) AS people, count(*) FILTER (since > {since}) AS this_week, min(since)::DATE AS first_day,
        count(*) FILTER (md5 IS NULL OR sha1 IS NULL OR sha256 IS NULL) AS by_hash,
        (SELECT count(DISTINCT sha256) FROM standing WHERE acknowledged) AS submitted
    FROM (
        SELECT md5, sha1, sha256, min(first_seen) AS since FROM standing
        WHERE NOT acknowledged GROUP BY md5, sha1, sha256
    )
"""
