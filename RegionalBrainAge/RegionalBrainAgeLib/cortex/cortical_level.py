"""Where the cortex begins and ends: a level that is 0 outside, 0.5 in cortex and 1 inside, every half millimetre."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..geometry.half_millimetre_grid import STEP_MM, cubic, linear, nearest

# The level of the two surfaces: half-way between the means of the tissues on either side.
WHITE_LEVEL = 0.75
PIAL_LEVEL = 0.25
# A sulcus narrower than a voxel never gets as dark as fluid: what is darkest within this box stands for it ...
SULCUS_BOX_MM = 2.5
# ... but at least this share of the way from grey matter to fluid, or noise would open sulci.
SHALLOWEST_SULCUS = 0.1
# Shallow dips are judged against the grey matter on both sides of them, within this box; from the second depth on a dip
# is fluid without a doubt and judged against the mean of grey matter.
BANKS_BOX_MM = 3.5
DOUBTFUL_DEPTHS = (0.3, 0.6)
# Nearer than this to white matter there is no sulcus, only a sharpened image's ringing, unless it is surely fluid.
THINNEST_MM = 1.0
# A thin blade of white matter never gets as bright as white matter: what is brightest within this box stands for it.
BLADE_BOX_MM = 4.5
FAINTEST_BLADE = 0.7
SMOOTHING_MM = 0.7
# White matter that hangs on nothing (vessels, dura, marrow), and specks within white matter.
SMALLEST_WHITE_PART_MM3 = 2000.0
ISLAND_LEVEL = 0.6
# The grid is worked on in plates, with a margin around each: what boxes and smoothing reach together is 14 voxels.
PLATE_VOXELS, MARGIN_VOXELS = 96, 14


def cortical_level(
    t1: np.ndarray,
    csf: float,
    gm_mean: np.ndarray,
    wm_mean: np.ndarray,
    inside: np.ndarray,
    outside: np.ndarray,
    spacing_mm: np.ndarray,
) -> np.ndarray:
    """Level of one hemisphere on a 0.5 mm grid (float32) that starts at the first voxel's centre.

    Parameters
    ----------
    t1 : denoised head around the hemisphere. csf : mean of pure fluid.
    gm_mean, wm_mean : local means, as `tissue_intensities.local_means` gives them.
    inside, outside : bool; set to 1 and 0 whatever their intensity (`landmarks.Landmarks`, and the other hemisphere).

    The pial surface lies between grey matter and the darkest spot nearby, the white surface between grey matter and the
    brightest one: half-way up a blurred edge, as the steepest gradient would have it, at any width of the sulcus.
    """
    fine, gm, wm = cubic(t1, spacing_mm), linear(gm_mean, spacing_mm), linear(wm_mean, spacing_mm)
    level = np.empty_like(fine)
    # Plate by plate: nothing looks further than the margin, and a dozen volumes of the whole size would take gigabytes.
    for start in range(0, fine.shape[1], PLATE_VOXELS):
        margin = min(start, MARGIN_VOXELS)
        around = np.s_[:, start - margin : start + PLATE_VOXELS + MARGIN_VOXELS]
        found = _level_of_plate(fine[around], np.float32(csf), gm[around], wm[around])
        level[:, start : start + PLATE_VOXELS] = found[:, margin : margin + PLATE_VOXELS]
    del fine, gm, wm
    level[nearest(inside, spacing_mm)] = 1
    level[nearest(outside, spacing_mm)] = 0
    return _tidy(level)


def _level_of_plate(fine: np.ndarray, csf: np.float32, gm: np.ndarray, wm: np.ndarray) -> np.ndarray:
    """The level by intensities alone, of volumes on the fine grid."""
    contrast = gm - csf
    banks = ndimage.minimum_filter(ndimage.maximum_filter(fine, _voxels(BANKS_BOX_MM)), _voxels(BANKS_BOX_MM))
    darkest = ndimage.minimum_filter(fine, _voxels(SULCUS_BOX_MM))
    depth = (gm - darkest) / contrast
    certain = np.clip((depth - DOUBTFUL_DEPTHS[0]) / (DOUBTFUL_DEPTHS[1] - DOUBTFUL_DEPTHS[0]), 0, 1)
    grey = gm + (1 - certain) * (np.minimum(banks, gm) - gm)
    dark = ndimage.gaussian_filter(np.clip(darkest, csf, grey - SHALLOWEST_SULCUS * contrast), SMOOTHING_MM / STEP_MM)
    dark = np.minimum(dark, grey - 0.5 * SHALLOWEST_SULCUS * contrast)
    brightest = ndimage.maximum_filter(fine, _voxels(BLADE_BOX_MM))
    bright = np.clip(brightest, gm + FAINTEST_BLADE * (wm - gm), wm)
    bright = ndimage.gaussian_filter(bright, SMOOTHING_MM / STEP_MM)
    below = np.clip(0.5 * (fine - dark) / (grey - dark), 0, 0.5)
    above = np.clip(0.5 + 0.5 * (fine - gm) / (bright - gm), 0.5, 1)
    level = np.where(fine <= gm, below, above)
    near_white = ndimage.maximum_filter(level > WHITE_LEVEL, _voxels(2 * THINNEST_MM + STEP_MM))
    level[near_white & (gm - fine < DOUBTFUL_DEPTHS[1] * contrast) & (level < 0.5)] = 0.5
    return level


def _voxels(box_mm: float) -> int:
    return 2 * round(box_mm / STEP_MM / 2 - 0.5) + 1


def _tidy(level: np.ndarray) -> np.ndarray:
    """Takes out white islands outside white matter, and closes whatever white matter encloses."""
    white = level > WHITE_LEVEL
    parts, count = ndimage.label(white)
    if count > 1:
        sizes = np.bincount(parts.ravel()) * STEP_MM**3
        sizes[0] = np.inf
        level[(sizes < SMALLEST_WHITE_PART_MM3)[parts]] = ISLAND_LEVEL
    rest, count = ndimage.label(level <= WHITE_LEVEL)
    if count > 1:
        voxels = np.bincount(rest.ravel())
        voxels[0] = 0
        level[(rest > 0) & (rest != voxels.argmax())] = 1
    return level
