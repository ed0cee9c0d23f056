"""Means of the motor groups adjusted for the covariates of the group differences, each with its interval.

They come from the same models as the differences, ``variable ~ group + covariates + (1 | site)``: the group's expected
value for the average covariates of the cases used (women and men in the shares the cohort has them). With centred
covariates it is the intercept, so its standard error and Satterthwaite degrees of freedom are those of a coefficient.

Validated against R: lmerTest's ``contest1D`` of the same linear combination.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .mixed_models import GROUP_TERM, Columns
from .random_intercept import fit_random_intercepts

MEAN_COLUMNS = ("variable", "group", "mean", "se", "df", "ci_low", "ci_high", "n")
_GROUPS = {"mild": 1.0, "severe": 0.0}


def adjusted_means(
    data: pd.DataFrame, variables: Sequence[str], covariates: Sequence[str] = ("age", "sex")
) -> pd.DataFrame:
    """Two rows, mild and severe, for every variable; their difference is the variable's adjusted difference.

    Needs the column ``group_mild`` (1 mild, 0 severe, NaN unknown). A variable whose model has no group difference
    (constant, collinear) has no rows.
    """
    columns, described, models = Columns(data), [], []
    for variable in variables:
        model = columns.model(variable, [GROUP_TERM, *(c for c in covariates if c not in (variable, GROUP_TERM))])
        group = model.terms.index(GROUP_TERM)
        for name, code in _GROUPS.items():
            design = model.design.copy()
            others = [k for k in range(1, design.shape[1]) if k != group]
            if len(design):
                design[:, others] -= design[:, others].mean(axis=0)
            design[:, group] -= code
            described.append((variable, name, int((model.design[:, group] == code).sum()), group))
            models.append((model.y, design, model.site))
    rows = []
    for (variable, name, n, group), fit in zip(described, fit_random_intercepts(models), strict=True):
        if np.isfinite(fit.p[group]):
            rows.append(
                {"variable": variable, "group": name, "mean": fit.estimate[0], "se": fit.se[0], "df": fit.df[0],
                 "ci_low": fit.ci_low[0], "ci_high": fit.ci_high[0], "n": n}
            )  # fmt: skip
    return pd.DataFrame(rows, columns=MEAN_COLUMNS)
