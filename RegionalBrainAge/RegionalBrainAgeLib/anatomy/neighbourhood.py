"""Distances in millimetres around a mask, computed only where they can matter."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..imaging.image import Image


def bounding_box(mask: np.ndarray, margin_voxels: np.ndarray | int = 0) -> tuple[slice, slice, slice]:
    """Slices around the True voxels of a mask, widened by a margin and cut at the edge; empty for an empty mask."""
    margins = np.broadcast_to(margin_voxels, 3)
    found = ndimage.find_objects(mask.astype(np.uint8))
    if not found:
        return (slice(0, 0), slice(0, 0), slice(0, 0))
    return tuple(
        slice(max(0, part.start - int(margin)), min(size, part.stop + int(margin)))
        for part, margin, size in zip(found[0], margins, mask.shape, strict=True)
    )


def within_mm(mask: Image, distance_mm: float) -> np.ndarray:
    """Boolean array: voxels no farther than `distance_mm` from the nearest True voxel centre, the mask included."""
    array = np.asarray(mask.array, dtype=bool)
    near = np.zeros(array.shape, dtype=bool)
    if not array.any():
        return near
    box = bounding_box(array, np.ceil(distance_mm / mask.spacing_mm).astype(int) + 1)
    outside = ~array[box]
    if not outside.any():
        near[box] = True
        return near
    near[box] = ndimage.distance_transform_edt(outside, sampling=mask.spacing_mm) <= distance_mm
    return near
