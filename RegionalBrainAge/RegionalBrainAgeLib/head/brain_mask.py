"""Finds the brain in a head."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..errors import CaseError
from ..geometry.image import Image, bounding_box, check_canonical, cropped, subsampled
from ..threads import torch_threads
from .brain_network import brain_voxels

# A living head holds between a small child's brain and the largest adult's; anything else is a failed mask.
PLAUSIBLE_BRAIN_ML = (600.0, 2200.0)


def extract_brain(t1: Image, threads: int = 2) -> Image:
    """Brain mask (bool) of a T1-weighted head on its own grid; deepbet (Fisch 2024), on the CPU.

    A T2-weighted head, in which deepbet finds no brain, is tried again with its contrast turned over, so that
    `contrast.contrast_warnings` can say what is wrong with it.

    Raises
    ------
    CaseError : no brain of plausible size was found.
    """
    check_canonical(t1)
    mask = _deepbet(t1, threads)
    volume_ml = mask.sum() * t1.voxel_volume_ml
    if _plausible(volume_ml):
        return t1.like(mask)
    bright = float(np.percentile(t1.array, 99))
    turned = np.where(t1.array > 0.1 * bright, np.clip(bright - t1.array, 0, None), 0).astype(np.float32)
    mask = _deepbet(t1.like(turned), threads)
    if _plausible(mask.sum() * t1.voxel_volume_ml):
        return t1.like(mask)
    low, high = PLAUSIBLE_BRAIN_ML
    raise CaseError(
        f"The brain found in this image has {volume_ml:.0f} ml; a head's has {low:.0f} to {high:.0f} ml.",
        "Check that the image is a T1-weighted whole head and look at the brain mask.",
    )


def _deepbet(head: Image, threads: int) -> np.ndarray:
    with torch_threads(threads):
        return brain_voxels(head.array)


def _plausible(volume_ml: float) -> bool:
    return PLAUSIBLE_BRAIN_ML[0] <= volume_ml <= PLAUSIBLE_BRAIN_ML[1]


def rim_outshines_core(t1: Image, brain: Image) -> bool:
    """True when the outer 4 mm of the brain (grey matter and fluid) are brighter than its core (mostly white matter).

    So it is in T2-weighted images, never in T1. It needs no registration, which may fail on another contrast.
    """
    box = bounding_box(brain.array, np.full(3, 4))
    small = subsampled(cropped(brain.like(brain.array.astype(np.float32)), box), 2.0)
    values = subsampled(cropped(t1.like(t1.array.astype(np.float32)), box), 2.0).array
    depth_mm = ndimage.distance_transform_edt(small.array > 0.5, sampling=small.spacing_mm)
    rim, core = (depth_mm > 0) & (depth_mm <= 4.0), depth_mm > 15.0
    return bool(core.any() and np.median(values[rim]) > np.median(values[core]))
