"""Bends one image onto another so that local patterns agree, by steps that never fold.

Greedy diffeomorphic registration (Avants 2008; Yushkevich 2016): at every step the gradient of the squared local
correlation is smoothed and composed with the displacement so far. The local correlation knows nothing of absolute
brightness, so residual shading and another scanner's contrast do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from ..geometry.image import Image, subsampled


@dataclass(frozen=True)
class Level:
    """One resolution of the search and how many steps it takes."""

    voxel_mm: float
    steps: int


# Chosen by Testing/benchmarks/registration_benchmark.py: parcels are no better placed with finer or more steps.
LEVELS = (Level(8.0, 30), Level(4.0, 30), Level(2.0, 25))
# In voxels of the level: window half-width, longest step, smoothing of each step and of the whole displacement.
WINDOW_RADIUS = 2
LONGEST_STEP = 0.4
STEP_SMOOTHING = 1.2
TOTAL_SMOOTHING = 0.6
# Local variance (intensities are 0..1) below which a window holds no pattern, only noise.
PATTERNLESS_VARIANCE = 1e-4


@dataclass(frozen=True)
class Displacement:
    """A displacement at every voxel of a grid, with zero displacement outside it.

    Parameters
    ----------
    vectors_mm : ndarray, float32, shape (3, I, J, K); RAS millimetres to add to a point's coordinates.
    ras_from_ijk : ndarray, shape (4, 4); the axes of the grid are the axes of RAS space, its voxels are cubes.
    """

    vectors_mm: np.ndarray
    ras_from_ijk: np.ndarray

    @property
    def voxel_mm(self) -> float:
        """Edge length of the isotropic voxels (mm)."""
        return float(self.ras_from_ijk[0, 0])

    def inverted(self, iterations: int = 25) -> Displacement:
        """The displacement that undoes this one, by fixed-point iteration (Chen 2008); same grid."""
        forward = self.vectors_mm / self.voxel_mm
        back = -forward
        for _ in range(iterations):
            back = -_moved(forward, back)
        return Displacement(back * np.float32(self.voxel_mm), self.ras_from_ijk)

    def on_grid(self, image: Image) -> np.ndarray:
        """Vectors (mm) at the voxels of an image whose axes are those of RAS space, shape (3, *image.shape)."""
        step = image.ras_from_ijk[0, 0] / self.voxel_mm
        offset = (np.linalg.inv(self.ras_from_ijk) @ image.ras_from_ijk[:, 3])[:3]
        return np.stack(
            [
                ndimage.affine_transform(v, np.eye(3) * step, offset, output_shape=image.shape, order=1)
                for v in self.vectors_mm
            ]
        )


def deform(
    fixed: Image | tuple[Image, ...],
    moving: Image | tuple[Image, ...],
    ignored: Image | None = None,
    levels: tuple[Level, ...] = LEVELS,
) -> Displacement:
    """Displacement that takes points of `fixed` to the matching points of `moving`.

    Parameters
    ----------
    fixed, moving : same grid, axes of RAS space; intensities about 0..1, zero outside the brain. Given several images
        of one head each (as many of either), their forces add up.
    ignored : weight 0..1 on that grid of voxels of `fixed` that exert no force, or None.
    """
    fixed, moving = (images if isinstance(images, tuple) else (images,) for images in (fixed, moving))
    displacement: Displacement | None = None
    for level in levels:
        targets = [subsampled(image, level.voxel_mm) for image in fixed]
        sources = [subsampled(image, level.voxel_mm) for image in moving]
        target = targets[0]
        weight = None if ignored is None else 1.0 - subsampled(ignored, level.voxel_mm).array
        start = (
            np.zeros((3, *target.shape), np.float32)
            if displacement is None
            else displacement.on_grid(target) / np.float32(level.voxel_mm)
        )
        pairs = [(a.array, b.array) for a, b in zip(targets, sources, strict=True)]
        voxels = _descend(pairs, weight, start, level.steps)
        displacement = Displacement(voxels * np.float32(level.voxel_mm), target.ras_from_ijk)
    assert displacement is not None, "at least one level"
    return displacement


def _descend(
    pairs: list[tuple[np.ndarray, np.ndarray]], weight: np.ndarray | None, displacement: np.ndarray, steps: int
) -> np.ndarray:
    for _ in range(steps):
        forces = []
        for fixed, moving in pairs:
            warped = _moved(moving[None], displacement)[0]
            force = _correlation_slope(fixed, warped)
            if weight is not None:
                force *= weight
            forces.append(force * np.stack(np.gradient(warped)))
        step = _smoothed(np.add.reduce(forces), STEP_SMOOTHING)
        longest = float(np.sqrt((step**2).sum(axis=0)).max())
        if longest == 0.0:
            break
        step *= np.float32(LONGEST_STEP / longest)
        displacement = _smoothed(_moved(displacement, step) + step, TOTAL_SMOOTHING)
    return displacement


def _correlation_slope(fixed: np.ndarray, warped: np.ndarray) -> np.ndarray:
    """Derivative of the squared local correlation by the warped image's brightness (Avants 2008, equation 7)."""

    def mean(values: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(values, 2 * WINDOW_RADIUS + 1, mode="constant")

    mean_fixed, mean_warped = mean(fixed), mean(warped)
    variance_fixed = mean(fixed * fixed) - mean_fixed**2
    variance_warped = mean(warped * warped) - mean_warped**2
    covariance = mean(fixed * warped) - mean_fixed * mean_warped
    pattern = (variance_fixed > PATTERNLESS_VARIANCE) & (variance_warped > PATTERNLESS_VARIANCE)
    variance_fixed[~pattern] = 1.0
    variance_warped[~pattern] = 1.0
    slope = covariance / (variance_fixed * variance_warped)
    slope *= (fixed - mean_fixed) - covariance / variance_warped * (warped - mean_warped)
    slope[~pattern] = 0.0
    return slope


def _smoothed(vectors: np.ndarray, sigma: float) -> np.ndarray:
    return np.stack([ndimage.gaussian_filter(v, sigma, mode="nearest", truncate=3.0) for v in vectors])


def _moved(values: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """`values` (C, I, J, K) looked up, trilinear, at each voxel plus its displacement (3, I, J, K), in voxels."""
    shape = displacement.shape[1:]
    index = np.meshgrid(*[np.arange(n, dtype=np.float32) for n in shape], indexing="ij", sparse=True)
    # grid_sample wants the last axis first, scaled to -1..1.
    where = np.stack(
        [(displacement[a] + index[a]) * np.float32(2.0 / (shape[a] - 1)) - np.float32(1.0) for a in (2, 1, 0)], axis=-1
    )
    looked_up = torch.nn.functional.grid_sample(
        torch.from_numpy(np.ascontiguousarray(values))[None],
        torch.from_numpy(where)[None],
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    )
    return looked_up[0].numpy()
