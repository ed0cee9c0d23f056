"""Fit indices of a structural equation model, from log likelihoods and model-implied moments, as lavaan gives them.

References: Bentler 1990 (CFI), Tucker & Lewis 1973 (TLI), Steiger 1990 (RMSEA), Bentler 1995 (SRMR).
"""

from __future__ import annotations

import numpy as np
from scipy import optimize, stats

# measure -> (name in lavaan's fitMeasures, meaning)
MEASURES = {
    "chi2": ("chisq", "likelihood ratio test of the model against the saturated model"),
    "df": ("df", "degrees of freedom of that test"),
    "p": ("pvalue", "its p-value; small means the model misses something in the data"),
    "baseline_chi2": ("baseline.chisq", "the same test for the independence model"),
    "baseline_df": ("baseline.df", "its degrees of freedom"),
    "cfi": ("cfi", "comparative fit index; 1 is best"),
    "tli": ("tli", "Tucker-Lewis index; 1 is good"),
    "rmsea": ("rmsea", "root mean square error of approximation; 0 is best"),
    "rmsea_ci_low": ("rmsea.ci.lower", "lower end of its 90% interval"),
    "rmsea_ci_high": ("rmsea.ci.upper", "upper end of its 90% interval"),
    "rmsea_p_close": ("rmsea.pvalue", "p-value of the hypothesis that RMSEA is at most 0.05"),
    "srmr": ("srmr", "standardised root mean square residual; 0 is best"),
    "log_likelihood": ("logl", "log likelihood given the observed exogenous variables"),
    "aic": ("aic", "Akaike's criterion; compare models of the same variables, smaller is better"),
    "bic": ("bic", "Bayesian criterion; smaller is better"),
    "n_parameters": ("npar", "free parameters"),
    "n": ("ntotal", "cases used"),
    "chi2_scaled": ("chisq.scaled", "chi2 scaled for data that are not normal (and sites); n/a where not asked for"),
    "scaling_factor": ("chisq.scaling.factor", "chi2 divided by chi2_scaled"),
    "p_scaled": ("pvalue.scaled", "p-value of chi2_scaled"),
}


def rmsea_interval(chi2: float, df: int, n: float) -> tuple[float, float]:
    """90% interval of RMSEA from the noncentral chi-square distribution."""
    if df < 1:
        return 0.0, 0.0

    def end(tail: float) -> float:
        if stats.chi2.cdf(chi2, df) < tail:
            return 0.0

        def excess(ncp: float) -> float:
            return float(stats.ncx2.cdf(chi2, df, ncp) if ncp > 0 else stats.chi2.cdf(chi2, df)) - tail

        high = max(chi2, 1.0)
        while excess(high) > 0:
            high *= 2
        return float(np.sqrt(optimize.brentq(excess, 0.0, high, xtol=1e-10) / (df * n)))

    return end(0.95), end(0.05)


def srmr(
    sample_cov: np.ndarray,
    implied_cov: np.ndarray,
    sample_mean: np.ndarray | None = None,
    implied_mean: np.ndarray | None = None,
) -> float:
    """Standardised root mean square residual (Bentler), with mean residuals where the model has intercepts."""
    sd = np.sqrt(np.diag(sample_cov))
    residual = ((sample_cov - implied_cov) / np.outer(sd, sd))[np.tril_indices(len(sd))]
    if sample_mean is not None:
        residual = np.concatenate([residual, (sample_mean - implied_mean) / sd])
    return float(np.sqrt(np.mean(residual**2)))


def fit_measures(
    log_likelihood: float,
    saturated: float,
    baseline: float,
    exogenous: float,
    df: int,
    baseline_df: int,
    n_parameters: int,
    n: float,
    srmr_value: float,
    scaling_factor: float = float("nan"),
) -> dict[str, float]:
    """All measures of `MEASURES`; the four log likelihoods are joint over all observed variables and the exogenous."""
    chi2, base = max(0.0, 2 * (saturated - log_likelihood)), max(0.0, 2 * (saturated - baseline))
    excess, base_excess = max(chi2 - df, 0.0), max(base - baseline_df, chi2 - df, 0.0)
    low, high = rmsea_interval(chi2, df, n)
    plain = df > 0 and base - baseline_df != 0
    conditional = log_likelihood - exogenous
    close = float(stats.ncx2.sf(chi2, df, n * df * 0.05**2)) if df > 0 else float("nan")
    return {
        "chi2": chi2,
        "df": df,
        "p": float(stats.chi2.sf(chi2, df)) if df > 0 else float("nan"),
        "baseline_chi2": base,
        "baseline_df": baseline_df,
        "cfi": 1 - excess / base_excess if base_excess > 0 else 1.0,
        "tli": 1 - ((chi2 - df) / df * baseline_df) / (base - baseline_df) if plain else 1.0,
        "rmsea": float(np.sqrt(excess / (df * n))) if df > 0 else 0.0,
        "rmsea_ci_low": low,
        "rmsea_ci_high": high,
        "rmsea_p_close": close,
        "srmr": srmr_value,
        "log_likelihood": conditional,
        "aic": -2 * conditional + 2 * n_parameters,
        "bic": -2 * conditional + np.log(n) * n_parameters,
        "n_parameters": n_parameters,
        "n": n,
        "chi2_scaled": chi2 / scaling_factor if scaling_factor > 0 else float("nan"),
        "scaling_factor": scaling_factor,
        "p_scaled": float(stats.chi2.sf(chi2 / scaling_factor, df)) if scaling_factor > 0 else float("nan"),
    }
