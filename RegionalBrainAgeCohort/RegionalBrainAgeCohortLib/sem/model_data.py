"""Whether the data can answer a path model: its columns, its cases, and what determines its parameters."""

from __future__ import annotations

from difflib import get_close_matches

import numpy as np
import pandas as pd
from RegionalBrainAgeLib.errors import InputError

from .language import Specification

_LEAST_EIGENVALUE = 1e-8  # of the information scaled to a unit diagonal: below it, a standard error is noise


def model_columns(specification: Specification, data: pd.DataFrame) -> pd.DataFrame:
    """The observed variables of a model as numbers; raises `InputError` for one that is absent or text."""
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


def check_data(specification: Specification, table: pd.DataFrame) -> list[str]:
    """Notes on the usable cases; raises `InputError` where they are too few, constant or collinear."""
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


def available_moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance for starting values; with missing data, variances of what is there and complete-case covs."""
    mean = np.nanmean(values, axis=0)
    complete = values[np.isfinite(values).all(axis=1)]
    cov = np.diag(np.nanvar(values, axis=0))
    if len(complete) > values.shape[1]:
        cov = np.cov(complete, rowvar=False, ddof=0).reshape(cov.shape)
    return mean, cov


def check_degrees_of_freedom(specification: Specification) -> None:
    """Raise `InputError` for a model with more free parameters than the data have moments."""
    df = specification.degrees_of_freedom
    if df < 0:
        raise InputError(
            f"The structural equation model has {-df} parameter(s) more than the data have variances and covariances: "
            "no data can determine it, and its fit would be perfect whatever they say.",
            "Remove a path or a residual covariance, fix a loading or variance, or add an indicator.",
        )


def check_identified(specification: Specification, information: np.ndarray) -> None:
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
