"""`IgniteComponent`: the assets of an `ignite.toml` as a component of a `dg` project, and what scaffolds it."""

import datetime as dt
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
from dagster.components.component_scaffolding import scaffold_component
from dagster.components.utils.translation import TranslationFn, TranslationFnResolver
from pydantic import BaseModel, Field

from ignite_assets.config import CONFIG_FILE, load_settings
from ignite_assets.config.reading import judge
from ignite_assets.config.template import new_configuration, variables
from ignite_assets.dagster.build import build_defs
from ignite_assets.dagster.specs import IgniteAssetProps, IgniteTranslator

DAYS_BACK = 60
"""Days before today of the first day of a new project."""
_GITIGNORE = "# The lake, the pages and Dagster's records: data, not code.\n*\n"
_ENV_HEAD = "# Copy to .env, which git must ignore, and fill in: {name} reads these variables.\n"


class IgniteScaffoldParams(BaseModel):
    """What `dg scaffold defs ignite_assets.IgniteComponent` takes."""

    website: list[str] = Field(default_factory=lambda: ["my-website"], description="A website to capture; repeatable.")
    start_date: str | None = Field(
        default=None, description=f"First day that can be captured. Default: {DAYS_BACK} days before today."
    )
    root: str | None = Field(
        default=None, description="Where the lake will be. Default: data/NAME/lake of the project."
    )


class IgniteScaffolder(dg.Scaffolder[IgniteScaffoldParams]):
    """Writes `defs.yaml` and `ignite.toml`, `.env.example` of the project, and a `.gitignore` for the data."""

    @classmethod
    def get_scaffold_params(cls) -> type[IgniteScaffoldParams]:
        """The websites, the first day and the lake."""
        return IgniteScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[IgniteScaffoldParams]) -> None:
        """Write the files; raises `ConfigurationError` for what `ignite.toml` can't hold, and writes nothing then."""
        folder, params = request.target_path, request.params
        project = request.project_root or folder
        data = project / "data" / folder.name
        first = params.start_date or str(dt.datetime.now(dt.UTC).date() - dt.timedelta(days=DAYS_BACK))
        text = new_configuration(
            params.website,
            start_date=dt.date.fromisoformat(first),
            root=params.root or os.path.relpath(data / "lake", folder),
            reports=os.path.relpath(data / "reports", folder),
        )
        settings = judge(tomllib.loads(text), folder / CONFIG_FILE)
        scaffold_component(request, {"config": CONFIG_FILE})
        (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
        data.mkdir(parents=True, exist_ok=True)
        (data / ".gitignore").write_text(_GITIGNORE, encoding="utf-8")
        _add_variables(project / ".env.example", folder.name, variables(settings))


def _add_variables(file: Path, name: str, names: Sequence[str]) -> None:
    """Add the variables that the file lacks."""
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    new = [f"{each}=" for each in names if f"{each}=" not in before.splitlines()]
    if new:
        file.write_text(before + _ENV_HEAD.format(name=name) + "\n".join(new) + "\n", encoding="utf-8")


Translation = Annotated[
    TranslationFn[IgniteAssetProps],
    TranslationFnResolver[IgniteAssetProps](
        template_vars_for_translation_fn=lambda props: {"props": props, "name": props.name, "group": props.group}
    ),
]


@dg.scaffold_with(IgniteScaffolder)
class IgniteComponent(dg.Component, dg.Resolvable, dg.Model):
    """Every Ignite website's data as Parquet: the assets, checks, jobs, schedules and sensors of an `ignite.toml`."""

    config: Annotated[
        str,
        dg.Resolver.default(description="The configuration: its path from this file's folder.", examples=[CONFIG_FILE]),
    ] = CONFIG_FILE
    translation: Annotated[
        Translation | None,
        dg.Resolver.default(description="Changes key, group, tags, owners and the like of the assets."),
    ] = None
    pool: Annotated[
        str | None, dg.Resolver.default(description="The concurrency pool that the steps of the assets take a slot of.")
    ] = None

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The definitions. Raises `ConfigurationError` for a mistake in the configuration."""
        settings = load_settings(context.path / self.config)
        return build_defs(settings, translator=_Translator(self.translation, self.pool))


class _Translator(IgniteTranslator):
    """What `defs.yaml` says."""

    def __init__(self, translation: Any, pool: str | None) -> None:
        self._translation, self._pool = translation, pool

    def get_asset_spec(self, props: IgniteAssetProps) -> dg.AssetSpec:
        spec: dg.AssetSpec = self._translation(props.spec, props) if self._translation else props.spec
        return spec

    def get_pool(self, props: IgniteAssetProps) -> str | None:
        del props
        return self._pool
