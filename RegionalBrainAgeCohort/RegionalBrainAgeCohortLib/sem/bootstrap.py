"""Percentile intervals of a path model: cases, or whole sites, drawn with replacement, hundreds of draws at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .engine import Structure, maximise, moments_of, regressions
from .estimates import quantities

BOOTSTRAP_COLUMNS = ("boot_ci_low", "boot_ci_high", "std_boot_ci_low", "std_boot_ci_high")
_CHUNK = 500


def bootstrap_intervals(
    structure: Structure,
    theta: np.ndarray,
    values: np.ndarray,
    clusters: np.ndarray | None,
    draws: int,
    seed: int,
    progress: Callable[[float], None],
) -> tuple[dict[str, np.ndarray], int]:
    """95 % percentile intervals, raw and standardised, and how many draws converged.

    values : (n, p) data, NaN missing. clusters : (n,) numbers of the groups that are drawn whole; None draws cases.
    """
    rng = np.random.default_rng(seed)
    specification = structure.specification
    exogenous = [specification.observed.index(name) for name in specification.exogenous]
    n_groups = len(values) if clusters is None else int(clusters.max()) + 1
    raws, standards = [], []
    for first in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - first)
        counts = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=size)
        moments = moments_of(values, exogenous, counts, clusters)
        start = regressions(structure, moments)
        start = np.tile(theta, (size, 1)) if start is None else start
        estimates, converged = maximise(structure, start, moments, tolerance=1e-10)
        raw, standard = quantities(structure, estimates[converged], moments.take(np.flatnonzero(converged)))
        raws.append(raw)
        standards.append(standard)
        progress(0.05 + 0.95 * (first + size) / draws)
    raw, standard = np.concatenate(raws), np.concatenate(standards)
    if not len(raw):
        return dict.fromkeys(BOOTSTRAP_COLUMNS, np.full(raw.shape[1], np.nan)), 0
    ends = [np.quantile(values, q, axis=0) for values in (raw, standard) for q in (0.025, 0.975)]
    return dict(zip(BOOTSTRAP_COLUMNS, ends, strict=True)), len(raw)
