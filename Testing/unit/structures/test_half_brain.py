"""The two half-brain grids: where they lie, how they mirror, what is read on them."""

from __future__ import annotations

import numpy as np
import torch
from RegionalBrainAgeLib.geometry.image import Image
from RegionalBrainAgeLib.structures.half_brain import (
    DEEP,
    VOXEL_MM,
    WHOLE,
    WINDOWS,
    look_up,
    look_up_nearest,
    voxel_from_half,
    voxels_of,
    without_fine_detail,
)


def head_affine(spacing_mm: float) -> np.ndarray:
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = [-90.0, -126.0, -84.0]
    return affine


def test_a_linear_ramp_is_read_at_its_own_coordinates():
    affine = head_affine(3.0)
    shape = (61, 73, 61)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    ramp = torch.from_numpy((index @ affine[:3, :3] + affine[:3, 3]).astype(np.float32))
    for side, sign in (("L", 1.0), ("R", -1.0)):
        where = voxels_of(WHOLE.points_mm, voxel_from_half(affine, np.eye(4), side))
        x_mm = look_up(ramp[..., 0], where, WHOLE.shape)
        assert abs(x_mm[10, 50, 40] - sign * (WHOLE.first_mm[0] + 10 * VOXEL_MM)) < 1e-3
        y_mm = look_up(ramp[..., 1], where, WHOLE.shape)
        assert abs(y_mm[10, 50, 40] - (WHOLE.first_mm[1] + 50 * VOXEL_MM)) < 1e-3


def test_outside_the_field_of_view_there_is_nothing():
    affine = head_affine(3.0)
    where = voxels_of(WHOLE.points_mm, voxel_from_half(affine, np.eye(4), "L"))
    ones = torch.ones((61, 73, 30))  # ends at z = 3 mm
    assert look_up(ones, where, WHOLE.shape)[20, 50, 80] == 0
    assert look_up_nearest(ones.to(torch.uint8), where, WHOLE.shape)[20, 50, 80] == 0
    assert look_up_nearest(ones.to(torch.uint8), where, WHOLE.shape)[20, 50, 10] == 1


def test_the_right_half_is_the_left_half_of_the_mirrored_head(made_head):
    t1 = made_head[0]
    mirrored = Image(np.ascontiguousarray(t1.array[::-1]), t1.ras_from_ijk)  # its grid is symmetric about x = 0
    for window in WINDOWS:
        right, left = (
            look_up(
                torch.from_numpy(image.array),
                voxels_of(window.points_mm, voxel_from_half(t1.ras_from_ijk, np.eye(4), side)),
                window.shape,
            )
            for image, side in ((t1, "R"), (mirrored, "L"))
        )
        assert torch.allclose(left, right, atol=1e-3)


def test_both_halves_together_count_every_place_once():
    for window in WINDOWS:
        x_mm = window.first_mm[0] + VOXEL_MM * np.arange(window.shape[0])
        counted: dict[float, float] = {}
        for sign in (1, -1):
            for x, weight in zip(sign * x_mm, window.midline_weight.ravel(), strict=True):
                counted[x] = counted.get(x, 0.0) + float(weight)
        assert set(counted.values()) == {1.0}


def test_the_deep_window_lies_in_the_whole_one_on_the_same_voxels():
    steps = (np.array(DEEP.first_mm) - WHOLE.first_mm) / VOXEL_MM
    assert np.array_equal(steps, np.round(steps))
    assert np.all(steps >= 0)
    assert np.all(steps + DEEP.shape <= WHOLE.shape)


def test_smoothing_before_sampling_keeps_the_sum_and_leaves_coarse_heads_alone():
    block = np.zeros((40, 40, 40), np.float32)
    block[15:25, 15:25, 15:25] = 1.0
    fine = Image(block, np.eye(4))
    assert np.isclose(without_fine_detail(fine, np.eye(4)).sum(), 1000.0, rtol=1e-3)
    coarse = Image(block, np.diag([2.0, 2.0, 2.0, 1.0]))
    assert np.array_equal(without_fine_detail(coarse, np.eye(4)), block)
