"""Cortical thickness: lines with a known answer, phantoms smooth and rough, and FreeSurfer's own labels."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from phantoms import folded_shell, rough_shell, spherical_shell, turned
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES, measure_parcels
from RegionalBrainAgeLib.cortex.freesurfer import read_subject
from RegionalBrainAgeLib.cortex.thickness import ALONG_MM, cortical_thickness, grey_along_lines_mm, surface_thickness
from RegionalBrainAgeLib.cortex.tissue import Tissue, segment_tissue
from RegionalBrainAgeLib.geometry.half_millimetre_grid import cubic, fine_affine, linear
from RegionalBrainAgeLib.geometry.image import Image, bounding_box, cropped, to_canonical
from scipy import ndimage


def measured(phantom, lesion=None):
    tissue = segment_tissue(phantom.t1, phantom.brain, lesion, phantom.structures)
    return cortical_thickness(tissue, lesion).thickness_mm


def line(thickness_mm, white=1.6, blur_mm=0.0, beyond=0.0):
    """Brightness across a flat cortex: white matter up to 0 mm, grey matter, and `beyond` from `thickness_mm` on."""
    fine = np.arange(-8.0, 12.0, 0.01)
    values = np.select([fine < 0, fine < thickness_mm], [white, 1.0], beyond)
    if blur_mm:
        values = ndimage.gaussian_filter1d(values, blur_mm / 0.01, mode="nearest")
    return np.interp(ALONG_MM, fine, values).astype(np.float32)


@pytest.fixture(scope="module")
def sphere():
    return spherical_shell(3.0, radius_mm=20.0)


@pytest.fixture(scope="module")
def sphere_thickness(sphere):
    return measured(sphere)


@pytest.mark.parametrize("thickness_mm", [1.5, 2.5, 4.0])
@pytest.mark.parametrize("blur_mm", [0.0, 0.3, 0.5])
@pytest.mark.parametrize("white", [1.5, 1.8, 2.5])
def test_blur_and_contrast_leave_the_grey_matter_along_a_line_as_it_is(thickness_mm, blur_mm, white):
    found = grey_along_lines_mm(line(thickness_mm, white, blur_mm)[None], np.array([np.inf]))
    assert found[0] == pytest.approx(thickness_mm, abs=0.15)


def test_a_sulcus_without_visible_fluid_is_shared_by_its_walls():
    assert grey_along_lines_mm(line(9.0)[None], np.array([2.2]))[0] == pytest.approx(2.2, abs=0.15)


def test_dura_behind_fluid_is_not_cortex():
    with_dura = line(2.5) + 0.8 * ((ALONG_MM > 4.0) & (ALONG_MM < 6.0))
    assert grey_along_lines_mm(with_dura[None].astype(np.float32), np.array([np.inf]))[0] == pytest.approx(2.5, abs=0.1)


def test_noise_does_not_thin_the_cortex():
    rng = np.random.default_rng(0)
    noisy = line(2.5, 1.6, 0.5) + rng.normal(0, 0.08, (4000, len(ALONG_MM))).astype(np.float32)
    assert grey_along_lines_mm(noisy, np.full(4000, np.inf)).mean() == pytest.approx(2.5, abs=0.1)


@pytest.mark.parametrize("roughness_mm", [0.2, 0.3, 0.4])
def test_roughness_does_not_thin_the_cortex(roughness_mm):
    phantom = rough_shell(2.7, roughness_mm)
    assert abs(phantom.mean_error_mm(measured(phantom))) <= 0.1


def test_linear_and_cubic_sampling_keep_a_straight_ramp():
    ramp = np.broadcast_to(np.arange(12.0)[:, None, None], (12, 6, 6)).astype(np.float32)
    for sample in (linear, cubic):
        fine = sample(ramp, np.array([1.0, 0.8, 1.2]))
        inner = fine[4:18, 3, 3]
        np.testing.assert_allclose(inner, 2 + 0.5 * np.arange(14), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("thickness_mm", [2.0, 3.0, 4.0])
def test_spherical_shells_are_measured_within_015_mm(thickness_mm):
    phantom = spherical_shell(thickness_mm, noise_fraction=0.03, radius_mm=20.0)
    assert abs(phantom.mean_error_mm(measured(phantom))) <= 0.15


@pytest.mark.slow
@pytest.mark.parametrize("thickness_mm", [2.0, 3.0, 4.0])
def test_folded_shells_are_measured_within_015_mm(thickness_mm):
    phantom = folded_shell(thickness_mm, noise_fraction=0.03)
    assert abs(phantom.mean_error_mm(measured(phantom))) <= 0.15


def test_there_is_no_thickness_in_a_lesion_and_beside_it_little_changes(sphere, sphere_thickness):
    lesion = np.zeros(sphere.t1.shape, bool)
    lesion[: sphere.t1.shape[0] // 4] = True
    result = measured(sphere, sphere.t1.like(lesion)).array
    assert np.isnan(result[lesion]).all()
    outside = ~lesion & np.isfinite(sphere_thickness.array)
    assert np.nanmedian(np.abs(result - sphere_thickness.array)[outside]) < 0.05


def test_tissue_in_another_voxel_order_is_refused():
    empty = Image(np.zeros((4, 4, 4), np.float32), np.eye(4))
    other = turned(empty, (1, 2, 0), (2,))
    with pytest.raises(ValueError, match="to_canonical"):
        cortical_thickness(Tissue(other, empty, empty, empty, empty, empty))
    with pytest.raises(ValueError, match="to_canonical"):
        surface_thickness(Tissue(empty, empty, empty, other, empty, empty))


def test_a_head_without_cortex_has_no_thickness():
    empty = Image(np.zeros((4, 4, 4), np.float32), np.eye(4))
    ribbon = cortical_thickness(Tissue(empty, empty, empty, empty, empty, empty))
    assert np.isnan(ribbon.thickness_mm.array).all()
    assert not ribbon.area_mm2.array.any()


def test_the_ribbon_holds_the_area_of_the_white_surface(sphere):
    tissue = segment_tissue(sphere.t1, sphere.brain, None, sphere.structures)
    assert cortical_thickness(tissue).area_mm2.array.sum() == pytest.approx(4 * np.pi * 20.0**2, rel=0.03)


def test_two_hemispheres_measured_at_once_give_what_they_give_one_after_the_other(sphere):
    left = segment_tissue(sphere.t1, sphere.brain, None, sphere.structures)
    both = replace(left, right=left.left.like(np.flip(left.left.array, 0).copy()))
    one, other = (surface_thickness(both, threads) for threads in (1, 4))
    for alone, together in zip(one, other, strict=True):
        np.testing.assert_array_equal(together.thickness_mm, alone.thickness_mm)


@pytest.mark.slow
@pytest.mark.data
def test_freesurfers_labels_give_freesurfers_thickness(shared_data):
    subject = shared_data / "heads" / "freesurfer" / "sub-0001"
    file = nib.load(subject / "mri" / "aparc.a2009s+aseg.mgz")
    codes = to_canonical(Image(np.asarray(file.dataobj).astype(np.int32), file.affine))
    levels, parcels, brightness = [], np.zeros(codes.shape, np.int16), np.zeros(codes.shape, np.float32)
    for side, (cortex, deep) in enumerate(
        (
            ((11101, 11175), (2, 4, 5, 10, 11, 12, 13, 17, 18, 26, 28, 30, 31)),
            ((12101, 12175), (41, 43, 44, 49, 50, 51, 52, 53, 54, 58, 60, 62, 63)),
        )
    ):
        grey = (codes.array >= cortex[0]) & (codes.array <= cortex[1])
        inside = np.isin(codes.array, (*deep, 14, 77, 251, 252, 253, 254, 255))
        brightness += grey + 2.0 * inside
        box = bounding_box(grey | inside, np.full(3, 3))
        part = cropped(codes.like((0.5 * grey + inside).astype(np.float32)), box)
        levels.append(Image(linear(part.array, part.spacing_mm), fine_affine(part.ras_from_ijk, part.spacing_mm)))
        # FreeSurfer's number 42 is the medial wall, which is no parcel.
        number = codes.array[grey] - cortex[0] + 1
        wall = number == 42
        parcels[grey] = np.where(wall, 0, number - (number > 42) + 74 * side)
    blank = codes.like(np.zeros(codes.shape, np.float32))
    ribbon = cortical_thickness(Tissue(blank, blank, blank, codes.like(brightness), *levels))
    ours = measure_parcels(ribbon.thickness_mm, codes.like(parcels), None, ribbon.area_mm2).thickness_mm
    theirs = read_subject(subject).thickness_mm
    good = np.isfinite(ours)
    assert good.sum() == len(PARCEL_NAMES)
    assert np.corrcoef(ours[good], theirs[good])[0, 1] > 0.92
    assert abs(np.mean(ours[good] - theirs[good])) < 0.25
