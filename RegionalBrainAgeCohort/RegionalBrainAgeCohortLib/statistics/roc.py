"""Discrimination and calibration of predicted probabilities: AUC with its intervals and comparison, calibration curve.

References: DeLong et al. 1988, Biometrics 44:837; validated against R's pROC.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from sklearn.calibration import calibration_curve
from statsmodels.stats.proportion import proportion_confint


@dataclass(frozen=True)
class Auc:
    """Area under the ROC curve with its DeLong variance and confidence interval, cut at 0 and 1."""

    value: float
    variance: float
    ci_low: float
    ci_high: float


def placements(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of controls below each case, and of cases above each control; ties count half.

    y : (n,) 1 for cases, 0 for controls. Both classes must occur.
    """
    y = np.asarray(y).astype(bool)
    score = np.asarray(score, float)
    cases, controls = score[y], score[~y]
    ranks = stats.rankdata(np.concatenate([cases, controls]))
    within_cases, within_controls = stats.rankdata(cases), stats.rankdata(controls)
    above = (ranks[: len(cases)] - within_cases) / len(controls)
    below = 1 - (ranks[len(cases) :] - within_controls) / len(cases)
    return above, below


def auc(y: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """AUC of each row of `scores` (..., n) for the classes `y` (n,), by rank sums; ties count half."""
    y = np.asarray(y).astype(bool)
    cases = int(y.sum())
    ranks = stats.rankdata(scores, axis=-1)[..., y].sum(axis=-1)
    return (ranks - cases * (cases + 1) / 2) / (cases * (len(y) - cases))


def delong(y: np.ndarray, score: np.ndarray, level: float = 0.95) -> Auc:
    """AUC of `score` for the classes `y` (1 case, 0 control) with DeLong's interval."""
    above, below = placements(y, score)
    auc = float(above.mean())
    variance = (
        float(above.var(ddof=1) / len(above) + below.var(ddof=1) / len(below))
        if min(len(above), len(below)) > 1
        else np.nan
    )
    reach = float(stats.norm.ppf(0.5 + level / 2) * np.sqrt(variance))
    return Auc(auc, variance, max(0.0, auc - reach), min(1.0, auc + reach))


def delong_difference(y: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """AUC of `first` minus AUC of `second` on the same people, and its two-sided p-value (paired DeLong test)."""
    above = np.stack([placements(y, score)[0] for score in (first, second)])
    below = np.stack([placements(y, score)[1] for score in (first, second)])
    difference = float(above[0].mean() - above[1].mean())
    spread = np.cov(above[0] - above[1]) / above.shape[1] + np.cov(below[0] - below[1]) / below.shape[1]
    if not spread > 0:
        return difference, float("nan")
    return difference, float(2 * stats.norm.sf(abs(difference) / np.sqrt(spread)))


@dataclass(frozen=True)
class AucDifference:
    """Difference of two areas with its 95 % interval and two-sided p-value."""

    value: float
    ci_low: float
    ci_high: float
    p: float


def site_clustered_difference(
    y: np.ndarray, first: np.ndarray, second: np.ndarray, site: np.ndarray, level: float = 0.95
) -> AucDifference:
    """AUC of `first` minus AUC of `second` when people of one site are alike: the paired DeLong test, by whole sites.

    The variance sums the placement differences of each site before it squares them (Obuchowski 1997, Biometrics
    53:567); tests use t with sites - 1 degrees of freedom. With one site, every person is a cluster.
    """
    y = np.asarray(y).astype(bool)
    labels, index = np.unique(np.asarray(site, str), return_inverse=True)
    if len(labels) < 2:
        labels, index = np.arange(len(y)), np.arange(len(y))
    (above, below), (above2, below2) = placements(y, first), placements(y, second)
    cases, controls = above - above2, below - below2
    value = float(cases.mean())
    sums = np.bincount(index[y], (cases - value) / len(cases), minlength=len(labels))
    sums += np.bincount(index[~y], (controls - value) / len(controls), minlength=len(labels))
    df = len(labels) - 1
    se = float(np.sqrt(len(labels) / df * np.sum(sums**2)))
    if not se > 0:
        return AucDifference(value, *(float("nan"),) * 3)
    reach = float(stats.t.ppf(0.5 + level / 2, df)) * se
    return AucDifference(value, value - reach, value + reach, float(2 * stats.t.sf(abs(value) / se, df)))


def site_bootstrap_auc(
    y: np.ndarray, score: np.ndarray, site: np.ndarray, draws: int = 2000, seed: int = 1, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of the AUC when whole sites are drawn with replacement; NaN with a single site."""
    y, score = np.asarray(y).astype(bool), np.asarray(score, float)
    labels, index = np.unique(np.asarray(site, str), return_inverse=True)
    sites = len(labels)
    if sites < 2:
        return float("nan"), float("nan")
    wins = (score[y][:, None] > score[~y][None, :]) + 0.5 * (score[y][:, None] == score[~y][None, :])
    member_case = np.eye(sites)[index[y]]
    member_control = np.eye(sites)[index[~y]]
    between = member_case.T @ wins @ member_control
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(sites, np.full(sites, 1 / sites), size=draws).astype(float)
    pairs = (weights @ member_case.sum(axis=0)) * (weights @ member_control.sum(axis=0))
    values = np.einsum("bi,ij,bj->b", weights, between, weights)[pairs > 0] / pairs[pairs > 0]
    if not len(values):
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def calibration_bins(
    y: np.ndarray, probability: np.ndarray, bins: int = 8
) -> list[tuple[float, float, float, float, int]]:
    """Bins of about equal size: mean predicted probability, observed share with its 95% Wilson interval, and cases."""
    y, probability = np.asarray(y, float), np.asarray(probability, float)
    bins = min(bins, max(1, len(y) // 10))
    shares, predicted = calibration_curve(y, probability, n_bins=bins, strategy="quantile")
    edges = np.percentile(probability, np.linspace(0, 100, bins + 1))
    sizes = np.bincount(np.searchsorted(edges[1:-1], probability), minlength=bins)
    rows = []
    for mean, share, n in zip(predicted, shares, sizes[sizes > 0], strict=True):
        low, high = proportion_confint(round(share * n), n, method="wilson")
        rows.append((float(mean), float(share), float(low), float(high), int(n)))
    return rows
