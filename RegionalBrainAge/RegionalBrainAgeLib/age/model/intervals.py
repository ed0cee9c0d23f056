"""What healthy people not trained on tell about errors: age bias, intervals, percentiles.

The reference is a set of healthy people, each predicted by a model that never saw their site. A PAD is predicted minus
chronological age; deviations and left-right differences are judged in the same way. What a model keeps of them is a
table of quantiles by age (`ErrorTable`), no person.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

COVERAGE = 0.90
_OLDEST_TOLD_YEARS = 90.0
# Ages an error table has rows for; between them it is linear.
TABLE_AGES_YEARS = np.arange(18.0, 99.0, 4.0)
PERCENTILES = np.array([2.5, *np.arange(5.0, 100.0, 5.0), 97.5])
# Ages counted as alike for intervals and percentiles; the window widens until it holds enough people.
_WINDOW_YEARS, _PEOPLE_IN_WINDOW = 7.5, 120
# A site of fewer people tells little of how far sites lie apart.
_FEWEST_OF_SITE = 10
# Few people in a window may happen to lie close together: bounds lie further out by this many SDs of the number
# of people beyond them, so that about 7 of 10 windows, and not half of them, cover what they say (Vovk 2012).
_LUCK_SD = 0.5


@dataclass(frozen=True)
class Reference:
    """Errors of healthy people out of fold.

    Parameters
    ----------
    age_years : (N,).
    site : (N,) strings.
    pad_years : (N, L) PADs (or deviations, or differences) of L quantities: raw, unless something else is said.
    """

    age_years: np.ndarray
    site: np.ndarray
    pad_years: np.ndarray

    def without_sites(self, sites: set[str]) -> Reference:
        """The reference without people of these sites; all of it when nobody would be left."""
        kept = ~np.isin(self.site, sorted(sites))
        if kept.sum() < 2 * _PEOPLE_IN_WINDOW:
            return self
        return Reference(self.age_years[kept], self.site[kept], self.pad_years[kept])


@dataclass(frozen=True)
class AgeBias:
    """Linear dependence of a raw PAD on age (Smith 2019; de Lange & Cole 2020).

    Parameters
    ----------
    intercept_years, slope : (L,) of ``PAD = intercept + slope * age``.
    """

    intercept_years: np.ndarray
    slope: np.ndarray

    def correct(self, pad_years: np.ndarray, age_years: np.ndarray) -> np.ndarray:
        """PAD (N, L) less what age alone predicts."""
        return pad_years - (self.intercept_years + np.outer(age_years, self.slope))

    def corrected(self, reference: Reference) -> Reference:
        """The same people with corrected PADs."""
        return replace(reference, pad_years=self.correct(reference.pad_years, reference.age_years))


def fit_age_bias(reference: Reference) -> AgeBias:
    """Least squares per quantity."""
    design = np.column_stack([np.ones_like(reference.age_years), reference.age_years])
    coefficients = np.linalg.lstsq(design, reference.pad_years, rcond=None)[0]
    return AgeBias(coefficients[0], coefficients[1])


@dataclass(frozen=True)
class ErrorTable:
    """Errors of healthy people by age, as a model keeps them.

    Parameters
    ----------
    intercept_years, slope : (L,) of the age bias.
    lowest, highest : (A, L) corrected PADs between which 90 % of healthy people of an unseen site lie.
    quantiles : (A, Q, L) at `PERCENTILES`.
    youngest_years, oldest_years : of the people, whole years; nobody is told to be older than 90.
    """

    intercept_years: np.ndarray
    slope: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    quantiles: np.ndarray
    youngest_years: float
    oldest_years: float

    def of_lines(self, lines: np.ndarray) -> ErrorTable:
        """The table of some of its quantities."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        of_lines: dict[str, Any] = {k: v[..., lines] for k, v in values.items() if isinstance(v, np.ndarray)}
        return replace(self, **of_lines)

    def judge(
        self, pad_years: np.ndarray, age_years: np.ndarray, widening: np.ndarray | float = 1.0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Corrected PADs (N, L), the bounds of healthy people of that age, and percentiles.

        Parameters
        ----------
        widening : (N, L), how many times larger the errors of these people are than those of the table.

        Returns
        -------
        corrected, lowest, highest, percentile : (N, L) each; percentile is of healthy people with a lower value.
        """
        corrected = AgeBias(self.intercept_years, self.slope).correct(pad_years, age_years)
        lowest, highest = (_between_ages(values, age_years) * widening for values in (self.lowest, self.highest))
        as_measured_well = corrected / widening
        percentile = np.full(corrected.shape, np.nan)
        levels = np.concatenate([[1.0], PERCENTILES, [99.0]])
        for row, steps in enumerate(_between_ages(self.quantiles, age_years)):
            for line in np.nonzero(np.isfinite(corrected[row]))[0]:
                own = steps[:, line]
                reach = max(own[-1] - own[0], 1e-6) / 4
                ends = np.concatenate([[own[0] - reach], own, [own[-1] + reach]])
                percentile[row, line] = np.interp(as_measured_well[row, line], ends, levels)
        return corrected, lowest, highest, percentile


def error_table(reference: Reference) -> ErrorTable:
    """Age bias, bounds and quantiles of a reference."""
    bias = fit_age_bias(reference)
    windows = _Windows(bias.corrected(reference))
    bounds = [windows.bounds(float(age)) for age in TABLE_AGES_YEARS]
    quantiles = [np.quantile(windows.near(float(age))[0], PERCENTILES / 100, axis=0) for age in TABLE_AGES_YEARS]
    return ErrorTable(
        bias.intercept_years,
        bias.slope,
        np.array([low for low, _ in bounds]),
        np.array([high for _, high in bounds]),
        np.array(quantiles),
        float(np.floor(reference.age_years.min())),
        float(min(np.ceil(reference.age_years.max()), _OLDEST_TOLD_YEARS)),
    )


def share_of_variance(part: ErrorTable, whole: ErrorTable) -> float:
    """Share of the variance of one table's errors in that of another's, at most 1; by the width of their bounds."""
    return float(min(np.mean((part.highest - part.lowest) / (whole.highest - whole.lowest)) ** 2, 1.0))


def _between_ages(values: np.ndarray, age_years: np.ndarray) -> np.ndarray:
    """Rows of a table by age (A, ...) at these ages (N,), linear between rows."""
    place = np.interp(age_years, TABLE_AGES_YEARS, np.arange(len(TABLE_AGES_YEARS)))
    low = np.minimum(place.astype(int), len(TABLE_AGES_YEARS) - 2)
    part = (place - low).reshape(-1, *[1] * (values.ndim - 1))
    return (1 - part) * values[low] + part * values[low + 1]


class _Windows:
    """Corrected PADs of healthy people around an age."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._site_share = _site_share(reference.pad_years, reference.site)

    def near(self, age_years: float) -> tuple[np.ndarray, float]:
        """Corrected PADs (n, L) of people of about this age, each column sorted, and a factor on their spread.

        Among the oldest and the youngest most people in the window lie on one side of this age; what changes with age
        inside the window (a straight line per column, least squares) is therefore moved to this age, or to that of the
        nearest person.
        People of one site share an error; what few sites show says little of a new one. With k sites (effective number)
        in the window the error of a new site has a variance larger by the share of variance between sites over k.
        """
        reference = self._reference
        far = np.abs(reference.age_years - age_years)
        reach = max(_WINDOW_YEARS, np.sort(far)[min(_PEOPLE_IN_WINDOW, len(far)) - 1])
        near = far <= reach
        shares = np.unique(reference.site[near], return_counts=True)[1] / near.sum()
        widening = float(np.sqrt(1 + self._site_share * (shares**2).sum()))
        pads, ages = reference.pad_years[near], reference.age_years[near]
        centred = ages - ages.mean()
        slope = centred @ pads / max(float(centred @ centred), 1e-9)
        away = ages - np.clip(age_years, ages.min(), ages.max())
        return np.sort(pads - np.outer(away, slope), axis=0), widening

    def bounds(self, age_years: float) -> tuple[np.ndarray, np.ndarray]:
        """Conformal bounds (L,) each."""
        values, widening = self.near(age_years)
        count, tail = len(values), (1 - COVERAGE) / 2
        luck = _LUCK_SD * np.sqrt(count * tail * (1 - tail))
        rank = min(int(np.ceil((count + 1) * (1 - tail) + luck)) - 1, count - 1)
        middle = np.median(values, axis=0)
        return middle + widening * (values[count - 1 - rank] - middle), middle + widening * (values[rank] - middle)


def _site_share(corrected: np.ndarray, site: np.ndarray) -> float:
    """Share of the variance of corrected PADs that lies between sites, averaged over quantities (one-way ANOVA)."""
    names, index, counts = np.unique(site, return_inverse=True, return_counts=True)
    groups = [corrected[index == number] for number in range(len(names)) if counts[number] >= _FEWEST_OF_SITE]
    if len(groups) < 2:
        return 1.0
    within = np.mean([group.var(axis=0, ddof=1) for group in groups])
    noise = np.mean([group.var(axis=0, ddof=1) / len(group) for group in groups])
    between = max(0.0, float(np.var([group.mean(axis=0) for group in groups], axis=0, ddof=1).mean() - noise))
    return between / (between + float(within))
