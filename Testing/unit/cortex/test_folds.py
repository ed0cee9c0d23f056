"""Depth and curvature on surfaces whose depth and curvature are known by construction, and their alignment."""

from __future__ import annotations

import numpy as np
import pytest
from RegionalBrainAgeLib.cortex.folds import align_folds, folds_of
from scipy import ndimage


def ball(radius_mm: float) -> np.ndarray:
    """Level of a ball with 3 mm of cortex, and the distance of every voxel from its centre."""
    distance = np.linalg.norm(np.indices((72, 72, 72)) - 35.5, axis=0)
    level = (np.clip(radius_mm - distance + 0.5, 0, 1) + np.clip(radius_mm - 3 - distance + 0.5, 0, 1)) / 2
    return level.astype(np.float32)


def grooved(depth_mm: int) -> np.ndarray:
    """A block with a groove 4 mm wide in its upper face (at z = 50)."""
    level = np.zeros((70, 60, 70), np.float32)
    level[10:60, 10:50, 10:50] = 0.5
    level[33:37, :, 50 - depth_mm :] = 0
    return level


def test_a_ball_has_no_depth_and_the_curvature_of_its_radius():
    folds = folds_of((ball(25.0),))
    distance = np.linalg.norm(np.indices((72, 72, 72)) - 35.5, axis=0)
    surface = abs(distance - 24) < 1.5
    assert folds.depth_mm[surface].max() < 1.5
    assert folds.curvature_per_mm[surface].mean() == pytest.approx(-2 / 24, rel=0.2)


@pytest.mark.parametrize("depth_mm", [8, 14])
def test_the_bottom_of_a_groove_is_as_deep_as_it_was_cut(depth_mm):
    folds = folds_of((grooved(depth_mm),))
    bottom = folds.depth_mm[33:37, 25:35, 50 - depth_mm - 1]
    np.testing.assert_allclose(bottom, depth_mm, atol=1.5)
    assert folds.depth_mm[15:28, 25:35, 48].max() < 1.5
    assert folds.curvature_per_mm[34, 30, 50 - depth_mm - 1] > 0.1


def test_two_hemispheres_that_touch_each_keep_a_hull_of_their_own():
    left, right = np.zeros((2, 60, 40, 40), np.float32)
    left[10:30, 8:32, 8:32], right[30:50, 8:32, 8:32] = 0.5, 0.5
    folds = folds_of((left, right))
    assert folds.depth_mm[28:32, 15:25, 15:25].max() < 1.5


def test_folds_that_lie_elsewhere_are_brought_together():
    rng = np.random.default_rng(5)
    relief = ndimage.gaussian_filter(rng.normal(size=(90, 90)), 4.0)
    height = 26 + 7 * relief / relief.std()
    z = np.arange(70)
    level = np.clip((height[:, :, None] - z + 0.5), 0, 1).astype(np.float32) * 0.5
    level[:4] = level[-4:] = level[:, :4] = level[:, -4:] = 0
    moved = np.roll(level, 3, axis=0)
    one, other = folds_of((level,)), folds_of((moved,))
    bend = align_folds(one, other, threads=1)
    inner = bend.vectors_mm[0][10:-10, 10:-10, 8:16]
    assert 2.0 < np.median(inner) < 3.5
    assert abs(np.median(bend.vectors_mm[1][10:-10, 10:-10, 8:16])) < 0.5
