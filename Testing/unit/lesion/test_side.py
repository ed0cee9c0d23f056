"""The side of a lesion, against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from RegionalBrainAgeLib.geometry.image import Image
from RegionalBrainAgeLib.lesion.measures import summarise_lesion
from RegionalBrainAgeLib.lesion.side import LesionSide, side_of_lesion, zones_beside_plane


@pytest.mark.parametrize(
    ("far_left", "near_left", "near_right", "far_right", "side"),
    [
        (59_700, 0, 0, 300, "L"),  # 0.3 ml across a 60 ml lesion: less than 1 % and than half a millilitre
        (59_300, 0, 0, 700, "bilateral"),  # more than half a millilitre, however large the lesion
        (9_800, 0, 0, 200, "bilateral"),  # 0.2 ml across is 2 % of 10 ml
        (9_910, 0, 0, 90, "L"),  # a speck below 0.1 ml
        (8_000, 1_100, 900, 0, "L"),  # 9 % across, all of it beside the plane
        (8_000, 900, 1_100, 0, "bilateral"),  # 11 % across
        (0, 0, 0, 5, "R"),
        (0, 0, 0, 0, "none"),
    ],
)
def test_the_side_follows_what_lies_across_the_plane(far_left, near_left, near_right, far_right, side):
    counts = np.array([0, far_left, near_left, near_right, far_right])
    assert side_of_lesion(counts, 0.001).side == side
    mirrored = {"L": "R", "R": "L"}.get(side, side)
    assert side_of_lesion(counts[[0, 4, 3, 2, 1]], 0.001).side == mirrored


def test_without_a_lesion_nothing_lies_on_either_side():
    assert side_of_lesion(np.zeros(5, int), 0.001) == LesionSide("none", 0.0, 0.0, 0.0)


def test_of_a_one_sided_lesion_only_what_lies_beyond_the_slab_across_is_told():
    found = side_of_lesion(np.array([0, 59_000, 500, 200, 300]), 0.001)
    assert found == LesionSide("L", 59_500 / 60_000, 500 / 60_000, pytest.approx(0.3))
    assert side_of_lesion(np.array([0, 59_000, 0, 0, 1000]), 0.001).other_side_ml == 0.0


def test_a_lesion_image_has_the_side_of_its_counts():
    zones = np.repeat([1, 2, 3, 4], 60_000).reshape(4, 100, 600).astype(np.uint8)
    lesion = np.zeros(zones.shape, bool)
    lesion[0].flat[:59_700] = lesion[3].flat[:300] = True
    summary = summarise_lesion(Image(lesion, np.eye(4)), Image(zones, np.eye(4)))
    assert (summary.side, summary.other_side_ml) == ("L", pytest.approx(0.3))
    assert summary.left_fraction == pytest.approx(0.995)


def test_slabs_end_five_millimetres_beside_the_plane():
    assert zones_beside_plane(np.array([-5.1, -4.9, -0.1, 0.1, 4.9, 5.1])).tolist() == [1, 2, 2, 3, 3, 4]
