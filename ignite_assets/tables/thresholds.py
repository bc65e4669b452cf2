"""What the checks of a partition hold against it: `[checks]` of `ignite.toml`."""

from pydantic import Field

from ignite_assets.api.section import Section


class Thresholds(Section):
    """When a partition isn't `sound`, or not as `usual`. Shares are from 0 to 1."""

    rows_lost: float = Field(
        0.8, ge=0, le=1, description="Share of the usual rows without which a partition isn't sound."
    )
    rows_grown: float = Field(
        5.0, ge=1, description="How many times the usual rows a partition may have before it isn't sound."
    )
    entities_lost: float = Field(
        0.34, ge=0, le=1, description="Share of the audiences, groups or products that may be gone."
    )
    hollow_share: float = Field(
        0.5, ge=0, le=1, description="Share of the usually filled values of a column that may be missing."
    )
    known_share: float = Field(
        0.25, ge=0, le=1, description="Share of the people usually seen again that have to be seen again."
    )
    nesting_share: float = Field(
        0.01, ge=0, le=1, description="Share of a window that an older one may lack: people who opted out meanwhile."
    )
    rows_fall: float = Field(0.5, ge=0, le=1, description="Share of the usual rows that may be missing as usual.")
    rows_jump: float = Field(3.0, ge=1, description="How many times the usual rows are still usual.")
    coercions_share: float = Field(0.01, ge=0, le=1, description="Share of a column's values that may not fit it.")
