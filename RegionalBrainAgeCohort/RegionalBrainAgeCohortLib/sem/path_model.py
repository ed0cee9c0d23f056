"""Structural equation models of a cohort: estimates, standardised solution, fit and bootstrap.

The language is lavaan's (`language`), the estimator maximum likelihood (`engine`). Validated against R's lavaan
``sem(model, data)`` for complete data and ``sem(model, data, missing = "ml")`` when values are missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from RegionalBrainAgeLib.errors import InputError, RegionalBrainAgeError

from .alternatives import fit_table
from .bootstrap import BOOTSTRAP_COLUMNS, bootstrap_intervals
from .engine import Moments, Structure, maximise, moments_of, observed_information
from .estimates import PATH_COLUMNS, path_rows
from .language import Specification, parse_model
from .model_data import available_moments, check_data, check_degrees_of_freedom, check_identified, model_columns
from .modification import modification_indices, r_squared
from .robust import case_scores, meat, sandwich
from .second_opinion import SecondOpinion, ask_semopy, factor_scores, fit_by_semopy


@dataclass(frozen=True)
class SemResult:
    """A fitted model.

    paths : PATH_COLUMNS, BOOTSTRAP_COLUMNS and label. fit : measure, value, lavaan. r2 : variable, r2.
    modification : what the model lacks (`modification`). scores : factor scores with the row of the data (index), None
    without latent variables. errors : where the standard errors come from
    ("expected", "robust" or "cluster"). opinion : semopy's. draws : bootstrap draws that converged. drawn : what was
    drawn, "sites" or "cases"; "" without a bootstrap.
    """

    model: str
    specification: Specification
    paths: pd.DataFrame
    fit: pd.DataFrame
    r2: pd.DataFrame
    modification: pd.DataFrame
    scores: pd.DataFrame | None
    n: int
    n_left_out: int
    missing: str
    errors: str
    opinion: SecondOpinion
    draws: int
    drawn: str
    notes: tuple[str, ...]

    def measure(self, name: str) -> float:
        """Value of one fit measure."""
        return float(self.fit.set_index("measure")["value"][name])


def fit_sem(
    model: str,
    data: pd.DataFrame,
    missing: str = "auto",
    errors: str = "expected",
    draws: int = 0,
    cluster: str | None = None,
    seed: int = 1,
    engine: str = "own",
    progress: Callable[[float], None] = lambda _: None,
) -> SemResult:
    """Fit `model` to `data`.

    Parameters
    ----------
    missing : "listwise" leaves out cases with any missing value; "fiml" uses all that is there (cases without an
        observed exogenous variable are still left out, as in lavaan); "auto" is fiml when anything is missing.
    errors : "expected": standard errors from the expected information (observed with missing data), for normal data of
        independent people; "robust": sandwich by cases; "cluster": sandwich by the groups of `cluster`. The latter
        adds intercepts to the model, as lavaan does.
    draws : bootstrap draws, 0 for none. cluster : column whose groups are drawn whole (site); None draws cases.
    engine : "own", or "semopy": semopy's optimum, started from ours and refused where it lies elsewhere.

    Raises
    ------
    InputError : the data cannot answer the model; the sentence names the variable or parameter at fault.
    RegionalBrainAgeError : it did not converge.
    """
    specification = parse_model(model)
    table = model_columns(specification, data)
    incomplete = bool(table.isna().to_numpy().any())
    if missing == "auto":
        missing = "fiml" if incomplete else "listwise"
    if missing == "fiml" or errors == "cluster":
        specification = parse_model(model, means=True)
    check_degrees_of_freedom(specification)
    needed = list(specification.exogenous) if missing == "fiml" else list(specification.observed)
    rows = table[needed].notna().all(axis=1) & table.notna().any(axis=1)
    values = table[rows].to_numpy(float)
    notes = check_data(specification, table[rows])
    if specification.degrees_of_freedom == 0:
        notes.append(
            "The path model has as many parameters as the data have variances and covariances (df 0): it fits any data "
            "perfectly, and its fit measures say nothing."
        )

    exogenous = [specification.observed.index(name) for name in specification.exogenous]
    moments = moments_of(values, exogenous)
    structure = Structure(specification)
    start = structure.start(*available_moments(values))
    theta, converged = maximise(structure, start[None], moments)
    if not converged[0]:
        raise RegionalBrainAgeError(
            "The structural equation model did not converge: the data do not determine all of its parameters.",
            "Remove a path or a residual covariance, or fix a loading or variance.",
        )
    expected = structure.score_information(theta, moments)[1][0]
    observed = observed_information(structure, theta, moments)[0]
    information = observed if missing == "fiml" else expected
    check_identified(specification, information)
    theta_hat = theta[0]
    if engine == "semopy":
        theta_hat = _by_semopy(structure, theta_hat, values, moments, expected)
    clusters = None
    if cluster is not None:
        clusters = np.unique(data.loc[rows, cluster].astype(str).to_numpy(), return_inverse=True)[1]
    if errors == "cluster" and (clusters is None or clusters.max() < 1):
        raise InputError("Standard errors by groups need at least two groups.", "Use robust standard errors.")
    by = clusters if errors == "cluster" else None
    covariance = np.linalg.inv(information)
    if errors != "expected":
        covariance = sandwich(observed, meat(case_scores(structure, theta_hat, values, moments), by))
    paths = path_rows(structure, theta_hat, covariance, moments)
    negative = paths[(paths["op"] == "~~") & (paths["lhs"] == paths["rhs"]) & (paths["estimate"] < 0)]["lhs"]
    notes += [f"The estimated variance of {name} is negative: the model does not suit the data." for name in negative]
    progress(0.05)
    columns: dict[str, Any] = dict.fromkeys(BOOTSTRAP_COLUMNS, np.nan)
    kept = 0
    if draws:
        columns, kept = bootstrap_intervals(structure, theta_hat, values, clusters, draws, seed, progress)
        if kept < draws:
            notes.append(f"{draws - kept} of {draws} bootstrap draws did not converge and were left out.")
    scores = factor_scores(structure, theta_hat, values, moments)
    if scores is not None:
        scores.index = data.index[rows]
    return SemResult(
        model=model,
        specification=specification,
        paths=paths.assign(**columns)[[*PATH_COLUMNS, *BOOTSTRAP_COLUMNS, "label"]],
        fit=fit_table(structure, theta_hat, values, moments, errors != "expected", by),
        r2=r_squared(structure, theta_hat, moments),
        modification=modification_indices(structure, theta_hat, moments),
        scores=scores,
        n=len(values),
        n_left_out=len(data) - len(values),
        missing=missing,
        errors=errors,
        opinion=ask_semopy(structure, theta_hat, values, moments, expected),
        draws=kept,
        drawn=("cases" if clusters is None else "sites") if kept else "",
        notes=tuple(notes),
    )


def _by_semopy(
    structure: Structure, theta: np.ndarray, values: np.ndarray, moments: Moments, information: np.ndarray
) -> np.ndarray:
    """semopy's estimates, where they are ours to a thousandth of a standard error."""
    try:
        found = fit_by_semopy(structure, theta, values, moments)
    except NotImplementedError as error:
        raise InputError(f"semopy cannot fit this model: {error}.", "Use this software's own engine.") from error
    away = float((np.abs(found - theta) * np.sqrt(np.diag(information))).max())
    if not away < 1e-3:
        raise RegionalBrainAgeError(
            f"semopy ends {away:.1g} standard errors from the maximum of the likelihood.",
            "Use this software's own engine.",
        )
    return found
