"""One export of a list, worked out: who is on it, what changes, whether it may be written, and the files.

Who is added and removed is `delta`'s matter; what holds a list, `holding`'s; how an export is committed, `history`'s.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from ignite_assets.api.table import Algo
from ignite_assets.audiences import delta, membership
from ignite_assets.audiences.delta import Changes
from ignite_assets.audiences.destinations import Action, Destination, ListFacts, by_name
from ignite_assets.audiences.doubts import Captures
from ignite_assets.audiences.history import Chain, Export
from ignite_assets.audiences.holding import HELD, UNASKED, Decision, decide, status
from ignite_assets.audiences.lists import List, Target
from ignite_assets.audiences.manifest import Counts, Coverage, FileEntry, Ledger, Manifest
from ignite_assets.audiences.membership import Membership
from ignite_assets.audiences.rendering import part_of, preflight, render, rows_per_file
from ignite_assets.audiences.rules import ExportRule, Scope
from ignite_assets.storage.duck import Workspace
from ignite_assets.tables.thresholds import Thresholds
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
    """Write what is held, for this reason."""
    dry_run: bool = False
    """Work everything out and write nothing."""
    now: dt.datetime | None = None
    """When it is made; the present unless given."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    """What captures have to meet to be sound."""
    zone: ZoneInfo = field(default_factory=partial(ZoneInfo, "UTC"))
    """The time zone in which days begin."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What happened to one list."""

    of: List
    date: dt.date
    decision: Decision
    counts: Counts
    members: int
    """On the list after the export; of a held one, whom its window holds."""
    window: Coverage | None
    location: str
    """The folder of the export, as a user writes the place; empty when nothing was written."""
    status: str
    """One of `holding.status`."""
    orphaned: bool = False
    """Whether nothing asks for the list any more: nobody's mistake."""
    written: Manifest | None
    """None when nothing was written: a dry run, or held with nobody to remove."""


@dataclass(frozen=True)
class ListSource:
    """What a rule's lists are made of."""

    rule: ExportRule
    window: Window
    captures: Captures
    """What is doubted of its captures."""


class Attempt:
    """What one export of a list would change, and its files."""

    def __init__(
        self,
        workspace: Workspace,
        target: Target,
        source: ListSource | None,
        before: Chain,
        extent: Ledger,
        options: Options,
    ) -> None:
        """`before`: what it follows; `extent`: how far the ledger goes that it is reckoned with."""
        self._workspace, self._target, self._source, self._before = workspace, target, source, before
        self._extent, self._options = extent, options
        self.now = options.now or dt.datetime.now(dt.UTC)

    def work_out(self, *, is_gone: bool) -> None:
        """Reckon and decide; `is_gone`: the list is on record as written, and no export of it is found."""
        self.people = self._measure()
        self.standing = delta.stand(self._workspace, self._before.reckoned, self._missing())
        self.decision = self._decide(is_gone)
        self.changes = self._change()
        self.is_due = not self.decision.held or bool(self.standing.owed)

    def _missing(self) -> tuple[dt.date, ...]:
        """Days of the window that were not captured; empty ones that were doubted too, unless that was overridden."""
        if self._source is None:
            return ()
        empty, accepted = self._source.captures.empty, self._accepted_before
        return tuple(day for day in self._source.window.missing if empty.get(day) not in accepted)

    def _measure(self) -> Membership | None:
        if self._source is None:
            membership.nobody(self._workspace)
            return None
        rule, window = self._source.rule, self._source.window
        algo, audiences = self._options.algo, self._target.audiences
        return membership.measure(self._workspace, rule, window, algo=algo, audiences=audiences)

    def _decide(self, is_gone: bool) -> Decision:
        refusals = list(self._refusals())
        if self._source is None:
            return Decision(allowed="opt_outs", reasons=tuple(refusals))
        rule = self._source.rule
        return decide(
            self.standing,
            min_members=rule.row.min_members if rule.min_members is None else rule.min_members,
            max_shrink=rule.max_shrink,
            max_growth=rule.max_growth,
            max_replaced=rule.max_replaced,
            adds_when_incomplete=rule.adds_when_incomplete,
            refusals=refusals,
            doubts=list(self._doubts(is_gone)),
            force=self._options.force,
        )

    def _refusals(self) -> Iterator[str]:
        """Why nothing but opt-outs can be written, whatever is forced."""
        last, of = self._before.last, self._target.of
        if self._target.refusal:
            yield self._target.refusal
        if self._source is None:
            return
        row, algo = self._source.rule.row, self._options.algo
        if last:
            was = last.manifest
            if was.date > self._source.window.last:
                yield f"a newer day was written: {was.date}"
            if was.algo != algo:
                yield f"the list was made of {was.algo}, the website is captured as {algo}: {_RENAME}"
            if was.destination != row.name:
                yield f"the list was written for {was.destination}: {_RENAME}"
            if row.needs_list_id and not self._list_id:
                yield f"{row.title} takes changes by the list's own id alone: set list_ids, {of.key} = its id"
        if self._source.rule.mode == "full" and self.standing.kept:  # it would remove them by leaving them out
            yield f"{self.standing.kept:,} people opted out by a file that nobody has confirmed: `opt-out --confirm`"
        yield from preflight(row, algo, of.title)

    def _doubts(self, is_gone: bool) -> Iterator[str]:
        if is_gone:
            yield f"the list is on record as written, and nothing of it is left at {self._target.of.to}"
        reasons = self._source.captures.reasons if self._source else ()
        yield from (doubt for doubt in reasons if doubt not in self._accepted_before)
        if recorded := self._larger_ledger():
            yield (
                f"the ledger of opt-outs holds less than before: files are gone, it has {self._extent.files:,}, it had "
                f"{recorded.files:,} when the list was last written"
            )

    @property
    def _accepted_before(self) -> Mapping[str, str]:
        return self._before.last.manifest.accepted if self._before.last else {}

    def _accepted(self) -> dict[str, str]:
        """Doubts that were overridden, as long as their days are in the window: they hold the list no more."""
        before, reason = self._accepted_before, self.decision.forced
        if self._source is None:
            return dict(before)
        captures = self._source.captures
        now = {doubt: before.get(doubt) or reason for doubt in (*captures.reasons, *captures.empty.values())}
        return {doubt: why for doubt, why in now.items() if why}

    def _larger_ledger(self) -> Ledger | None:
        """The ledger that the list was last written with, if it had files that are gone."""
        found = [head.manifest.ledger for head in self._before.heads if head.manifest.ledger]
        return max((each for each in found if self._extent.lacks(each)), key=lambda each: each.files, default=None)

    @property
    def _list_id(self) -> str | None:
        given = self._source.rule.list_ids.get(self._target.of.key) if self._source else None
        return given or (self._before.last.manifest.list_id if self._before.last else None)

    @property
    def _date(self) -> dt.date:
        """That of the window; of a list that has a newer one, or none, that of its last export."""
        dates = [self._source.window.last] if self._source else []
        return max([*dates, *(head.manifest.date for head in self._before.heads)])

    def _change(self) -> Changes:
        mode, longest = self._terms.mode, self._destination.longest_membership_days
        return delta.change(self._workspace, self.decision.allowed, mode, self._date, longest)

    @property
    def _terms(self) -> "Manifest | ExportRule":
        """What says the form of the files: people whom a held list loses leave in the form that it was made in."""
        last = self._before.last
        if last and (self.decision.held or self._source is None):
            return last.manifest
        if self._source is None:
            raise LookupError("a list without a rule and without an export")
        return self._source.rule

    @property
    def _destination(self) -> Destination:
        return by_name()[self._terms.destination]

    @property
    def _algo(self) -> Algo:
        terms = self._terms
        return terms.algo if isinstance(terms, Manifest) else self._options.algo

    def _facts(self) -> ListFacts:
        exists = self._before.last is not None
        return ListFacts(name=self._target.of.title, algo=self._algo, exists=exists, platform_id=self._list_id)

    def write(self) -> tuple[Manifest, list[tuple[FileEntry, Path]]]:
        """The files, in the workspace's folder, and the manifest that describes them."""
        files = list(self._files())
        saved = self.changes.save()
        state = _described(saved, "state", "parquet", rows=self.changes.members)
        manifest = self._manifest(tuple(entry for entry, _ in files), state)
        return manifest, [*files, (state, saved)]

    def _files(self) -> Iterator[tuple[FileEntry, Path]]:
        changes, row, facts = self.changes, self._destination, self._facts()
        parts: list[tuple[Action, int, Iterator[str]]] = [
            ("remove", changes.removes, changes.removed()),
            ("add", changes.adds, changes.added()),
        ]
        if self._terms.mode == "full":
            parts = [("replace", changes.members, changes.listed())]
        for action, count, hashes in parts:
            most = rows_per_file(row, facts, action) or count
            for number, pieces in enumerate(render(row, facts, hashes, action)):
                path = self._workspace.folder / f"{action}-{number}"
                _save(path, pieces)
                kind, rows = part_of(action, number), min(most, count - number * most)
                stem = "members" if action == "replace" else action
                yield _described(path, stem, row.extension, rows=rows, action=kind), path

    def _manifest(self, files: tuple[FileEntry, ...], state: FileEntry) -> Manifest:
        of, before, last = self._target.of, self._before, self._before.last
        recorded = self._larger_ledger() if self.decision.held else None
        return Manifest(
            number=max([before.count, *(head.manifest.number for head in before.heads)]) + 1,
            name=of.name,
            website=of.website,
            audience=of.audience,
            date=self._date,
            destination=self._destination.name,
            list_id=self._list_id,
            source=last.manifest.source if self._source is None and last else self._terms.source,
            mode=self._terms.mode,
            algo=self._algo,
            allowed=self.decision.allowed,
            reasons=self.decision.reasons,
            forced=self.decision.forced,
            accepted=self._accepted(),
            counts=self._counts(),
            window=self._coverage(),
            files=files,
            state=state,
            ledger=recorded or self._extent,
            follows=before.follows,
            written_at=self.now,
        )

    def _counts(self) -> Counts:
        changes, people = self.changes, self.people
        return Counts(
            members=changes.members,
            adds=changes.adds,
            resent=changes.resent,
            removes=changes.removes,
            opted_out=self.standing.owed,
            suppressed=people.suppressed if people else 0,
            malformed=people.malformed if people else 0,
        )

    def _coverage(self) -> Coverage | None:
        if self._source is None:
            return None
        days = self._source.window
        captured = len(days.captured)
        return Coverage(first=days.first, last=days.last, days=days.days, captured=captured, missing=days.missing)

    def _label(self) -> str:
        if self._target.orphaned:
            return UNASKED
        return HELD if self._source else ""

    def outcome(self, written: Export | None) -> Outcome:
        """What a table says of it."""
        decision, options, orphaned = self.decision, self._options, self._target.orphaned
        wrote = bool(written) or (options.dry_run and self.is_due)
        of_window = decision.held and self._source is not None
        return Outcome(
            of=self._target.of,
            date=self._date,
            decision=decision,
            counts=self._counts(),
            members=self.standing.members if of_window else self.changes.members,
            window=self._coverage(),
            location=written.location() if written else "",
            status=status(decision.allowed, wrote=wrote, dry_run=options.dry_run, label=self._label()),
            orphaned=orphaned,
            written=written.manifest if written else None,
        )


_RENAME = "rename the export, which begins a new list; people who opt out are still removed from this one"


def _save(path: Path, pieces: Iterable[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(pieces)


def _described(path: Path, stem: str, extension: str, *, rows: int, action: Action | None = None) -> FileEntry:
    """A finished file's entry, its name made from its content."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    name = f"{stem}-{digest[:12]}.{extension}"
    return FileEntry(name=name, bytes=path.stat().st_size, sha256=digest, action=action, rows=rows)
