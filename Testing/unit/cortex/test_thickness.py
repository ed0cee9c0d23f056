"""Cortical thickness: exact surfaces, phantoms of known thickness, and FreeSurfer's own labels."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from phantoms import folded_shell, spherical_shell, turned
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES, measure_parcels
from RegionalBrainAgeLib.cortex.freesurfer import read_subject
from RegionalBrainAgeLib.cortex.thickness import cortical_thickness, thickness_between
from RegionalBrainAgeLib.cortex.tissue import Tissue, segment_tissue
from RegionalBrainAgeLib.geometry.half_millimetre_grid import cubic, fine_affine, linear
from RegionalBrainAgeLib.geometry.image import Image, bounding_box, cropped, to_canonical


def measured(phantom, lesion=None):
    return cortical_thickness(segment_tissue(phantom.t1, phantom.brain, lesion, phantom.structures), lesion)


@pytest.fixture(scope="module")
def sphere():
    return spherical_shell(3.0, radius_mm=20.0)


@pytest.fixture(scope="module")
def sphere_thickness(sphere):
    return measured(sphere)


def test_two_planes_are_as_far_apart_as_they_are():
    x, y = np.meshgrid(np.arange(0, 30, 0.25), np.arange(0, 30, 0.25))
    plane = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    points = np.array([[15, 15, 0.5], [15, 15, 1.2], [15, 15, 2.0]])
    np.testing.assert_allclose(thickness_between(plane, plane + np.array([0, 0, 2.5]), points), 2.5, atol=0.02)


def test_surfaces_too_far_apart_are_not_called_cortex():
    plane = np.stack([*np.meshgrid(np.arange(20.0), np.arange(20.0)), np.zeros((20, 20))], axis=-1).reshape(-1, 3)
    assert np.isnan(thickness_between(plane, plane + np.array([0, 0, 9.0]), np.array([[10.0, 10.0, 4.0]]))).all()


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


def test_every_storage_order_gives_the_same_thickness(sphere, sphere_thickness):
    def stored(image):
        return turned(image, (1, 2, 0), (2,))

    other = replace(sphere, t1=stored(sphere.t1), brain=stored(sphere.brain), structures=stored(sphere.structures))
    np.testing.assert_allclose(measured(other).array, stored(sphere_thickness).array, atol=0.01)


def test_a_head_without_cortex_has_no_thickness():
    empty = Image(np.zeros((4, 4, 4), np.float32), np.eye(4))
    assert np.isnan(cortical_thickness(Tissue(empty, empty, empty, empty, empty)).array).all()


@pytest.mark.slow
@pytest.mark.data
def test_freesurfers_labels_give_freesurfers_thickness(shared_data):
    subject = shared_data / "heads" / "freesurfer" / "sub-0001"
    file = nib.load(subject / "mri" / "aparc.a2009s+aseg.mgz")
    codes = to_canonical(Image(np.asarray(file.dataobj).astype(np.int32), file.affine))
    levels, parcels = [], np.zeros(codes.shape, np.int16)
    for side, (cortex, deep) in enumerate(
        (
            ((11101, 11175), (2, 4, 5, 10, 11, 12, 13, 17, 18, 26, 28, 30, 31)),
            ((12101, 12175), (41, 43, 44, 49, 50, 51, 52, 53, 54, 58, 60, 62, 63)),
        )
    ):
        grey = (codes.array >= cortex[0]) & (codes.array <= cortex[1])
        inside = np.isin(codes.array, (*deep, 14, 77, 251, 252, 253, 254, 255))
        box = bounding_box(grey | inside, np.full(3, 3))
        part = cropped(codes.like((0.5 * grey + inside).astype(np.float32)), box)
        levels.append(Image(linear(part.array, part.spacing_mm), fine_affine(part.ras_from_ijk, part.spacing_mm)))
        # FreeSurfer's number 42 is the medial wall, which is no parcel.
        number = codes.array[grey] - cortex[0] + 1
        wall = number == 42
        parcels[grey] = np.where(wall, 0, number - (number > 42) + 74 * side)
    blank = codes.like(np.zeros(codes.shape, np.float32))
    thickness = cortical_thickness(Tissue(blank, blank, blank, *levels))
    ours = measure_parcels(thickness, codes.like(parcels), None).thickness_mm
    theirs = read_subject(subject).thickness_mm
    good = np.isfinite(ours)
    assert good.sum() == len(PARCEL_NAMES)
    assert np.corrcoef(ours[good], theirs[good])[0, 1] > 0.93
    assert abs(np.mean(ours[good] - theirs[good])) < 0.25
