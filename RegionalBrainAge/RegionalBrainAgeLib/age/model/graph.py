"""The brain graph: which parcels and structures are neighbours."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.ndimage import distance_transform_edt

from ...anatomy.parcels import PARCEL_NAMES, PARCELS_PER_HEMISPHERE, destrieux_atlas
from ...anatomy.structures import INTRACRANIAL, mirrored_pairs, structure_edges
from ...geometry.coordinates import coordinates_mm
from ..features import NODE_NAMES

# Parcels on two banks of a sulcus, or split by a thin gap of the volume atlas, are neighbours on the folded sheet.
_GAP_MM = 2.5
# Faces of 1 mm that two parcels must share: fewer are corners.
_MINIMUM_FACES = 20


@lru_cache(maxsize=1)
def parcel_edges() -> np.ndarray:
    """Pairs of neighbouring parcels of one hemisphere, (E, 2) int, each pair once, the lower index first; read-only.

    Computed from the Destrieux volume: every parcel grows into the gap around it by up to 2.5 mm; parcels that then
    share at least 20 voxel faces are neighbours.
    """
    labels = destrieux_atlas().array
    edges = []
    for first in (0, PARCELS_PER_HEMISPHERE):
        inside = (labels > first) & (labels <= first + PARCELS_PER_HEMISPHERE)
        corner = np.maximum(np.argwhere(inside).min(axis=0) - 4, 0)
        end = np.argwhere(inside).max(axis=0) + 5
        box = tuple(slice(a, b) for a, b in zip(corner, end, strict=True))
        own = np.where(inside[box], labels[box], 0)
        distance, nearest = distance_transform_edt(own == 0, return_indices=True)
        grown = np.where(distance <= _GAP_MM, own[tuple(nearest)], 0).astype(int)
        faces = np.zeros((len(PARCEL_NAMES), len(PARCEL_NAMES)), dtype=int)
        for axis in range(3):
            one = np.moveaxis(grown, axis, 0)[:-1].ravel()
            other = np.moveaxis(grown, axis, 0)[1:].ravel()
            touching = (one > 0) & (other > 0) & (one != other)
            np.add.at(faces, (one[touching] - 1, other[touching] - 1), 1)
        edges.append(np.argwhere(np.triu(faces + faces.T) >= _MINIMUM_FACES))
    return _read_only(np.concatenate(edges))


def brain_edges() -> np.ndarray:
    """Edges of the whole brain graph, (E, 2) int over `NODE_NAMES`.

    Neighbouring parcels of a hemisphere; structures that touch each other or the cortex on them; every parcel and
    paired structure with its mirror image; the size of the head with every structure.
    """
    head = NODE_NAMES.index(INTRACRANIAL)
    scaled = np.array([(node, head) for node in range(len(PARCEL_NAMES), head)])
    return np.concatenate([parcel_edges(), structure_edges(), mirrored_pairs(), scaled])


@lru_cache(maxsize=1)
def parcel_centres_mm() -> np.ndarray:
    """(148, 3) centres of gravity of the parcels in MNI space, RAS mm; read-only."""
    atlas = destrieux_atlas()
    ijk = np.argwhere(atlas.array > 0)
    label = atlas.array[tuple(ijk.T)].astype(int) - 1
    sums = np.stack([np.bincount(label, ijk[:, axis], minlength=len(PARCEL_NAMES)) for axis in range(3)], axis=1)
    centres = sums / np.bincount(label, minlength=len(PARCEL_NAMES))[:, None]
    return _read_only(coordinates_mm(atlas, centres))


def _read_only(values: np.ndarray) -> np.ndarray:
    """The array itself, which many share."""
    values.setflags(write=False)
    return values
