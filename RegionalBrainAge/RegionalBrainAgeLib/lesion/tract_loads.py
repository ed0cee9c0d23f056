"""Lesion loads of the corticospinal tract."""

from __future__ import annotations

import numpy as np

from ..anatomy.tract import counted_probability
from ..geometry.image import Image, same_grid


def tract_load(lesion: Image | None, tract: Image) -> float:
    """Share of the tract's volume that is lesioned, each voxel weighted by its probability; 0..1.

    Parameters
    ----------
    lesion : boolean, or None.
    tract : probability on the lesion's grid; values under 0.1 do not count. NaN where the tract is not on the grid.
    """
    probability = counted_probability(tract)
    total = float(probability.sum())
    if total == 0.0:
        return float("nan")
    return float(probability[_lesioned(lesion, tract)].sum()) / total


def weighted_tract_load(lesion: Image | None, tract: Image) -> float:
    """Cross-section-weighted load (Zhu, Lindenberg, Alexander & Schlaug 2010), as a fraction 0..1.

    Every axial slice weighs the largest section divided by its own, so damage counts more where the tract is narrow.
    The weighted damage is divided by that of a tract lost altogether. Slices run along the grid axis nearest to the
    body axis; sections under a tenth of the largest are given its weight, so that the thin ends do not rule.
    """
    probability = counted_probability(tract)
    if probability.sum() == 0.0:
        return float("nan")
    axis = int(np.argmax(np.abs(tract.ras_from_ijk[2, :3]) / tract.spacing_mm))
    others = tuple(other for other in range(3) if other != axis)
    sections = probability.sum(axis=others)
    damaged = np.where(_lesioned(lesion, tract), probability, 0.0).sum(axis=others)
    weights = sections.max() / np.maximum(sections, MINIMUM_SECTION_FRACTION * sections.max())
    return float((weights * damaged).sum() / (weights * sections).sum())


# Sections thinner than this are ends of the tract, not bottlenecks (Zhu 2010 weights by the inverse of the area).
MINIMUM_SECTION_FRACTION = 0.1


def _lesioned(lesion: Image | None, tract: Image) -> np.ndarray:
    if lesion is None:
        return np.zeros(tract.shape, dtype=bool)
    if not same_grid(lesion, tract):
        raise ValueError("the lesion and the tract must lie on one grid")
    return np.asarray(lesion.array, dtype=bool)
