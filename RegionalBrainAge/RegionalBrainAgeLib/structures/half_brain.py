"""Windows on one half of the brain in template space, and the look-up of a head's voxels in them.

The right half is seen in a mirror, so that one network learns both and a mirrored head gives mirrored volumes. The
halves overlap around the midline: each sees what lies next to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import ndimage

from ..geometry.image import Image

VOXEL_MM = 2.0
# Half of the overlap's width: up to here across the midline both halves hold a voxel.
OVERLAP_MM = 12.0
_MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Window:
    """A box of 2 mm voxels in the left half of template space, which ends 12 mm right of the midline.

    Parameters
    ----------
    name : what it is for.
    shape : voxels along x, y, z; multiples of 4.
    first_mm : centre of its first voxel, RAS mm of the template.
    """

    name: str
    shape: tuple[int, int, int]
    first_mm: tuple[float, float, float]

    @cached_property
    def points_mm(self) -> torch.Tensor:
        """Homogeneous template coordinates of the voxels, float32, shape (N, 4)."""
        index = np.stack(np.meshgrid(*map(np.arange, self.shape), indexing="ij"), axis=-1).reshape(-1, 3)
        points = np.concatenate([index * VOXEL_MM + self.first_mm, np.ones((len(index), 1))], axis=1)
        return torch.from_numpy(points.astype(np.float32))

    @cached_property
    def midline_weight(self) -> np.ndarray:
        """Share of a voxel that this half counts, shape (I, 1, 1): 1/2 where the other half holds it too."""
        x_mm = self.first_mm[0] + VOXEL_MM * np.arange(self.shape[0])
        return np.where(x_mm < -OVERLAP_MM, 1.0, 0.5).astype(np.float32)[:, None, None]


# All of a half, and the ventricles and deep nuclei in it, which are small: a network of their own learns them better.
WHOLE = Window("whole", (48, 104, 88), (-82.0, -118.0, -82.0))
DEEP = Window("deep", (32, 72, 44), (-50.0, -104.0, -42.0))
WINDOWS = (WHOLE, DEEP)


def voxel_from_half(ras_from_ijk: np.ndarray, native_from_template: np.ndarray, side: str) -> np.ndarray:
    """Matrix (4, 4) from millimetres of the half-brain ("L" or "R") to voxels of a head."""
    mirror = _MIRROR if side == "R" else np.eye(4)
    return np.linalg.inv(ras_from_ijk) @ native_from_template @ mirror


def voxels_of(points_mm: torch.Tensor, voxel_from_points: np.ndarray) -> torch.Tensor:
    """Voxel coordinates, shape (N, 3), of homogeneous points (N, 4)."""
    return points_mm @ torch.from_numpy(voxel_from_points[:3].astype(np.float32)).T


def look_up(volume: torch.Tensor, voxels: torch.Tensor, shape: tuple[int, int, int]) -> torch.Tensor:
    """Values of a volume (I, J, K) at voxel coordinates (N, 3), trilinear, 0 outside; in the shape of a window."""
    size = torch.tensor([max(n - 1, 1) for n in volume.shape], dtype=torch.float32)
    where = (voxels * 2 / size - 1).flip(-1).reshape(1, *shape, 3)  # grid_sample wants the last axis first, -1..1
    sampled = torch.nn.functional.grid_sample(
        volume[None, None], where, mode="bilinear", padding_mode="zeros", align_corners=True
    )
    return sampled[0, 0]


def look_up_nearest(labels: torch.Tensor, voxels: torch.Tensor, shape: tuple[int, int, int]) -> torch.Tensor:
    """Labels (I, J, K) at the nearest voxels, 0 outside; int64, in the shape of a window."""
    nearest = voxels.round().long()
    size = torch.tensor(labels.shape)
    inside = ((nearest >= 0) & (nearest < size)).all(dim=1)
    i, j, k = torch.minimum(nearest.clamp(min=0), size - 1).T
    flat = labels.reshape(-1)[(i * labels.shape[1] + j) * labels.shape[2] + k]
    return torch.where(inside, flat.long(), 0).reshape(shape)


def without_fine_detail(image: Image, native_from_template: np.ndarray) -> np.ndarray:
    """The image smoothed so that it may be taken every 2 mm of the template; heads of 2 mm are left as they are."""
    scale = float(np.abs(np.linalg.det(native_from_template[:3, :3])) ** (1 / 3))
    step = np.maximum(VOXEL_MM * scale / image.spacing_mm, 1.0)
    sigma = 0.45 * np.sqrt(step**2 - 1.0)
    return ndimage.gaussian_filter(image.array.astype(np.float32), sigma, mode="constant", truncate=3.0)
