"""What a model answers for a brain: one global age, the ages of regions, and how far each region is from the whole."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np


@dataclass(frozen=True, kw_only=True)
class ReadAges:
    """Ages read from features, for one person or, with one row per person, for many; NaN where not estimable.

    PAD is predicted minus chronological age; corrected, what age alone predicts is taken off. The interval holds the
    corrected PAD this person would have with another, equally likely error: it contains 0 for 90 % of healthy people.

    Parameters
    ----------
    brain_age_without_fluid_years : read without ventricles.
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

    def person(self, row: int) -> Self:
        """The ages of one of many people."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        own: dict[str, Any] = {name: value[row] for name, value in values.items() if isinstance(value, np.ndarray)}
        own |= {name: value.person(row) for name, value in values.items() if isinstance(value, ReadAges)}
        return replace(self, **own)


@dataclass(frozen=True, kw_only=True)
class GlobalAge(ReadAges):
    """One age of the brain: floats for one person, arrays (N,) for many.

    Parameters
    ----------
    read_from : "both hemispheres", "left hemisphere" or "right hemisphere".
    """

    read_from: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Ages(ReadAges):
    """Ages of the regions of one person (arrays of R) or of many (arrays of N x R), and the global age.

    Parameters
    ----------
    deviation_years : regional age less the global age of the same brain, both raw: sharp without a known scanner.
    deviation_corrected_years : less what is usual in health at this age.
    deviation_lower_years, deviation_upper_years : 90 % interval, holds 0 for 90 % of healthy people.
    deviation_percentile : percentage of healthy people of this age with a lower corrected deviation.
    global_age : of the whole brain, or of the hemisphere without the lesion.
    widening : how many times larger errors are than with every node measured by FreeSurfer, at least 1; in intervals
        and percentiles already.
    misfit : how unlike a healthy brain all features together are, see `norms.reading.Reading`; (N,) for many people.
    fluid_left_out : whether ventricles were left out because the lesion may have widened them; (N,) for many people.
    calibrated : "none" or "local".
    route : that measured the features.
    """

    region_names: tuple[str, ...]
    deviation_years: np.ndarray
    deviation_corrected_years: np.ndarray
    deviation_lower_years: np.ndarray
    deviation_upper_years: np.ndarray
    deviation_percentile: np.ndarray
    global_age: GlobalAge
    widening: np.ndarray
    misfit: np.ndarray
    fluid_left_out: np.ndarray
    calibrated: str = "none"
    route: str = "FreeSurfer"
