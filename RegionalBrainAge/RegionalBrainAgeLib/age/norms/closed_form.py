"""The age of a region, defined: what the network is taught to read from the cortex.

A person has a global age and, over the sheet of each hemisphere, smooth regional deviations from it. A parcel looks as
old as global age plus deviation at its place; scanner offset and personal residual lie on top. The regional age is the
global age plus the deviation averaged over the region. Under the norms its posterior over an age grid is a softmax of
linear functions of the measurements: with x the standardised values of the parcels in reach of region r, m(g) their
mean at age g, and C_r the covariance of residuals, scanner offsets and deviations relative to the region,

    log p(g | x) = m(g)' C_r^-1 x - m(g)' C_r^-1 m(g) / 2 + const.

The SD of the deviations decides how much a region listens to its surroundings. It is set per region so that cortex
thinned in one region alone ages that region most (`fit_deviations`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .norms import Norms

AGE_GRID_YEARS = np.arange(15.0, 100.0)
# How far a deviation reaches over the cortex, and the ages its effect on thickness is averaged over.
_REACH_MM = 20.0
_SLOPE_AGES_YEARS = np.arange(25.0, 90.0)
_START_SD_YEARS, _LARGEST_SD_YEARS = 18.0, 45.0
_ROUNDS = 14
_THINNING_SD = 0.5
_WANTED_SHARE, _GENEROUS_SHARE = 0.94, 0.975


@dataclass(frozen=True)
class Surroundings:
    """Where parcels and regions lie.

    Parameters
    ----------
    membership : (R, N), rows sum to 1.
    reach : (R, N) boolean, nodes that may inform a region.
    centres_mm : (N, 3) RAS.
    hemisphere : (N,) integer; deviations of two hemispheres are unrelated.
    """

    membership: np.ndarray
    reach: np.ndarray
    centres_mm: np.ndarray
    hemisphere: np.ndarray

    def kernel(self) -> np.ndarray:
        """(N, N) correlation of the deviations of two places."""
        distance_mm = np.linalg.norm(self.centres_mm[:, None] - self.centres_mm[None], axis=-1)
        return np.where(np.equal.outer(self.hemisphere, self.hemisphere), np.exp(-distance_mm / _REACH_MM), 0.0)


@dataclass(frozen=True)
class RegionalAgeReader:
    """Posterior of the regional ages, as linear functions.

    Parameters
    ----------
    weights : (R, 2, A, N) float32 for women and men. bias : (R, 2, A).
    """

    weights: np.ndarray
    bias: np.ndarray

    def mean_age(self, standardised: np.ndarray, male: np.ndarray) -> np.ndarray:
        """Posterior mean of the regional ages in years, (n, R), from complete standardised values (n, N)."""
        regions, _, ages, nodes = self.weights.shape
        result = np.empty((len(standardised), regions))
        for sex in (0, 1):
            rows = male == sex
            flat = self.weights[:, sex].reshape(regions * ages, nodes)
            score = (standardised[rows].astype(np.float32) @ flat.T).reshape(-1, regions, ages) + self.bias[:, sex]
            score = np.exp(score - score.max(axis=-1, keepdims=True))
            result[rows] = (score @ AGE_GRID_YEARS.astype(np.float32)) / score.sum(axis=-1)
        return result


def regional_age_reader(
    norms: Norms, surroundings: Surroundings, deviation_sd_years: np.ndarray, scanner_covariance: np.ndarray
) -> RegionalAgeReader:
    """Reader for one state of knowledge of the scanner.

    Parameters
    ----------
    deviation_sd_years : (R,).
    scanner_covariance : (N, N) of what is unknown of the scanner's offset.
    """
    regions, nodes = surroundings.membership.shape
    grid = len(AGE_GRID_YEARS)
    mean = np.stack([norms.expected(AGE_GRID_YEARS, np.full(grid, sex)) for sex in (0, 1)])
    slope = np.polyfit(_SLOPE_AGES_YEARS, norms.expected(_SLOPE_AGES_YEARS, np.zeros(len(_SLOPE_AGES_YEARS))), 1)[0]
    kernel = surroundings.kernel()
    weights = np.zeros((regions, 2, grid, nodes), dtype=np.float32)
    bias = np.zeros((regions, 2, grid), dtype=np.float32)
    for region, member in enumerate(surroundings.membership):
        near = np.nonzero(surroundings.reach[region])[0]
        to_region = kernel @ member
        relative = kernel - to_region[:, None] - to_region[None] + member @ to_region
        covariance = norms.residual_covariance + scanner_covariance
        covariance = covariance + deviation_sd_years[region] ** 2 * relative * np.outer(slope, slope)
        precision = np.linalg.inv(covariance[np.ix_(near, near)])
        for sex in (0, 1):
            projected = mean[sex][:, near] @ precision
            weights[region, sex][:, near] = projected
            bias[region, sex] = -0.5 * (projected * mean[sex][:, near]).sum(axis=1)
    return RegionalAgeReader(weights, bias)


def thinned(
    standardised: np.ndarray, norms: Norms, nodes: np.ndarray, amount_sd: float | np.ndarray = _THINNING_SD
) -> np.ndarray:
    """The values (n, K) with these nodes (boolean, (K,) or (n, K)) thinner by a share of their residual SD."""
    return standardised - amount_sd * np.sqrt(np.diag(norms.residual_covariance)) * nodes


def fit_deviations(norms: Norms, surroundings: Surroundings, standardised: np.ndarray, male: np.ndarray) -> np.ndarray:
    """(R,) SDs in years with which, in most people, a region thinned by half an SD ages most.

    Where another region ages more, the SD of the thinned one is raised, and a little that of the other; where nearly
    everyone passes it is lowered, for precision.
    """
    sd_years = np.full(len(surroundings.membership), _START_SD_YEARS)
    for _ in range(_ROUNDS):
        reader = regional_age_reader(norms, surroundings, sd_years, norms.site_covariance)
        before = reader.mean_age(standardised, male)
        change = np.ones_like(sd_years)
        for region, member in enumerate(surroundings.membership):
            rise = reader.mean_age(thinned(standardised, norms, member > 0), male) - before
            oldest = rise.argmax(axis=1)
            share = np.mean(oldest == region)
            if share < _WANTED_SHARE:
                change[region] *= 1.10
                change[np.bincount(oldest[oldest != region]).argmax()] *= 1.03
            elif share > _GENEROUS_SHARE:
                change[region] *= 0.97
        sd_years = np.minimum(sd_years * change, _LARGEST_SD_YEARS)
    return sd_years
