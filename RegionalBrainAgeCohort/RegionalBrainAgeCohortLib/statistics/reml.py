"""The REML criterion of many random-intercept models at once, from sums per site.

For one random intercept the likelihood needs only a handful of sums per site, whatever the number of cases. Models of
equally many columns are stacked; arrays have a leading axis of models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .design_rank import ranked_qr, term_statuses

THETA_GRID = np.concatenate([[0.0], np.geomspace(1e-4, 1e4, 49)])
_THETA_PRECISION = 1e-13  # relative, and a tenth of the absolute one


class SharedDesign:
    """Design (n, p) and sites (n,) of the models that differ only in their outcome: decomposed once for all of them."""

    def __init__(self, design: np.ndarray, site: np.ndarray) -> None:
        self.given = (design, site)
        self.design = np.asarray(design, float)
        labels, self.site_index = np.unique(np.asarray(site), return_inverse=True)
        self.n_sites = len(labels)

    def is_of(self, design: np.ndarray, site: np.ndarray) -> bool:
        """Whether this was made of these very arrays."""
        return self.given[0] is design and self.given[1] is site

    @cached_property
    def decomposed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Columns that are fitted, their orthonormal basis and triangle (`ranked_qr`)."""
        return ranked_qr(self.design)

    @cached_property
    def faults(self) -> tuple[str, ...]:
        """Why each column is not fitted; empty where it is."""
        return term_statuses(self.design, self.decomposed[0], "")

    @cached_property
    def site_n(self) -> np.ndarray:
        """(q,) cases of every site."""
        return np.bincount(self.site_index, minlength=self.n_sites).astype(float)

    @cached_property
    def site_x(self) -> np.ndarray:
        """(q, p) sums of the basis in every site."""
        basis = self.decomposed[1]
        return np.column_stack([np.bincount(self.site_index, column, minlength=self.n_sites) for column in basis.T])


@dataclass(frozen=True)
class Reduced:
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
    site_n: np.ndarray
    site_y: np.ndarray
    site_x: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray, shared: SharedDesign) -> Reduced:
        """The sums of one outcome (n,) and its design."""
        kept, basis, triangle = shared.decomposed
        ols = basis.T @ y
        residual = y - basis @ ols
        residual -= basis @ (basis.T @ residual)
        total = float(residual @ residual)
        site_y = np.bincount(shared.site_index, residual, minlength=shared.n_sites)
        columns = shared.design.shape[1]
        return cls(columns, kept, shared.faults, ols, triangle, total, shared.site_n, site_y, shared.site_x)


class Stack:
    """REML criterion of K models of p columns as a function of psi = theta^2; arrays have a leading axis of models."""

    def __init__(self, models: Sequence[Reduced]) -> None:
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
        slopes = self.slopes(np.tile(THETA_GRID**2, (len(at), 1)), at)
        model, step = np.nonzero((slopes[:, :-1] < 0) & (slopes[:, 1:] >= 0))
        low, high = THETA_GRID[step], THETA_GRID[step + 1]
        roots = _roots(lambda theta, k: self.slopes(theta[:, None] ** 2, at[model[k]])[:, 0], low, high)
        at_zero = np.flatnonzero(slopes[:, 0] >= 0)
        without = np.setdiff1d(np.arange(len(at)), np.concatenate([at_zero, model]))
        which = np.concatenate([at_zero, model, without])
        theta = np.concatenate([np.zeros(len(at_zero)), roots, np.full(len(without), THETA_GRID[-1])])
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
