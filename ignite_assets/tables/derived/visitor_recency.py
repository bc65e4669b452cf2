"""Who was last seen when."""

from ignite_assets.api.endpoints import ALGO
from ignite_assets.api.table import Column
from ignite_assets.tables.derived.row import COVERAGE, Derived, Input

VISITOR_RECENCY = Derived(
    name="visitor_recency",
    description=(
        "When each visitor was last seen, one row for each hash that any partition of `visitors` in the trailing "
        "window holds. `coverage` tells whether days of the window were missing when it was computed. A day that is "
        "captured later makes it stale; the heal schedule derives it again."
    ),
    columns=(
        Column(
            name="hashed_email",
            type="string",
            description="Hash of a visitor's e-mail address.",
            key=True,
            personal=True,
            hashed=True,
        ),
        ALGO,
        Column(
            name="last_seen",
            type="date",
            description="The largest day of the window whose partition holds the hash.",
            repeats=True,
        ),
        COVERAGE,
    ),
    inputs=(Input(asset="visitors", columns=("hashed_email", "algo")),),
    newest_alone=True,
    sql="""
        SELECT hashed_email, arg_max(algo, date) AS algo, max(date) AS last_seen, getvariable('coverage') AS coverage
        FROM visitors GROUP BY hashed_email ORDER BY hashed_email
    """,
    numbers="count(*) FILTER (last_seen = getvariable('day')) AS seen_that_day",
    sources={
        "hashed_email": (("visitors", "hashed_email"),),
        "algo": (("visitors", "algo"),),
        "last_seen": (("visitors", "hashed_email"),),
    },
)
