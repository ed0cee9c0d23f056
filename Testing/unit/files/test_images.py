"""Every format gives the same head; every bad file is refused with its name and a way out."""

from __future__ import annotations

import gzip
import itertools

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.image_checks import mask_from_values
from RegionalBrainAgeLib.files.images import read_labels, read_mask, read_t1, write_image
from RegionalBrainAgeLib.geometry.image import Image, from_canonical, same_grid, to_canonical, to_sitk
from scipy.spatial.transform import Rotation

SHAPE = (58, 66, 60)


def oblique(spacing_mm=(1.8, 1.9, 2.0), angles_deg=(12, -7, 20), origin_mm=(-40.0, -70.0, -55.0)) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles_deg, degrees=True).as_matrix() * spacing_mm
    affine[:3, 3] = origin_mm
    return affine


@pytest.fixture(scope="module")
def head() -> Image:
    """An oblique anisotropic head-sized volume with no symmetry, of whole numbers, which every format holds exactly."""
    i, j, k = np.indices(SHAPE)
    array = 3 * i + 5 * j + 2 * k + 40 * ((i > 40) & (j < 20)) + np.random.default_rng(1).integers(0, 9, SHAPE)
    return Image(array.astype(np.float32), oblique())


def assert_same_place(image: Image, expected: Image) -> None:
    """The same value at the same point in space, whatever the voxel order."""
    a, b = to_canonical(image), to_canonical(expected)
    assert same_grid(a, b)
    np.testing.assert_array_equal(a.array, b.array)


def save_dicom(image: Image, folder, description="T1 MPRAGE", modality="MR", uid="1", skip=()) -> None:
    """Single-slice DICOM files of a volume, written with GDCM from its LPS geometry."""
    folder.mkdir(exist_ok=True)
    volume = sitk.Cast(to_sitk(image), sitk.sitkInt16)
    direction = np.reshape(volume.GetDirection(), (3, 3))
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for n in range(volume.GetSize()[2]):
        if n in skip:
            continue
        part = volume[:, :, n]
        tags = {
            "0008|0060": modality,
            "0008|103e": description,
            "0020|000d": "1.2.3.4",
            "0020|000e": f"1.2.3.4.{uid}",
            "0008|0018": f"1.2.3.4.{uid}.{n + 1}",
            "0008|0016": "1.2.840.10008.5.1.4.1.1.4",
            "0020|0013": str(n + 1),
            "0020|0032": "\\".join(f"{x:.8f}" for x in volume.TransformIndexToPhysicalPoint((0, 0, n))),
            "0020|0037": "\\".join(f"{x:.10f}" for x in direction[:, :2].T.ravel()),
            "0028|0030": f"{volume.GetSpacing()[1]:.8f}\\{volume.GetSpacing()[0]:.8f}",
        }
        for key, value in tags.items():
            part.SetMetaData(key, value)
        writer.SetFileName(str(folder / f"{uid}_{n:03d}.dcm"))
        writer.Execute(part)


# --- formats ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["t1.nii", "t1.nii.gz"])
def test_what_is_written_is_read_back(head, tmp_path, name):
    write_image(head, tmp_path / name)
    read, warnings = read_t1(tmp_path / name)
    assert same_grid(read, head)
    np.testing.assert_array_equal(read.array, head.array)
    assert warnings == []


def test_mgz_nrrd_and_dicom_hold_the_same_head_as_nifti(head, tmp_path):
    nib.save(nib.MGHImage(head.array, head.ras_from_ijk), tmp_path / "t1.mgz")
    sitk.WriteImage(to_sitk(head), str(tmp_path / "t1.nrrd"))
    save_dicom(head, tmp_path / "dicom")
    for name in ("t1.mgz", "t1.nrrd", "dicom"):
        read, warnings = read_t1(tmp_path / name)
        assert_same_place(read, head)
        assert warnings == [], name


def test_every_storage_order_of_a_head_is_the_same_canonical_head(head, tmp_path):
    expected = to_canonical(head)
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product((1, -1), repeat=3):
            orientation = np.stack([axes, flips], axis=1)
            array = nib.apply_orientation(head.array, orientation)
            affine = head.ras_from_ijk @ nib.orientations.inv_ornt_aff(orientation, head.shape)
            stored = Image(array, affine)
            np.testing.assert_array_equal(to_canonical(stored).array, expected.array)
            assert same_grid(to_canonical(stored), expected, tolerance_mm=1e-6)
            back = from_canonical(to_canonical(stored), stored)
            np.testing.assert_array_equal(back.array, array)


def test_a_trailing_fourth_axis_of_one_volume_is_accepted(head, tmp_path):
    nib.save(nib.Nifti1Image(head.array[..., None], head.ras_from_ijk), tmp_path / "t1.nii")
    read, _ = read_t1(tmp_path / "t1.nii")
    assert read.shape == SHAPE


def test_a_folder_with_a_localizer_and_a_t1_gives_the_t1_and_says_so(head, tmp_path):
    save_dicom(head, tmp_path / "dicom", description="T1 MPRAGE", uid="1")
    save_dicom(head, tmp_path / "dicom", description="localizer", uid="2", skip=range(3, SHAPE[2]))
    read, warnings = read_t1(tmp_path / "dicom")
    assert_same_place(read, head)
    assert "T1 MPRAGE" in warnings[0]


def test_two_candidate_series_are_listed_and_refused(head, tmp_path):
    save_dicom(head, tmp_path / "dicom", description="T1 pre", uid="1")
    save_dicom(head, tmp_path / "dicom", description="T1 post", uid="2")
    with pytest.raises(InputError, match=r"T1 pre.*T1 post|T1 post.*T1 pre"):
        read_t1(tmp_path / "dicom")


def test_missing_slices_are_noticed(head, tmp_path):
    save_dicom(head, tmp_path / "dicom", skip=(20, 21))
    with pytest.raises(InputError, match="misses slices"):
        read_t1(tmp_path / "dicom")


def test_frames_that_disagree_are_told(head, tmp_path):
    file = nib.Nifti1Image(head.array, head.ras_from_ijk)
    file.set_sform(head.ras_from_ijk, 1)
    file.set_qform(np.diag([-1.0, 1, 1, 1]) @ head.ras_from_ijk, 1)
    nib.save(file, tmp_path / "t1.nii")
    read, warnings = read_t1(tmp_path / "t1.nii")
    assert same_grid(read, head)
    assert "disagree" in warnings[0]


# --- refused ---------------------------------------------------------------------------------------------------------


def refused(path, words) -> None:
    """The T1 at `path` is refused with its name, the reason and a remedy."""
    with pytest.raises(InputError, match=words) as caught:
        read_t1(path)
    assert str(path) in caught.value.what
    assert caught.value.remedy
    assert caught.value.exit_code == 2


def test_a_missing_file_is_refused(tmp_path):
    refused(tmp_path / "nothing.nii.gz", "does not exist")


def test_an_unknown_format_is_refused(tmp_path):
    (tmp_path / "t1.jpg").write_bytes(b"x")
    refused(tmp_path / "t1.jpg", "no format")


def test_an_empty_folder_is_refused(tmp_path):
    refused(tmp_path, "no DICOM series")


@pytest.mark.parametrize("name", ["t1.nii", "t1.nii.gz", "t1.mgz", "t1.nrrd"])
def test_a_truncated_file_is_refused(head, tmp_path, name):
    path = tmp_path / name
    if name.endswith("mgz"):
        nib.save(nib.MGHImage(head.array, head.ras_from_ijk), path)
    elif name.endswith("nrrd"):
        sitk.WriteImage(to_sitk(head), str(path))
    else:
        write_image(head, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, "cut off|cannot be read")


@pytest.mark.parametrize("name", ["t1.nii", "t1.nii.gz", "t1.mgz", "t1.nrrd"])
def test_text_under_an_image_name_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"this is no image at all\n" * 50)
    refused(tmp_path / name, "cannot be read")


@pytest.mark.parametrize("packed", [True, False])
def test_a_header_that_claims_terabytes_is_refused_before_any_voxel_is_read(tmp_path, packed):
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float64)
    header.set_data_shape((30000, 30000, 30000))
    header.set_sform(np.eye(4), 1)
    header["magic"], header["vox_offset"] = b"n+1", 352
    content = header.binaryblock + b"\0" * 4000
    path = tmp_path / ("t1.nii.gz" if packed else "t1.nii")
    path.write_bytes(gzip.compress(content) if packed else content)
    refused(path, "claims")


def test_a_nrrd_that_claims_terabytes_is_refused(tmp_path):
    path = tmp_path / "t1.nrrd"
    path.write_bytes(
        b"NRRD0005\ntype: float\ndimension: 3\nspace: left-posterior-superior\nsizes: 30000 30000 30000\n"
        b"space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\nendian: little\nencoding: raw\n\n"
        + b"\0"
        * 99
    )
    refused(path, "claims")


def test_a_time_series_is_refused(head, tmp_path):
    nib.save(nib.Nifti1Image(np.stack([head.array] * 3, axis=-1), head.ras_from_ijk), tmp_path / "t1.nii")
    refused(tmp_path / "t1.nii", "3 volumes")


def test_colours_are_refused(tmp_path):
    colours = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colours, np.eye(4)), tmp_path / "t1.nii")
    refused(tmp_path / "t1.nii", "colours")


def test_a_file_without_a_frame_is_refused(head, tmp_path):
    file = nib.Nifti1Image(head.array, None)
    file.header["sform_code"] = file.header["qform_code"] = 0
    nib.save(file, tmp_path / "t1.nii")
    refused(tmp_path / "t1.nii", "no valid affine")


def test_a_nrrd_without_a_frame_is_refused(tmp_path):
    path = tmp_path / "t1.nrrd"
    path.write_bytes(
        b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 60 60 60\nspacings: 2 2 2\nencoding: raw\n\n" + bytes(60**3)
    )
    refused(path, "no valid affine")


def test_a_flat_affine_is_refused(head, tmp_path):
    file = nib.Nifti1Image(head.array, None)
    flat = np.eye(4)
    flat[:3, 2] = flat[:3, 1]
    file.header.set_sform(flat, code=1)
    nib.save(file, tmp_path / "t1.nii")
    path = tmp_path / "t1.nii"
    refused(path, "no valid affine")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: np.where(a > 300, np.nan, a), "NaN"),
        (lambda a: np.full_like(a, np.nan), "NaN"),
        (lambda a: np.full_like(a, 7), "constant"),
        (lambda a: np.where(a < 200, -1000, a), "CT"),
    ],
    ids=["some NaN", "all NaN", "constant", "CT"],
)
def test_values_no_t1_has_are_refused(head, tmp_path, change, words):
    write_image(head.like(change(head.array)), tmp_path / "t1.nii")
    refused(tmp_path / "t1.nii", words)


def test_ct_in_dicom_is_refused_by_its_modality(head, tmp_path):
    save_dicom(head, tmp_path / "dicom", modality="CT", description="head")
    refused(tmp_path / "dicom", "CT")


def test_thick_slices_are_refused(head, tmp_path):
    write_image(Image(head.array[:, :, :30], oblique((1.8, 1.9, 5.0))), tmp_path / "t1.nii")
    refused(tmp_path / "t1.nii", "5 mm")


def test_a_small_field_of_view_is_refused(head, tmp_path):
    write_image(Image(head.array[:, :, :30], head.ras_from_ijk), tmp_path / "t1.nii")
    refused(tmp_path / "t1.nii", "covers")


# --- lesion masks ----------------------------------------------------------------------------------------------------


@pytest.fixture
def blob(head) -> Image:
    array = np.zeros(SHAPE, np.uint8)
    array[20:28, 30:36, 25:33] = 1
    return head.like(array)


def write_mask(image: Image, path) -> None:
    nib.save(nib.Nifti1Image(image.array, image.ras_from_ijk), path)


@pytest.mark.parametrize("scale", [1, 255, 37])
def test_a_mask_of_zero_and_any_one_value_is_read_as_it_is(head, blob, tmp_path, scale):
    write_mask(blob.like(blob.array * np.uint8(scale)), tmp_path / "lesion.nii.gz")
    mask, warnings = read_mask(tmp_path / "lesion.nii.gz", head)
    assert mask.array.dtype == bool
    np.testing.assert_array_equal(mask.array, blob.array > 0)
    assert warnings == []


def test_a_mask_stored_in_another_voxel_order_is_the_same_mask(head, blob, tmp_path):
    write_mask(to_canonical(Image(blob.array[::-1].copy(), flipped(head.ras_from_ijk))), tmp_path / "lesion.nii")
    mask, warnings = read_mask(tmp_path / "lesion.nii", head)
    np.testing.assert_array_equal(mask.array, blob.array > 0)
    assert warnings == []


def flipped(affine: np.ndarray) -> np.ndarray:
    """The affine of an array whose first axis is stored backwards."""
    change = np.diag([-1.0, 1, 1, 1])
    change[0, 3] = SHAPE[0] - 1
    return affine @ change


def test_a_mask_on_a_finer_grid_keeps_place_and_volume_and_is_told(head, blob, tmp_path):
    fine = blob.ras_from_ijk @ np.diag([0.5, 0.5, 0.5, 1.0])
    fine[:3, 3] = (blob.ras_from_ijk @ [-0.25, -0.25, -0.25, 1])[:3]
    write_mask(Image(np.kron(blob.array, np.ones((2, 2, 2), np.uint8)), fine), tmp_path / "lesion.nii")
    mask, warnings = read_mask(tmp_path / "lesion.nii", head)
    np.testing.assert_array_equal(mask.array, blob.array > 0)
    assert "another grid" in warnings[0]


def test_a_mask_that_falls_between_the_voxels_of_the_t1_is_told_to_be_too_small(head, tmp_path):
    fine = head.ras_from_ijk @ np.diag([0.25, 0.25, 0.25, 1.0])
    array = np.zeros((160, 160, 160), np.uint8)
    array[102, 102, 102] = 1  # half way between two voxel centres of the T1 along each axis
    write_mask(Image(array, fine), tmp_path / "lesion.nii")
    with pytest.raises(InputError, match="smaller than the T1's voxels"):
        read_mask(tmp_path / "lesion.nii", head)


def test_a_probability_mask_is_cut_at_a_half_and_told(head, blob, tmp_path):
    soft = blob.array * np.float32(0.9)
    soft[20] *= 0.4
    soft[40:42, 30, 30] = 0.2
    write_mask(blob.like(soft), tmp_path / "lesion.nii")
    mask, warnings = read_mask(tmp_path / "lesion.nii", head)
    np.testing.assert_array_equal(mask.array, soft >= 0.5)
    assert "0.5" in warnings[0]


def test_labels_are_all_lesion_and_told(head, blob, tmp_path):
    labels = blob.array.copy()
    labels[24:28] *= 3
    write_mask(blob.like(labels), tmp_path / "lesion.nii")
    mask, warnings = read_mask(tmp_path / "lesion.nii", head)
    np.testing.assert_array_equal(mask.array, labels > 0)
    assert "several labels" in warnings[0]


def shifted(image: Image, offset_mm) -> Image:
    affine = image.ras_from_ijk.copy()
    affine[:3, 3] += offset_mm
    return Image(image.array, affine)


def on_mni_grid(image: Image) -> Image:
    array = np.zeros((157, 189, 136), np.uint8)
    array[60:70, 90:100, 60:70] = 1
    affine = np.diag([-1.0, 1, 1, 1])
    affine[:3, 3] = (78, -112, -50)
    return Image(array, affine)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: m.like(m.array * 0), "leave the lesion out when there is none"),
        (lambda m: m.like(m.array * np.float32(0.3)), None),
        (lambda m: m.like(m.array - np.float32(1)), "negative"),
        (lambda m: m.like(m.array + np.uint8(1)), "no background"),
        (lambda m: m.like(np.where(m.array, np.nan, 0).astype(np.float32)), "NaN"),
        (lambda m: m.like((1 - m.array).astype(np.uint8)), "marks"),
        (
            lambda m: m.like(np.clip(np.random.default_rng(0).normal(0, 900, SHAPE), 0, None).astype(np.float32)),
            "not a mask",
        ),
        (lambda m: shifted(m, (400, 0, 0)), "away"),
        (lambda m: shifted(m, (3, 10, 18)), "another head"),
        (lambda m: Image(m.array[:-3], shifted(m, (300, 0, 0)).ras_from_ijk), "field of view"),
        (on_mni_grid, "MNI template"),
        (lambda m: Image(np.stack([m.array] * 2, axis=-1), m.ras_from_ijk), "2 volumes"),
    ],
    ids=[
        "empty",
        "weak",
        "negative",
        "filled",
        "NaN",
        "inverted",
        "image",
        "far",
        "other head",
        "outside",
        "MNI",
        "4D",
    ],
)
def test_a_mask_that_cannot_be_meant_is_refused(head, blob, tmp_path, spoil, words):
    path = tmp_path / "lesion.nii.gz"
    write_mask(spoil(blob), path)
    if words is None:  # one value only, however small, is a mask
        assert read_mask(path, head)[0].array.sum() == blob.array.sum()
        return
    with pytest.raises(InputError, match=words) as caught:
        read_mask(path, head)
    assert str(path) in caught.value.what
    assert caught.value.remedy


def test_labels_must_be_whole_numbers(head, blob, tmp_path):
    write_mask(blob.like(blob.array * np.float32(2.5)), tmp_path / "labels.nii")
    with pytest.raises(InputError, match="whole numbers"):
        read_labels(tmp_path / "labels.nii")
    write_mask(blob.like(blob.array * np.int16(301)), tmp_path / "labels.nii")
    assert set(np.unique(read_labels(tmp_path / "labels.nii").array)) == {0, 301}


def test_a_soft_mask_that_interpolation_took_beyond_0_and_1_is_cut_at_a_half():
    values = np.array([-0.03, 0.0, 0.2, 0.5, 0.9, 1.0001]).reshape(1, 2, 3)
    mask, warnings = mask_from_values("The mask", values)
    np.testing.assert_array_equal(mask.ravel(), [False, False, False, True, True, True])
    assert "voxels of 0.5 and more" in warnings[0]
