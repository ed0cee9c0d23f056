"""A made-up head with known noise, and the same head moved during the scan."""

from __future__ import annotations

import numpy as np
from RegionalBrainAgeLib.geometry.image import Image
from scipy import ndimage

WHITE, GRAY, FLUID = 100.0, 70.0, 25.0


def head(noise: float = 0.0, spacing_mm: tuple[float, float, float] = (1, 1, 1)) -> tuple[Image, Image]:
    """A ball of white matter under cortex and fluid, with noise of that standard deviation, and its mask."""
    i, j, k = np.meshgrid(*[np.arange(-32, 33)] * 3, indexing="ij")
    radius = np.sqrt(i**2 + j**2 + k**2)
    array = np.select([radius < 19, radius < 25, radius < 28], [WHITE, GRAY, FLUID], 0.0)
    array = ndimage.gaussian_filter(array, 0.7) + np.random.default_rng(0).normal(0, max(noise, 0.5), array.shape)
    ras_from_ijk = np.diag([*spacing_mm, 1.0])
    return Image(array, ras_from_ijk), Image(radius < 28, ras_from_ijk)


def moved(image: Image, share: float, shift_voxels: float) -> Image:
    """The head moved during the scan: a share of the lines of k-space along the second axis are shifted."""
    lines = np.fft.fftn(image.array)
    frequency = np.fft.fftfreq(image.shape[1])
    rng = np.random.default_rng(1)
    for line in rng.choice(image.shape[1], int(share * image.shape[1]), replace=False):
        if abs(frequency[line]) > 0.03:
            lines[:, line] *= np.exp(-2j * np.pi * frequency[line] * rng.normal(0, shift_voxels))
    return image.like(abs(np.fft.ifftn(lines)))
