"""Which side a lesion lies on. One rule for the library and for Slicer's panel; numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Up to this far across the mid-sagittal plane a lesion of one hemisphere may seem to reach, for the fissure bends and
# registration errs; what lies farther counts as damage to the other hemisphere.
MIDLINE_TOLERANCE_MM = 5.0
# A lesion stays one of its side while no more lies farther across than 0.1 ml (a speck of a drawn mask), or 1 % of it
# and half a millilitre: a ball 10 mm wide, 2.5 % of the smallest region (20 ml), so that what is said of the other
# hemisphere still holds; the report tells. Of 1,020 real stroke masks 23.7 % are then two-sided, with 0.1 ml 26.1 %.
OTHER_SIDE_ALWAYS_TOLERATED_ML = 0.1
OTHER_SIDE_TOLERATED_FRACTION, OTHER_SIDE_TOLERATED_ML = 0.01, 0.5
# Within 5 mm of the plane as well, no more than this.
ACROSS_TOLERATED_FRACTION = 0.10
# Codes of the slabs beside the mid-sagittal plane, left to right; 0 is outside.
FAR_LEFT, NEAR_LEFT, NEAR_RIGHT, FAR_RIGHT = 1, 2, 3, 4


@dataclass(frozen=True)
class LesionSide:
    """Where a lesion lies.

    Parameters
    ----------
    side : ``"L"``, ``"R"``, ``"bilateral"`` or ``"none"`` (patient's left and right).
    left_fraction, right_fraction : share of its voxels on each side of the mid-sagittal plane; 0 without a lesion.
    other_side_ml : of a lesion of one side, the volume farther than 5 mm across the plane; 0 otherwise.
    """

    side: str
    left_fraction: float
    right_fraction: float
    other_side_ml: float


def side_of_lesion(zone_counts: np.ndarray, voxel_ml: float) -> LesionSide:
    """Side of a lesion from how many of its voxels lie in each slab beside the mid-sagittal plane.

    A lesion is bilateral when more than 10 % of it lies across the plane, or when what lies farther than 5 mm across (a
    second lesion beside a large one) is more than 0.1 ml and more than 1 % of it, or more than 0.5 ml.

    Parameters
    ----------
    zone_counts : numbers of voxels, shape (5,): outside the slabs, `FAR_LEFT`, `NEAR_LEFT`, `NEAR_RIGHT`, `FAR_RIGHT`.
    voxel_ml : volume of a voxel, ml.

    Example
    -------
    >>> side_of_lesion(np.array([0, 59_700, 0, 0, 300]), 0.001).side
    'L'
    """
    counts = np.asarray(zone_counts)
    voxels = int(counts.sum())
    if voxels == 0:
        return LesionSide("none", 0.0, 0.0, 0.0)
    left, right = counts[FAR_LEFT] + counts[NEAR_LEFT], counts[FAR_RIGHT] + counts[NEAR_RIGHT]
    lesser, far_across = (left, counts[FAR_LEFT]) if left < right else (right, counts[FAR_RIGHT])
    far_across_ml = float(far_across * voxel_ml)
    tolerated_ml = min(OTHER_SIDE_TOLERATED_FRACTION * voxels * voxel_ml, OTHER_SIDE_TOLERATED_ML)
    tolerated = (
        far_across_ml <= max(tolerated_ml, OTHER_SIDE_ALWAYS_TOLERATED_ML)
        and lesser <= ACROSS_TOLERATED_FRACTION * voxels
    )
    side = ("R" if left < right else "L") if tolerated else "bilateral"
    return LesionSide(side, float(left / voxels), float(right / voxels), far_across_ml if tolerated else 0.0)


def zones_beside_plane(distance_mm: np.ndarray) -> np.ndarray:
    """Slab of each place, uint8, from its signed distance to the plane (mm; right is positive)."""
    edges = (-MIDLINE_TOLERANCE_MM, 0.0, MIDLINE_TOLERANCE_MM)
    return (np.digitize(distance_mm, edges) + FAR_LEFT).astype(np.uint8)
