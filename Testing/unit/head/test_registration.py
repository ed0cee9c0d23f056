"""Registration finds a known motion, keeps left on the left, goes there and back, and a lesion pulls on nothing.

Synthetic heads are the template itself, moved by a known transform onto an oblique anisotropic grid: the truth is known
at every point.
"""

from __future__ import annotations

import numpy as np
import pytest
from lesions_into_heads import heads, lesion_in_head, paint_lesion, soop_lesion
from phantoms import turned
from RegionalBrainAgeLib.anatomy.template import template_brain
from RegionalBrainAgeLib.errors import CaseError
from RegionalBrainAgeLib.files.images import read_t1
from RegionalBrainAgeLib.geometry.image import Image, resample, same_grid, subsampled, to_canonical
from RegionalBrainAgeLib.head.affine import align_affinely
from RegionalBrainAgeLib.head.brain_mask import extract_brain
from RegionalBrainAgeLib.head.contrast import contrast_warnings
from RegionalBrainAgeLib.head.deformable import Displacement, Level, deform
from RegionalBrainAgeLib.head.lesion_filling import fill_lesion
from RegionalBrainAgeLib.head.registration import Registration, register
from RegionalBrainAgeLib.head.shading import correct_bias
from scipy import ndimage
from scipy.spatial.transform import Rotation

SHAPE = (100, 128, 104)
SPACING_MM = (2.0, 1.7, 1.9)
# Template mm to head mm: turned, shifted, 8 % larger along y.
TRUTH = np.eye(4)
TRUTH[:3, :3] = Rotation.from_euler("xyz", (14, -6, 9), degrees=True).as_matrix() * (0.97, 1.08, 1.02)
TRUTH[:3, 3] = (6.0, -14.0, 22.0)


def landmarks_mm() -> np.ndarray:
    """Points inside the template's brain, homogeneous, shape (4, N)."""
    template = template_brain()
    inside = np.argwhere(ndimage.binary_erosion(template.array > 0, iterations=8))[::997]
    return template.ras_from_ijk @ np.concatenate([inside, np.ones((len(inside), 1))], axis=1).T


@pytest.fixture(scope="module")
def head() -> tuple[Image, Image]:
    """The template moved by `TRUTH` onto an oblique, anisotropic grid that was stored right to left, and its mask."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", (8, 20, -12), degrees=True).as_matrix() * SPACING_MM * (-1, 1, 1)
    affine[:3, 3] = TRUTH[:3, :3] @ [0, -18, 8] + TRUTH[:3, 3] - affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    template = template_brain()
    moved = Image(template.array, TRUTH @ template.ras_from_ijk)
    t1 = resample(moved, Image(np.zeros(SHAPE), affine))
    # Another scanner: a bent intensity curve and noise.
    noisy = 300 * (t1.array / 95) ** 1.3 + np.random.default_rng(0).normal(0, 5, SHAPE)
    brain = t1.like(t1.array > 10)
    return to_canonical(t1.like(np.clip(noisy, 0, None).astype(np.float32))), to_canonical(brain)


@pytest.fixture(scope="module")
def registration(head) -> Registration:
    return register(*head)


def test_a_known_affine_is_found(head):
    found = align_affinely(*head)
    error_mm = np.linalg.norm(((found.native_from_template - TRUTH) @ landmarks_mm())[:3], axis=0)
    assert error_mm.max() < 0.5
    assert found.similarity > 0.97


@pytest.mark.parametrize("angles_deg", [(35, 0, 0), (-20, 15, -20)])
def test_a_header_turned_far_changes_nothing(head, angles_deg):
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", angles_deg, degrees=True).as_matrix()
    turn[:3, 3] = (60, -50, 90)
    t1, brain = (to_canonical(Image(image.array, turn @ image.ras_from_ijk)) for image in head)
    found = align_affinely(t1, brain).native_from_template
    error_mm = np.linalg.norm(((found - turn @ TRUTH) @ landmarks_mm())[:3], axis=0)
    assert error_mm.max() < 0.5


def test_a_head_in_another_voxel_order_is_refused(head):
    t1, brain = head
    with pytest.raises(ValueError, match="to_canonical"):
        align_affinely(turned(t1, (2, 0, 1), (1,)), brain)
    with pytest.raises(ValueError, match="to_canonical"):
        align_affinely(t1, turned(brain, (0, 1, 2), (0,)))


def test_what_is_no_head_is_refused(head):
    _, brain = head
    noise = np.random.default_rng(0).normal(100, 30, brain.shape).astype(np.float32)
    block = brain.like(np.zeros(brain.shape, bool))
    block.array[10:30, 10:110, 20:40] = True
    with pytest.raises(CaseError, match="could not be aligned"):
        register(brain.like(noise), block)


def test_points_land_where_the_truth_says(registration):
    """Balls painted at known template points are found at the true points of the head, each on its side."""
    template = template_brain()
    balls = np.zeros(template.shape, np.uint8)
    points = ((-40, -20, 40), (40, -20, 40), (-30, 40, 10), (25, -80, 5), (0, -30, -25))
    for code, point in enumerate(points, start=1):
        index = np.round(np.linalg.inv(template.ras_from_ijk) @ [*point, 1])[:3].astype(int)
        box = tuple(slice(n - 6, n + 7) for n in index)
        balls[box][np.linalg.norm(np.indices((13, 13, 13)) - 6, axis=0) < 6] = code
    native = registration.to_native(template.like(balls))
    for code, point in enumerate(points, start=1):
        where = np.argwhere(native.array == code).mean(axis=0)
        centre = native.ras_from_ijk[:3, :3] @ where + native.ras_from_ijk[:3, 3]
        assert np.linalg.norm(centre - (TRUTH @ [*point, 1])[:3]) < 1.0


def test_there_and_back_ends_where_it_began(head, registration):
    """A linear ramp of coordinates carried to the template and back is off by well under a voxel."""
    _, brain = head
    inside = ndimage.binary_erosion(brain.array, iterations=3)
    ijk = np.indices(SHAPE).reshape(3, -1)
    for axis in range(3):
        ramp = (brain.ras_from_ijk[axis, :3] @ ijk + brain.ras_from_ijk[axis, 3]).reshape(SHAPE)
        there = registration.to_template(brain.like(ramp.astype(np.float32)), nearest=False)
        back = registration.to_native(there, nearest=False)
        error = np.abs(back.array - ramp)[inside]
        assert error.mean() < 0.2
        assert np.percentile(error, 99) < 1.0
    assert same_grid(back, brain)


def test_transforms_survive_saving(head, registration, tmp_path):
    registration.save(tmp_path, "sub-x")
    again = Registration.load(tmp_path, "sub-x")
    expected = registration.to_native(template_brain(), nearest=False)
    loaded = again.to_native(template_brain(), nearest=False)
    np.testing.assert_allclose(loaded.array, expected.array, atol=0.01)
    np.testing.assert_array_equal(
        again.to_template(head[0], nearest=False).array, registration.to_template(head[0], nearest=False).array
    )
    assert again.similarity == pytest.approx(registration.similarity)


def test_the_same_head_gives_the_same_registration(head):
    first, second = (align_affinely(*head).native_from_template for _ in range(2))
    np.testing.assert_array_equal(first, second)
    small = subsampled(template_brain(), 4.0)
    fixed, moving = small.like(small.array / 90), small.like(np.roll(small.array / 90, 1, axis=1))
    bends = [deform(fixed, moving, levels=(Level(4.0, 5),)).vectors_mm for _ in range(2)]
    np.testing.assert_array_equal(*bends)


def test_a_smooth_bend_is_recovered_and_its_inverse_undoes_it():
    rng = np.random.default_rng(3)
    shape = (56, 60, 52)
    pattern = ndimage.gaussian_filter(rng.normal(size=shape), 2.0)
    pattern = (pattern / pattern.std() * 0.2 + 0.5).astype(np.float32)
    bend = ndimage.gaussian_filter(rng.normal(size=(3, *shape)), (0, 9, 9, 9))
    bend *= 3.0 / np.abs(bend).max()
    index = np.indices(shape)
    affine = np.diag([2.0, 2, 2, 1])
    moving = Image(pattern, affine)
    fixed = Image(ndimage.map_coordinates(pattern, index + bend, order=1, mode="nearest"), affine)
    found = deform(fixed, moving, levels=(Level(4.0, 40), Level(2.0, 40)))
    inner = (slice(None), *[slice(8, -8)] * 3)
    error = np.linalg.norm(found.vectors_mm / 2.0 - bend, axis=0)[inner[1:]]
    assert error.mean() < 0.25 * np.linalg.norm(bend, axis=0)[inner[1:]].mean()
    back = found.inverted()
    there = index + found.vectors_mm / 2.0
    round_trip = np.stack([ndimage.map_coordinates(v, there, order=1, mode="nearest") for v in back.vectors_mm])
    assert np.abs(found.vectors_mm + round_trip)[inner].max() < 0.2


def test_bending_never_folds(registration):
    for field in (registration.to_native_field, registration.to_template_field):
        assert jacobian(field).min() > 0.05


def jacobian(field: Displacement) -> np.ndarray:
    gradients = np.stack([np.stack(np.gradient(v, field.voxel_mm)) for v in field.vectors_mm])
    return np.linalg.det(np.moveaxis(gradients, (0, 1), (-2, -1)) + np.eye(3))


def test_a_lesion_is_filled_from_the_other_side(head):
    """On a template made symmetric the mirrored tissue is the lost tissue itself."""
    template = template_brain()
    symmetric = Image(template.array[1:], template.ras_from_ijk.copy())
    symmetric.ras_from_ijk[0, 3] += 1.0
    symmetric = symmetric.like((symmetric.array + symmetric.array[::-1]) / 2)
    symmetric.ras_from_ijk[0, 3] = -(symmetric.shape[0] - 1) / 2
    brain = symmetric.like(symmetric.array > 10)
    lesion = symmetric.like(np.zeros(symmetric.shape, bool))
    lesion.array[40:60, 90:120, 80:105] = True
    lesion = symmetric.like(lesion.array & brain.array)
    dark = symmetric.like(np.where(lesion.array, 5.0, symmetric.array).astype(np.float32))
    filled = fill_lesion(dark, brain, lesion, np.eye(4))
    assert np.abs(filled.array - symmetric.array)[lesion.array].mean() < 1.0
    far = ndimage.distance_transform_edt(~lesion.array) > 7
    np.testing.assert_array_equal(filled.array[far], dark.array[far])


@pytest.mark.slow
def test_a_lesion_pulls_less_when_it_is_known(head, registration):
    """6 to 23 mm from a painted lesion the registration barely moves; without its mask it moves more."""
    t1, brain = head
    distance = np.linalg.norm(np.indices(template_brain().shape) - np.array([56, 140, 95])[:, None, None, None], axis=0)
    lesion = lesion_in_head(template_brain().like(distance < 22), registration, brain)
    painted = paint_lesion(t1, lesion, brain)
    near = template_brain().array > 0
    near &= (distance > 28) & (distance < 45)
    moved = {}
    for handling in ("fill", "none"):
        again = register(painted, brain, lesion, lesion_handling=handling)
        moved[handling] = movement_mm(again, registration, near)
    assert moved["fill"] < 0.15
    assert moved["fill"] < 0.5 * moved["none"]


def movement_mm(a: Registration, b: Registration, where: np.ndarray) -> float:
    """Mean distance between where two registrations find template points of `where` in the head."""
    template = template_brain()
    ijk = np.argwhere(where)[::301]
    points = (template.ras_from_ijk @ np.concatenate([ijk, np.ones((len(ijk), 1))], axis=1).T)[:3]
    places = []
    for registration in (a, b):
        field = registration.to_native_field
        voxels = (np.linalg.inv(field.ras_from_ijk) @ np.concatenate([points, np.ones((1, points.shape[1]))]))[:3]
        bent = points + np.stack([ndimage.map_coordinates(v, voxels, order=1) for v in field.vectors_mm])
        places.append(registration.native_from_template[:3, :3] @ bent + registration.native_from_template[:3, 3:])
    return float(np.linalg.norm(places[0] - places[1], axis=0).mean())


def test_turned_contrast_is_told_and_t1_is_not(head, registration):
    t1, brain = head
    assert contrast_warnings(t1, registration) == []
    inverted = t1.like(np.where(brain.array, 330 - t1.array, 0).astype(np.float32))
    assert "T1" in contrast_warnings(inverted, registration)[0]


@pytest.mark.slow
@pytest.mark.data
def test_a_mirrored_real_head_gives_mirrored_labels_and_a_real_lesion_stays_on_its_side(shared_data):
    """Mirror the head: left and right swap, and nothing else changes."""
    t1, _ = read_t1(heads(shared_data)["sub-0001"])
    t1 = to_canonical(t1)
    brain = extract_brain(t1)
    t1 = correct_bias(t1, brain)
    assert 1100 < brain.array.sum() * brain.voxel_volume_ml < 1800
    found = register(t1, brain)
    assert found.similarity > 0.88
    lesion = lesion_in_head(soop_lesion(shared_data, "bwsrsub-1195"), found, brain)
    volume_ml = lesion.array.sum() * lesion.voxel_volume_ml
    assert 6 < volume_ml < 20
    middle = (found.native_from_template @ [0, 0, 0, 1])[0]
    x = lesion.ras_from_ijk[0, 0] * np.argwhere(lesion.array)[:, 0] + lesion.ras_from_ijk[0, 3]
    assert np.mean(x < middle) > 0.99

    # The same voxels with the x axis of the header turned over: every structure changes side.
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    flipped_t1, flipped_brain = (to_canonical(Image(i.array, mirror @ i.ras_from_ijk)) for i in (t1, brain))
    flipped = register(flipped_t1, flipped_brain)
    template = template_brain()
    inside = template.array > 0
    side = np.where(np.arange(template.shape[0]) + template.ras_from_ijk[0, 3] < 0, 1, 2)[:, None, None]
    left_of = template.like((side * inside).astype(np.uint8))
    sides = found.to_native(left_of).array
    flipped_sides = flipped.to_native(left_of).array[::-1]
    both = (sides > 0) & (flipped_sides > 0)
    assert np.mean(sides[both] + flipped_sides[both] == 3) > 0.985
