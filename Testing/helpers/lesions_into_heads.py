"""Puts real lesion masks of MNI space into real heads, for tests and benchmarks. Nothing is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from RegionalBrainAgeLib.files.images import read_labels
from RegionalBrainAgeLib.geometry.image import Image
from RegionalBrainAgeLib.head.registration import Registration
from RegionalBrainAgeLib.resources import DEMO_HEAD, package_file
from scipy import ndimage

# Of one hemisphere: 14 ml left, 94 ml right, 270 ml left.
SOOP_EXAMPLES = ("bwsrsub-1195", "bwsrsub-1011", "bwsrsub-113")
FLUID_SHARE_OF_WHITE = 0.3
NOISE_SHARE_OF_WHITE = 0.03


def heads(shared_data: Path) -> dict[str, Path]:
    """The four whole heads at hand, by name."""
    folder = shared_data / "heads"
    return {
        "sub-0001": folder / "sub-0001_T1w.mgz",
        "sub-0002": folder / "sub-0002_T1w.mgz",
        "chris": folder / "chris_T1w.nii.gz",
        "colin27": package_file(*DEMO_HEAD),
    }


def soop_lesion(shared_data: Path, name: str) -> Image:
    """A real stroke lesion (bool) in MNI space, by its name without ``_lesion.nii.gz``."""
    labels = read_labels(shared_data / "lesions" / "soop" / f"{name}_lesion.nii.gz")
    return labels.like(labels.array > 0)


def lesion_in_head(lesion_mni: Image, registration: Registration, brain: Image) -> Image:
    """The lesion (bool) on the head's grid, inside its brain."""
    native = registration.to_native(lesion_mni)
    return native.like(native.array & brain.array)


def paint_lesion(t1: Image, lesion: Image, brain: Image, seed: int = 0) -> Image:
    """The head with the lesion as dark as fluid, with noise and a rim softened over a voxel, float32."""
    white = float(np.percentile(t1.array[brain.array], 90))
    noise = np.random.default_rng(seed).normal(0.0, NOISE_SHARE_OF_WHITE * white, t1.shape)
    share = ndimage.gaussian_filter(lesion.array.astype(np.float32), 0.7)
    painted = (1.0 - share) * t1.array + share * (FLUID_SHARE_OF_WHITE * white + noise)
    return t1.like(painted.astype(np.float32))
