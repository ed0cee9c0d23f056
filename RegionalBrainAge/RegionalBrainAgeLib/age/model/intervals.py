"""What healthy people not trained on tell about errors: age bias, intervals, percentiles.

The reference is a set of healthy people, each predicted by networks that never saw their site. A PAD is predicted minus
chronological age.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

COVERAGE = 0.90
# Ages counted as alike for intervals and percentiles; the window widens until it holds enough people.
_WINDOW_YEARS, _PEOPLE_IN_WINDOW = 7.5, 80
# Few people in a window may happen to lie close together: bounds lie further out by this many SDs of the number
# of people beyond them, so that about 7 of 10 windows, and not half of them, cover at least what they say (Vovk 2012).
_LUCK_SD = 0.5


@dataclass(frozen=True)
class Reference:
    """PADs of healthy people out of fold.

    Parameters
    ----------
    age_years : (N,).
    site : (N,) strings.
    pad_years : (N, R) PADs: raw, unless something else is said.
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
    """Linear dependence of the raw PAD on age per region (Smith 2019; de Lange & Cole 2020).

    Parameters
    ----------
    intercept_years, slope : (R,) of ``PAD = intercept + slope * age``.
    """

    intercept_years: np.ndarray
    slope: np.ndarray

    def correct(self, pad_years: np.ndarray, age_years: np.ndarray) -> np.ndarray:
        """PAD (N, R) less what age alone predicts."""
        return pad_years - (self.intercept_years + np.outer(age_years, self.slope))

    def corrected(self, reference: Reference) -> Reference:
        """The same people with corrected PADs."""
        return replace(reference, pad_years=self.correct(reference.pad_years, reference.age_years))


def fit_age_bias(reference: Reference) -> AgeBias:
    """Least squares per region."""
    design = np.column_stack([np.ones_like(reference.age_years), reference.age_years])
    coefficients = np.linalg.lstsq(design, reference.pad_years, rcond=None)[0]
    return AgeBias(coefficients[0], coefficients[1])


class Errors:
    """Distribution of corrected PADs of healthy people around an age.

    Parameters
    ----------
    reference : their PADs, corrected.
    """

    def __init__(self, reference: Reference) -> None:
        self._age_years, self._site, self._corrected = reference.age_years, reference.site, reference.pad_years
        self._site_share = _site_share(self._corrected, reference.site)
        self._windows: dict[int, tuple[np.ndarray, float]] = {}

    def window(self, age_years: int) -> tuple[np.ndarray, float]:
        """Corrected PADs (n, R) of people of about this age, each column sorted, and a factor on their spread.

        People of one site share an error; what few sites show says little of a new one. With k sites (effective number)
        in the window the error of a new site has a variance larger by the share of variance between sites over k.
        """
        if age_years not in self._windows:
            far = np.abs(self._age_years - age_years)
            reach = max(_WINDOW_YEARS, np.sort(far)[min(_PEOPLE_IN_WINDOW, len(far)) - 1])
            near = far <= reach
            shares = np.unique(self._site[near], return_counts=True)[1] / near.sum()
            widening = float(np.sqrt(1 + self._site_share * (shares**2).sum()))
            self._windows[age_years] = (np.sort(self._corrected[near], axis=0), widening)
        return self._windows[age_years]

    def judge(
        self, corrected_pad_years: np.ndarray, age_years: np.ndarray, coverage: float = COVERAGE
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Conformal bounds and percentiles of corrected PADs (N, R).

        Returns
        -------
        lowest, highest : (N, R) corrected PADs between which healthy people of that age lie with this coverage.
        percentile : (N, R) percentage of healthy people of that age with a lower corrected PAD.
        """
        lowest, highest, percentile = (np.empty_like(corrected_pad_years) for _ in range(3))
        whole_years = np.rint(age_years).astype(int)
        for age in np.unique(whole_years):
            rows = np.nonzero(whole_years == age)[0]
            values, widening = self.window(int(age))
            count = len(values)
            tail = (1 - coverage) / 2
            luck = _LUCK_SD * np.sqrt(count * tail * (1 - tail))
            rank = min(int(np.ceil((count + 1) * (1 - tail) + luck)) - 1, count - 1)
            middle = np.median(values, axis=0)
            lowest[rows] = middle + widening * (values[count - 1 - rank] - middle)
            highest[rows] = middle + widening * (values[rank] - middle)
            for region in range(values.shape[1]):
                below = np.searchsorted(values[:, region], corrected_pad_years[rows, region])
                percentile[rows, region] = 100 * (below + 0.5) / (count + 1)
        return lowest, highest, percentile


def _site_share(corrected: np.ndarray, site: np.ndarray, fewest: int = 10) -> float:
    """Share of the variance of corrected PADs that lies between sites, averaged over regions (one-way ANOVA)."""
    names, index, counts = np.unique(site, return_inverse=True, return_counts=True)
    groups = [corrected[index == number] for number in range(len(names)) if counts[number] >= fewest]
    if len(groups) < 2:
        return 1.0
    within = np.mean([group.var(axis=0, ddof=1) for group in groups])
    noise = np.mean([group.var(axis=0, ddof=1) / len(group) for group in groups])
    between = max(0.0, float(np.var([group.mean(axis=0) for group in groups], axis=0, ddof=1).mean() - noise))
    return between / (between + float(within))
