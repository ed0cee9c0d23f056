"""Parcels by a head's own folds: a sheet of cortex with a sulcus in it, where every voxel's parcel is known."""

from __future__ import annotations

import numpy as np
import pytest
from RegionalBrainAgeLib.anatomy.atlases import load_atlas
from RegionalBrainAgeLib.anatomy.parcels import NOT_CORTEX, PARCEL_NAMES, parcels_in_ribbon, propagation_atlas
from RegionalBrainAgeLib.cortex.folds import Folds
from RegionalBrainAgeLib.cortex.parcel_labels import refined_parcels, with_common_medial_wall
from RegionalBrainAgeLib.geometry.coordinates import coordinates_mm
from RegionalBrainAgeLib.geometry.image import Image

SHAPE = (70, 40, 9)
PRECENTRAL, CENTRAL, POSTCENTRAL = (
    PARCEL_NAMES.index(f"lh_{name}") + 1 for name in ("G_precentral", "S_central", "G_postcentral")
)


def sheet(shift: int) -> np.ndarray:
    """A sulcus 14 mm wide between two gyri, `shift` mm to the right, 3 mm thick."""
    labels = np.zeros(SHAPE, np.int16)
    labels[:, :, 3:6] = PRECENTRAL
    labels[28 + shift : 42 + shift, :, 3:6] = CENTRAL
    labels[42 + shift :, :, 3:6] = POSTCENTRAL
    return labels


@pytest.fixture
def case() -> tuple[np.ndarray, Image, Folds]:
    """The truth, the ribbon, and folds measured with noise."""
    truth, rng = sheet(0), np.random.default_rng(2)
    sulcus = truth == CENTRAL
    depth = np.where(sulcus, 10, 1) + rng.normal(0, 1.5, SHAPE)
    curvature = np.where(sulcus, 0.2, -0.2) + rng.normal(0, 0.15, SHAPE)
    return truth, Image(truth > 0, np.eye(4)), Folds(depth.astype(np.float32), curvature.astype(np.float32))


def accuracy(found: Image, truth: np.ndarray) -> float:
    return float(np.mean(found.array[truth > 0] == truth[truth > 0]))


def test_a_misplaced_atlas_is_put_right_by_the_folds(case):
    truth, ribbon, folds = case
    atlas = ribbon.like(sheet(3))
    first = parcels_in_ribbon(atlas, ribbon)
    refined = refined_parcels(first, atlas, ribbon, folds)
    assert accuracy(first, truth) < 0.92
    assert accuracy(refined, truth) > 0.98


def test_where_folds_say_nothing_the_atlas_decides(case):
    truth, ribbon, _ = case
    flat = Folds(np.full(SHAPE, 3, np.float32), np.zeros(SHAPE, np.float32))
    atlas = ribbon.like(truth)
    refined = refined_parcels(parcels_in_ribbon(atlas, ribbon), atlas, ribbon, flat)
    assert accuracy(refined, truth) > 0.97


def test_no_voxel_changes_hemisphere(case):
    truth, ribbon, folds = case
    both = truth.copy()
    both[35:][both[35:] > 0] += 74
    atlas = ribbon.like(both)
    refined = refined_parcels(ribbon.like(both), atlas, ribbon, folds).array
    assert np.array_equal(refined > 74, both > 74)


def test_grey_matter_that_is_not_cortex_stays_without_a_parcel(case):
    truth, ribbon, folds = case
    with_nucleus = truth.copy()
    with_nucleus[50:][with_nucleus[50:] > 0] = NOT_CORTEX
    atlas = ribbon.like(with_nucleus)
    refined = refined_parcels(parcels_in_ribbon(atlas, ribbon), atlas, ribbon, folds).array
    assert not refined[53:].any()
    assert NOT_CORTEX not in refined


def test_outside_the_ribbon_the_first_labels_are_kept(case):
    truth, ribbon, folds = case
    lesion = np.zeros(SHAPE, bool)
    lesion[:10, :, 3:6] = True
    left = ribbon.like(ribbon.array & ~lesion)
    atlas = ribbon.like(truth)
    first = parcels_in_ribbon(atlas, left, ribbon.like(lesion))
    refined = refined_parcels(first, atlas, left, folds)
    assert np.all(refined.array[lesion] == PRECENTRAL)


def test_the_medial_wall_is_as_large_on_the_right_as_on_the_left():
    """Counted on the atlas: the wall is what its name says, whatever was done to it."""
    atlas, before = load_atlas("destrieux"), propagation_atlas()
    after = with_common_medial_wall(before)
    left, right = (
        np.count_nonzero((atlas.labels.array == atlas.codes[f"ctx_{side}_Unknown"]) & (after == NOT_CORTEX))
        for side in ("lh", "rh")
    )
    assert 0.8 < left / right < 1.25
    changed = after != before.array
    assert np.all(before.array[changed] == NOT_CORTEX)
    x_mm = coordinates_mm(before, np.argwhere(changed))[:, 0]
    assert np.all((after[changed] > 74) == (x_mm > 0))
