"""The lesion: whether its mask is usable, its volume, its side, and how much of each region it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..errors import InputError
from ..geometry.image import Image, same_grid
from ..head.registration import Registration
from .side import FAR_LEFT, FAR_RIGHT, MIDLINE_TOLERANCE_MM, NEAR_LEFT, NEAR_RIGHT, side_of_lesion

MINIMUM_INSIDE_BRAIN_FRACTION = 0.5
SUSPICIOUS_INSIDE_BRAIN_FRACTION = 0.9
MAXIMUM_BRAIN_FRACTION = 0.6


@dataclass(frozen=True)
class LesionSummary:
    """A lesion in numbers.

    Parameters
    ----------
    volume_ml : volume of the mask.
    side : ``"L"``, ``"R"``, ``"bilateral"`` or ``"none"`` (patient's left and right).
    left_fraction, right_fraction : share of the volume on each side of the mid-sagittal plane; 0 without a lesion.
    cluster_volumes_ml : volumes of the connected parts (26 neighbours), largest first.
    other_side_ml : of a lesion of one side, the volume farther than 5 mm across the plane; 0 otherwise.
    """

    volume_ml: float
    side: str
    left_fraction: float
    right_fraction: float
    cluster_volumes_ml: tuple[float, ...]
    other_side_ml: float = 0.0


def midline_zones() -> Image:
    """Four slabs of MNI space, left to right: beyond 5 mm, within 5 mm, within 5 mm, beyond 5 mm of the plane x = 0.

    The voxels are 5 mm wide and 800 mm high and deep, so the volume covers any head.
    """
    ras_from_ijk = np.diag([MIDLINE_TOLERANCE_MM, 800.0, 800.0, 1.0])
    half = 80
    ras_from_ijk[0, 3] = (0.5 - half) * MIDLINE_TOLERANCE_MM
    codes = [FAR_LEFT] * (half - 1) + [NEAR_LEFT, NEAR_RIGHT] + [FAR_RIGHT] * (half - 1)
    return Image(np.array(codes, dtype=np.uint8).reshape(-1, 1, 1), ras_from_ijk)


def check_lesion(lesion: Image, brain: Image, name: str = "The lesion mask") -> list[str]:
    """Refuses a mask that cannot be a lesion of this brain; returns warnings about one that is doubtful.

    Parameters
    ----------
    lesion, brain : boolean, same grid.
    name : how a message calls the mask, for example its file name.

    Raises
    ------
    InputError : the mask is empty, mostly outside the brain, or as large as a brain mask.
    """
    voxels = int(np.count_nonzero(lesion.array))
    if voxels == 0:
        raise InputError(f"{name} is empty.", "Draw the lesion, or leave the mask out for a head without one.")
    inside = float(np.count_nonzero(lesion.array & brain.array)) / voxels
    if inside < MINIMUM_INSIDE_BRAIN_FRACTION:
        raise InputError(
            f"{name} lies outside the brain: only {100 * inside:.0f} % of it is inside.",
            "Check that it was drawn on this T1 image and was saved with the same geometry.",
        )
    brain_fraction = voxels / max(int(np.count_nonzero(brain.array)), 1)
    if brain_fraction > MAXIMUM_BRAIN_FRACTION:
        raise InputError(
            f"{name} covers {100 * brain_fraction:.0f} % of the brain.",
            "Give the mask of the lesion (1 inside, 0 outside), not a brain mask or an inverted mask.",
        )
    if inside < SUSPICIOUS_INSIDE_BRAIN_FRACTION:
        return [f"{name}: {100 * (1 - inside):.0f} % of it lies outside the brain mask; check both outlines."]
    return []


def summarise_lesion(lesion: Image | None, midline: Registration | Image) -> LesionSummary:
    """Volume, side and parts of a lesion.

    Parameters
    ----------
    lesion : boolean, T1 grid, or None.
    midline : the head's registration, or `midline_zones` already brought onto the T1 grid. The plane is MNI's x = 0
        carried into the head, so an oblique head or a shifted midline is judged like any other.
    """
    if lesion is None or not lesion.array.any():
        return LesionSummary(0.0, "none", 0.0, 0.0, ())
    zones = midline if isinstance(midline, Image) else midline.to_native(midline_zones(), nearest=True)
    if not same_grid(zones, lesion):
        raise ValueError("the midline zones and the lesion must lie on one grid")
    counts = np.bincount(zones.array[lesion.array.astype(bool)].astype(int), minlength=5)
    where = side_of_lesion(counts, lesion.voxel_volume_ml)
    return LesionSummary(
        int(np.count_nonzero(lesion.array)) * lesion.voxel_volume_ml,
        where.side,
        where.left_fraction,
        where.right_fraction,
        cluster_volumes_ml(lesion),
        where.other_side_ml,
    )


def cluster_volumes_ml(lesion: Image) -> tuple[float, ...]:
    """Volumes (ml) of the connected parts of a mask (26 neighbours), largest first."""
    labels, _ = ndimage.label(lesion.array, structure=np.ones((3, 3, 3)))
    sizes = np.sort(np.bincount(labels.ravel())[1:])[::-1]
    return tuple(float(size * lesion.voxel_volume_ml) for size in sizes)


def region_loads(lesion: Image | None, masks: Sequence[Image]) -> np.ndarray:
    """Fraction of each region's volume that is lesioned, float64, shape (R,), 0..1.

    Parameters
    ----------
    lesion : boolean; None = no lesion.
    masks : boolean regions on the lesion's grid. A region without a voxel on this grid has no load: NaN.
    """
    loads = np.full(len(masks), np.nan)
    for index, mask in enumerate(masks):
        if lesion is not None and not same_grid(mask, lesion):
            raise ValueError("the regions and the lesion must lie on one grid")
        voxels = np.count_nonzero(mask.array)
        if voxels:
            damaged = 0 if lesion is None else np.count_nonzero(mask.array.astype(bool) & lesion.array.astype(bool))
            loads[index] = damaged / voxels
    return loads
