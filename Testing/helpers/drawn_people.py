"""People drawn from norms, for tests that need to know the truth."""

from __future__ import annotations

import numpy as np
from RegionalBrainAgeLib.age.norms.norms import Norms


def square_root(covariance: np.ndarray) -> np.ndarray:
    """Matrix L with L @ L.T = covariance, for drawing; small negative eigenvalues count as 0."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def draw_population(
    norms: Norms, count: int, rng: np.random.Generator, age_range_years: tuple[float, float] = (18.0, 96.0)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """People drawn from norms: ages uniform, sexes even, each from a scanner of its own.

    Returns
    -------
    standardised (N, K), age_years (N,), male (N,).
    """
    age_years = rng.uniform(*age_range_years, size=count)
    male = rng.integers(0, 2, size=count).astype(float)
    channels = len(norms.scale)
    own = rng.standard_normal((count, channels)) @ square_root(norms.residual_covariance).T
    offset = rng.standard_normal((count, channels)) @ square_root(norms.site_covariance).T
    return norms.expected(age_years, male) + own * norms.growth(age_years)[:, None] + offset, age_years, male
