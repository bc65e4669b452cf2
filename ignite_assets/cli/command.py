"""What every command shares: `--debug`, and errors as one readable line."""

from typing import Any

import click


class Command(click.Command):
    """A command that takes `--debug`, and without it shows errors as a line rather than a traceback.

    Exit status 2 for a wrong configuration, 1 for any other error.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(["--debug"], is_flag=True, expose_value=False, is_eager=True, help="Show tracebacks.")
        )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        from ignite_assets.api.errors import ConfigurationError, IgniteError

        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.get_parameter_source("debug") == click.core.ParameterSource.COMMANDLINE:
                raise
            told = str(error) if isinstance(error, IgniteError | OSError) else f"{type(error).__name__}: {error}"
            click.echo(f"Error: {told}", err=True)
            raise SystemExit(2 if isinstance(error, ConfigurationError) else 1) from None
