"""The brain graph: which parcels touch, and holes of the shape of real lesions on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import distance_transform_edt

from ..anatomy.parcels import (
    LESION_MARGIN_MM,
    MINIMUM_MEASURED_FRACTION,
    PARCEL_NAMES,
    PARCELS_PER_HEMISPHERE,
    destrieux_atlas,
)
from ..errors import InputError
from ..imaging.image import Image

# Parcels on two banks of a sulcus, or split by a thin gap of the volume atlas, are neighbours on the folded sheet.
_GAP_MM = 2.5
# Faces of 1 mm that two parcels must share: fewer are corners.
_MINIMUM_FACES = 20


def parcel_edges() -> np.ndarray:
    """Pairs of neighbouring parcels of one hemisphere, (E, 2) int, each pair once with the lower index first.

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
    return np.concatenate(edges)


def within_hops(edges: np.ndarray, nodes: int, hops: int) -> np.ndarray:
    """(nodes, nodes) boolean: can be reached in at most this many steps."""
    adjacent = np.eye(nodes, dtype=int)
    adjacent[edges[:, 0], edges[:, 1]] = adjacent[edges[:, 1], edges[:, 0]] = 1
    return np.linalg.matrix_power(adjacent, hops) > 0


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
    count = len(PARCEL_NAMES) + 1
    sizes = np.bincount(atlas.array.ravel(), minlength=count)[1:]
    fractions, missing = [], []
    for file in files:
        try:
            mask = nib.load(file)
            lesion = np.asarray(mask.dataobj) > 0
        except (OSError, EOFError, nib.filebasedimages.ImageFileError) as error:
            raise InputError(f"The lesion mask {file} cannot be read ({error}).", "Replace or remove it.") from error
        if lesion.ndim != 3 or not lesion.any():
            continue
        lesion_on_atlas = _on_atlas(lesion, mask.affine, atlas)
        if not lesion_on_atlas.any():
            continue
        hit = np.argwhere(lesion_on_atlas)
        box = tuple(
            slice(max(0, low - 4), high + 5) for low, high in zip(hit.min(axis=0), hit.max(axis=0), strict=True)
        )
        labels = atlas.array[box].ravel()
        spoiled = (distance_transform_edt(~lesion_on_atlas[box]) <= LESION_MARGIN_MM).ravel()
        fraction = np.bincount(labels[lesion_on_atlas[box].ravel()], minlength=count)[1:] / sizes
        left = 1 - np.bincount(labels[spoiled], minlength=count)[1:] / sizes
        if fraction.any():
            fractions.append(fraction)
            missing.append(left < MINIMUM_MEASURED_FRACTION)
    if not fractions:
        raise InputError(f"No mask of {folder} touches cortex.", "Check that the masks are in MNI space.")
    return Holes(np.array(fractions, dtype=np.float32), np.array(missing))


def _on_atlas(lesion: np.ndarray, ras_from_ijk: np.ndarray, atlas: Image) -> np.ndarray:
    """The mask on the atlas grid, nearest neighbour, looked up only around the lesion."""
    corners = np.argwhere(lesion)
    low, high = corners.min(axis=0) - 1, corners.max(axis=0) + 1
    box = np.array([[(low, high)[(n >> k) & 1][k] for k in range(3)] for n in range(8)])
    atlas_from_mask = np.linalg.inv(atlas.ras_from_ijk) @ ras_from_ijk
    reach = box @ atlas_from_mask[:3, :3].T + atlas_from_mask[:3, 3]
    first = np.maximum(np.floor(reach.min(axis=0)).astype(int), 0)
    last = np.minimum(np.ceil(reach.max(axis=0)).astype(int) + 1, atlas.array.shape)
    result = np.zeros(atlas.array.shape, dtype=bool)
    if (last <= first).any():
        return result
    grid = np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(first, last, strict=True)], indexing="ij"), axis=-1)
    mask_from_atlas = np.linalg.inv(atlas_from_mask)
    ijk = np.rint(grid @ mask_from_atlas[:3, :3].T + mask_from_atlas[:3, 3]).astype(int)
    inside = np.all((ijk >= 0) & (ijk < lesion.shape), axis=-1)
    ijk = np.where(inside[..., None], ijk, 0)
    result[tuple(slice(a, b) for a, b in zip(first, last, strict=True))] = (
        inside & lesion[tuple(np.moveaxis(ijk, -1, 0))]
    )
    return result


def grown_holes(edges: np.ndarray, nodes: int, count: int, rng: np.random.Generator) -> Holes:
    """Holes without lesion masks: patches grown from a random node over the graph, fully lesioned inside."""
    neighbours: list[list[int]] = [[] for _ in range(nodes)]
    for one, other in edges:
        neighbours[one].append(int(other))
        neighbours[other].append(int(one))
    holes = np.zeros((count, nodes), dtype=np.float32)
    for hole in holes:
        size = int(min(nodes // 4, 1 + rng.geometric(0.2)))
        patch, edge = set(), [int(rng.integers(nodes))]
        while edge and len(patch) < size:
            node = edge.pop(int(rng.integers(len(edge))))
            patch.add(node)
            edge += [other for other in neighbours[node] if other not in patch]
        hole[sorted(patch)] = 1.0
    return Holes(holes, holes > 0)
