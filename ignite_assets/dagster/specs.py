"""What Dagster shows of each asset: its key, group, tags, owners, description, and what it is made from.

`IgniteTranslator` changes any of it. `asset_specs` are the same assets for a code location that only reads them.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import dagster as dg

from ignite_assets.api.endpoints import ENDPOINTS, Endpoint
from ignite_assets.api.table import Table
from ignite_assets.config import Settings
from ignite_assets.dagster.keys import EXPORTS, FOLDER, REPORT, AssetKeys
from ignite_assets.dagster.metadata import LINEAGE, column_schema, lineage_metadata, storage_kinds, storage_uri
from ignite_assets.dagster.partitions import build_partitions, trailing_mapping
from ignite_assets.tables.derived.row import Derived, Input
from ignite_assets.tables.registry import DERIVED

Group = Literal["look_back", "current_state", "derived", "exports", "reports"]
Decorator = Callable[[Callable[..., Any]], dg.AssetsDefinition]


@dataclass(frozen=True, kw_only=True)
class IgniteAssetProps:
    """What a translator is told of an asset."""

    name: str
    """As the lake's folder, the command line and the data dictionary call it: `visitors`."""
    group: Group
    """What kind of asset it is."""
    table: Table | None
    """Its columns and where they come from; None for exports and reports, which are no tables."""
    settings: Settings
    spec: dg.AssetSpec
    """What it looks like without a translator."""


class IgniteTranslator:
    """What the assets look like in Dagster. Override a method to change it."""

    def get_asset_spec(self, props: IgniteAssetProps) -> dg.AssetSpec:
        """The spec of an asset: `super().get_asset_spec(props)` with attributes replaced.

        Key, group, tags, owners, description, metadata, kinds, code version and automation condition can be changed.
        The others follow: what depends on an asset whose key is changed depends on its new key.
        """
        return props.spec

    def get_pool(self, props: IgniteAssetProps) -> str | None:
        """The concurrency pool that an asset's step takes a slot of; none by default."""
        del props
        return None


@dataclass(frozen=True)
class Specs:
    """The assets of a configuration, by name, as a translator has them."""

    by_name: Mapping[str, dg.AssetSpec]
    keys: AssetKeys
    pools: Mapping[str, str | None]

    def asset(self, name: str, **how: Any) -> Decorator:
        """The decorator of the function that makes an asset."""
        spec = self.by_name[name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)  # Dagster still calls backfill policies a beta
            decorate: Decorator = dg.asset(
                key=spec.key,
                deps=spec.deps,
                description=spec.description,
                metadata=spec.metadata,
                group_name=spec.group_name,
                code_version=spec.code_version,
                automation_condition=spec.automation_condition,
                owners=spec.owners,
                tags=spec.tags,
                partitions_def=spec.partitions_def,
                pool=self.pools[name],
                **how,
            )
        return decorate


def asset_specs(settings: Settings, *, translator: IgniteTranslator | None = None) -> list[dg.AssetSpec]:
    """The assets of a configuration for a code location that only reads them: nothing in it can materialize them."""
    specs = build_specs(settings, translator=translator).by_name.values()
    # Dagster makes one definition of such specs, in which two assets can't read a third by different mappings.
    return [spec.replace_attributes(deps=[dep.asset_key for dep in spec.deps]) for spec in specs]


def build_specs(
    settings: Settings,
    *,
    endpoints: Sequence[Endpoint] = ENDPOINTS,
    derived: Sequence[Derived] = DERIVED,
    translator: IgniteTranslator | None = None,
) -> Specs:
    """The specs of every asset that the configuration has, translated."""
    usual = AssetKeys.of(settings)
    translator = translator or IgniteTranslator()
    props = [
        *(_captured(endpoint, settings, usual) for endpoint in endpoints),
        *(_derived(row, settings, usual) for row in derived),
        *([_exports(settings, usual)] if settings.exports else []),
        _report([row.name for row in (*endpoints, *derived)], settings, usual),
    ]
    partitions = build_partitions(settings)
    props = [replace(each, spec=each.spec.replace_attributes(partitions_def=partitions)) for each in props]
    translated = {each.name: translator.get_asset_spec(each) for each in props}
    keys = AssetKeys(usual.prefix, {name: spec.key for name, spec in translated.items()})
    moved = {usual[name]: key for name, key in keys.given.items()}
    return Specs(
        {name: _with_keys(spec, moved) for name, spec in translated.items()},
        keys,
        {each.name: translator.get_pool(each) for each in props},
    )


def _with_keys(spec: dg.AssetSpec, moved: Mapping[dg.AssetKey, dg.AssetKey]) -> dg.AssetSpec:
    """The spec with dependencies and lineage by the keys that the assets have now."""
    deps = [
        dg.AssetDep(moved.get(dep.asset_key, dep.asset_key), partition_mapping=dep.partition_mapping)
        for dep in spec.deps
    ]
    metadata = dict(spec.metadata)
    if isinstance(lineage := metadata.get(LINEAGE), dg.TableColumnLineageMetadataValue):
        columns = {
            column: [dg.TableColumnDep(moved.get(dep.asset_key, dep.asset_key), dep.column_name) for dep in sources]
            for column, sources in lineage.column_lineage.deps_by_column.items()
        }
        metadata[LINEAGE] = dg.MetadataValue.column_lineage(dg.TableColumnLineage(columns))
    return spec.replace_attributes(deps=deps, metadata=metadata)


def _props(
    name: str,
    group: Group,
    settings: Settings,
    keys: AssetKeys,
    *,
    personal: bool,
    table: Table | None = None,
    metadata: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    **more: Any,
) -> IgniteAssetProps:
    in_lake = (
        {
            FOLDER: name,
            # From the asset graph, the code location's executor has a process for each step.
            "launch_from": f"the page of the job {settings.dagster.named('nightly')}: all steps of its runs share one "
            "process, unless configured",
            "dagster/column_schema": column_schema(table),
            "dagster/uri": storage_uri(settings.root, name),
            **lineage_metadata(table, keys),
        }
        if table
        else {}
    )
    spec = dg.AssetSpec(
        keys[name],
        group_name=settings.dagster.named(group),
        owners=list(settings.assets.owners),
        tags={**(tags or {}), "ignite/personal_data": str(personal).lower()},
        metadata={**in_lake, **(metadata or {})},
        **more,
    )
    return IgniteAssetProps(name=name, group=group, table=table, settings=settings, spec=spec)


def _captured(endpoint: Endpoint, settings: Settings, keys: AssetKeys) -> IgniteAssetProps:
    listed = endpoint.ids.endpoint if endpoint.ids and endpoint.ids.from_partition else None
    return _props(
        endpoint.name,
        endpoint.history,
        settings,
        keys,
        personal=endpoint.personal,
        table=endpoint,
        description=endpoint.description,
        deps=[keys[listed]] if listed else [],
        kinds={"api", "parquet", *storage_kinds(settings.root)},
        tags={"ignite/history": endpoint.history},
        metadata={
            "endpoint": f"GET {endpoint.path}",
            "documentation": dg.MetadataValue.url(endpoint.documentation_url),
        },
    )


def _derived(row: Derived, settings: Settings, keys: AssetKeys) -> IgniteAssetProps:
    window = settings.derived.window_days
    return _props(
        row.name,
        row.history,
        settings,
        keys,
        personal=row.personal,
        table=row,
        description=row.description,
        deps=[_dependency(each, window, keys) for each in row.inputs],
        kinds={"duckdb", "parquet", *storage_kinds(settings.root)},
        metadata={"window_days": window},
    )


def _dependency(of: Input, window_days: int, keys: AssetKeys) -> dg.AssetDep:
    """The partitions that are read for a day: those of the same website, and of the days of the window."""
    longer = {"window": 0, "both_windows": 1, "nearest": 1}[of.days]
    return dg.AssetDep(keys[of.asset], partition_mapping=trailing_mapping(window_days + longer))


def _exports(settings: Settings, keys: AssetKeys) -> IgniteAssetProps:
    rules = settings.rules()
    return _props(
        EXPORTS,
        "exports",
        settings,
        keys,
        personal=True,
        description="Files for ad platforms: people who joined and left each audience, without anyone who opted out.",
        deps=keys.all(sorted({asset for rule in rules for asset in rule.source_assets})),
        kinds={rule.row.platform for rule in rules},
    )


def _report(reads: Sequence[str], settings: Settings, keys: AssetKeys) -> IgniteAssetProps:
    window = trailing_mapping(settings.derived.window_days)
    return _props(
        REPORT,
        "reports",
        settings,
        keys,
        personal=settings.reports.personal_details,
        description="A page of the website's day: visitors, audiences, locations, inventory, exports, data quality.",
        deps=[
            *(dg.AssetDep(keys[name], partition_mapping=window) for name in reads),
            *([keys[EXPORTS]] if settings.exports else []),
        ],
        kinds={"html"},
    )
