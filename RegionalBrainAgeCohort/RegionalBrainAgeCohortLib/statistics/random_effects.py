"""Mixed models with a formula of one's own, random slopes and several grouping factors, by statsmodels' MixedLM.

Fixed effects are a patsy formula without the outcome (``log_lesion_volume * age + sex``); random effects are written
as lme4 writes them (``1 + days_post_stroke | site``; ``(1 | site) + (1 | scanner)``; ``1 | site/scanner``). A single
random intercept is fitted exactly (`random_intercept`), with Satterthwaite degrees of freedom; all else by MixedLM,
started from that exact fit and optimised in two ways, whose restricted log likelihoods must agree. Tests are then z.

References: Lindstrom & Bates 1988, JASA 83:1014; validated against lme4 (sleepstudy, Pastes, Penicillin).
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import patsy
from RegionalBrainAgeLib.errors import InputError, RegionalBrainAgeError
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams, MixedLMResults

from .design_rank import is_exact
from .random_intercept import fit_random_intercept

AGREEMENT = 1e-6
_MOST_CROSSED = 3000  # several grouping factors need the covariance of all cases at once
_NAME = r"[A-Za-z_]\w*"


@dataclass(frozen=True)
class RandomTerm:
    """``(1 + slopes | group)``; `group` may be several columns joined, as in site:scanner."""

    slopes: tuple[str, ...]
    group: tuple[str, ...]
    intercept: bool = True


@dataclass(frozen=True)
class MixedFit:
    """A fitted model. `fixed` has term, estimate, se, df, t, p, ci_low, ci_high; `variances` has group, term, variance.

    Covariances of random effects stand in `variances` with both terms, joined by a colon. `test` says what t is.
    """

    fixed: pd.DataFrame
    variances: pd.DataFrame
    residual_variance: float
    log_likelihood: float
    n: int
    groups: dict[str, int]
    test: str
    note: str


def parse_random(text: str) -> tuple[RandomTerm, ...]:
    """Random effects as lme4 writes them; raises `InputError` with the part that cannot be read."""
    terms = []
    for part in re.split(r"\)\s*\+\s*\(", text.strip().removeprefix("(").removesuffix(")")):
        pieces = [piece.strip() for piece in part.split("|")]
        if len(pieces) != 2 or not all(pieces):
            raise InputError(f"The random effects '{part}' cannot be read.", "Write them as (1 + days | site).")
        effects = [effect.strip() for effect in pieces[0].split("+")]
        groups = [group.strip() for group in pieces[1].split("/")]
        odd = [name for name in effects if not re.fullmatch(_NAME, name) and name not in ("0", "1")]
        odd += [name for group in groups for name in group.split(":") if not re.fullmatch(_NAME, name)]
        if odd:
            raise InputError(f"'{odd[0]}' in the random effects '{part}' is no column name.", "Give column names.")
        slopes = tuple(name for name in effects if name not in ("0", "1"))
        for depth in range(1, len(groups) + 1):
            group = tuple(name for joined in groups[:depth] for name in joined.split(":"))
            terms.append(RandomTerm(slopes, group, "0" not in effects))
    return tuple(terms)


def fit_mixed(data: pd.DataFrame, outcome: str, formula: str, random: str = "1 | site") -> MixedFit:
    """Fit ``outcome ~ formula + random`` by REML on the complete cases.

    Parameters
    ----------
    data : one row per case. formula : fixed effects, a patsy formula without the outcome. random : see `parse_random`.

    Raises
    ------
    InputError : a name is no column, the formula cannot be read, its terms make up the outcome, or there are too few
        cases or groups.
    RegionalBrainAgeError : the two optimisers did not agree: the data do not determine the random effects.
    """
    terms = parse_random(random)
    used, names, design = _design(data, outcome, formula, terms)
    y = used[outcome].to_numpy(float)
    if len(y) <= design.shape[1] + 1:
        raise InputError(f"{len(y)} complete cases are too few for {design.shape[1]} terms.", "Use fewer terms.")
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise InputError(f"The terms of '{formula}' are exact combinations of each other.", "Leave one out.")
    left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    if is_exact(y, float(left @ left)):
        raise InputError(f"The terms of '{formula}' make up {outcome}.", "Leave out its copy, or itself.")
    groups = {":".join(term.group): used[list(term.group)].astype(str).agg(":".join, axis=1) for term in terms}
    sizes = {name: group.nunique() for name, group in groups.items()}
    for name, size in sizes.items():
        if not 1 < size < len(y):
            raise InputError(
                f"The grouping '{name}' has {size} group(s) in {len(y)} cases: it has no variance to estimate.",
                "Choose another grouping.",
            )
    if len(terms) == 1 and terms[0].intercept and not terms[0].slopes:
        return _exact(y, names, design, next(iter(groups)), next(iter(groups.values())), sizes)
    return _iterative(y, names, design, terms, groups, used, sizes)


def _design(
    data: pd.DataFrame, outcome: str, formula: str, terms: tuple[RandomTerm, ...]
) -> tuple[pd.DataFrame, list[str], np.ndarray]:
    needed = {name for term in terms for name in (*term.slopes, *term.group)}
    absent = sorted(needed - set(data.columns))
    if absent:
        raise InputError(f"The random effects use '{absent[0]}', which is no column of the table.", "Give a column.")
    texts = {
        name: data[name].astype(object).where(data[name].notna()) for name in data.columns if data[name].dtype == object
    }
    complete = data.assign(**texts).dropna(subset=[outcome, *sorted(needed)])
    try:
        built = patsy.dmatrix(formula, complete, NA_action="drop", return_type="dataframe")
    except (patsy.PatsyError, NameError, SyntaxError, TypeError, ValueError, KeyError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"The formula '{formula}' cannot be used: {first}.", "Use the names of columns.") from error
    return complete.loc[built.index], list(built.columns), built.to_numpy(float)


def _exact(
    y: np.ndarray, names: list[str], design: np.ndarray, name: str, group: pd.Series, sizes: dict[str, int]
) -> MixedFit:
    fit = fit_random_intercept(y, design, group.to_numpy(str))
    fixed = pd.DataFrame(
        {"term": names, "estimate": fit.estimate, "se": fit.se, "df": fit.df, "t": fit.t, "p": fit.p,
         "ci_low": fit.ci_low, "ci_high": fit.ci_high}
    )  # fmt: skip
    variances = pd.DataFrame([{"group": name, "term": "Intercept", "variance": fit.site_variance}])
    note = "site variance of zero" if fit.status == "singular" else ""
    return MixedFit(
        fixed, variances, fit.residual_variance, fit.log_likelihood, len(y), sizes, "t, Satterthwaite", note
    )


def _iterative(
    y: np.ndarray,
    names: list[str],
    design: np.ndarray,
    terms: tuple[RandomTerm, ...],
    groups: dict[str, pd.Series],
    used: pd.DataFrame,
    sizes: dict[str, int],
) -> MixedFit:
    outer, correlated, inner = _arrange(terms, groups)
    columns, labels = [], []
    slopes: dict[str, float] = {}
    middle: dict[str, float] = {}
    if correlated is not None:
        slopes = {name: max(float(used[name].std()), 1e-300) for name in correlated.slopes}
        # About its mean a slope is hardly correlated with the intercept, which the search needs; turned back below.
        middle = {name: float(used[name].mean()) if correlated.intercept else 0.0 for name in slopes}
        if correlated.intercept:
            columns.append(np.ones(len(y)))
            labels.append("Intercept")
        for name, unit in slopes.items():
            columns.append((used[name].to_numpy(float) - middle[name]) / unit)
            labels.append(name)
    effects = np.column_stack(columns) if columns else None
    components = {}
    for term in inner:
        group = groups[":".join(term.group)]
        indicators = pd.get_dummies(group).to_numpy(float)
        if term.intercept:
            components[":".join(term.group), "Intercept"] = indicators
        for name in term.slopes:
            components[":".join(term.group), name] = indicators * used[name].to_numpy(float)[:, None]
    whole = np.zeros(len(y), int) if outer is None else pd.factorize(groups[outer])[0]
    if outer is None and len(y) > _MOST_CROSSED:
        raise InputError(
            f"{len(y)} cases are too many for groupings that cross (at most {_MOST_CROSSED}).",
            "Use one grouping, or groupings within each other (site/scanner).",
        )
    model = MixedLM(y, design, groups=whole, exog_re=effects, exog_vc=_components(components, whole))
    start = _start(y, design, groups, model)
    found = _two_optimisers(model, start)
    scale = float(found.scale)
    cov_re = np.atleast_2d(found.cov_re) if effects is not None else np.empty((0, 0))
    variances = []
    back = np.diag([1 / slopes.get(label, 1.0) for label in labels])
    if "Intercept" in labels:
        back[0, 1:] = [-middle[name] / slopes[name] for name in labels[1:]]
    cov_re = back @ cov_re @ back.T if labels else cov_re
    for i, first in enumerate(labels):
        for j in range(i, len(labels)):
            pair = first if i == j else f"{first}:{labels[j]}"
            variances.append({"group": outer, "term": pair, "variance": cov_re[i, j]})
    for (group, name), value in zip(components, np.atleast_1d(found.vcomp), strict=True):
        variances.append({"group": group, "term": name, "variance": float(value)})
    estimate, se = _fixed_effects(model, found)
    z = estimate / se
    reach = stats.norm.ppf(0.975) * se
    fixed = pd.DataFrame(
        {"term": names, "estimate": estimate, "se": se, "df": np.nan, "t": z, "p": 2 * stats.norm.sf(np.abs(z)),
         "ci_low": estimate - reach, "ci_high": estimate + reach}
    )  # fmt: skip
    zero = [v["term"] for v in variances if ":" not in v["term"] and v["variance"] < 1e-6 * scale]
    note = f"variance of about zero: {', '.join(zero)}" if zero else ""
    return MixedFit(fixed, pd.DataFrame(variances), scale, float(found.llf), len(y), sizes, "z, normal", note)


def _arrange(
    terms: tuple[RandomTerm, ...], groups: dict[str, pd.Series]
) -> tuple[str | None, RandomTerm | None, tuple[RandomTerm, ...]]:
    """The grouping all others lie within (None where they cross), its term, and the other terms.

    Slopes of the outer grouping are correlated with its intercept; those of others are independent.
    """
    if len(terms) == 1:
        return ":".join(terms[0].group), terms[0], ()
    for term in terms:
        name = ":".join(term.group)
        if all(groups[name].groupby(other).nunique().max() == 1 for other in groups.values()):
            rest = tuple(other for other in terms if other is not term)
            if len(groups) == len(terms):
                return name, term, rest
    return None, None, terms


def _components(components: dict, whole: np.ndarray) -> object:
    """Variance components as MixedLM takes them: for each outer group the columns that occur in it."""
    from statsmodels.regression.mixed_linear_model import VCSpec

    if not components:
        return None
    labels = np.unique(whole)
    mats, columns = [], []
    for matrix in components.values():
        parts = []
        for label in labels:
            part = matrix[whole == label]
            parts.append(part[:, (part != 0).any(axis=0)])
        mats.append(parts)
        columns.append([[f"c{k}" for k in range(part.shape[1])] for part in parts])
    return VCSpec([f"{group} {term}" for group, term in components], columns, mats)


def _start(y: np.ndarray, design: np.ndarray, groups: dict[str, pd.Series], model: MixedLM) -> MixedLMParams:
    """Start at the exact random-intercept fit of the first grouping."""
    exact = fit_random_intercept(y, design, next(iter(groups.values())).to_numpy(str))
    fe = np.where(np.isfinite(exact.estimate), exact.estimate, 0.0)
    ratio = max(exact.theta**2 if np.isfinite(exact.theta) else 0.0, 0.05)
    cov_re = ratio * np.eye(model.k_re) if model.k_re else np.empty((0, 0))
    if model.k_re > 1:
        cov_re[1:, 1:] *= 0.1
    return MixedLMParams.from_components(fe, cov_re=cov_re, vcomp=np.full(model.k_vc, ratio))


_OPTIMISERS = (
    (("lbfgs", {"pgtol": 1e-9, "factr": 10.0, "maxiter": 300}), ("bfgs", {"gtol": 1e-8, "maxiter": 300})),
    (("bfgs", {"gtol": 1e-9, "maxiter": 300}), ("nm", {"xtol": 1e-9, "ftol": 1e-10, "maxiter": 400})),
)


def _two_optimisers(model: MixedLM, start: MixedLMParams) -> MixedLMResults:
    """The fit on which two searches agree: two quasi-Newton ones, or one of them and a simplex from the better end."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for pair in _OPTIMISERS:
            found = []
            for method, options in pair:
                try:
                    found.append(model.fit(start_params=start, reml=True, method=method, **options))
                except (np.linalg.LinAlgError, ValueError, ArithmeticError):
                    continue
            found = [fit for fit in found if np.isfinite(fit.llf)]
            if not found:
                break
            best = max(found, key=lambda fit: fit.llf)
            if len(found) == 2 and abs(found[0].llf - found[1].llf) < AGREEMENT:
                return best
            start = best.params_object
    raise RegionalBrainAgeError(
        "The random effects could not be estimated: two optimisers do not agree on their likelihood.",
        "Leave out a random slope or a grouping.",
    )


def _fixed_effects(model: MixedLM, found: MixedLMResults) -> tuple[np.ndarray, np.ndarray]:
    """Generalised least squares at the estimated variances: estimates, and standard errors s^2 (X'V^-1X)^-1."""
    x_vx, x_vy = 0.0, 0.0
    cov_re = np.atleast_2d(found.cov_re_unscaled) if model.k_re else None
    ratios = np.atleast_1d(found.vcomp) / found.scale if model.k_vc else []
    for k, label in enumerate(model.group_labels):
        rows = model.row_indices[label]
        x, y = model.exog[rows], model.endog[rows]
        v = np.eye(len(rows))
        if cov_re is not None:
            z = model.exog_re[rows]
            v += z @ cov_re @ z.T
        for ratio, parts in zip(ratios, model.exog_vc.mats if model.k_vc else [], strict=True):
            v += ratio * parts[k] @ parts[k].T
        solved = np.linalg.solve(v, np.column_stack([x, y]))
        x_vx = x_vx + x.T @ solved[:, :-1]
        x_vy = x_vy + x.T @ solved[:, -1]
    covariance = np.linalg.inv(x_vx)
    return covariance @ x_vy, np.sqrt(found.scale * np.diag(covariance))
