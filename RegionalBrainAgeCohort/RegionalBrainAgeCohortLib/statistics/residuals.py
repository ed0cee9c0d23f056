"""Residuals and site effects of a volume model, for looking at what its tests assume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from .mixed_models import LOG_VOLUME, Columns
from .random_intercept import fit_random_intercept


@dataclass(frozen=True)
class Residuals:
    """One fitted model taken apart, in the outcome's unit.

    fitted (n,) : fixed effects. residual (n,) : outcome less these and the site effect. sites (q,) : predicted site
    effects (BLUP), zero where the site variance is; NaN without a site effect in the model. residual_sd : the model's.
    """

    outcome: str
    fitted: np.ndarray
    residual: np.ndarray
    sites: np.ndarray
    residual_sd: float


def volume_model_residuals(
    data: pd.DataFrame, outcome: str, covariates: Sequence[str] = ("age", "sex")
) -> Residuals | None:
    """Residuals of ``outcome ~ log lesion volume + covariates + (1 | site)``; None where it has no fit.

    The site effect is the best linear unbiased prediction, theta^2 n / (1 + theta^2 n) times the site's mean residual
    (Henderson 1975, Biometrics 31:423; lme4's ``ranef``).
    """
    model = Columns(data).model(outcome, list(dict.fromkeys([LOG_VOLUME, *covariates])))
    fit = fit_random_intercept(model.y, model.design, model.site)
    if not fit.residual_variance > 0:
        return None
    fitted = model.design @ np.nan_to_num(fit.estimate)
    left = model.y - fitted
    _, index, counts = np.unique(model.site, return_inverse=True, return_counts=True)
    sites = np.full(len(counts), np.nan)
    if np.isfinite(fit.site_variance):
        shrink = fit.theta**2 * counts / (1 + fit.theta**2 * counts)
        sites = shrink * np.bincount(index, left) / counts
    residual = left - np.nan_to_num(sites)[index]
    return Residuals(outcome, fitted, residual, sites, float(np.sqrt(fit.residual_variance)))


def normal_quantiles(n: int, level: float = 0.95) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expected standard normal quantiles of n sorted values, and the range that holds each with probability `level`.

    The k-th of n uniform values is Beta(k, n + 1 - k) distributed; the expected quantile is that of its median.
    """
    rank = np.arange(1, n + 1)
    ends = (0.5, 0.5 - level / 2, 0.5 + level / 2)
    middle, low, high = (stats.norm.ppf(stats.beta.ppf(share, rank, n + 1 - rank)) for share in ends)
    return middle, low, high
