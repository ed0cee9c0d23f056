"""Measures of how well structures fit an image, on a made head whose structures are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from RegionalBrainAgeLib.structures.plausibility import structure_quality
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
