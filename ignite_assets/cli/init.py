"""`ignite-assets init`: the files of a new project."""

import datetime as dt
import os
import shlex
import tomllib
from pathlib import Path

import click

from ignite_assets.cli.choosing import split
from ignite_assets.cli.command import Command

_CONFIGURATION, _WORKSPACE = "ignite.toml", "workspace.yaml"
_PLACEHOLDER = "my-website"
_DAYS_BACK = 60

_WORKSPACE_TEXT = """\
# The code location, for `dagster dev -w workspace.yaml`. It reads the ignite.toml of the folder that Dagster is started
# in; from any other folder, or in a service, set IGNITE_CONFIG to the path of that file.
load_from:
  - python_module:
      module_name: ignite_assets.definitions
      location_name: ignite_assets
"""


@click.command(cls=Command, short_help="Write the files of a new project.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--website", "websites", multiple=True, metavar="KEY", help="Websites to capture: a,b or repeated.")
@click.option("--start-date", type=click.DateTime(["%Y-%m-%d"]),
              help=f"First day that can be captured. Default: {_DAYS_BACK} days before today.")  # fmt: skip
@click.option("--root", default="data/lake", show_default=True, help="Where the lake will be: a folder or a URL.")
@click.option("--force", is_flag=True, help="Replace existing files.")
def init(folder: Path, websites: tuple[str, ...], start_date: dt.datetime | None, root: str, force: bool) -> None:
    """Write an ignite.toml that explains every setting, and a workspace.yaml, into FOLDER (default: this one).

    Existing files are left unchanged, unless you give --force.

    In an existing Dagster project, leave workspace.yaml out and merge these definitions into yours:

    \b
      import dagster as dg
      from ignite_assets import build_defs, load_settings
      defs = dg.Definitions.merge(your_defs, build_defs(load_settings()))

    \b
    Examples:
      ignite-assets init --website acme-honda,bayside-kia
      ignite-assets init reporting --website acme-honda --root s3://agency-lake/ignite
    """
    from ignite_assets.config.reading import judge
    from ignite_assets.config.template import new_configuration, variables

    keys = tuple(dict.fromkeys(split(websites))) or (_PLACEHOLDER,)
    first = start_date.date() if start_date else dt.datetime.now(dt.UTC).date() - dt.timedelta(days=_DAYS_BACK)
    text = new_configuration(keys, start_date=first, root=root)
    settings = judge(tomllib.loads(text), folder.absolute() / _CONFIGURATION)
    names = variables(settings)
    _write(folder, {_CONFIGURATION: text, _WORKSPACE: _WORKSPACE_TEXT}, force=force)
    _say_what_is_next(folder, names, placeholder=not websites)


def _write(folder: Path, files: dict[str, str], *, force: bool) -> None:
    """Write all of the files, or none when one is there already."""
    there = [str(folder / name) for name in files if os.path.lexists(folder / name)]
    if there and not force:
        raise click.ClickException(f"{' and '.join(there)} would be replaced; give --force to replace them")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _say_what_is_next(folder: Path, variables: list[str], *, placeholder: bool) -> None:
    click.echo(f"Wrote {folder / _CONFIGURATION} and {folder / _WORKSPACE}.")
    click.echo("The variables below may also stand in a file .env beside them, as lines NAME=value. Next:\n")
    if placeholder:
        click.echo(f"  give the website {_PLACEHOLDER} its name in {_CONFIGURATION}, and its variables theirs")
    if folder != Path():
        click.echo(f"  cd {shlex.quote(str(folder))}")
    for name in variables:
        click.echo(f"  export {name}=…")
    click.echo("  ignite-assets doctor\n  ignite-assets materialize\n  dagster dev -w workspace.yaml")
