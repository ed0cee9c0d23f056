"""Volumes of structures, from the probabilities the network gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..anatomy.structures import GRAY_MATTER, GRAY_STRUCTURES, INTRACRANIAL, STRUCTURE_NAMES
from ..geometry.distances import within_mm
from ..geometry.image import Image
from .model import UNCORRECTED, GrayLine
from .names import BACKGROUND, MEASURED_STRUCTURES, MIDLINE_CLASSES, SIDE_WORDS, SIDES
from .segmentation import StructureMap, mask_share, window_of

# As for a parcel whose lesioned part cannot be left out: with more than this share in or near the lesion it is missing.
MAXIMUM_SPOILED_FRACTION = 0.15
LESION_MARGIN_MM = 3.0
_VOLUMES = (*MEASURED_STRUCTURES, *GRAY_MATTER)


@dataclass(frozen=True)
class StructureVolumes:
    """Volumes of one head by the names of FreeSurfer's aseg (`anatomy.structures.STRUCTURE_NAMES`).

    Parameters
    ----------
    volume_mm3 : NaN where more than 15 % of a structure lie in or near the lesion, and for the choroid plexus, which is
        not measured on a T1. A smaller lesioned part counts with what the network expects there.
    lesioned_fraction : share of the structure in the lesion, 0..1.
    intracranial_mm3 : everything inside the skull's inner surface, lesion included.
    """

    volume_mm3: Mapping[str, float]
    lesioned_fraction: Mapping[str, float]
    intracranial_mm3: float

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Volumes (mm3) and lesioned fractions in the order of `STRUCTURE_NAMES`, (32,) each."""
        volumes_mm3 = np.array([self.volume_mm3[name] for name in STRUCTURE_NAMES], dtype=float)
        return volumes_mm3, np.array([self.lesioned_fraction[name] for name in STRUCTURE_NAMES], dtype=float)

    def by_table_name(self) -> dict[str, float]:
        """Volumes and intracranial volume under the names of FreeSurfer's own tables (mm^3)."""
        return {**self.volume_mm3, INTRACRANIAL: self.intracranial_mm3}


def measure_volumes(
    found: StructureMap, lesion: Image | None = None, gray_line: GrayLine = UNCORRECTED
) -> StructureVolumes:
    """Sums the probabilities of each structure (mm^3); a structure with too much lesion is missing.

    A probability is counted as a partial volume: summing it gives no steps as voxels change sides. Structures of the
    midline are the mean of what the two halves see. Grey matter of a side is its cortex and its grey structures.

    Parameters
    ----------
    lesion : boolean mask on the head's grid, or None.
    gray_line : of the model that found them.
    """
    whole = _sums(found, None)
    if lesion is None or not lesion.array.any():
        lesioned = spoiled = dict.fromkeys(_VOLUMES, 0.0)
    else:
        near = lesion.like(within_mm(lesion, LESION_MARGIN_MM))
        lesioned, spoiled = (
            {name: part / max(whole[name], 1e-6) for name, part in _sums(found, mask).items()}
            for mask in (lesion, near)
        )
    volumes = {
        name: whole[name] * found.voxel_mm3 if spoiled[name] <= MAXIMUM_SPOILED_FRACTION else float("nan")
        for name in _VOLUMES
    }
    halves = inside_mm3(found, lesion)
    for name in GRAY_MATTER:
        # Over its own half, so that a lesion on the other side does not move it.
        half_mm3 = halves[_side_and_kind(name)[0]]
        volumes[name] = gray_line.share(volumes[name] / half_mm3) * half_mm3
    return StructureVolumes(
        {name: volumes.get(name, float("nan")) for name in STRUCTURE_NAMES},
        {name: lesioned.get(name, 0.0) for name in STRUCTURE_NAMES},
        sum(halves.values()),
    )


def inside_mm3(found: StructureMap, lesion: Image | None = None) -> dict[str, float]:
    """Volume of all that is not background, of each half ("L", "R"); a lesion is inside the skull."""
    window = window_of(BACKGROUND)
    share = {} if lesion is None else mask_share(lesion, found.native_from_template)
    volumes = {}
    for side in SIDES:
        inside = np.maximum(1.0 - found.probability(side, BACKGROUND), share.get((window.name, side), 0.0))
        volumes[side] = float((inside * window.midline_weight).sum()) * found.voxel_mm3
    return volumes


def _sums(found: StructureMap, mask: Image | None) -> dict[str, float]:
    """Sum of each structure's probability over the grid, or over a mask of the head's grid."""
    share = None if mask is None else mask_share(mask, found.native_from_template)

    def in_half(side: str, name: str) -> float:
        window = window_of(name)
        weight = window.midline_weight if name in MIDLINE_CLASSES else np.float32(1.0)
        weight = weight if share is None else weight * share[window.name, side]
        return float((found.probability(side, name) * weight).sum(dtype=np.float64))

    vermis = sum(in_half(side, "Vermis") for side in SIDES)
    sums = {}
    for name in MEASURED_STRUCTURES:
        if name in MIDLINE_CLASSES:
            sums[name] = sum(in_half(side, name) for side in SIDES)
            continue
        side, kind = _side_and_kind(name)
        sums[name] = in_half(side, kind) + (vermis / 2 if kind == "Cerebellum-Cortex" else 0.0)
    for name in GRAY_MATTER:
        side, _ = _side_and_kind(name)
        parts = (sums[f"{SIDE_WORDS[side]}-{kind}"] for kind in GRAY_STRUCTURES)
        sums[name] = in_half(side, "Cerebral-Cortex") + sum(parts)
    return sums


def _side_and_kind(name: str) -> tuple[str, str]:
    """The side ("L") and the kind ("Thalamus") in a name ("Left-Thalamus")."""
    word, kind = name.split("-", 1)
    return next(side for side in SIDES if SIDE_WORDS[side] == word), kind
