"""Dark spots painted into the white matter of a made head."""

from __future__ import annotations

import numpy as np
import pytest
from RegionalBrainAgeLib.structures.hypointensities import white_matter_hypointensities
from RegionalBrainAgeLib.structures.on_head import probability_on_head


@pytest.fixture
def spotted(made_head):
    """The made head with a dark block of 4 x 3 x 3 voxels deep in the white matter of either side."""
    t1, brain, _ = made_head
    spots = np.zeros(t1.shape, bool)
    spots[18:22, 40:43, 28:31] = True
    spots[39:43, 40:43, 28:31] = True
    return t1.like(np.where(spots, 62.0, t1.array).astype(np.float32)), brain, spots


def test_painted_spots_are_found_and_nothing_else(spotted, exact_map):
    t1, brain, spots = spotted
    found = white_matter_hypointensities(exact_map, t1, brain)
    assert np.array_equal(found.array, spots)


def test_a_healthy_head_has_none(made_head, exact_map):
    t1, brain, _ = made_head
    assert not white_matter_hypointensities(exact_map, t1, brain).array.any()


def test_the_lesion_does_not_count(spotted, exact_map):
    t1, brain, spots = spotted
    lesion = spots.copy()
    lesion[30:] = False
    found = white_matter_hypointensities(exact_map, t1, brain, brain.like(lesion))
    assert np.array_equal(found.array, spots & ~lesion)


def test_probability_on_the_head_follows_the_labels(made_head, exact_map):
    _, brain, labels = made_head
    white = probability_on_head(exact_map, ("Cerebral-White-Matter",), brain).array
    assert np.mean((white > 0.5) == np.isin(labels.array, (81, 82))) > 0.99
