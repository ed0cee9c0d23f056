"""Motor scales by name: their range, their direction, and where severe impairment begins.

Inside the analysis a motor outcome always runs from 0 (none) to 1 (full function), whatever the scale's own direction.

Sources of the cuts: Fugl-Meyer, this software's default of 25 of 66 (a setting, see docs/cohort.md); Action Research
Arm Test 21 of 57, "no or poor capacity" (Hoonhorst et al. 2015, Arch Phys Med Rehabil 96:1845); NIHSS 5 and more, no
longer a minor stroke; modified Rankin scale 3 and more, no longer independent (both conventions of stroke trials).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class MotorScale:
    """A scale from 0 to `highest` points; `many_points_are_good` says whether many points mean full function.

    severe : points at which impairment counts as severe, counted in the scale's own direction (at most so many where
    many points are good, at least so many where they are bad). levels : number of ordered levels for a scale that must
    not be read as continuous, 0 otherwise.
    """

    title: str
    highest: int
    many_points_are_good: bool
    severe: int
    levels: int = 0

    @property
    def severe_cut(self) -> float:
        """The cut on the analysis' own direction: outcome (0..1) up to which impairment is severe."""
        return self.severe / self.highest if self.many_points_are_good else 1 - self.severe / self.highest

    def outcome(self, points: pd.Series) -> pd.Series:
        """Points as 0 (none) to 1 (full function)."""
        share = points / self.highest
        return share if self.many_points_are_good else 1 - share

    def range_text(self) -> str:
        """The scale in words."""
        best = self.highest if self.many_points_are_good else 0
        return f"{self.title}, 0 to {self.highest}, {best} = full function"


SCALES = {
    "fm": MotorScale("Fugl-Meyer upper extremity", 66, True, 25),
    "arat": MotorScale("Action Research Arm Test", 57, True, 21),
    "nihss": MotorScale("National Institutes of Health Stroke Scale", 42, False, 5),
    "mrs": MotorScale("modified Rankin scale", 6, False, 3, levels=7),
}
