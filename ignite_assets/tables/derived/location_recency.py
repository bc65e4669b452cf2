"""Which locations were last seen when, how interested they are, and which of them are new."""

from ignite_assets.api.endpoints import by_name
from ignite_assets.api.table import Column
from ignite_assets.tables.derived.row import COVERAGE, Derived, Input

_CAPTURED = by_name()["locations"]
_PLACE = ("latitude", "longitude", "city", "state", "zip")
_VISITS = ("visit_first", "session_count", "traffic_score", "traffic_score_stars")

LOCATION_RECENCY = Derived(
    name="location_recency",
    description=(
        "When each location was last seen, with its latest score and whether it is new, one row for each location that "
        "any partition of `locations` in the trailing window holds. No street and no name, but exact coordinates. "
        "`coverage` tells whether days of the window were missing when it was computed. A day that is captured later "
        "makes it stale; the heal schedule derives it again."
    ),
    columns=(
        *(_CAPTURED.column(name) for name in ("id", "city", "state", "zip", "latitude", "longitude")),
        Column(
            name="last_seen",
            type="date",
            description="The largest day of the window whose partition holds the location.",
            repeats=True,
        ),
        Column(
            name="score",
            type="float64",
            description=(
                "The platform's score of the location's interest, of the newest partition of `location_details` in the "
                "window that holds it."
            ),
        ),
        Column(name="stars", type="float64", description="The score as stars, 0 to 5.", repeats=True),
        Column(name="sessions", type="int32", description="Sessions on the website."),
        Column(name="first_visit", type="timestamp", description="First visit (UTC)."),
        Column(
            name="standing",
            type="string",
            description=(
                "`new` when the first visit lies within the window, `returning` when before it; null when it is not "
                "known, or came after the window."
            ),
            repeats=True,
        ),
        COVERAGE,
    ),
    inputs=(
        Input(asset="locations", columns=("id", *_PLACE)),
        Input(asset="location_details", columns=("id", *_VISITS)),
    ),
    newest_alone=True,
    sql="""
        WITH places AS (
            SELECT id, max(date) AS last_seen, max({
                'date': date, 'latitude': latitude, 'longitude': longitude, 'city': city, 'state': state, 'zip': zip
            }) AS newest
            FROM locations GROUP BY id
        ), visits AS (
            SELECT id, max({
                'date': date, 'first': visit_first, 'sessions': session_count, 'score': traffic_score,
                'stars': traffic_score_stars
            }) AS newest
            FROM location_details GROUP BY id
        )
        SELECT id, places.newest.city AS city, places.newest.state AS state, places.newest.zip AS zip,
            places.newest.latitude AS latitude, places.newest.longitude AS longitude,
            last_seen, visits.newest.score AS score, visits.newest.stars AS stars, visits.newest.sessions AS sessions,
            visits.newest.first AS first_visit,
            CASE WHEN visits.newest.first < getvariable('opens') THEN 'returning'
                WHEN visits.newest.first < getvariable('closes') THEN 'new' END AS standing,
            getvariable('coverage') AS coverage
        FROM places LEFT JOIN visits USING (id) ORDER BY id
    """,
    numbers="""
        count(*) FILTER (last_seen = getvariable('day')) AS seen_that_day,
        count(*) FILTER (standing = 'new') AS "new", count(*) FILTER (standing = 'returning') AS "returning"
    """,
    sources={
        **{name: (("locations", name),) for name in ("id", *_PLACE)},
        "last_seen": (("locations", "id"),),
        "score": (("location_details", "traffic_score"),),
        "stars": (("location_details", "traffic_score_stars"),),
        "sessions": (("location_details", "session_count"),),
        "first_visit": (("location_details", "visit_first"),),
        "standing": (("location_details", "visit_first"),),
    },
)
