"""Volume, side and loads of the lesion while it is being painted. Quick: called at every stroke."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import slicer

from .grids import nearest_on_grid, ras_from_ijk
from .inputs import lesion_voxels

# The library's rule (anatomy.lesion), repeated because the library needs scipy, which stays out of this process' way.
MIDLINE_TOLERANCE_MM = 5.0
OTHER_SIDE_TOLERATED_ML = 0.1
OTHER_SIDE_TOLERATED_FRACTION = 0.10


@dataclass(frozen=True)
class LesionMeasures:
    """What the review step shows.

    Parameters
    ----------
    volume_ml : volume of the mask on the head's grid.
    side : "L", "R", "bilateral" or "none".
    registered : whether side and loads come from a registration to MNI; otherwise the side is judged in the scanner's
        own coordinates and is approximate.
    loads : (region name, fraction of the region's volume), largest first; empty before registration.
    """

    volume_ml: float
    side: str
    registered: bool
    loads: tuple[tuple[str, float], ...] = ()


class RegisteredHead:
    """What a registration left in the head's space.

    Parameters
    ----------
    codes_node : volume of codes; a code stands for one region or for several that overlap.
    zones_node : slabs beside the midline (1..4, left to right).
    members : region name -> its codes.
    head_node : the head on whose grid the lesion is measured.
    """

    def __init__(self, codes_node, zones_node, members: dict[str, list[int]], head_node) -> None:
        self.codes = nearest_on_grid(codes_node, head_node)
        self.zones = nearest_on_grid(zones_node, head_node) if zones_node is not None else None
        self.members = members
        most = max((code for codes in members.values() for code in codes), default=0)
        self.sizes = np.bincount(self.codes.ravel(), minlength=most + 1)

    def loads(self, place: np.ndarray) -> tuple[tuple[str, float], ...]:
        """(region, fraction lesioned), largest first, for lesion voxels given by their flat index."""
        hit = np.bincount(self.codes.ravel()[place], minlength=len(self.sizes))
        fractions = {name: hit[codes].sum() / max(self.sizes[codes].sum(), 1) for name, codes in self.members.items()}
        return tuple(sorted(((n, float(f)) for n, f in fractions.items() if f > 0), key=lambda pair: -pair[1]))


def measure(segmentation_node, volume_node, middle_mm: float, head: RegisteredHead | None) -> LesionMeasures:
    """Measure the lesion segment on the grid of `volume_node`. `middle_mm` is the R coordinate of the midline."""
    voxels = lesion_voxels(segmentation_node, volume_node)
    geometry = ras_from_ijk(volume_node)
    voxel_ml = abs(np.linalg.det(geometry[:3, :3])) / 1000.0
    place = np.flatnonzero(voxels)
    if not len(place):
        return LesionMeasures(0.0, "none", head is not None)
    if head is not None and head.zones is not None:
        counts = np.bincount(head.zones.ravel()[place], minlength=5)
    else:
        counts = _counts_by_scanner(place, voxels.shape, geometry[0], middle_mm)
    loads = head.loads(place) if head is not None else ()
    return LesionMeasures(len(place) * voxel_ml, _side(counts, voxel_ml), head is not None, loads)


def _counts_by_scanner(place, shape, right_from_ijk, middle_mm: float):
    k, j, i = np.unravel_index(place, shape)
    right_mm = right_from_ijk[0] * i + right_from_ijk[1] * j + right_from_ijk[2] * k + right_from_ijk[3] - middle_mm
    edges = [-np.inf, -MIDLINE_TOLERANCE_MM, 0.0, MIDLINE_TOLERANCE_MM, np.inf]
    return np.concatenate([[0], np.histogram(right_mm, edges)[0]])


def _side(counts, voxel_ml: float) -> str:
    _outside, far_left, near_left, near_right, far_right = counts[:5]
    left, right = far_left + near_left, far_right + near_right
    lesser, far_across = (left, far_left) if left < right else (right, far_right)
    tolerated = (
        far_across * voxel_ml <= OTHER_SIDE_TOLERATED_ML and lesser <= OTHER_SIDE_TOLERATED_FRACTION * counts.sum()
    )
    return ("R" if left < right else "L") if tolerated else "bilateral"


def head_middle_mm(volume_node) -> float:
    """R coordinate of the head's middle: the centre of its bright voxels, good enough before registration."""
    array = slicer.util.arrayFromVolume(volume_node)[::4, ::4, ::4]
    k, j, i = np.nonzero(array > 0.5 * float(array.mean()) + 1e-6)
    if not len(i):
        return 0.0
    return float(ras_from_ijk(volume_node)[0] @ [4 * i.mean(), 4 * j.mean(), 4 * k.mean(), 1.0])
