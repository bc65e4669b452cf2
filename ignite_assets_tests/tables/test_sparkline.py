"""Charts that are text."""

from hypothesis import given
from hypothesis import strategies as st

from ignite_assets.tables.sparkline import sparkline


def test_bars_go_from_nothing_to_the_largest_number() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([]) == ""


@given(st.lists(st.integers(0, 10**9), min_size=1))
def test_there_is_a_bar_a_number_and_a_larger_one_is_no_lower(numbers: list[int]) -> None:
    bars = sparkline(numbers)
    assert len(bars) == len(numbers)
    assert sorted(bars) == [bar for _, bar in sorted(zip(numbers, bars, strict=True))]
