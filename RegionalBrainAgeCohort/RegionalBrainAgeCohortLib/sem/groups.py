"""Tests whether any path of a model differs between groups.

The model is fitted in every group freely, and again with all paths equal across groups; twice the difference of the
log likelihoods is the test (lavaan: ``group`` beside ``group.equal = "regressions"``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from RegionalBrainAgeLib.errors import InputError, RegionalBrainAgeError
from scipy import stats

from .alternatives import fit_alternative
from .engine import Moments, Structure, maximise, moments_of
from .language import Specification, parse_model
from .model_data import available_moments, check_data, model_columns

GROUP_COLUMNS = ("group", "lhs", "op", "rhs", "estimate", "se", "p", "n")
TEST_COLUMNS = ("groups", "chi2_difference", "df", "p", "chi2_free", "chi2_equal", "df_free", "df_equal")
_LEAST = 20


@dataclass(frozen=True)
class _JointMoments:
    """Moments of every group, as one data set for `maximise`."""

    parts: tuple[Moments, ...]

    @property
    def n(self) -> np.ndarray:
        return np.sum([part.n for part in self.parts], axis=0)

    def take(self, index: Sequence[int] | np.ndarray) -> _JointMoments:
        return _JointMoments(tuple(part.take(index) for part in self.parts))


class _JointStructure:
    """The model in every group, with parameters of a group found by `place` (groups, q) among all parameters."""

    def __init__(self, structure: Structure, place: np.ndarray) -> None:
        self.structure, self.place = structure, place
        self.size = int(place.max()) + 1

    def log_likelihood(self, theta: np.ndarray, moments: _JointMoments) -> np.ndarray:
        """(B,) sum over the groups."""
        parts = zip(self.place, moments.parts, strict=True)
        return np.sum([self.structure.log_likelihood(theta[:, where], part) for where, part in parts], axis=0)

    def score_information(self, theta: np.ndarray, moments: _JointMoments) -> tuple[np.ndarray, np.ndarray]:
        """Gradient (B, Q) and expected information (B, Q, Q) of all parameters."""
        score = np.zeros_like(theta)
        information = np.zeros((len(theta), self.size, self.size))
        for where, part in zip(self.place, moments.parts, strict=True):
            one, two = self.structure.score_information(theta[:, where], part)
            score[:, where] += one
            information[:, where[:, None], where[None, :]] += two
        return score, information


def compare_groups(
    model: str, data: pd.DataFrame, column: str, missing: str = "auto"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit `model` in every group of `column`, freely and with equal paths.

    Returns the paths of every group (GROUP_COLUMNS) and the test of equal paths, one row (TEST_COLUMNS). Labels of the
    model are left out: a shared label would make paths equal by itself.

    Raises
    ------
    InputError : fewer than two groups of at least 20 cases, or a group in which the model cannot be fitted.
    """
    if column not in data.columns:
        raise InputError(f"There is no column '{column}' to group the path model by.", "Choose another column.")
    sizes = data[column].value_counts()
    names = sorted(sizes[sizes >= _LEAST].index, key=str)
    if not 2 <= len(names) <= 6:
        raise InputError(
            f"Column {column} has {len(names)} group(s) of at least {_LEAST} cases.",
            "Choose a column of two to six groups, as sex or lesion_side.",
        )
    specification = _without_labels(parse_model(model, means=True))
    table = model_columns(specification, data)
    needed = list(specification.observed) if missing == "listwise" else list(specification.exogenous)
    rows = table[needed].notna().all(axis=1) & table.notna().any(axis=1)
    structure = Structure(specification)
    exogenous = [specification.observed.index(name) for name in specification.exogenous]
    parts, starts, counts, best = [], [], [], 0.0
    for name in names:
        mine = table[rows & (data[column] == name)]
        try:
            check_data(specification, mine)
        except InputError as error:
            raise InputError(f"In the group {column} = {name}: {error.what}", error.remedy) from error
        values = mine.to_numpy(float)
        part = moments_of(values, exogenous)
        start, converged = maximise(structure, structure.start(*available_moments(values))[None], part)
        if not converged[0]:
            raise RegionalBrainAgeError(f"The model did not converge in the group {column} = {name}.", "Simplify it.")
        parts.append(part)
        starts.append(start[0])
        counts.append(len(values))
        best += fit_alternative(specification, values, part, False).log_likelihood
    moments = _JointMoments(tuple(parts))
    q = specification.n_free
    paths = sorted({p.free for p in specification.parameters if p.op == "~" and p.free >= 0})
    free = np.arange(len(names) * q).reshape(len(names), q)
    equal = _shared(free, paths)
    theta_free = np.concatenate(starts)
    shared = np.zeros(int(equal.max()) + 1)
    shared[equal] = np.stack(starts)
    shared[equal[0, paths]] = np.average(np.stack(starts)[:, paths], axis=0, weights=counts)
    joint = _JointStructure(structure, equal)
    theta_equal, converged = maximise(joint, shared[None], moments)
    if not converged[0]:
        raise RegionalBrainAgeError("The model with equal paths did not converge.", "Simplify the model.")
    separate = float(_JointStructure(structure, free).log_likelihood(theta_free[None], moments)[0])
    held = float(joint.log_likelihood(theta_equal, moments)[0])
    test = _test(specification, names, counts, best, separate, held, paths)
    return _paths(structure, names, starts, parts, counts), test


def _without_labels(specification: Specification) -> Specification:
    parameters, count = [], 0
    for p in specification.parameters:
        parameters.append(replace(p, label="", free=count if p.free >= 0 else -1))
        count += p.free >= 0
    return replace(specification, parameters=tuple(parameters), definitions=())


def _shared(free: np.ndarray, paths: list[int]) -> np.ndarray:
    """Positions of the parameters when `paths` are the same in all groups, numbered without gaps."""
    place = free.copy()
    place[:, paths] = place[0, paths]
    return np.unique(place, return_inverse=True)[1].reshape(place.shape)


def _paths(
    structure: Structure, names: list, starts: list[np.ndarray], parts: list[Moments], counts: list[int]
) -> pd.DataFrame:
    rows = []
    for name, theta, part, n in zip(names, starts, parts, counts, strict=True):
        covariance = np.linalg.inv(structure.score_information(theta[None], part)[1][0])
        for p in structure.specification.parameters:
            if p.op not in ("~", "=~") or p.free < 0:
                continue
            estimate, se = theta[p.free], float(np.sqrt(covariance[p.free, p.free]))
            rows.append(
                {"group": str(name), "lhs": p.lhs, "op": p.op, "rhs": p.rhs, "estimate": estimate, "se": se,
                 "p": float(2 * stats.norm.sf(abs(estimate / se))), "n": n}
            )  # fmt: skip
    return pd.DataFrame(rows, columns=GROUP_COLUMNS)


def _test(
    specification: Specification,
    names: list,
    counts: list[int],
    best: float,
    free: float,
    equal: float,
    paths: list[int],
) -> pd.DataFrame:
    df = len(paths) * (len(names) - 1)
    df_free = len(names) * specification.degrees_of_freedom
    difference = max(0.0, 2 * (free - equal))
    return pd.DataFrame(
        [{"groups": ", ".join(f"{name} ({n})" for name, n in zip(names, counts, strict=True)),
          "chi2_difference": difference, "df": df, "p": float(stats.chi2.sf(difference, df)),
          "chi2_free": max(0.0, 2 * (best - free)), "chi2_equal": max(0.0, 2 * (best - equal)),
          "df_free": df_free, "df_equal": df_free + df}],
        columns=TEST_COLUMNS,
    )  # fmt: skip
