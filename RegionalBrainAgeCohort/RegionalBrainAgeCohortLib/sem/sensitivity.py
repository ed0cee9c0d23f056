"""Does a path hang on one choice? The path model under other choices, one at a time.

Other cases (complete ones, chronic ones, lesions of one side, without each site in turn), other standard errors, and
other models given by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from RegionalBrainAgeLib.errors import RegionalBrainAgeError

from ..statistics.sensitivity import subsets_of_cases
from .engine import Structure, maximise, moments_of, regressions
from .estimates import Z_95, quantities
from .language import parse_model
from .model_data import available_moments, model_columns
from .path_model import SemResult, fit_sem

PATH_SENSITIVITY_COLUMNS = ("analysis", "lhs", "op", "rhs", "std_all", "ci_low", "ci_high", "p", "n", "note")


def path_sensitivity(
    reported: SemResult, data: pd.DataFrame, cluster: str | None, other_models: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Standardised paths and defined effects of `reported` and of the same model with one choice changed.

    data, cluster : as the reported model was fitted to. other_models : further models by name; of these the paths are
    shown that the reported one has too. Intervals are delta-method ones. A fit that is refused has one row, with the
    reason.
    """
    rows = _rows("as reported", reported)
    wanted = {(row["lhs"], row["op"], row["rhs"]) for row in rows}
    model, missing, errors = reported.model, reported.missing, reported.errors
    tries = [(f"model: {name}", text, data, missing, errors) for name, text in (other_models or {}).items()]
    if errors != "expected":
        tries.append(("standard errors of normal theory", model, data, missing, "expected"))
    if missing == "fiml":
        tries.append(("complete cases, not FIML", model, data, "listwise", errors))
    tries += [
        (title, model, data[chosen], missing, errors)
        for title, chosen in subsets_of_cases(data).items()
        if 0 < chosen.sum() < len(data)
    ]
    for title, text, cases, treatment, kind in tries:
        try:
            found = fit_sem(text, cases, treatment, kind, cluster=cluster)
        except (RegionalBrainAgeError, ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
            rows.append({"analysis": title, "lhs": "", "op": "", "rhs": "", "n": len(cases), "note": f"{error}"})
            continue
        rows += [row for row in _rows(title, found) if (row["lhs"], row["op"], row["rhs"]) in wanted]
    try:
        rows += _without_each_site(reported, data)
    except (ArithmeticError, np.linalg.LinAlgError) as error:  # without one site, a variable may not vary
        refused = {"lhs": "", "op": "", "rhs": "", "n": len(data), "note": f"not fitted without some site: {error}"}
        rows.append({"analysis": "without one site", **refused})
    return pd.DataFrame(rows, columns=PATH_SENSITIVITY_COLUMNS)


def _rows(title: str, found: SemResult) -> list[dict]:
    shown = found.paths[found.paths["op"].isin(["~", ":="])]
    return [
        {"analysis": title, "lhs": row.lhs, "op": row.op, "rhs": row.rhs, "std_all": row.std_all,
         "ci_low": row.std_all - Z_95 * row.std_se, "ci_high": row.std_all + Z_95 * row.std_se, "p": row.p,
         "n": found.n, "note": ""}
        for row in shown.itertuples()
    ]  # fmt: skip


def _without_each_site(reported: SemResult, data: pd.DataFrame) -> list[dict]:
    """Smallest and largest standardised value of every path when each site is left out in turn, all in one batch."""
    specification = parse_model(reported.model, means=reported.specification.means)
    table = model_columns(specification, data)
    needed = specification.exogenous if reported.missing == "fiml" else specification.observed
    rows = table[list(needed)].notna().all(axis=1) & table.notna().any(axis=1) & data["site"].notna()
    values, site = table[rows].to_numpy(float), data.loc[rows, "site"].to_numpy(str)
    sites = np.unique(site)
    if len(sites) < 3:
        return []
    exogenous = [specification.observed.index(name) for name in specification.exogenous]
    moments = moments_of(values, exogenous, (site != sites[:, None]).astype(float))
    structure = Structure(specification)
    start = regressions(structure, moments)
    if start is None:
        start = np.tile(structure.start(*available_moments(values)), (len(sites), 1))
    theta, converged = maximise(structure, start, moments)
    if not converged.any():
        return []
    kept = np.flatnonzero(converged)
    standard = quantities(structure, theta[kept], moments.take(kept))[1]
    found = []
    for column, row in enumerate(reported.paths.itertuples()):
        if row.op not in ("~", ":="):
            continue
        for name, pick in (("smallest", np.argmin), ("largest", np.argmax)):
            place = int(pick(standard[:, column]))
            left = sites[kept[place]]
            found.append(
                {"analysis": f"without one site, {name} value", "lhs": row.lhs, "op": row.op, "rhs": row.rhs,
                 "std_all": standard[place, column], "n": int((site != left).sum()), "note": f"without {left}"}
            )  # fmt: skip
    return found
