"""Grades of an image: what is added to a made-up head must be found, and nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest
from graded_heads import GRAY, WHITE, head, moved
from RegionalBrainAgeLib.geometry.image import Image
from RegionalBrainAgeLib.head.image_grade import Measure, grade_image


def measures(t1: Image, brain: Image, lesion: Image | None = None) -> dict[str, Measure]:
    return {measure.name: measure for measure in grade_image(t1, brain, lesion).measures}


@pytest.mark.parametrize("noise", [2.0, 5.0, 10.0])
def test_noise_is_found_as_it_was_added(noise):
    assert measures(*head(noise))["noise"].value == pytest.approx(noise / (WHITE - GRAY), rel=0.15)


def test_contrast_is_that_of_the_tissues():
    assert measures(*head(2.0))["contrast"].value == pytest.approx(1 - GRAY / WHITE, abs=0.03)


def test_resolution_is_the_root_mean_square_of_the_spacing():
    assert measures(*head(spacing_mm=(1, 1, 2)))["resolution"].value == pytest.approx(math.sqrt(2))


def test_motion_leaves_ringing_and_noise_does_not():
    still = measures(*head(3.0))["motion ringing"]
    noisy = measures(*head(9.0))["motion ringing"]
    t1, brain = head(3.0)
    shaken = measures(moved(t1, 0.4, 2.0), brain)["motion ringing"]
    assert still.value == pytest.approx(1, abs=0.06)
    assert noisy.value == pytest.approx(1, abs=0.06)
    assert shaken.value > 1.2
    assert still.letter < shaken.letter


def test_ringing_is_not_judged_where_voxels_are_uneven():
    assert measures(*head(spacing_mm=(1, 1, 2)))["motion ringing"].letter == ""


def test_the_grade_is_that_of_the_worst_measure():
    good, coarse, noisy = grade_image(*head(2.0)), grade_image(*head(2.0, spacing_mm=(2, 2, 2))), grade_image(*head(18))
    assert (good.letter, good.poor) == ("A", ())
    assert (coarse.letter, coarse.poor) == ("C", ())
    assert noisy.as_dict()["grade"] == "D"
    assert [measure.name for measure in noisy.poor] == ["noise"]


def test_ringing_of_whole_numbers_does_not_jump():
    """Scanners store whole numbers; of a still head the texture of no axis may look stronger for that."""
    t1, brain = head(3.0)
    coarse = t1.like(np.round(t1.array / 3))
    assert measures(coarse, brain)["motion ringing"].value == pytest.approx(1, abs=0.06)


def test_a_lesion_is_not_taken_for_noise():
    t1, brain = head(2.0)
    array = t1.array.copy()
    array[20:34, 30:44, 30:40] = np.random.default_rng(2).normal(50, 40, (14, 14, 10))
    lesion = np.zeros(array.shape, bool)
    lesion[20:34, 30:44, 30:40] = True
    found = measures(t1.like(array), brain, brain.like(lesion))
    assert found["noise"].value == pytest.approx(measures(t1, brain)["noise"].value, rel=0.1)
