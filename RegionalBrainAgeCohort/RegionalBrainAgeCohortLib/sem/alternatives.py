"""The models a path model is measured by: the saturated one, and the one of independent variables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .engine import Moments, Structure, maximise
from .fit_measures import MEASURES, fit_measures, srmr
from .language import Specification, saturated
from .model_data import available_moments
from .robust import trace_of


@dataclass(frozen=True)
class Alternative:
    """A fitted alternative: its structure, its estimates (q,) and its log likelihood."""

    structure: Structure
    theta: np.ndarray
    log_likelihood: float


def fit_alternative(
    specification: Specification, values: np.ndarray, moments: Moments, independent: bool
) -> Alternative:
    """The saturated model of the variables of `specification`, or the model of independent variables."""
    other = Structure(saturated(specification.observed, specification.exogenous, specification.means, independent))
    mean, cov = available_moments(values)
    start = other.start(mean, cov)
    if not independent:
        start = _saturated_start(other, start, cov)
    estimate, _ = maximise(other, start[None], moments)
    return Alternative(other, estimate[0], float(other.log_likelihood(estimate, moments)[0]))


def _saturated_start(structure: Structure, start: np.ndarray, cov: np.ndarray) -> np.ndarray:
    """Starting values of the saturated model: the covariances at hand instead of zeros."""
    filled = start.copy()
    for parameter in structure.specification.parameters:
        if parameter.op == "~~" and parameter.free >= 0:
            filled[parameter.free] = cov[structure.place[parameter.lhs], structure.place[parameter.rhs]]
    return filled


def fit_table(
    structure: Structure,
    theta: np.ndarray,
    values: np.ndarray,
    moments: Moments,
    robust: bool = False,
    clusters: np.ndarray | None = None,
) -> pd.DataFrame:
    """Every measure of `MEASURES`, one row each; with `robust` also the scaled test, by whole `clusters` (n,)."""
    specification = structure.specification
    exogenous = [specification.observed.index(name) for name in specification.exogenous]
    x, p, means = len(exogenous), len(specification.observed), specification.means
    free = fit_alternative(specification, values, moments, False)
    baseline = fit_alternative(specification, values, moments, True)
    sample_mean, sample_cov = (m[0] for m in free.structure.implied(free.structure.values(free.theta[None], moments)))
    implied_mean, implied_cov = (m[0] for m in structure.implied(structure.values(theta[None], moments)))
    residual = srmr(sample_cov, implied_cov[:p, :p], *((sample_mean, implied_mean[:p]) if means else (None, None)))
    n = float(moments.n[0])
    x_cov = moments.x_cov[0]
    df = specification.degrees_of_freedom
    factor = float("nan")
    if robust and df > 0:
        larger = trace_of(free.structure, free.theta, values, moments, clusters)
        factor = (larger - trace_of(structure, theta, values, moments, clusters)) / df
    measures = fit_measures(
        log_likelihood=float(structure.log_likelihood(theta[None], moments)[0]),
        saturated=free.log_likelihood,
        baseline=baseline.log_likelihood,
        exogenous=-0.5 * n * (x * np.log(2 * np.pi) + np.linalg.slogdet(x_cov)[1] + x) if x else 0.0,
        df=df,
        baseline_df=p * (p - 1) // 2 - x * (x - 1) // 2,
        n_parameters=specification.n_free,
        n=n,
        srmr_value=residual,
        scaling_factor=factor,
    )
    return pd.DataFrame(
        [{"measure": name, "value": measures[name], "lavaan": lavaan} for name, (lavaan, _) in MEASURES.items()]
    )
