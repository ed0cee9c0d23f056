"""A real head as another scan or a few more years would show it; the cortex stays what it is."""

from __future__ import annotations

import numpy as np
from RegionalBrainAgeLib.anatomy.freesurfer_codes import VENTRICLES, WHITE_MATTER
from RegionalBrainAgeLib.geometry.image import Image
from scipy import ndimage
from scipy.spatial.transform import Rotation

FULL_WIDTH_OF_SIGMA = 2.355
# Every cortical parcel of FreeSurfer's aparc.a2009s+aseg has a higher code.
FIRST_CORTEX_CODE = 11100
# White matter darkens first around the ventricles: caps about this thick, with a ragged edge.
RIM_MM, RAGGED_MM = 5.0, 2.0
LATERAL_VENTRICLE = 4
# Thinning is planted on voxels this many times smaller; neighbours whose nearest white matter is this far apart belong
# to two walls of a sulcus.
FINER, OTHER_WALL_MM = 3, 4.0


def rotated(t1: Image) -> Image:
    """Turned by 3 degrees about each axis and resampled."""
    turn = Rotation.from_euler("xyz", [3, -3, 3], degrees=True).as_matrix()
    centre = (np.array(t1.shape) - 1) / 2 + 0.3
    return t1.like(np.clip(ndimage.affine_transform(t1.array, turn, centre - turn @ centre, order=3), 0, None))


def shaded(t1: Image) -> Image:
    """Brighter here and darker there, by 20 % in all."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in t1.shape], indexing="ij")
    field = 0.6 * np.sin(2 * x + 0.7) + 0.5 * y * z + 0.5 * np.cos(2.5 * y) + 0.4 * z
    return t1.like((t1.array * (1 + 0.2 * (field - field.mean()) / np.ptp(field))).astype(np.float32))


def noisy(t1: Image) -> Image:
    """With Rician noise of 3 % of the bright tissue."""
    rng = np.random.default_rng(1)
    sd = 0.03 * float(np.percentile(t1.array[t1.array > np.percentile(t1.array, 60)], 90))
    return t1.like(np.hypot(t1.array + rng.normal(0, sd, t1.shape), rng.normal(0, sd, t1.shape)).astype(np.float32))


def of_other_contrast(t1: Image, gamma: float) -> Image:
    """With grey and fluid brighter (`gamma` below 1) or darker (above 1) beside white matter."""
    bright = float(np.percentile(t1.array, 99.5))
    return t1.like((bright * (np.clip(t1.array, 0, None) / bright) ** gamma).astype(np.float32))


def in_thick_slices(t1: Image, slice_mm: float, axis: int) -> Image:
    """In slices of this thickness: coronal along axis 1, axial along axis 2."""
    stretch = np.ones(3)
    stretch[axis] = step = slice_mm / t1.spacing_mm[axis]
    smooth = ndimage.gaussian_filter1d(t1.array, 0.9 * step / FULL_WIDTH_OF_SIGMA, axis=axis)
    shape = tuple(int(size / each) for size, each in zip(t1.shape, stretch, strict=True))
    slices = ndimage.affine_transform(smooth, np.diag(stretch), output_shape=shape, order=1)
    return Image(slices, t1.ras_from_ijk @ np.diag([*stretch, 1.0]))


def without_skull(t1: Image, brain: Image) -> Image:
    """Only the brain and a voxel around it."""
    return t1.like(t1.array * ndimage.binary_dilation(brain.array.astype(bool)))


def with_dark_white_matter(t1: Image, structures: Image) -> Image:
    """With white matter as dark as cortex around the ventricles, as small vessel disease leaves it.

    Parameters
    ----------
    structures : FreeSurfer's codes on the head's grid.
    """
    codes = structures.array.astype(int)
    ragged = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(t1.shape), 4 / t1.spacing_mm)
    away_mm = ndimage.distance_transform_edt(~np.isin(codes, VENTRICLES), sampling=t1.spacing_mm)
    rim = np.isin(codes, WHITE_MATTER) & (away_mm < RIM_MM + RAGGED_MM * ragged / ragged.std())
    cortex = float(np.median(t1.array[codes > FIRST_CORTEX_CODE]))
    share = ndimage.gaussian_filter(rim.astype(np.float32), 0.7 / t1.spacing_mm) * rim
    return t1.like(t1.array * (1 - share) + np.minimum(t1.array, cortex) * share)


def blurred(t1: Image, width_mm: float) -> Image:
    """Blurred by a Gaussian of this full width at half maximum."""
    return t1.like(ndimage.gaussian_filter(t1.array, width_mm / FULL_WIDTH_OF_SIGMA / t1.spacing_mm))


def mirrored(t1: Image) -> Image:
    """With left and right exchanged."""
    return t1.like(np.ascontiguousarray(t1.array[::-1]))


def padded(t1: Image, voxels: int = 10) -> Image:
    """With a rim of zeros."""
    moved = np.eye(4)
    moved[:3, 3] = -voxels
    return Image(np.pad(t1.array, voxels), t1.ras_from_ijk @ moved)


def reduced(t1: Image, voxel_mm: float, average: bool) -> Image:
    """On a coarser grid: each voxel the mean of what it covers (a Gaussian of its width), or one sample of it."""
    step = voxel_mm / t1.spacing_mm
    source = ndimage.gaussian_filter(t1.array, step / FULL_WIDTH_OF_SIGMA) if average else t1.array
    shape = tuple(((np.array(t1.shape) - 1) / step).astype(int))
    coarse = ndimage.affine_transform(source, np.diag(step), output_shape=shape, order=1)
    return Image(coarse, t1.ras_from_ijk @ np.diag([*step, 1.0]))


def thinned(t1: Image, codes: Image, parcels: list[int], thinning_mm: float) -> tuple[Image, float]:
    """With the outer shell of some parcels turned into fluid, and how much thinner (mm) their cortex is for it.

    The outside of the cortex is where fluid begins, or, where two walls of a sulcus touch, half-way between their white
    matter. The work is done on a third of the voxels' size; as much grey matter as the shell holds becomes fluid.
    Where the image holds less grey matter than the labels say, no more can be taken: the thinning is then less.

    Parameters
    ----------
    codes : FreeSurfer's aparc.a2009s+aseg on the head's grid. parcels : codes of the parcels.
    """
    labels = codes.array.astype(int)
    chosen = np.isin(labels, parcels)
    found = np.argwhere(chosen)
    box = tuple(slice(max(a - 6, 0), b + 7) for a, b in zip(found.min(axis=0), found.max(axis=0), strict=True))
    labels, chosen, spacing_mm = labels[box], chosen[box], t1.spacing_mm / FINER
    cortex = _finer(labels > FIRST_CORTEX_CODE)
    inside = _finer(np.isin(labels, WHITE_MATTER)) & ~cortex
    _, nearest = ndimage.distance_transform_edt(~inside, sampling=spacing_mm, return_indices=True)
    outside = ~cortex & ~_finer(labels > 0)
    for axis in range(3):
        gap = np.diff(nearest, axis=axis + 1) * spacing_mm.reshape(3, 1, 1, 1)
        apart = np.sqrt((gap**2).sum(axis=0)) > OTHER_WALL_MM
        outside[tuple(slice(0, -1) if a == axis else slice(None) for a in range(3))] |= apart
    # Surfaces run half a voxel beside the middle of the first voxel outside.
    depth_mm = ndimage.distance_transform_edt(~outside, sampling=spacing_mm) - spacing_mm[0] / 2
    shell = cortex * np.clip((thinning_mm - depth_mm) / spacing_mm[0] + 0.5, 0, 1)
    fluid = float(np.median(t1.array[codes.array == LATERAL_VENTRICLE]))
    result = t1.array.astype(np.float32).copy()
    whole = ndimage.binary_erosion(labels > 0) & (labels > FIRST_CORTEX_CODE)
    # A voxel at the outside holds fluid already: what the shell takes is grey matter, not a share of the mixture.
    taken = _coarser(shell) * chosen * (float(np.median(result[box][whole])) - fluid)
    left = np.where(taken > 0, np.maximum(result[box] - taken, np.minimum(result[box], fluid)), result[box])
    share = float((result[box] - left).sum() / taken.sum())
    result[box] = left
    return t1.like(result), thinning_mm * share


def _finer(mask: np.ndarray) -> np.ndarray:
    """A mask on `FINER` times as many voxels along each axis, its staircase smoothed."""
    shape = tuple(FINER * n for n in mask.shape)
    offset = (1 / FINER - 1) / 2
    smooth = ndimage.affine_transform(
        ndimage.gaussian_filter(mask.astype(np.float32), 0.5),
        np.diag(np.full(3, 1 / FINER)),
        offset=np.full(3, offset),
        output_shape=shape,
        order=1,
        mode="nearest",
    )
    return smooth > 0.5


def _coarser(share: np.ndarray) -> np.ndarray:
    """Means (float32) over `FINER` voxels along each axis."""
    x, y, z = (n // FINER for n in share.shape)
    return share.reshape(x, FINER, y, FINER, z, FINER).mean(axis=(1, 3, 5), dtype=np.float32)
