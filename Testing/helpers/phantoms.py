"""Made heads with a cortex of known thickness: a spherical shell, a rough one, and a folded one with narrow sulci.

Every voxel holds the exact share of each tissue (partial volume from a grid five times finer in the plane of the folds,
three times finer for the sphere), blurred a little as a scanner does, with noise on top.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from RegionalBrainAgeLib.geometry.image import Image
from scipy import ndimage
from scipy.spatial import cKDTree

CSF, GM, WM = 40.0, 100.0, 150.0
# FreeSurfer's codes: left white matter, left lateral ventricle, and one left cortical parcel.
WHITE_CODE, VENTRICLE_CODE, CORTEX_CODE = 2, 4, 11115
BLUR_MM = 0.5
BUMP_SIGMA_MM = 0.7
# Mean radius of the folded white surface.
FOLDED_RADIUS_MM = 28.0


@dataclass(frozen=True)
class Phantom:
    """A made head: image, brain mask, structures as `segment_tissue` wants them, and where its cortex may be judged."""

    t1: Image
    brain: Image
    structures: Image
    judged: np.ndarray
    thickness_mm: float

    def mean_error_mm(self, thickness: Image) -> float:
        """Mean measured thickness of the judged voxels minus the true one."""
        return float(np.nanmean(thickness.array[self.judged]) - self.thickness_mm)


def spherical_shell(
    thickness_mm: float, noise_fraction: float = 0.0, radius_mm: float = 26.0, seed: int = 0
) -> Phantom:
    """White ball of `radius_mm` with a ventricle in its middle, a shell of grey matter, fluid around."""
    half = int(radius_mm + thickness_mm + 10)
    line = np.arange(-half, half + 1, dtype=float)
    fine = (np.arange(3 * len(line)) - 1) / 3 - half
    r = np.sqrt(fine[:, None, None] ** 2 + fine[None, :, None] ** 2 + fine[None, None, :] ** 2).astype(np.float32)
    outward = r - radius_mm
    n = len(line)
    shares = [mask.reshape(n, 3, n, 3, n, 3).mean(axis=(1, 3, 5)) for mask in _tissues(outward, r < 6.0, thickness_mm)]
    judged = np.ones((n, n, n), bool)
    return _phantom(shares, judged, thickness_mm, noise_fraction, seed)


def rough_shell(thickness_mm: float, roughness_mm: float, radius_mm: float = 20.0, seed: int = 0) -> Phantom:
    """A spherical shell whose two surfaces are rough, each on its own: bumps about 2 mm wide, zero on average.

    Parameters
    ----------
    roughness_mm : standard deviation of either surface about its sphere. The mean thickness stays `thickness_mm`.
    """
    half = int(radius_mm + thickness_mm + 8)
    n, finer = 2 * half + 1, 3
    fine = (np.arange(finer * n) - 1) / finer - half
    r = np.sqrt(fine[:, None, None] ** 2 + fine[None, :, None] ** 2 + fine[None, None, :] ** 2).astype(np.float32)
    rng = np.random.default_rng(seed)
    white, pial = (_bumps(rng, r.shape, finer) * roughness_mm for _ in range(2))
    inner, outer = r <= radius_mm + white, r <= radius_mm + thickness_mm + pial
    masks = inner & (r >= 6.0), outer & ~inner, r < 6.0
    shares = [mask.reshape(n, finer, n, finer, n, finer).mean(axis=(1, 3, 5)) for mask in masks]
    return _phantom(shares, np.ones((n, n, n), bool), thickness_mm, 0.0, seed)


def _bumps(rng: np.random.Generator, shape: tuple[int, ...], finer: int) -> np.ndarray:
    field = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), BUMP_SIGMA_MM * finer)
    return (field - field.mean()) / field.std()


def folded_shell(
    thickness_mm: float, noise_fraction: float = 0.0, folds: int = 8, depth_mm: float = 10.0, seed: int = 0
) -> Phantom:
    """A folded column: gyri and sulci run straight up, and cortex lies within `thickness_mm` of the white surface.

    The white surface is the curve r = 28 + depth/2 cos(folds * angle); a sulcus is half a wavelength wide less twice
    the thickness. The column is cut above and below, so voxels near its ends are not judged.
    """
    half, height, finer = int(FOLDED_RADIUS_MM + depth_mm / 2 + thickness_mm + 8), 40, 5
    n = 2 * half + 1
    fine = (np.arange(finer * n) - (finer - 1) / 2) / finer - half
    angle = np.linspace(0, 2 * np.pi, 40000, endpoint=False)
    curve = _radius(angle, folds, depth_mm)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x, y = np.meshgrid(fine, fine, indexing="ij")
    distance = cKDTree(curve).query(np.stack([x.ravel(), y.ravel()], axis=1))[0].reshape(x.shape)
    r = np.hypot(x, y)
    outward = np.where(r < _radius(np.arctan2(y, x), folds, depth_mm), -distance, distance)
    flat = [mask.reshape(n, finer, n, finer).mean(axis=(1, 3)) for mask in _tissues(outward, r < 6.0, thickness_mm)]
    shares = [np.repeat(share[:, :, None], height, axis=2) for share in flat]
    judged = np.zeros((n, n, height), bool)
    judged[:, :, 12:-12] = True
    return _phantom(shares, judged, thickness_mm, noise_fraction, seed)


def _radius(angle: np.ndarray, folds: int, depth_mm: float) -> np.ndarray:
    return FOLDED_RADIUS_MM + depth_mm / 2 * np.cos(folds * angle)


def _tissues(outward_mm: np.ndarray, ventricle: np.ndarray, thickness_mm: float) -> tuple[np.ndarray, ...]:
    white = (outward_mm <= 0) & ~ventricle
    grey = (outward_mm > 0) & (outward_mm <= thickness_mm)
    return white, grey, ventricle


def _phantom(
    shares: list[np.ndarray], judged: np.ndarray, thickness_mm: float, noise_fraction: float, seed: int
) -> Phantom:
    white, grey, ventricle = shares
    values = CSF + (GM - CSF) * grey + (WM - CSF) * white
    values = ndimage.gaussian_filter(values, BLUR_MM)
    noise = np.random.default_rng(seed).normal(0, noise_fraction * WM, values.shape) if noise_fraction else 0.0
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    near = np.ones((7, 7, 7), bool) if min(values.shape) > 60 else np.ones((7, 7, 1), bool)
    brain = ndimage.binary_dilation(white + grey + ventricle > 0.5, structure=near)
    codes = np.zeros(values.shape, np.int32)
    codes[grey > 0.5] = CORTEX_CODE
    codes[white > 0.5] = WHITE_CODE
    codes[ventricle > 0.5] = VENTRICLE_CODE
    return Phantom(
        Image((values + noise).astype(np.float32), affine),
        Image(brain, affine),
        Image(codes, affine),
        judged,
        thickness_mm,
    )


def turned(image: Image, order: tuple[int, int, int], flipped: tuple[int, ...]) -> Image:
    """The same head in another voxel order: new axis `a` is the old `order[a]`, reversed if `a` is in `flipped`."""
    array = np.ascontiguousarray(np.flip(image.array.transpose(order), axis=flipped))
    into = np.zeros((4, 4))
    into[3, 3] = 1
    for axis, old in enumerate(order):
        into[old, axis] = -1 if axis in flipped else 1
        into[old, 3] = image.shape[old] - 1 if axis in flipped else 0
    return Image(array, image.ras_from_ijk @ into)
