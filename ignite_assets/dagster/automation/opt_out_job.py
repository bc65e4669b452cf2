"""Opt-outs through Dagster: the job that submits a dropped file, and what it shares with the command line."""

from typing import TYPE_CHECKING

import dagster as dg

from ignite_assets.api.errors import IgniteError
from ignite_assets.api.horizon import utc_now
from ignite_assets.api.patience import Tally
from ignite_assets.audiences import inbox, submission
from ignite_assets.audiences.drop_files import DropError
from ignite_assets.audiences.opt_outs import Addresses, Person, Reject, parameter
from ignite_assets.audiences.submission import Receipt
from ignite_assets.config import Settings
from ignite_assets.dagster.failures import input_failure
from ignite_assets.dagster.io_manager import ParquetIOManager
from ignite_assets.dagster.resources import IgniteResource
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Store
from ignite_assets.tables.progress import lines, showing

if TYPE_CHECKING:
    from ignite_assets.api.client import IgniteClient

JOB = "submit_opt_outs"
OP = "submit_dropped_file"


class DroppedFile(dg.Config):
    """Which file of the inbox."""

    website: str
    label: str
    """As the inbox calls it: never by an address."""


def tell(settings: Settings, lake: Lake, ignite: IgniteResource, website: str, found: Addresses) -> Receipt:
    """Tell the platform of people who are suppressed already. Raises `IgniteError`."""
    with ignite.client(website) as client:

        def send(people: tuple[Person, ...]) -> None:
            client.opt_out(parameter(people), Tally())

        room = _room(settings, client)
        return submission.tell(lake, website, found, send=send, room=room, now=utc_now)


def _room(settings: Settings, client: "IgniteClient") -> int:
    """What the bound on a URL's length leaves for the addresses."""
    return settings.opt_outs.max_url_chars - client.opt_out_url_chars


def build_opt_out_job(settings: Settings) -> dg.JobDefinition:
    """The job that suppresses and submits the people of one dropped file."""

    @dg.op(name=OP, description="Suppresses the people of one dropped file and submits them.")
    def submit_dropped_file(
        context: dg.OpExecutionContext,
        config: DroppedFile,
        ignite: dg.ResourceParam[IgniteResource],
        ignite_lake: dg.ResourceParam[ParquetIOManager],
    ) -> None:
        store = Store(settings.place(settings.opt_outs.inbox or ""))
        waiting = [file for file in inbox.of_website(store, config.website) if file.label == config.label]
        if not waiting:
            context.log.info("the file is gone: it was dealt with before")
            return
        with showing(lines(context.log.info)):
            said = _without_names(settings, ignite_lake.lake, ignite, store, waiting[0])
        for line in said:
            context.log.info(line)

    @dg.job(
        name=JOB,
        description="Keeps the people of one dropped file out of every export, then tells the platform; started by its "
        "arrival in the inbox.",
    )
    def submit_opt_outs() -> None:
        submit_dropped_file()

    return submit_opt_outs


def _without_names(
    settings: Settings, lake: Lake, ignite: IgniteResource, store: Store, file: inbox.Dropped
) -> list[str]:
    """The same, when the file system fails: its own errors quote the file's name, which may be an address."""
    try:
        return _deal_with(settings, lake, ignite, store, file)
    except OSError as error:
        trouble = f"the inbox or the lake could not be read or written ({type(error).__name__} {error.errno or ''})"
    raise dg.Failure(description=trouble)


def _deal_with(settings: Settings, lake: Lake, ignite: IgniteResource, store: Store, file: inbox.Dropped) -> list[str]:
    """What there is to say of it. Raises Dagster's failure when the file stays, or can't be read at all."""
    data = store.read(file.path)
    try:
        receipt = _submit(settings, lake, ignite, file, data)
    except DropError as error:
        inbox.put_away(store, file, data, (Reject(line=0, reason=str(error)),), keep=True)
        raise input_failure(error) from None
    except IgniteError as error:
        raise input_failure(error) from None
    gone = inbox.put_away(store, file, data, receipt.rejects, keep=settings.opt_outs.keep_processed)
    return [describe(receipt), *([] if gone else ["the file was changed meanwhile: it will be read again"])]


def _submit(settings: Settings, lake: Lake, ignite: IgniteResource, file: inbox.Dropped, data: bytes) -> Receipt:
    if file.of_hashes:
        return submission.suppress_hashes(lake, file.website, data, file.name, now=utc_now())
    found = submission.suppress(lake, file.website, data, file.name, now=utc_now())
    return tell(settings, lake, ignite, file.website, found)


def describe(receipt: Receipt) -> str:
    """A receipt in a line."""
    lines = ", ".join(f"line {reject.line}: {reject.reason}" for reject in receipt.rejects[:10])
    more = f", and {len(receipt.rejects) - 10} more" if len(receipt.rejects) > 10 else ""
    rejected = f"; {_count(len(receipt.rejects), 'line')} rejected ({lines}{more})" if receipt.rejects else ""
    told = f"{receipt.submitted:,} submitted, {receipt.known:,} known to the platform before"
    told = "hashes aren't submitted" if receipt.by_hash else told
    return f"{suppressed(receipt.people)}; {told}{rejected}"


def suppressed(people: int) -> str:
    """That so many people are in no export any more."""
    return (
        f"{people:,} person is suppressed from now on"
        if people == 1
        else f"{people:,} people are suppressed from now on"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
