"""Volume, side and loads of the lesion while it is being painted. Quick: called at every stroke."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from RegionalBrainAgeLib.lesion.side import side_of_lesion, zones_beside_plane

from ..work.command_line import lesion_voxels
from .grids import ras_from_ijk


@dataclass(frozen=True)
class LesionMeasures:
    """What the review step shows.

    Parameters
    ----------
    volume_ml : volume of the mask.
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
    """

    def __init__(self, codes_node, zones_node, members: dict[str, list[int]]) -> None:
        self._codes, self._zones = _Lookup(codes_node), _Lookup(zones_node)
        self.members = members
        most = max((code for codes in members.values() for code in codes), default=0)
        self.sizes_ml = np.bincount(self._codes.array.ravel(), minlength=most + 1) * self._codes.voxel_ml

    def loads(self, points_ras: np.ndarray, voxel_ml: float) -> tuple[tuple[str, float], ...]:
        """(region, fraction lesioned), largest first, for lesion voxels given by their centres."""
        hit_ml = np.bincount(self._codes.at(points_ras), minlength=len(self.sizes_ml)) * voxel_ml
        total_ml = {name: max(self.sizes_ml[codes].sum(), voxel_ml) for name, codes in self.members.items()}
        fractions = {name: min(hit_ml[codes].sum() / total_ml[name], 1.0) for name, codes in self.members.items()}
        return tuple(sorted(((n, float(f)) for n, f in fractions.items() if f > 0), key=lambda pair: -pair[1]))

    def zone_counts(self, points_ras: np.ndarray) -> np.ndarray:
        """Lesion voxels per slab: outside, far left, near left, near right, far right."""
        return np.bincount(self._zones.at(points_ras), minlength=5)


class _Lookup:
    """Values of a label volume at places in RAS; 0 outside."""

    def __init__(self, node) -> None:
        self.array = slicer.util.arrayFromVolume(node)
        geometry = ras_from_ijk(node)
        self._ijk_from_ras = np.linalg.inv(geometry)
        self.voxel_ml = abs(np.linalg.det(geometry[:3, :3])) / 1000.0

    def at(self, points_ras: np.ndarray) -> np.ndarray:
        ijk = np.rint(points_ras @ self._ijk_from_ras[:3, :3].T + self._ijk_from_ras[:3, 3]).astype(int)
        kji = ijk[:, ::-1]
        inside = ((kji >= 0) & (kji < self.array.shape)).all(axis=1)
        found = np.zeros(len(ijk), int)
        found[inside] = self.array[tuple(kji[inside].T)]
        return found


def measure(segmentation_node, volume_node, middle_mm: float, head: RegisteredHead | None) -> LesionMeasures:
    """Measure the lesion segment. `middle_mm` is the R coordinate of the midline, used before a registration."""
    points, voxel_ml = _lesion_points(segmentation_node, volume_node)
    if not len(points):
        return LesionMeasures(0.0, "none", head is not None)
    if head is not None:
        counts = head.zone_counts(points)
    else:
        counts = np.bincount(zones_beside_plane(points[:, 0] - middle_mm), minlength=5)
    loads = head.loads(points, voxel_ml) if head is not None else ()
    return LesionMeasures(len(points) * voxel_ml, side_of_lesion(counts, voxel_ml).side, head is not None, loads)


def _lesion_points(segmentation_node, volume_node) -> tuple[np.ndarray, float]:
    """Centres (n, 3) of the lesion's voxels, RAS mm, and the volume of a voxel, ml."""
    segmentation = segmentation_node.GetSegmentation()
    segment_ids = segmentation.GetSegmentIDs()
    image = None
    if len(segment_ids) == 1 and segmentation.ContainsRepresentation("Binary labelmap"):
        # As the editor keeps it, cut to the lesion: no copy of the size of the head at every stroke.
        image = segmentation_node.GetBinaryLabelmapInternalRepresentation(segment_ids[0])
    if image is not None and image.GetPointData().GetScalars() is not None:
        array = slicer.util.arrayFromSegmentInternalBinaryLabelmap(segmentation_node, segment_ids[0])
        voxels = array == segmentation.GetSegment(segment_ids[0]).GetLabelValue()
        matrix = vtk.vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        geometry, first = slicer.util.arrayFromVTKMatrix(matrix), image.GetExtent()[::2]
    else:
        voxels, geometry, first = lesion_voxels(segmentation_node, volume_node), ras_from_ijk(volume_node), (0, 0, 0)
    kji = np.stack(np.nonzero(voxels), axis=1)
    points = (kji[:, ::-1] + np.array(first)) @ geometry[:3, :3].T + geometry[:3, 3]
    return points, abs(np.linalg.det(geometry[:3, :3])) / 1000.0


def head_middle_mm(volume_node) -> float:
    """R coordinate of the head's middle: the centre of its bright voxels, good enough before registration."""
    array = slicer.util.arrayFromVolume(volume_node)[::4, ::4, ::4]
    k, j, i = np.nonzero(array > 0.5 * float(array.mean()) + 1e-6)
    if not len(i):
        return 0.0
    return float(ras_from_ijk(volume_node)[0] @ [4 * i.mean(), 4 * j.mean(), 4 * k.mean(), 1.0])
