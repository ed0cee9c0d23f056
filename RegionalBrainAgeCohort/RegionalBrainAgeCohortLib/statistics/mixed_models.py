"""The three families of mixed models: lesion volume -> PAD, every load -> every PAD, and motor group differences.

Each model has a random intercept for site (`random_intercept`). A family is the set of tests whose p-values are
corrected together (Benjamini-Hochberg): all outcomes of one model and term for the volume models, all load x outcome
pairs for the load models, all variables for the group differences. Thickness, the baseline, is always a family of its
own, so that it does not change what is said of the PADs.

A large lesion damages many regions at once: without lesion volume in the model, a load stands for the volume. Loads are
therefore adjusted for log lesion volume, and the unadjusted coefficient stands beside. A load that few people carry is
not tested (`Overlap`): its coefficient would rest on them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from .design_rank import CONSTANT
from .random_intercept import EXACT, FAILED, NO_CASE, InterceptFit, fit_random_intercepts

LOG_VOLUME = "log_lesion_volume"
INTERCEPT = "intercept"
GROUP_TERM = "group_mild"
VOLUME_MODELS = {"volume": (), "volume_days": ("days_post_stroke",)}
STATISTICS = ("estimate", "se", "df", "t", "p", "ci_low", "ci_high", "std_beta", "p_fdr")
FIT_COLUMNS = ("n", "n_sites", "site_variance", "residual_variance", "icc", "status", "n_left_out", "note")
MIXED_COLUMNS = ("model", "outcome", "term", *STATISTICS, *FIT_COLUMNS)
UNADJUSTED = ("estimate", "ci_low", "ci_high", "p", "p_fdr")
LOAD_COLUMNS = (
    *("model", "outcome", "load", "term", *STATISTICS, "n_damaged"),
    *(f"unadjusted_{name}" for name in UNADJUSTED),
    *FIT_COLUMNS,
)
GROUP_COLUMNS = (
    *("variable", "term", *STATISTICS, *FIT_COLUMNS),
    *("n_mild", "n_severe", "mean_mild", "mean_severe", "n_damaged"),
)
TOO_FEW = "too few damaged"


@dataclass(frozen=True)
class Overlap:
    """How many people must carry a lesion load before it is tested.

    A person counts as damaged from a load of `from_load` (fraction of the region or tract); `people` and `share` of the
    cases used must both be reached.
    """

    people: int = 10
    share: float = 0.05
    from_load: float = 0.01

    def enough(self, damaged: int, n: int) -> bool:
        """Whether `damaged` of `n` cases are enough to test the load."""
        return damaged >= max(self.people, self.share * n)


NO_MINIMUM = Overlap(0, 0.0)


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """False discovery rate adjusted p-values of one family; NaN stays NaN and is not counted (R: p.adjust "BH")."""
    adjusted = np.array(p, float)
    known = np.isfinite(adjusted)
    if known.any():
        adjusted[known] = multipletests(adjusted[known], method="fdr_bh")[1]
    return adjusted


@dataclass(frozen=True)
class ModelData:
    """The complete cases of one model: outcome (n,), design (n, terms; intercept first), sites (n,), row positions."""

    terms: tuple[str, ...]
    y: np.ndarray
    design: np.ndarray
    site: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class _Coded:
    """One column as numbers: term names, values (n, terms), which cells are missing (n,), and whether it was text."""

    names: tuple[str, ...]
    values: np.ndarray
    missing: np.ndarray
    is_text: bool


class Columns:
    """The columns of a table coded once for many models: numbers as they are, text as 0/1 columns as R codes it.

    ``sex`` becomes ``sex_M`` (1 = male). Levels of a text are those of the cases a model uses: its 0/1 columns are made
    for all levels, and those of absent levels, which are constant, are left out.
    """

    def __init__(self, data: pd.DataFrame) -> None:
        self.data = data
        self.missing_site = data["site"].isna().to_numpy()
        self.site = pd.factorize(data["site"])[0]
        self._coded: dict[str, _Coded] = {}
        self._last: tuple[tuple[str, ...], ModelData] | None = None

    def coded(self, column: str) -> _Coded:
        """The column as numbers."""
        if column not in self._coded:
            series = self.data[column]
            if pd.api.types.is_numeric_dtype(series) and column != "sex":
                values = series.to_numpy(float)
                self._coded[column] = _Coded((column,), values[:, None], np.isnan(values), False)
            else:
                text = series.astype(object)
                levels = ["F", "M"] if column == "sex" else sorted(text.dropna().unique())
                values = np.zeros((len(text), len(levels)))
                for k, level in enumerate(levels):
                    values[:, k] = text == level
                names = tuple(f"{column}_{level}" for level in levels)
                self._coded[column] = _Coded(names, values, text.isna().to_numpy(), True)
        return self._coded[column]

    def usable(self, outcome: str, predictors: Sequence[str], among: np.ndarray | None = None) -> np.ndarray:
        """Positions of the complete cases of a model; `among` as in `model`."""
        unusable = self.missing_site if among is None else self.missing_site | ~among
        for column in (outcome, *predictors):
            unusable = unusable | self.coded(column).missing
        return np.flatnonzero(~unusable)

    def model(self, outcome: str, predictors: Sequence[str], among: np.ndarray | None = None) -> ModelData:
        """Outcome, design and sites of ``outcome ~ predictors + (1 | site)`` on the complete cases.

        among : (n,) which cases of the table may be used; None is all of them. A model of the same predictors and cases
        as the one before has that one's very design and sites.
        """
        y, rows = self.coded(outcome).values[:, 0], self.usable(outcome, predictors, among)
        # sex makes the column sex_M, which may be asked for beside it.
        asked = tuple(c for c in dict.fromkeys(predictors) if c != "sex_M" or "sex" not in predictors)
        if self._last is not None and self._last[0] == asked and np.array_equal(self._last[1].rows, rows):
            return replace(self._last[1], y=y[rows])
        terms, values = [INTERCEPT], [np.ones((len(rows), 1))]
        for column in asked:
            part = self.coded(column)
            names, used = list(part.names), part.values[rows]
            if part.is_text:
                present = np.flatnonzero(used.any(axis=0) | (column == "sex"))
                first = 0 if len(present) == 1 else 1
                names, used = [names[k] for k in present[first:]], used[:, present[first:]]
            terms += names
            values.append(used)
        model = ModelData(tuple(terms), y[rows], np.concatenate(values, axis=1), self.site[rows], rows)
        self._last = (asked, model)
        return model


@dataclass(frozen=True)
class FittedModel:
    """One fitted mixed model: its terms (intercept first), the fit, and how many cases it had to leave out.

    scale : SD(term) / SD(outcome) over the cases used, which turns an estimate into a standardised coefficient.
    """

    outcome: str
    terms: tuple[str, ...]
    fit: InterceptFit
    scale: np.ndarray
    left_out: int


@dataclass(frozen=True)
class Question:
    """One model to fit: ``outcome ~ predictors + (1 | site)``; among : (n,) cases that may be used, None is all."""

    outcome: str
    predictors: Sequence[str]
    among: np.ndarray | None = None


def fit_models(columns: Columns, questions: Iterable[Question]) -> list[FittedModel]:
    """Fit every model on its complete cases."""
    described = []

    def models() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        design, spread = np.empty((0, 0)), np.empty(0)
        for question in questions:
            model = columns.model(question.outcome, question.predictors, question.among)
            available = len(columns.data) if question.among is None else int(question.among.sum())
            scale = np.full(len(model.terms), np.nan)
            if len(model.y) > 1:
                if model.design is not design:
                    design, spread = model.design, model.design.std(axis=0, ddof=1)
                with np.errstate(divide="ignore", invalid="ignore"):
                    scale = spread / model.y.std(ddof=1)
            described.append((question.outcome, model.terms, scale, available - len(model.y)))
            yield model.y, model.design, model.site

    fits = fit_random_intercepts(models())
    return [
        FittedModel(outcome, terms, fit, scale, left_out)
        for (outcome, terms, scale, left_out), fit in zip(described, fits, strict=True)
    ]


def term_rows(model: FittedModel, only: Sequence[str] | None = None) -> list[dict]:
    """Result rows of one model, one per term (or per term of `only`); dropped terms have NaN and say why."""
    names, fit = model.terms, model.fit
    dropped = [names[j] for j in fit.dropped if fit.status not in (CONSTANT, NO_CASE)]
    notes = []
    if fit.status == CONSTANT:
        notes.append(f"{model.outcome} has the same value in all {fit.n} cases")
    elif fit.status == EXACT:
        notes.append(f"the predictors make up {model.outcome}: one of them is a copy of it, or it is a sum of them")
    elif fit.status == FAILED:
        notes.append(f"the site variance of {fit.n} complete cases has no estimate")
    elif dropped and len(dropped) == len(names):
        notes.append(f"{fit.n} complete cases are too few for {len(names)} terms")
    elif dropped:
        notes.append("left out of the model as constant or collinear: " + ", ".join(dropped))
    if fit.n and np.isnan(fit.site_variance) and fit.n_sites in (1, fit.n):
        notes.append("ordinary regression: " + ("one site" if fit.n_sites == 1 else "one case per site"))
    rows = []
    for j, name in enumerate(names):
        if only is not None and name not in only:
            continue
        rows.append(
            {
                "outcome": model.outcome,
                "term": name,
                "estimate": fit.estimate[j],
                "se": fit.se[j],
                "df": fit.df[j],
                "t": fit.t[j],
                "p": fit.p[j],
                "ci_low": fit.ci_low[j],
                "ci_high": fit.ci_high[j],
                "std_beta": np.nan if j == 0 else fit.estimate[j] * model.scale[j],
                "n": fit.n,
                "n_sites": fit.n_sites,
                "site_variance": fit.site_variance,
                "residual_variance": fit.residual_variance,
                "icc": fit.icc,
                "status": fit.term_status[j],
                "n_left_out": model.left_out,
                "note": "; ".join(notes),
            }
        )
    return rows


def _silent(_: float) -> None:
    return None


def volume_models(
    data: pd.DataFrame,
    outcomes: Sequence[str],
    covariates: Sequence[str] = ("age", "sex"),
    progress: Callable[[float], None] = _silent,
) -> pd.DataFrame:
    """``PAD ~ log(lesion volume) + covariates + (1 | site)`` for every outcome, without and with days since stroke.

    Needs the columns ``log_lesion_volume`` (natural logarithm of millilitres) and ``site``. How to read the rows: the
    estimate of ``log_lesion_volume`` is the change of PAD, in years, when the lesion is 2.7 times as large.
    """
    rows, columns = [], Columns(data)
    models = {name: extra for name, extra in VOLUME_MODELS.items() if set(extra) <= set(data.columns)}
    for number, (model, extra) in enumerate(models.items()):
        predictors = list(dict.fromkeys([LOG_VOLUME, *covariates, *extra]))
        for fitted in fit_models(columns, (Question(outcome, predictors) for outcome in outcomes)):
            rows += [{"model": model, **row} for row in term_rows(fitted)]
        progress((number + 1) / len(models))
    return adjust_within(pd.DataFrame(rows, columns=MIXED_COLUMNS), ["model", "term"])


def load_models(
    data: pd.DataFrame,
    outcomes: Sequence[str],
    loads: Sequence[str],
    covariates: Sequence[str] = ("age", "sex"),
    overlap: Overlap = Overlap(),
    progress: Callable[[float], None] = _silent,
) -> pd.DataFrame:
    """``PAD ~ load + log(lesion volume) + covariates + (1 | site)`` for every pair; one row per pair, that of the load.

    The columns ``unadjusted_...`` are the load's coefficient in the same model without lesion volume. ``n_damaged``
    counts the cases used whose load reaches ``overlap.from_load``; a pair with too few is not fitted (status "too few
    damaged"). Without a column ``log_lesion_volume`` the model is the unadjusted one, and its name says so.
    """
    adjusted = [LOG_VOLUME] if LOG_VOLUME in data.columns and data[LOG_VOLUME].notna().any() else []
    model = "load" if adjusted else "load_unadjusted"
    tests: list[tuple[dict[str, Any], str, list[str]]] = []
    rows, columns = [], Columns(data)
    volume_known = ~columns.coded(LOG_VOLUME).missing if adjusted else None
    for load in loads:
        values = columns.coded(load).values[:, 0]
        predictors = list(dict.fromkeys([load, *adjusted, *covariates]))
        for outcome in outcomes:
            used = values[columns.usable(outcome, predictors)]
            damaged = int((used >= overlap.from_load).sum())
            row: dict[str, Any] = {"model": model, "load": load, "n_damaged": damaged}
            if len(used) and np.ptp(used) > 0 and not overlap.enough(damaged, len(used)):
                row |= untested(outcome, load, len(used), len(data) - len(used), damaged, overlap)
            else:
                tests.append((row, outcome, predictors))
            rows.append(row)

    def questions(without: str, among: np.ndarray | None, begin: float) -> Iterator[Question]:
        for done, (_, outcome, predictors) in enumerate(tests):
            progress(begin + 0.5 * done / len(tests))
            yield Question(outcome, [name for name in predictors if name != without], among)

    fits = fit_models(columns, questions("", None, 0.0))
    beside = fit_models(columns, questions(LOG_VOLUME, volume_known, 0.5)) if adjusted else fits
    for (row, _, _), fitted, other in zip(tests, fits, beside, strict=True):
        (found,), (unadjusted,) = (term_rows(part, only=[row["load"]]) for part in (fitted, other))
        row |= found | {f"unadjusted_{name}": unadjusted.get(name) for name in UNADJUSTED}
    progress(1.0)
    table = adjust_within(pd.DataFrame(rows, columns=LOAD_COLUMNS), ["model"])
    return table.assign(unadjusted_p_fdr=benjamini_hochberg(table["unadjusted_p"].to_numpy(float)))


def untested(outcome: str, term: str, n: int, left_out: int, damaged: int, overlap: Overlap) -> dict:
    """A row that says why a load was not tested."""
    least = max(overlap.people, int(np.ceil(overlap.share * n)))
    note = f"{damaged} of {n} cases have a load of {overlap.from_load:g} or more; at least {least} are needed"
    return {"outcome": outcome, "term": term, "n": n, "n_left_out": left_out, "status": TOO_FEW, "note": note}


def group_differences(
    data: pd.DataFrame,
    variables: Sequence[str],
    covariates: Sequence[str] = ("age", "sex"),
    overlap: Overlap = Overlap(),
    progress: Callable[[float], None] = _silent,
) -> pd.DataFrame:
    """Adjusted mean difference, mild minus severe, of every variable: ``variable ~ group + covariates + (1 | site)``.

    Needs the column ``group_mild`` (1 mild, 0 severe, NaN unknown). A negative difference of a lesion load says that
    people with mild impairment have less damage there. A load that few people carry is not tested (`Overlap`).
    """
    rows, columns = [], Columns(data)
    mild = data[GROUP_TERM].to_numpy(float) == 1
    predictors = {v: [GROUP_TERM, *(c for c in covariates if c not in (v, GROUP_TERM))] for v in variables}
    fits = fit_models(columns, (Question(*item) for item in predictors.items()))
    for done, (variable, fitted) in enumerate(zip(predictors, fits, strict=True)):
        used = columns.usable(variable, predictors[variable])
        values, mild_used = columns.coded(variable).values[used, 0], mild[used]
        is_load = variable.startswith("load_")
        damaged = int((values >= overlap.from_load).sum()) if is_load else -1
        if is_load and len(np.unique(values)) > 1 and not overlap.enough(damaged, len(used)):
            row = untested(variable, GROUP_TERM, len(used), len(data) - len(used), damaged, overlap)
        else:
            (row,) = term_rows(fitted, only=[GROUP_TERM])
        means = [values[part].mean() if part.any() else np.nan for part in (mild_used, ~mild_used)]
        rows.append(
            {
                "variable": variable,
                **row,
                "n_mild": int(mild_used.sum()),
                "n_severe": int((~mild_used).sum()),
                "mean_mild": means[0],
                "mean_severe": means[1],
                "n_damaged": damaged if is_load else None,
            }
        )
        progress((done + 1) / len(variables))
    table = pd.DataFrame(rows, columns=GROUP_COLUMNS)
    families = table.assign(baseline=table["variable"].str.startswith("thickness_"))
    return adjust_within(families, ["baseline"])[list(GROUP_COLUMNS)]


def adjust_within(table: pd.DataFrame, family: list[str]) -> pd.DataFrame:
    """`table` with p_fdr filled within each group of equal `family` columns."""
    adjusted = table.copy()
    adjusted["p_fdr"] = np.nan
    for _, members in table.groupby(family):
        adjusted.loc[members.index, "p_fdr"] = benjamini_hochberg(members["p"].to_numpy(float))
    return adjusted
