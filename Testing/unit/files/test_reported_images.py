"""Images that once were read wrongly, hung or killed the process: each gives the right value or is refused by name."""

from __future__ import annotations

import os
import shutil
import struct

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.images import read_mask, read_t1
from RegionalBrainAgeLib.geometry.image import Image, to_sitk
from shared_folder import DAMAGED, REPORTS


def centre_ras(image: Image, where: np.ndarray) -> np.ndarray:
    return np.argwhere(where).mean(axis=0) @ image.ras_from_ijk[:3, :3].T + image.ras_from_ijk[:3, 3]


@pytest.fixture(scope="module")
def t1() -> Image:
    return read_t1(REPORTS / "t1.nii.gz")[0]


# --- damaged files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nrrd_ascii_token1100.nrrd", "encoding 'ascii'"),
        ("n01_datatype0.nii", "cannot be read"),
        ("n05_sizeof_hdr.nii", "claims"),
        ("e01_empty.nii", "cannot be read"),
        ("m01_type.mgh", "cannot be read"),
        ("m02_version.mgh", "cannot be read"),
        ("m03_dim0.mgh", "cannot be read"),
        ("dcm_mem", r"063\.dcm"),
    ],
)
def test_a_damaged_image_is_refused_by_name(name, said):
    with pytest.raises(InputError, match=said) as caught:
        read_t1(DAMAGED / name)
    assert name in str(caught.value)
    assert caught.value.remedy


def test_voxels_in_a_pipe_are_refused_instead_of_waited_for(tmp_path):
    shutil.copy(DAMAGED / "nrrd_fifo.nhdr", tmp_path)
    os.mkfifo(tmp_path / "fifo.raw")
    with pytest.raises(InputError, match="no ordinary file"):
        read_t1(tmp_path / "nrrd_fifo.nhdr")
    os.mkfifo(tmp_path / "t1.nii")
    with pytest.raises(InputError, match="no ordinary file"):
        read_t1(tmp_path / "t1.nii")


def nrrd(path, **changed: str | None) -> None:
    """A raw NRRD of 60 x 60 x 60 voxels of 2 mm; `changed` replaces fields of its header, None leaves one out."""
    fields = {
        "type": "short",
        "dimension": "3",
        "space": "left-posterior-superior",
        "sizes": "60 60 60",
        "space directions": "(2,0,0) (0,2,0) (0,0,2)",
        "kinds": "domain domain domain",
        "endian": "little",
        "encoding": "raw",
        "space origin": "(-59,-59,-59)",
    } | {name.replace("_", " "): value for name, value in changed.items()}
    head = "NRRD0004\n" + "".join(f"{name}: {value}\n" for name, value in fields.items() if value) + "\n"
    voxels = np.zeros((60, 60, 60), np.int16)
    voxels[10:50, 10:50, 10:50] = np.arange(40)
    voxels[30:34, 20:24, 40:44] = 200  # z 30..33, y 20..23, x 40..43
    path.write_bytes(head.encode() + voxels.tobytes())


@pytest.mark.parametrize(
    ("space", "x", "y"),
    [
        ("left-posterior-superior", -24.0, 16.0),
        ("LPS", -24.0, 16.0),
        ("right-anterior-superior", 24.0, -16.0),
        ("left-anterior-superior", -24.0, -16.0),
    ],
)
def test_the_space_of_an_nrrd_decides_where_its_voxels_lie(tmp_path, space, x, y):
    nrrd(tmp_path / "t1.nrrd", space=space)
    image, _ = read_t1(tmp_path / "t1.nrrd")
    np.testing.assert_allclose(centre_ras(image, image.array == 200), [x, y, 4.0], atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"space": "scanner-xyz"}, "scanner-xyz"),
        ({"space": "3D-right-handed"}, "3d-right-handed"),
        ({"encoding": "hex"}, "hex"),
        ({"encoding": "txt"}, "txt"),
        ({"sizes": "600 600 600"}, "claims"),
        ({"sizes": "60 60 -60"}, "empty"),
        ({"data_file": "../../t1.raw"}, "outside its own folder"),
        ({"data_file": "/etc/passwd"}, "outside its own folder"),
        ({"data_file": "LIST"}, "several files"),
        ({"data_file": "slice%03d.raw 1 60 1"}, "several files"),
        ({"byte_skip": "100"}, "byte skip"),
        ({"type": "block"}, "type"),
        ({"space_directions": "(2,0,0) none (0,0,2)"}, "no valid affine"),
        ({"space_directions": None}, "no valid affine"),
        ({"space_origin": None}, "no valid affine"),
        ({"sizes": "60 60 59"}, "more voxels than its header says"),
    ],
)
def test_an_nrrd_that_would_be_a_guess_is_refused(tmp_path, changed, said):
    nrrd(tmp_path / "t1.nrrd", **changed)
    with pytest.raises(InputError, match=said):
        read_t1(tmp_path / "t1.nrrd")


def test_a_small_file_that_claims_a_huge_volume_is_refused_before_memory_is_taken(tmp_path, t1):
    import gzip

    head = nib.Nifti1Header()
    head.set_data_shape((500, 500, 500))
    head.set_data_dtype(np.int16)
    head.set_sform(np.diag([0.4, 0.4, 0.4, 1]), code=1)
    head["vox_offset"] = 352
    with gzip.open(tmp_path / "t1.nii.gz", "wb") as stream:
        stream.write(head.binaryblock + b"\0" * 4 + os.urandom(1_000_000))
    with pytest.raises(InputError, match="fewer voxels"):
        read_t1(tmp_path / "t1.nii.gz")


def test_a_nifti_whose_voxels_begin_in_its_header_is_refused(tmp_path, t1):
    nib.save(nib.Nifti1Image(t1.array, t1.ras_from_ijk), tmp_path / "t1.nii")
    content = bytearray((tmp_path / "t1.nii").read_bytes())
    content[108:112] = struct.pack("<f", 0.0)
    (tmp_path / "t1.nii").write_bytes(content)
    with pytest.raises(InputError, match="begin at byte 0"):
        read_t1(tmp_path / "t1.nii")


def test_scaling_that_is_no_number_is_refused(t1):
    with pytest.raises(InputError, match="cannot be read"):
        read_t1(REPORTS / "A08_scl_inter_nan.nii.gz")
    with pytest.raises(InputError, match="cannot be read"):
        read_mask(REPORTS / "A08_mask_scl_inter_nan.nii.gz", t1)


def test_a_frame_that_stretches_the_head_is_refused(tmp_path, t1):
    """As an affine alignment with a template leaves it: thickness would be measured in the template's millimetres."""
    for stretch, fine in ((1.0, True), (1.01, True), (0.9, False), (1.1, False)):
        file = nib.Nifti1Image(t1.array, t1.ras_from_ijk)
        file.set_sform(t1.ras_from_ijk @ np.diag([1, stretch, 1, 1]), code=4)
        nib.save(file, tmp_path / "t1.nii")
        if fine:
            read_t1(tmp_path / "t1.nii")
        else:
            with pytest.raises(InputError, match="stretched"):
                read_t1(tmp_path / "t1.nii")


# --- signal ----------------------------------------------------------------------------------------------------------


def test_a_centred_t1_is_shifted_and_said_so(tmp_path, t1):
    nib.save(nib.Nifti1Image(t1.array / 200 - 0.5, t1.ras_from_ijk), tmp_path / "t1.nii")
    image, warnings = read_t1(tmp_path / "t1.nii")
    np.testing.assert_allclose(image.array, t1.array / 200, atol=1e-6)
    assert "shifted" in " ".join(warnings)


def test_in_a_t1_centred_inside_a_mask_the_outside_becomes_darkest(tmp_path, t1):
    inside = t1.array > 0
    scores = np.where(inside, (t1.array - t1.array[inside].mean()) / t1.array[inside].std(), 0.0)
    nib.save(nib.Nifti1Image(scores.astype(np.float32), t1.ras_from_ijk), tmp_path / "t1.nii")
    image, _ = read_t1(tmp_path / "t1.nii")
    assert image.array[~inside].max() == 0.0
    assert image.array.min() == 0.0
    assert np.corrcoef(image.array[inside], t1.array[inside])[0, 1] > 0.999


def test_inverted_scaling_is_refused(tmp_path, t1):
    nib.save(nib.Nifti1Image(t1.array.astype(np.int16), t1.ras_from_ijk), tmp_path / "t1.nii")
    content = bytearray((tmp_path / "t1.nii").read_bytes())
    content[112:120] = struct.pack("<ff", -1.0, float(t1.array.max()))
    (tmp_path / "t1.nii").write_bytes(content)
    with pytest.raises(InputError, match="inverted"):
        read_t1(tmp_path / "t1.nii")


def test_a_skull_stripped_head_is_told(tmp_path):
    ijk = np.indices((90, 108, 90)) - np.array([45, 54, 45]).reshape(3, 1, 1, 1)
    radius = np.sqrt((ijk[0] / 34) ** 2 + (ijk[1] / 43) ** 2 + (ijk[2] / 33) ** 2)
    head = 100 + ijk[0] + 0.0
    for name, size, told in (("whole", 1.28, False), ("stripped", 0.95, True)):
        nib.save(nib.Nifti1Image(np.where(radius < size, head, 0.0), np.diag([2.0, 2, 2, 1])), tmp_path / f"{name}.nii")
        _, warnings = read_t1(tmp_path / f"{name}.nii")
        assert ("skull-stripped" in " ".join(warnings)) == told, name


# --- masks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "voxels"),
    [
        ("mask01.nii.gz", 888),
        ("A10_probability_mask.nii.gz", 268),
        ("A11_half_voxel_float.nii.gz", 976),
        ("A11_half_voxel_255.nii.gz", 976),
        ("A11_half_voxel_percent.nii.gz", 976),
    ],
)
def test_a_soft_mask_is_cut_at_a_half_whatever_its_scale(t1, name, voxels):
    assert read_mask(REPORTS / name, t1)[0].array.sum() == voxels


@pytest.mark.parametrize("change", ["inverted", "nan", "far", "negative"])
def test_a_mask_that_cannot_be_one_is_refused(tmp_path, t1, change):
    file = nib.load(REPORTS / "mask01.nii.gz")
    array, affine = np.asarray(file.dataobj, dtype=np.float32), file.affine.copy()
    if change == "inverted":
        array = 1 - array
    elif change == "nan":
        array[0, 0, 0] = np.nan
    elif change == "far":
        affine[:3, 3] += 300
    else:
        array[0, 0, 0] = -1
    nib.save(nib.Nifti1Image(array, affine), tmp_path / "mask.nii")
    with pytest.raises(InputError, match="mask"):
        read_mask(tmp_path / "mask.nii", t1)


def test_a_soft_map_in_steps_is_refused_and_numbered_parts_are_all_lesion(tmp_path, t1):
    """Ten steps of a probability lie within one another; the parts of a lesion, numbered one by one, do not."""
    mask = nib.load(REPORTS / "mask01.nii.gz")
    lesion = np.asarray(mask.dataobj) > 0
    nearer = np.argsort(np.argsort(np.linalg.norm(np.argwhere(lesion) - np.argwhere(lesion).mean(axis=0), axis=1)))
    steps = np.zeros(lesion.shape, np.uint8)
    steps[lesion] = 10 - nearer * 10 // lesion.sum()
    parts = np.zeros(lesion.shape, np.uint8)
    parts[lesion] = 1 + np.argwhere(lesion)[:, 0] % 10
    for array, refused in ((steps, True), (np.minimum(steps, 4), False), (parts, False)):
        nib.save(nib.Nifti1Image(array, mask.affine), tmp_path / "mask.nii")
        if refused:
            with pytest.raises(InputError, match="not a mask"):
                read_mask(tmp_path / "mask.nii", t1)
        else:
            assert read_mask(tmp_path / "mask.nii", t1)[0].array.sum() == lesion.sum()


def test_a_mask_that_lost_its_geometry_is_refused(tmp_path, t1):
    """Saved without a header: voxels of 1 mm from 0 on, whatever the T1's are."""
    array = np.asarray(nib.load(REPORTS / "mask01.nii.gz").dataobj)
    assert not np.allclose(t1.spacing_mm, 1)
    for signs in ([1, 1, 1, 1], [-1, -1, 1, 1]):
        nib.save(nib.Nifti1Image(array, np.diag(signs).astype(float)), tmp_path / "mask.nii")
        with pytest.raises(InputError, match="geometry was lost"):
            read_mask(tmp_path / "mask.nii", t1)


def test_a_mask_whose_header_lies_three_millimetres_off_is_told(t1):
    mask, warnings = read_mask(REPORTS / "A12_mask_3mm_off.nii.gz", t1)
    assert mask.array.any()
    assert "3.0 mm off" in " ".join(warnings)
    assert read_mask(REPORTS / "mask01.nii.gz", t1)[1] == []


def test_a_segmentation_cropped_to_its_lesion_lands_in_its_place(tmp_path):
    t1, _ = read_t1(REPORTS / "A19_t1.nii.gz")
    mask, _ = read_mask(REPORTS / "A19_lesion.seg.nrrd", t1)
    assert mask.array.sum() == 888
    np.testing.assert_allclose(centre_ras(mask, mask.array), [-20, 5, 8], atol=0.01)
    box = Image(
        np.ones((4, 4, 4), np.uint8),
        t1.ras_from_ijk @ np.array([[1, 0, 0, 20], [0, 1, 0, 30], [0, 0, 1, 25], [0, 0, 0, 1.0]]),
    )
    sitk.WriteImage(to_sitk(box), str(tmp_path / "box.nrrd"))
    assert read_mask(tmp_path / "box.nrrd", t1)[0].array.sum() == 64


# --- DICOM -----------------------------------------------------------------------------------------------------------
SPACING_MM, SLICES = (1.2, 1.2, 2.0), 52


def save_series(folder, change=lambda header, number: None, shape=(110, 110)) -> None:
    """MR slices with a bright block at RAS 18, 8, 6; `change` alters the header of each."""
    folder.mkdir()
    size = (*shape, SLICES)
    centre = (np.array(size) - 1) / 2
    mm = (np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), -1) - centre) * SPACING_MM
    array = np.where(np.linalg.norm(mm / [58, 58, 46], axis=-1) < 1, 60, 0).astype(np.uint8)
    array[(np.abs(mm - [18, 8, 6]) < 4).all(-1)] = 200
    series = generate_uid()
    for number in range(SLICES):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header = FileDataset(str(folder / f"{number:03d}.dcm"), {}, file_meta=meta, preamble=b"\0" * 128)
        header.SOPClassUID, header.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        header.Modality, header.SeriesInstanceUID, header.ImageType = "MR", series, ["ORIGINAL", "PRIMARY", "M", "ND"]
        position = (centre[0] * 1.2, centre[1] * 1.2, (number - centre[2]) * 2.0)
        header.ImagePositionPatient = [f"{value:.4f}" for value in position]
        header.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
        header.PixelSpacing = [1.2, 1.2]
        header.Rows, header.Columns = shape[1], shape[0]
        header.SamplesPerPixel, header.PhotometricInterpretation, header.PixelRepresentation = 1, "MONOCHROME2", 0
        header.BitsAllocated = header.BitsStored = 8
        header.HighBit = 7
        header.PixelData = np.ascontiguousarray(array[:, :, number].T).tobytes()
        change(header, number)
        header.save_as(header.filename, enforce_file_format=True)


def test_a_series_lies_where_its_slices_say(tmp_path):
    save_series(tmp_path / "dicom")
    image, _ = read_t1(tmp_path / "dicom")
    np.testing.assert_allclose(image.spacing_mm, SPACING_MM)
    np.testing.assert_allclose(centre_ras(image, image.array == 200), [18, 8, 6], atol=0.61)


def _at(number, **values):
    def change(header, index):
        if index == number or number is None:
            for name, value in values.items():
                if value is None:
                    delattr(header, name)
                else:
                    setattr(header, name, value)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_at(None, PixelSpacing=None), "PixelSpacing"),
        (_at(None, PixelSpacing=["0", "0"]), "without a size"),
        (_at(30, ImagePositionPatient=["NaN", "1", "2"]), "ImagePositionPatient"),
        (_at(30, ImageOrientationPatient=[1, 0, 0, 0, 1, 0]), "turned differently"),
        (_at(30, ImageOrientationPatient=None), "ImageOrientationPatient"),
        (_at(None, PhotometricInterpretation="MONOCHROME1"), "inverted"),
        (_at(None, Modality="PT"), "PT, not MR"),
        (_at(None, Modality="CT"), "CT, not MR"),
        (_at(30, ImageType=["ORIGINAL", "PRIMARY", "P", "ND"]), "phase"),
        (_at(30, ImagePositionPatient=["5", "65.4", "9"]), "stacked|misses"),
        (_at(None, ImageType=["ORIGINAL", "PRIMARY", "PHASE MAP", "ND"]), "phase"),
        (_at(30, EchoTime="7.2"), "2 echo times"),
        (_at(30, PatientID="H-2"), "2 patients"),
    ],
)
def test_a_series_that_is_no_single_magnitude_volume_is_refused(tmp_path, change, said):
    save_series(tmp_path / "dicom", change)
    with pytest.raises(InputError, match=said):
        read_t1(tmp_path / "dicom")


def test_an_enhanced_file_is_read_by_the_position_of_its_frames():
    image, _ = read_t1(REPORTS / "A07_enhanced")
    np.testing.assert_allclose(image.spacing_mm, 2.0)
    np.testing.assert_allclose(centre_ras(image, image.array == 200), [24, 10, 6], atol=0.01)


def _of_frames(keyword, **values):
    """Gives every frame a functional group whose values are the first or the second of each pair, in turn."""

    def change(file):
        for number, frame in enumerate(file.PerFrameFunctionalGroupsSequence):
            group = Dataset()
            for name, pair in values.items():
                setattr(group, name, pair[number % 2])
            setattr(frame, keyword, [group])

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_of_frames("MREchoSequence", EffectiveEchoTime=(2.0, 7.0)), "2 echo times"),
        (_of_frames("MRImageFrameTypeSequence", ComplexImageComponent=("MAGNITUDE", "PHASE")), "phase"),
        (_of_frames("PixelValueTransformationSequence", RescaleSlope=("1", "2"), RescaleIntercept=("0", "0")), "scal"),
    ],
)
def test_frames_of_different_signals_are_refused(tmp_path, change, said):
    file = pydicom.dcmread(REPORTS / "A07_enhanced" / "e.dcm")
    change(file)
    (tmp_path / "d").mkdir()
    file.save_as(tmp_path / "d" / "e.dcm")
    with pytest.raises(InputError, match=said):
        read_t1(tmp_path / "d")


def test_one_scaling_of_all_frames_is_applied(tmp_path):
    expected, _ = read_t1(REPORTS / "A07_enhanced")
    file = pydicom.dcmread(REPORTS / "A07_enhanced" / "e.dcm")
    scaled = _of_frames("PixelValueTransformationSequence", RescaleSlope=("3", "3"), RescaleIntercept=("0", "0"))
    scaled(file)
    (tmp_path / "d").mkdir()
    file.save_as(tmp_path / "d" / "e.dcm")
    np.testing.assert_allclose(read_t1(tmp_path / "d")[0].array, 3 * expected.array)


def test_frames_in_any_order_give_the_same_volume(tmp_path):
    expected, _ = read_t1(REPORTS / "A07_enhanced")
    file = pydicom.dcmread(REPORTS / "A07_enhanced" / "e.dcm")
    order = np.random.default_rng(1).permutation(int(file.NumberOfFrames))
    pixels = file.pixel_array[order]
    file.PerFrameFunctionalGroupsSequence = [file.PerFrameFunctionalGroupsSequence[i] for i in order]
    file.PixelData = pixels.tobytes()
    (tmp_path / "d").mkdir()
    file.save_as(tmp_path / "d" / "e.dcm")
    image, _ = read_t1(tmp_path / "d")
    np.testing.assert_array_equal(image.array, expected.array)
