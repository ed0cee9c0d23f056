"""Ages read from a brain under norms whose residuals are Gaussian: what closed form and graph network have in common.

Standardised features x of the nodes in view have the mean m(a) at age a and the covariance C. With a flat prior,

    log p(a | x) = m(a)' C^-1 x - m(a)' C^-1 m(a) / 2 + const.

The global age is the mean of this posterior. C holds people, scanner, route, and how regions may deviate from the age
of their brain (`deviations`). The deviation of a region is linear in what the global age leaves unexplained:
``d = loads' C^-1 (x - m(a))``.

The age of a region is the global age plus its deviation. Where cortex thinned in one region would make the whole brain
look younger (visual cortex hardly thins with age, and tells a scanner's contrast from thin cortex), that region is
shielded: the global age it is read with does not look at what its parcels have in common.

Before that, every node is compared with what all others say of it. A node further away than `GATE_SD` is drawn to this
distance (Huber's psi): segmentations fail, and one failed node must not age a brain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .norms import Norms

READ_AGES_YEARS = np.arange(15.0, 100.0)
GATE_SD = 2.0


class Field(Protocol):
    """What gives the precision of the nodes in view: graph network, closed form or naive Bayes."""

    def precision(
        self, visible: np.ndarray, controls: int = 0, error_covariance: np.ndarray | None = None
    ) -> np.ndarray:
        """(v, v) inverse covariance of the visible nodes (K boolean)."""


@dataclass(frozen=True)
class Reading:
    """What is read of n people.

    Parameters
    ----------
    age_years : (n,) mean of the posterior of the age of all nodes in view.
    region_years : (n, R) of the regions: a global age plus their deviation.
    misfit : (n,) how unlike a healthy brain of that age the nodes in view are together: mean squared distance per node
        under C (Mahalanobis), about 1 or less in health.
    """

    age_years: np.ndarray
    region_years: np.ndarray
    misfit: np.ndarray


@dataclass(frozen=True)
class AgeCurves:
    """Expected values of K nodes on `READ_AGES_YEARS`.

    Parameters
    ----------
    mean, slope : (2, A, K) for women and men, and its derivative by age.
    """

    mean: np.ndarray
    slope: np.ndarray

    def of_nodes(self, nodes: np.ndarray) -> AgeCurves:
        """The curves of these nodes alone."""
        return AgeCurves(self.mean[..., nodes], self.slope[..., nodes])


def age_curves(norms: Norms) -> AgeCurves:
    """Curves of norms."""
    grid = len(READ_AGES_YEARS)
    mean = np.stack([norms.expected(READ_AGES_YEARS, np.full(grid, sex)) for sex in (0, 1)])
    return AgeCurves(mean, np.gradient(mean, READ_AGES_YEARS, axis=1))


def read_ages(
    values: np.ndarray,
    male: np.ndarray,
    precision: np.ndarray,
    curves: AgeCurves,
    loads: np.ndarray,
    shields: dict[int, np.ndarray],
) -> Reading:
    """Ages of people with the same nodes in view.

    Parameters
    ----------
    values : (n, v) standardised, complete. male : (n,) 0 or 1.
    precision : (v, v) inverse covariance of the nodes in view.
    curves, loads : of the nodes in view.
    shields : by region, (v,) what its parcels have in common, for the regions that are shielded.
    """
    sex = np.asarray(male, dtype=int)
    weights = curves.mean @ precision
    half = 0.5 * np.einsum("sav,sav->sa", weights, curves.mean)
    root = np.sqrt(np.diag(precision))
    posterior, residual = _posterior(values, sex, weights, half, curves)
    weighed = residual @ precision
    misfit = (weighed * residual).mean(axis=1)
    surprise = weighed / root
    gated = values - (surprise - np.clip(surprise, -GATE_SD, GATE_SD)) / root
    posterior, residual = _posterior(gated, sex, weights, half, curves)
    age_years = posterior @ READ_AGES_YEARS
    region_years = age_years[:, None] + residual @ precision @ loads
    for region, shared in shields.items():
        seen = precision @ shared
        if shared @ seen > 0:
            blind = precision - np.outer(seen, seen) / (shared @ seen)
            weights = curves.mean @ blind
            half = 0.5 * np.einsum("sav,sav->sa", weights, curves.mean)
            own = _posterior(gated, sex, weights, half, curves)[0] @ READ_AGES_YEARS
            region_years[:, region] += own - age_years
    return Reading(age_years, region_years, misfit)


def regions_to_shield(precision: np.ndarray, curves: AgeCurves, shared: np.ndarray) -> np.ndarray:
    """(R,) boolean: regions that make the whole brain look younger when their parcels get thinner.

    Parameters
    ----------
    precision, curves : of the nodes in view, all of them measured.
    shared : (v, R) residual SD of the parcels of every region, 0 elsewhere.
    """
    slope = curves.slope.mean(axis=(0, 1))
    return slope @ precision @ shared > 0


def standard_errors(precision: np.ndarray, curves: AgeCurves) -> np.ndarray:
    """(2, A) standard error of the age under the model at each age: the inverse root of the information on age."""
    information = np.einsum("sav,vw,saw->sa", curves.slope, precision, curves.slope)
    return 1.0 / np.sqrt(np.maximum(information, 1e-6))


def _posterior(
    values: np.ndarray, sex: np.ndarray, weights: np.ndarray, half: np.ndarray, curves: AgeCurves
) -> tuple[np.ndarray, np.ndarray]:
    """(n, A) posterior over ages, and (n, v) what the expected curve leaves unexplained."""
    posterior = np.empty((len(values), len(READ_AGES_YEARS)))
    expected = np.empty_like(values)
    for one in np.unique(sex):
        rows = sex == one
        score = values[rows] @ weights[one].T - half[one]
        score = np.exp(score - score.max(axis=1, keepdims=True))
        posterior[rows] = score / score.sum(axis=1, keepdims=True)
        expected[rows] = posterior[rows] @ curves.mean[one]
    return posterior, values - expected


def by_visible_nodes(visible: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Groups of people (n, K) who have the same nodes in view.

    Yields
    ------
    Rows of the group, and its (K,) boolean nodes.
    """
    _, group = np.unique(np.packbits(visible, axis=1), axis=0, return_inverse=True)
    group = group.ravel()
    order = np.argsort(group, kind="stable")
    for rows in np.split(order, np.cumsum(np.bincount(group))[:-1]):
        yield rows, visible[rows[0]]
