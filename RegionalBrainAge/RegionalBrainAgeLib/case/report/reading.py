"""What may be read of a case: each number beside what healthy people show, and which lie outside it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ...age.model.as_many import DIFFERENCES, PADS, deviations_from, share_with_as_many
from ...files.wording import SIMULATED, listed
from ..result.result import CaseResult, InHealth, RegionResult


@dataclass(frozen=True)
class Reading:
    """One number of a patient beside the range of 90 % of healthy people of that age.

    Parameters
    ----------
    value_years : NaN where it is not estimable.
    low_years, high_years : the healthy range.
    """

    value_years: float
    low_years: float
    high_years: float

    @property
    def estimable(self) -> bool:
        """Whether there is a value to read."""
        return math.isfinite(self.value_years)

    @property
    def outside(self) -> int:
        """1 above the healthy range, -1 below it, 0 inside it or not estimable."""
        if not self.estimable:
            return 0
        return int(self.value_years > self.high_years) - int(self.value_years < self.low_years)


NOTHING = Reading(math.nan, math.nan, math.nan)


def calibrated(result: CaseResult) -> bool:
    """Whether ages may be compared with other people's: local controls told this scanner's offset."""
    return result.calibration == "local"


def why_withheld(result: CaseResult) -> str:
    """Why no age of this case may be read at all; empty if some may."""
    if result.qc == "fail":
        return "the quality check failed"
    if "age" in result.case.simulated:
        return "the person's age is not known"
    return ""


def whole_name(result: CaseResult) -> str:
    """What the global age is of: with a lesion on one side, the other hemisphere (and the midline) only."""
    return "this brain's unlesioned hemisphere" if result.one_sided else "this brain as a whole"


def simulated(result: CaseResult) -> str:
    """What every page says first of a case that is not real; empty for a real one."""
    return f"{SIMULATED} Not real: {listed(result.case.simulated)}." if result.case.simulated else ""


def contrasts(result: CaseResult) -> dict[str, Reading]:
    """By network: ipsi- minus contralesional corrected PAD (without one lesioned side: left minus right)."""
    if why_withheld(result):
        return dict.fromkeys(result.networks, NOTHING)
    found = {network: result.contrast(network) for network in result.networks}
    return {
        network: Reading(c.difference_years, c.lower_years, c.upper_years) if c else NOTHING
        for network, c in found.items()
    }


def regions(result: CaseResult) -> dict[str, Reading]:
    """By region: corrected PAD where the case is calibrated, else the deviation from the global age (`whole_name`).

    The 90 % interval of a number and the healthy range say the same: a number lies outside the range exactly where its
    interval does not hold zero.
    """
    if why_withheld(result):
        return dict.fromkeys((row.region for row in result.regions), NOTHING)
    of_row = _pad if calibrated(result) else _deviation
    return {row.region: of_row(row) if row.estimable else NOTHING for row in result.regions}


def in_health(result: CaseResult, as_many: Mapping[str, Mapping[str, Sequence[float]]]) -> InHealth:
    """How many healthy people have as many numbers outside their healthy range as this patient.

    Parameters
    ----------
    as_many : of the model, see `BrainAgeModel`.
    """
    shares = as_many[result.calibration]
    kind = PADS if calibrated(result) or result.global_age is None else deviations_from(result.global_age.read_from)
    return InHealth(
        _share_with_as_many(regions(result).values(), shares[kind]),
        _share_with_as_many(contrasts(result).values(), shares[DIFFERENCES]),
    )


def _share_with_as_many(readings: Collection[Reading], shares: Sequence[float]) -> float:
    outside = sum(reading.outside != 0 for reading in readings)
    return share_with_as_many(shares, outside, sum(reading.estimable for reading in readings))


def _pad(row: RegionResult) -> Reading:
    value = row.pad_corrected_years
    return Reading(value, value - row.pad_upper_years, value - row.pad_lower_years)


def _deviation(row: RegionResult) -> Reading:
    value = row.deviation_corrected_years
    return Reading(value, value - row.deviation_upper_years, value - row.deviation_lower_years)
