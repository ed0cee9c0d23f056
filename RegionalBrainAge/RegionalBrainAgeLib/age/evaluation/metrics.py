"""Measures of regional ages against chronological age; all errors raw unless they say "corrected"."""

from __future__ import annotations

import numpy as np

_BIN_YEARS = 10
STROKE_AGES_YEARS = (40, 90)
WIDE_SITE_YEARS = 40.0


def balanced_mae_years(
    error_years: np.ndarray, age_years: np.ndarray, ages: tuple[int, int] = STROKE_AGES_YEARS, fewest: int = 5
) -> float:
    """Mean absolute error averaged over regions, then over ten-year bins with at least `fewest` people.

    Parameters
    ----------
    error_years : (N, R), NaN where not estimated.
    """
    means = [
        np.nanmean(np.abs(error_years[inside]))
        for inside in decades(age_years, ages).values()
        if inside.sum() >= fewest
    ]
    return float(np.mean(means)) if means else float("nan")


def decades(age_years: np.ndarray, ages: tuple[int, int] = (0, 120)) -> dict[str, np.ndarray]:
    """Boolean rows of every ten-year bin that has people."""
    bins = {}
    for first in range(ages[0], ages[1], _BIN_YEARS):
        inside = (age_years >= first) & (age_years < first + _BIN_YEARS)
        if inside.any():
            bins[f"{first}-{first + _BIN_YEARS - 1}"] = inside
    return bins


def mean_correlation(values: np.ndarray, age_years: np.ndarray) -> float:
    """Pearson correlation with age, averaged over regions; NaN where none has one."""
    found = np.array([_correlation(column, age_years) for column in values.T])
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def mean_slope(values: np.ndarray, age_years: np.ndarray) -> float:
    """Least-squares slope on age, averaged over regions."""
    slopes = []
    for column in values.T:
        known = np.isfinite(column)
        if known.sum() >= 3 and np.ptp(age_years[known]) > 0:
            slopes.append(np.polyfit(age_years[known], column[known], 1)[0])
    return float(np.mean(slopes)) if slopes else float("nan")


def between_region_correlation(values: np.ndarray) -> float:
    """Mean correlation of two regions over people that have all regions."""
    whole = values[np.isfinite(values).all(axis=1)]
    if len(whole) < 3 or values.shape[1] < 2:
        return float("nan")
    table = np.corrcoef(whole.T)
    return float(table[np.triu_indices(len(table), 1)].mean())


def coverage(lower: np.ndarray, upper: np.ndarray) -> float:
    """Share of intervals of a PAD that contain 0, the PAD of a healthy person."""
    known = np.isfinite(lower)
    return float(((lower <= 0) & (upper >= 0))[known].mean()) if known.any() else float("nan")


def wide_sites(site: np.ndarray, age_years: np.ndarray) -> list[str]:
    """Sites whose people span at least 40 years."""
    return [str(name) for name in np.unique(site) if np.ptp(age_years[site == name]) >= WIDE_SITE_YEARS]


def _correlation(values: np.ndarray, age_years: np.ndarray) -> float:
    known = np.isfinite(values)
    if known.sum() < 3 or np.std(values[known]) == 0 or np.std(age_years[known]) == 0:
        return float("nan")
    return float(np.corrcoef(values[known], age_years[known])[0, 1])
