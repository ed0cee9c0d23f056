"""The brain graph: which parcels touch, and holes of the shape of real lesions on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt

from ...anatomy.parcels import (
    LESION_MARGIN_MM,
    MINIMUM_MEASURED_FRACTION,
    PARCEL_NAMES,
    PARCELS_PER_HEMISPHERE,
    destrieux_atlas,
)
from ...anatomy.structures import INTRACRANIAL, mirrored_pairs, structure_edges
from ...errors import InputError
from ...files.image_checks import mask_from_values
from ...files.images import read_map
from ...geometry.coordinates import coordinates_mm, voxel_indices
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


@dataclass(frozen=True)
class Holes:
    """Damage of H lesions on N nodes.

    Parameters
    ----------
    lesioned_fraction : (H, N) float32.
    missing : (H, N) boolean, too little left to be measured.
    """

    lesioned_fraction: np.ndarray
    missing: np.ndarray

    def __len__(self) -> int:
        return len(self.missing)


def project_lesions(folder: Path | str) -> Holes:
    """Damage of every parcel by every mask of a folder that touches cortex.

    A parcel is missing by the rule of `measure_parcels`: less than half of it is farther than 3 mm from the lesion.

    Parameters
    ----------
    folder : binary NIfTI masks in MNI space (RAS mm; any grid).

    Raises
    ------
    InputError : no masks, or one that cannot be read.
    """
    files = sorted([*Path(folder).glob("*.nii.gz"), *Path(folder).glob("*.nii")])
    if not files:
        raise InputError(f"There are no NIfTI masks in {folder}.", "Give a folder of lesion masks in MNI space.")
    atlas = destrieux_atlas()
    cortex_ijk = np.argwhere(atlas.array > 0)
    label = atlas.array[tuple(cortex_ijk.T)].astype(int) - 1
    cortex_mm = coordinates_mm(atlas, cortex_ijk)
    sizes = np.bincount(label, minlength=len(PARCEL_NAMES))
    fractions, missing = [], []
    places: dict[bytes, np.ndarray] = {}
    for file in files:
        name = f"The lesion mask {file}"
        stored = read_map(file, name)
        if not stored.array.any():
            continue
        lesion = stored.like(mask_from_values(name, stored.array)[0])
        grid = lesion.ras_from_ijk.tobytes()
        if grid not in places:
            places[grid] = np.rint(voxel_indices(lesion, cortex_mm)).astype(np.int32)
        hit, spoiled = _hit_and_spoiled(lesion.array, lesion.spacing_mm, places[grid])
        if hit.any():
            fractions.append(np.bincount(label[hit], minlength=len(PARCEL_NAMES)) / sizes)
            left = 1 - np.bincount(label[spoiled], minlength=len(PARCEL_NAMES)) / sizes
            missing.append(left < MINIMUM_MEASURED_FRACTION)
    if not fractions:
        raise InputError(f"No mask of {folder} touches cortex.", "Check that the masks are in MNI space.")
    return Holes(np.array(fractions, dtype=np.float32), np.array(missing))


def _hit_and_spoiled(lesion: np.ndarray, size_mm: np.ndarray, ijk: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which points (N, 3 voxel indices) lie in the lesion, and which in it or in the margin around it."""
    pad = int(np.ceil(LESION_MARGIN_MM / size_mm.min())) + 1
    bounds = []
    for axis in range(3):
        used = np.nonzero(lesion.any(axis=tuple({0, 1, 2} - {axis})))[0]
        bounds.append((used[0] - pad, used[-1] + pad + 1))
    low, high = np.array(bounds).T
    box = np.zeros(high - low, dtype=bool)
    inner = tuple(slice(max(first, 0), min(last, n)) for (first, last), n in zip(bounds, lesion.shape, strict=True))
    box[tuple(slice(part.start - first, part.stop - first) for part, first in zip(inner, low, strict=True))] = lesion[
        inner
    ]
    near = (ijk[:, 0] >= low[0]) & (ijk[:, 0] < high[0])
    for axis in (1, 2):
        near &= (ijk[:, axis] >= low[axis]) & (ijk[:, axis] < high[axis])
    near = np.nonzero(near)[0]
    at = tuple((ijk[near] - low).T)
    hit, spoiled = np.zeros(len(ijk), dtype=bool), np.zeros(len(ijk), dtype=bool)
    hit[near] = box[at]
    spoiled[near] = distance_transform_edt(~box, sampling=size_mm)[at] <= LESION_MARGIN_MM
    return hit, spoiled


def grown_holes(edges: np.ndarray, nodes: int, count: int, rng: np.random.Generator) -> Holes:
    """Holes without lesion masks: patches grown from a random node over the graph, fully lesioned inside."""
    neighbours: list[list[int]] = [[] for _ in range(nodes)]
    for one, other in edges:
        neighbours[one].append(int(other))
        neighbours[other].append(int(one))
    holes = np.zeros((count, nodes), dtype=np.float32)
    for hole in holes:
        size = int(min(nodes // 4, 1 + rng.geometric(0.2)))
        patch: set[int] = set()
        edge = [int(rng.integers(nodes))]
        while edge and len(patch) < size:
            node = edge.pop(int(rng.integers(len(edge))))
            patch.add(node)
            edge += [other for other in neighbours[node] if other not in patch]
        hole[sorted(patch)] = 1.0
    return Holes(holes, holes > 0)
