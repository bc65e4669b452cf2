"""How audiences grow and shrink from one day's window to the next."""

from ignite_assets.api.table import Column
from ignite_assets.tables.derived.row import COVERAGE, Derived, Input

_MEMBERS = (("audience_members", "audience_id"), ("audience_members", "hashed_email"))

AUDIENCE_TRENDS = Derived(
    name="audience_trends",
    description=(
        "How many members each audience has in the trailing window, and how many joined and left against the window "
        "that ended the day before: size = size before + joined - left. One row for each audience that has members in "
        "either. `coverage` and `coverage_before` tell whether days of the windows were missing when it was computed. "
        "A day that is captured later makes it stale; the heal schedule derives it again."
    ),
    columns=(
        Column(name="audience_id", type="int64", description="The audience.", key=True),
        Column(
            name="primary_category",
            type="string",
            description="As `audiences` lists it: its newest partition on or before the day, else the first after.",
            repeats=True,
        ),
        Column(name="brand", type="string", description="Brand, as listed there.", repeats=True),
        Column(name="model", type="string", description="Model, as listed there."),
        Column(name="size", type="int64", description="Distinct hashes of members in the window."),
        Column(
            name="joined",
            type="int64",
            description="Of them, those not in the window that ended the day before; null when it has no captured day.",
        ),
        Column(
            name="left",
            type="int64",
            description="Those in the window that ended the day before, and not in this one; null as `joined`.",
        ),
        COVERAGE,
        Column(
            name="coverage_before",
            type="float64",
            description="Coverage of the window that ended the day before; 0 when it has no captured day.",
            always=True,
            repeats=True,
        ),
    ),
    inputs=(
        Input(asset="audience_members", columns=("audience_id", "hashed_email"), days="both_windows"),
        Input(asset="audiences", columns=("id", "primary_category", "brand", "model"), days="nearest"),
    ),
    newest_alone=True,
    sql="""
        WITH people AS (
            SELECT audience_id, hashed_email,
                bool_or(date >= getvariable('first')) AS here,
                bool_or(date < getvariable('day')) AS before
            FROM audience_members GROUP BY audience_id, hashed_email
        ), counts AS (
            SELECT audience_id,
                count(*) FILTER (here) AS size,
                count(*) FILTER (here AND NOT before) AS joined,
                count(*) FILTER (before AND NOT here) AS gone
            FROM people GROUP BY audience_id
        ), labels AS (
            SELECT DISTINCT ON (id) id, primary_category, brand, model FROM audiences
            ORDER BY id, primary_category, brand, model
        )
        SELECT audience_id, primary_category, brand, model, size,
            CASE WHEN getvariable('coverage_before') > 0 THEN joined END AS joined,
            CASE WHEN getvariable('coverage_before') > 0 THEN gone END AS "left",
            getvariable('coverage') AS coverage,
            getvariable('coverage_before') AS coverage_before
        FROM counts LEFT JOIN labels ON id = audience_id ORDER BY audience_id
    """,
    numbers="""
        count(*) FILTER (size > 0) AS audiences, sum(joined)::BIGINT AS joined, sum("left")::BIGINT AS "left",
        max(coverage_before) AS coverage_before
    """,
    sources={
        "audience_id": (("audience_members", "audience_id"),),
        "primary_category": (("audiences", "primary_category"),),
        "brand": (("audiences", "brand"),),
        "model": (("audiences", "model"),),
        "size": _MEMBERS,
        "joined": _MEMBERS,
        "left": _MEMBERS,
    },
)
