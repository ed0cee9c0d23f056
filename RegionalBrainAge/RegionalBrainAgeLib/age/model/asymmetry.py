"""How far the two hemispheres of a healthy person lie apart: what a contrast within a patient must be judged by.

The networks never look across the midline, so the errors of mirrored regions are nearly independent and differences of
many years are common in health. The limits come from the same healthy people out of fold as the intervals of single
regions, person by person: what a scanner adds to both sides cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..ages import Ages

if TYPE_CHECKING:  # only named here: what shows a case must not load torch
    from .brain_age_model import BrainAgeModel


@dataclass(frozen=True)
class Asymmetry:
    """Left minus right of one network; NaN where one side is not estimable.

    Parameters
    ----------
    network : code of the scheme.
    difference_years : age of the left region less that of the right one, less what is usual at this age.
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


def asymmetries(
    model: BrainAgeModel, ages: Ages, age_years: float, pairs: Sequence[tuple[str, int, int]]
) -> tuple[Asymmetry, ...]:
    """Differences between the hemispheres of one person beside those of healthy people (split conformal bounds).

    Where nodes are missing, or the route measures them less well than FreeSurfer, the bounds are wider. By a route
    whose healthy people differ less from side to side they are narrower (`RouteModel.contrast_spread`).

    Parameters
    ----------
    ages : of one person, from `model`.
    pairs : network, index of its left and of its right region; as `model.pairs`, or some of them.
    """
    if not pairs:
        return ()
    line_of = dict(zip(model.pairs, model.lines.differences, strict=True))
    table = model.folds[-1].errors[ages.calibrated].of_lines(np.array([line_of[pair] for pair in pairs]))
    raw = np.array([[ages.brain_age_years[left] - ages.brain_age_years[right] for _, left, right in pairs]])
    # The two hemispheres are read apart, so their errors add as squares.
    reach = model.contrast_reach(ages.route, ages.calibrated)
    wider = [reach * np.sqrt((ages.widening[left] ** 2 + ages.widening[right] ** 2) / 2) for _, left, right in pairs]
    numbers = np.concatenate(table.judge(raw, np.array([age_years]), np.array([wider])))
    return tuple(Asymmetry(network, *map(float, row)) for (network, _, _), row in zip(pairs, numbers.T, strict=True))
