"""Exact REML fit of a linear model with one random intercept, with Satterthwaite degrees of freedom.

The model is ``y = X b + site + e`` with ``site ~ N(0, theta^2 s^2)`` and ``e ~ N(0, s^2)``. For one random intercept
everything the likelihood needs is a handful of sums per site, so the profiled REML criterion and its derivatives are
exact and cheap: no general-purpose optimiser is involved, and the whole range of ``theta`` is searched.

Validated against R: lme4 (estimates, variances, singular fits, dropped columns) and lmerTest (degrees of freedom).

References: Bates et al. 2015, J Stat Softw 67(1); Kuznetsova et al. 2017, J Stat Softw 82(13).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

OK, SINGULAR, CONSTANT, RANK_DEFICIENT = "ok", "singular", "constant", "rank deficient"
FAILED = "failed"
SINGULAR_THETA = 1e-4  # lme4::isSingular
RANK_TOLERANCE = 1e-7  # lme4's chkRank.drop.cols
EIGENVALUE_TOLERANCE = 1e-8  # lmerTest's as_lmerModLmerTest
_THETA_GRID = np.concatenate([[0.0], np.geomspace(1e-4, 1e4, 49)])


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


def independent_columns(design: np.ndarray, tolerance: float = RANK_TOLERANCE) -> np.ndarray:
    """Indices of the columns lme4 keeps: a column is dropped when the ones before it explain all but `tolerance`.

    Same rule as R's ``qr(X, tol = 1e-7)`` (LINPACK dqrdc2): the norm left after projection on the kept columns,
    relative to the column's own norm.
    """
    kept: list[int] = []
    basis = np.empty((design.shape[0], 0))
    for index, column in enumerate(design.T):
        norm = np.linalg.norm(column)
        rest = column - basis @ (basis.T @ column)
        rest = rest - basis @ (basis.T @ rest)
        left = np.linalg.norm(rest)
        if norm > 0 and left > tolerance * norm and len(kept) < design.shape[0]:
            kept.append(index)
            basis = np.column_stack([basis, rest / left])
    return np.array(kept, dtype=int)


def term_statuses(design: np.ndarray, kept: np.ndarray, fitted: str) -> tuple[str, ...]:
    """Status of every coefficient of a design of which only the columns `kept` were fitted.

    A coefficient can be estimated when its column is not a combination of all the others. Columns that never vary
    (beyond the first, the intercept) are set aside first, so they do not spoil the intercept.
    """
    columns = design.shape[1]
    constant = [j > 0 and np.ptp(design[:, j]) <= 1e-12 * max(1.0, abs(design[0, j])) for j in range(columns)]
    varying = [j for j in range(columns) if not constant[j]]
    statuses = []
    for j in range(columns):
        if constant[j]:
            statuses.append(CONSTANT)
            continue
        others = [k for k in varying if k != j]
        collinear = (
            len(kept) < columns and j not in (np.array([*others, j])[independent_columns(design[:, [*others, j]])])
        )
        statuses.append(RANK_DEFICIENT if collinear else fitted)
    return tuple(statuses)


class _Profile:
    """REML criterion of one outcome and one full-rank design as a function of psi = theta^2.

    The design is replaced by an orthonormal basis of its columns and the outcome by its least-squares residual, so
    that years, days and fractions of very different size lose no digits.
    """

    def __init__(self, y: np.ndarray, design: np.ndarray, site_index: np.ndarray, n_sites: int) -> None:
        self.n, self.p = design.shape
        self.basis, self.triangle = np.linalg.qr(design)
        self.ols = self.basis.T @ y
        residual = y - self.basis @ self.ols
        residual -= self.basis @ (self.basis.T @ residual)
        self.total = float(residual @ residual)
        self.site_n = np.bincount(site_index, minlength=n_sites).astype(float)
        self.site_y = np.bincount(site_index, residual, minlength=n_sites)
        self.site_x = np.column_stack([np.bincount(site_index, column, minlength=n_sites) for column in self.basis.T])

    def solve(self, psi: float) -> tuple[np.ndarray, np.ndarray, float]:
        """(X'V^-1X)^-1, the generalised least squares shift from OLS, and r2 = y'Py, at psi (scale factored out)."""
        weight = psi / (1.0 + self.site_n * psi)
        weighted = self.site_x * weight[:, None]
        information = np.eye(self.p) - self.site_x.T @ weighted
        covariance = np.linalg.inv(information)
        score = -(weighted.T @ self.site_y)
        shift = covariance @ score
        return covariance, shift, self.total - float(weight @ self.site_y**2) - float(score @ shift)

    def criterion(self, psi: float) -> float:
        """-2 REML log likelihood, profiled over coefficients and residual variance, constants left out."""
        covariance, _, rss = self.solve(psi)
        return (
            float(np.log1p(self.site_n * psi).sum())
            - float(np.linalg.slogdet(covariance)[1])
            + (self.n - self.p) * float(np.log(rss))
        )

    def log_likelihood(self, psi: float, perfect: bool) -> float:
        """Restricted log likelihood at psi, profiled over coefficients and residual variance; NaN for a perfect fit."""
        if perfect:
            return float("nan")
        df = self.n - self.p
        rotation = 2 * float(np.log(np.abs(np.diag(self.triangle))).sum())
        return -0.5 * (self.criterion(psi) + rotation + df * (1 + np.log(2 * np.pi / df)))

    def projections(self, psi: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
        """Z'V^-1X, Z'PZ, Z'Py, (X'V^-1X)^-1 and y'Py at psi; Z assigns cases to sites."""
        covariance, shift, rss = self.solve(psi)
        shrink = 1.0 / (1.0 + self.site_n * psi)
        zvx = self.site_x * shrink[:, None]
        zpz = np.diag(self.site_n * shrink) - zvx @ covariance @ zvx.T
        return zvx, zpz, self.site_y * shrink - zvx @ shift, covariance, rss

    def slopes(self, psi: np.ndarray) -> np.ndarray:
        """Derivative of the profiled criterion by psi, at many psi at once."""
        shrink = 1.0 / (1.0 + np.outer(psi, self.site_n))
        weight = psi[:, None] * shrink
        information = np.eye(self.p) - (self.site_x.T * weight[:, None, :]) @ self.site_x
        score = -(weight * self.site_y) @ self.site_x
        covariance = np.linalg.inv(information)
        shift = np.einsum("kij,kj->ki", covariance, score)
        rss = self.total - weight @ self.site_y**2 - np.einsum("ki,ki->k", score, shift)
        zpy = shrink * (self.site_y - shift @ self.site_x.T)
        squared = (self.site_x.T * (shrink**2)[:, None, :]) @ self.site_x
        trace = shrink @ self.site_n - np.einsum("kij,kji->k", covariance, squared)
        return trace - (self.n - self.p) * np.einsum("kq,kq->k", zpy, zpy) / rss

    def slope(self, psi: float) -> float:
        """Derivative of the profiled criterion at one psi."""
        return float(self.slopes(np.array([psi]))[0])

    def minimum(self) -> float:
        """theta at the global minimum: zero, or the best root of the slope found on a wide grid."""
        slopes = self.slopes(_THETA_GRID**2)
        candidates = [0.0] if slopes[0] >= 0 else []
        for i in np.flatnonzero((slopes[:-1] < 0) & (slopes[1:] >= 0)):
            low, high = _THETA_GRID[i], _THETA_GRID[i + 1]
            # One psi and many at once round differently: a slope of about zero may have another sign here.
            if self.slope(low**2) < 0 <= self.slope(high**2):
                root = optimize.brentq(lambda theta: self.slope(theta**2), low, high, xtol=1e-12, rtol=1e-13)
                candidates.append(root)
            else:
                candidates += [low, high]
        if not candidates:
            candidates = [_THETA_GRID[-1]]
        return min(candidates, key=lambda theta: self.criterion(theta**2))


def fit_random_intercept(y: np.ndarray, design: np.ndarray, site: np.ndarray, level: float = 0.95) -> InterceptFit:
    """Fit ``y ~ design + (1 | site)`` by REML.

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
    y, design = np.asarray(y, float), np.asarray(design, float)
    labels, site_index = np.unique(np.asarray(site), return_inverse=True)
    n, columns = design.shape
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            return _fitted(y, design, site_index, len(labels), level)
    except (np.linalg.LinAlgError, ArithmeticError):
        return _unfitted(n, len(labels), columns, FAILED)


def _fitted(y: np.ndarray, design: np.ndarray, site_index: np.ndarray, n_sites: int, level: float) -> InterceptFit:
    n, columns = design.shape
    if n == 0 or np.ptp(y) <= 1e-12 * max(1.0, float(np.abs(y).max())):
        return _unfitted(n, n_sites, columns, CONSTANT)
    kept = independent_columns(design)
    if n <= len(kept):
        return _unfitted(n, n_sites, columns, RANK_DEFICIENT)

    profile = _Profile(y, design[:, kept], site_index, n_sites)
    estimable_site = 1 < n_sites < n
    perfect = profile.total <= 1e-20 * float(y @ y)
    theta = profile.minimum() if estimable_site and not perfect else 0.0
    zvx, zpz, zpy, covariance, rss = profile.projections(theta**2)
    residual_variance = max(rss, 0.0) / (n - len(kept))
    unrotate = np.linalg.inv(profile.triangle)
    beta = unrotate @ (profile.ols + profile.solve(theta**2)[1])
    scaled = unrotate @ covariance @ unrotate.T
    variance = residual_variance * np.diag(scaled)
    half = unrotate @ covariance @ zvx.T
    df = np.full(len(kept), float(n - len(kept)))
    if estimable_site and not perfect:
        df = _satterthwaite(theta, residual_variance, n - len(kept), zpz, zpy, scaled, half)

    def spread(values: np.ndarray) -> np.ndarray:
        full = np.full(columns, np.nan)
        full[kept] = values
        return full

    se = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = beta / se
    p = 2 * stats.t.sf(np.abs(t), df)
    reach = stats.t.ppf(0.5 + level / 2, df) * se
    fitted = SINGULAR if estimable_site and theta < SINGULAR_THETA else OK
    full_covariance = np.full((columns, columns), np.nan)
    full_covariance[np.ix_(kept, kept)] = residual_variance * scaled
    dropped = tuple(j for j in range(columns) if j not in kept)
    return InterceptFit(
        estimate=spread(beta),
        se=spread(se),
        df=spread(df),
        t=spread(t),
        p=spread(p),
        ci_low=spread(beta - reach),
        ci_high=spread(beta + reach),
        covariance=full_covariance,
        theta=theta,
        site_variance=theta**2 * residual_variance if estimable_site else float("nan"),
        residual_variance=residual_variance,
        log_likelihood=profile.log_likelihood(theta**2, perfect),
        n=n,
        n_sites=n_sites,
        status=RANK_DEFICIENT if dropped else fitted,
        term_status=term_statuses(design, kept, fitted),
        dropped=dropped,
    )


def _satterthwaite(
    theta: float,
    residual_variance: float,
    df_residual: int,
    zpz: np.ndarray,
    zpy: np.ndarray,
    scaled: np.ndarray,
    half: np.ndarray,
) -> np.ndarray:
    """Degrees of freedom of each coefficient: 2 v^2 / (g' A g), A = 2 H^-1, H the Hessian in (theta, sigma).

    Sigma is measured in units of its estimate, so that the unit of the outcome does not matter.
    """
    explained = float(zpy @ zpy) / residual_variance
    first = float(np.trace(zpz)) - explained
    second = -float(np.sum(zpz * zpz)) + 2.0 * float(zpy @ zpz @ zpy) / residual_variance
    hessian = np.array(
        [
            [2.0 * first + 4.0 * theta**2 * second, 4.0 * theta * explained],
            [4.0 * theta * explained, 4.0 * df_residual],
        ]
    )
    values, vectors = np.linalg.eigh(hessian)
    positive = values > EIGENVALUE_TOLERANCE
    inverse = (vectors[:, positive] / values[positive]) @ vectors[:, positive].T
    variance = np.diag(scaled)
    gradient = np.stack([2.0 * theta * np.sum(half**2, axis=1), 2.0 * variance], axis=1)
    spread = 2.0 * np.einsum("ij,jk,ik->i", gradient, inverse, gradient)
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
