"""The network that tells brain from head: deepbet's published weights, read as files and run here with torch.

deepbet: Fisch et al., "deepbet: Fast brain extraction of T1-weighted MRI using convolutional neural networks",
Computers in Biology and Medicine 179, 2024, 108845 (MIT licence). Its package is installed for its weights and never
imported: no change of its code, or of what it needs, can change or stop a case. Two networks work in turn: one finds
the brain in the whole head at 128³, one outlines it in a box around it at 256³.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from ..resources import package_file

COARSE_SHAPE, FINE_SHAPE = (128, 128, 128), (256, 256, 256)
# Share of the box's size added on either side.
MARGIN = 0.1
# A plane belongs to the brain's box where more than this share of it is brain.
LEAST_OF_PLANE = 0.02
# Percentiles of the head that become 0 and 1, then the mean and standard deviation the weights were trained with.
DARK, BRIGHT = 0.005, 0.995
TRAINED_MEAN, TRAINED_DEVIATION = 0.449, 0.226
_FULL = np.ones((3, 3, 3), bool)

Box = tuple[slice, slice, slice]


def brain_voxels(head: np.ndarray) -> np.ndarray:
    """The brain (bool) of a head in RAS voxel order; all False where none is found.

    Parameters
    ----------
    head : (I, J, K) intensities, finite.
    """
    image = torch.from_numpy(np.ascontiguousarray(head, dtype=np.float32))
    coarse = _resized(image, COARSE_SHAPE)
    dark, bright = coarse.quantile(DARK), coarse.quantile(BRIGHT)
    brain = np.zeros(head.shape, bool)
    if not bright > dark:
        return brain
    found = _largest_part(_outline("bbox_model.pt", coarse, dark, bright) > 0.5)
    box = _box(found, head.shape)
    if box is None:
        return brain
    fine = _outline("model.pt", _resized(image[box], FINE_SHAPE), dark, bright)
    inside = _resized(torch.from_numpy(fine), image[box].shape).numpy() > 0.5
    brain[box] = ndimage.binary_fill_holes(_largest_part(inside))
    return brain


@lru_cache(maxsize=2)
def _network(file: str) -> torch.jit.ScriptModule:
    # The weights lie in a folder beside the package, not in it.
    weights: Path = package_file("deepbet", "..", "data", "models", file)
    return torch.jit.load(weights, map_location="cpu").eval()


def _outline(file: str, image: torch.Tensor, dark: torch.Tensor, bright: torch.Tensor) -> np.ndarray:
    """Probability of brain, in the image's own shape."""
    scaled = ((image - dark) / (bright - dark)).clamp(0, 1)
    scaled = TRAINED_DEVIATION * (scaled - scaled.mean()) / scaled.std() + TRAINED_MEAN
    with torch.no_grad():
        return _network(file)(scaled[None, None])[0, 1].numpy()


def _resized(image: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    return functional.interpolate(image[None, None], tuple(shape), mode="nearest-exact")[0, 0]


def _largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest part whose voxels touch by face, edge or corner."""
    labels, count = ndimage.label(mask, _FULL)
    if count == 0:
        return mask
    return labels == 1 + np.bincount(labels.ravel())[1:].argmax()


def _box(coarse: np.ndarray, shape: tuple[int, ...]) -> Box | None:
    """The brain's box with its margin, in voxels of an image of `shape`; None where no plane holds enough brain."""
    box = []
    for axis, size in enumerate(shape):
        others = tuple(other for other in range(3) if other != axis)
        planes = np.nonzero(coarse.mean(axis=others) > LEAST_OF_PLANE)[0]
        if planes.size == 0:
            return None
        scale = size / coarse.shape[axis]
        centre = np.rint(scale * (planes.max() + 1 + planes.min()) / 2)
        extent = np.rint((1 + 2 * MARGIN) * scale * (planes.max() + 1 - planes.min()))
        box.append(slice(max(0, int(centre - extent / 2)), min(size, int(centre + extent / 2))))
    i, j, k = box
    return i, j, k
