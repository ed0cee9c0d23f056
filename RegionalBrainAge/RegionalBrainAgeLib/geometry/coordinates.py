"""From voxel indices to RAS millimetres and back, and the values found at points in space."""

from __future__ import annotations

import numpy as np

from .image import Image


def coordinates_mm(image: Image, ijk: np.ndarray) -> np.ndarray:
    """RAS coordinates (mm), shape (N, 3), of voxel indices of shape (N, 3)."""
    return transformed(image.ras_from_ijk, ijk)


def voxel_indices(image: Image, ras_mm: np.ndarray) -> np.ndarray:
    """Continuous voxel indices, shape (N, 3), of points in RAS millimetres, shape (N, 3)."""
    return transformed(np.linalg.inv(image.ras_from_ijk), ras_mm)


def values_at(image: Image, ras_mm: np.ndarray) -> np.ndarray:
    """Nearest voxel values, shape (N,), at points in RAS millimetres, shape (N, 3); 0 (False) outside the grid."""
    ijk = np.rint(voxel_indices(image, ras_mm)).astype(int)
    inside = np.all((ijk >= 0) & (ijk < image.shape), axis=1)
    values = np.zeros(len(ijk), dtype=image.array.dtype)
    values[inside] = image.array[tuple(ijk[inside].T)]
    return values


def transformed(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points of shape (N, 3) moved by an affine matrix of shape (4, 4)."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]
