"""Lesion volume, side, clusters, loads and refusals against masks made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.geometry.image import Image, resample
from RegionalBrainAgeLib.lesion.measures import check_lesion, midline_zones, region_loads, summarise_lesion


def oblique_grid(shape=(70, 80, 60), spacing=(1.5, 1.0, 2.0), degrees=20.0, flip=False) -> np.ndarray:
    """RAS affine of an oblique anisotropic grid centred on the origin."""
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    linear = rotation @ np.diag(spacing)
    if flip:
        linear[:, 0] *= -1
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = -linear @ ((np.array(shape) - 1) / 2)
    return affine


def ball(shape, affine, centre_mm, radius_mm) -> Image:
    ijk = np.indices(shape).reshape(3, -1)
    ras = affine[:3, :3] @ ijk + affine[:3, 3:]
    inside = np.linalg.norm(ras - np.reshape(centre_mm, (3, 1)), axis=0) <= radius_mm
    return Image(inside.reshape(shape), affine)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("x_mm", "side"), [(-22.0, "L"), (22.0, "R")])
def test_side_follows_ras_whatever_the_storage_order(flip, x_mm, side):
    shape = (70, 80, 60)
    affine = oblique_grid(shape, flip=flip)
    lesion = ball(shape, affine, (x_mm, 5, -3), 9)
    summary = summarise_lesion(lesion, resample(midline_zones(), lesion, nearest=True))
    assert summary.side == side
    assert (summary.left_fraction, summary.right_fraction) == ((1.0, 0.0) if side == "L" else (0.0, 1.0))


def test_volume_is_that_of_the_ball_and_of_its_parts():
    shape = (90, 90, 80)
    affine = oblique_grid(shape, (1.0, 1.0, 1.0))
    first, second = ball(shape, affine, (-25, 0, 0), 12), ball(shape, affine, (-20, 30, 5), 5)
    both = first.like(first.array | second.array)
    summary = summarise_lesion(both, resample(midline_zones(), both, nearest=True))
    expected_ml = 4 / 3 * np.pi * np.array([12**3, 5**3]) / 1000
    np.testing.assert_allclose(summary.cluster_volumes_ml, expected_ml, rtol=0.03)
    assert summary.volume_ml == pytest.approx(expected_ml.sum(), rel=0.03)
    assert summary.volume_ml == pytest.approx(sum(summary.cluster_volumes_ml))


def test_a_small_second_lesion_in_the_other_hemisphere_makes_it_bilateral():
    shape = (90, 90, 80)
    affine = oblique_grid(shape, (1.0, 1.0, 1.0))
    large, small = ball(shape, affine, (-25, 0, 0), 18), ball(shape, affine, (25, 0, 0), 4)
    both = large.like(large.array | small.array)
    summary = summarise_lesion(both, resample(midline_zones(), both, nearest=True))
    assert summary.side == "bilateral"
    assert summary.right_fraction == pytest.approx(4**3 / (4**3 + 18**3), rel=0.05)


@pytest.mark.parametrize(
    ("large_mm", "small_mm", "side"),
    [
        (28, 3.8, "L"),  # 0.23 ml beside 92 ml: a speck, told but tolerated
        (28, 6.0, "bilateral"),  # 0.90 ml: more than half a millilitre
        (14, 3.8, "bilateral"),  # 0.23 ml beside 11 ml: more than one per cent
        (8, 2.5, "L"),  # 0.07 ml beside 2 ml: under a tenth of a millilitre whatever its share
    ],
)
def test_how_much_in_the_other_hemisphere_makes_a_lesion_two_sided(large_mm, small_mm, side):
    shape = (120, 90, 80)
    affine = oblique_grid(shape, (1.0, 1.0, 1.0))
    large, small = ball(shape, affine, (-30, 0, 0), large_mm), ball(shape, affine, (40, 0, 0), small_mm)
    both = large.like(large.array | small.array)
    summary = summarise_lesion(both, resample(midline_zones(), both, nearest=True))
    assert summary.side == side
    across_ml = 4 / 3 * np.pi * small_mm**3 / 1000 if side == "L" else 0.0
    assert summary.other_side_ml == pytest.approx(across_ml, rel=0.1)


def test_a_lesion_that_grazes_the_midline_stays_unilateral_but_one_across_it_does_not():
    shape = (90, 90, 80)
    affine = oblique_grid(shape, (1.0, 1.0, 1.0))
    zones = resample(midline_zones(), ball(shape, affine, (0, 0, 0), 1), nearest=True)
    grazing = summarise_lesion(ball(shape, affine, (9, 0, 0), 11), zones)
    across = summarise_lesion(ball(shape, affine, (4, 0, 0), 11), zones)
    assert grazing.side == "R"
    assert 0 < grazing.left_fraction < 0.05
    assert across.side == "bilateral"


def test_no_lesion_has_no_side_and_no_load():
    masks = [Image(np.ones((4, 4, 4), bool), np.eye(4))]
    for lesion in (None, Image(np.zeros((4, 4, 4), bool), np.eye(4))):
        summary = summarise_lesion(lesion, Image(np.ones((4, 4, 4), np.uint8), np.eye(4)))
        assert (summary.side, summary.volume_ml, summary.cluster_volumes_ml) == ("none", 0.0, ())
        assert region_loads(lesion, masks).tolist() == [0.0]


def test_loads_are_exactly_zero_one_and_a_known_fraction():
    lesion = np.zeros((10, 10, 10), bool)
    lesion[:5] = True
    whole, none, part, absent = (np.zeros_like(lesion) for _ in range(4))
    whole[1:4, 2:5, 2:5] = True
    none[6:9] = True
    part[4:8, :, :] = True
    masks = [Image(m, np.eye(4)) for m in (whole, none, part, absent)]
    loads = region_loads(Image(lesion, np.eye(4)), masks)
    assert loads[:3].tolist() == [1.0, 0.0, 0.25]
    assert np.isnan(loads[3])


def test_a_mask_on_another_grid_is_not_compared_silently():
    lesion = Image(np.ones((4, 4, 4), bool), np.eye(4))
    moved = Image(np.ones((4, 4, 4), bool), np.diag([2.0, 1.0, 1.0, 1.0]))
    with pytest.raises(ValueError, match="one grid"):
        region_loads(lesion, [moved])


def test_unusable_masks_are_refused_with_a_remedy():
    brain = ball((60, 60, 60), oblique_grid((60, 60, 60), (2.0, 2.0, 2.0)), (0, 0, 0), 50)
    empty = brain.like(np.zeros(brain.shape, bool))
    outside = brain.like(~brain.array)
    for mask, message in ((empty, "is empty"), (outside, "outside the brain"), (brain, "100 % of the brain")):
        with pytest.raises(InputError, match=message) as caught:
            check_lesion(mask, brain, "lesion.nii.gz")
        assert str(caught.value).startswith("lesion.nii.gz")
        assert caught.value.remedy
    inside = ball(brain.shape, brain.ras_from_ijk, (20, 0, 0), 10)
    assert check_lesion(inside, brain) == []
    protruding = ball(brain.shape, brain.ras_from_ijk, (46, 0, 0), 10)
    assert "outside the brain mask" in check_lesion(protruding, brain)[0]
