"""Numbers of a case that say whether it went well, and which cases stand out of their batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

# Iglewicz and Hoaglin (1993): a modified z-score beyond 3.5 marks an outlier.
OUTLIER_Z = 3.5
# With fewer cases the median deviation says little.
FEWEST_CASES = 8
_Z_OF_MAD = 0.6745

# metric -> (label, meaning)
METRICS = {
    "similarity": ("similarity", "similarity to the template after registration"),
    "thickness_mm": ("thickness, mm", "mean cortical thickness"),
    "spread_mm": ("spread, mm", "spread of thickness over parcels"),
    "unmeasured": ("lost parcels", "parcels that could not be measured although the lesion spares nine tenths of them"),
    "region_ml": ("regions, ml", "volume of all regions"),
    "pad_years": ("PAD, years", "mean corrected PAD"),
}
_SPARED = 0.1  # lesioned fraction below which a lesion does not explain that a parcel was not measured


def case_metrics(summary: Mapping) -> dict[str, float]:
    """The numbers of `METRICS` from the content of a case.json; NaN where a case has none.

    Parameters
    ----------
    summary : as `case.result.result.CaseResult.as_dict`.
    """
    thickness_mm = _values(summary["parcels"], "thickness_mm")
    known = thickness_mm[np.isfinite(thickness_mm)]
    lesioned = np.nan_to_num(_values(summary["parcels"], "lesioned_fraction"))
    volumes_ml, pads = (
        _values(summary["regions"], "region_volume_ml"),
        _values(summary["regions"], "pad_corrected_years"),
    )
    return {
        "similarity": _number(summary.get("provenance", {}).get("registration_similarity")),
        "thickness_mm": float(known.mean()) if known.size else math.nan,
        "spread_mm": float(known.std()) if known.size else math.nan,
        "unmeasured": float(np.sum(~np.isfinite(thickness_mm) & (lesioned < _SPARED))),
        "region_ml": float(np.nansum(volumes_ml)) if np.isfinite(volumes_ml).any() else math.nan,
        "pad_years": float(np.nanmean(pads)) if np.isfinite(pads).any() else math.nan,
    }


def modified_z(values: Sequence[float]) -> np.ndarray:
    """Modified z-scores 0.6745 (x - median) / MAD; 0 for all where too few are known or most are equal, NaN stays.

    How to read it: beyond `OUTLIER_Z` a case is unlike the others of the batch, which may be an error or an unusual
    person. Look at it.
    """
    given = np.asarray(values, dtype=float)
    known = given[np.isfinite(given)]
    scores = np.where(np.isfinite(given), 0.0, np.nan)
    if known.size < FEWEST_CASES:
        return scores
    median = np.median(known)
    mad = np.median(np.abs(known - median))
    return scores if mad == 0 else _Z_OF_MAD * (given - median) / mad


def find_outliers(metrics: Sequence[Mapping[str, float]]) -> list[list[str]]:
    """For each case the names of the metrics in which it stands out of the batch."""
    found: list[list[str]] = [[] for _ in metrics]
    for name in METRICS:
        for case, score in enumerate(modified_z([values[name] for values in metrics])):
            if abs(score) > OUTLIER_Z:
                found[case].append(name)
    return found


def _values(rows: Sequence[Mapping], name: str) -> np.ndarray:
    return np.array([_number(row[name]) for row in rows], dtype=float)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
