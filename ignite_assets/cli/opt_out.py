"""`ignite-assets opt-out`: keep people out of every export and tell the platform, or take an opt-out back."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ignite_assets.cli.choosing import unknown
from ignite_assets.cli.command import Command, project_settings

if TYPE_CHECKING:
    from ignite_assets.config import Settings


@click.command("opt-out", cls=Command, short_help="Suppress people, and submit them to the platform.")
@click.option("--website", required=True, metavar="KEY", help="The website that they opted out of.")
@click.option("--hashes", is_flag=True, help="The file holds MD5, SHA-1 or SHA-256 hashes; nothing is submitted.")
@click.option("--column", "columns", multiple=True, metavar="NAME", help="The column of those who opted out.")
@click.option("--withdraw", is_flag=True, help="Take the opt-outs of FILE's addresses (--hashes: hashes) back.")
@click.option("--confirm", is_flag=True, help="Confirm FILE, or all held files, though they take much of a list.")
@click.option(
    "--acknowledged/--not-acknowledged",
    "settled",
    default=None,
    help="Settle answers of the platform that were not understood: it has these people, or it is to be told again.",
)
@click.option("--reason", metavar="TEXT", help="Why; recorded with --withdraw and --[not-]acknowledged.")
@click.argument("file", required=False, type=click.Path(path_type=Path, allow_dash=True))
def opt_out(
    website: str,
    hashes: bool,
    columns: tuple[str, ...],
    withdraw: bool,
    confirm: bool,
    settled: bool | None,
    reason: str | None,
    file: Path | None,
) -> None:
    """Suppress everyone in FILE in every export from now on, and submit the addresses of those who opted out.

    FILE is CSV, text, JSON, JSON Lines or a workbook, also compressed with gzip; `-` is standard input. Every address
    in it is suppressed. Only those without doubt of people who opted out are submitted: where several columns could be
    theirs, name one with --column. Rows that say `subscribed` are left out. The ledger keeps hashes, never an address.

    Exit status: 0 all is done, 1 somebody has to look at a line or a column, or the platform did not take everybody
    (they are suppressed nevertheless; run it again), 2 bad usage or configuration.

    \b
    Examples:
      ignite-assets opt-out --website acme-honda unsubscribed.csv
      ignite-assets opt-out --website acme-honda --column "Customer Email" crm.xlsx
      ignite-assets opt-out --website acme-honda - < addresses.txt
      ignite-assets opt-out --website acme-honda --withdraw --reason "signed up again" - < address.txt
    """
    settings = project_settings()
    if website not in settings.websites and website not in _owed(settings):
        raise unknown([website], list(settings.websites), "website")
    if settled is not None:
        _settle(settings, website, acknowledged=settled, reason=_given(reason))
        return
    if confirm and file is None:
        _confirm(settings, website, reason or "")
        return
    if file is None:
        raise click.UsageError("FILE is missing; `-` reads standard input")
    data, name = _read(file)
    if withdraw:
        _withdraw(settings, website, data, name, hashes=hashes, reason=_given(reason))
    else:
        _opt_out(settings, website, data, name, hashes=hashes, columns=columns, confirm=confirm)


def _owed(settings: "Settings") -> set[str]:
    """The websites that are configured no more and whose lists people still leave."""
    from ignite_assets.audiences import lists
    from ignite_assets.storage.lake import Lake

    return lists.owed_websites(Lake(settings.root), settings.rules())


def _opt_out(
    settings: "Settings", website: str, data: bytes, name: str, *, hashes: bool, columns: tuple[str, ...], confirm: bool
) -> None:
    from ignite_assets.api.errors import IgniteError
    from ignite_assets.cli.bars import tracked
    from ignite_assets.dagster.automation import opt_out_job
    from ignite_assets.dagster.resources import IgniteResource
    from ignite_assets.storage.lake import Lake

    opt_outs = opt_out_job.WebsiteOptOuts(settings=settings, lake=Lake(settings.root), website=website)
    drop = opt_outs.drop(data, name, confirm=confirm)
    if hashes:
        receipt = opt_outs.suppress_hashes(drop)
    else:
        found = opt_outs.suppress(drop, columns)
        try:
            with tracked():
                receipt = opt_outs.tell(IgniteResource.from_settings(settings), found)
        except IgniteError:
            said = opt_out_job.suppressed(len(found.people))
            click.echo(f"{said}; the platform does not know all of them: run it again", err=True)
            raise
    click.echo(opt_out_job.describe(receipt))
    raise SystemExit(0 if receipt.done else 1)


def _withdraw(settings: "Settings", website: str, data: bytes, name: str, *, hashes: bool, reason: str) -> None:
    from ignite_assets.api.horizon import utc_now
    from ignite_assets.audiences import submission
    from ignite_assets.storage.lake import Lake

    asked, taken = submission.withdraw(
        Lake(settings.root), website, data, name, by_hash=hashes, reason=reason, now=utc_now()
    )
    click.echo(f"{taken:,} of {asked:,} were suppressed and are no longer; a later opt-out counts again")
    raise SystemExit(0 if taken == asked else 1)


def _settle(settings: "Settings", website: str, *, acknowledged: bool, reason: str) -> None:
    from ignite_assets.api.horizon import utc_now
    from ignite_assets.audiences import submission
    from ignite_assets.storage.lake import Lake

    count = submission.settle(Lake(settings.root), website, acknowledged=acknowledged, reason=reason, now=utc_now())
    told = "recorded as acknowledged" if acknowledged else "to be submitted again with their file"
    click.echo(f"{count:,} {'person is' if count == 1 else 'people are'} {told}")


def _confirm(settings: "Settings", website: str, reason: str) -> None:
    from ignite_assets.api.horizon import utc_now
    from ignite_assets.audiences import ledger
    from ignite_assets.storage.lake import Lake

    count = ledger.confirm(Lake(settings.root), website, at=utc_now(), reason=reason)
    click.echo(f"{count:,} {'file is' if count == 1 else 'files are'} confirmed; the inbox submits on its next try")


def _given(reason: str | None) -> str:
    if not reason or not reason.strip() or "@" in reason:
        raise click.UsageError("say why with --reason, without an address")
    return reason.strip()


def _read(file: Path) -> tuple[bytes, str]:
    """The file's bytes, and the name that tells its form. Nothing here quotes the name: it may be an address."""
    read: Callable[[], bytes] = sys.stdin.buffer.read if str(file) == "-" else file.read_bytes
    try:
        return read(), "standard-input.txt" if str(file) == "-" else file.name
    except OSError as error:
        trouble = error.strerror
    raise click.UsageError(f"FILE can't be read: {trouble}; addresses come in a file, or by - from standard input")
