"""What Dagster calls the package's assets, and which runs and records are of this lake rather than of another."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import dagster as dg

from ignite_assets.config import Settings
from ignite_assets.tables.registry import TABLES

EXPORTS = "audience_exports"
REPORT = "website_report"
FOLDER = "ignite/folder"
"""The metadata key of the lake's folder that holds an asset, whatever its key is."""


@dataclass(frozen=True)
class AssetKeys:
    """The keys of a lake's assets, by the names that its folders and the command line have for them."""

    prefix: tuple[str, ...] = ()
    """Of each asset that isn't in `given`."""
    given: Mapping[str, dg.AssetKey] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> "AssetKeys":
        """Those that a configuration states; a translator may give others."""
        return cls(settings.dagster.key_prefix)

    def __getitem__(self, asset: str) -> dg.AssetKey:
        """The key of an asset."""
        return self.given.get(asset) or dg.AssetKey([*self.prefix, asset])

    def all(self, assets: Iterable[str]) -> list[dg.AssetKey]:
        """The keys of some assets."""
        return [self[asset] for asset in assets]

    def step(self, asset: str) -> str:
        """The step that materializes an asset: its op, as runs' configurations and events name it."""
        return self[asset].to_python_identifier()

    def asset(self, key: dg.AssetKey) -> str:
        """The name of an asset by its key; of another's asset, its key as text."""
        return next((name for name in self._names() if self[name] == key), key.to_user_string())

    def asset_of_step(self, step: str) -> str:
        """The name of the asset that a step materializes; of any other step, the step's."""
        return next((name for name in self._names() if self.step(name) == step), step)

    def concerns(self, run: dg.DagsterRun) -> bool:
        """Whether a run can be of this lake's assets: not when all that it selects is another lake's."""
        return not run.asset_selection or not all(map(self.is_another_lakes, run.asset_selection))

    def are_all(self, keys: Iterable[dg.AssetKey]) -> bool:
        """Whether all of some keys are of this lake's assets, without a user's own."""
        return set(keys) <= set(self.all(self._names()))

    def is_another_lakes(self, key: dg.AssetKey) -> bool:
        """Whether an asset is of another configuration.

        A user's own asset counts as a lake's when it has the lake's prefix.
        """
        if key in self.all(self._names()):
            return False
        return key.path[-1] in _NAMES or tuple(key.path[: len(self.prefix)]) != self.prefix

    def is_another_lakes_step(self, step: str) -> bool:
        """Whether a step materializes an asset of another configuration."""
        return step not in map(self.step, self._names()) and step.rpartition("__")[2] in _NAMES

    def _names(self) -> Iterable[str]:
        return {**dict.fromkeys(_NAMES), **self.given}


_NAMES = (*(table.name for table in TABLES), EXPORTS, REPORT)
PLAIN = AssetKeys()
"""Keys that are the names."""
