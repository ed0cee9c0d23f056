"""The colours of every figure, page and panel, and the scales that turn numbers into them.

Blue is younger (or lower), orange older (or higher): a pair that red-green blindness leaves apart. What carries no
number has a colour off the scales: grey where there is nothing to report, dotted dark grey where nothing can be
estimated, unpainted where there is no region, yellow lines for the lesion. The test of this module checks every pair
under simulated colour-blindness (CAM02-UCS colour difference).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

INK, MUTED, LINE, FAINT = "#1d2733", "#5b6672", "#d5dae0", "#f5f6f7"
BLUE, ORANGE, GREEN, PLUM, GREY = "#1f4e79", "#b4531a", "#2b6a4a", "#7d3c70", "#9aa3ad"
# Inside the healthy range, or a load of zero: nothing to report.
NEUTRAL = "#c2c5c8"
NO_REGION = "#f7f6f3"
NOT_ESTIMABLE, NOT_ESTIMABLE_DOTS = "#86847f", "#4c4b48"
LESION = "#ffe14d"
BRAIN_OUTLINE, PARCEL_BORDER = "#4fa3dc", "#fac740"
# From the number nearest zero outwards.
YOUNGER = ("#84b9e2", "#4384bb", "#1f4e79")
OLDER = ("#eaa15f", "#c9682a", "#8a2f0b")
# From low to high.
DIVERGING = (*reversed(YOUNGER), NEUTRAL, *OLDER)
AMOUNT = ("#a9a3ee", "#6a55cf", "#2d1c7c")
THICKNESS = ("#10206b", "#2f74c8", "#8fd6ff")
THICKNESS_RANGE_MM = (1.0, 4.5)
SMALLEST_YEARS_LIMIT = 10.0
SMALLEST_LOAD_LIMIT = 0.10


def rgb(colour: str) -> np.ndarray:
    """Red, green and blue, 0..1, of "#rrggbb"."""
    return np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])


def ramp(stops: Iterable[str], places: np.ndarray) -> np.ndarray:
    """Colours at places (0..1) between evenly spread stops; shape (..., 3)."""
    colours = np.array([rgb(stop) for stop in stops])
    at = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(places, at, colours[:, channel]) for channel in range(3)], axis=-1)


@dataclass(frozen=True)
class AmountScale:
    """Colours of a quantity from `low` to `high`; zero means "none" and is grey.

    Parameters
    ----------
    stops : colours from low to high.
    """

    low: float
    high: float
    stops: tuple[str, ...] = AMOUNT

    def colours(self, values: np.ndarray) -> np.ndarray:
        """RGB (0..1) of each value, shape (..., 3); NaN counts as `low`."""
        values = np.nan_to_num(np.asarray(values, float), nan=self.low)
        found = ramp(self.stops, (values - self.low) / (self.high - self.low))
        return np.where((values == 0)[..., None], rgb(NEUTRAL), found)


@dataclass(frozen=True)
class YearsScale:
    """Colours of differences in years, symmetric about zero; what lies inside its healthy range is grey.

    The faintest blue and orange are told from grey by everyone, so a coloured region is always one outside its range.
    """

    limit: float

    def colours(self, values: np.ndarray, outside: np.ndarray) -> np.ndarray:
        """RGB (0..1) of each value, shape (..., 3).

        Parameters
        ----------
        values : years. outside : bool, whether a value lies outside its healthy range.
        """
        values = np.nan_to_num(np.asarray(values, float))
        strength = np.clip(abs(values) / self.limit, 0, 1)
        tinted = np.where((values < 0)[..., None], ramp(YOUNGER, strength), ramp(OLDER, strength))
        return np.where(np.asarray(outside, bool)[..., None], tinted, rgb(NEUTRAL))


def years_limit(values: Iterable[float]) -> float:
    """Symmetric end of a scale of years: the largest absolute value, up to the next 5 years, at least 10."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return max(SMALLEST_YEARS_LIMIT, 5.0 * math.ceil(largest / 5.0))


def load_limit(fractions: Iterable[float]) -> float:
    """End of a scale of loads: the largest load, up to the next tenth, at least a tenth."""
    largest = max((value for value in fractions if math.isfinite(value)), default=0.0)
    return max(SMALLEST_LOAD_LIMIT, min(1.0, math.ceil(largest * 10 - 1e-9) / 10))
