"""Half-brains as other scanners, other people and lesions would make them.

Every draw moves and bends the head a little, changes its tissue contrast, resolution, brightness, shading and noise,
and at times strips the skull, cuts the field of view or blanks a hole as a lesion does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch.nn import functional

from ..half_brain import Window, look_up, look_up_nearest, voxel_from_half, voxels_of
from ..names import CLASSES
from .examples import Example

# Standard deviations of the random affine: degrees, log scale (common and per axis), shear, millimetres.
ROTATION_DEG, LOG_SCALE, SHEAR, SHIFT_MM = 2.5, 0.03, 0.015, 1.5
# Bending: standard deviation, and how far apart it is drawn.
BEND_MM, BEND_EVERY_VOXELS = 1.5, 16
SHADING_EVERY_VOXELS = 30
CONTRAST_SD, GAMMA_SD, SHADING_SD, BRIGHTNESS_SD, LARGEST_NOISE = 0.04, 0.15, 0.1, 0.08, 0.05
# What lies in a hole or outside the field of view is learned too, but counts less.
HOLE_WEIGHT, CUT_WEIGHT = 0.3, 0.1
_BLUR_RADIUS = 3


@dataclass(frozen=True)
class Draw:
    """One training sample.

    Parameters
    ----------
    half : intensities, (1, 1, I, J, K). classes : int64, (I, J, K). weight : what each voxel counts, (I, J, K).
    """

    half: torch.Tensor
    classes: torch.Tensor
    weight: torch.Tensor


def plain(example: Example, side: str, window: Window) -> tuple[torch.Tensor, torch.Tensor]:
    """Intensities and classes of one half as they are, each of the window's shape."""
    where = voxels_of(window.points_mm, voxel_from_half(example.ras_from_ijk, example.native_from_template, side))
    return look_up(example.t1, where, window.shape), look_up_nearest(example.labels[side], where, window.shape)


def draw(example: Example, side: str, window: Window, rng: np.random.Generator) -> Draw:
    """A random variant of one half."""
    where = _bent_points(window, rng)
    where = voxels_of(where, voxel_from_half(example.ras_from_ijk, example.native_from_template, side) @ _affine(rng))
    classes = look_up_nearest(example.labels[side], where, window.shape)
    half = _other_contrast(look_up(example.t1, where, window.shape), classes, rng)
    half = _other_resolution(half, rng)
    half = _other_brightness(half, rng)
    if rng.random() < 0.25:
        half = half * _stripped(look_up(example.brain, where, window.shape), rng)
    weight = torch.ones(window.shape)
    if rng.random() < 0.3:
        hole = _hole(window.shape, rng)
        half = torch.where(hole, 0.0, half)
        weight[hole] = HOLE_WEIGHT
    if rng.random() < 0.1:
        cut = int(rng.integers(2, window.shape[2] // 4))
        half[:, :, :cut] = 0.0
        weight[:, :, :cut] = CUT_WEIGHT
    return Draw(half[None, None], classes, weight)


def _affine(rng: np.random.Generator) -> np.ndarray:
    scale = np.clip(rng.normal(0, LOG_SCALE, 3) + rng.normal(0, LOG_SCALE), -0.2, 0.2)
    shear = np.eye(3)
    shear[[0, 0, 1], [1, 2, 2]] = rng.normal(0, SHEAR, 3)
    matrix = np.eye(4)
    turned = Rotation.from_euler("xyz", rng.normal(0, ROTATION_DEG, 3), degrees=True).as_matrix()
    matrix[:3, :3] = turned @ shear @ np.diag(np.exp(scale))
    matrix[:3, 3] = rng.normal(0, SHIFT_MM, 3)
    return matrix


def _bent_points(window: Window, rng: np.random.Generator) -> torch.Tensor:
    points = window.points_mm.clone()
    for axis in range(3):
        bend = BEND_MM if rng.random() < 0.7 else 0.0
        points[:, axis] += _smooth_noise(rng, window.shape, BEND_EVERY_VOXELS, bend).reshape(-1)
    return points


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], every: int, sd: float) -> torch.Tensor:
    grid = [n // every + 2 for n in shape]
    coarse = torch.from_numpy(rng.normal(0, sd, (1, 1, *grid)).astype(np.float32))
    return functional.interpolate(coarse, size=shape, mode="trilinear", align_corners=True)[0, 0]


def _other_contrast(half: torch.Tensor, classes: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Brightens or darkens every structure by its own amount; what is dark by nature stays dark."""
    if rng.random() >= 0.6:
        return half
    change = torch.from_numpy(rng.normal(0, CONTRAST_SD, len(CLASSES)).astype(np.float32))
    change[0] = 0.0
    return half + change[classes] * half.clamp(0, 0.6) / 0.6


def _other_resolution(half: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    if rng.random() < 0.4:
        half = _blurred(half, rng.uniform(0.3, 0.9))
    elif rng.random() < 0.3:
        half = half + rng.uniform(0.2, 0.7) * (half - _blurred(half, 0.8))
    if rng.random() < 0.15:  # thick slices
        half = _blurred(half, rng.uniform(0.6, 1.5), axes=(int(rng.integers(3)),))
    return half


def _other_brightness(half: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    half = half.clamp(0, 3) ** float(np.exp(rng.normal(0, GAMMA_SD)))
    if rng.random() < 0.5:
        half = half * torch.exp(_smooth_noise(rng, tuple(half.shape), SHADING_EVERY_VOXELS, SHADING_SD))
    if rng.random() < 0.6:
        noise = torch.from_numpy(rng.standard_normal(tuple(half.shape), dtype=np.float32))
        half = half + float(rng.uniform(0, LARGEST_NOISE)) * noise
    return (half * float(np.exp(rng.normal(0, BRIGHTNESS_SD)))).clamp(min=0)


def _stripped(brain: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    outline = _blurred(brain, 1.2) if rng.random() < 0.5 else brain
    return outline > float(rng.uniform(0.1, 0.6))


def _hole(shape: tuple[int, int, int], rng: np.random.Generator) -> torch.Tensor:
    """One to four ellipsoids that overlap, 2 to 17 mm in half-axis times 2 mm voxels."""
    axes = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in shape), indexing="ij")
    centre = np.array([rng.uniform(0.15, 0.85) * n for n in shape])
    size = rng.uniform(2, 14)
    hole = torch.zeros(shape, dtype=torch.bool)
    for _ in range(rng.integers(1, 5)):
        half_axes, place = size * rng.uniform(0.5, 1.2, 3), centre + rng.normal(0, size / 2, 3)
        hole |= sum(((axes[n] - float(place[n])) / float(half_axes[n])) ** 2 for n in range(3)) < 1
    return hole


def _blurred(half: torch.Tensor, sigma: float, axes: tuple[int, ...] = (0, 1, 2)) -> torch.Tensor:
    offsets = torch.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    volume = half[None, None]
    for axis in axes:
        shape, padding = [1, 1, 1], [0, 0, 0]
        shape[axis], padding[axis] = len(offsets), _BLUR_RADIUS
        volume = functional.conv3d(volume, kernel.reshape(1, 1, *shape), padding=padding)
    return volume[0, 0]
