"""The lesion proposal on a head of known make: the template brain itself, turned, tilted and damaged."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from RegionalBrainAgeLib.anatomy.template import template_brain
from RegionalBrainAgeLib.geometry.image import Image, resample, to_canonical
from RegionalBrainAgeLib.lesion import proposal
from RegionalBrainAgeLib.lesion.proposal import propose_lesion
from RegionalBrainAgeLib.lesion.simulation import paint_lesion, simulate_lesion
from scipy import ndimage


@pytest.fixture(scope="module")
def head():
    """The template brain at 1.5 mm with noise, fluid around it: (head, brain mask)."""
    template = template_brain()
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    affine[:3, 3] = (-84, -120, -72)
    like = Image(np.zeros((113, 141, 113), np.uint8), affine)
    values = resample(template, like).array
    brain = values > 10
    noise = np.random.default_rng(0).normal(0, 2.0, values.shape)
    return Image((np.where(brain, values, 12) + noise).astype(np.float32), affine), Image(brain, affine)


# FreeSurfer's codes of white matter and of the first Destrieux parcel.
LEFT_WHITE, RIGHT_WHITE, FIRST_CORTEX = 2, 41, 11101


def dice(a: Image, b: Image) -> float:
    return float(2 * np.sum(a.array & b.array) / max(np.sum(a.array) + np.sum(b.array), 1))


def in_place(native_from_template=None):
    """A registration that knows the truth; only its affine part is used."""
    return SimpleNamespace(native_from_template=np.eye(4) if native_from_template is None else native_from_template)


def test_a_head_without_a_lesion_gets_no_proposal(head):
    t1, brain = head
    assert not propose_lesion(t1, brain, in_place()).array.any()


@pytest.mark.parametrize(("side", "territory", "volume_ml"), [("L", "MCA", 60.0), ("R", "PCA", 25.0)])
def test_a_large_chronic_lesion_is_outlined_on_its_own_side(head, side, territory, volume_ml):
    t1, brain = head
    lesion = resample(simulate_lesion(volume_ml, side, territory, seed=2), t1)
    found = propose_lesion(paint_lesion(t1, lesion, brain), brain, in_place())
    assert dice(found, lesion) >= 0.6
    x_mm = found.ras_from_ijk[0, 0] * np.nonzero(found.array)[0] + found.ras_from_ijk[0, 3]
    assert np.mean(x_mm < 0 if side == "L" else x_mm > 0) > 0.98


def test_the_proposal_follows_a_tilted_head_stored_in_another_order(head):
    t1, brain = head
    lesion = resample(simulate_lesion(50.0, "R", "MCA", seed=3), t1)
    painted = paint_lesion(t1, lesion, brain)
    straight = propose_lesion(painted, brain, in_place())
    angle = np.deg2rad(12.0)
    tilt = np.eye(4)
    tilt[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    tilt[:3, 3] = (7, -4, 11)
    flip = np.array([[0, -1, 0, 112.0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])

    def moved(image):
        """First axis reversed and stored second: voxel (i, j) of the new array is old (112 - j, i)."""
        return Image(image.array[::-1].transpose(1, 0, 2).copy(), tilt @ image.ras_from_ijk @ flip)

    turned = propose_lesion(moved(painted), moved(brain), in_place(tilt))
    assert turned.shape == (141, 113, 113)
    back = to_canonical(Image(turned.array, np.linalg.inv(tilt) @ turned.ras_from_ijk))
    assert dice(back, straight) > 0.98


def test_grids_that_differ_are_not_compared_silently(head):
    t1, brain = head
    with pytest.raises(ValueError, match="one grid"):
        propose_lesion(t1, Image(brain.array, np.diag([2.0, 2, 2, 1])), in_place())


def test_brightness_is_0_at_fluid_half_at_grey_and_1_at_white_matter():
    """A volume of four values: fluid 10, grey 60 (and, labelled cortex too, fluid and white), white matter 100."""
    values, codes = np.full((12, 12, 12), 10.0), np.zeros((12, 12, 12), int)
    codes[:6] = FIRST_CORTEX
    values[:4], values[4], values[5] = 60.0, 99.0, 20.0
    values[6:11], codes[6:11] = 100.0, RIGHT_WHITE
    values[6] = 70.0  # the border of white matter is not counted
    found = proposal._brightness(values, np.ones(values.shape, bool), codes)
    asked = np.interp([10, 60, 100, 70, 20], (10, 60, 100), (0, 0.5, 1))
    assert found[[11, 0, 9, 6, 5], 5, 5] == pytest.approx(asked, abs=1e-6)
    values[0, 0, :3], values[8, 5, 5] = (-500, 0, 300), 900.0  # some wrong voxels move nothing and are cut
    found = proposal._brightness(values, np.ones(values.shape, bool), codes)
    assert found[0, 0, 0] == 0
    assert found[8, 5, 5] == 1
    assert found[0, 5, 5] == pytest.approx(0.5, abs=1e-6)


def test_grey_is_the_median_of_what_is_neither_fluid_nor_white():
    """Grey begins at 0.35 of the way from fluid (10) to white (100): 45 counts, 40 does not."""
    values, codes = np.full((12, 12, 12), 10.0), np.zeros((12, 12, 12), int)
    codes[:6] = FIRST_CORTEX
    values[:2], values[2], values[3:6] = 45.0, 60.0, 40.0
    values[6:11], codes[6:11] = 100.0, RIGHT_WHITE
    assert proposal._brightness(values, np.ones(values.shape, bool), codes)[0, 5, 5] == pytest.approx(0.5)


def test_grey_lies_halfway_where_no_cortex_has_its_brightness():
    values, codes = np.full((12, 12, 12), 10.0), np.zeros((12, 12, 12), int)
    values[6:], codes[6:] = 100.0, LEFT_WHITE
    values[0, 0, 0] = 55.0
    assert proposal._brightness(values, np.ones(values.shape, bool), codes)[0, 0, 0] == pytest.approx(0.5)


def test_smoothing_takes_nothing_from_outside_the_mask_and_is_as_wide_as_it_says():
    mask = np.zeros((30, 30, 30), bool)
    mask[:15] = True
    values = np.where(mask, 0.7, 50.0)
    assert proposal._smoothed(values, mask, 3.0)[mask] == pytest.approx(0.7, abs=1e-5)
    point = np.zeros((41, 41, 41))
    point[20, 20, 20] = 1.0
    spread = proposal._smoothed(point, np.ones(point.shape, bool), 5.0)
    away_mm = proposal.SPACING_MM * (np.arange(41) - 20)
    assert np.sqrt((spread.sum(axis=(1, 2)) * away_mm**2).sum() / spread.sum()) == pytest.approx(5.0, rel=0.02)


def outlined(*boxes, known=None, judged=None):
    """The outline where each box (slices, brightness) is put into an even head of brightness 1 on a grid of 40^3."""
    brightness = np.ones((40, 40, 40), np.float32)
    for box, value in boxes:
        brightness[box] = value
    everywhere = np.ones(brightness.shape, bool)
    return proposal._outline(
        brightness,
        np.ones_like(brightness),
        everywhere if known is None else known,
        everywhere if judged is None else judged,
    )


BOX = np.s_[5:15, 10:22, 12:24]  # 11.5 ml on the left


def test_a_dark_box_is_outlined_and_its_mirror_image_is_not():
    found = outlined((BOX, 0.2))
    truth = np.zeros(found.shape, bool)
    truth[BOX] = True
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.82
    assert not (found & ~ndimage.binary_dilation(truth)).any()  # 2 mm: what the smoothing of the border adds
    assert outlined((np.s_[25:35, 10:22, 12:24], 0.2))[::-1] == pytest.approx(found)


def test_only_what_is_dark_enough_is_proposed_and_reaches_as_far_as_it_is_a_little_dark():
    """Seeds are 0.40 darker than expected; around them 0.20 is enough. A rim of .3 belongs to a core of .8."""
    assert not outlined((BOX, 0.64)).any()
    assert outlined((BOX, 0.55)).any()
    rim = np.s_[3:17, 8:24, 10:26]
    assert not outlined((rim, 0.70)).any()
    with_rim, without = outlined((rim, 0.70), (BOX, 0.2)), outlined((BOX, 0.2))
    assert with_rim.sum() > 1.5 * without.sum()
    assert not outlined((rim, 0.85), (BOX, 0.2))[3, 16, 18]  # .15 darker is not enough


def test_a_less_dark_band_within_a_lesion_belongs_to_it_down_to_half_the_darkness_of_its_reach():
    """A band 10 mm wide of .15 darker lies across a lesion of .8 darker; of .05 darker it is sound tissue."""
    lesion, band = np.s_[3:17, 6:29, 10:26], np.s_[3:17, 15:20, 10:26]
    assert outlined((lesion, 0.2), (band, 0.85))[8:12, 17, 15:21].all()
    assert not outlined((lesion, 0.2), (band, 0.95))[8:12, 17, 15:21].any()


def test_what_is_dark_on_both_sides_or_where_nothing_is_judged_is_not_proposed():
    mirrored = np.s_[25:35, 10:22, 12:24]
    assert not outlined((BOX, 0.2), (mirrored, 0.2)).any()
    judged = np.ones((40, 40, 40), bool)
    judged[BOX] = False
    assert not (outlined((BOX, 0.2), judged=judged) & ~judged).any()
    judged[20:] = False  # what is not judged is no seed for the little darker tissue beside it
    assert not outlined((np.s_[14:20, 8:24, 10:26], 0.70), judged=judged).any()
    dark_template = np.ones((40, 40, 40), np.float32)
    dark_template[BOX] = 0.2
    everywhere = np.ones(dark_template.shape, bool)
    assert not proposal._outline(dark_template, dark_template, everywhere, everywhere).any()


def test_small_clusters_are_left_out_and_holes_are_filled():
    """The smallest proposal is 0.7 ml, 88 voxels of 2 mm: a box of 4^3 (0.5 ml) is too small, one of 6^3 is not."""
    assert not outlined((np.s_[5:9, 10:14, 10:14], 0.0)).any()
    found = outlined((np.s_[5:11, 10:16, 10:16], 0.0), (np.s_[8:12, 26:29, 26:29], 0.0))
    assert found[5:11, 10:16, 10:16].mean() > 0.6
    assert not found[:, 24:].any()
    hollow = outlined((np.s_[3:17, 8:24, 10:26], 0.2), (np.s_[9:11, 15:17, 17:19], 1.0))
    assert hollow[9:11, 15:17, 17:19].all()


def test_a_volume_is_brought_onto_the_working_grid_by_its_place_in_space():
    values = np.zeros((50, 60, 70), np.float32)
    values[10:13, 20:23, 30:33] = 1.0
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-40, -60, -50)
    found = np.argwhere(proposal._on_grid(values, affine, order=0) > 0.5)
    ras = found * proposal.SPACING_MM + proposal.ORIGIN_MM
    assert ras.min(axis=0) == pytest.approx((-20, -20, 10))
    assert ras.max(axis=0) == pytest.approx((-16, -16, 14))


def test_the_template_is_a_brain_on_a_grid_that_mirrors_onto_itself():
    brightness, mask, _ = proposal._template.__wrapped__()  # made anew
    assert 1.5 < mask.sum() * proposal.SPACING_MM**3 / 1e6 < 2.2  # litres
    assert proposal.ORIGIN_MM[0] == -(proposal.SHAPE[0] - 1) / 2 * proposal.SPACING_MM
    assert (mask == mask[::-1]).mean() > 0.98
    assert brightness[~mask].max() < 0.5 < np.median(brightness[mask])


@pytest.mark.parametrize("code", [7, 8, 46, 47, 16])
def test_dark_places_in_cerebellum_and_brain_stem_are_not_proposed(head, code):
    """FreeSurfer's codes: cerebellar white matter 7 and 46, cerebellar cortex 8 and 47, brain stem 16."""
    t1, brain = head
    codes = proposal._template()[2]
    place = Image((codes == code).astype(np.float32), proposal._grid())
    assert place.array.any()
    dark = resample(place, t1).array > 0.5
    damaged = t1.like(np.where(dark, 12.0, t1.array).astype(np.float32))
    inside = ndimage.binary_erosion(dark, iterations=2)
    assert not (propose_lesion(damaged, brain, in_place()).array & inside).any()
