"""What holds over whole histories, for an uploader who takes each list's exports in order.

Rules are renamed, moved, narrowed and given back; websites come and go; hash algorithms change; people come, leave, opt
out by address or by one hash, and take it back; lists are of all visitors or of an audience each, held, forced and
retired; a second writer commits in the middle of an export; writers are killed.
"""

import contextlib
import datetime as dt
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ignite_assets.api.table import Algo
from ignite_assets.audiences import exports, history, ledger, lists
from ignite_assets.audiences.attempt import Options, Outcome
from ignite_assets.audiences.ledger import Hashes
from ignite_assets.audiences.lists import List
from ignite_assets.audiences.rules import ExportRule
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake
from ignite_assets.storage.store import Store
from ignite_assets_tests.audiences.captures import NOW, ago, hashes, members, rule, somebody, visitors
from ignite_assets_tests.audiences.uploader import PlatformList, pointed_at

WEBSITES = ("acme-honda", "bayside-kia")
PEOPLE = st.frozensets(st.integers(0, 7), max_size=8)


class KilledError(BaseException):
    """Ends a writer wherever it is."""


@dataclass(frozen=True)
class Night:
    """One day: what the configuration says by then, what happens before the export, and what happens to it."""

    captured: dict[str, frozenset[int]]
    """By website; one that is left out is not captured."""
    opting_out: frozenset[int]
    known_by: str
    """`address`, or the algorithm of the only hash that is given."""
    returning: frozenset[int]
    """They take their opt-outs back."""
    apart: bool
    """Whether each audience is a list of its own."""
    rule: dict[str, Any]
    algo: Algo
    force: bool
    rival: frozenset[int] | None
    """A second writer exports in the middle of the first one, after these people opted out."""
    killed_after: int | None
    """So many changes of a store."""
    retire: bool
    upload: bool
    """Whether the uploader comes by; after the last night always."""


NIGHT = st.builds(
    Night,
    captured=st.dictionaries(st.sampled_from(WEBSITES), PEOPLE),
    opting_out=st.frozensets(st.integers(0, 7), max_size=2),
    known_by=st.sampled_from(["address", "address", "sha2", "md5"]),
    returning=st.frozensets(st.integers(0, 7), max_size=1),
    apart=st.sampled_from([False, False, False, True]),
    rule=st.fixed_dictionaries(
        {
            "name": st.sampled_from(["one", "one", "two"]),
            "to": st.sampled_from(["x", "x", "y"]),
            "websites": st.sampled_from([("*",), ("*",), WEBSITES[:1]]),
            "destination": st.sampled_from(["plain_list", "plain_list", "liveramp"]),
            "mode": st.sampled_from(["delta", "delta", "full"]),
            "window_days": st.sampled_from([1, 2]),
            "max_shrink": st.sampled_from([0.4, 1.0]),
            "adds_when_incomplete": st.booleans(),
        }
    ),
    algo=st.sampled_from(["sha2", "sha2", "sha2", "md5"]),
    force=st.booleans(),
    rival=st.none() | st.none() | st.frozensets(st.integers(0, 7), max_size=1),
    killed_after=st.none() | st.none() | st.integers(0, 12),
    retire=st.sampled_from([False, False, False, True]),
    upload=st.booleans(),
)


APART = {"source": "audiences", "match": {"id": (5, 6)}, "combine": False}


def _known(hashes: Hashes, by: str) -> Hashes:
    given = {"sha2": Hashes(sha256=hashes.sha256), "md5": Hashes(md5=hashes.md5)}
    return given.get(by, hashes)


@dataclass
class World:
    """A lake, its exports, and the ad platforms' lists."""

    folder: Path
    workspace: Workspace
    platform: dict[List, PlatformList] = field(default_factory=dict)
    gone: dict[Algo, set[int]] = field(default_factory=lambda: {"sha2": set(), "md5": set()})
    """Who opted out of the websites, by the algorithms in which they can be told."""
    left: int | None = None
    """Changes of a store until the writer is killed."""

    def __post_init__(self) -> None:
        self.lake = Lake(str(self.folder / "lake"))

    def opt_out(self, people: frozenset[int], known_by: str) -> None:
        for algo in self.gone:
            self.gone[algo] |= people if known_by in ("address", algo) else frozenset()
        hashes = [_known(somebody(each).hashes, known_by) for each in sorted(people)]
        for website in WEBSITES:
            at = ledger.moment(self.lake, website, NOW)
            ledger.record(self.lake, website, hashes, source_hash=f"{known_by} {people}", at=at)

    def withdraw(self, people: frozenset[int]) -> None:
        for algo in self.gone:
            self.gone[algo] -= people
        for website in WEBSITES if people else ():
            at = ledger.moment(self.lake, website, NOW) + dt.timedelta(seconds=1)
            everyone = [[somebody(each).hashes] for each in people]
            ledger.withdraw(self.lake, website, everyone, reason="test", at=at)

    def night(self, day: dt.date, night: Night, patch: pytest.MonkeyPatch) -> None:
        more = {**night.rule, **(APART if night.apart else {})}
        of = rule(self.folder / more.pop("to"), min_members=0, **more)
        for website, people in night.captured.items():
            if night.apart:
                members(self.lake, day, {5: people, 6: {each for each in people if each % 2}}, website, night.algo)
            else:
                visitors(self.lake, day, people, night.algo, website)
        self.withdraw(night.returning)
        self.opt_out(night.opting_out, night.known_by)
        options = Options(algo=night.algo, now=NOW, force="test" if night.force else None)
        with patch.context() as interrupted:
            if night.rival is not None:
                self.interrupt(interrupted, lambda: self.rival(of, day, night, options))
            self.kill(interrupted, night.killed_after)
            with contextlib.suppress(KilledError):
                self.export(self.workspace, of, day, options)
        if night.retire:
            for each in exports.unasked(self.lake, [of]):
                lists.note(self.lake, each, "retired", reason="test")
                self.platform.pop(each, None)
        self.look(of)

    def rival(self, of: ExportRule, day: dt.date, night: Night, options: Options) -> None:
        self.opt_out(night.rival or frozenset(), night.known_by)
        with Workspace(memory_mib=256, threads=1) as own:
            self.export(own, of, day, options)

    def interrupt(self, patch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
        """Let something happen once, after all checks of an export and before its commit."""
        commit, waiting = history.commit, [act]

        def interrupted(*arguments: Any) -> Any:
            if waiting:
                waiting.pop()()
            return commit(*arguments)

        patch.setattr(history, "commit", interrupted)

    def kill(self, patch: pytest.MonkeyPatch, changes: int | None) -> None:
        """Let the stores do so many changes, then none any more."""
        if changes is None:
            return
        left, put = [changes], Store.put

        def counted(store: Store, *arguments: Any) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise KilledError
            put(store, *arguments)

        patch.setattr(Store, "put", counted)

    def export(self, workspace: Workspace, of: ExportRule, day: dt.date, options: Options) -> list[Outcome]:
        """What a night does, for each website."""
        lists.adopt(self.lake, [of])
        outcomes = []
        for website in WEBSITES:
            if of.covers(website):
                outcomes += exports.export(workspace, self.lake, of, website, day, options)
        for each in exports.unasked(self.lake, [of]):
            outcomes += exports.remove_opt_outs(workspace, self.lake, each, options, orphaned=True)
        return outcomes

    def look(self, of: ExportRule) -> None:
        """Whatever happened, each list has a whole export to be taken, or none."""
        for each, event in lists.on_record(self.lake, None, [of]).items():
            folder = Path(each.to) / each.folder
            if event != "retired":
                self.platform.setdefault(each, PlatformList(folder))
            if (folder / "manifest.json").exists():
                pointed_at(folder)

    def upload(self) -> None:
        for each in self.platform.values():
            each.take()

    def last_night(self, of: ExportRule, day: dt.date) -> None:
        """Nobody interrupts it: afterwards nobody who opted out is on any list that is owed removals."""
        outcomes = self.export(self.workspace, of, day, Options(algo="sha2", now=NOW))
        self.look(of)
        self.upload()
        for each, listed in self.platform.items():
            for algo, gone in self.gone.items():
                assert not listed.people & hashes(gone, algo), each.title
        for outcome in outcomes:
            if outcome.decision.allowed == "everything":
                assert len(self.platform[outcome.of].people) == outcome.members


def live_through(workspace: Workspace, nights: list[Night]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        world = World(Path(folder), workspace)
        for number, night in enumerate(nights):
            world.night(ago(len(nights) - number), night, patch)
            if night.upload:
                world.upload()
        of = rule(world.folder / "x", name="one", min_members=0)
        world.last_night(of, ago(0))


COMMON = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.mark.slow
@settings(COMMON, max_examples=18)
@given(nights=st.lists(NIGHT, min_size=1, max_size=4))
def test_an_uploader_never_holds_an_opted_out_person_after_the_removal_that_is_due(
    workspace: Workspace, nights: list[Night]
) -> None:
    live_through(workspace, nights)


@pytest.mark.slow
@settings(COMMON, max_examples=27)
@given(nights=st.lists(NIGHT, min_size=1, max_size=6))
def test_an_uploader_never_holds_an_opted_out_person_whatever_happens(
    workspace: Workspace, nights: list[Night]
) -> None:
    live_through(workspace, nights)
