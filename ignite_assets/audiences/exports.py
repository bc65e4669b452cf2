"""The exports of a rule's lists, and removals from every list: each begun again when people opt out meanwhile.

Which lists there are is `lists`' matter; what an export of one changes, `attempt`'s; what follows on what, and how an
export is committed, `history`'s.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping

from ignite_assets.api.errors import IgniteError
from ignite_assets.audiences import delta, doubts, history, ledger, lists, membership
from ignite_assets.audiences.attempt import Attempt, ListSource, Options, Outcome
from ignite_assets.audiences.history import DamagedError, Export
from ignite_assets.audiences.holding import Decision, status
from ignite_assets.audiences.lists import Event, List, Target, targets
from ignite_assets.audiences.manifest import Counts, Ledger
from ignite_assets.audiences.rules import ExportRule, Scope
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake
from ignite_assets.tables.progress import begin

_MOST_TRIES = 10


class OptOutsArriveError(IgniteError):
    """People kept opting out while an export was made; nothing was committed without them."""

    retryable = True


class _MoreOptOutsError(Exception):
    """Somebody opted out since the ledger was read: what is about to be written may name them."""


def export(
    workspace: Workspace,
    lake: Lake,
    rule: ExportRule,
    website: str,
    day: dt.date,
    options: Options,
    known: Mapping[List, Event] | None = None,
) -> list[Outcome]:
    """Export a rule's lists for a website and a date; an outcome for each export.

    `known`: the website's lists on record (`lists.on_record`), where the caller has them.

    The date is that of the newest captured day (`membership.newest_day`). People who opt out while it is under way
    are left out: nothing is committed on a ledger that has grown since it was read, and it is looked at once more
    afterwards. Lists that version 0.1.0 wrote are known once they are adopted (`lists.adopt`).
    """
    known, seen = lists.on_record(lake, website, [rule]) if known is None else known, lake.listed_once()
    captures = doubts.look(
        seen, rule, website, day, thresholds=options.thresholds, zone=options.zone, first_day=options.first_day
    )
    window = membership.gather(
        workspace, seen, rule, website, day, options.algo, options.first_day, unusable=captures.empty
    )
    found = targets(seen, rule, website, day, lists.owed(known))
    progress = begin("lists", len(found))
    outcomes: list[Outcome] = []
    for target in found:
        source = ListSource(rule, window, captures) if not target.orphaned else None
        outcomes += _List(workspace, lake, target, source, known.get(target.of), options).run()
        progress.add()
    return outcomes


def unasked(lake: Lake, rules: Collection[ExportRule]) -> list[List]:
    """The lists that were once written and that no rule asks for: people who opt out are still removed from them.

    Those of audiences that a rule of that name and place covers are `export`'s matter.
    """
    return lists.orphans(lists.owed(lists.on_record(lake, None, rules)), rules)


def remove_opt_outs(
    workspace: Workspace, lake: Lake, of: List, options: Options, *, orphaned: bool = False
) -> list[Outcome]:
    """Remove from a list the people who opted out, and change nothing else; no outcome where it has no export.

    Needs no captures and no rule: everything is as the list's last export has it. `orphaned`: nothing asks for the
    list any more.
    """
    target = Target(of, [], lists.UNASKED if orphaned else None, orphaned=orphaned)
    return _List(workspace, lake, target, None, None, options).run()


def owed(workspace: Workspace, lake: Lake, website: str, scope: Scope, known: Iterable[List]) -> int:
    """How many removals opt-outs are owed on some lists of a website. Raises `DamagedError`."""
    ledger.suppress(workspace, lake, website, scope)
    membership.nobody(workspace)
    return sum(delta.stand(workspace, history.read(of).reckoned).owed for of in known)


class _List:
    """The export of one list, begun again when people opt out meanwhile."""

    def __init__(
        self,
        workspace: Workspace,
        lake: Lake,
        target: Target,
        source: ListSource | None,
        event: Event | None,
        options: Options,
    ) -> None:
        """`source`: None where only opt-outs are removed; `event`: the last one on the list's record."""
        self._workspace, self._lake, self._target, self._source = workspace, lake, target, source
        self._event, self._options = event, options

    def run(self) -> list[Outcome]:
        """An outcome for each export that was written, or one that says why none was."""
        outcomes: list[Outcome] = []
        for _ in range(_MOST_TRIES):
            try:
                outcomes += self._once(again=bool(outcomes))
            except _MoreOptOutsError:
                continue
            if not (outcomes and outcomes[-1].written) or self._is_current():
                return outcomes
        if outcomes:
            return outcomes
        raise OptOutsArriveError(f"{self._target.of.title}: people kept opting out while it was exported")

    def _is_current(self) -> bool:
        return ledger.in_scope(self._lake, self._target.of.website, self._options.scope) == self._read

    def _once(self, *, again: bool) -> list[Outcome]:
        """One try; `again`: the list is written, and only people who opted out since are to be removed."""
        options, of = self._options, self._target.of
        self._read = ledger.suppress(self._workspace, self._lake, of.website, options.scope)
        try:
            before = history.read(of)
            extent = Ledger.of(self._read)
            attempt = Attempt(self._workspace, self._target, self._source, before, extent, options)
            if self._source is None and not before.last:
                return []
            attempt.work_out(is_gone=self._event == "written" and not before.last)
        except DamagedError as error:
            return [self._damaged(error)]
        if again and not attempt.standing.owed:
            return []
        written = self._commit(attempt) if attempt.is_due and not options.dry_run else None
        return [attempt.outcome(written)]

    def _commit(self, attempt: Attempt) -> Export:
        of = self._target.of
        manifest, files = attempt.write()
        if not self._is_current():
            raise _MoreOptOutsError
        if self._event not in ("begun", "written"):
            lists.note(self._lake, of, "begun", is_first=self._event is None and self._source is not None)
            self._event = "begun"
        made = history.commit(of, manifest, files)
        if self._event != "written":
            lists.note(self._lake, of, "written")
            self._event = "written"
        return made

    def _damaged(self, error: DamagedError) -> Outcome:
        reason = f"held, opt-outs too: {error}"
        return Outcome(
            of=self._target.of,
            date=self._source.window.last if self._source else dt.date.min,
            decision=Decision(allowed="opt_outs", reasons=(reason,)),
            counts=Counts(),
            members=0,
            window=None,
            location="",
            status=status("opt_outs", wrote=False),
            written=None,
        )
