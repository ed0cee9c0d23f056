"""What a reviewer asks of a mixed model: a second program's likelihood, other standard errors, diagnostics, power.

For each model ``outcome ~ log lesion volume + covariates + (1 | site)``: statsmodels' restricted log likelihood at our
estimates; generalised estimating equations (exchangeable within sites), which need no normal site effect, with the
bias-reduced covariance of Mancl and DeRouen; variance inflation; R2 of the fixed effects and of the whole model;
skewness and kurtosis of the residuals; the most influential case; and the smallest effect that this cohort would find
with 80 % power.

References: Liang & Zeger 1986, Biometrika 73:13; Mancl & DeRouen 2001, Biometrics 57:126; Nakagawa & Schielzeth 2013,
Methods Ecol Evol 4:133; Cook 1977, Technometrics 19:15.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams
from statsmodels.stats.outliers_influence import OLSInfluence, variance_inflation_factor

from .mixed_models import LOG_VOLUME, Columns, ModelData
from .random_intercept import OK, SINGULAR, InterceptFit, fit_random_intercepts

POWER = 0.8
CHECK_COLUMNS = (
    *("outcome", "term", "estimate", "se", "n", "n_sites", "log_likelihood", "statsmodels_log_likelihood"),
    *("gee_estimate", "gee_se", "gee_p", "vif", "largest_vif", "r2_marginal", "r2_conditional"),
    *("residual_skewness", "residual_kurtosis", "largest_cook", "largest_cook_case", "estimate_without_it"),
    *("smallest_detectable", "smallest_detectable_std"),
)


def check_models(
    data: pd.DataFrame,
    outcomes: Sequence[str],
    covariates: Sequence[str] = ("age", "sex"),
) -> pd.DataFrame:
    """One row per outcome, about the coefficient of log lesion volume; a model that was not fitted has no row."""
    rows, columns = [], Columns(data)
    models = [columns.model(outcome, [LOG_VOLUME, *covariates]) for outcome in outcomes]
    fits = fit_random_intercepts([(model.y, model.design, model.site) for model in models])
    for outcome, model, fit in zip(outcomes, models, fits, strict=True):
        if fit.status in (OK, SINGULAR) and np.isfinite(fit.log_likelihood):
            rows.append({"outcome": outcome, **_checks(model, fit, data)})
    return pd.DataFrame(rows, columns=CHECK_COLUMNS)


def _checks(model: ModelData, fit: InterceptFit, data: pd.DataFrame) -> dict:
    j = model.terms.index(LOG_VOLUME)
    whitened_y, whitened = _whitened(model, fit)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        least_squares = sm.OLS(whitened_y, whitened).fit()
        influence = OLSInfluence(least_squares)
        cook = np.asarray(influence.cooks_distance[0])
        vif = [variance_inflation_factor(model.design, k) for k in range(1, model.design.shape[1])]
        gee = _gee(model, j, fit.estimate)
    worst = int(np.nanargmax(cook)) if np.isfinite(cook).any() else 0
    left = least_squares.resid[worst] / (1 - influence.hat_matrix_diag[worst])
    shift = least_squares.normalized_cov_params[j] @ whitened[worst] * left  # Cook's leave-one-out formula
    fixed = model.design @ fit.estimate
    residual = model.y - fixed
    explained, between = float(np.var(fixed)), fit.site_variance if np.isfinite(fit.site_variance) else 0.0
    total = explained + between + fit.residual_variance
    df = max(float(fit.df[j]), 1.0)
    detectable = float(stats.t.ppf(0.975, df) + stats.t.ppf(POWER, df)) * float(fit.se[j])
    return {
        "term": LOG_VOLUME,
        "estimate": fit.estimate[j],
        "se": fit.se[j],
        "n": fit.n,
        "n_sites": fit.n_sites,
        "log_likelihood": fit.log_likelihood,
        "statsmodels_log_likelihood": statsmodels_log_likelihood(model, fit),
        **dict(zip(("gee_estimate", "gee_se", "gee_p"), gee, strict=True)),
        "vif": vif[j - 1],
        "largest_vif": max(vif),
        "r2_marginal": explained / total,
        "r2_conditional": (explained + between) / total,
        "residual_skewness": float(stats.skew(residual)),
        "residual_kurtosis": float(stats.kurtosis(residual)),
        "largest_cook": cook[worst],
        "largest_cook_case": str(data["case_id"].iloc[model.rows[worst]]) if "case_id" in data.columns else "",
        "estimate_without_it": fit.estimate[j] - shift,
        "smallest_detectable": detectable,
        "smallest_detectable_std": detectable * float(model.design[:, j].std(ddof=1) / model.y.std(ddof=1)),
    }


def statsmodels_log_likelihood(model: ModelData, fit: InterceptFit) -> float:
    """statsmodels' restricted log likelihood of the same model at our estimates; NaN without a site effect."""
    if not np.isfinite(fit.site_variance) or fit.residual_variance <= 0:
        return float("nan")
    mixed = MixedLM(model.y, model.design, groups=model.site)
    mixed.cov_pen = mixed.fe_pen = None  # its fit() sets them; here it is not called
    ratio = max(fit.theta**2, 1e-12)  # statsmodels inverts the covariance of the random effects
    at = MixedLMParams.from_components(fe_params=fit.estimate, cov_re=np.array([[ratio]]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(mixed.loglike(at, profile_fe=False))


def _gee(model: ModelData, j: int, start: np.ndarray) -> tuple[float, float, float]:
    """Estimate, bias-reduced standard error and p of one coefficient; NaN with fewer than three sites."""
    nothing = (float("nan"),) * 3
    if len(np.unique(model.site)) < 3:
        return nothing
    try:
        found = sm.GEE(model.y, model.design, groups=model.site, cov_struct=sm.cov_struct.Exchangeable()).fit(
            start_params=start, cov_type="naive"
        )
        estimate = float(found.params[j])
        rest = model.y - model.design @ found.params
        covariance = bias_reduced(model.design, rest, model.site, float(found.cov_struct.dep_params), found.scale)
        se = float(np.sqrt(covariance[j, j]))
    except (np.linalg.LinAlgError, ValueError, ArithmeticError):
        return nothing
    if not se > 0:
        return nothing
    df = len(np.unique(model.site)) - 1
    return estimate, se, float(2 * stats.t.sf(abs(estimate / se), df))


def bias_reduced(
    design: np.ndarray, residual: np.ndarray, site: np.ndarray, correlation: float, variance: float
) -> np.ndarray:
    """Mancl and DeRouen's covariance (p, p) of the estimates of GEE with one `correlation` within every site.

    Each site's residuals are divided by one minus their leverage, a matrix of cases by cases. Taken through to the
    site's score it is one of columns by columns, so that sites may be of any size (statsmodels inverts the large one).

    design : (n, p). residual, site : (n,). variance : of the residuals.
    """
    scores, informations = [], []
    for name in np.unique(site):
        x, rest = design[site == name], residual[site == name]
        shared = correlation / (1 + correlation * (len(x) - 1))
        weighted = (x - shared * x.sum(axis=0)) / (variance * (1 - correlation))
        scores.append(weighted.T @ rest)
        informations.append(weighted.T @ x)
    information, score = np.array(informations), np.array(scores)
    naive = np.linalg.inv(information.sum(axis=0))
    grown = np.linalg.solve(np.eye(len(naive)) - information @ naive, score[..., None])[..., 0]
    return naive @ (grown.T @ grown) @ naive


def _whitened(model: ModelData, fit: InterceptFit) -> tuple[np.ndarray, np.ndarray]:
    """Outcome and design with the site correlation taken out: least squares on them is the mixed model's estimate."""
    psi = fit.theta**2 if np.isfinite(fit.site_variance) else 0.0
    _, index, counts = np.unique(model.site, return_inverse=True, return_counts=True)
    share = (1 - 1 / np.sqrt(1 + counts * psi))[index]
    both = np.column_stack([model.y, model.design])
    means = np.column_stack([np.bincount(index, column) / counts for column in both.T])[index]
    both = both - share[:, None] * means
    return both[:, 0], both[:, 1:]
