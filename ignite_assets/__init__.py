"""Every night, each Ignite website's visitors, products, locations, audiences and sales as Parquet, through Dagster.

What a user imports is here, and loaded when it is first used: importing the package loads neither Dagster nor Arrow.
`docs/contributing.md` describes the rooms below and which of them may import which.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ignite_assets._version import __version__

if TYPE_CHECKING:
    from ignite_assets.config import load_settings
    from ignite_assets.dagster.build import build_defs
    from ignite_assets.dagster.component import IgniteComponent
    from ignite_assets.dagster.io_manager import ParquetIOManager
    from ignite_assets.dagster.partitions import build_partitions
    from ignite_assets.dagster.resources import IgniteResource, WebsiteAccess
    from ignite_assets.dagster.specs import IgniteAssetProps, IgniteTranslator, asset_specs
    from ignite_assets.storage.reader import LakeReader

_LAZY = {
    "IgniteResource": "dagster.resources",
    "WebsiteAccess": "dagster.resources",
    "ParquetIOManager": "dagster.io_manager",
    "IgniteAssetProps": "dagster.specs",
    "IgniteComponent": "dagster.component",
    "IgniteTranslator": "dagster.specs",
    "asset_specs": "dagster.specs",
    "build_defs": "dagster.build",
    "build_partitions": "dagster.partitions",
    "load_settings": "config",
}
"""The module of each public name that is imported when it is first asked for."""

__all__ = [
    "IgniteAssetProps",
    "IgniteComponent",
    "IgniteResource",
    "IgniteTranslator",
    "ParquetIOManager",
    "WebsiteAccess",
    "__version__",
    "asset_specs",
    "build_defs",
    "build_partitions",
    "lake",
    "load_settings",
]


def lake(path: str | Path | None = None) -> "LakeReader":
    """The lake of a configuration: of the file given, of the one in `IGNITE_CONFIG`, else of `./ignite.toml`.

    Needs no secret. Raises `ignite_assets.api.errors.ConfigurationError` when there is none, or a wrong one.
    """
    from ignite_assets.config import load_settings
    from ignite_assets.storage.lake import Lake
    from ignite_assets.storage.reader import LakeReader
    from ignite_assets.tables.registry import TABLES

    return LakeReader(Lake(load_settings(path).root), TABLES)


if not TYPE_CHECKING:  # which would take any name for one that is there

    def __getattr__(name: str) -> object:
        """Import a public name when it is first asked for."""
        if name in _LAZY:
            return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
