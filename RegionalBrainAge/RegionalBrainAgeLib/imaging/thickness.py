"""Thickness of the cortex between its white and its pial surface."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from .image import Image, bounding_box, from_canonical, to_canonical
from .tissue import Tissue

WHITE_LEVEL = 0.75
PIAL_LEVEL = 0.25
STEP_MM = 0.5
# Beyond this no living cortex goes; such voxels are no ribbon.
THICKEST_MM = 8.0
SMALLEST_WHITE_PART_MM3 = 2000.0


def cortical_thickness(tissue: Tissue) -> Image:
    """Thickness (mm, float32) at every voxel of the cortical ribbon on the T1's grid, NaN elsewhere.

    Both surfaces are found to a fraction of a voxel on a 0.5 mm grid, one hemisphere at a time. The thickness of a
    ribbon voxel is the way to its nearest white surface point plus the way to its nearest pial surface point, which
    holds in sulci whose banks touch as well (Dahnke 2013).
    """
    level, side = to_canonical(tissue.level), to_canonical(tissue.side)
    thickness = np.full(level.shape, np.nan, np.float32)
    for hemisphere in (1, 2):
        part = np.where(side.array == hemisphere, level.array, 0).astype(np.float32)
        if (part > WHITE_LEVEL).any():
            _measure(part, level.spacing_mm, thickness)
    return from_canonical(level.like(thickness), tissue.level)


def _measure(level: np.ndarray, spacing_mm: np.ndarray, thickness: np.ndarray) -> None:
    """Writes the thickness of one hemisphere's ribbon into `thickness`."""
    box = bounding_box(level > 0, np.ceil(2.0 / spacing_mm).astype(int))
    level = _without_islands(level[box], spacing_mm)
    fine = _refine(level, spacing_mm)
    white, pial = (_crossings(fine, at) * STEP_MM for at in (WHITE_LEVEL, PIAL_LEVEL))
    ribbon = np.argwhere((level > PIAL_LEVEL) & (level < WHITE_LEVEL))
    points = ribbon * spacing_mm
    total = _nearest_mm(white, points) + _nearest_mm(pial, points)
    total[total > THICKEST_MM] = np.nan
    view = thickness[box]
    view[tuple(ribbon.T)] = total


def _without_islands(level: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Small white-matter parts that hang on nothing (vessels, dura, marrow) become grey."""
    parts, count = ndimage.label(level > WHITE_LEVEL)
    if count < 2:
        return level
    sizes = np.bincount(parts.ravel()) * np.prod(spacing_mm)
    sizes[0] = np.inf
    small = (sizes < SMALLEST_WHITE_PART_MM3)[parts]
    return np.where(small, np.minimum(level, 0.6), level)


def _refine(level: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Trilinear samples every 0.5 mm, starting at the first voxel's centre."""
    fine = level
    for axis, (step, n) in enumerate(zip(spacing_mm, level.shape, strict=True)):
        position = np.arange(int((n - 1) * step / STEP_MM) + 1) * STEP_MM / step
        below = np.minimum(position.astype(int), n - 2)
        share = (position - below).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        fine = np.take(fine, below, axis) * (1 - share) + np.take(fine, below + 1, axis) * share
    return fine


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


def _nearest_mm(surface_mm: np.ndarray, points_mm: np.ndarray) -> np.ndarray:
    if len(surface_mm) == 0 or len(points_mm) == 0:
        return np.full(len(points_mm), np.nan)
    tree = cKDTree(surface_mm, balanced_tree=False, compact_nodes=False)
    return tree.query(points_mm)[0]
