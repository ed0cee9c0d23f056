"""Where voxels lie in RAS millimetres."""

from __future__ import annotations

import numpy as np

from .image import Image


def coordinates_mm(image: Image, ijk: np.ndarray) -> np.ndarray:
    """RAS coordinates (mm), shape (N, 3), of voxel indices of shape (N, 3)."""
    return ijk @ image.ras_from_ijk[:3, :3].T + image.ras_from_ijk[:3, 3]
