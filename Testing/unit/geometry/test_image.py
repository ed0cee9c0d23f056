"""Geometry: left is left whatever the grid. The oracle is a formula of RAS coordinates evaluated on each grid."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from RegionalBrainAgeLib.geometry.image import (
    Image,
    bounding_box,
    check_canonical,
    cropped,
    from_sitk,
    resample,
    same_grid,
    subsampled,
    to_canonical,
    to_sitk,
)
from scipy.spatial.transform import Rotation


def grid(shape, spacing_mm, angles_deg=(0, 0, 0), centre_mm=(0, 0, 0), flip=(1, 1, 1)) -> Image:
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", angles_deg, degrees=True).as_matrix()
    affine[:3, :3] = turn * np.multiply(spacing_mm, flip)
    affine[:3, 3] = np.array(centre_mm) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Image(np.zeros(shape, np.float32), affine)


def coordinates(image: Image) -> np.ndarray:
    ijk = np.indices(image.shape).reshape(3, -1)
    return (image.ras_from_ijk[:3, :3] @ ijk + image.ras_from_ijk[:3, 3:]).reshape(3, *image.shape)


def filled(image: Image, formula) -> Image:
    return image.like(formula(*coordinates(image)).astype(np.float32))


def slope(x, y, z):
    """Linear, so that trilinear interpolation is exact; different along x, y and z."""
    return 100.0 + 1.0 * x + 0.5 * y - 0.25 * z


GRIDS = [
    grid((40, 44, 36), (1.0, 1.0, 1.0)),
    grid((40, 44, 36), (1.0, 1.0, 1.0), flip=(-1, 1, 1)),
    grid((36, 30, 44), (1.1, 1.4, 0.9), (15, -10, 25), flip=(1, -1, -1)),
    grid((36, 30, 44), (1.1, 1.4, 0.9), (40, 5, -30), (2, -3, 4), flip=(-1, -1, 1)),
]


@pytest.mark.parametrize("source", GRIDS, ids=["RAS", "LAS", "oblique", "more oblique"])
@pytest.mark.parametrize("target", GRIDS, ids=["RAS", "LAS", "oblique", "more oblique"])
def test_a_point_keeps_its_value_on_every_grid(source, target):
    moved = resample(filled(source, slope), target)
    inside = np.linalg.norm(coordinates(target), axis=0) < 12
    np.testing.assert_allclose(moved.array[inside], slope(*coordinates(target))[inside], atol=1e-3)


def test_a_blob_on_the_left_stays_on_the_left():
    source, target = GRIDS[1], GRIDS[3]
    blob = source.like(np.linalg.norm(coordinates(source) - np.array([-9, 4, 2])[:, None, None, None], axis=0) < 5)
    moved = resample(blob, target)
    assert moved.array.dtype == bool
    centre = coordinates(target)[:, moved.array].mean(axis=1)
    np.testing.assert_allclose(centre, (-9, 4, 2), atol=0.3)


def test_labels_are_not_mixed():
    source = GRIDS[2]
    labels = source.like(np.random.default_rng(0).choice([0, 11101, 12175], source.shape).astype(np.int32))
    moved = resample(labels, GRIDS[3], nearest=True)
    assert moved.array.dtype == np.int32
    assert set(np.unique(moved.array)) <= {0, 11101, 12175}


@pytest.mark.parametrize("image", GRIDS, ids=["RAS", "LAS", "oblique", "more oblique"])
def test_simpleitk_agrees_on_where_a_voxel_lies(image):
    volume = to_sitk(filled(image, slope))
    lps = np.array(volume.TransformIndexToPhysicalPoint((3, 7, 11)))
    np.testing.assert_allclose(lps * (-1, -1, 1), (image.ras_from_ijk @ [3, 7, 11, 1])[:3], atol=1e-9)
    back = from_sitk(volume)
    assert same_grid(back, image, tolerance_mm=1e-9)
    np.testing.assert_array_equal(back.array, filled(image, slope).array)


@pytest.mark.parametrize("code", ["RAS", "LPS", "ASR", "RAI"])
def test_only_the_canonical_voxel_order_passes(code):
    """Oracle: nibabel's own axis codes."""
    directions = {"R": (1, 0, 0), "L": (-1, 0, 0), "A": (0, 1, 0), "P": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}
    affine = np.eye(4)
    tilt = Rotation.from_euler("xyz", (10, -12, 8), degrees=True).as_matrix()
    affine[:3, :3] = tilt @ np.array([directions[letter] for letter in code]).T * (1.0, 1.2, 0.9)
    assert "".join(nib.aff2axcodes(affine)) == code
    image = Image(np.zeros((2, 3, 4)), affine)
    if code == "RAS":
        check_canonical(image, None)
    else:
        with pytest.raises(ValueError, match=f"order {code} must first go through to_canonical"):
            check_canonical(None, image)
    check_canonical(to_canonical(image))


def test_grids_that_differ_at_a_corner_only_are_not_the_same():
    a = GRIDS[0]
    turned = a.ras_from_ijk @ np.block(
        [
            [Rotation.from_euler("z", 0.1, degrees=True).as_matrix(), np.zeros((3, 1))],
            [np.zeros((1, 3)), np.ones((1, 1))],
        ]
    )
    assert same_grid(a, Image(a.array, a.ras_from_ijk + 1e-5))
    assert not same_grid(a, Image(a.array, turned))
    assert not same_grid(a, Image(a.array[1:], a.ras_from_ijk))


def test_cropping_and_subsampling_move_nothing():
    image = filled(GRIDS[3], slope)
    box = bounding_box(np.linalg.norm(coordinates(image), axis=0) < 8, np.array([2, 2, 2]))
    part = cropped(image, box)
    np.testing.assert_allclose(part.array, slope(*coordinates(part)), atol=1e-4)
    coarse = subsampled(image, 3.0)
    assert coarse.spacing_mm == pytest.approx([3.0, 3.0, 3.0])
    inside = np.linalg.norm(coordinates(coarse), axis=0) < 8
    np.testing.assert_allclose(coarse.array[inside], slope(*coordinates(coarse))[inside], atol=0.05)


def test_an_array_of_another_shape_does_not_fit():
    with pytest.raises(ValueError, match="does not fit"):
        GRIDS[0].like(np.zeros((2, 2, 2)))
