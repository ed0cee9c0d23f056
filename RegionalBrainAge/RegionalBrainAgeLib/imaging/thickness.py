"""Thickness of the cortex between its white and its pial surface."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from .fine import STEP_MM
from .image import Image, from_canonical, to_canonical
from .surfaces import PIAL_LEVEL, WHITE_LEVEL
from .tissue import Tissue

# Beyond this no living cortex goes; such voxels are no ribbon.
THICKEST_MM = 8.0


def cortical_thickness(tissue: Tissue, threads: int = 2) -> Image:
    """Thickness (mm, float32) at every voxel of the cortical ribbon on the T1's grid, NaN elsewhere.

    Both surfaces are found to a fraction of a voxel on a 0.5 mm grid, one hemisphere at a time. The thickness at a
    ribbon voxel is the way to its nearest white surface point plus the way to its nearest pial surface point: the
    projection-based thickness of Dahnke (2013) without its intermediate grid.
    """
    head = to_canonical(tissue.gm)
    thickness = np.full(head.shape, np.nan, np.float32)
    for level in (tissue.left, tissue.right):
        if (level.array > WHITE_LEVEL).any():
            _measure(level, head, thickness, threads)
    return from_canonical(head.like(thickness), tissue.gm)


def _measure(level: Image, head: Image, thickness: np.ndarray, threads: int) -> None:
    """Writes the thickness of one hemisphere's ribbon into `thickness` (canonical voxels of the head)."""
    # Both grids run along the same axes.
    level_from_head = np.linalg.inv(level.ras_from_ijk) @ head.ras_from_ijk
    scale, offset = np.diag(level_from_head)[:3], level_from_head[:3, 3]
    first = np.maximum(np.ceil(-offset / scale - 1e-6), 0).astype(int)
    room = np.floor((np.array(level.shape) - 1 - offset) / scale + 1e-6).astype(int)
    size = np.minimum(room + 1, head.shape) - first
    start = scale * first + offset
    sampled = ndimage.affine_transform(level.array, np.diag(scale), start, tuple(size), order=1, mode="nearest")
    ribbon = np.argwhere((sampled > PIAL_LEVEL) & (sampled < WHITE_LEVEL)) + first
    points = (ribbon * scale + offset) * STEP_MM
    white, pial = (_crossings(level.array, at) * STEP_MM for at in (WHITE_LEVEL, PIAL_LEVEL))
    total = _nearest_mm(white, points, threads) + _nearest_mm(pial, points, threads)
    total[total > THICKEST_MM] = np.nan
    thickness[tuple(ribbon.T)] = total


def _crossings(field: np.ndarray, at: float) -> np.ndarray:
    """Points, shape (N, 3) in voxels, where the field passes `at` between two neighbouring voxels."""
    points = []
    for axis in range(3):
        first, second = np.moveaxis(field, axis, 0)[:-1], np.moveaxis(field, axis, 0)[1:]
        where = (first > at) != (second > at)
        place = np.argwhere(where).astype(np.float32)
        place[:, 0] += (at - first[where]) / (second[where] - first[where])
        order = np.argsort([axis, *(a for a in range(3) if a != axis)])
        points.append(place[:, order])
    return np.concatenate(points)


def _nearest_mm(surface_mm: np.ndarray, points_mm: np.ndarray, threads: int) -> np.ndarray:
    if len(surface_mm) == 0 or len(points_mm) == 0:
        return np.full(len(points_mm), np.nan)
    tree = cKDTree(surface_mm, balanced_tree=False, compact_nodes=False)
    return tree.query(points_mm, workers=threads)[0]
