"""Simulated lesions: volume, place, determinism, and what painting leaves unchanged."""

from __future__ import annotations

import numpy as np
import pytest
from RegionalBrainAgeLib.anatomy.template import template_brain
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.geometry.coordinates import coordinates_mm
from RegionalBrainAgeLib.geometry.image import Image
from RegionalBrainAgeLib.lesion.simulation import TERRITORIES, paint_lesion, simulate_lesion
from scipy import ndimage


@pytest.mark.parametrize(
    ("territory", "side", "volume_ml"),
    [("MCA", "L", 60.0), ("ACA", "R", 12.0), ("PCA", "L", 20.0), ("lacunar", "R", 0.8)],
)
def test_a_lesion_has_its_volume_is_connected_and_stays_on_its_side_of_the_brain(territory, side, volume_ml):
    lesion = simulate_lesion(volume_ml, side, territory, seed=4)
    assert lesion.array.sum() * lesion.voxel_volume_ml == pytest.approx(volume_ml, abs=0.001)
    assert ndimage.label(lesion.array)[1] == 1
    assert not np.any(lesion.array & (template_brain().array <= 0))
    ras = coordinates_mm(lesion, np.argwhere(lesion.array))
    assert np.all(ras[:, 0] < 0 if side == "L" else ras[:, 0] > 0)
    area = TERRITORIES[territory]
    place = np.c_[np.abs(ras[:, 0]), ras[:, 1:]].mean(axis=0)
    assert np.all(place > np.array(area.low_mm) - 2)
    assert np.all(place < np.array(area.high_mm) + 2)


def test_the_same_seed_gives_the_same_lesion_and_another_seed_another():
    first, again, other = (simulate_lesion(10, "R", seed=seed).array for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("arguments", [(0,), (400,), (10, "left"), (10, "L", "basilar")])
def test_impossible_lesions_are_refused(arguments):
    with pytest.raises(InputError) as caught:
        simulate_lesion(*arguments)
    assert caught.value.remedy


def test_painting_darkens_the_core_and_changes_nothing_far_away():
    rng = np.random.default_rng(0)
    shape = (60, 60, 60)
    axes = np.ogrid[:60, :60, :60]
    radius = np.sqrt(sum((a - 30.0) ** 2 for a in axes))
    brain = radius < 26
    clean = np.where(radius < 18, 110.0, np.where(radius < 23, 75.0, np.where(brain, 25.0, 5.0)))
    head = Image((clean + rng.normal(0, 3, shape)).astype(np.float32), np.eye(4))
    lesion = np.sqrt((axes[0] - 40.0) ** 2 + (axes[1] - 30.0) ** 2 + (axes[2] - 30.0) ** 2) < 8
    painted = paint_lesion(head, head.like(lesion), head.like(brain), seed=1)
    core = ndimage.binary_erosion(lesion, iterations=4)
    rim = lesion & ~ndimage.binary_erosion(lesion)
    assert painted.array[core].mean() < 40  # as fluid is here (25)
    assert painted.array[core].mean() < painted.array[rim].mean() < 75
    assert 2 < painted.array[core].std() < 6  # the head's noise is 3
    far = ndimage.distance_transform_edt(~lesion) > 3
    assert np.array_equal(painted.array[far], head.array[far])
    assert np.array_equal(painted.array, paint_lesion(head, head.like(lesion), head.like(brain), seed=1).array)
