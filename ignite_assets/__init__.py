"""Every night, each Ignite website's visitors, products, locations, audiences and sales as Parquet, through Dagster.

What a user imports is here: `lake()` to read what was captured, `build_defs(load_settings())` for a code location of
your own. Importing the package loads neither Dagster nor Arrow; using these does.

Reading order: `api` (what the platform is), `storage` (where partitions live and how they are committed), `capture`
(one endpoint's snapshot), then the Dagster half, flat: `partitions`, `resources`, `io_manager`, `assets`,
`schedules`, `definitions`; then `reading` (the lake's readers); last `cli`.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ignite_assets.build import build_defs
    from ignite_assets.config import load_settings
    from ignite_assets.reading import LakeReader

try:
    __version__ = version("ignite_assets")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0.0.0"

__all__ = ["__version__", "build_defs", "lake", "load_settings"]


def lake(path: "str | Path | None" = None) -> "LakeReader":
    """The lake of a configuration: of the file given, of the one in `IGNITE_CONFIG`, else of `./ignite.toml`.

    Needs no secret. Raises `ignite_assets.api.errors.ConfigurationError` when there is none, or a wrong one.
    """
    from ignite_assets.reading import open_lake

    return open_lake(path)


if not TYPE_CHECKING:  # which would take any name for one that is there

    def __getattr__(name: str) -> object:
        """What is imported when it is first asked for."""
        if name == "build_defs":
            from ignite_assets.build import build_defs

            return build_defs
        if name == "load_settings":
            from ignite_assets.config import load_settings

            return load_settings
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
