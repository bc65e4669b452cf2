"""The prompt of `ignite-assets sql`."""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ignite_assets.api.errors import IgniteError
from ignite_assets.cli.answering import answer, failing_in_one_line
from ignite_assets.cli.results import Format
from ignite_assets.cli.text import aligned

if TYPE_CHECKING:
    from ignite_assets.storage.reader import LakeReader

_PROMPT, _MORE = "ignite> ", "   ...> "
_HELP = """\
A query ends with a semicolon, and may take several lines. Ctrl-C drops it, or stops it when it runs.

  .tables        the assets, and the dates that there are
  .schema ASSET  an asset's columns
  .help          this
  .quit          leave; so does Ctrl-D"""


class Shell:
    """Takes queries and commands until it is told to quit. What was typed is kept nowhere."""

    def __init__(self, lake: "LakeReader", form: Format) -> None:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - gives `input` its editing and its history

        self._lake = lake
        self._form = form
        self._typed: list[str] = []
        self._commands: dict[str, Callable[[str], None]] = {
            ".tables": self._tables,
            ".schema": self._schema,
            ".help": lambda _: click.echo(_HELP),
        }

    def run(self) -> None:
        """Read and answer, line by line."""
        click.echo(f"{self._lake.location}\n.help shows what can be typed besides SQL")
        while True:
            try:
                line = input(_MORE if self._typed else _PROMPT)
                if not self._typed and line.strip() in (".quit", ".exit"):
                    return
                self._take(line)
            except EOFError:
                click.echo()
                return
            except KeyboardInterrupt as interrupt:
                if interrupt.args:  # not Ctrl-C: told to end
                    raise
                self._typed.clear()
                click.echo()

    def _take(self, line: str) -> None:
        if not self._typed and line.lstrip().startswith("."):
            self._told(lambda: self._command(line))
            return
        if line.strip() or self._typed:
            self._typed.append(line)
        query = "\n".join(self._typed)
        if query.rstrip().endswith(";") and query.count("'") % 2 == 0:
            self._typed.clear()
            self._told(lambda: answer(self._lake.session, query, self._form))

    def _told(self, do: Callable[[], None]) -> None:
        """Do it, and say why when it fails."""
        try:
            with failing_in_one_line():
                do()
        except (IgniteError, click.UsageError, OSError) as error:
            click.echo(f"Error: {error.message if isinstance(error, click.UsageError) else error}", err=True)

    def _command(self, line: str) -> None:
        name, _, argument = line.strip().rstrip(";").partition(" ")
        if name not in self._commands:
            raise click.UsageError(f"there is no {name}; there are {', '.join([*self._commands, '.quit'])}")
        self._commands[name](argument.strip())

    def _tables(self, _: str) -> None:
        click.echo("\n".join(aligned([["asset", "websites", "dates"], *self._lake.overview()])))

    def _schema(self, asset: str) -> None:
        if not asset:
            raise click.UsageError("say of which asset: .schema visitors")
        comment, columns = self._lake.schema(asset)
        click.echo(f"{comment}\n" if comment else "", nl=bool(comment))
        click.echo(
            "\n".join(aligned([["column", "type", ""], *([name, kind, said or ""] for name, kind, said in columns)]))
        )
