"""The command line `ignite-assets`, a module for each command.

What a command needs of the package is imported inside it: `--help` must not wait for Dagster.
"""

import click

from ignite_assets._version import __version__
from ignite_assets.cli.dbt import dbt
from ignite_assets.cli.demo import demo
from ignite_assets.cli.doctor import doctor
from ignite_assets.cli.endpoints import endpoints
from ignite_assets.cli.export import export
from ignite_assets.cli.init import init
from ignite_assets.cli.materialize import materialize
from ignite_assets.cli.opt_out import opt_out
from ignite_assets.cli.prune import prune
from ignite_assets.cli.report import report
from ignite_assets.cli.sandbox import sandbox
from ignite_assets.cli.sql import sql


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ignite-assets")
def main() -> None:
    """Every Ignite website's data as Parquet, through Dagster.

    \b
    To see it work, without configuration or credentials:
      ignite-assets demo
    To start a project of your own, then capture yesterday for every website of its ignite.toml:
      ignite-assets init --website acme-honda
      ignite-assets materialize
    """


for _command in (init, doctor, materialize, sql, dbt, export, opt_out, report, prune, demo, sandbox, endpoints):
    main.add_command(_command)
