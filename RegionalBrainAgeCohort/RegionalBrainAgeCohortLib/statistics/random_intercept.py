"""Exact REML fit of a linear model with one random intercept, with Satterthwaite degrees of freedom.

The model is ``y = X b + site + e`` with ``site ~ N(0, theta^2 s^2)`` and ``e ~ N(0, s^2)``. For one random intercept
everything the likelihood needs is a handful of sums per site, so the profiled REML criterion and its derivatives are
exact and cheap: no general-purpose optimiser is involved, and the whole range of ``theta`` is searched. Hundreds of
models are fitted at once: those of equally many columns are stacked, and a site that a model lacks has no cases in it.

Validated against R: lme4 (estimates, variances, singular fits, dropped columns) and lmerTest (degrees of freedom).

References: Bates et al. 2015, J Stat Softw 67(1); Kuznetsova et al. 2017, J Stat Softw 82(13).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .design_rank import CONSTANT, RANK_DEFICIENT, ranked_qr, term_statuses

OK, SINGULAR, FAILED = "ok", "singular", "failed"
SINGULAR_THETA = 1e-4  # lme4::isSingular
EIGENVALUE_TOLERANCE = 1e-8  # lmerTest's as_lmerModLmerTest
_THETA_GRID = np.concatenate([[0.0], np.geomspace(1e-4, 1e4, 49)])
_THETA_PRECISION = 1e-13  # relative, and a tenth of the absolute one
_STACK_NUMBERS = 4_000_000  # of the largest array of a stack: 32 MB


@dataclass(frozen=True)
class InterceptFit:
    """One fitted model. Arrays have one entry per design column; a dropped column has NaN everywhere.

    ``status`` is "ok", "singular" (site variance at zero), "constant" (the outcome never varies, nothing was fitted),
    "failed" (the site variance has no estimate within the numbers of a computer, nothing was fitted) or
    "rank deficient" (at least one column was dropped); ``term_status`` says the same of each coefficient:
    "constant" for a column that never varies, "rank deficient" for every coefficient that cannot be told from others.
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


@dataclass(frozen=True)
class _Reduced:
    """One model with all columns of full rank, reduced to sums per site.

    The design is replaced by an orthonormal basis of its columns and the outcome by its least-squares residual, so
    that years, days and fractions of very different size lose no digits. kept : columns of `design` that are fitted.
    ols (p,), triangle (p, p) : of the QR decomposition. total : residual sum of squares. site_n, site_y (q,), site_x
    (q, p) : cases, and sums of outcome and basis, of every site.
    """

    columns: int
    kept: np.ndarray
    faults: tuple[str, ...]
    ols: np.ndarray
    triangle: np.ndarray
    total: float
    perfect: bool
    site_n: np.ndarray
    site_y: np.ndarray
    site_x: np.ndarray

    @classmethod
    def of(
        cls, y: np.ndarray, design: np.ndarray, decomposed: tuple[np.ndarray, ...], site: np.ndarray, n_sites: int
    ) -> _Reduced:
        kept, basis, triangle = decomposed
        ols = basis.T @ y
        residual = y - basis @ ols
        residual -= basis @ (basis.T @ residual)
        total = float(residual @ residual)
        site_x = np.column_stack([np.bincount(site, column, minlength=n_sites) for column in basis.T])
        site_n = np.bincount(site, minlength=n_sites).astype(float)
        site_y = np.bincount(site, residual, minlength=n_sites)
        perfect = total <= 1e-20 * float(y @ y)
        faults = term_statuses(design, kept, "")
        return cls(design.shape[1], kept, faults, ols, triangle, total, perfect, site_n, site_y, site_x)


class _Stack:
    """REML criterion of K models of p columns as a function of psi = theta^2; arrays have a leading axis of models."""

    def __init__(self, models: Sequence[_Reduced]) -> None:
        most, self.p = max(len(model.site_n) for model in models), models[0].site_x.shape[1]
        self.site_n, self.site_y = np.zeros((2, len(models), most))
        self.site_x = np.zeros((len(models), most, self.p))
        for k, model in enumerate(models):
            filled = slice(len(model.site_n))
            self.site_n[k, filled], self.site_y[k, filled] = model.site_n, model.site_y
            self.site_x[k, filled] = model.site_x
        self.site_xx = (self.site_x[..., :, None] * self.site_x[..., None, :]).reshape(len(models), most, -1)
        self.n = self.site_n.sum(axis=1)
        self.total = np.array([m.total for m in models])
        self.rotation = np.array([2 * np.log(np.abs(np.diag(m.triangle))).sum() for m in models])

    def solve(self, psi: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """1 / (1 + n psi) of every site, (X'V^-1X)^-1, the shift from OLS, and y'Py of the models `at`.

        psi : (k, g), g values for each model. Scale factored out; results (k, g, sites), (k, g, p, p), (k, g, p) and
        (k, g).
        """
        shrink = 1.0 / (1.0 + psi[..., None] * self.site_n[at, None])
        weight = psi[..., None] * shrink
        information = np.eye(self.p) - (weight @ self.site_xx[at]).reshape(*psi.shape, self.p, self.p)
        score = -(weight * self.site_y[at, None]) @ self.site_x[at]
        covariance = np.linalg.inv(information)
        shift = (covariance @ score[..., None])[..., 0]
        explained = (weight @ self.site_y[at, :, None] ** 2)[..., 0] + (score * shift).sum(axis=-1)
        return shrink, covariance, shift, self.total[at, None] - explained

    def criterion(self, psi: np.ndarray, at: np.ndarray) -> np.ndarray:
        """-2 REML log likelihood (k, g), profiled over coefficients and residual variance, constants left out."""
        shrink, covariance, _, rss = self.solve(psi, at)
        df = self.n[at, None] - self.p
        return df * np.log(rss) - np.log(shrink).sum(axis=-1) - np.linalg.slogdet(covariance)[1]

    def log_likelihood(self, psi: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Restricted log likelihood (k,) of the models `at` at psi (k,), with its constants."""
        df = self.n[at] - self.p
        constants = self.rotation[at] + df * (1 + np.log(2 * np.pi / df))
        return -0.5 * (self.criterion(psi[:, None], at)[:, 0] + constants)

    def residual_at(self, shrink: np.ndarray, shift: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Z'Py (k, g, sites); Z assigns cases to sites."""
        return shrink * (self.site_y[at, None] - shift @ np.swapaxes(self.site_x[at], 1, 2))

    def slopes(self, psi: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Derivative (k, g) of the profiled criterion by psi."""
        shrink, covariance, shift, rss = self.solve(psi, at)
        zpy = self.residual_at(shrink, shift, at)
        squared = (shrink**2 @ self.site_xx[at]).reshape(covariance.shape)
        trace = (shrink @ self.site_n[at, :, None])[..., 0] - (covariance * squared).sum(axis=(-2, -1))
        return trace - (self.n[at, None] - self.p) * (zpy**2).sum(axis=-1) / rss

    def minimum(self, at: np.ndarray) -> np.ndarray:
        """theta (k,) at the global minimum: zero, or the best root of the slope found on a wide grid."""
        slopes = self.slopes(np.tile(_THETA_GRID**2, (len(at), 1)), at)
        model, step = np.nonzero((slopes[:, :-1] < 0) & (slopes[:, 1:] >= 0))
        low, high = _THETA_GRID[step], _THETA_GRID[step + 1]
        roots = _roots(lambda theta, k: self.slopes(theta[:, None] ** 2, at[model[k]])[:, 0], low, high)
        at_zero = np.flatnonzero(slopes[:, 0] >= 0)
        without = np.setdiff1d(np.arange(len(at)), np.concatenate([at_zero, model]))
        which = np.concatenate([at_zero, model, without])
        theta = np.concatenate([np.zeros(len(at_zero)), roots, np.full(len(without), _THETA_GRID[-1])])
        level = self.criterion(theta[:, None] ** 2, at[which])[:, 0]
        order = np.lexsort((level, which))
        first = np.concatenate([[True], np.diff(which[order]) > 0])
        return theta[order][first]


def _roots(function: Callable[[np.ndarray, np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Roots of many functions, each between its `low` and `high`, where it rises through zero.

    function : values at the points x (k,) of the functions numbered (k,). Regula falsi, in which an end that stays
    twice counts half (Illinois), and bisection in every fourth step.
    """
    low, high = low.copy(), high.copy()
    active, moved_last = np.arange(len(low)), np.zeros(len(low))
    below, above = (function(ends, active) if len(active) else np.empty(0) for ends in (low, high))
    for step in range(200):
        wide = high[active] - low[active] > _THETA_PRECISION * (10 + high[active])
        active = active[wide & (below[active] < 0) & (above[active] > 0)]
        if not len(active):
            break
        left, right = low[active], high[active]
        share = -below[active] / (above[active] - below[active]) if step % 4 < 3 else 0.5
        x = np.clip(left + share * (right - left), left, right)
        value = function(x, active)
        rose, fell = active[value >= 0], active[value < 0]
        high[rose], above[rose] = x[value >= 0], value[value >= 0]
        low[fell], below[fell] = x[value < 0], value[value < 0]
        below[rose] /= np.where(moved_last[rose] > 0, 2, 1)
        above[fell] /= np.where(moved_last[fell] < 0, 2, 1)
        moved_last[rose], moved_last[fell] = 1, -1
    # Few and many models round differently: a slope of about zero at an end may have another sign here.
    return np.where(above <= 0, high, np.where(below >= 0, low, (low + high) / 2))


def fit_random_intercept(y: np.ndarray, design: np.ndarray, site: np.ndarray, level: float = 0.95) -> InterceptFit:
    """Fit ``y ~ design + (1 | site)`` by REML; see `fit_random_intercepts`."""
    return fit_random_intercepts([(y, design, site)], level)[0]


def fit_random_intercepts(
    models: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]], level: float = 0.95
) -> list[InterceptFit]:
    """Fit ``y ~ design + (1 | site)`` by REML for every (y, design, site) of `models`, of which one is held at a time.

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
    alike: dict[int, list[tuple[int, _Reduced]]] = {}
    for number, (y, design, site) in enumerate(models):
        reduced = _reduced(np.asarray(y, float), np.asarray(design, float), np.asarray(site))
        if isinstance(reduced, InterceptFit):
            fits[number] = reduced
        else:
            alike.setdefault(len(reduced.kept), []).append((number, reduced))
    for p, members in alike.items():
        most = max(len(reduced.site_n) for _, reduced in members)
        size = max(1, _STACK_NUMBERS // (most * max(len(_THETA_GRID), p * p)))
        for first in range(0, len(members), size):
            numbers, stacked = zip(*members[first : first + size], strict=True)
            for number, fit in zip(numbers, _fitted(stacked, level), strict=True):
                fits[number] = fit
    return [fits[number] for number in sorted(fits)]


def _reduced(y: np.ndarray, design: np.ndarray, site: np.ndarray) -> _Reduced | InterceptFit:
    """The sums of a model, or the reason why it is not fitted."""
    labels, site_index = np.unique(site, return_inverse=True)
    n, columns = design.shape
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            if n == 0 or np.ptp(y) <= 1e-12 * max(1.0, float(np.abs(y).max())):
                return _unfitted(n, len(labels), columns, CONSTANT)
            decomposed = ranked_qr(design)
            if n <= len(decomposed[0]):
                return _unfitted(n, len(labels), columns, RANK_DEFICIENT)
            return _Reduced.of(y, design, decomposed, site_index, len(labels))
    except (np.linalg.LinAlgError, ArithmeticError):
        return _unfitted(n, len(labels), columns, FAILED)


def _fitted(models: Sequence[_Reduced], level: float) -> list[InterceptFit]:
    """The fits of models with equally many columns; where numbers overflow, each model for itself."""
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            return _fitted_together(models, level)
    except (np.linalg.LinAlgError, ArithmeticError):
        if len(models) > 1:
            return [fit for model in models for fit in _fitted([model], level)]
        model = models[0]
        return [_unfitted(int(model.site_n.sum()), len(model.site_n), model.columns, FAILED)]


def _fitted_together(models: Sequence[_Reduced], level: float) -> list[InterceptFit]:
    stack = _Stack(models)
    every = np.arange(len(models))
    perfect = np.array([model.perfect for model in models])
    n_sites = np.array([len(model.site_n) for model in models])
    estimable_site = (n_sites > 1) & (n_sites < stack.n)
    curved = np.flatnonzero(estimable_site & ~perfect)
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
    log_likelihood = np.full(len(models), np.nan)
    if len(curved):
        df[curved] = _satterthwaite(stack, curved, theta[curved], residual_variance[curved], scaled, half)
    known = np.flatnonzero(~perfect)
    if len(known):
        log_likelihood[known] = stack.log_likelihood(theta[known] ** 2, known)

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
    stack: _Stack,
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
