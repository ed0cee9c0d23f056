"""A patient's number as a dot on the range of healthy people: small SVG pictures for a table's cells."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ...figures import palette
from ...files.wording import plain, signed
from .reading import Reading

WIDTH, HEIGHT = 180, 16
COLOURS = {-1: palette.BLUE, 0: palette.INK, 1: palette.ORANGE}


def axis_limit(readings: Iterable[Reading]) -> float:
    """Symmetric end (years) of an axis that holds all numbers and ranges: up to the next 10, at least 10."""
    ends = [abs(end) for r in readings for end in (r.value_years, r.low_years, r.high_years) if math.isfinite(end)]
    return 10.0 * max(1, math.ceil(max(ends, default=10.0) / 10.0))


def range_bar(reading: Reading, limit: float, name: str) -> str:
    """SVG: grey band from `low_years` to `high_years`, a line at zero, and the number as a dot; empty without a number.

    Parameters
    ----------
    limit : end of the axis, from `axis_limit`. name : what the number is of, for those who cannot see it.
    """
    if not reading.estimable or not math.isfinite(reading.low_years + reading.high_years):
        return ""

    def x(years: float) -> str:
        return f"{WIDTH / 2 + (WIDTH / 2 - 6) * max(-1.0, min(1.0, years / limit)):.1f}"

    low, high = float(x(reading.low_years)), float(x(reading.high_years))
    where = {-1: "below", 0: "inside", 1: "above"}[reading.outside]
    spoken = (
        f"{name}: {signed(reading.value_years)} years, {where} the healthy range of {signed(reading.low_years)} to "
        f"{signed(reading.high_years)}"
    )
    middle = HEIGHT / 2
    at, colour = x(reading.value_years), COLOURS[reading.outside]
    dot = f'<circle cx="{at}" cy="{middle:g}" r="4.2" fill="{colour}"/>'
    if reading.outside:
        dot = f'<path d="M{at} {middle - 5.5:g}l5.5 5.5-5.5 5.5-5.5-5.5z" fill="{colour}"/>'
    return (
        f'<svg role="img" aria-label="{spoken}" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
        f'<rect x="{low:.1f}" y="2" width="{high - low:.1f}" height="{HEIGHT - 4}" rx="2" fill="{palette.LINE}"/>'
        f'<path d="M{WIDTH / 2:g} 0v{HEIGHT}" stroke="{palette.MUTED}" stroke-width="1"/>{dot}</svg>'
    )


def axis(limit: float) -> str:
    """SVG: the axis's ends and zero, for the head of a column."""
    ends = ((6, "start", f"−{plain(limit, 0)}"), (WIDTH / 2, "middle", "0"), (WIDTH - 6, "end", f"+{plain(limit, 0)}"))
    # As attributes: makers of PDF do not take a page's style into its SVG.
    style = f'font-size="10.5" fill="{palette.MUTED}"'
    texts = "".join(f'<text x="{x:g}" y="11" text-anchor="{anchor}" {style}>{text}</text>' for x, anchor, text in ends)
    return f'<svg aria-hidden="true" class="axis" viewBox="0 0 {WIDTH} 13" width="{WIDTH}" height="13">{texts}</svg>'
