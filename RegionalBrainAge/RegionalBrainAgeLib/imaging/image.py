"""A volume and its place in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Image:
    """A 3D array with its geometry.

    Parameters
    ----------
    array : ndarray, shape (I, J, K)
    ras_from_ijk : ndarray, shape (4, 4), float64. Maps voxel indices (i, j, k, 1) to RAS millimetres; may be oblique,
        anisotropic or left-handed.
    """

    array: np.ndarray
    ras_from_ijk: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.array.shape

    @property
    def spacing_mm(self) -> np.ndarray:
        """Voxel edge lengths (mm), shape (3,)."""
        return np.linalg.norm(self.ras_from_ijk[:3, :3], axis=0)

    @property
    def voxel_volume_ml(self) -> float:
        return float(abs(np.linalg.det(self.ras_from_ijk[:3, :3])) / 1000.0)

    def like(self, array: np.ndarray) -> Image:
        """The same place in space with other values; `array` has the same shape."""
        if array.shape != self.array.shape:
            raise ValueError(f"array of shape {array.shape} does not fit a grid of shape {self.array.shape}")
        return Image(array, self.ras_from_ijk)
