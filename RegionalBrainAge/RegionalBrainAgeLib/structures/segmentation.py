"""Finds structures in a head: probabilities in windows of template space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from ..geometry.image import Image
from ..threads import torch_threads
from .half_brain import (
    DEEP,
    VOXEL_MM,
    WHOLE,
    WINDOWS,
    Window,
    look_up,
    voxel_from_half,
    voxels_of,
    without_fine_detail,
)
from .model import StructureModel
from .names import CLASSES, DEEP_CLASSES, SIDES
from .network import from_cells

# Intensities are scaled so that this percentile of the sound brain, about white matter, is 1.
WHITE_PERCENTILE = 95.0
BRIGHTEST = 2.5


@dataclass(frozen=True)
class StructureMap:
    """Where each structure lies, as probabilities.

    Parameters
    ----------
    halves : by window name and side ("L", "R"), float32 of shape (classes, I, J, K) in the windows of `half_brain` (the
        right half mirrored); sums to 1 over the classes of `names.CLASSES`.
    native_from_template : ndarray, shape (4, 4); the affine the windows were laid with.
    """

    halves: Mapping[tuple[str, str], np.ndarray]
    native_from_template: np.ndarray

    @property
    def voxel_mm3(self) -> float:
        """Volume in the head of one voxel of a window."""
        return VOXEL_MM**3 * float(abs(np.linalg.det(self.native_from_template[:3, :3])))

    def probability(self, side: str, name: str) -> np.ndarray:
        """Probability of a class in one half, in the window it is measured in (`window_of`)."""
        return self.halves[window_of(name).name, side][CLASSES.index(name)]


def window_of(name: str) -> Window:
    """The window a class is measured in."""
    return DEEP if name in DEEP_CLASSES else WHOLE


def segment_structures(
    t1: Image,
    brain: Image,
    lesion: Image | None,
    native_from_template: np.ndarray,
    model: StructureModel,
    threads: int = 1,
) -> StructureMap:
    """Probabilities of the structures in a head of any resolution.

    Parameters
    ----------
    t1 : bias-corrected head, canonical order; skull on or off.
    brain, lesion : masks (bool) on the T1's grid. The lesion is blanked: what is found inside it is what the network
        expects there from the surroundings.
    native_from_template : affine of the registration, template RAS mm to the head's RAS mm.
    """
    halves = {}
    seen = intensities_in_windows(t1, brain, lesion, native_from_template)
    with torch_threads(threads), torch.inference_mode():
        for (window, side), half in seen.items():
            logits = model.networks[window](torch.from_numpy(half)[None, None])
            halves[window, side] = from_cells(logits.softmax(dim=1)).numpy()
    return StructureMap(halves, native_from_template)


def intensities_in_windows(
    t1: Image, brain: Image, lesion: Image | None, native_from_template: np.ndarray
) -> dict[tuple[str, str], np.ndarray]:
    """The head's intensities (white matter about 1) by window name and side, each of the window's shape."""
    return _in_windows(t1.like(network_intensities(t1, brain, lesion)), native_from_template)


def network_intensities(t1: Image, brain: Image, lesion: Image | None = None) -> np.ndarray:
    """The head with white matter at about 1 and the lesion at 0, float32."""
    sound = brain.array if lesion is None else brain.array & ~lesion.array
    white = float(np.percentile(t1.array[sound], WHITE_PERCENTILE))
    values = np.clip(t1.array.astype(np.float32) / white, 0.0, BRIGHTEST)
    if lesion is not None:
        values[lesion.array] = 0.0
    return values


def mask_share(mask: Image, native_from_template: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """Share 0..1 of a mask in each voxel, by window name and side."""
    return _in_windows(mask, native_from_template)


def _in_windows(image: Image, native_from_template: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    volume = torch.from_numpy(without_fine_detail(image, native_from_template))
    halves = {}
    for side, window in product(SIDES, WINDOWS):
        where = voxels_of(window.points_mm, voxel_from_half(image.ras_from_ijk, native_from_template, side))
        halves[window.name, side] = look_up(volume, where, window.shape).numpy()
    return halves
