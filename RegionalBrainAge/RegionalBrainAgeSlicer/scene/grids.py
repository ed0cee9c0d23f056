"""Voxels of one volume on the grid of another, through RAS.

Two volumes of one size need not lie alike: some readers turn an axis of a left-handed file round, others keep it.
"""

from __future__ import annotations

import numpy as np
import slicer
import vtk


def ras_from_ijk(volume_node) -> np.ndarray:
    """The volume's geometry, shape (4, 4), mm."""
    matrix = vtk.vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def same_grid(one, other, tolerance_mm: float = 0.01) -> bool:
    """True when both volumes have the same size and no corner differs by more than `tolerance_mm`."""
    size = one.GetImageData().GetDimensions()
    if size != other.GetImageData().GetDimensions():
        return False
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in size], [1], indexing="ij")).reshape(4, -1)
    return bool(np.linalg.norm(((ras_from_ijk(one) - ras_from_ijk(other)) @ corners)[:3], axis=0).max() <= tolerance_mm)


def nearest_on_grid(source, like) -> np.ndarray:
    """The source's nearest voxel at every voxel of `like` (slices, rows, columns); 0 outside the source."""
    values = slicer.util.arrayFromVolume(source)
    if same_grid(source, like):
        return values.copy()
    to_source = np.linalg.inv(ras_from_ijk(source)) @ ras_from_ijk(like)
    result = np.zeros(slicer.util.arrayFromVolume(like).shape, values.dtype)
    # Only where the source can lie: between its corners, half a voxel out.
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in values.shape[::-1]], [1.0], indexing="ij")).reshape(4, -1)
    there = (np.linalg.inv(to_source) @ corners)[:3]
    low = np.clip(np.floor(there.min(axis=1)), 0, result.shape[::-1]).astype(int)
    high = np.clip(np.ceil(there.max(axis=1)) + 1, 0, result.shape[::-1]).astype(int)
    j, i = np.meshgrid(np.arange(low[1], high[1]), np.arange(low[0], high[0]), indexing="ij")
    in_plane = to_source[:3, 0, None, None] * i + to_source[:3, 1, None, None] * j
    for k in range(low[2], high[2]):
        place = np.rint(in_plane + (to_source[:3, 2] * k + to_source[:3, 3])[:, None, None]).astype(int)
        inside = np.logical_and.reduce([(place[a] >= 0) & (place[a] < values.shape[2 - a]) for a in range(3)])
        part = result[k, low[1] : high[1], low[0] : high[0]]
        part[inside] = values[place[2][inside], place[1][inside], place[0][inside]]
    return result
