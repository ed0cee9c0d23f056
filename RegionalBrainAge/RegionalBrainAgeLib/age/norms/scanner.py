"""What local healthy controls tell about a scanner: the offset of every node, shrunken towards none.

The offset d of a scanner has a prior covariance S (how the scanners of the norms differ) and n controls with residual
covariance R give its mean with error R/n: the posterior mean is ``S (S + R/n)^-1 mean residual``, the best linear
unbiased predictor of a random effect (Robinson 1991). Nodes borrow from each other; few controls move little.
"""

from __future__ import annotations

import numpy as np

from .norms import Norms


def gain(norms: Norms, controls: int, error_covariance: np.ndarray | float = 0.0) -> np.ndarray:
    """(K, K) matrix from the mean residual of this many controls to the expected offset of their scanner."""
    total = norms.site_covariance + (norms.residual_covariance + error_covariance) / controls
    return np.linalg.solve(total, norms.site_covariance).T


def remaining_covariance(norms: Norms, controls: int, error_covariance: np.ndarray | float = 0.0) -> np.ndarray:
    """(K, K) covariance of what is still unknown of a scanner's offset after this many controls."""
    if controls == 0:
        return norms.site_covariance
    left = norms.site_covariance - gain(norms, controls, error_covariance) @ norms.site_covariance
    return 0.5 * (left + left.T)


def expected_offset(norms: Norms, residuals: np.ndarray, error_covariance: np.ndarray | float = 0.0) -> np.ndarray:
    """(K,) standardised offset of a scanner from residuals (n, K) of its controls, NaN where not measured.

    Parameters
    ----------
    error_covariance : (K, K) of the route the controls were measured by.
    """
    known = np.isfinite(residuals)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, residuals, 0.0).sum(axis=0) / counts
    measured = known.any(axis=0)
    # A node no control has is predicted from the others.
    own = norms.residual_covariance + error_covariance
    total = norms.site_covariance + own / np.sqrt(np.outer(counts, counts))
    total = total[np.ix_(measured, measured)]
    return norms.site_covariance[:, measured] @ np.linalg.solve(total, mean[measured])
