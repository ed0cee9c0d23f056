"""A person's regions over age as small line pictures, each on the band that repeating the first scan explains."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...figures import palette
from ...files.wording import plain, signed

WIDTH, HEIGHT = 168, 92
LEFT, TOP, BOTTOM = 26, 8, 16


def limit_of(values: Sequence[float], limits: Sequence[float]) -> float:
    """Symmetric end (years) of an axis that holds all numbers and their bands: up to the next 10, at least 10."""
    widest = max((limit for limit in limits if math.isfinite(limit)), default=0.0)
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return 10.0 * max(1, math.ceil((largest + widest) / 10.0))


def line_svg(name: str, ages_years: Sequence[float], values: Sequence[float], band: float, limit: float) -> str:
    """SVG of one region: numbers over age, the first session's number plus and minus `band` shaded.

    Parameters
    ----------
    name : of the region. ages_years, values : of the sessions in time; NaN where not estimable.
    band : smallest detectable change (years); NaN where none is known: nothing is shaded then.
    limit : end of the axis, from `limit_of`.
    """
    first, last = min(ages_years), max(ages_years)
    right, bottom = WIDTH - 8, HEIGHT - BOTTOM

    def x(age: float, index: int) -> float:
        place = (age - first) / (last - first) if last > first else index / max(1, len(ages_years) - 1)
        return LEFT + 6 + (right - LEFT - 6) * place

    def y(years: float) -> float:
        return TOP + (bottom - TOP) * (1 - (max(-limit, min(limit, years)) + limit) / (2 * limit))

    points = [(x(age, i), y(v), v) for i, (age, v) in enumerate(zip(ages_years, values, strict=True)) if v == v]
    start = values[0]
    shaded = ""
    if math.isfinite(band) and math.isfinite(start):
        high, low = y(start + band), y(start - band)
        size = f'width="{right - LEFT + 4}" height="{low - high:.1f}"'
        shaded = f'<rect x="{LEFT}" y="{high:.1f}" {size} fill="{palette.LINE}"/>'
    marks = []
    for at, height, value in points:
        beyond = math.isfinite(band) and abs(value - start) > band
        colour = (palette.ORANGE if value > start else palette.BLUE) if beyond else palette.INK
        marks.append(f'<circle cx="{at:.1f}" cy="{height:.1f}" r="{3.6 if beyond else 2.6}" fill="{colour}"/>')
    path = "M" + "L".join(f"{at:.1f} {height:.1f}" for at, height, _ in points) if points else ""
    axis = "".join(
        f'<text x="{LEFT - 4}" y="{y(v) + 3:.1f}" text-anchor="end">{signed(v, 0) if v else 0}</text>'
        for v in (-limit, 0, limit)
    )
    ages = "".join(
        f'<text x="{at:.1f}" y="{HEIGHT - 4}" text-anchor="{anchor}">{plain(age)}</text>'
        for at, age, anchor in ((LEFT, first, "start"), (right + 4, last, "end"))
    )
    spoken = f"{name}: {', '.join(f'{signed(v)} at {plain(a)}' for a, v in zip(ages_years, values, strict=True))} years"
    return (
        f'<svg role="img" aria-label="{spoken}" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
        f'{shaded}<path d="M{LEFT} {y(0):.1f}H{right + 4}" stroke="{palette.GREY}" stroke-width=".7"/>'
        f'<path d="{path}" fill="none" stroke="{palette.INK}" stroke-width="1.3"/>{"".join(marks)}{axis}{ages}</svg>'
    )
