"""When the checks of a partition warn or fail: `[checks]` of `ignite.toml`."""

from pydantic import Field

from ignite_assets.api.section import Section


class Thresholds(Section):
    """When the checks of a partition warn or fail. Shares are from 0 to 1."""

    coercions_share: float = Field(0.01, ge=0, le=1, description="Share of a column's values that may not fit it.")
    rows_fall: float = Field(0.5, ge=0, le=1, description="Share of the usual rows that may be missing.")
    rows_jump: float = Field(3.0, ge=1, description="How many times the usual rows there may be.")
    nesting_share: float = Field(
        0.01, ge=0, le=1, description="Share of a window that an older one may lack: people who opted out meanwhile."
    )
