"""In how many healthy people as many numbers lie outside their healthy ranges as in a patient.

In health one number in ten lies outside its range, but the numbers of one brain go together: many healthy people have
none outside, a few have many. So how many a patient has is judged by how many healthy people have.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Kinds of numbers that are counted: corrected PADs of regions, their deviations from the global age of each of
# `views.READ_FROM`, and left-right differences of networks.
PADS, DIFFERENCES = "pads", "differences"


def deviations_from(read_from: str) -> str:
    """Name of the kind "deviations from the global age of this view" (one of `views.READ_FROM`)."""
    return f"deviations from {read_from}"


def shares_with_as_many(outside: np.ndarray) -> list[float]:
    """Share of people with at least 0, 1, ... L of their L numbers outside, to four digits.

    Parameters
    ----------
    outside : (N, L) boolean, of healthy people.
    """
    counts = outside.sum(axis=1)
    return [round(float(np.mean(counts >= count)), 4) for count in range(outside.shape[1] + 1)]


def share_with_as_many(shares: Sequence[float], outside: int, estimable: int) -> float:
    """Share of healthy people in whom at least as large a part of the numbers lies outside; NaN without any number.

    Parameters
    ----------
    shares : (L + 1,) from `shares_with_as_many`; between its counts the share is linear.
    outside, estimable : numbers of one person outside their healthy range, and those that have one at all.
    """
    if estimable == 0:
        return float("nan")
    return float(np.interp(outside / estimable, np.linspace(0.0, 1.0, len(shares)), shares))
