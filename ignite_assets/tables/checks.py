"""The two checks of a partition: whether it is `sound`, and whether all is as `usual`. No Dagster.

`sound`: what fails here must not be used; lists for ad platforms heed it. `usual`: what fails here is worth a look.
Each check is made of criteria, and each criterion says what was measured, what was expected and what to do. A criterion
that has nothing to compare with passes, and says so.
"""

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.api.table import Table
from ignite_assets.tables import sound, usual
from ignite_assets.tables.examination import Subject
from ignite_assets.tables.finding import Finding

CheckName = Literal["sound", "usual"]
CHECKS: dict[CheckName, str] = {
    "sound": "The partition can be used: it is what the platform can mean, by itself and beside the website's history.",
    "usual": "Nothing about the partition is worth a look.",
}
"""The checks with their descriptions."""

NOT_SOUND = "isn't sound"
"""What is said of a partition that the check `sound` doubts."""


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One thing that a check looks at, and whether it makes sense for an asset."""

    name: str
    check: CheckName
    description: str
    find: Callable[[Subject], Finding]
    applies: Callable[[Table], bool]


@dataclass(frozen=True)
class Verdict:
    """What a check found in a partition, by criterion."""

    check: CheckName
    findings: dict[str, Finding]

    @property
    def failed(self) -> dict[str, Finding]:
        """What did not pass."""
        return {name: finding for name, finding in self.findings.items() if not finding.passed}

    @property
    def passed(self) -> bool:
        """Whether everything passed."""
        return not self.failed

    @property
    def told(self) -> str:
        """The verdict in a line."""
        if self.passed:
            return f"{len(self.findings)} of {len(self.findings)} findings as expected"
        return "; ".join(f"{name}: {finding.measured}" for name, finding in self.failed.items())


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """What a check that did not pass found, as it is shown."""

    check: str
    found: str
    what_to_do: str


def examine(subject: Subject, check: CheckName) -> Verdict:
    """What a check finds. A partition that isn't there, or a criterion that breaks, is a finding too."""
    due = [each for each in CRITERIA if each.check == check and each.applies(subject.table)]
    if missing := _not_there(subject):
        return Verdict(check, {"there": missing})
    return Verdict(check, {each.name: _found(each, subject) for each in due})


def _not_there(subject: Subject) -> Finding | None:
    try:
        there = subject.exists
    except Exception as error:  # noqa: BLE001 - as in `_found`
        return _broken(error)
    advice = "materialize the partition first"
    return None if there else Finding(False, "no partition", "a partition", advice)


def _found(criterion: Criterion, subject: Subject) -> Finding:
    try:
        return criterion.find(subject)
    except Exception as error:  # noqa: BLE001 - a check that breaks must not make the capture look failed
        return _broken(error)


def _broken(error: Exception) -> Finding:
    """Of an exception only its class and place are told: its text may quote what the partition holds."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return Finding(
        False,
        f"the check itself failed: {type(error).__name__} in {place.name}, line {place.lineno}",
        "a verdict",
        "see that the partition's file can be read, capture it again, or report the check as broken",
    )


def criteria_of(table: Table) -> Iterator[Criterion]:
    """The criteria of an asset."""
    return (each for each in CRITERIA if each.applies(table))


def _always(_: Table) -> bool:
    return True


def _capture(of: Callable[[Endpoint], bool] = _always) -> Callable[[Table], bool]:
    """Of captures alone, and of them those for which this holds."""
    return lambda table: isinstance(table, Endpoint) and of(table)


def _hashes(row: Endpoint) -> bool:
    return any(column.hashed for column in row.columns)


def _visits(row: Endpoint) -> bool:
    """Whether an answer holds who came in a window."""
    return row.history == "look_back" and bool(row.keys)


def _lists_things(row: Endpoint) -> bool:
    """Whether an answer is a list of things that stay, or the people of such things."""
    if row.ids:
        return not row.ids.from_partition
    return bool(row.keys) if row.history == "current_state" else not row.keys and row.answer == "objects"


CRITERIA: tuple[Criterion, ...] = (
    Criterion(
        name="columns",
        check="sound",
        description="The file's columns are those of the asset's table.",
        find=sound.columns,
        applies=_always,
    ),
    Criterion(
        name="keys",
        check="sound",
        description="No two rows share the row's identity.",
        find=sound.keys,
        applies=lambda table: bool(table.keys),
    ),
    Criterion(
        name="hashes",
        check="sound",
        description="Nearly all hashes have the form of the website's algorithm.",
        find=sound.hashes,
        applies=_capture(_hashes),
    ),
    Criterion(
        name="hollow",
        check="sound",
        description="Columns that usually have values have them.",
        find=sound.hollow,
        applies=_capture(lambda row: any(column.nullable for column in row.columns)),
    ),
    Criterion(
        name="rows",
        check="sound",
        description="The rows are neither gone nor many times the usual.",
        find=sound.rows,
        applies=_capture(),
    ),
    Criterion(
        name="window",
        check="sound",
        description="The answer isn't that of a longer window: it doesn't hold nearly everyone of the days before.",
        find=sound.window,
        applies=_capture(_visits),
    ),
    Criterion(
        name="people",
        check="sound",
        description="As many people or things as usual were seen before: the answer is this website's.",
        find=sound.people,
        applies=_capture(lambda row: bool(row.keys) or any(column.always_sent for column in row.columns)),
    ),
    Criterion(
        name="entities",
        check="sound",
        description="The audiences, groups or products of the days before are still there.",
        find=sound.entities,
        applies=_capture(_lists_things),
    ),
    Criterion(
        name="alike",
        check="sound",
        description="Different audiences, groups or locations have different people.",
        find=sound.alike,
        applies=_capture(lambda row: row.ids is not None and _hashes(row)),
    ),
    Criterion(
        name="nested",
        check="sound",
        description="The window holds the next day's, if it was captured no earlier.",
        find=sound.nested,
        applies=_capture(lambda row: row.dated and bool(row.keys)),
    ),
    Criterion(
        name="usual_rows",
        check="usual",
        description="As many rows as usual.",
        find=usual.rows,
        applies=_capture(),
    ),
    Criterion(
        name="every_hash",
        check="usual",
        description="Every hash has the form of the website's algorithm.",
        find=usual.hashes,
        applies=_capture(_hashes),
    ),
    Criterion(
        name="coercions",
        check="usual",
        description="Few values of any column had to go to `extra`.",
        find=usual.coercions,
        applies=_capture(lambda row: row.answer != "hashes"),
    ),
    Criterion(
        name="misfits",
        check="usual",
        description="Every record that the platform sent is a row.",
        find=usual.misfits,
        applies=_capture(lambda row: not callable(row.answer) or _hashes(row)),
    ),
    Criterion(
        name="vanished",
        check="usual",
        description="Every entity that was listed was found.",
        find=usual.vanished,
        applies=_capture(lambda row: row.ids is not None),
    ),
    Criterion(
        name="members",
        check="usual",
        description="No audience has many more members than its visitors could have addresses.",
        find=usual.members,
        applies=_capture(lambda row: row.ids is not None and not row.ids.from_partition),
    ),
    Criterion(
        name="on_time",
        check="usual",
        description="Captured the day after its date.",
        find=usual.on_time,
        applies=_capture(lambda row: row.history == "look_back"),
    ),
    Criterion(
        name="coverage",
        check="usual",
        description="Every day of the window was there when the partition was derived.",
        find=usual.coverage,
        applies=lambda table: table.history == "derived",
    ),
)
