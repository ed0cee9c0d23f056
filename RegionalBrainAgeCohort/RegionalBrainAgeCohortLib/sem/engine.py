"""Maximum likelihood for structural equation models: many data sets at once, complete or with missing values.

A model is ``v = intercept + A v + e`` over observed and latent variables, ``cov(e) = S``; its moments are
``C = (I-A)^-1 S (I-A)^-T`` and ``(I-A)^-1 intercept``, of which the observed part is compared with the data. Data enter
as sums per pattern of missing values, so the likelihood with missing data (FIML) is the same code as the complete one,
and bootstrap draws are just more data sets: every array has a leading axis of data sets. Fisher scoring with step
halving; derivatives are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import numpy as np

from .language import Specification

_SCORING_ITERATIONS = 30
_LEAST_EIGENVALUE = 1e-14  # of an implied correlation
_LOG_2PI = float(np.log(2 * np.pi))


@dataclass(frozen=True)
class Pattern:
    """Sums over the cases that have the same variables observed, for B data sets.

    columns : (k,) positions among the observed variables. n : (B,) cases. sums : (B, k). products : (B, k, k) sums of
    cross products about the pattern's own mean, so that large means cost no digits.
    """

    columns: np.ndarray
    n: np.ndarray
    sums: np.ndarray
    products: np.ndarray


@dataclass(frozen=True)
class Moments:
    """Data of B data sets as patterns, with the sample moments of the exogenous variables: (B, x) and (B, x, x)."""

    patterns: tuple[Pattern, ...]
    x_mean: np.ndarray
    x_cov: np.ndarray

    @property
    def n(self) -> np.ndarray:
        """(B,) cases of every data set, all patterns together."""
        return np.sum([pattern.n for pattern in self.patterns], axis=0)

    def take(self, index: Sequence[int] | np.ndarray) -> Moments:
        """The data sets at `index` (which may repeat)."""
        patterns = tuple(Pattern(p.columns, p.n[index], p.sums[index], p.products[index]) for p in self.patterns)
        return Moments(patterns, self.x_mean[index], self.x_cov[index])


def moments_of(
    data: np.ndarray,
    exogenous: Sequence[int],
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> Moments:
    """Moments of `data` (n, p; NaN missing) for every row of `weights` (B, n) of case counts; None is the data as is.

    groups : (n,) numbers of groups that are counted whole; `weights` is then (B, groups), and each group is summed once
    for all data sets. Without intercepts all values must be present. Exogenous columns must be complete.
    """
    if weights is None:
        weights, groups = np.ones((1, len(data))), None
    weights = np.asarray(weights, float)

    def weighted(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(B, k) weighted sums of values (rows, k)."""
        if groups is None:
            return weights[:, rows] @ values
        own, most = groups[rows], weights.shape[1]
        return weights @ np.column_stack([np.bincount(own, column, minlength=most) for column in values.T])

    seen = np.isfinite(data)
    centre = np.array(
        [column[known].mean() if known.any() else 0.0 for column, known in zip(data.T, seen.T, strict=True)]
    )
    data = data - centre
    patterns = []
    for key in np.unique(seen, axis=0):
        rows = np.flatnonzero((seen == key).all(axis=1))
        columns = np.flatnonzero(key)
        if not columns.size:
            continue
        part, k = data[np.ix_(rows, columns)], columns.size
        n, sums = weighted(np.ones((len(rows), 1)), rows)[:, 0], weighted(part, rows)
        products = weighted((part[:, :, None] * part[:, None, :]).reshape(len(part), k * k), rows).reshape(-1, k, k)
        products -= sums[:, :, None] * sums[:, None, :] / np.maximum(n, 1)[:, None, None]
        patterns.append(Pattern(columns, n, sums + n[:, None] * centre[columns], products))
    x, every = data[:, list(exogenous)], np.arange(len(data))
    total, k = weighted(np.ones((len(data), 1)), every), x.shape[1]
    x_mean, x_cov = np.zeros((len(weights), k)), np.zeros((len(weights), k, k))
    if k:
        x_mean = weighted(x, every) / total
        squares = weighted((x[:, :, None] * x[:, None, :]).reshape(len(x), k * k), every)
        x_cov = (squares / total).reshape(len(weights), k, k) - x_mean[:, :, None] * x_mean[:, None, :]
    return Moments(tuple(patterns), x_mean + centre[list(exogenous)], x_cov)


class Structure:
    """Where each parameter of a specification sits in the matrices A, S and the intercepts."""

    def __init__(self, specification: Specification) -> None:
        self.specification = specification
        names = [*specification.observed, *specification.latent]
        self.place = {name: i for i, name in enumerate(names)}
        self.size, self.p = len(names), len(specification.observed)
        self.entries = []
        for parameter in specification.parameters:
            i = self.place[parameter.lhs]
            j = self.place[parameter.rhs] if parameter.rhs else 0
            if parameter.op == "=~":
                self.entries.append(("A", j, i))
            else:
                self.entries.append(({"~": "A", "~~": "S", "~1": "m"}[parameter.op], i, j))

    def values(self, theta: np.ndarray, moments: Moments) -> np.ndarray:
        """(B, parameters) values of every row of the model: free, fixed, or the sample's."""
        exogenous = list(self.specification.exogenous)
        out = np.empty((len(theta), len(self.entries)))
        for column, parameter in enumerate(self.specification.parameters):
            if parameter.free >= 0:
                out[:, column] = theta[:, parameter.free]
            elif parameter.exogenous and parameter.op == "~1":
                out[:, column] = moments.x_mean[:, exogenous.index(parameter.lhs)]
            elif parameter.exogenous:
                i, j = exogenous.index(parameter.lhs), exogenous.index(parameter.rhs)
                out[:, column] = moments.x_cov[:, i, j]
            else:
                out[:, column] = parameter.value
        return out

    def matrices(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(I-A)^-1, S and the intercepts of every data set."""
        sets = len(values)
        a, s = np.zeros((sets, self.size, self.size)), np.zeros((sets, self.size, self.size))
        m = np.zeros((sets, self.size))
        for column, (kind, i, j) in enumerate(self.entries):
            if kind == "A":
                a[:, i, j] = values[:, column]
            elif kind == "S":
                s[:, i, j] = s[:, j, i] = values[:, column]
            else:
                m[:, i] = values[:, column]
        return np.linalg.inv(np.eye(self.size) - a), s, m

    def implied(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Model-implied mean (B, v) and covariance (B, v, v) of observed and latent variables."""
        total, s, m = self.matrices(values)
        return np.einsum("bij,bj->bi", total, m), total @ s @ np.swapaxes(total, 1, 2)

    def derivatives(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Implied observed mean and covariance and their derivatives by theta: (B, q, p) and (B, q, p, p)."""
        total, s, m = self.matrices(values)
        covariance = total @ s @ np.swapaxes(total, 1, 2)
        mean = np.einsum("bij,bj->bi", total, m)
        out, p = total[:, : self.p], self.p
        q = self.specification.n_free
        d_mean, d_cov = np.zeros((len(values), q, p)), np.zeros((len(values), q, p, p))
        for parameter, (kind, i, j) in zip(self.specification.parameters, self.entries, strict=True):
            k = parameter.free
            if k < 0:
                continue
            if kind == "m":
                d_mean[:, k] += out[:, :, i]
                continue
            other = covariance[:, j, :p] if kind == "A" else out[:, :, j]
            product = out[:, :, i, None] * other[:, None, :]
            d_cov[:, k] += product if kind == "S" and i == j else product + np.swapaxes(product, 1, 2)
            if kind == "A":
                d_mean[:, k] += out[:, :, i] * mean[:, j, None]
        return mean[:, :p], covariance[:, :p, :p], d_mean, d_cov

    def log_likelihood(self, theta: np.ndarray, moments: Moments) -> np.ndarray:
        """(B,) log likelihood; -inf where the implied covariance is not positive definite beyond rounding."""
        mean, covariance = self.implied(self.values(theta, moments))
        total = np.zeros(len(theta))
        for pattern in moments.patterns:
            sigma = covariance[:, pattern.columns[:, None], pattern.columns]
            spread = self._about(pattern, mean[:, pattern.columns])
            bad = ~_definite(sigma)
            sigma = np.where(bad[:, None, None], np.eye(len(pattern.columns)), sigma)
            trace = np.einsum("bij,bji->b", np.linalg.inv(sigma), spread)
            constant = pattern.n * (len(pattern.columns) * _LOG_2PI + np.linalg.slogdet(sigma)[1])
            total += np.where(bad, -np.inf, -0.5 * (constant + trace))
        return total

    def score_information(self, theta: np.ndarray, moments: Moments) -> tuple[np.ndarray, np.ndarray]:
        """Gradient of the log likelihood (B, q) and expected information (B, q, q)."""
        mean, covariance, d_mean, d_cov = self.derivatives(self.values(theta, moments))
        score = np.zeros((len(theta), d_mean.shape[1]))
        information = np.zeros((*score.shape, d_mean.shape[1]))
        for pattern in moments.patterns:
            columns, k = pattern.columns, len(pattern.columns)
            sigma = covariance[:, columns[:, None], columns]
            weight = np.linalg.inv(sigma)
            d_sigma = d_cov[:, :, columns[:, None], columns]
            flat = (weight[:, None] @ d_sigma).reshape(*score.shape, k * k)
            spread = self._about(pattern, mean[:, columns])
            misfit = weight @ (spread - pattern.n[:, None, None] * sigma) @ weight
            score += 0.5 * np.einsum("bqij,bij->bq", d_sigma, misfit)
            turned = np.swapaxes(flat.reshape(*score.shape, k, k), 2, 3).reshape(*score.shape, k * k)
            information += 0.5 * pattern.n[:, None, None] * (flat @ np.swapaxes(turned, 1, 2))
            if self.specification.means:
                d_mu = d_mean[:, :, columns]
                rest = pattern.sums - pattern.n[:, None] * mean[:, columns]
                weighted = d_mu @ weight
                score += np.einsum("bqk,bk->bq", weighted, rest)
                information += pattern.n[:, None, None] * (weighted @ np.swapaxes(d_mu, 1, 2))
        return score, information

    def _about(self, pattern: Pattern, mean: np.ndarray) -> np.ndarray:
        """Cross products about the model mean (about the sample mean when the model has no intercepts)."""
        if not self.specification.means:
            return pattern.products
        away = pattern.sums / np.maximum(pattern.n, 1)[:, None] - mean
        return pattern.products + pattern.n[:, None, None] * away[:, :, None] * away[:, None, :]

    def start(self, data_mean: np.ndarray, data_cov: np.ndarray) -> np.ndarray:
        """(q,) starting values from the mean (p,) and covariance (p, p) of the available data."""
        specification = self.specification
        marker = {p.lhs: p.rhs for p in reversed(specification.parameters) if p.op == "=~"}
        indicators = {p.rhs for p in specification.parameters if p.op == "=~"}
        theta = np.zeros(specification.n_free)
        for parameter in specification.parameters:
            if parameter.free < 0:
                continue
            place = self.place[parameter.lhs]
            value = 0.0
            if not np.isnan(parameter.start):
                value = parameter.start
            elif parameter.op == "~~" and parameter.lhs == parameter.rhs:
                if place >= self.p:
                    first = self.place[marker[parameter.lhs]]
                    value = 0.5 * data_cov[first, first] if first < self.p else 1.0
                else:
                    value = data_cov[place, place] * (0.5 if parameter.lhs in indicators else 1.0)
            elif parameter.op == "=~":
                first, this = self.place[marker[parameter.lhs]], self.place[parameter.rhs]
                value = 1.0
                if max(first, this) < self.p:
                    size = np.sqrt(data_cov[this, this] / data_cov[first, first])
                    value = size if data_cov[first, this] >= 0 else -size
            elif parameter.op == "~1" and place < self.p:
                value = data_mean[place]
            theta[parameter.free] = value
        return theta


def _definite(covariance: np.ndarray) -> np.ndarray:
    """Whether covariances (B, k, k), in whatever units, are positive definite beyond rounding."""
    variance = np.einsum("bii->bi", covariance)
    positive = np.isfinite(covariance).all(axis=(1, 2)) & (variance > 0).all(axis=1)
    sd = np.sqrt(np.where(positive[:, None], variance, 1.0))
    correlation = np.where(positive[:, None, None], covariance / sd[:, :, None] / sd[:, None, :], 0.0)
    return np.linalg.eigvalsh(correlation).min(axis=1) > _LEAST_EIGENVALUE


def regressions(structure: Structure, moments: Moments) -> np.ndarray | None:
    """(B, q) least squares of every equation: the maximum of the likelihood of a recursive model of complete data.

    None for a model with latent variables, residual covariances, constraints, or missing data, where it is no maximum.
    """
    parameters, place = structure.specification.parameters, structure.place
    free = [p for p in parameters if p.free >= 0]
    outcomes = {p.lhs for p in free if p.op == "~~"}
    if (
        len(moments.patterns) > 1
        or len(moments.patterns[0].columns) < structure.size
        or len({p.free for p in free}) < len(free)
        or any(p.free < 0 and not p.exogenous for p in parameters)
        or any(p.lhs != p.rhs if p.op == "~~" else p.op == "=~" or p.lhs not in outcomes for p in free)
    ):
        return None
    (pattern,) = moments.patterns
    covariance, mean = pattern.products / pattern.n[:, None, None], pattern.sums / pattern.n[:, None]
    theta = np.empty((len(pattern.n), len(free)))
    for name in outcomes:
        paths = [p for p in free if p.op == "~" and p.lhs == name]
        y, x = place[name], [place[p.rhs] for p in paths]
        with_y = covariance[:, x, y]
        try:
            slopes = np.linalg.solve(covariance[:, np.array(x, int)[:, None], x], with_y[..., None])[..., 0]
        except np.linalg.LinAlgError:
            return None
        theta[:, [p.free for p in paths]] = slopes
        for p in free:
            if p.lhs == name and p.op == "~~":
                theta[:, p.free] = covariance[:, y, y] - (slopes * with_y).sum(axis=1)
            elif p.lhs == name and p.op == "~1":
                theta[:, p.free] = mean[:, y] - (slopes * mean[:, x]).sum(axis=1)
    return theta


class Data(Protocol):
    """Data sets a likelihood is taken of: `Moments`, or those of several groups together."""

    @property
    def n(self) -> np.ndarray:
        """(B,) cases of every data set."""

    def take(self, index: np.ndarray) -> Self:
        """The data sets at `index` (which may repeat)."""


D = TypeVar("D", bound=Data)
OfData = TypeVar("OfData", bound=Data, contravariant=True)


class Likelihood(Protocol[OfData]):
    """A model whose log likelihood can be maximised: `Structure`, or one in several groups together."""

    def log_likelihood(self, theta: np.ndarray, moments: OfData) -> np.ndarray:
        """(B,) at `theta` (B, q)."""

    def score_information(self, theta: np.ndarray, moments: OfData) -> tuple[np.ndarray, np.ndarray]:
        """Gradient (B, q) and expected information (B, q, q)."""


def maximise(
    structure: Likelihood[D], start: np.ndarray, moments: D, iterations: int = 500, tolerance: float = 1e-13
) -> tuple[np.ndarray, np.ndarray]:
    """Maximum likelihood for every data set from `start` (B, q): damped Fisher scoring, then damped Newton steps.

    A step that does not raise the likelihood is taken back and the damping of that data set grows tenfold (as
    Levenberg and Marquardt); otherwise it shrinks to none. Returns the estimates (B, q) and whether each converged: the
    expected gain of one more undamped step, per case, is below `tolerance`. A data set whose information matrix is
    singular at the end does not converge.
    """
    theta = np.array(start, float)
    converged = np.zeros(len(theta), bool)
    damping = np.zeros(len(theta))
    level = structure.log_likelihood(theta, moments)
    active = np.flatnonzero(np.isfinite(level))
    for iteration in range(iterations):
        if not active.size:
            break
        current = moments.take(active)
        score, information = structure.score_information(theta[active], current)
        if iteration >= _SCORING_ITERATIONS:
            observed = observed_information(structure, theta[active], current)
            definite = np.linalg.eigvalsh(observed).min(axis=1) > 0
            information = np.where(definite[:, None, None], observed, information)
        plain, usable = _solve(information, score, np.zeros(len(active)))
        done = usable & (np.abs(np.einsum("bq,bq->b", plain, score)) < tolerance * current.n)
        converged[active[done]] = True
        theta[active[done]] += plain[done]
        if done.all():
            break
        damping[active[~usable]] = np.maximum(damping[active[~usable]], 1e-6)
        step = _solve(information, score, damping[active])[0] if damping[active].any() else plain
        candidate = theta[active] + step
        with np.errstate(all="ignore"):
            reached = structure.log_likelihood(candidate, current)
        better = reached >= level[active] - 1e-12 * (1 + np.abs(level[active]))
        moved, held = active[better & ~done], active[~better & ~done]
        theta[moved], level[moved] = candidate[better & ~done], reached[better & ~done]
        damping[moved] = np.where(damping[moved] > 1e-6, damping[moved] / 10, 0.0)
        damping[held] = np.maximum(10 * damping[held], 1e-4)
        active = np.sort(np.concatenate([moved, held[damping[held] < 1e12]]))
    return theta, converged


def _solve(information: np.ndarray, score: np.ndarray, damping: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scoring steps in units of each parameter's own information, damped; False where the information is singular."""
    diagonal = np.sqrt(np.maximum(np.einsum("bqq->bq", information), 0))
    safe = np.where(diagonal > 0, diagonal, 1)
    scaled = information / safe[:, :, None] / safe[:, None]
    finite = np.isfinite(scaled).all(axis=(1, 2)) & (diagonal > 0).all(axis=1)
    scaled = np.where(finite[:, None, None], scaled, np.eye(score.shape[1]))
    usable = finite & (np.linalg.eigvalsh(scaled).min(axis=1) > 1e-12)
    damped = scaled + (damping + np.where(usable, 0.0, 1e-9))[:, None, None] * np.eye(score.shape[1])
    step = np.linalg.solve(damped, (score / safe)[:, :, None])[:, :, 0] / safe
    return np.where(np.isfinite(step), step, 0.0), usable


def observed_information(structure: Likelihood[D], theta: np.ndarray, moments: D) -> np.ndarray:
    """(B, q, q) minus the second derivative of the log likelihood at `theta` (B, q).

    Central differences of the exact gradient, with steps of a thousandth of a standard error, all in one batch.
    """
    sets, q = theta.shape
    _, information = structure.score_information(theta, moments)
    step = 1e-3 / np.sqrt(np.maximum(np.einsum("bqq->bq", information), 1e-300))
    shift = step[:, None, :] * np.eye(q)
    shifted = np.concatenate([theta[:, None] + shift, theta[:, None] - shift], axis=1).reshape(-1, q)
    score, _ = structure.score_information(shifted, moments.take(np.repeat(np.arange(sets), 2 * q)))
    score = score.reshape(sets, 2, q, q)
    hessian = (score[:, 1] - score[:, 0]) / (2 * step[:, :, None])
    return (hessian + np.swapaxes(hessian, 1, 2)) / 2
