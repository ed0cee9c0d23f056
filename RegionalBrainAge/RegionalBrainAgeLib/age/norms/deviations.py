"""How places of the cortex may deviate from a brain's own age, a priori.

A place that deviates by d years moves its node by d times the node's slope on age. Two kinds of deviation add up: one
that is smooth over the cortex, and one that all of a network's cortex in one hemisphere shares. Hemispheres deviate by
themselves.

The deviations are part of a brain's covariance when it is read. A network that thinned is then an older network first
and an older brain second, and ages of the others move less. The deviation of a region is the best linear unbiased
prediction under the same covariance (Robinson 1991).
"""

from __future__ import annotations

import numpy as np

from .norms import Norms

# The smooth deviation of a place: its SD, and how far it reaches over the cortex. The SD of a network's own deviation:
# larger ones find a thinned region more surely and read healthy ages less well (docs/explanation/brain_age.md).
DEVIATION_SD_YEARS, DEVIATION_REACH_MM = 9.0, 10.0
NETWORK_SD_YEARS = 6.0
_SLOPE_AGES_YEARS = np.arange(25.0, 90.0)


def smooth_deviations(centres_mm: np.ndarray, side: np.ndarray) -> np.ndarray:
    """(P, P) covariance, years^2, of deviations that are smooth over the cortex.

    Parameters
    ----------
    centres_mm : (P, 3) RAS. side : (P,) hemisphere; deviations of two hemispheres are unrelated.
    """
    distance_mm = np.linalg.norm(centres_mm[:, None] - centres_mm[None], axis=-1)
    kernel = np.where(np.equal.outer(side, side), np.exp(-distance_mm / DEVIATION_REACH_MM), 0.0)
    return DEVIATION_SD_YEARS**2 * kernel


def network_deviations(membership: np.ndarray) -> np.ndarray:
    """(P, P) covariance, years^2, of deviations that the parcels of one network in one hemisphere share.

    Parameters
    ----------
    membership : (R, P) weights of the parcels in the regions. A parcel of several regions shares in each deviation.
    """
    share = membership / np.maximum(membership.sum(axis=0), np.finfo(float).tiny)
    return NETWORK_SD_YEARS**2 * share.T @ share


def slope_on_age(norms: Norms) -> np.ndarray:
    """(K,) standardised change of every node per year of adult life, sexes averaged."""
    ages = len(_SLOPE_AGES_YEARS)
    expected = np.mean([norms.expected(_SLOPE_AGES_YEARS, np.full(ages, sex)) for sex in (0, 1)], axis=0)
    return np.polyfit(_SLOPE_AGES_YEARS, expected, 1)[0]


def deviation_loads(slope: np.ndarray, deviations: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(K, D) covariance of every node with D mean deviations.

    Parameters
    ----------
    slope : (K,) from `slope_on_age`.
    deviations : (P, P) covariance of the deviations of the parcels, which are the first P nodes.
    places : (D, P) weights of the parcels in each mean.
    """
    return _of_nodes(slope, deviations @ places.T)


def deviation_factor(slope: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """(K, P) whose product with its transpose is what deviations (P, P) add to the covariance of the nodes.

    Parameters
    ----------
    slope : (K,) from `slope_on_age`.
    """
    values, vectors = np.linalg.eigh(deviations)
    return _of_nodes(slope, vectors * np.sqrt(np.maximum(values, 0.0)))


def _of_nodes(slope: np.ndarray, of_parcels: np.ndarray) -> np.ndarray:
    """(K, D) standardised, from (P, D) in years: parcels move by their slope on age, other nodes do not deviate."""
    parcels = len(of_parcels)
    result = np.zeros((len(slope), of_parcels.shape[1]))
    result[:parcels] = slope[:parcels, None] * of_parcels
    return result


def with_deviations(precision: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """(v, v) precision of nodes whose covariance grew by ``factor factor'`` (Woodbury's identity).

    Parameters
    ----------
    precision : (v, v) without deviations. factor : (v, D).
    """
    seen = precision @ factor
    return precision - seen @ np.linalg.solve(np.eye(factor.shape[1]) + factor.T @ seen, seen.T)
