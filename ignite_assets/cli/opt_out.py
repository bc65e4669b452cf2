"""`ignite-assets opt-out`: keep people out of every export, and tell the platform of them, at once."""

import sys
from pathlib import Path

import click

from ignite_assets.cli.command import Command


@click.command("opt-out", cls=Command, short_help="Suppress people, and submit them to the platform.")
@click.option("--website", required=True, metavar="KEY", help="The website that they opted out of.")
@click.option("--hashes", is_flag=True, help="The file holds MD5, SHA-1 or SHA-256 hashes; nothing is submitted.")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
def opt_out(website: str, hashes: bool, file: Path) -> None:
    """Suppress the people of FILE in every export from now on, and submit their addresses.

    FILE is CSV, JSON or one address a line; `-` is standard input, one a line. Lines that hold nobody are told by
    their number. The ledger keeps hashes, never an address.

    Exit status: 0 all is done, 1 a line was rejected or the platform did not take everybody (they are suppressed
    nevertheless; run it again), 2 bad usage or configuration.

    \b
    Examples:
      ignite-assets opt-out --website acme-honda unsubscribed.csv
      ignite-assets opt-out --website acme-honda - < addresses.txt
    """
    from ignite_assets.api.errors import IgniteError
    from ignite_assets.api.horizon import utc_now
    from ignite_assets.audiences.submission import suppress, suppress_hashes
    from ignite_assets.cli.bars import tracked
    from ignite_assets.config import load_settings
    from ignite_assets.dagster.automation.opt_out_job import describe, suppressed, tell
    from ignite_assets.dagster.resources import IgniteResource
    from ignite_assets.storage.lake import Lake

    settings = load_settings()
    if website not in settings.websites:
        raise click.UsageError(f"there is no website {website}; there are {', '.join(settings.websites)}")
    data, name = _read(file)
    lake = Lake(settings.root)
    if hashes:
        receipt = suppress_hashes(lake, website, data, name, now=utc_now())
    else:
        found = suppress(lake, website, data, name, now=utc_now())
        try:
            with tracked():
                receipt = tell(settings, lake, IgniteResource.from_settings(settings), website, found)
        except IgniteError:
            click.echo(
                f"{suppressed(len(found.people))}; the platform does not know all of them: run it again", err=True
            )
            raise
    click.echo(describe(receipt))
    raise SystemExit(1 if receipt.rejects else 0)


def _read(file: Path) -> tuple[bytes, str]:
    """The file's bytes, and the name that tells its form. Nothing here quotes the name: it may be an address."""
    if str(file) == "-":
        return sys.stdin.buffer.read(), "standard-input.txt"
    try:
        return file.read_bytes(), file.name
    except OSError as error:
        trouble = error.strerror
    raise click.UsageError(f"FILE can't be read: {trouble}; addresses come in a file, or by - from standard input")
