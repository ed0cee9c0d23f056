"""Grades of an image: what is added to a made-up head must be found, and nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest
from RegionalBrainAgeLib.geometry.image import Image
from RegionalBrainAgeLib.head.image_grade import Measure, grade_image
from scipy import ndimage

WHITE, GRAY, FLUID = 100.0, 70.0, 25.0


def head(noise: float = 0.0, spacing_mm: tuple[float, float, float] = (1, 1, 1)) -> tuple[Image, Image]:
    """A ball of white matter under cortex and fluid, with noise of that standard deviation, and its mask."""
    i, j, k = np.meshgrid(*[np.arange(-32, 33)] * 3, indexing="ij")
    radius = np.sqrt(i**2 + j**2 + k**2)
    array = np.select([radius < 19, radius < 25, radius < 28], [WHITE, GRAY, FLUID], 0.0)
    array = ndimage.gaussian_filter(array, 0.7) + np.random.default_rng(0).normal(0, max(noise, 0.5), array.shape)
    ras_from_ijk = np.diag([*spacing_mm, 1.0])
    return Image(array, ras_from_ijk), Image(radius < 28, ras_from_ijk)


def moved(image: Image, share: float, shift_voxels: float) -> Image:
    """The head moved during the scan: a share of the lines of k-space along the second axis are shifted."""
    lines = np.fft.fftn(image.array)
    frequency = np.fft.fftfreq(image.shape[1])
    rng = np.random.default_rng(1)
    for line in rng.choice(image.shape[1], int(share * image.shape[1]), replace=False):
        if abs(frequency[line]) > 0.03:
            lines[:, line] *= np.exp(-2j * np.pi * frequency[line] * rng.normal(0, shift_voxels))
    return image.like(abs(np.fft.ifftn(lines)))


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
    good, poor = grade_image(*head(2.0)), grade_image(*head(2.0, spacing_mm=(2, 2, 2)))
    assert good.letter == "A"
    assert poor.letter == "D"
    assert poor.as_dict()["grade"] == "D"


def test_a_lesion_is_not_taken_for_noise():
    t1, brain = head(2.0)
    array = t1.array.copy()
    array[20:34, 30:44, 30:40] = np.random.default_rng(2).normal(50, 40, (14, 14, 10))
    lesion = np.zeros(array.shape, bool)
    lesion[20:34, 30:44, 30:40] = True
    found = measures(t1.like(array), brain, brain.like(lesion))
    assert found["noise"].value == pytest.approx(measures(t1, brain)["noise"].value, rel=0.1)
