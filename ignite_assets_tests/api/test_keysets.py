"""Sets of keys behave as Python's sets of the same keys do."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ignite_assets.api.keysets import KeySet

INTEGERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
COLUMNS: dict[str, tuple[tuple[pa.DataType, ...], st.SearchStrategy[tuple[Any, ...]]]] = {
    "integers": ((pa.int64(),), st.tuples(INTEGERS)),
    "small integers": ((pa.int16(),), st.tuples(st.integers(-3, 3))),
    "text": ((pa.string(),), st.tuples(TEXTS)),
    "an id and a text": ((pa.int64(), pa.string()), st.tuples(st.integers(-2, 2), TEXTS)),
    "two integers": ((pa.int64(), pa.int64()), st.tuples(INTEGERS | st.integers(-2, 2), st.integers(-2, 2))),
}
Keys = list[tuple[Any, ...]]


def table(kinds: tuple[pa.DataType, ...], keys: Keys) -> pa.Table:
    columns = [pa.array([key[i] for key in keys], kind) for i, kind in enumerate(kinds)]
    return pa.table(columns, names=[f"key_{i}" for i in range(len(kinds))])


@st.composite
def two_lists(draw: st.DrawFn) -> tuple[tuple[pa.DataType, ...], Keys, Keys]:
    """Two lists of keys of one kind that share some; keys repeat."""
    kinds, key = COLUMNS[draw(st.sampled_from(sorted(COLUMNS)))]
    shared = draw(st.lists(key, max_size=10))
    mine, theirs = draw(st.lists(key, max_size=10)), draw(st.lists(key, max_size=10))
    return kinds, draw(st.permutations(mine + shared)), draw(st.permutations(theirs + shared + shared))


@given(two_lists())
@example(((pa.int64(),), [], []))
@example(((pa.string(),), [("",)], []))
@example(((pa.string(),), [("a",), ("a\0",)], [("",)]))
@example(((pa.int64(), pa.int64()), [(0, 1)], [(1, 0)]))
def test_a_key_set_counts_unites_and_compares_as_a_set_does(lists: tuple[tuple[pa.DataType, ...], Keys, Keys]) -> None:
    kinds, *keys = lists
    mine, theirs = (set(each) for each in keys)
    ours, others = (KeySet.of(table(kinds, each)) for each in keys)
    assert len(ours) == len(mine)
    assert len(KeySet.union([ours, others])) == len(mine | theirs)
    assert ours.missing_from(others) == len(mine - theirs)
    assert others.missing_from(ours) == len(theirs - mine)
    assert ours.missing_from(KeySet.union([others, ours])) == 0


@given(two_lists())
def test_neither_the_order_of_the_rows_nor_how_they_are_cut_matters(
    lists: tuple[tuple[pa.DataType, ...], Keys, Keys],
) -> None:
    kinds, first, second = lists
    whole = KeySet.of(table(kinds, [*first, *second]))
    pieces = pa.concat_tables([table(kinds, second[::-1]), table(kinds, first)])
    assert KeySet.of(pieces).missing_from(whole) == whole.missing_from(KeySet.of(pieces)) == 0
    sliced = table(kinds, [*first[:1], *first, *second]).slice(len(first[:1]))
    assert KeySet.of(sliced).missing_from(whole) == 0


def test_a_record_batch_is_as_good_as_a_table() -> None:
    batch = table((pa.int64(),), [(1,), (2,)]).to_batches()[0]
    assert len(KeySet.of(batch)) == 2


def test_the_union_of_no_sets_is_empty() -> None:
    assert len(KeySet.union([])) == 0


def test_pairs_of_small_integers_do_not_run_into_each_other() -> None:
    pairs = [(a, b) for a in range(-300, 300) for b in range(-300, 300)]
    assert len(KeySet.of(table((pa.int64(), pa.int64()), pairs))) == len(pairs)


@pytest.mark.parametrize(
    ("size", "missing", "share", "within"),
    [
        (0, 0, 0.0, True),
        (1, 1, 0.0, True),  # one key may always be missing
        (10, 2, 0.0, False),
        (100, 1, 0.01, True),
        (100, 2, 0.01, False),
        (300, 3, 0.01, True),
        (300, 4, 0.01, False),
        (300, 300, 1.0, True),
    ],
)
def test_a_set_is_nearly_within_another_that_lacks_no_more_than_the_share(
    size: int, missing: int, share: float, within: bool
) -> None:
    mine = KeySet.of(table((pa.int64(),), [(n,) for n in range(size)]))
    other = KeySet.of(table((pa.int64(),), [(n,) for n in range(missing, size + 50)]))
    assert mine.nearly_within(other, share) is within
