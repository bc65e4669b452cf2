"""The table of derived assets. Adding one is adding a row: its asset, checks, schedules and command follow."""

from ignite_assets.api.endpoints import ENDPOINTS
from ignite_assets.api.table import Table
from ignite_assets.tables.derived.audience_trends import AUDIENCE_TRENDS
from ignite_assets.tables.derived.location_recency import LOCATION_RECENCY
from ignite_assets.tables.derived.row import Derived
from ignite_assets.tables.derived.visitor_recency import VISITOR_RECENCY

DERIVED: tuple[Derived, ...] = (VISITOR_RECENCY, AUDIENCE_TRENDS, LOCATION_RECENCY)

TABLES: tuple[Table, ...] = (*ENDPOINTS, *DERIVED)
"""Every asset of captures and every derived one."""
