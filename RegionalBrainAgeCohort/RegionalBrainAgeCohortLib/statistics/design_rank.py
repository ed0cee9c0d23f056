"""Which columns of a design can be estimated, by the rule of R's ``lm`` and lme4."""

from __future__ import annotations

import numpy as np

CONSTANT, RANK_DEFICIENT = "constant", "rank deficient"
RANK_TOLERANCE = 1e-7  # lme4's chkRank.drop.cols
_EXACT_SHARE = 1e-12


def ranked_qr(design: np.ndarray, tolerance: float = RANK_TOLERANCE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of the columns lme4 keeps, and the QR decomposition of those: orthonormal basis and triangle.

    A column is dropped when the ones before it explain all but `tolerance` of it: the same rule as R's
    ``qr(X, tol = 1e-7)`` (LINPACK dqrdc2), the norm left after projection on the kept columns, relative to its own.
    """
    rows, columns = design.shape
    if rows >= columns:
        basis, triangle = np.linalg.qr(design)
        if (np.abs(np.diag(triangle)) > 2 * tolerance * np.linalg.norm(design, axis=0)).all():
            return np.arange(columns), basis, triangle
    kept: list[int] = []
    basis = np.empty((rows, 0))
    for index, column in enumerate(design.T):
        norm = np.linalg.norm(column)
        rest = column - basis @ (basis.T @ column)
        rest = rest - basis @ (basis.T @ rest)
        left = np.linalg.norm(rest)
        if norm > 0 and left > tolerance * norm and len(kept) < rows:
            kept.append(index)
            basis = np.column_stack([basis, rest / left])
    return np.array(kept, dtype=int), *np.linalg.qr(design[:, kept])


def independent_columns(design: np.ndarray, tolerance: float = RANK_TOLERANCE) -> np.ndarray:
    """Indices of the columns lme4 keeps; see `ranked_qr`."""
    return ranked_qr(design, tolerance)[0]


def is_exact(y: np.ndarray, residual_squares: float) -> bool:
    """Whether the predictors make up the outcome (n,), so that what is left is rounding, whose tests mean nothing.

    residual_squares : sum of squared residuals of least squares.
    """
    return residual_squares <= _EXACT_SHARE * float(((y - y.mean()) ** 2).sum())


def term_statuses(design: np.ndarray, kept: np.ndarray, fitted: str) -> tuple[str, ...]:
    """Status of every coefficient of a design of which only the columns `kept` were fitted.

    A coefficient can be estimated when its column is not a combination of all the others. Columns that never vary
    (beyond the first, the intercept) are set aside first, so they do not spoil the intercept.
    """
    columns = design.shape[1]
    constant = np.ptp(design, axis=0) <= 1e-12 * np.maximum(1.0, np.abs(design[0]))
    constant[0] = False
    if len(kept) == columns and not constant.any():
        return (fitted,) * columns
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
