"""Symmetries of the segmentation that hold whatever the weights are."""

from __future__ import annotations

import numpy as np
import pytest
from RegionalBrainAgeLib.geometry.image import Image
from RegionalBrainAgeLib.structures.half_brain import WINDOWS
from RegionalBrainAgeLib.structures.names import MEASURED_STRUCTURES, SIDED_CLASSES
from RegionalBrainAgeLib.structures.on_head import aseg_labels
from RegionalBrainAgeLib.structures.segmentation import segment_structures
from RegionalBrainAgeLib.structures.volumes import measure_volumes


def other_side(name: str) -> str:
    word, dash, rest = name.partition("-")
    return {"Left": "Right", "Right": "Left"}.get(word, word) + dash + rest


def test_a_mirrored_head_has_mirrored_volumes(made_head, untrained_model):
    t1, brain, _ = made_head
    mirrored, mirrored_brain = (Image(np.ascontiguousarray(i.array[::-1]), i.ras_from_ijk) for i in (t1, brain))
    found = measure_volumes(segment_structures(t1, brain, None, np.eye(4), untrained_model))
    turned = measure_volumes(segment_structures(mirrored, mirrored_brain, None, np.eye(4), untrained_model))
    for name in MEASURED_STRUCTURES:
        assert turned.volume_mm3[other_side(name)] == pytest.approx(found.volume_mm3[name], rel=1e-4)
    assert turned.intracranial_mm3 == pytest.approx(found.intracranial_mm3, rel=1e-4)


def test_what_the_image_shows_inside_the_lesion_does_not_matter(made_head, untrained_model):
    t1, brain, _ = made_head
    lesion = brain.like(np.zeros(brain.shape, bool))
    lesion.array[18:26, 30:40, 28:36] = True
    bright = t1.like(np.where(lesion.array, 90.0, t1.array).astype(np.float32))
    first = segment_structures(t1, brain, lesion, np.eye(4), untrained_model)
    second = segment_structures(bright, brain, lesion, np.eye(4), untrained_model)
    assert all(np.array_equal(first.halves[key], second.halves[key]) for key in first.halves)


def test_a_lesion_of_one_half_does_not_reach_the_other(made_head, untrained_model):
    t1, brain, _ = made_head
    lesion = brain.like(np.zeros(brain.shape, bool))
    lesion.array[8:16, 30:40, 28:36] = True  # x from -66 to -45 mm
    healthy = segment_structures(t1, brain, None, np.eye(4), untrained_model)
    hurt = segment_structures(t1, brain, lesion, np.eye(4), untrained_model)
    assert not np.allclose(hurt.halves["whole", "L"], healthy.halves["whole", "L"])
    for window in WINDOWS:  # white matter's brightness may move a little
        assert np.allclose(hurt.halves[window.name, "R"], healthy.halves[window.name, "R"], atol=2e-3)


def test_the_grey_value_scale_does_not_matter(made_head, untrained_model):
    t1, brain, _ = made_head
    first = segment_structures(t1, brain, None, np.eye(4), untrained_model)
    second = segment_structures(t1.like(t1.array * 37.0), brain, None, np.eye(4), untrained_model)
    assert all(np.allclose(first.halves[key], second.halves[key], atol=1e-4) for key in first.halves)


def test_labels_on_the_head_are_freesurfers_codes_in_the_right_place(made_head, exact_map):
    _, brain, labels = made_head

    drawn = aseg_labels(exact_map, brain)
    for muse, aseg in ((60, 10), (59, 49), (52, 4), (51, 43)):
        wanted = labels.array == muse
        shared = 2 * np.sum(wanted & (drawn.array == aseg)) / (wanted.sum() + (drawn.array == aseg).sum())
        assert shared > 0.8
    assert set(np.unique(drawn.array)) == {0, 4, 10, 43, 49}
    assert "Cerebral-White-Matter" in SIDED_CLASSES  # present in the map, not drawn
