"""Opt-outs through Dagster: the job that submits a dropped file, and what it shares with the command line."""

import datetime as dt
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dagster as dg
from pydantic import Field

from ignite_assets.api.errors import IgniteError
from ignite_assets.api.horizon import utc_now
from ignite_assets.api.patience import Tally
from ignite_assets.audiences import acknowledgement, inbox, ledger, lists, submission
from ignite_assets.audiences.confirming import Examine, examiner
from ignite_assets.audiences.drops.decoding import DropError, EmptyError
from ignite_assets.audiences.drops.reading import Reading
from ignite_assets.audiences.opt_outs import Person, parameter
from ignite_assets.audiences.submission import Receipt
from ignite_assets.config import Settings
from ignite_assets.dagster.failures import input_failure
from ignite_assets.dagster.io_manager import IO_MANAGER, lake_of
from ignite_assets.dagster.resources import IGNITE, IgniteResource
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Store
from ignite_assets.tables.progress import lines, showing

JOB = "submit_opt_outs"
OP = "submit_dropped_file"


class DroppedFile(dg.Config):
    """Which file of the inbox."""

    website: str = Field(description="The website whose folder of the inbox holds the file.")
    label: str = Field(description="The file as the inbox calls it: never by an address.")
    again: bool = Field(
        default=False,
        description="Whether a run has dealt with it before: an opt-out that was taken back since then stays so.",
    )


@dataclass(frozen=True, kw_only=True)
class WebsiteOptOuts:
    """What is done with files of opt-outs of a website."""

    settings: Settings
    lake: Lake
    website: str

    def drop(
        self, data: bytes, name: str, *, confirm: bool = False, since: dt.datetime | None = None
    ) -> submission.Drop:
        """A file of its people; `since`: when they were recorded, if it was dealt with before."""
        return submission.Drop(
            lake=self.lake,
            website=self.website,
            data=data,
            name=name,
            at=since or ledger.moment(self.lake, self.website, utc_now()),
            examine=self._examine(),
            confirm=confirm,
        )

    def suppress(self, drop: submission.Drop, columns: Sequence[str] = ()) -> Reading:
        """Suppress the people of a file of addresses; `columns`: in the place of the configured one."""
        configured = self.settings.opt_outs.columns.get(self.website)
        return drop.suppress(columns or ([configured] if configured else []), must_have=bool(columns))

    def suppress_hashes(self, drop: submission.Drop) -> Receipt:
        """Suppress the people of a list of hashes."""
        return drop.suppress_hashes(self.settings.captured_hashes(self.website))

    def tell(self, ignite: IgniteResource, found: Reading, *, since: dt.datetime | None = None) -> Receipt:
        """Tell the platform of people who are suppressed already, unless there are doubts. Raises `IgniteError`.

        `since`: see `drop`.
        """
        withdrawn = ledger.withdrawn_since(self.lake, self.website, since) if since else frozenset[str]()
        untold = self.website not in self.settings.websites
        if untold or not found.submitted:
            return submission.receipt(found, withdrawn=withdrawn, untold=untold)
        with ignite.client(self.website) as client, ignite.access[self.website].advising():

            def send(people: tuple[Person, ...]) -> None:
                acknowledgement.check(client.opt_out(parameter(people), Tally()), len(people))

            room = self.settings.opt_outs.max_url_chars - client.opt_out_url_chars
            return submission.tell(
                self.lake, self.website, found, send=send, room=room, now=utc_now, withdrawn=withdrawn
            )

    def _examine(self) -> Examine | None:
        settings, lake, website = self.settings, self.lake, self.website
        if not (settings.exports or lake.store.files(lists.FOLDER)):
            return None
        scope, share = settings.opt_outs.scope, settings.opt_outs.max_share
        websites = [*settings.websites, website] if scope == "all" else [website]
        return examiner(lake, settings.rules(), website, websites, scope, share)


def build_opt_out_job(settings: Settings, executor: dg.ExecutorDefinition) -> dg.JobDefinition:
    """The job that suppresses and submits the people of one dropped file."""
    named = settings.dagster.named

    @dg.op(
        name=named(OP),
        description="Suppresses the people of one dropped file and submits them.",
        required_resource_keys={named(IGNITE), named(IO_MANAGER)},
    )
    def submit_dropped_file(context: dg.OpExecutionContext, config: DroppedFile) -> None:
        ignite, lake = getattr(context.resources, named(IGNITE)), lake_of(context, settings)
        store = Store(settings.place(settings.opt_outs.inbox or ""))
        waiting = [file for file in inbox.of_website(store, config.website) if file.label == config.label]
        if not waiting:
            context.log.info("the file is gone: it was dealt with before")
            return
        opt_outs = WebsiteOptOuts(settings=settings, lake=lake, website=config.website)

        def submit(data: bytes) -> Receipt:
            return _submit(opt_outs, ignite, waiting[0], data, again=config.again)

        with showing(lines(context.log.info)):
            _without_names(lambda: _deal_with(context, store, waiting[0], submit, settings.opt_outs.keep_processed))

    @dg.job(
        name=named(JOB),
        executor_def=executor,
        description="Keeps the people of one dropped file out of every export, then tells the platform; started by its "
        "arrival in the inbox.",
    )
    def submit_opt_outs() -> None:
        submit_dropped_file()

    return submit_opt_outs


def _without_names(deal: Callable[[], None]) -> None:
    """Deal with a file; where the file system fails, its own errors quote the file's name, which may be an address."""
    error: IgniteError | None = None
    try:
        deal()
    except IgniteError as raised:
        error = raised
    except OSError as raised:
        where = f"({type(raised).__name__} {raised.errno or ''})"
        error = DropError(f"the inbox or the lake could not be read or written {where}")
    if error:
        raise input_failure(error)


def _deal_with(
    context: dg.OpExecutionContext, store: Store, file: inbox.Dropped, submit: Callable[[bytes], Receipt], keep: bool
) -> None:
    """Suppress, submit, and put the file away; raises an error when a person has to look at something."""
    data = store.read(file.path)
    receipt: Receipt | None = None
    try:
        receipt = submit(data)
        said = describe(receipt)
    except EmptyError as error:
        raise DropError(f"{error}: it stays in the inbox until it is not") from None
    except DropError as error:
        said = str(error)
    if receipt is None or receipt.whole:
        inbox.put_aside(store, file, data)
        raise DropError(f"{said}; the whole file is kept in {inbox.PROCESSED}/")
    if receipt.troubles:
        raise DropError(f"{said}; the file stays in the inbox")
    gone = inbox.put_away(store, file, data, receipt.rejects, keep=keep)
    if receipt.rejects:
        raise DropError(f"{said}; they are kept in {inbox.PROCESSED}/ until somebody deletes them")
    context.log.info(said)
    if not gone:
        context.log.info("the file was changed meanwhile: it will be read again")


def _submit(
    opt_outs: WebsiteOptOuts, ignite: IgniteResource, file: inbox.Dropped, data: bytes, *, again: bool
) -> Receipt:
    source = hashlib.sha256(data).hexdigest()
    since = ledger.last_recorded(opt_outs.lake, file.website, source) if again else None
    drop = opt_outs.drop(data, file.name, since=since)
    if file.of_hashes:
        return opt_outs.suppress_hashes(drop)
    return opt_outs.tell(ignite, opt_outs.suppress(drop), since=since)


def describe(receipt: Receipt) -> str:
    """A receipt in two lines: people and rejected lines; every address that was found, with its verdict."""
    parts = [suppressed(receipt.people), _told(receipt)]
    if receipt.withdrawn:
        parts.append(f"{_count(receipt.withdrawn, 'opt-out')} taken back since the file came")
    if receipt.rejects:
        shown = ", ".join(f"line {reject.line}: {reject.reason}" for reject in receipt.rejects[:10])
        more = f", and {len(receipt.rejects) - 10} more" if len(receipt.rejects) > 10 else ""
        parts.append(f"{_count(len(receipt.rejects), 'line')} rejected ({shown}{more})")
    return "; ".join([*parts, *receipt.troubles]) + f"\n{_accounts(receipt)}"


def _told(receipt: Receipt) -> str:
    if receipt.untold:
        return "nobody is submitted, since the website is configured no more"
    if receipt.by_hash:
        idle = receipt.people - receipt.effective
        return f"{receipt.effective:,} can take effect, {idle:,} can't; hashes aren't submitted"
    return f"{receipt.submitted:,} submitted, {receipt.known:,} known to the platform before"


def _accounts(receipt: Receipt) -> str:
    """What was found, and its verdicts, which add up to it."""
    rules = ", ".join(f"{count:,} {rule}" for rule, count in receipt.left_out)
    left_out = sum(count for _, count in receipt.left_out)
    found = _count(receipt.found, "hash" if receipt.by_hash else "address", "es")
    why = f" ({rules})" if rules else ""
    return (
        f"{found} found: {receipt.suppressed:,} suppressed, {receipt.rejected:,} rejected, {left_out:,} left out{why}"
    )


def suppressed(people: int) -> str:
    """That so many people are in no export any more."""
    return (
        f"{people:,} person is suppressed from now on"
        if people == 1
        else f"{people:,} people are suppressed from now on"
    )


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}{plural}"
