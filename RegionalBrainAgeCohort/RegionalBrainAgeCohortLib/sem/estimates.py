"""Raw and standardised estimates of a path model with their standard errors (delta method)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from .engine import Moments, Structure

PATH_COLUMNS = ("lhs", "op", "rhs", "estimate", "se", "z", "p", "ci_low", "ci_high", "std_all", "std_se")
Z_95 = float(stats.norm.ppf(0.975))


def quantities(structure: Structure, theta: np.ndarray, moments: Moments) -> tuple[np.ndarray, np.ndarray]:
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


def path_rows(structure: Structure, theta: np.ndarray, covariance: np.ndarray, moments: Moments) -> pd.DataFrame:
    """Estimates with delta-method standard errors, raw and standardised; exact central differences in one batch."""
    specification = structure.specification
    step = 1e-4 * np.sqrt(np.diag(covariance))
    q = len(theta)
    batch = np.concatenate([theta[None], theta + np.diag(step), theta - np.diag(step)])
    raw, standard = quantities(structure, batch, moments.take(np.zeros(2 * q + 1, int)))
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
                "ci_low": estimate - Z_95 * se,
                "ci_high": estimate + Z_95 * se,
                "std_all": standard[0, column],
                "std_se": std_se if std_se > 1e-8 else 0.0,
            }
        )
    return pd.DataFrame(rows)
