"""What a model answers for a brain: one global age, the ages of regions, and how far each region is from the whole."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class GlobalAge:
    """One age of the brain: floats for one person, arrays (N,) for many.

    PAD is predicted minus chronological age; corrected, what age alone predicts is taken off. The interval holds the
    corrected PAD this person would have with another, equally likely error: it contains 0 for 90 % of healthy people.

    Parameters
    ----------
    brain_age_without_fluid_years : read without ventricles, choroid plexus and CSF.
    read_from : "both hemispheres", "left hemisphere" or "right hemisphere".
    """

    brain_age_years: np.ndarray
    pad_years: np.ndarray
    pad_corrected_years: np.ndarray
    pad_lower_years: np.ndarray
    pad_upper_years: np.ndarray
    pad_percentile: np.ndarray
    estimable: np.ndarray
    reason: np.ndarray
    brain_age_without_fluid_years: np.ndarray
    read_from: np.ndarray

    def person(self, row: int) -> GlobalAge:
        """The age of one of many people."""
        return GlobalAge(**{item.name: getattr(self, item.name)[row] for item in fields(self)})


@dataclass(frozen=True)
class Ages:
    """Ages of one person (arrays of R regions) or of many (arrays of N x R); NaN where a region is not estimable.

    Parameters
    ----------
    brain_age_years ... reason : of the regions; see `GlobalAge` for the words.
    brain_age_without_fluid_years : the regions read without ventricles, choroid plexus and CSF.
    deviation_years : regional age less the global age of the same brain, both raw: sharp without a known scanner.
    deviation_corrected_years : less what is usual in health at this age.
    deviation_lower_years, deviation_upper_years : 90 % interval, holds 0 for 90 % of healthy people.
    deviation_percentile : percentage of healthy people of this age with a lower corrected deviation.
    global_age : of the whole brain, or of the hemisphere without the lesion.
    calibrated : "none" or "local".
    route : that measured the features.
    fluid_left_out : whether ventricles were left out because the lesion may have widened them; (N,) for many people.
    """

    region_names: tuple[str, ...]
    brain_age_years: np.ndarray
    pad_years: np.ndarray
    pad_corrected_years: np.ndarray
    pad_lower_years: np.ndarray
    pad_upper_years: np.ndarray
    pad_percentile: np.ndarray
    estimable: np.ndarray
    reason: np.ndarray
    brain_age_without_fluid_years: np.ndarray
    deviation_years: np.ndarray
    deviation_corrected_years: np.ndarray
    deviation_lower_years: np.ndarray
    deviation_upper_years: np.ndarray
    deviation_percentile: np.ndarray
    global_age: GlobalAge
    fluid_left_out: np.ndarray
    calibrated: str = "none"
    route: str = "FreeSurfer"

    def person(self, row: int) -> Ages:
        """The ages of one of many people."""
        values = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, GlobalAge):
                value = value.person(row)
            elif isinstance(value, np.ndarray):
                value = value[row]
            values[item.name] = value
        return Ages(**values)
