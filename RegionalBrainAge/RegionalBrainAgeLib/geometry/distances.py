"""Distances in millimetres around a mask, computed only where they can matter."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .image import Image, bounding_box


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
