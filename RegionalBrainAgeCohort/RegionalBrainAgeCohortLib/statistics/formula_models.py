"""A mixed model of the user's own formula, fitted to every outcome of a family and corrected within each term."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from RegionalBrainAgeLib.errors import InputError, RegionalBrainAgeError

from .mixed_models import adjust_within
from .random_effects import fit_mixed

FORMULA_COLUMNS = (
    *("outcome", "term", "estimate", "se", "df", "t", "p", "ci_low", "ci_high", "p_fdr"),
    *("n", "log_likelihood", "test", "status", "note"),
)
VARIANCE_COLUMNS = ("outcome", "group", "term", "variance", "groups")
DEFAULT_RANDOM = "1 | site"


def formula_models(
    data: pd.DataFrame,
    outcomes: Sequence[str],
    formula: str,
    random: str = "",
    progress: Callable[[float], None] = lambda _: None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """``outcome ~ formula + random`` for every outcome: the coefficients, and the variances of the random effects.

    A formula with a left side (``motor ~ load_cst * age``) is fitted to that one outcome. An outcome whose model cannot
    be fitted has one row with the status "failed" and the reason.
    """
    left, tilde, right = formula.partition("~")
    if tilde:
        outcomes, formula = [left.strip()], right
        if outcomes[0] not in data.columns:
            raise InputError(f"The formula's outcome '{outcomes[0]}' is no column of the table.", "Give a column.")
    rows: list[dict[str, object]] = []
    variances: list[dict[str, object]] = []
    for done, outcome in enumerate(outcomes):
        try:
            fit = fit_mixed(data, outcome, formula.strip(), random.strip() or DEFAULT_RANDOM)
        except RegionalBrainAgeError as error:
            rows.append({"outcome": outcome, "term": "", "status": "failed", "note": str(error)})
        else:
            shared = {"outcome": outcome, "n": fit.n, "log_likelihood": fit.log_likelihood, "test": fit.test}
            shared |= {"status": "singular" if fit.note else "ok", "note": fit.note}
            rows += [{**row, **shared} for row in fit.fixed.to_dict("records")]
            variances += [
                {"outcome": outcome, **row, "groups": fit.groups.get(row["group"])}
                for row in fit.variances.to_dict("records")
            ]
            variances.append({"outcome": outcome, "group": "Residual", "term": "", "variance": fit.residual_variance})
        progress((done + 1) / len(outcomes))
    table = pd.DataFrame(rows, columns=FORMULA_COLUMNS)
    for name in ("p", "estimate"):
        table[name] = table[name].astype(float).replace([np.inf, -np.inf], np.nan)
    return adjust_within(table, ["term"]), pd.DataFrame(variances, columns=VARIANCE_COLUMNS)
