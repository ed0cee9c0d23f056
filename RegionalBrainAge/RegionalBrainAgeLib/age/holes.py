"""Holes in the cortex of the shape of real lesions, to see what damage does to ages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt

from ..anatomy.parcels import LESION_MARGIN_MM, MINIMUM_MEASURED_FRACTION, PARCEL_NAMES, destrieux_atlas
from ..errors import InputError
from ..files.image_checks import mask_from_values
from ..files.images import read_map
from ..geometry.coordinates import coordinates_mm, voxel_indices


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
        frontier = [int(rng.integers(nodes))]
        while frontier and len(patch) < size:
            node = frontier.pop(int(rng.integers(len(frontier))))
            patch.add(node)
            frontier += [other for other in neighbours[node] if other not in patch]
        hole[sorted(patch)] = 1.0
    return Holes(holes, holes > 0)
