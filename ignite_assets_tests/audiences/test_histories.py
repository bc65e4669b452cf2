"""What holds over whole histories: people come, leave, return and opt out; exports are made, made again and held."""

import datetime as dt
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ignite_assets.api.table import ALGOS, Algo
from ignite_assets.audiences import ledger
from ignite_assets.audiences.exports import Outcome
from ignite_assets.audiences.rules import ExportRule, Mode
from ignite_assets.storage.duck import Workspace
from ignite_assets.storage.lake import Lake
from ignite_assets_tests.audiences.captures import NOW, WEBSITE, ago, hashes, rule, run_one, somebody, visitors

PEOPLE = st.frozensets(st.integers(0, 9), max_size=10)


@dataclass(frozen=True)
class Turn:
    """One export: who was captured before it (None: nobody asked), and who opts out before it."""

    captured: frozenset[int] | None
    opting_out: frozenset[int]
    force: bool
    arrives: bool
    """Whether its files reach the platform before the next turn. Those that stand when the night ends always do."""


TURN = st.builds(
    Turn,
    captured=st.none() | PEOPLE | PEOPLE,
    opting_out=st.frozensets(st.integers(0, 9), max_size=2),
    force=st.booleans(),
    arrives=st.booleans(),
)
NIGHTS = st.lists(st.lists(TURN, min_size=1, max_size=2), min_size=1, max_size=3)


@dataclass
class History:
    """A lake, exports of it, and a list on an ad platform that is changed by uploaded files alone."""

    lake: Lake
    of: ExportRule
    algo: Algo
    workspace: Workspace
    people: set[str] = field(default_factory=set)
    """On the platform's list."""
    ever: set[str] = field(default_factory=set)
    """Whom the platform was ever told of."""
    gone: set[str] = field(default_factory=set)
    """Who opted out."""
    captured: dict[dt.date, frozenset[int]] = field(default_factory=dict)

    def night(self, day: dt.date, turns: list[Turn]) -> None:
        standing: Outcome | None = None
        for turn in turns:
            outcome = self.turn(day, turn)
            standing = outcome if outcome.written else standing
            if turn is turns[-1] and standing:
                self.upload(standing)
            elif turn.arrives and outcome.written:
                self.upload(outcome)
            if turn is turns[-1]:
                self.check_members(outcome, day)
        assert not self.people & self.gone

    def turn(self, day: dt.date, turn: Turn) -> Outcome:
        if turn.captured is not None:
            visitors(self.lake, day, turn.captured, self.algo)
            self.captured[day] = turn.captured
        people = [somebody(each).hashes for each in turn.opting_out]
        ledger.record(self.lake, WEBSITE, people, source_hash="any", at=NOW)
        self.gone |= hashes(turn.opting_out, self.algo)
        force = "test" if turn.force else None
        outcome = run_one(self.lake, self.of, day, algo=self.algo, workspace=self.workspace, force=force)
        if outcome.written:
            self.check_files(outcome)
        return outcome

    def lines(self, outcome: Outcome) -> dict[str, set[str]]:
        """The people in an export's files, by what is done with them."""
        assert outcome.written is not None
        found: dict[str, set[str]] = {"add": set(), "remove": set(), "replace": set()}
        for entry in outcome.written.files:
            lines = (Path(outcome.location) / entry.name).read_text().split()
            assert lines == sorted(set(lines))
            assert len(lines) == entry.rows
            found[entry.action or ""] = set(lines)
        return found

    def check_files(self, outcome: Outcome) -> None:
        """Nobody who opted out is sent, nobody whom the platform can't know is removed, nobody is in both."""
        lines = self.lines(outcome)
        assert not (lines["add"] | lines["replace"]) & self.gone
        assert not lines["add"] & lines["remove"]
        self.ever |= lines["add"] | lines["replace"]
        assert lines["remove"] <= self.ever

    def upload(self, outcome: Outcome) -> None:
        """Change the platform's list, and check that it is what the export says it is."""
        lines = self.lines(outcome)
        if self.of.mode == "full":
            self.people = lines["replace"]
        else:
            self.people = (self.people - lines["remove"]) | lines["add"]
        rows = pq.read_table(Path(outcome.location) / "_sent.parquet").to_pylist()
        assert self.people == {row["hash"] for row in rows if row["listed"]}
        assert len(self.people) == outcome.counts.members

    def check_members(self, outcome: Outcome, day: dt.date) -> None:
        """An export that was not held leaves the platform with the window's people and no others."""
        if outcome.decision.allowed == "everything":
            window = [day - dt.timedelta(ago) for ago in range(self.of.window_days)]
            wanted = frozenset[int]().union(*(self.captured.get(each, frozenset()) for each in window))
            assert self.people == hashes(wanted, self.algo) - self.gone


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    nights=NIGHTS,
    algo=st.sampled_from(ALGOS),
    window=st.integers(1, 3),
    mode=st.sampled_from(["delta", "delta", "full"]),
    adds=st.booleans(),
    shrink=st.sampled_from([0.3, 1.0]),
)
def test_the_platform_has_the_members_and_nobody_who_opted_out(
    workspace: Workspace,
    nights: list[list[Turn]],
    algo: Algo,
    window: int,
    mode: Mode,
    adds: bool,
    shrink: float,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        to = Path(folder) / "exports"
        of = rule(to, window_days=window, mode=mode, adds_when_incomplete=adds, max_shrink=shrink)
        history = History(Lake(f"{folder}/lake"), of, algo, workspace)
        for number, turns in enumerate(nights):
            history.night(ago(len(nights) - number), turns)
