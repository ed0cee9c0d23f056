"""Thickness of the cortex between its white and its pial surface."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from ..geometry.half_millimetre_grid import STEP_MM
from ..geometry.image import Image, from_canonical, to_canonical
from .cortical_level import PIAL_LEVEL, WHITE_LEVEL
from .tissue import Tissue

# Beyond this no living cortex goes: a surface was missed there, and the voxel is left unmeasured.
THICKEST_MM = 6.0
# Reach (sigma) of the mean taken along the ribbon: about 5 mm FWHM, as surface-based studies smooth.
SMOOTHING_MM = 2.0
THINNEST_MM = 0.5


def cortical_thickness(tissue: Tissue, lesion: Image | None = None, threads: int = 2) -> Image:
    """Thickness (mm, float32) at every voxel of the cortical ribbon on the T1's grid, NaN elsewhere.

    Parameters
    ----------
    tissue : from `tissue.segment_tissue`.
    lesion : boolean, on the T1's grid, or None. There is no ribbon in it, and nothing of it reaches its surroundings.

    Both surfaces are points found to a fraction of a voxel on a 0.5 mm grid, one hemisphere at a time. A ribbon voxel
    has two estimates, and their mean is taken: the way to its nearest white point plus the way to its nearest pial
    point (after the projection-based thickness of Dahnke 2013), which is never less than the distance between the
    surfaces; and FreeSurfer's (Fischl & Dale 2000), the mean of the ways from those two points to the nearest point of
    the other surface, which is never more than the first. Voxels are then averaged over their surroundings within the
    hemisphere's ribbon, each weighing 1/thickness, which counts area rather than volume.
    """
    head = to_canonical(tissue.gm)
    usable = np.ones(head.shape, bool) if lesion is None else ~to_canonical(lesion).array.astype(bool)
    thickness = np.full(head.shape, np.nan, np.float32)
    for level in (tissue.left, tissue.right):
        if (level.array > WHITE_LEVEL).any():
            _measure(level, head, usable, thickness, threads)
    return from_canonical(head.like(thickness), tissue.gm)


def _measure(level: Image, head: Image, usable: np.ndarray, thickness: np.ndarray, threads: int) -> None:
    """Writes the thickness of one hemisphere's ribbon into `thickness` (canonical voxels of the head)."""
    # Both grids run along the same axes.
    level_from_head = np.linalg.inv(level.ras_from_ijk) @ head.ras_from_ijk
    scale, offset = np.diag(level_from_head)[:3], level_from_head[:3, 3]
    first = np.maximum(np.ceil(-offset / scale - 1e-6), 0).astype(int)
    room = np.floor((np.array(level.shape) - 1 - offset) / scale + 1e-6).astype(int)
    size = np.minimum(room + 1, head.shape) - first
    start = scale * first + offset
    sampled = ndimage.affine_transform(level.array, np.diag(scale), start, tuple(size), order=1, mode="nearest")
    box = tuple(slice(f, f + s) for f, s in zip(first, size, strict=True))
    ribbon = np.argwhere((sampled > PIAL_LEVEL) & (sampled < WHITE_LEVEL) & usable[box])
    white, pial = (_crossings(level.array, at) * STEP_MM for at in (WHITE_LEVEL, PIAL_LEVEL))
    if len(white) == 0 or len(pial) == 0 or len(ribbon) == 0:
        return
    raw = np.full(sampled.shape, np.nan, np.float32)
    raw[tuple(ribbon.T)] = thickness_between(white, pial, (ribbon * scale + start) * STEP_MM, threads)
    view = thickness[box]
    measured = np.isfinite(raw)
    view[measured] = _smoothed(raw, measured, head.spacing_mm)[measured]


def thickness_between(white: np.ndarray, pial: np.ndarray, points: np.ndarray, threads: int = 1) -> np.ndarray:
    """Thickness (mm), shape (N,), at points of the ribbon between two surfaces given as clouds of points.

    Parameters
    ----------
    white, pial, points : coordinates in mm, shapes (W, 3), (P, 3), (N, 3).

    NaN where the two surfaces are farther apart than any cortex is thick.
    """
    white_tree, pial_tree = (cKDTree(cloud, balanced_tree=False, compact_nodes=False) for cloud in (white, pial))
    to_white, nearest_white = white_tree.query(points, workers=threads)
    to_pial, nearest_pial = pial_tree.query(points, workers=threads)
    across = to_white + to_pial
    used_white, white_of_point = np.unique(nearest_white, return_inverse=True)
    used_pial, pial_of_point = np.unique(nearest_pial, return_inverse=True)
    outward = pial_tree.query(white[used_white], workers=threads)[0][white_of_point]
    inward = white_tree.query(pial[used_pial], workers=threads)[0][pial_of_point]
    total = across / 2 + (outward + inward) / 4
    return np.where(total < THICKEST_MM, total, np.nan)


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


def _smoothed(raw: np.ndarray, measured: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    sigma = SMOOTHING_MM / spacing_mm
    area = np.zeros_like(raw)
    area[measured] = 1 / np.maximum(raw[measured], THINNEST_MM)
    voxels = ndimage.gaussian_filter(measured.astype(np.float32), sigma, mode="constant")
    return voxels / np.maximum(ndimage.gaussian_filter(area, sigma, mode="constant"), 1e-6)
