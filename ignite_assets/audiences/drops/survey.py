"""What the columns of a file's tables hold, and what follows: which are submitted, which say *subscribed*."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from ignite_assets.audiences.drops import addresses, columns, statuses
from ignite_assets.audiences.drops.addresses import LOOKS_LIKE
from ignite_assets.audiences.drops.columns import Choice
from ignite_assets.audiences.drops.statuses import Said, Sense
from ignite_assets.audiences.drops.tables import DroppedRow, DroppedTable

_VALUES, _FIRST_ROWS = 100, 10


@dataclass(kw_only=True)
class Survey:
    """What was seen of one table, and what was decided of it."""

    table: DroppedTable
    rows: int = 0
    bearing: Counter[int] = field(default_factory=Counter)
    """By column, how many of its cells have addresses."""
    cells: int = 0
    """How many cells have anything in them."""
    listed: bool = False
    """Whether one of the first rows holds addresses and nothing else."""
    distinct: dict[int, set[str]] = field(default_factory=dict)
    """The values of columns such as `From` and `To`."""
    values: dict[int, set[str]] = field(default_factory=dict)
    """The values of columns whose name is that of a status."""
    senses: dict[int, Sense | None] = field(default_factory=dict)
    submitted: frozenset[int] = frozenset()
    """The columns of the person's addresses."""
    used: dict[int, Sense] = field(default_factory=dict)
    """The status columns that say something."""
    subscribed: frozenset[int] = frozenset()
    """Columns whose name says that the people in them are subscribed."""
    preamble: bool = False
    """Whether these are lines above a header."""

    def take_in(self, row: DroppedRow) -> None:
        """Look at a row."""
        self.rows += 1
        for at, cell in columns_of(row):
            if not cell or cell.isspace():
                continue
            self.cells += 1
            if LOOKS_LIKE.search(cell):
                self.bearing[at] += 1
                if self.rows <= _FIRST_ROWS:
                    found = addresses.find(cell)
                    self.listed |= bool(found.tokens) and found.alone
                if self._varies(at):
                    self.distinct.setdefault(at, set()).add(cell.strip().lower())
            elif self._sense(at) and len(self.values.setdefault(at, set())) < _VALUES:
                self.values[at].add(cell)

    def _sense(self, at: int) -> Sense | None:
        if at not in self.senses:
            self.senses[at] = statuses.sense(self.table.name(at))
        return self.senses[at]

    def _varies(self, at: int) -> bool:
        return bool({"from", "to"} & set(columns.words(self.table.name(at))))

    def name(self, at: int) -> str:
        """The column's name; `column 3` where the table has none."""
        return self.table.name(at) if self.table.names else f"column {at + 1}"

    def says(self, row: DroppedRow) -> Said | None:
        """What the row's status columns say."""
        if not self.used:
            return None
        return statuses.row_says(columns_of(row), self.used)


def columns_of(row: DroppedRow) -> Iterator[tuple[int, str]]:
    """The cells of a row with their columns."""
    return iter(enumerate(row.cells) if row.at is None else zip(row.at, row.cells, strict=True))


def survey(rows: Iterable[DroppedRow]) -> list[Survey]:
    """Look at every row; one survey a table, in the order of the file."""
    found: dict[DroppedTable, Survey] = {}
    for row in rows:
        if row.table not in found:
            found[row.table] = Survey(table=row.table)
        found[row.table].take_in(row)
    return list(found.values())


def decide(surveys: list[Survey], wanted: Collection[str]) -> list[str]:
    """Decide of each table; returns why nothing of the file may be submitted, if so."""
    doubts: dict[str, None] = {}
    wanted = [name for name in wanted if any(_has(each, name) for each in surveys)]
    choices: list[Choice] = []
    for at, each in enumerate(surveys):
        after = surveys[at + 1 :]
        each.preamble = each.table.preamble or _stands_above(each, after)
        if each.bearing and not each.preamble:
            doubts |= dict.fromkeys(_read_statuses(each))
            if each.subscribed.issuperset(each.bearing):
                continue
            choices.append(_choose(each, wanted))
            each.submitted = choices[-1].submitted
    people = any(choice.submitted and choice.sure for choice in choices)
    asked = [_asked(choice, alone=len(choices) == 1, beside=people) for choice in choices]
    return [*doubts, *dict.fromkeys(doubt for doubts in asked for doubt in doubts)]


def missing(surveys: list[Survey], wanted: Collection[str]) -> tuple[list[str], list[str]]:
    """Of the names that a person chose those that no table has; and the names of all columns with addresses."""
    there = dict.fromkeys(columns.shown(each.name(at), at) for each in surveys for at in each.bearing)
    return [name for name in wanted if not any(_has(each, name) for each in surveys)], list(there)


def _has(each: Survey, name: str) -> bool:
    return any(columns.is_called(each.name(at), at, [name]) for at in each.bearing)


def _stands_above(each: Survey, after: list[Survey]) -> bool:
    """Whether a table is a title and the like: without a header or without addresses, and a table follows."""
    if not any(other.bearing for other in after):
        return False
    unnamed = not each.table.names and any(other.table.names for other in after)
    return not each.bearing or (unnamed and not each.listed and each.rows <= _FIRST_ROWS)


def _read_statuses(each: Survey) -> Iterator[str]:
    """Learn which columns say who is subscribed; why that can't be told."""
    each.subscribed = frozenset(
        at for at in each.bearing if any(_is_in(part) for part in each.table.name(at).split("."))
    )
    asked: list[str] = []
    for at, values in each.values.items():
        sense = each.senses[at]
        if sense is None or at in each.bearing:
            continue
        if sense == "asked":
            asked += [columns.shown(each.name(at), at)] if statuses.are_flags(values) else []
        elif statuses.contradicts(sense, values):
            yield f"the column {columns.shown(each.name(at), at)} contradicts itself"
        elif statuses.is_used(sense, values):
            each.used[at] = sense
    if not each.used:
        yield from (f"nobody can tell what yes means in the column {name}: drop the file without it" for name in asked)


def _choose(each: Survey, wanted: Collection[str]) -> Choice:
    candidates = {at: each.name(at) for at in sorted(each.bearing) if at not in each.subscribed}
    if not each.table.names and each.rows == 1 and sum(each.bearing.values()) == each.cells:
        return Choice(submitted=frozenset(candidates))  # a list on one line
    return columns.choose(candidates, {at: len(values) for at, values in each.distinct.items()}, wanted)


def _is_in(name: str) -> bool:
    return statuses.value_says("".join(columns.words(name)), "words") == "in"


def _asked(choice: Choice, *, alone: bool, beside: bool) -> Iterator[str]:
    """What a person has to decide. A table of staff asks for nothing `beside` one of people."""
    names = choice.candidates
    if choice.staff and beside:
        return
    if choice.submitted and not (choice.sure or alone):
        yield "nobody can tell which table is of those who opted out: name its column"
    elif len(names) == 1:
        yield f"nobody can tell whether the column {names[0]} is of those who opted out"
    elif names:
        yield f"nobody can tell which column is of those who opted out: {', '.join(names)}"
