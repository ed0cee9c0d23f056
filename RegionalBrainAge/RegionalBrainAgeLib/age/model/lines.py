"""The quantities of a brain that are judged by those of healthy people, and where each stands in an `ErrorTable`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .reader import RawAges
from .views import VIEWS


@dataclass(frozen=True)
class Lines:
    """PADs of R regions; their deviations from the global age of each view; PADs of these; left-right differences.

    Parameters
    ----------
    regions : R.
    pairs : every network with the index of its left and of its right region.
    """

    regions: int
    pairs: tuple[tuple[str, int, int], ...]

    @property
    def pads(self) -> np.ndarray:
        """(R,) numbers of the PADs of the regions."""
        return np.arange(self.regions)

    def deviations(self, view: int) -> np.ndarray:
        """(R,) numbers of the regions' deviations from the global age of a view of `VIEWS`."""
        return self.regions * (1 + view) + np.arange(self.regions)

    def whole(self, view: int) -> int:
        """Number of the PAD of the global age of a view."""
        return self.regions * (1 + len(VIEWS)) + view

    @property
    def differences(self) -> np.ndarray:
        """(P,) numbers of the left-right differences, as `pairs`."""
        return self.whole(len(VIEWS)) + np.arange(len(self.pairs))

    def values(self, raw: RawAges, age_years: np.ndarray) -> np.ndarray:
        """(N, L) all of them, raw."""
        deviations = [raw.regional_years - raw.whole_years[:, view, None] for view in range(len(VIEWS))]
        differences = [raw.regional_years[:, left] - raw.regional_years[:, right] for _, left, right in self.pairs]
        pads, whole = raw.regional_years - age_years[:, None], raw.whole_years - age_years[:, None]
        return np.column_stack([pads, *deviations, whole, *differences])
