"""The export of a rule for a website and a date: who, what changes, whether it may go, and the files.

Which lists those are is `targets`' matter; what follows on what, `delta`'s; how files become an export, `folders`'.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ignite_assets.api.errors import IgniteError
from ignite_assets.api.table import Algo
from ignite_assets.audiences import delta, folders, ledger, membership
from ignite_assets.audiences.delta import Changes
from ignite_assets.audiences.destinations import Destination, ListFacts, by_name
from ignite_assets.audiences.folders import Draft, List, Sent
from ignite_assets.audiences.holding import Allowed, Decision, Standing, decide
from ignite_assets.audiences.manifest import Counts, Coverage, FileEntry, Manifest, Previous
from ignite_assets.audiences.membership import Membership
from ignite_assets.audiences.rendering import preflight
from ignite_assets.audiences.rules import ExportRule, Scope
from ignite_assets.audiences.targets import Target, targets
from ignite_assets.audiences.writing import MoreOptOutsError, write
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Store
from ignite_assets.tables.progress import begin
from ignite_assets.tables.windows import Window


@dataclass(frozen=True, kw_only=True)
class Options:
    """How an export is made."""

    algo: Algo
    """Of the website's captures."""
    first_day: dt.date | None = None
    """The first day that has partitions: days before it are not missing from a window."""
    scope: Scope = "website"
    """Whose opt-outs count."""
    force: str | None = None
    """Send what is held, for this reason."""
    dry_run: bool = False
    """Work everything out and write nothing."""
    now: dt.datetime | None = None
    """When it is made; the present unless given."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one list."""

    of: List
    date: dt.date
    decision: Decision
    counts: Counts
    window: Coverage
    location: str
    """The export's folder, as a user writes the place."""
    retired: bool = False
    """Whether the rule doesn't ask for the list any more: held for good, and nobody's mistake."""
    written: Manifest | None
    """None when nothing was written: a dry run, or held with nobody to remove."""


def export(
    workspace: Workspace, lake: Lake, rule: ExportRule, website: str, day: dt.date, options: Options
) -> list[Outcome]:
    """Export a rule's lists for a website and a date; one outcome a list.

    The date is that of the newest captured day (`membership.newest_day`). Whoever opts out while it is under way is
    left out as well: nothing is committed on a ledger that has grown since it was read, but begun again.
    """
    for _ in range(_MOST_TRIES):
        try:
            return _export(workspace, lake, rule, website, day, options)
        except MoreOptOutsError:
            continue
    raise OptOutsArriveError(f"{rule.name} {website}: people kept opting out while it was exported")


class OptOutsArriveError(IgniteError):
    """People kept opting out while an export was made; nothing was committed without them."""

    retryable = True


_MOST_TRIES = 10


def _export(
    workspace: Workspace, lake: Lake, rule: ExportRule, website: str, day: dt.date, options: Options
) -> list[Outcome]:
    store = Store(rule.to)
    known = folders.exports(store, rule.name, website)
    if not options.dry_run:
        folders.finish(store, known)
    opt_outs = ledger.in_scope(lake, website, options.scope)
    ledger.suppress(workspace, lake, website, options.scope)
    window = membership.gather(workspace, lake, rule, website, day, options.first_day)

    def is_current() -> bool:
        return ledger.in_scope(lake, website, options.scope) == opt_outs

    found = targets(lake, rule, website, day, known)
    progress = begin("lists", len(found))
    outcomes = []
    for target in found:
        one = _Export(workspace, store, rule, target, known.get(target.of, []), window, options, is_current)
        outcomes.append(one.run())
        progress.add()
    return outcomes


class _Export:
    """One list's export for one date."""

    def __init__(
        self,
        workspace: Workspace,
        store: Store,
        rule: ExportRule,
        target: Target,
        days: list[dt.date],
        window: Window,
        options: Options,
        is_current: Callable[[], bool],
    ) -> None:
        """`days`: those of the list's earlier exports; `is_current`: whether nobody has opted out meanwhile."""
        self._is_current = is_current
        self._workspace, self._store, self._rule, self._target = workspace, store, rule, target
        self._window, self._day, self._options = window, window.last, options
        self._folder = target.of.folder(self._day)
        self._newer = max((known for known in days if known > self._day), default=None)
        self._before = self._read(max((known for known in days if known < self._day), default=None))
        self._replaced = self._read(self._day if self._day in days else None)

    def run(self) -> Outcome:
        options, audiences = self._options, self._target.audiences
        people = membership.measure(self._workspace, self._rule, self._window, algo=options.algo, audiences=audiences)
        standing = self._stand(people)
        decision = self._decide(standing)
        changes = self._change(decision.allowed)
        counts = Counts(
            members=changes.members,
            adds=changes.adds,
            resent=changes.resent,
            removes=changes.removes,
            opted_out=standing.opted_out,
            suppressed=people.suppressed,
            malformed=people.malformed,
        )
        nothing = decision.held and not standing.opted_out
        written = None
        if not (options.dry_run or self._newer or nothing):
            written = self._write(people, decision, changes, counts)
        return Outcome(
            of=self._target.of,
            date=self._day,
            decision=decision,
            counts=counts,
            window=_coverage(people),
            location=self._store.location(self._folder),
            retired=self._target.retired,
            written=written,
        )

    def _read(self, day: dt.date | None) -> Sent | None:
        return None if day is None else folders.read(self._store, self._target.of, day)

    def _stand(self, people: Membership) -> Standing:
        before, replaced = self._before, self._replaced
        return delta.stand(
            self._workspace,
            people,
            before.state if before else None,
            replaced.state if replaced else None,
        )

    def _decide(self, standing: Standing) -> Decision:
        rule, row = self._rule, self._rule.row
        return decide(
            standing,
            min_members=row.min_members if rule.min_members is None else rule.min_members,
            max_shrink=rule.max_shrink,
            adds_when_incomplete=rule.adds_when_incomplete,
            refusals=[*self._refusals(), *self._unconfirmed(standing)],
            force=self._options.force,
        )

    def _refusals(self) -> Iterator[str]:
        """Why nothing but opt-outs can go, whatever is forced."""
        if self._newer:
            yield f"a newer day was sent: {self._newer}"
        if self._target.given_up:
            yield self._target.given_up
        row, algo = self._rule.row, self._options.algo
        if last := self._last:
            if last.manifest.algo != algo:
                yield f"the list was made of {last.manifest.algo}, the website is captured as {algo}: rename the export"
            if last.manifest.destination != row.name:
                yield f"the list was sent to {last.manifest.destination}: rename the export"
        yield from preflight(row, algo, list_name=self._target.of.name)

    def _unconfirmed(self, standing: Standing) -> Iterator[str]:
        """A whole list would remove whom nobody has confirmed; what changed needn't name them."""
        if standing.kept and self._rule.mode == "full":
            yield f"{standing.kept:,} people opted out by a file that nobody has confirmed: `opt-out --confirm`"

    @property
    def _last(self) -> Sent | None:
        return self._replaced or self._before

    def _change(self, allowed: Allowed) -> Changes:
        longest = self._rule.row.longest_membership_days
        return delta.change(self._workspace, allowed, self._rule.mode, self._day, longest)

    def _write(self, people: Membership, decision: Decision, changes: Changes, counts: Counts) -> Manifest:
        # Whom a list that changed its destination or algorithm loses is told in the form that it was made in.
        last = self._last if decision.held else None
        destination = by_name()[last.manifest.destination] if last else self._rule.row
        facts = self._facts(last.manifest.algo if last else self._options.algo)

        def describe(files: tuple[FileEntry, ...], sent: FileEntry) -> Manifest:
            return self._manifest(destination, facts, decision, counts, people, files, sent)

        draft = Draft(self._store, self._folder)
        return write(draft, changes, self._rule.mode, destination, facts, describe, self._is_current)

    def _facts(self, algo: Algo) -> ListFacts:
        of, ids = self._target.of, self._rule.list_ids
        key = of.website if of.audience is None else f"{of.website}/{of.audience}"
        return ListFacts(name=of.name, algo=algo, exists=self._before is not None, platform_id=ids.get(key))

    def _manifest(
        self,
        destination: Destination,
        facts: ListFacts,
        decision: Decision,
        counts: Counts,
        people: Membership,
        files: tuple[FileEntry, ...],
        sent: FileEntry,
    ) -> Manifest:
        before, of = self._before, self._target.of
        return Manifest(
            rule=of.rule,
            website=of.website,
            date=self._day,
            audience=of.audience,
            destination=destination.name,
            source=self._rule.source,
            mode=self._rule.mode,
            algo=facts.algo,
            allowed=decision.allowed,
            reasons=decision.reasons,
            forced=decision.forced,
            counts=counts,
            window=_coverage(people),
            files=files,
            sent=sent,
            previous=Previous(date=before.manifest.date, sha256=before.manifest_sha256) if before else None,
            written_at=self._options.now or dt.datetime.now(dt.UTC),
        )


def _coverage(people: Membership) -> Coverage:
    days = people.window
    return Coverage(first=days.first, last=days.last, days=days.days, captured=len(days.captured), missing=days.missing)
