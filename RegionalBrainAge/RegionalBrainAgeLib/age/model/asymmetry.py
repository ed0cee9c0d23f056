"""How far the two hemispheres of a healthy person lie apart: what a contrast within a patient must be judged by.

The networks never look across the midline, so the errors of mirrored regions are nearly independent and differences of
many years are common in health. The limits come from the same healthy people out of fold as the intervals of single
regions, person by person: what a scanner adds to both sides cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .intervals import Errors

if TYPE_CHECKING:  # only named here: what shows a case must not load torch
    from .brain_age_model import BrainAgeModel, RegionAges


@dataclass(frozen=True)
class Asymmetry:
    """Left minus right of one network; NaN where one side is not estimable.

    Parameters
    ----------
    network : code of the scheme.
    difference_years : corrected PAD of the left region less that of the right one.
    lower_years, upper_years : between them lie 90 % of healthy people of that age.
    percentile : percentage of healthy people of that age with a lower difference.
    """

    network: str
    difference_years: float
    lower_years: float
    upper_years: float
    percentile: float

    def reversed(self) -> Asymmetry:
        """Right minus left."""
        return Asymmetry(
            self.network, -self.difference_years, -self.upper_years, -self.lower_years, 100 - self.percentile
        )

    @property
    def unusual(self) -> bool:
        """Whether the difference lies outside the healthy 90 %."""
        return self.difference_years < self.lower_years or self.difference_years > self.upper_years


def asymmetries(
    model: BrainAgeModel, ages: RegionAges, age_years: float, pairs: Sequence[tuple[str, int, int]]
) -> tuple[Asymmetry, ...]:
    """Differences between the hemispheres of one person beside those of healthy people (split conformal bounds).

    Parameters
    ----------
    ages : of one person, from `model`.
    pairs : network, index of its left and of its right region.
    """
    if not pairs:
        return ()
    names, left, right = zip(*pairs, strict=True)
    left, right = list(left), list(right)
    state = "local" if ages.calibrated == "local" else "none"
    bias, _ = model.errors(state, len(model.folds) - 1)
    healthy = bias.corrected(model.references[state])
    errors = Errors(replace(healthy, pad_years=healthy.pad_years[:, left] - healthy.pad_years[:, right]))
    difference = ages.pad_corrected_years[left] - ages.pad_corrected_years[right]
    lowest, highest, percentile = errors.judge(difference[None], np.array([age_years]))
    percentile = np.where(np.isnan(difference), np.nan, percentile[0])
    numbers = np.stack([difference, lowest[0], highest[0], percentile], axis=1).tolist()
    return tuple(Asymmetry(name, *row) for name, row in zip(names, numbers, strict=True))
