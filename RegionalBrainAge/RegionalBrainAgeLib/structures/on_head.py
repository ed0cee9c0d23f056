"""Labels of structures on the head's own grid."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from ..geometry.image import Image, bounding_box
from ..threads import torch_threads
from .half_brain import DEEP, VOXEL_MM, WHOLE, Window
from .names import ASEG_CODES, BACKGROUND, CLASSES, MIDLINE_CLASSES, OTHER_SIDE, SIDE_WORDS, SIDES
from .segmentation import StructureMap

MARGIN_MM = 6.0
_SLAB_VOXELS = 400_000


def aseg_labels(found: StructureMap, brain: Image, threads: int = 1) -> Image:
    """The most probable structure at each voxel of the brain, FreeSurfer's aseg codes, uint8; 0 where there is none.

    Cerebral cortex and white matter are 0: the cortex has a volume of parcels. The vermis has the code of the
    cerebellar cortex of its side.
    """
    labels = np.zeros(brain.shape, np.uint8)
    with torch_threads(threads), torch.inference_mode():
        for slab, points_mm in _slabs(found, brain):
            codes = np.zeros(len(points_mm), np.uint8)
            for side, ours, half_mm in _by_side(points_mm):
                code_of_class = _codes_of_side(side)
                named = code_of_class[_sampled(found, WHOLE, side, half_mm).argmax(axis=0)]
                last_mm = np.add(DEEP.first_mm, VOXEL_MM * (np.array(DEEP.shape) - 1))
                deep = np.all((half_mm >= DEEP.first_mm) & (half_mm <= last_mm), axis=1)
                named[deep] = code_of_class[_sampled(found, DEEP, side, half_mm[deep]).argmax(axis=0)]
                codes[ours] = named
            labels[slab] = codes.reshape(labels[slab].shape)
    return brain.like(labels)


def _slabs(found: StructureMap, brain: Image) -> Iterator[tuple[tuple[slice, slice, slice], np.ndarray]]:
    """Parts of the box around the brain, few enough voxels at a time, and their template coordinates (mm)."""
    box = bounding_box(brain.array, np.ceil(MARGIN_MM / brain.spacing_mm).astype(int))
    template_from_voxel = np.linalg.inv(found.native_from_template) @ brain.ras_from_ijk
    rows = max(1, _SLAB_VOXELS // ((box[1].stop - box[1].start) * (box[2].stop - box[2].start)))
    for first in range(box[0].start, box[0].stop, rows):
        slab = (slice(first, min(first + rows, box[0].stop)), box[1], box[2])
        index = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in slab), indexing="ij"), axis=-1)
        yield slab, index.reshape(-1, 3) @ template_from_voxel[:3, :3].T + template_from_voxel[:3, 3]


def _by_side(points_mm: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """For either side: its name, which points lie there, and where in the half-brain (mm)."""
    for side, ours, sign in zip(SIDES, (points_mm[:, 0] < 0, points_mm[:, 0] >= 0), (1.0, -1.0), strict=True):
        if ours.any():
            yield side, ours, points_mm[ours] * [sign, 1.0, 1.0]


def _sampled(found: StructureMap, window: Window, side: str, half_mm: np.ndarray) -> np.ndarray:
    """Probabilities at points of a half-brain, trilinear, shape (classes, N)."""
    values = torch.from_numpy(found.halves[window.name, side])[None]
    where = (half_mm - window.first_mm) / VOXEL_MM * 2.0 / (np.array(window.shape) - 1) - 1.0
    grid = torch.from_numpy(where[:, ::-1].astype(np.float32).copy()).reshape(1, 1, 1, -1, 3)
    return torch.nn.functional.grid_sample(values, grid, mode="bilinear", align_corners=True)[0, :, 0, 0].numpy()


def _codes_of_side(side: str) -> np.ndarray:
    codes = np.zeros(len(CLASSES), np.uint8)
    for number, name in enumerate(CLASSES):
        if name in (BACKGROUND, OTHER_SIDE):
            continue
        name = "Cerebellum-Cortex" if name == "Vermis" else name
        aseg = name if name in MIDLINE_CLASSES else f"{SIDE_WORDS[side]}-{name}"
        codes[number] = ASEG_CODES.get(aseg, 0)
    return codes
