"""Gives each spot of a person's cortex its parcel by that person's own folds.

Registration by brightness places a gyrus to some millimetres, about the width of a sulcus; but parcels are defined by
gyri and sulci. So the atlas, brought near, is moved until its folds lie on the head's, and then every voxel chooses
among the parcels nearby: by distance, by how deep and how curved that parcel is in *this* head, and by its neighbours.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy import ndimage

from ..anatomy.atlases import load_atlas
from ..anatomy.freesurfer_codes import BELOW_TENTORIUM, WHITE_MATTER
from ..anatomy.parcels import NOT_CORTEX, PARCEL_NAMES, PARCELS_PER_HEMISPHERE, parcels_in_ribbon, propagation_atlas
from ..geometry.coordinates import coordinates_mm
from ..geometry.image import Image, bounding_box, check_canonical, cropped
from ..head.registration import Registration
from .folds import VOXEL_MM, Folds, align_folds, folds_of
from .landmarks import INSIDE
from .tissue import Tissue

GRID_MARGIN_MM = 8.0
# One warp carries all there is to know of an atlas voxel: parcel + 500 where inside the white surface + 1000 * side.
_INSIDE_CODE, _SIDE_CODE = 500, 1000
# How far a parcel may be from where the aligned atlas has it (sigma), and the farthest it is looked for.
PLACE_SIGMA_MM = 2.5
FARTHEST_MM = 10.0
CANDIDATES = 8
# A neighbour of the same parcel makes it this much more likely (log odds).
NEIGHBOUR_PULL = 1.0
ROUNDS, SWEEPS = 2, 2
# A parcel's own depth and curvature count against those of its kind (gyri, sulci, both) as if seen in this volume.
KIND_PRIOR_MM3 = 100.0
MOST_CURVED_PER_MM = 0.6


def individual_parcels(
    registration: Registration, tissue: Tissue, ribbon: Image, lesion: Image | None = None, threads: int = 2
) -> Image:
    """Parcel of every voxel of the cortical ribbon.

    Parameters
    ----------
    registration : of this head.
    tissue : of this head, the lesion healed.
    ribbon : boolean, on the T1's grid: where thickness was measured.
    lesion : boolean, on the T1's grid, or None. Inside it the aligned atlas's own labels are kept.

    Returns
    -------
    Image, int16, on the T1's grid: 0 outside the ribbon (and lesion) and where the cortex belongs to no parcel, else
    index in `PARCEL_NAMES` plus one.
    """
    check_canonical(ribbon, tissue.gm, lesion)
    box = bounding_box(tissue.gm.array > 0, np.ceil(GRID_MARGIN_MM / tissue.gm.spacing_mm))
    head = cropped(ribbon, box)
    grid = _fine_grid(head)
    atlas = replace(registration, t1_grid=grid).to_native(_fold_atlas()).array
    folds = folds_of(tuple(_on_grid(level, grid) for level in (tissue.left, tissue.right)))
    bend = align_folds(folds, _atlas_folds(atlas), threads)
    label = atlas % _INSIDE_CODE
    moved = bend.on_grid(Image(label, np.eye(4))) / VOXEL_MM
    where = [
        np.clip(np.rint(moved[a] + np.arange(n).reshape([-1 if b == a else 1 for b in range(3)])).astype(int), 0, n - 1)
        for a, n in enumerate(label.shape)
    ]
    aligned = _at_voxels(label[tuple(where)], grid, head, order=0)
    damaged = None if lesion is None else cropped(lesion, box)
    first = parcels_in_ribbon(head.like(aligned), head, damaged)
    at_head = Folds(*(_at_voxels(m, grid, head, order=1) for m in (folds.depth_mm, folds.curvature_per_mm)))
    parcels = np.zeros(ribbon.shape, np.int16)
    parcels[box] = refined_parcels(first, head.like(aligned), head, at_head).array
    return ribbon.like(parcels)


def refined_parcels(first: Image, aligned: Image, ribbon: Image, folds: Folds) -> Image:
    """Every ribbon voxel's most likely parcel (int16), given its place, its folds and its neighbours.

    Parameters
    ----------
    first : a first labelling of the ribbon, from `parcels_in_ribbon`; kept outside the ribbon.
    aligned : the atlas's labels around the ribbon, `NOT_CORTEX` among them.
    ribbon : boolean.
    folds : at the voxels of these images.

    Depth and curvature of each parcel are normal distributions learnt on this very head from the labels of the round
    before (iterated conditional modes, Besag 1986). A voxel never changes hemisphere.
    """
    inside = np.asarray(ribbon.array, bool)
    voxels = np.flatnonzero(inside)
    if len(voxels) == 0:
        return first
    start = first.array.ravel()[voxels].astype(np.int16)
    choices, distance_mm = _candidates(aligned, inside, start)
    rows = np.arange(len(voxels))
    place = np.where(np.isfinite(distance_mm), distance_mm**2 / (2 * PLACE_SIGMA_MM**2), np.float32(1e6))
    label = np.where(start > 0, start, choices[rows, place.argmin(axis=1)])
    neighbours = _neighbours(inside, voxels)
    depth = np.sqrt(np.maximum(folds.depth_mm.ravel()[voxels], 0))
    curvature = np.clip(folds.curvature_per_mm.ravel()[voxels], -MOST_CURVED_PER_MM, MOST_CURVED_PER_MM)
    prior = KIND_PRIOR_MM3 / float(np.prod(ribbon.spacing_mm))
    for _ in range(ROUNDS):
        cost = place.astype(np.float32)
        for seen in (depth, curvature):
            mean, sd = _seen_in_parcels(seen, label, prior)
            m, s = mean[choices], sd[choices]
            cost += ((seen[:, None] - m) / s) ** 2 / 2 + np.log(s)
        for _ in range(SWEEPS):
            padded = np.append(label, np.int16(-1))
            agreeing = sum((choices == padded[n][:, None]).astype(np.float32) for n in neighbours)
            label = choices[rows, (cost - NEIGHBOUR_PULL * agreeing).argmin(axis=1)]
    result = first.array.copy()
    label = np.where(np.isfinite(distance_mm).any(axis=1) & (label != NOT_CORTEX), label, 0)
    result.ravel()[voxels] = label
    return first.like(result)


@lru_cache(maxsize=1)
def _fold_atlas() -> Image:
    atlas = load_atlas("destrieux")
    codes, label = atlas.labels.array, with_common_medial_wall(propagation_atlas())
    right = coordinates_mm(atlas.labels, np.argwhere(codes > 0))[:, 0] > 0
    side = np.zeros(codes.shape, np.int16)
    side[codes > 0] = np.where(right, 2, 1)
    parcel = (label > 0) & (label != NOT_CORTEX)
    side[parcel] = np.where(label[parcel] <= PARCELS_PER_HEMISPHERE, 1, 2)
    side[np.isin(codes, BELOW_TENTORIUM)] = 0
    inside = np.isin(codes, (*INSIDE, *WHITE_MATTER))
    return Image((label + _INSIDE_CODE * inside + _SIDE_CODE * side).astype(np.int16), atlas.labels.ras_from_ijk)


def with_common_medial_wall(labels: Image) -> np.ndarray:
    """`propagation_atlas`, its medial wall kept only where it lies on both sides; elsewhere the other side's parcel.

    The wall ("Unknown") of the atlas is twice as large on the right as on the left, and covers what FreeSurfer calls
    subcallosal, medial orbital and insular cortex in both heads at hand.
    """
    atlas = load_atlas("destrieux")
    wall = np.isin(atlas.labels.array, [atlas.codes[f"ctx_{side}_Unknown"] for side in ("lh", "rh")])
    step, start = labels.ras_from_ijk[0, 0], labels.ras_from_ijk[0, 3]
    mirrored = np.rint((-(step * np.arange(labels.shape[0]) + start) - start) / step).astype(int)
    mirrored = np.clip(mirrored, 0, labels.shape[0] - 1)
    other = labels.array[mirrored]
    swapped = np.where(other > PARCELS_PER_HEMISPHERE, other - PARCELS_PER_HEMISPHERE, other + PARCELS_PER_HEMISPHERE)
    cortex_there = (other > 0) & (other != NOT_CORTEX)
    return np.where(wall & cortex_there, swapped, labels.array)


def _atlas_folds(atlas: np.ndarray) -> Folds:
    level = np.where(atlas % _SIDE_CODE >= _INSIDE_CODE, np.float32(1), np.float32(0.5))
    return folds_of(tuple(np.where(atlas // _SIDE_CODE == side, level, np.float32(0)) for side in (1, 2)))


def _fine_grid(head: Image) -> Image:
    """An empty 1 mm grid over the same space, along the head's axes, starting at its first voxel."""
    size = np.ceil(np.array(head.shape) * head.spacing_mm / VOXEL_MM).astype(int)
    return Image(
        np.broadcast_to(np.uint8(0), tuple(size)),
        head.ras_from_ijk @ np.diag([*(VOXEL_MM / head.spacing_mm), 1.0]),
    )


def _on_grid(image: Image, grid: Image) -> np.ndarray:
    return _at_voxels(image.array, image, grid, order=1)


def _at_voxels(array: np.ndarray, of: Image, like: Image, order: int) -> np.ndarray:
    """`array` on the grid `of` at the voxels of `like`, whose axes run alike; zero outside."""
    step = np.linalg.inv(of.ras_from_ijk) @ like.ras_from_ijk
    return ndimage.affine_transform(
        array, np.diag(np.diag(step)[:3]), step[:3, 3], output_shape=like.shape, order=order
    )


def _candidates(aligned: Image, inside: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest labels of each ribbon voxel and how far they are (mm, inf = none), both (N, CANDIDATES)."""
    number = np.full(inside.shape, -1, np.int32)
    number[inside] = np.arange(len(start))
    side = np.where(start == 0, 0, np.where(start <= PARCELS_PER_HEMISPHERE, 1, 2))
    choices = np.zeros((len(start), CANDIDATES), np.int16)
    distance_mm = np.full((len(start), CANDIDATES), np.inf, np.float32)
    spacing = aligned.spacing_mm
    margin = np.ceil(FARTHEST_MM / spacing).astype(int)
    for label, found in enumerate(ndimage.find_objects(aligned.array.astype(np.int32), max_label=NOT_CORTEX), 1):
        if found is None:
            continue
        box = tuple(
            slice(max(0, s.start - m), min(n, s.stop + m)) for s, m, n in zip(found, margin, inside.shape, strict=True)
        )
        here = inside[box]
        away_mm = ndimage.distance_transform_edt(aligned.array[box] != label, sampling=spacing)[here]
        rows = number[box][here]
        own_side = 0 if label == NOT_CORTEX else 1 if label <= PARCELS_PER_HEMISPHERE else 2
        reached = (away_mm <= FARTHEST_MM) & ((own_side == 0) | (side[rows] == 0) | (side[rows] == own_side))
        rows, away_mm = rows[reached], away_mm[reached]
        worst = distance_mm[rows].argmax(axis=1)
        nearer = away_mm < distance_mm[rows, worst]
        choices[rows[nearer], worst[nearer]] = label
        distance_mm[rows[nearer], worst[nearer]] = away_mm[nearer]
    return choices, distance_mm


def _neighbours(inside: np.ndarray, voxels: np.ndarray) -> list[np.ndarray]:
    """For each of the six directions, the row of each voxel's neighbour in the ribbon; -1 where there is none."""
    padded = np.pad(inside, 1)
    number = np.full(padded.shape, -1, np.int32)
    number[padded] = np.arange(len(voxels))
    places = np.flatnonzero(padded)
    steps = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
    return [number.ravel()[places + sign * step] for step in steps for sign in (-1, 1)]


def _seen_in_parcels(seen: np.ndarray, label: np.ndarray, prior: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of a feature in each label, drawn towards those of all labels of its kind."""
    kinds = _kinds()
    sums = [np.bincount(label, weights, NOT_CORTEX + 1) for weights in (None, seen, seen**2)]
    count, mean, square = (np.asarray(s, float) for s in sums)
    of_kind = [np.bincount(kinds, s)[kinds] for s in (count, mean, square)]
    total = np.maximum(of_kind[0], 1)
    mean = (mean + prior * of_kind[1] / total) / (count + prior)
    square = (square + prior * of_kind[2] / total) / (count + prior)
    sd = np.sqrt(np.maximum(square - mean**2, 1e-4))
    return mean.astype(np.float32), sd.astype(np.float32)


@lru_cache(maxsize=1)
def _kinds() -> np.ndarray:
    """0 gyri, 1 sulci and fissures, 2 gyri with sulci and poles, 3 no cortex; by label, 0 counting as no cortex."""
    kinds = [3]
    for name in PARCEL_NAMES:
        word = name[3:]
        kinds.append(1 if word.startswith(("S_", "Lat_")) else 2 if word.startswith(("G_and_S", "Pole")) else 0)
    return np.array([*kinds, 3])
