"""Exact REML fit of a linear model with one random intercept, with Satterthwaite degrees of freedom.

The model is ``y = X b + site + e`` with ``site ~ N(0, theta^2 s^2)`` and ``e ~ N(0, s^2)``. For one random intercept
everything the likelihood needs is a handful of sums per site, so the profiled REML criterion and its derivatives are
exact and cheap: no general-purpose optimiser is involved, and the whole range of ``theta`` is searched. Hundreds of
models are fitted at once (`reml`).

Validated against R: lme4 (estimates, variances, singular fits, dropped columns) and lmerTest (degrees of freedom).

References: Bates et al. 2015, J Stat Softw 67(1); Kuznetsova et al. 2017, J Stat Softw 82(13).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .design_rank import CONSTANT, RANK_DEFICIENT, is_exact
from .reml import THETA_GRID, Reduced, SharedDesign, Stack

OK, SINGULAR, FAILED, NO_CASE, EXACT = "ok", "singular", "failed", "no complete case", "exact fit"
SINGULAR_THETA = 1e-4  # lme4::isSingular
EIGENVALUE_TOLERANCE = 1e-8  # lmerTest's as_lmerModLmerTest
_STACK_NUMBERS = 4_000_000  # of the largest array of a stack: 32 MB


@dataclass(frozen=True)
class InterceptFit:
    """One fitted model. Arrays have one entry per design column; a dropped column has NaN everywhere.

    ``status`` is "ok", "singular" (site variance at zero), "constant" (the outcome never varies, nothing was fitted),
    "no complete case", "exact fit" (the columns make up the outcome and leave nothing to test against, nothing was
    fitted), "failed" (the site variance has no estimate within the numbers of a computer, nothing was fitted) or "rank
    deficient" (at least one column was dropped); ``term_status`` says the same of each coefficient: "constant" for a
    column that never varies, "rank deficient" for every coefficient that cannot be told from others.
    """

    estimate: np.ndarray
    se: np.ndarray
    df: np.ndarray
    t: np.ndarray
    p: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    covariance: np.ndarray
    theta: float
    site_variance: float
    residual_variance: float
    log_likelihood: float
    n: int
    n_sites: int
    status: str
    term_status: tuple[str, ...]
    dropped: tuple[int, ...]

    @property
    def icc(self) -> float:
        """Share of the variance left by the fixed effects that lies between sites."""
        total = self.site_variance + self.residual_variance
        return self.site_variance / total if total > 0 else float("nan")


def fit_random_intercept(y: np.ndarray, design: np.ndarray, site: np.ndarray, level: float = 0.95) -> InterceptFit:
    """Fit ``y ~ design + (1 | site)`` by REML; see `fit_random_intercepts`."""
    return fit_random_intercepts([(y, design, site)], level)[0]


def fit_random_intercepts(
    models: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]], level: float = 0.95
) -> list[InterceptFit]:
    """Fit ``y ~ design + (1 | site)`` by REML for every (y, design, site) of `models`, of which one is held at a time.

    Models in a row that are given the very same design and sites share their decomposition.

    Parameters
    ----------
    y : (n,) outcome, no missing values. design : (n, p) with the intercept in the first column. site : (n,) labels.
        With a single site, or as many sites as cases, the site variance cannot be estimated and the model is the
        ordinary regression without a site term (site variance NaN).
    level : of the confidence intervals, which use the t distribution with Satterthwaite degrees of freedom.

    Standard errors are ``s^2 (X'V^-1X)^-1``; the degrees of freedom follow lmerTest: delta method on the curvature of
    the REML deviance in (theta, residual SD), eigenvalues below 1e-8 left out. Linearly dependent columns are dropped
    from the right, as lme4 does. ``log_likelihood`` is the restricted one, with its constants, as lme4's ``logLik``.
    """
    fits: dict[int, InterceptFit] = {}
    alike: dict[int, list[tuple[int, Reduced]]] = {}
    shared: SharedDesign | None = None
    for number, (y, design, site) in enumerate(models):
        if shared is None or not shared.is_of(design, site):
            shared = SharedDesign(design, site)
        reduced = _reduced(np.asarray(y, float), shared)
        if isinstance(reduced, InterceptFit):
            fits[number] = reduced
        else:
            alike.setdefault(len(reduced.kept), []).append((number, reduced))
    for p, members in alike.items():
        most = max(len(reduced.site_n) for _, reduced in members)
        size = max(1, _STACK_NUMBERS // (most * max(len(THETA_GRID), p * p)))
        for first in range(0, len(members), size):
            numbers, stacked = zip(*members[first : first + size], strict=True)
            for number, fit in zip(numbers, _fitted(stacked, level), strict=True):
                fits[number] = fit
    return [fits[number] for number in sorted(fits)]


def _reduced(y: np.ndarray, shared: SharedDesign) -> Reduced | InterceptFit:
    """The sums of a model, or the reason why it is not fitted."""
    n, columns = shared.design.shape
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            if n == 0:
                return _unfitted(n, shared.n_sites, columns, NO_CASE)
            if np.ptp(y) <= 1e-12 * max(1.0, float(np.abs(y).max())):
                return _unfitted(n, shared.n_sites, columns, CONSTANT)
            if n <= len(shared.decomposed[0]):
                return _unfitted(n, shared.n_sites, columns, RANK_DEFICIENT)
            reduced = Reduced.of(y, shared)
            return _unfitted(n, shared.n_sites, columns, EXACT) if is_exact(y, reduced.total) else reduced
    except (np.linalg.LinAlgError, ArithmeticError):
        return _unfitted(n, shared.n_sites, columns, FAILED)


def _fitted(models: Sequence[Reduced], level: float) -> list[InterceptFit]:
    """The fits of models with equally many columns; where numbers overflow, each model for itself."""
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            return _fitted_together(models, level)
    except (np.linalg.LinAlgError, ArithmeticError):
        if len(models) > 1:
            return [fit for model in models for fit in _fitted([model], level)]
        model = models[0]
        return [_unfitted(int(model.site_n.sum()), len(model.site_n), model.columns, FAILED)]


def _fitted_together(models: Sequence[Reduced], level: float) -> list[InterceptFit]:
    stack = Stack(models)
    every = np.arange(len(models))
    n_sites = np.array([len(model.site_n) for model in models])
    estimable_site = (n_sites > 1) & (n_sites < stack.n)
    curved = np.flatnonzero(estimable_site)
    theta = np.zeros(len(models))
    if len(curved):
        theta[curved] = stack.minimum(curved)

    shrink, covariance, shift, rss = (part[:, 0] for part in stack.solve(theta[:, None] ** 2, every))
    df_residual = stack.n - stack.p
    residual_variance = np.maximum(rss, 0.0) / df_residual
    unrotate = np.linalg.inv(np.stack([model.triangle for model in models]))
    beta = (unrotate @ (np.stack([model.ols for model in models]) + shift)[..., None])[..., 0]
    half = unrotate @ covariance @ np.swapaxes(stack.site_x * shrink[..., None], 1, 2)
    scaled = unrotate @ covariance @ np.swapaxes(unrotate, 1, 2)
    variance = residual_variance[:, None] * np.einsum("kii->ki", scaled)
    df = np.repeat(df_residual[:, None], stack.p, axis=1)
    if len(curved):
        df[curved] = _satterthwaite(stack, curved, theta[curved], residual_variance[curved], scaled, half)
    log_likelihood = stack.log_likelihood(theta**2, every)

    se = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = beta / se
    p = 2 * stats.t.sf(np.abs(t), df)
    reach = stats.t.ppf(0.5 + level / 2, df) * se
    columns = np.stack([beta, se, df, t, p, beta - reach, beta + reach], axis=1)
    fits = []
    for k, model in enumerate(models):
        width, kept = model.columns, model.kept
        estimates = np.full((7, width), np.nan)
        estimates[:, kept] = columns[k]
        estimate, own_se, own_df, own_t, own_p, low, high = estimates
        full_covariance = np.full((width, width), np.nan)
        full_covariance[np.ix_(kept, kept)] = residual_variance[k] * scaled[k]
        status = SINGULAR if estimable_site[k] and theta[k] < SINGULAR_THETA else OK
        dropped = tuple(j for j in range(width) if j not in kept) if len(kept) < width else ()
        fits.append(
            InterceptFit(
                estimate=estimate,
                se=own_se,
                df=own_df,
                t=own_t,
                p=own_p,
                ci_low=low,
                ci_high=high,
                covariance=full_covariance,
                theta=float(theta[k]),
                site_variance=float(theta[k] ** 2 * residual_variance[k]) if estimable_site[k] else float("nan"),
                residual_variance=float(residual_variance[k]),
                log_likelihood=float(log_likelihood[k]),
                n=int(stack.n[k]),
                n_sites=int(n_sites[k]),
                status=RANK_DEFICIENT if dropped else status,
                term_status=tuple(fault or status for fault in model.faults),
                dropped=dropped,
            )
        )
    return fits


def _satterthwaite(
    stack: Stack,
    at: np.ndarray,
    theta: np.ndarray,
    residual_variance: np.ndarray,
    scaled: np.ndarray,
    half: np.ndarray,
) -> np.ndarray:
    """Degrees of freedom (k, p) of the models `at`: 2 v^2 / (g' A g), A = 2 H^-1, H the Hessian in (theta, sigma).

    Sigma is measured in units of its estimate, so that the unit of the outcome does not matter. scaled, half : of every
    model of the stack. Z'PZ is a diagonal less a matrix of rank p, so its traces need no matrix of sites by sites.
    """
    shrink, covariance, shift, _ = stack.solve(theta[:, None] ** 2, at)
    zpy = stack.residual_at(shrink, shift, at)[:, 0]
    shrink, covariance = shrink[:, 0], covariance[:, 0]
    diagonal = stack.site_n[at] * shrink
    zvx = stack.site_x[at] * shrink[..., None]
    gram = covariance @ (np.swapaxes(zvx, 1, 2) @ zvx)
    leverage = ((zvx @ covariance) * zvx).sum(axis=-1)
    through = (zpy[:, None] @ zvx)[:, 0]
    trace = diagonal.sum(axis=1) - np.einsum("kii->k", gram)
    squares = (diagonal * (diagonal - 2 * leverage)).sum(axis=1) + np.einsum("kij,kji->k", gram, gram)
    quadratic = (diagonal * zpy**2).sum(axis=1) - np.einsum("ki,kij,kj->k", through, covariance, through)

    explained = (zpy**2).sum(axis=1) / residual_variance
    first, second = trace - explained, 2.0 * quadratic / residual_variance - squares
    hessian = np.empty((len(at), 2, 2))
    hessian[:, 0, 0] = 2.0 * first + 4.0 * theta**2 * second
    hessian[:, 0, 1] = hessian[:, 1, 0] = 4.0 * theta * explained
    hessian[:, 1, 1] = 4.0 * (stack.n[at] - stack.p)
    values, vectors = np.linalg.eigh(hessian)
    positive = values > EIGENVALUE_TOLERANCE
    inverse = (vectors * np.where(positive, 1 / np.where(positive, values, 1), 0)[:, None]) @ np.swapaxes(vectors, 1, 2)
    variance = np.einsum("kii->ki", scaled[at])
    gradient = np.stack([2.0 * theta[:, None] * np.sum(half[at] ** 2, axis=-1), 2.0 * variance], axis=-1)
    spread = 2.0 * np.einsum("kia,kab,kib->ki", gradient, inverse, gradient)
    return 2.0 * variance**2 / spread


def _unfitted(n: int, n_sites: int, columns: int, status: str) -> InterceptFit:
    empty = np.full(columns, np.nan)
    nan = float("nan")
    return InterceptFit(
        estimate=empty,
        se=empty,
        df=empty,
        t=empty,
        p=empty,
        ci_low=empty,
        ci_high=empty,
        covariance=np.full((columns, columns), np.nan),
        theta=nan,
        site_variance=nan,
        residual_variance=nan,
        log_likelihood=nan,
        n=n,
        n_sites=n_sites,
        status=status,
        term_status=(status,) * columns,
        dropped=tuple(range(columns)),
    )
