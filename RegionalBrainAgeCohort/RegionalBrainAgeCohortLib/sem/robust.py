"""Standard errors and test of a path model that need neither normal data nor independent people.

The covariance of the estimates is the sandwich H^-1 B H^-1: H the observed information, B the sum of squared scores of
cases (lavaan's MLR), or of whole sites. The chi-square is divided by a scaling factor from the same matrices.

References: Yuan & Bentler 2000, Sociol Methodol 30:165; Asparouhov & Muthen 2005 (scaling factor from the traces of
the model and the saturated model); validated against lavaan's estimator MLR, with and without ``cluster``.
"""

from __future__ import annotations

import numpy as np

from .engine import Moments, Structure, observed_information


def case_scores(structure: Structure, theta: np.ndarray, values: np.ndarray, moments: Moments) -> np.ndarray:
    """(n, q) gradient of each case's log likelihood at `theta` (q,); `values` (n, p) with NaN missing.

    A model without intercepts is taken about the sample mean, which is what its maximum likelihood implies.
    """
    mean, covariance, d_mean, d_cov = (m[0] for m in structure.derivatives(structure.values(theta[None], moments)))
    if not structure.specification.means:
        mean = values.mean(axis=0)
    scores = np.zeros((len(values), len(theta)))
    seen = np.isfinite(values)
    for key in np.unique(seen, axis=0):
        rows, columns = (seen == key).all(axis=1), np.flatnonzero(key)
        if not columns.size:
            continue
        weight = np.linalg.inv(covariance[np.ix_(columns, columns)])
        weighted = (values[np.ix_(rows, columns)] - mean[columns]) @ weight
        d_sigma = d_cov[:, columns[:, None], columns]
        scores[rows] = 0.5 * np.einsum("ni,qij,nj->nq", weighted, d_sigma, weighted, optimize=True)
        scores[rows] -= 0.5 * np.einsum("ij,qji->q", weight, d_sigma)
        scores[rows] += weighted @ d_mean[:, columns].T
    return scores


def meat(scores: np.ndarray, clusters: np.ndarray | None) -> np.ndarray:
    """Sum of squared scores (q, q) of cases, or of whole clusters: `clusters` (n,) holds their numbers.

    With few clusters their sum is too small; as in lavaan it is multiplied by clusters / (clusters - 1).
    """
    if clusters is None:
        return scores.T @ scores
    sums = np.stack([np.bincount(clusters, column) for column in scores.T], axis=1)
    return sums.T @ sums * len(sums) / (len(sums) - 1)


def sandwich(information: np.ndarray, squared_scores: np.ndarray) -> np.ndarray:
    """Robust covariance of the estimates."""
    bread = np.linalg.inv(information)
    return bread @ squared_scores @ bread


def trace_of(
    structure: Structure, theta: np.ndarray, values: np.ndarray, moments: Moments, clusters: np.ndarray | None
) -> float:
    """tr(B H^-1): the number of free parameters where data are normal and people independent."""
    information = observed_information(structure, theta[None], moments)[0]
    squared = meat(case_scores(structure, theta, values, moments), clusters)
    return float(np.trace(np.linalg.solve(information, squared)))
