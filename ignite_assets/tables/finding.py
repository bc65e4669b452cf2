"""What one criterion of a check finds in a partition."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was measured, what was expected, and what to do about it."""

    passed: bool
    measured: str
    expected: str
    advice: str = ""
    """Empty when it passed."""
    history: str = ""
    """How what was measured has gone, in a line, oldest first."""


def finding(passed: bool, measured: str, expected: str, advice: str, *, history: str = "") -> Finding:
    """A finding whose advice is for when it doesn't pass."""
    return Finding(passed, measured, expected, "" if passed else advice, history)


def unknown(measured: str, expected: str = "nothing: there is nothing to compare with") -> Finding:
    """A finding that can't be made, and so passes."""
    return Finding(True, measured, expected)
