"""Words and numbers as every page, table and panel of this project writes them."""

from __future__ import annotations

import math
from collections.abc import Sequence

RESEARCH_USE = "Research use only. Not approved for clinical use. Not a diagnosis, not for treatment decisions."
SIMULATED = "Simulated data: no real person's result."
# Stands where a number was not measured.
ABSENT = "–"
MINUS = "−"


def plain(value: float | None, digits: int = 1) -> str:
    """A rounded number with a real minus sign and no minus zero; a dash where there is none.

    >>> plain(-0.04), plain(-2.25, 2), plain(None)
    ('0.0', '−2.25', '–')
    """
    return _number(value, digits, "-")


def signed(value: float | None, digits: int = 1) -> str:
    """Like `plain` with a plus sign before numbers above zero.

    >>> signed(3.14), signed(-3.14), signed(0.0)
    ('+3.1', '−3.1', '0.0')
    """
    return _number(value, digits, "+")


def percent(fraction: float | None) -> str:
    """A fraction (0..1) in percent, without the sign; what is there but rounds to zero is "<0.1".

    >>> percent(0.0), percent(0.0001), percent(0.317)
    ('0', '<0.1', '31.7')
    """
    if fraction is None or not math.isfinite(fraction):
        return ABSENT
    if fraction == 0:
        return "0"
    return "<0.1" if 0 < fraction < 0.0005 else plain(100 * fraction)


def with_minus(text: str) -> str:
    """A number as text, its hyphen replaced by a real minus sign."""
    return text.replace("-", MINUS)


def listed(words: Sequence[str]) -> str:
    """Words as in a sentence.

    >>> listed(["SMN"]), listed(["SMN", "FPN"]), listed(["SMN", "FPN", "VIS"])
    ('SMN', 'SMN and FPN', 'SMN, FPN and VIS')
    """
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _number(value: float | None, digits: int, sign: str) -> str:
    if value is None or not math.isfinite(value):
        return ABSENT
    text = f"{value:{sign}.{digits}f}"
    zero = not any(digit in text for digit in "123456789")
    return with_minus(text.lstrip("+-") if zero else text)
