"""What a path model lacks: the fall of chi-square that each path or covariance left out would bring, if freed alone.

Score (Lagrange multiplier) test with the expected information, as lavaan's ``modindices``; Sorbom 1989, Psychometrika
54:371.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from .engine import Moments, Structure
from .language import Parameter, Specification

MODIFICATION_COLUMNS = ("lhs", "op", "rhs", "mi", "epc", "p")


def candidates(specification: Specification) -> list[tuple[str, str, str]]:
    """Paths and residual covariances that the model fixes to zero and that would not turn an arrow's direction round.

    Offered are covariances of residuals and regressions that make no loop.
    """
    present = {
        frozenset((p.lhs, p.rhs)) for p in specification.parameters if p.op in ("~", "~~", "=~") and p.lhs != p.rhs
    }
    arrows = [(p.rhs, p.lhs) for p in specification.parameters if p.op == "~"]
    arrows += [(p.lhs, p.rhs) for p in specification.parameters if p.op == "=~"]
    dependent = list(dict.fromkeys(end for _, end in arrows))
    names = [*specification.latent, *specification.observed]
    found = []
    for first, second in itertools.combinations(dependent, 2):
        if frozenset((first, second)) not in present:
            found.append((first, "~~", second))
    for end, begin in itertools.product(dependent, names):
        if end != begin and frozenset((begin, end)) not in present and not _reaches(arrows, end, begin):
            found.append((end, "~", begin))
    return found


def _reaches(arrows: list[tuple[str, str]], start: str, goal: str) -> bool:
    """Whether `goal` can be reached from `start` along arrows."""
    seen, left = set(), [start]
    while left:
        here = left.pop()
        if here == goal:
            return True
        if here not in seen:
            seen.add(here)
            left += [end for begin, end in arrows if begin == here]
    return False


def modification_indices(structure: Structure, theta: np.ndarray, moments: Moments) -> pd.DataFrame:
    """Modification index (chi-square, 1 df), expected parameter change and p of every candidate, largest first."""
    specification = structure.specification
    offered = candidates(specification)
    if not offered:
        return pd.DataFrame(columns=MODIFICATION_COLUMNS)
    q = specification.n_free
    extra = tuple(Parameter(lhs, op, rhs, free=q + k, user=False) for k, (lhs, op, rhs) in enumerate(offered))
    wider = Structure(replace(specification, parameters=(*specification.parameters, *extra)))
    at = np.concatenate([theta, np.zeros(len(extra))])[None]
    score, information = (m[0] for m in wider.score_information(at, moments))
    solved = np.linalg.solve(information[:q, :q], information[:q, q:])
    left = np.diag(information[q:, q:]) - np.einsum("qk,qk->k", information[:q, q:], solved)
    slack = score[q:] - solved.T @ score[:q]
    with np.errstate(divide="ignore", invalid="ignore"):
        usable = left > 1e-8 * np.diag(information[q:, q:])
        mi, epc = np.where(usable, slack**2 / left, np.nan), np.where(usable, slack / left, np.nan)
    table = pd.DataFrame(offered, columns=["lhs", "op", "rhs"]).assign(mi=mi, epc=epc, p=stats.chi2.sf(mi, 1))
    return table[table["mi"].notna()].sort_values("mi", ascending=False, ignore_index=True)


def r_squared(structure: Structure, theta: np.ndarray, moments: Moments) -> pd.DataFrame:
    """Share of each dependent variable's implied variance that the model explains."""
    values = structure.values(theta[None], moments)
    _, covariance = (m[0] for m in structure.implied(values))
    residual = structure.matrices(values)[1][0]
    dependent = {p.lhs for p in structure.specification.parameters if p.op == "~"}
    dependent |= {p.rhs for p in structure.specification.parameters if p.op == "=~"}
    names = [*structure.specification.observed, *structure.specification.latent]
    rows = [
        {"variable": name, "r2": 1 - residual[i, i] / covariance[i, i]}
        for i, name in enumerate(names)
        if name in dependent
    ]
    return pd.DataFrame(rows, columns=["variable", "r2"])
