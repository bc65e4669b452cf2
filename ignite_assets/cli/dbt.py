"""`ignite-assets dbt`: the lake as sources of a dbt project, and as external tables of a warehouse."""

from pathlib import Path

import click

from ignite_assets.cli.command import Command, project_settings

_FILE = "sources.yml"


@click.command(cls=Command, short_help="Write dbt sources, or external tables of a warehouse.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--schema", default="ignite", show_default=True, help="Where the warehouse has the tables.")
@click.option("--tables", "warehouse", type=click.Choice(("athena", "bigquery", "snowflake", "trino")),
              help="Instead of sources: print SQL that makes an external table of each asset.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace an existing sources.yml.")
def dbt(folder: Path, schema: str, warehouse: str | None, force: bool) -> None:
    """Write a sources.yml of the lake's assets into FOLDER of a dbt project (default: this one).

    It has each asset's columns with their descriptions and types, tests of its keys, and its freshness by the moment of
    its newest capture. dbt-duckdb reads the lake by it, without a table or a copy. Other adapters read external
    tables, whose statements --tables prints.

    \b
    Examples:
      ignite-assets dbt models/ignite
      ignite-assets dbt --tables athena > tables.sql
    """
    from ignite_assets.storage.location import URL_SCHEME
    from ignite_assets.storage.store import shown_root
    from ignite_assets.tables.dbt import sources
    from ignite_assets.tables.external import WAREHOUSES, Place, statements
    from ignite_assets.tables.registry import TABLES

    settings = project_settings()
    root = shown_root(settings.root)
    if warehouse and not URL_SCHEME.match(root):
        raise click.ClickException(f"a warehouse reads a bucket, and the lake is in {root}: copy it there first")
    if chosen := next((each for each in WAREHOUSES if each == warehouse), None):
        place = Place(
            url=root, websites=sorted(settings.websites), first_day=settings.partitions.start_date, schema=schema
        )
        click.echo("\n\n".join(statements(chosen, TABLES, place)))
        return
    file = folder / _FILE
    if file.exists() and not force:
        raise click.ClickException(f"{file} would be replaced; give --force to replace it")
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(sources(TABLES, root, schema), encoding="utf-8")
    click.echo(f"Wrote {file} with {len(TABLES)} tables of {root}.")
