"""Does a result hang on one choice? Lesion volume and every PAD, and the motor groups, under other choices.

Each analysis changes one thing: which cases (without each site in turn, chronic ones, lesions of one side, complete
cases), how age enters (natural spline), how volume enters (millilitres), how sites enter (fixed effects), how missing
values are treated (multiple imputation by chained equations, Rubin's rules), where severe impairment begins.

References: van Buuren & Groothuis-Oudshoorn 2011, J Stat Softw 45(3); Rubin 1987.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
import patsy
from scipy import stats
from statsmodels.imputation.mice import MICEData

from .mixed_models import GROUP_TERM, LOG_VOLUME, Columns, FittedModel, Question, fit_models, term_rows
from .random_intercept import fit_random_intercepts

SENSITIVITY_COLUMNS = (
    *(
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
    ),
)
_IMPUTATIONS, _CYCLES = 10, 3
_CUT_STEP = 0.1
_CHRONIC_DAYS = 180


def sensitivity(
    data: pd.DataFrame,
    outcomes: Sequence[str],
    covariates: Sequence[str] = ("age", "sex"),
    cut: float | None = None,
    seed: int = 1,
    progress: Callable[[float], None] = lambda _: None,
) -> pd.DataFrame:
    """One row per analysis and outcome. `cut` : motor cut to vary; None leaves the groups out."""
    predictors = list(dict.fromkeys([LOG_VOLUME, *covariates]))
    rows = _one(data, outcomes, predictors, "as reported")
    progress(0.05)
    rows += _without_each_site(data, outcomes, predictors, lambda f: progress(0.05 + 0.6 * f))
    rows += _age_spline(data, outcomes, predictors)
    rows += _subsets(data, outcomes, predictors)
    progress(0.75)
    if "lesion_volume_ml" in data.columns:
        in_ml = ["lesion_volume_ml", *(c for c in predictors if c != LOG_VOLUME)]
        rows += _one(data, outcomes, in_ml, "volume in ml, not its logarithm")
    rows += _fixed_sites(data, outcomes, predictors)
    progress(0.85)
    rows += _imputed(data, outcomes, predictors, seed)
    if cut is not None and "motor" in data.columns:
        rows += _other_cuts(data, [*outcomes, *(["load_cst"] if "load_cst" in data.columns else [])], covariates, cut)
    progress(1.0)
    return pd.DataFrame(rows, columns=SENSITIVITY_COLUMNS)


def _row(fitted: FittedModel, predictor: str, analysis: str, note: str = "") -> list[dict]:
    """The row of one predictor; none where the model has no such term."""
    rows = []
    for row in term_rows(fitted, only=[predictor]):
        words = "; ".join(text for text in (note, row["note"]) if text)
        rows.append({"analysis": analysis, **{k: row.get(k) for k in SENSITIVITY_COLUMNS[1:-1]}, "note": words})
    return rows


def _one(
    data: pd.DataFrame,
    outcomes: Sequence[str],
    predictors: Sequence[str],
    analysis: str,
    among: np.ndarray | None = None,
) -> list[dict]:
    """Rows of the first predictor; `among` : (n,) the cases to use."""
    fits = fit_models(Columns(data), (Question(outcome, predictors, among) for outcome in outcomes))
    return [row for fitted in fits for row in _row(fitted, predictors[0], analysis)]


def _without_each_site(
    data: pd.DataFrame, outcomes: Sequence[str], predictors: Sequence[str], progress: Callable[[float], None]
) -> list[dict]:
    """The smallest and the largest estimate when each site is left out in turn."""
    sites = sorted(data["site"].dropna().unique())
    if len(sites) < 3:
        return []

    def questions() -> Iterator[Question]:
        for done, site in enumerate(sites):
            progress(done / len(sites))
            others = (data["site"] != site).to_numpy()
            yield from (Question(outcome, predictors, others) for outcome in outcomes)

    found: dict[str, list[dict]] = {outcome: [] for outcome in outcomes}
    fits = fit_models(Columns(data), questions())
    for number, fitted in enumerate(fits):
        found[fitted.outcome] += _row(fitted, predictors[0], "", f"without {sites[number // len(outcomes)]}")
    rows = []
    for parts in found.values():
        estimated = [row for row in parts if np.isfinite(row["estimate"])]
        if estimated:
            for name, pick in (("smallest", min), ("largest", max)):
                row = pick(estimated, key=lambda row: row["estimate"])
                rows.append({**row, "analysis": f"without one site, {name} estimate"})
    return rows


def _age_spline(data: pd.DataFrame, outcomes: Sequence[str], predictors: Sequence[str]) -> list[dict]:
    if "age" not in predictors or data["age"].nunique() < 10:
        return []
    known = data[data["age"].notna()]
    basis = patsy.dmatrix("cr(age, df=3) - 1", known)
    names = [f"age_spline_{k}" for k in range(basis.shape[1] - 1)]  # the whole basis sums to the intercept
    curved = known.assign(**dict(zip(names, np.asarray(basis).T, strict=False)))
    others = [c for c in predictors if c != "age"]
    return _one(curved, outcomes, [*others, *names], "age as a natural spline (3 df)")


def _subsets(data: pd.DataFrame, outcomes: Sequence[str], predictors: Sequence[str]) -> list[dict]:
    rows = []
    if "days_post_stroke" in data.columns:
        chronic = data["days_post_stroke"] > _CHRONIC_DAYS
        if 0 < chronic.sum() < len(data):
            title = f"more than {_CHRONIC_DAYS} days after the stroke"
            rows += _one(data, outcomes, predictors, title, chronic.to_numpy())
    if "lesion_side" in data.columns:
        side = data["lesion_side"].astype(str).str.upper().str[:1]
        for letter, name in (("L", "left"), ("R", "right")):
            if 0 < (side == letter).sum() < len(data):
                rows += _one(data, outcomes, predictors, f"lesions of the {name} side", (side == letter).to_numpy())
    complete = data[[*outcomes, *predictors, "site"]].notna().all(axis=1)
    if 0 < complete.sum() < len(data):
        rows += _one(data, outcomes, predictors, "cases complete for every outcome", complete.to_numpy())
    return rows


def _fixed_sites(data: pd.DataFrame, outcomes: Sequence[str], predictors: Sequence[str]) -> list[dict]:
    """Every site its own intercept: least squares within sites."""
    if data["site"].nunique() < 2:
        return []
    columns = Columns(data)
    models = [(outcome, columns.model(outcome, predictors)) for outcome in outcomes]
    models = [(outcome, model) for outcome, model in models if len(model.y)]
    within = []
    for _, model in models:
        labels, index = np.unique(model.site, return_inverse=True)
        dummies = np.eye(len(labels))[index][:, 1:]
        within.append((model.y, np.column_stack([model.design, dummies]), np.zeros(len(model.y), int)))
    rows = []
    for (outcome, model), fit in zip(models, fit_random_intercepts(within), strict=True):
        spread = model.design[:, 1].std(ddof=1) / model.y.std(ddof=1) if model.y.std() > 0 else np.nan
        rows.append(
            {"analysis": "sites as fixed effects", "outcome": outcome, "term": predictors[0],
             "estimate": fit.estimate[1], "ci_low": fit.ci_low[1], "ci_high": fit.ci_high[1], "p": fit.p[1],
             "std_beta": fit.estimate[1] * spread, "n": fit.n, "n_sites": len(np.unique(model.site)),
             "status": fit.term_status[1], "note": ""}
        )  # fmt: skip
    return rows


def _imputed(data: pd.DataFrame, outcomes: Sequence[str], predictors: Sequence[str], seed: int) -> list[dict]:
    """Chained equations over outcomes and predictors, pooled by Rubin's rules; nothing where nothing is missing."""
    numeric = [c for c in predictors if pd.api.types.is_numeric_dtype(data[c])]
    numeric += ["sex_M"] if "sex" in predictors and "sex_M" in data.columns else []
    if len(numeric) < len(predictors):
        return []
    used = [c for c in dict.fromkeys([*numeric, *outcomes]) if data[c].notna().sum() > 20 and data[c].nunique() > 1]
    known = data[data["site"].notna()].reset_index(drop=True)
    incomplete = known[used].isna()
    outcomes = [c for c in outcomes if c in used]
    if not incomplete.to_numpy().any() or not set(numeric) <= set(used) or len(known) <= 2 * len(used):
        return []
    state = np.random.get_state()  # noqa: NPY002 - statsmodels draws from numpy's global generator
    np.random.seed(seed)  # noqa: NPY002
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            chain = MICEData(known[used].copy())
            filled = []
            for _ in range(_IMPUTATIONS):
                chain.update_all(_CYCLES)
                filled.append(chain.data.copy())
    except (np.linalg.LinAlgError, ValueError):
        return []
    finally:
        np.random.set_state(state)  # noqa: NPY002
    rows, site = [], pd.factorize(known["site"])[0]
    for outcome in outcomes:
        models = [
            (complete[outcome].to_numpy(float), np.column_stack([np.ones(len(complete)), complete[numeric]]), site)
            for complete in filled
        ]
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
            {"analysis": f"multiple imputation ({_IMPUTATIONS})", "outcome": outcome, "term": predictors[0],
             "estimate": estimate, "ci_low": estimate - reach, "ci_high": estimate + reach,
             "p": float(2 * stats.t.sf(abs(estimate) / np.sqrt(total), df)), "n": len(known),
             "n_sites": known["site"].nunique(), "status": "ok", "note": f"{100 * lost:.0f} % of information missing"}
        )  # fmt: skip
    return rows


def _other_cuts(data: pd.DataFrame, variables: Sequence[str], covariates: Sequence[str], cut: float) -> list[dict]:
    """The motor groups with a cut a tenth of the scale lower and higher."""
    rows = []
    for other in (cut - _CUT_STEP, cut, cut + _CUT_STEP):
        if not 0 < other < 1:
            continue
        mild = (data["motor"] > other + 5e-4).astype(float).where(data["motor"].notna())
        if mild.nunique() == 2:
            name = f"mild minus severe, cut at {other:.3f}" + (" (as reported)" if other == cut else "")
            rows += _one(data.assign(**{GROUP_TERM: mild}), variables, [GROUP_TERM, *covariates], name)
    return rows
