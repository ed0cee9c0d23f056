"""Finds the brain in a head and takes the scanner's shading out of it."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from deepbet import BrainExtraction

from ..errors import CaseError
from .image import Image, from_canonical, from_sitk, to_canonical, to_sitk
from .threads import torch_threads

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
    head = to_canonical(t1)
    mask = _deepbet(head, threads)
    volume_ml = mask.sum() * head.voxel_volume_ml
    if _plausible(volume_ml):
        return from_canonical(head.like(mask), t1)
    bright = float(np.percentile(head.array, 99))
    turned = np.where(head.array > 0.1 * bright, np.clip(bright - head.array, 0, None), 0).astype(np.float32)
    mask = _deepbet(head.like(turned), threads)
    if _plausible(mask.sum() * head.voxel_volume_ml):
        return from_canonical(head.like(mask), t1)
    low, high = PLAUSIBLE_BRAIN_ML
    raise CaseError(
        f"The brain found in this image has {volume_ml:.0f} ml; a head's has {low:.0f} to {high:.0f} ml.",
        "Check that the image is a T1-weighted whole head and look at the brain mask.",
    )


def _deepbet(head: Image, threads: int) -> np.ndarray:
    try:
        with torch_threads(threads):
            _, mask, _ = BrainExtraction(no_gpu=True).run(nib.Nifti1Image(head.array, head.ras_from_ijk))
    except (AssertionError, ValueError):  # deepbet's own signs of finding nothing
        return np.zeros(head.shape, bool)
    return np.asarray(mask.dataobj) > 0


def _plausible(volume_ml: float) -> bool:
    return PLAUSIBLE_BRAIN_ML[0] <= volume_ml <= PLAUSIBLE_BRAIN_ML[1]


def correct_bias(t1: Image, brain: Image, lesion: Image | None = None, threads: int = 2) -> Image:
    """The head without slow shading, float32, in the T1's own units; N4 (Tustison 2010) at a quarter of the resolution.

    The field is estimated inside the brain with the lesion left out, so that a dark lesion is not brightened away, and
    applied to the whole head.
    """
    head, inside = to_canonical(t1), to_canonical(brain)
    use = inside.array if lesion is None else inside.array & ~to_canonical(lesion).array
    volume = to_sitk(head.like(np.clip(head.array, 0, None).astype(np.float32)))
    mask = to_sitk(head.like(use))
    # About 4 mm a side whatever the voxels: the field is slower than that.
    shrink = [max(1, round(4.0 / s)) for s in head.spacing_mm]
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetNumberOfThreads(threads)
    n4.SetMaximumNumberOfIterations([50, 50, 30, 20])
    n4.Execute(sitk.Shrink(volume, shrink), sitk.Shrink(mask, shrink))
    field = from_sitk(n4.GetLogBiasFieldAsImage(volume)).array
    # The scale is arbitrary: leave the brain's mean as it was.
    corrected = head.array * np.exp(np.clip(field[use].mean() - field, -2, 2))
    return from_canonical(head.like(corrected.astype(np.float32)), t1)
