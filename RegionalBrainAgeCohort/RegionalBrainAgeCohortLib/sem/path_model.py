"""Structural equation models of a cohort: estimates, standardised solution, fit and bootstrap.

The language is lavaan's (`language`), the estimator maximum likelihood (`engine`). Validated against R's lavaan
``sem(model, data)`` for complete data and ``sem(model, data, missing = "ml")`` when values are missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import pandas as pd
from RegionalBrainAgeLib.errors import InputError, RegionalBrainAgeError
from scipy import stats

from .engine import Moments, Structure, maximise, moments_of, observed_information
from .fit_measures import MEASURES, fit_measures, srmr
from .language import Specification, parse_model, saturated

PATH_COLUMNS = ("lhs", "op", "rhs", "estimate", "se", "z", "p", "ci_low", "ci_high", "std_all", "std_se")
BOOTSTRAP_COLUMNS = ("boot_ci_low", "boot_ci_high", "std_boot_ci_low", "std_boot_ci_high")
_Z = float(stats.norm.ppf(0.975))
_CHUNK = 500
_LEAST_EIGENVALUE = 1e-8  # of the information scaled to a unit diagonal: below it, a standard error is noise


@dataclass(frozen=True)
class SemResult:
    """A fitted model. `paths` has PATH_COLUMNS, BOOTSTRAP_COLUMNS and label; `fit` has measure, value, lavaan."""

    model: str
    specification: Specification
    paths: pd.DataFrame
    fit: pd.DataFrame
    n: int
    n_left_out: int
    missing: str
    draws: int
    notes: tuple[str, ...]

    def measure(self, name: str) -> float:
        """Value of one fit measure."""
        return float(self.fit.set_index("measure")["value"][name])


def fit_sem(
    model: str,
    data: pd.DataFrame,
    missing: str = "auto",
    draws: int = 0,
    cluster: str | None = None,
    seed: int = 1,
    progress: Callable[[float], None] = lambda _: None,
) -> SemResult:
    """Fit `model` to `data`.

    Parameters
    ----------
    missing : "listwise" leaves out cases with any missing value; "fiml" uses all that is there (cases without an
        observed exogenous variable are still left out, as in lavaan); "auto" is fiml when anything is missing.
    draws : bootstrap draws, 0 for none. cluster : column whose groups are drawn whole (site); None draws cases.

    Standard errors come from the expected information with complete data and from the observed information with
    missing data. Raises `InputError` for a model the data cannot answer, with the variable at fault.
    """
    specification = parse_model(model)
    table = _columns(specification, data)
    incomplete = bool(table.isna().to_numpy().any())
    if missing == "auto":
        missing = "fiml" if incomplete else "listwise"
    if missing == "fiml":
        specification = parse_model(model, means=True)
    _check_degrees_of_freedom(specification)
    needed = list(specification.exogenous) if missing == "fiml" else list(specification.observed)
    rows = table[needed].notna().all(axis=1) & table.notna().any(axis=1)
    values = table[rows].to_numpy(float)
    notes = _check_data(specification, table[rows])

    exogenous = [specification.observed.index(name) for name in specification.exogenous]
    moments = moments_of(values, exogenous, specification.means)
    structure = Structure(specification)
    mean, cov = _available_moments(values)
    theta, converged = maximise(structure, structure.start(mean, cov)[None], moments)
    if not converged[0]:
        raise RegionalBrainAgeError(
            "The structural equation model did not converge: the data do not determine all of its parameters.",
            "Remove a path or a residual covariance, or fix a loading or variance.",
        )
    theta_hat = theta[0]
    information = (
        observed_information(structure, theta, moments)[0]
        if missing == "fiml"
        else structure.score_information(theta, moments)[1][0]
    )
    _check_identified(specification, information)
    covariance = np.linalg.inv(information)
    paths = _paths(structure, theta_hat, covariance, moments)
    negative = paths[(paths["op"] == "~~") & (paths["lhs"] == paths["rhs"]) & (paths["estimate"] < 0)]["lhs"]
    notes += [f"The estimated variance of {name} is negative: the model does not suit the data." for name in negative]
    progress(0.05)
    kept = 0
    if draws:
        columns, kept = _bootstrap(structure, theta_hat, values, exogenous, data, rows, draws, cluster, seed, progress)
        paths = paths.assign(**columns)
        if kept < draws:
            notes.append(f"{draws - kept} of {draws} bootstrap draws did not converge and were left out.")
    else:
        paths = paths.assign(**dict.fromkeys(BOOTSTRAP_COLUMNS, np.nan))
    return SemResult(
        model=model,
        specification=specification,
        paths=paths[[*PATH_COLUMNS, *BOOTSTRAP_COLUMNS, "label"]],
        fit=_fit_table(structure, theta_hat, values, exogenous, moments),
        n=len(values),
        n_left_out=len(data) - len(values),
        missing=missing,
        draws=kept,
        notes=tuple(notes),
    )


# ---- data ----------------------------------------------------------------------------------------------------------
def _columns(specification: Specification, data: pd.DataFrame) -> pd.DataFrame:
    for name in specification.observed:
        if name not in data.columns:
            near = get_close_matches(name, [c for c in data.columns if pd.api.types.is_numeric_dtype(data[c])])
            raise InputError(
                f"The structural equation model uses '{name}', which is neither a column nor defined by =~.",
                f"Did you mean {' or '.join(near)}?" if near else "Use the names of number columns of the table.",
            )
        if not pd.api.types.is_numeric_dtype(data[name]):
            raise InputError(
                f"The structural equation model uses '{name}', which holds text.", "Use a number column, as sex_M."
            )
    return data[list(specification.observed)].astype(float)


def _check_data(specification: Specification, table: pd.DataFrame) -> list[str]:
    names = list(specification.observed)
    if len(table) <= len(names):
        raise InputError(
            f"{len(table)} cases are usable for the structural equation model of {len(names)} variables.",
            "It needs more cases than variables; check which columns have missing values.",
        )
    spread = table.std(ddof=0)
    for name in names:
        if not spread[name] > 1e-12 * max(1.0, table[name].abs().max()):
            raise InputError(
                f"'{name}' has the same value in every usable case, so the structural equation model cannot use it.",
                "Remove it from the model.",
            )
    complete = table.dropna()
    if len(complete) > len(names):
        values, vectors = np.linalg.eigh(np.corrcoef(complete.to_numpy(), rowvar=False))
        if values[0] < 1e-9:
            involved = [name for name, weight in zip(names, vectors[:, 0], strict=True) if abs(weight) > 1e-3]
            raise InputError(
                f"{', '.join(involved)} are exact combinations of each other (collinear).", "Remove one from the model."
            )
    few = len(table) < 5 * specification.n_free
    return [f"Only {len(table)} cases for {specification.n_free} free parameters: read it with care."] if few else []


def _available_moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance for starting values; with missing data, variances of what is there and complete-case covs."""
    mean = np.nanmean(values, axis=0)
    complete = values[np.isfinite(values).all(axis=1)]
    cov = np.diag(np.nanvar(values, axis=0))
    if len(complete) > values.shape[1]:
        cov = np.cov(complete, rowvar=False, ddof=0).reshape(cov.shape)
    return mean, cov


def degrees_of_freedom(specification: Specification) -> int:
    """Sample moments that are not fixed to the sample, minus free parameters."""
    p, x = len(specification.observed), len(specification.exogenous)
    means = p - x if specification.means else 0
    return p * (p + 1) // 2 - x * (x + 1) // 2 + means - specification.n_free


def _check_degrees_of_freedom(specification: Specification) -> None:
    df = degrees_of_freedom(specification)
    if df < 0:
        raise InputError(
            f"The structural equation model has {-df} parameter(s) more than the data have variances and covariances: "
            "no data can determine it, and its fit would be perfect whatever they say.",
            "Remove a path or a residual covariance, fix a loading or variance, or add an indicator.",
        )


def _check_identified(specification: Specification, information: np.ndarray) -> None:
    """Refuse a model whose information matrix, scaled to a unit diagonal, has not full rank."""
    scale = 1 / np.sqrt(np.maximum(np.diag(information), 1e-300))
    values, vectors = np.linalg.eigh(information * np.outer(scale, scale))
    if values[0] > _LEAST_EIGENVALUE:
        return
    free = {p.free: f"{p.lhs} {p.op} {p.rhs or 1}" for p in reversed(specification.parameters) if p.free >= 0}
    involved = [free[k] for k in np.argsort(-np.abs(vectors[:, 0]))[:4] if abs(vectors[k, 0]) > 0.05]
    raise InputError(
        f"The structural equation model is not identified: the data do not tell {', '.join(involved)} apart.",
        "Remove a path or a residual covariance, or fix a loading or variance.",
    )


# ---- estimates -----------------------------------------------------------------------------------------------------
def _quantities(structure: Structure, theta: np.ndarray, moments: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Raw and standardised value of every row, definitions last, for every data set: two arrays (B, rows)."""
    specification = structure.specification
    values = structure.values(theta, moments)
    _, covariance = structure.implied(values)
    sd = np.sqrt(np.maximum(np.einsum("bii->bi", covariance), 0))
    _, residual, _ = structure.matrices(values)
    residual_sd = np.sqrt(np.abs(np.einsum("bii->bi", residual)))
    standard = np.empty_like(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        for column, parameter in enumerate(specification.parameters):
            i = structure.place[parameter.lhs]
            j = structure.place[parameter.rhs] if parameter.rhs else i
            value = values[:, column]
            if parameter.op == "=~":
                standard[:, column] = value * sd[:, i] / sd[:, j]
            elif parameter.op == "~":
                standard[:, column] = value * sd[:, j] / sd[:, i]
            elif parameter.op == "~1":
                standard[:, column] = value / sd[:, i]
            elif i == j:
                standard[:, column] = value / sd[:, i] ** 2
            else:
                scale = residual_sd[:, i] * residual_sd[:, j]
                standard[:, column] = np.where(value == 0, 0.0, value / scale)
    raw_rows, standard_rows = [values], [standard]
    known = [{p.label: v[:, c] for c, p in enumerate(specification.parameters) if p.label} for v in (values, standard)]
    for definition in specification.definitions:
        for rows, names in zip((raw_rows, standard_rows), known, strict=True):
            result = np.broadcast_to(definition.evaluate(names), (len(theta),))
            names[definition.name] = result
            rows.append(result[:, None])
    return np.concatenate(raw_rows, axis=1), np.concatenate(standard_rows, axis=1)


def _paths(structure: Structure, theta: np.ndarray, covariance: np.ndarray, moments: Moments) -> pd.DataFrame:
    """Estimates with delta-method standard errors, raw and standardised; exact central differences in one batch."""
    specification = structure.specification
    step = 1e-4 * np.sqrt(np.diag(covariance))
    q = len(theta)
    batch = np.concatenate([theta[None], theta + np.diag(step), theta - np.diag(step)])
    raw, standard = _quantities(structure, batch, moments.take(np.zeros(2 * q + 1, int)))
    rows = []
    errors = []
    for values in (raw, standard):
        jacobian = (values[1 : q + 1] - values[q + 1 :]) / (2 * step[:, None])
        variance = np.einsum("kr,kl,lr->r", jacobian, covariance, jacobian)
        errors.append(np.sqrt(np.maximum(variance, 0)))
    labels = [
        *((p.lhs, p.op, p.rhs, p.label) for p in specification.parameters),
        *((d.name, ":=", d.text, d.name) for d in specification.definitions),
    ]
    for column, (lhs, op, rhs, label) in enumerate(labels):
        fixed = column < len(specification.parameters) and specification.parameters[column].free < 0
        estimate, se = raw[0, column], 0.0 if fixed else errors[0][column]
        std_se = errors[1][column]
        z = estimate / se if se > 0 else float("nan")
        rows.append(
            {
                "lhs": lhs,
                "op": op,
                "rhs": rhs,
                "label": label,
                "estimate": estimate,
                "se": se,
                "z": z,
                "p": 2 * stats.norm.sf(abs(z)),
                "ci_low": estimate - _Z * se,
                "ci_high": estimate + _Z * se,
                "std_all": standard[0, column],
                "std_se": std_se if std_se > 1e-8 else 0.0,
            }
        )
    return pd.DataFrame(rows)


def _fit_table(
    structure: Structure, theta: np.ndarray, values: np.ndarray, exogenous: list[int], moments: Moments
) -> pd.DataFrame:
    specification = structure.specification
    observed, x, p, means = specification.observed, len(exogenous), len(specification.observed), specification.means
    mean, cov = _available_moments(values)
    alternatives = []
    for independent in (False, True):
        other = Structure(saturated(observed, specification.exogenous, means, independent))
        start = other.start(mean, cov)
        if not independent:
            start = _saturated_start(other, start, cov)
        estimate, _ = maximise(other, start[None], moments)
        alternatives.append((other, estimate, float(other.log_likelihood(estimate, moments)[0])))
    (free, free_theta, best), (_, _, baseline) = alternatives
    sample_mean, sample_cov = (m[0] for m in free.implied(free.values(free_theta, moments)))
    implied_mean, implied_cov = (m[0] for m in structure.implied(structure.values(theta[None], moments)))
    residual = srmr(sample_cov, implied_cov[:p, :p], *((sample_mean, implied_mean[:p]) if means else (None, None)))
    n = float(moments.n[0])
    x_cov = moments.x_cov[0]
    exogenous_ll = -0.5 * n * (x * np.log(2 * np.pi) + np.linalg.slogdet(x_cov)[1] + x) if x else 0.0
    measures = fit_measures(
        log_likelihood=float(structure.log_likelihood(theta[None], moments)[0]),
        saturated=best,
        baseline=baseline,
        exogenous=exogenous_ll,
        df=degrees_of_freedom(specification),
        baseline_df=p * (p - 1) // 2 - x * (x - 1) // 2,
        n_parameters=specification.n_free,
        n=n,
        srmr_value=residual,
    )
    return pd.DataFrame(
        [{"measure": name, "value": measures[name], "lavaan": lavaan} for name, (lavaan, _) in MEASURES.items()]
    )


def _saturated_start(structure: Structure, start: np.ndarray, cov: np.ndarray) -> np.ndarray:
    """Starting values of the saturated model: the covariances at hand instead of zeros."""
    filled = start.copy()
    for parameter in structure.specification.parameters:
        if parameter.op == "~~" and parameter.free >= 0:
            filled[parameter.free] = cov[structure.place[parameter.lhs], structure.place[parameter.rhs]]
    return filled


# ---- bootstrap -----------------------------------------------------------------------------------------------------
def _bootstrap(
    structure: Structure,
    theta: np.ndarray,
    values: np.ndarray,
    exogenous: list[int],
    data: pd.DataFrame,
    rows: pd.Series,
    draws: int,
    cluster: str | None,
    seed: int,
    progress: Callable[[float], None],
) -> tuple[dict[str, np.ndarray], int]:
    """Percentile intervals, raw and standardised, and how many draws converged."""
    rng = np.random.default_rng(seed)
    groups = np.arange(len(values))
    if cluster is not None:
        groups = np.unique(data.loc[rows, cluster].astype(str).to_numpy(), return_inverse=True)[1]
    n_groups = int(groups.max()) + 1
    raws, standards = [], []
    for first in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - first)
        counts = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=size)
        moments = moments_of(values, exogenous, structure.specification.means, counts[:, groups])
        estimates, converged = maximise(structure, np.tile(theta, (size, 1)), moments, tolerance=1e-10)
        raw, standard = _quantities(structure, estimates[converged], moments.take(np.flatnonzero(converged)))
        raws.append(raw)
        standards.append(standard)
        progress(0.05 + 0.95 * (first + size) / draws)
    raw, standard = np.concatenate(raws), np.concatenate(standards)
    if not len(raw):
        return dict.fromkeys(BOOTSTRAP_COLUMNS, np.full(raw.shape[1], np.nan)), 0
    ends = [np.quantile(values, q, axis=0) for values in (raw, standard) for q in (0.025, 0.975)]
    return dict(zip(BOOTSTRAP_COLUMNS, ends, strict=True)), len(raw)
