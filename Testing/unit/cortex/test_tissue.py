"""Tissue intensities, denoising and partial volumes, against made heads whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import CSF, GM, VENTRICLE_CODE, WHITE_CODE, WM, spherical_shell, turned
from RegionalBrainAgeLib.cortex import cortical_level
from RegionalBrainAgeLib.cortex.tissue import segment_tissue
from RegionalBrainAgeLib.cortex.tissue_intensities import (
    brightest_neighbour,
    fit_head,
    fit_intensities,
    local_means,
    near_ventricles,
)
from RegionalBrainAgeLib.head.denoising import denoise, noise_sd
from scipy import ndimage


@pytest.fixture(scope="module")
def sphere():
    return spherical_shell(3.0, noise_fraction=0.02, radius_mm=20.0)


@pytest.fixture(scope="module")
def tissue(sphere):
    return segment_tissue(sphere.t1, sphere.brain, None, sphere.structures)


@pytest.mark.parametrize("grey", [70.0, 95.0, 115.0])
def test_tissue_means_are_found_between_their_mixtures(grey):
    rng = np.random.default_rng(0)
    share = rng.random(40000)
    mixed = np.concatenate([40 + (grey - 40) * share[:20000], grey + (150 - grey) * share[20000:]])
    pure = np.repeat([40.0, grey, 150.0], [4000, 20000, 25000])
    values = np.concatenate([pure, mixed]) + rng.normal(0, 4, 89000)
    fitted = fit_intensities(values, csf=40.0)
    assert fitted.gm == pytest.approx(grey, abs=4)
    assert fitted.wm == pytest.approx(150, abs=2)


@pytest.mark.parametrize("rim_mm", [0.0, 4.0, 8.0])
def test_the_fluid_is_that_of_the_ventricle_however_much_white_matter_around_it_is_dark(sphere, rim_mm):
    codes, brain = sphere.structures.array, sphere.brain.array
    ventricle, white = codes == VENTRICLE_CODE, codes == WHITE_CODE
    rim = white & (ndimage.distance_transform_edt(~ventricle) <= rim_mm)
    values = np.where(rim, GM, sphere.t1.array)
    # Registration takes the dark rim for ventricle.
    near = near_ventricles(ventricle | rim, brain, np.ones(3))
    assert fit_head(values[brain], values[near], brightest_neighbour(values)[near]).csf == pytest.approx(CSF, abs=5)


def test_local_means_follow_a_slow_drift(sphere):
    drift = np.linspace(0.9, 1.1, sphere.t1.shape[0])[:, None, None]
    values = (sphere.t1.array * drift).astype(np.float32)
    tissues = fit_intensities(values[sphere.brain.array], CSF)
    _, white = local_means(values, sphere.brain.array, tissues, np.ones(3))
    middle = np.array(white.shape) // 2
    low, high = white[middle[0] - 15, middle[1], middle[2]], white[middle[0] + 15, middle[1], middle[2]]
    true = 2 * 15 * (drift[1, 0, 0] - drift[0, 0, 0]) * WM
    assert 0.4 * true < high - low < 1.1 * true


def test_noise_is_measured_within_ten_percent():
    noisy = np.random.default_rng(1).normal(100, 7, (40, 40, 40)).astype(np.float32)
    assert noise_sd(noisy, np.ones(noisy.shape, bool)) == pytest.approx(7, rel=0.1)


def test_denoising_halves_noise_and_leaves_a_border_in_place():
    clean = np.where(np.arange(40)[:, None, None] < 20, 60.0, 140.0) * np.ones((40, 40, 40))
    noisy = clean + np.random.default_rng(2).normal(0, 5, clean.shape)
    result = denoise(noisy.astype(np.float32), 5.0)
    assert np.std(result - clean) < 0.5 * 5
    assert np.abs(result[18:22].mean(axis=(1, 2)) - clean[18:22].mean(axis=(1, 2))).max() < 1.0


def test_denoising_without_noise_changes_nothing():
    values = np.random.default_rng(3).random((8, 8, 8)).astype(np.float32)
    np.testing.assert_array_equal(denoise(values, 0.0), values)


def test_partial_volumes_add_up_to_one_inside_the_brain_and_nothing_outside(sphere, tissue):
    total = tissue.gm.array + tissue.wm.array + tissue.csf.array
    np.testing.assert_allclose(total[sphere.brain.array], 1, atol=1e-5)
    assert not total[~sphere.brain.array].any()


def test_white_matter_volume_is_that_of_the_phantom(sphere, tissue):
    true = np.clip((sphere.t1.array - GM) / (WM - GM), 0, 1)[sphere.brain.array].sum()
    assert tissue.wm.array.sum() == pytest.approx(true, rel=0.05)


def test_units_of_the_scanner_do_not_matter(sphere, tissue):
    scaled = segment_tissue(sphere.t1.like(sphere.t1.array * 7.3), sphere.brain, None, sphere.structures)
    np.testing.assert_allclose(scaled.gm.array, tissue.gm.array, atol=0.01)
    np.testing.assert_allclose(scaled.left.array, tissue.left.array, atol=0.02)


def test_a_lesion_does_not_shift_the_tissues_elsewhere(sphere, tissue):
    lesion = np.zeros(sphere.t1.shape, bool)
    middle = np.array(lesion.shape) // 2
    lesion[middle[0] + 8 : middle[0] + 16, middle[1] - 4 : middle[1] + 4, middle[2] - 4 : middle[2] + 4] = True
    dark = sphere.t1.like(np.where(lesion, 55.0, sphere.t1.array).astype(np.float32))
    damaged = segment_tissue(dark, sphere.brain, sphere.t1.like(lesion), sphere.structures)
    far = np.zeros_like(lesion)
    far[: middle[0]] = True
    assert np.abs(damaged.gm.array - tissue.gm.array)[far].mean() < 0.01


def test_a_head_in_another_voxel_order_is_refused(sphere):
    with pytest.raises(ValueError, match="to_canonical"):
        segment_tissue(turned(sphere.t1, (2, 0, 1), (1,)), sphere.brain, None, sphere.structures)
    with pytest.raises(ValueError, match="to_canonical"):
        segment_tissue(sphere.t1, sphere.brain, None, turned(sphere.structures, (0, 1, 2), (0,)))


@pytest.mark.parametrize("plate_voxels", [20, 33, 1000])
def test_the_level_is_the_same_in_plates_of_any_size_and_on_two_threads(sphere, tissue, plate_voxels, monkeypatch):
    monkeypatch.setattr(cortical_level, "PLATE_VOXELS", plate_voxels)
    found = segment_tissue(sphere.t1, sphere.brain, None, sphere.structures, threads=2)
    # Oracle: the shipped plates, one thread.
    np.testing.assert_array_equal(found.left.array, tissue.left.array)
    np.testing.assert_array_equal(found.right.array, tissue.right.array)
