"""Every night, each Ignite website's visitors, products, locations, audiences and sales as Parquet, through Dagster.

Reading order: `api` (what the platform is), `storage` (where partitions live and how they are committed), `capture`
(one endpoint's snapshot), then the Dagster half, flat: `partitions`, `resources`, `io_manager`, `assets`,
`schedules`, `definitions`; last `cli`.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("ignite_assets")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0.0.0"
