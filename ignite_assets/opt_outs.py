"""Opt-outs through Dagster: the job that submits a dropped file, and what it shares with the command line."""

import datetime as dt

import dagster as dg

from ignite_assets.api.client import IgniteClient
from ignite_assets.api.errors import IgniteError
from ignite_assets.api.horizon import utc_now
from ignite_assets.api.patience import Tally
from ignite_assets.audiences import inbox, submission
from ignite_assets.audiences.drop_files import DropError
from ignite_assets.audiences.opt_outs import Person, Reject, parameter
from ignite_assets.audiences.store import Store
from ignite_assets.audiences.submission import Receipt
from ignite_assets.config import Settings
from ignite_assets.failures import input_failure
from ignite_assets.io_manager import ParquetIOManager
from ignite_assets.lake import Lake
from ignite_assets.resources import IgniteResource

JOB = "submit_opt_outs"


class DroppedFile(dg.Config):
    """Which file of the inbox."""

    website: str
    name: str


def submit(settings: Settings, lake: Lake, ignite: IgniteResource, website: str, data: bytes, name: str) -> Receipt:
    """Suppress the addresses of a file and submit them for a website. Raises `IgniteError`."""
    with ignite.client(website) as client:

        def send(people: tuple[Person, ...]) -> None:
            client.opt_out(parameter(people), Tally())

        return submission.submit(lake, website, data, name, send=send, room=_room(settings, client), now=utc_now)


def _room(settings: Settings, client: IgniteClient) -> int:
    """What the bound on a URL's length leaves for the addresses."""
    return settings.opt_outs.max_url_chars - client.opt_out_url_chars


def build_opt_out_job(settings: Settings) -> dg.JobDefinition:
    """The job that deals with one dropped file."""

    @dg.op(name="submit_dropped_file", description="Suppresses the people of one dropped file and submits them.")
    def submit_dropped_file(
        context: dg.OpExecutionContext,
        config: DroppedFile,
        ignite: dg.ResourceParam[IgniteResource],
        io_manager: dg.ResourceParam[ParquetIOManager],
    ) -> None:
        store = Store(settings.place(settings.opt_outs.inbox or ""))
        waiting = [f for f in inbox.dropped(store, [config.website]) if f.name == config.name]
        if not waiting:
            context.log.info("the file is gone: it was dealt with before")
            return
        try:
            receipt = _deal_with(settings, io_manager.lake, ignite, store, waiting[0])
        except DropError as error:
            inbox.put_away(store, waiting[0], (Reject(line=0, reason=str(error)),), keep=True)
            raise input_failure(error) from None
        except IgniteError as error:
            raise input_failure(error) from None
        inbox.put_away(store, waiting[0], receipt.rejects, keep=settings.opt_outs.keep_processed)
        context.log.info(describe(receipt))

    @dg.job(name=JOB, description="Suppresses the people of a dropped file and submits them to the platform.")
    def submit_opt_outs() -> None:
        submit_dropped_file()

    return submit_opt_outs


def _deal_with(settings: Settings, lake: Lake, ignite: IgniteResource, store: Store, file: inbox.Dropped) -> Receipt:
    data = store.read(file.path)
    if file.of_hashes:
        return submission.suppress_hashes(lake, file.website, data, file.name, now=dt.datetime.now(dt.UTC))
    return submit(settings, lake, ignite, file.website, data, file.name)


def describe(receipt: Receipt) -> str:
    """A receipt in a line."""
    lines = ", ".join(f"line {reject.line}: {reject.reason}" for reject in receipt.rejects[:10])
    more = f", and {len(receipt.rejects) - 10} more" if len(receipt.rejects) > 10 else ""
    rejected = f"; {len(receipt.rejects)} lines rejected ({lines}{more})" if receipt.rejects else ""
    return (
        f"{receipt.people:,} people are suppressed from now on; {receipt.submitted:,} submitted, "
        f"{receipt.known:,} known to the platform before{rejected}"
    )
