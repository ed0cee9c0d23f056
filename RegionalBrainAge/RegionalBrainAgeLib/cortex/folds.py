"""How deep in a fold and how curved a brain's surface is: what tells one gyrus from the next on two different heads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..geometry.image import Image, bounding_box
from ..head.deformable import Displacement, Level, deform
from ..threads import torch_threads
from .cortical_level import PIAL_LEVEL

VOXEL_MM = 1.0
# A ball of this radius does not enter the sulci: closed by it, the surface is the hull that depth is measured from.
HULL_RADIUS_MM = 15.0
HULL_VOXEL_MM = 2.0
# Curvature is that of the surface seen at this blur (sigma): gyri and sulci, not the roughness of their banks.
CURVATURE_SIGMA_MM = 2.0
# What the alignment of folds looks at: deeper and more curved than this makes no difference.
DEEPEST_MM = 20.0
MOST_CURVED_PER_MM = 0.5
# Found on two heads with FreeSurfer labels: more steps, other weights of the two maps or other smoothing gave the same.
FOLD_LEVELS = (Level(4.0, 15), Level(2.0, 15))


@dataclass(frozen=True)
class Folds:
    """The folds of a brain at every voxel of a 1 mm grid, zero away from it.

    Parameters
    ----------
    depth_mm : float32. How far the nearest spot of the pial surface lies below the brain's hull: 0 on the crown of a
        gyrus, 10 and more at the bottom of a sulcus.
    curvature_per_mm : float32. Twice the mean curvature of the surface there: negative on gyri, positive in sulci.
    """

    depth_mm: np.ndarray
    curvature_per_mm: np.ndarray


def folds_of(hemispheres: tuple[np.ndarray, ...]) -> Folds:
    """Folds of a brain, each hemisphere for itself.

    Parameters
    ----------
    hemispheres : levels (0 outside, 0.5 cortex, 1 inside; see `tissue.Tissue`) on one 1 mm grid.
    """
    shape = hemispheres[0].shape
    depth_mm, curvature = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for whole in hemispheres:
        if not (whole > PIAL_LEVEL).any():
            continue
        box = bounding_box(whole > PIAL_LEVEL, np.full(3, 6))
        level = whole[box]
        solid = level > PIAL_LEVEL
        depth = _depth_mm(solid)
        around = ndimage.binary_dilation(solid, iterations=2)
        free = around & (solid | (depth_mm[box] == 0))
        depth_mm[box][free] = depth[free]
        curvature[box][around] = _curvature_per_mm(level)[around]
    return Folds(depth_mm, curvature)


def align_folds(fixed: Folds, moving: Folds, threads: int = 2) -> Displacement:
    """Displacement (mm, along the axes of the common 1 mm grid) that takes points of `fixed` to those of `moving`."""
    with torch_threads(threads):
        return deform(_channels(fixed), _channels(moving), levels=FOLD_LEVELS)


def _channels(folds: Folds) -> tuple[Image, Image]:
    depth = np.clip(folds.depth_mm, 0, DEEPEST_MM) / np.float32(DEEPEST_MM)
    curvature = np.clip(folds.curvature_per_mm, -MOST_CURVED_PER_MM, MOST_CURVED_PER_MM) + np.float32(0.5)
    return Image(depth, np.eye(4)), Image(curvature, np.eye(4))


def _depth_mm(solid: np.ndarray) -> np.ndarray:
    """Depth below the hull, at every voxel that of the nearest voxel outside the brain."""
    step = HULL_VOXEL_MM / VOXEL_MM
    margin = 2 * int(np.ceil((HULL_RADIUS_MM + 2 * HULL_VOXEL_MM) / 2))
    size = [int(np.ceil((n + 2 * margin) / step)) for n in solid.shape]
    coarse = ndimage.affine_transform(
        solid.astype(np.float32), np.eye(3) * step, np.full(3, 0.5 - margin), output_shape=tuple(size), order=1
    )
    reached = ndimage.distance_transform_edt(coarse < 0.5, sampling=HULL_VOXEL_MM) <= HULL_RADIUS_MM
    below = ndimage.distance_transform_edt(reached, sampling=HULL_VOXEL_MM) - HULL_RADIUS_MM
    below = np.maximum(below, 0).astype(np.float32)
    fine = ndimage.affine_transform(
        below, np.eye(3) / step, np.full(3, (margin - 0.5) / step), output_shape=solid.shape, order=1
    )
    open_edge = np.pad(solid, 1)
    nearest = ndimage.distance_transform_edt(open_edge, return_distances=False, return_indices=True)
    inner = nearest[:, 1:-1, 1:-1, 1:-1] - 1
    inner = np.clip(inner, 0, np.array(solid.shape)[:, None, None, None] - 1)
    return fine[tuple(inner)]


def _curvature_per_mm(level: np.ndarray) -> np.ndarray:
    """Divergence of the unit normals of the blurred level."""
    slope = np.gradient(ndimage.gaussian_filter(level, CURVATURE_SIGMA_MM / VOXEL_MM))
    length = np.sqrt(sum(s * s for s in slope)) + np.float32(1e-3)
    return sum(np.gradient(s / length, axis=axis) for axis, s in enumerate(slope)).astype(np.float32)
