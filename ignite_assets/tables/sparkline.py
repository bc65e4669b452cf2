"""Numbers as a chart that is text: it stands wherever text does, in a log, a table and a page."""

from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(numbers: Sequence[float]) -> str:
    """A bar a number, none of them negative, in order; the lowest bar is nothing, the highest the largest number."""
    most = max(numbers, default=0)
    return "".join(_BARS[round(number / most * (len(_BARS) - 1)) if most else 0] for number in numbers)
