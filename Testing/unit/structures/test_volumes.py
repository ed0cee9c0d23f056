"""Volumes from probabilities: known shapes, the affine's scale, the midline, lesions."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from RegionalBrainAgeLib.anatomy.structures import GRAY_MATTER, INTRACRANIAL, STRUCTURE_NAMES
from RegionalBrainAgeLib.geometry.image import Image
from RegionalBrainAgeLib.structures.half_brain import VOXEL_MM, WINDOWS, Window
from RegionalBrainAgeLib.structures.model import GrayLine
from RegionalBrainAgeLib.structures.names import BACKGROUND, CLASSES
from RegionalBrainAgeLib.structures.segmentation import StructureMap
from RegionalBrainAgeLib.structures.training.evaluation import gray_line
from RegionalBrainAgeLib.structures.volumes import measure_volumes

RADIUS_MM = 14.0
BALL_MM3 = 4 / 3 * math.pi * RADIUS_MM**3
THALAMUS_MM = np.array([-30.0, -20.0, 10.0])


def ball(window: Window, centre_mm: np.ndarray) -> np.ndarray:
    """Share of a ball in each voxel of a window, by 4^3 points per voxel."""
    steps = (np.arange(4) - 1.5) / 4 * VOXEL_MM
    axes = [window.first_mm[a] + VOXEL_MM * np.arange(window.shape[a]) - centre_mm[a] for a in range(3)]
    squares = [(axis[:, None] + steps) ** 2 for axis in axes]
    distance = (
        squares[0][:, None, None, :, None, None]
        + squares[1][None, :, None, None, :, None]
        + squares[2][None, None, :, None, None, :]
    )
    return (distance < RADIUS_MM**2).mean(axis=(3, 4, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def made_map() -> StructureMap:
    """A thalamus on the left, a smaller share of it on the right, a brain stem on the midline."""
    halves = {}
    for window in WINDOWS:
        thalamus, stem = ball(window, THALAMUS_MM), ball(window, np.array([0.0, -30.0, -40.0]))
        for side, share in (("L", 1.0), ("R", 0.5)):
            half = np.zeros((len(CLASSES), *window.shape), np.float32)
            half[CLASSES.index("Thalamus")] = share * thalamus
            half[CLASSES.index("Brain-Stem")] = stem
            half[CLASSES.index(BACKGROUND)] = 1.0 - half.sum(axis=0)
            halves[window.name, side] = half
    return StructureMap(halves, np.eye(4))


def lesion_ball(radius_mm: float) -> Image:
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = [-90.0, -120.0, -80.0]
    index = np.stack(np.meshgrid(*(np.arange(n) for n in (180, 200, 160)), indexing="ij"), axis=-1)
    away = np.linalg.norm(index + affine[:3, 3] - (THALAMUS_MM + np.array([0.0, RADIUS_MM, 0.0])), axis=-1)
    return Image(away < radius_mm, affine)


def test_a_ball_has_its_volume_and_the_midline_is_counted_once(made_map):
    volumes = measure_volumes(made_map).volume_mm3
    assert set(volumes) == set(STRUCTURE_NAMES)
    assert math.isnan(volumes["Left-choroid-plexus"])  # the route does not measure it
    assert volumes["Left-Thalamus"] == pytest.approx(BALL_MM3, rel=0.01)
    assert volumes["Right-Thalamus"] == pytest.approx(BALL_MM3 / 2, rel=0.01)
    assert volumes["Brain-Stem"] == pytest.approx(BALL_MM3, rel=0.01)
    assert measure_volumes(made_map).intracranial_mm3 == pytest.approx(2.5 * BALL_MM3, rel=0.01)


def test_volumes_are_those_of_the_head_not_of_the_template(made_map):
    larger = StructureMap(made_map.halves, np.diag([1.1, 1.0, 0.9, 1.0]))
    ratio = measure_volumes(larger).volume_mm3["Left-Thalamus"] / measure_volumes(made_map).volume_mm3["Left-Thalamus"]
    assert ratio == pytest.approx(0.99)


def test_a_lesioned_structure_is_missing_and_the_others_keep_every_digit(made_map):
    sound = measure_volumes(made_map)
    hurt = measure_volumes(made_map, lesion_ball(14.0))
    assert math.isnan(hurt.volume_mm3["Left-Thalamus"])
    # two balls of one radius whose centres lie one radius apart share 5/16 of each
    assert hurt.lesioned_fraction["Left-Thalamus"] == pytest.approx(5 / 16, abs=0.02)
    assert hurt.volume_mm3["Right-Thalamus"] == sound.volume_mm3["Right-Thalamus"]
    assert hurt.volume_mm3["Brain-Stem"] == sound.volume_mm3["Brain-Stem"]
    # the lesion lies inside the skull: the 11/16 of its ball outside the thalamus are added to what was found
    assert hurt.intracranial_mm3 == pytest.approx(sound.intracranial_mm3 + 11 / 16 * BALL_MM3, rel=0.01)


def test_a_structure_touched_only_a_little_is_still_measured(made_map):
    touched = measure_volumes(made_map, lesion_ball(3.0))
    assert 0 < touched.lesioned_fraction["Left-Thalamus"] < 0.05
    assert touched.volume_mm3["Left-Thalamus"] == measure_volumes(made_map).volume_mm3["Left-Thalamus"]


def test_grey_matter_of_a_side_is_its_cortex_and_its_grey_structures(made_map):
    """Here no cortex: the ball of a thalamus alone, and half of one."""
    volumes = measure_volumes(made_map).volume_mm3
    assert volumes["Left-Gray-Matter"] == pytest.approx(BALL_MM3, rel=0.01)
    assert volumes["Right-Gray-Matter"] == pytest.approx(BALL_MM3 / 2, rel=0.01)


def test_the_line_of_grey_matter_is_read_backwards(made_map):
    """The left half holds a thalamus and half of the stem: a share of 2/3, which stands for .8 of 1.5 balls."""
    volumes = measure_volumes(made_map, gray_line=GrayLine(intercept=1 / 6, slope=0.625)).volume_mm3
    assert volumes["Left-Gray-Matter"] == pytest.approx(1.2 * BALL_MM3, rel=0.01)


def test_a_lesion_does_not_move_the_grey_matter_of_the_other_side(made_map):
    line = GrayLine(intercept=1 / 6, slope=0.3)
    sound, hurt = (measure_volumes(made_map, lesion, line).volume_mm3 for lesion in (None, lesion_ball(14.0)))
    assert hurt["Right-Gray-Matter"] == sound["Right-Gray-Matter"]


def test_the_line_of_grey_matter_is_found_in_heads_with_label_maps():
    true = np.linspace(0.40, 0.56, 12)
    table = pd.DataFrame({INTRACRANIAL: 1.5e6, f"reference:{INTRACRANIAL}": 1.4e6}, index=range(12))
    for name in GRAY_MATTER:
        table[name], table[f"half:{name}"] = (0.17 + 0.3 * true) * 0.75e6, 0.75e6
        table[f"reference:{name}"] = true * 0.7e6
    found = gray_line(table)
    assert (found.intercept, found.slope) == pytest.approx((0.17, 0.3), abs=1e-5)
