"""Measures of how well structures fit an image, on a made head whose structures are known exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from RegionalBrainAgeLib.structures.plausibility import StructureQuality, doubts, structure_quality
from RegionalBrainAgeLib.structures.segmentation import StructureMap
from RegionalBrainAgeLib.structures.volumes import measure_volumes


def test_exact_structures_agree_with_the_image(made_head, exact_map):
    t1, brain, _ = made_head
    quality = structure_quality(exact_map, measure_volumes(exact_map), t1, brain)
    assert quality.certainty == pytest.approx(1.0)
    assert quality.outline_agreement > 0.95
    assert quality.side_ratio == pytest.approx(12 / 13, abs=0.06)  # half-axes of the made thalami
    assert quality.fluid_to_grey == pytest.approx(20 / 65, abs=0.05)
    assert quality.grey_to_white == pytest.approx(0.65, abs=0.05)


def test_doubt_lowers_certainty(made_head, exact_map):
    t1, brain, _ = made_head
    blurred = {key: 0.6 * half + 0.4 / len(half) for key, half in exact_map.halves.items()}
    doubtful = StructureMap(blurred, exact_map.native_from_template)
    quality = structure_quality(doubtful, measure_volumes(doubtful), t1, brain)
    assert quality.certainty == pytest.approx(0.6 + 0.4 / 23, abs=0.01)


def test_half_a_brain_shows_in_the_outline_and_turned_contrast_in_the_brightness(made_head, exact_map):
    t1, brain, _ = made_head
    half = brain.array.copy()
    half[:30] = False
    volumes = measure_volumes(exact_map)
    assert structure_quality(exact_map, volumes, t1, brain.like(half)).outline_agreement < 0.75
    turned = t1.like(np.where(t1.array > 0, 110.0 - t1.array, 0.0).clip(0).astype(np.float32))
    quality = structure_quality(exact_map, volumes, turned, brain)
    assert quality.fluid_to_grey > 1
    assert quality.grey_to_white > 1


USUAL = StructureQuality(0.895, 0.975, 0.95, 0.68, 0.72)


def test_a_usual_head_raises_no_doubt():
    assert doubts(USUAL) == []
    assert doubts(replace(USUAL, side_ratio=float("nan"))) == []  # lesions on either side of every pair


@pytest.mark.parametrize(
    ("change", "unusable", "told"),
    [
        ({"certainty": 0.88}, False, "certainty"),
        ({"certainty": 0.87}, True, "certainty"),  # a head with contrast agent, stripped
        ({"outline_agreement": 0.70}, True, "disagree"),
        ({"side_ratio": 0.62}, True, "one side"),
        ({"side_ratio": 0.80}, False, "one side"),
        ({"fluid_to_grey": 1.4}, True, "ventricles"),
        ({"grey_to_white": 1.2}, True, "white matter"),
    ],
)
def test_each_doubt_is_graded_and_told(change, unusable, told):
    ((graded, sentence),) = doubts(replace(USUAL, **change))
    assert graded is unusable
    assert told in sentence
