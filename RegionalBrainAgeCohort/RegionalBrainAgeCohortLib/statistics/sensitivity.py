"""Does a result hang on one choice? Coefficients of mixed models under other choices, one at a time.

Each analysis changes one thing: which cases (without each site in turn, chronic ones, lesions of one side, complete
cases), how age enters (natural spline), how volume enters (millilitres), how sites enter (fixed effects), how missing
values are treated (multiple imputation by chained equations, Rubin's rules), where severe impairment begins.

References: van Buuren & Groothuis-Oudshoorn 2011, J Stat Softw 45(3); Rubin 1987.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import patsy
from scipy import stats
from statsmodels.imputation.mice import MICEData

from .mixed_models import GROUP_TERM, LOG_VOLUME, Columns, FittedModel, Question, fit_models, term_rows
from .random_intercept import fit_random_intercepts

SENSITIVITY_COLUMNS = (
    "analysis",
    "outcome",
    "term",
    "estimate",
    "ci_low",
    "ci_high",
    "p",
    "std_beta",
    "n",
    "n_sites",
    "status",
    "note",
)
_IMPUTATIONS, _CYCLES = 10, 3
_CUT_STEP = 0.1
_CHRONIC_DAYS = 180
# Titles of the analyses.
_WITHOUT_SITE, _SPLINE = "without one site", "age as a natural spline (3 df)"
_CHRONIC, _SIDE = f"more than {_CHRONIC_DAYS} days after the stroke", "lesions of the {} side"
_COMPLETE, IN_ML = "cases complete for every outcome", "volume in ml, not its logarithm"
_FIXED_SITES, _IMPUTED = "sites as fixed effects", f"multiple imputation ({_IMPUTATIONS})"


def sensitivity(
    data: pd.DataFrame,
    questions: Sequence[Question],
    cut: float | None = None,
    seed: int = 1,
    progress: Callable[[float], None] = lambda _: None,
) -> pd.DataFrame:
    """One row per analysis and question, about the question's first predictor.

    questions : models as reported; their `among` is not used. cut : motor cut to vary in the questions about the motor
    groups; None leaves it.
    """
    columns = Columns(data)
    rows = _rows(columns, questions, "as reported")
    progress(0.05)
    rows += _without_each_site(columns, questions, lambda f: progress(0.05 + 0.6 * f))
    rows += _age_spline(data, questions)
    rows += _subsets(columns, questions)
    progress(0.75)
    if "lesion_volume_ml" in data.columns:
        in_ml = [
            Question(q.outcome, ["lesion_volume_ml" if c == LOG_VOLUME else c for c in q.predictors])
            for q in questions
            if LOG_VOLUME in q.predictors
        ]
        rows += _rows(columns, in_ml, IN_ML)
    rows += _fixed_sites(columns, questions)
    progress(0.85)
    rows += _imputed(data, questions, seed)
    if cut is not None and "motor" in data.columns:
        rows += _other_cuts(data, [q for q in questions if q.predictors[0] == GROUP_TERM], cut)
    rows += _not_done(data, questions, [row["analysis"] for row in rows])
    progress(1.0)
    return pd.DataFrame(rows, columns=SENSITIVITY_COLUMNS)


def _not_done(data: pd.DataFrame, questions: Sequence[Question], done: Sequence[str]) -> list[dict]:
    """A row with the reason for each analysis that these data do not ask for or allow."""
    sites, whole = data["site"].nunique(), not data[_needed(questions)].isna().to_numpy().any()
    days = data.get("days_post_stroke", pd.Series(dtype=float))
    reasons = {
        _WITHOUT_SITE: f"there are {sites} sites; it needs 3",
        _SPLINE: "age is not in these models, or has fewer than 10 values",
        _CHRONIC: "all cases are" if (days > _CHRONIC_DAYS).all() and len(days) else "the days are not known",
        **dict.fromkeys(map(_SIDE.format, ("left", "right")), "all lesions are of one side, or the side is not known"),
        _COMPLETE: "nothing is missing" if whole else "no case is complete",
        IN_ML: "the volume is not known",
        _FIXED_SITES: f"there are {sites} sites; it needs 2",
        _IMPUTED: "nothing is missing" if whole else "there are too few cases for so many variables",
    }
    return [
        {"analysis": title, "outcome": "", "term": "", "status": "not done", "note": why}
        for title, why in reasons.items()
        if not any(name.startswith(title) for name in done)
    ]


def _needed(questions: Sequence[Question]) -> list[str]:
    """Columns that any of the questions uses."""
    return list(dict.fromkeys(["site", *(c for q in questions for c in (q.outcome, *q.predictors))]))


def _row(fitted: FittedModel, predictor: str, analysis: str, note: str = "") -> list[dict]:
    """The row of one predictor; none where the model has no such term."""
    rows = []
    for row in term_rows(fitted, only=[predictor]):
        words = "; ".join(text for text in (note, row["note"]) if text)
        rows.append({"analysis": analysis, **{k: row.get(k) for k in SENSITIVITY_COLUMNS[1:-1]}, "note": words})
    return rows


def _rows(
    columns: Columns, questions: Sequence[Question], analysis: str, among: np.ndarray | None = None
) -> list[dict]:
    """Rows of the questions; `among` : (n,) the cases to use."""
    fits = fit_models(columns, (replace(question, among=among) for question in questions))
    return [
        row
        for question, fitted in zip(questions, fits, strict=True)
        for row in _row(fitted, question.predictors[0], analysis)
    ]


def _without_each_site(
    columns: Columns, questions: Sequence[Question], progress: Callable[[float], None]
) -> list[dict]:
    """The smallest and the largest estimate when each site is left out in turn."""
    site = columns.data["site"]
    sites = sorted(site.dropna().unique())
    if len(sites) < 3:
        return []

    def without() -> Iterator[Question]:
        for done, name in enumerate(sites):
            progress(done / len(sites))
            others = (site != name).to_numpy()
            yield from (replace(question, among=others) for question in questions)

    fits = fit_models(columns, without())
    rows = []
    for number, question in enumerate(questions):
        mine = zip(sites, fits[number :: len(questions)], strict=True)
        parts = [row for name, fit in mine for row in _row(fit, question.predictors[0], "", f"without {name}")]
        estimated = [row for row in parts if np.isfinite(row["estimate"])]
        if estimated:
            for name, pick in (("smallest", min), ("largest", max)):
                row = pick(estimated, key=lambda row: row["estimate"])
                rows.append({**row, "analysis": f"{_WITHOUT_SITE}, {name} estimate"})
    return rows


def _age_spline(data: pd.DataFrame, questions: Sequence[Question]) -> list[dict]:
    if data["age"].nunique() < 10:
        return []
    known = data[data["age"].notna()]
    basis = patsy.dmatrix("cr(age, df=4) - 1", known)  # the intercept and three more
    names = [f"age_spline_{k}" for k in range(basis.shape[1] - 1)]  # the whole basis sums to the intercept
    curved = known.assign(**dict(zip(names, np.asarray(basis).T, strict=False)))
    asked = [
        Question(q.outcome, [*(c for c in q.predictors if c != "age"), *names])
        for q in questions
        if "age" in q.predictors[1:]
    ]
    return _rows(Columns(curved), asked, _SPLINE)


def subsets_of_cases(data: pd.DataFrame) -> dict[str, pd.Series]:
    """Parts of the cases an analysis is repeated on, by title: chronic ones, lesions of the left and the right side."""
    subsets = {}
    if "days_post_stroke" in data.columns:
        subsets[_CHRONIC] = data["days_post_stroke"] > _CHRONIC_DAYS
    if "lesion_side" in data.columns:
        side = data["lesion_side"].astype(str).str.upper().str[:1]
        subsets |= {_SIDE.format(name): side == name[0].upper() for name in ("left", "right")}
    return subsets


def _subsets(columns: Columns, questions: Sequence[Question]) -> list[dict]:
    data, subsets = columns.data, subsets_of_cases(columns.data)
    subsets[_COMPLETE] = data[_needed(questions)].notna().all(axis=1)
    rows = []
    for title, chosen in subsets.items():
        if 0 < chosen.sum() < len(data):
            rows += _rows(columns, questions, title, chosen.to_numpy())
    return rows


def _fixed_sites(columns: Columns, questions: Sequence[Question]) -> list[dict]:
    """Every site its own intercept: least squares within sites."""
    if columns.data["site"].nunique() < 2:
        return []
    facts = []

    def within() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        design = with_sites = np.empty((0, 0))
        one = np.empty(0, int)
        for question in questions:
            model = columns.model(question.outcome, question.predictors)
            if not len(model.y):
                continue
            if model.design is not design:
                labels, index = np.unique(model.site, return_inverse=True)
                design, one = model.design, np.zeros(len(index), int)
                with_sites = np.column_stack([design, np.eye(len(labels))[index][:, 1:]])
            spread = design[:, 1].std(ddof=1) / model.y.std(ddof=1) if model.y.std() > 0 else np.nan
            facts.append((question, spread, with_sites.shape[1] - design.shape[1] + 1))
            yield model.y, with_sites, one

    fits = fit_random_intercepts(within())
    return [
        {"analysis": _FIXED_SITES, "outcome": question.outcome, "term": question.predictors[0],
         "estimate": fit.estimate[1], "ci_low": fit.ci_low[1], "ci_high": fit.ci_high[1], "p": fit.p[1],
         "std_beta": fit.estimate[1] * spread, "n": fit.n, "n_sites": sites, "status": fit.term_status[1], "note": ""}
        for (question, spread, sites), fit in zip(facts, fits, strict=True)
    ]  # fmt: skip


def _imputed(data: pd.DataFrame, questions: Sequence[Question], seed: int) -> list[dict]:
    """Chained equations over outcomes and predictors, pooled by Rubin's rules; nothing where nothing is missing."""
    numbers = {"sex": "sex_M"} if "sex_M" in data.columns else {}
    asked = [Question(q.outcome, [numbers.get(c, c) for c in q.predictors]) for q in questions]
    columns = list(dict.fromkeys(c for q in asked for c in (*q.predictors, q.outcome)))
    used = [
        c
        for c in columns
        if pd.api.types.is_numeric_dtype(data[c]) and data[c].notna().sum() > 20 and data[c].nunique() > 1
    ]
    asked = [q for q in asked if {q.outcome, *q.predictors} <= set(used)]
    known = data[data["site"].notna()].reset_index(drop=True)
    if not asked or not known[used].isna().to_numpy().any() or len(known) <= 2 * len(used):
        return []
    filled = _chained_equations(known[used], seed)
    rows, site = [], pd.factorize(known["site"])[0]
    for question in asked if filled else []:
        models = (
            (
                complete[question.outcome].to_numpy(float),
                np.column_stack([np.ones(len(complete)), complete[list(question.predictors)]]),
                site,
            )
            for complete in filled
        )
        fits = [(fit.estimate[1], fit.se[1] ** 2, fit.df[1]) for fit in fit_random_intercepts(models)]
        estimate, within = (float(np.mean([fit[k] for fit in fits])) for k in (0, 1))
        between = float(np.var([fit[0] for fit in fits], ddof=1))
        total = within + (1 + 1 / _IMPUTATIONS) * between
        if not total > 0:
            continue
        lost = (1 + 1 / _IMPUTATIONS) * between / total
        df = min((_IMPUTATIONS - 1) / max(lost, 1e-9) ** 2, float(np.mean([fit[2] for fit in fits])))
        reach = float(stats.t.ppf(0.975, df)) * np.sqrt(total)
        rows.append(
            {"analysis": _IMPUTED, "outcome": question.outcome,
             "term": question.predictors[0], "estimate": estimate, "ci_low": estimate - reach,
             "ci_high": estimate + reach, "p": float(2 * stats.t.sf(abs(estimate) / np.sqrt(total), df)),
             "n": len(known), "n_sites": known["site"].nunique(), "status": "ok",
             "note": f"{100 * lost:.0f} % of information missing"}
        )  # fmt: skip
    return rows


class _NumbersOnly(MICEData):
    """MICEData of a table of numbers, each predicted from all others: the same designs as its formulas give.

    Its own way reads every formula anew in every step, which takes twenty times as long as the imputation itself.
    """

    def _design(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        others = self.data.drop(columns=name).to_numpy(float)
        return self.data[[name]].to_numpy(float), np.column_stack([np.ones(len(others)), others])

    def get_fitting_data(self, vname: str) -> tuple[np.ndarray, np.ndarray, dict, dict]:
        endog, exog = self._design(vname)
        rows = self.ix_obs[vname]
        return endog[rows, 0], exog[rows], {}, {}

    def get_split_data(self, vname: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict, dict]:
        endog, exog = self._design(vname)
        known, missing = self.ix_obs[vname], self.ix_miss[vname]
        return endog[known], exog[known], exog[missing], {}, {}


def _chained_equations(incomplete: pd.DataFrame, seed: int) -> list[pd.DataFrame]:
    """Imputed copies of a table of numbers (predictive mean matching); none where the equations cannot be solved."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            chain = _NumbersOnly(incomplete.copy(), rng=seed)
            filled = []
            for _ in range(_IMPUTATIONS):
                chain.update_all(_CYCLES)
                filled.append(chain.data.copy())
    except (np.linalg.LinAlgError, ValueError):
        return []
    return filled


def _other_cuts(data: pd.DataFrame, questions: Sequence[Question], cut: float) -> list[dict]:
    """The motor groups with a cut a tenth of the scale lower and higher."""
    rows = []
    for other in (cut - _CUT_STEP, cut, cut + _CUT_STEP):
        if not 0 < other < 1:
            continue
        mild = (data["motor"] > other + 5e-4).astype(float).where(data["motor"].notna())
        if mild.nunique() == 2:
            name = f"mild minus severe, cut at {other:.3f}" + (" (as reported)" if other == cut else "")
            rows += _rows(Columns(data.assign(**{GROUP_TERM: mild})), questions, name)
    return rows
