"""Panel and command line say the same of a lesion: its side, and which voxels a mask file marks."""

from __future__ import annotations

import gzip
import re
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import slicer
from made_case import made_case, oblique
from shared_folder import REPORTS


@pytest.mark.parametrize("counts", [(59_700, 0, 0, 300), (5_000, 0, 0, 900), (4_000, 500, 300, 0), (0, 0, 0, 700)])
def test_panel_and_library_name_the_same_side(host, counts):
    """A20: 60 ml with 0.3 ml across the midline was L in the library and bilateral in the panel."""
    from RegionalBrainAgeLib.geometry.image import Image
    from RegionalBrainAgeLib.lesion.measures import summarise_lesion
    from RegionalBrainAgeSlicer.scene.label_files import Labels, label_node
    from RegionalBrainAgeSlicer.scene.lesion_measures import RegisteredHead, measure
    from RegionalBrainAgeSlicer.scene.lesion_segment import new_lesion_segmentation, set_lesion_voxels

    zones = np.repeat([1, 2, 3, 4], 60_000).reshape(4, 100, 600).astype(np.uint8)
    lesion = np.zeros(zones.shape, bool)
    for slab, count in enumerate(counts):
        lesion[slab].flat[:count] = True
    library = summarise_lesion(Image(lesion, np.eye(4)), Image(zones, np.eye(4)))

    # Slicer keeps slices first.
    head = label_node(Labels(np.ascontiguousarray(zones.T), np.eye(4)), "zones")
    registered = RegisteredHead(label_node(Labels(np.ascontiguousarray(zones.T), np.eye(4)), "codes"), head, {})
    segmentation = new_lesion_segmentation("lesion", head)
    set_lesion_voxels(segmentation, np.ascontiguousarray(lesion.T), head)
    panel = measure(segmentation, head, 0.0, registered)
    assert (panel.side, panel.volume_ml) == (library.side, pytest.approx(library.volume_ml))


def marked_by_panel(path: Path, t1: Path):
    """Voxels (i, j, k) that the panel marks, as its head's file has them, or the words of the refusal."""
    from RegionalBrainAgeLib.errors import InputError
    from RegionalBrainAgeSlicer.scene.grids import ras_from_ijk
    from RegionalBrainAgeSlicer.scene.lesion_segment import new_lesion_segmentation, set_lesion_voxels
    from RegionalBrainAgeSlicer.scene.mask_files import read_mask_on_head
    from RegionalBrainAgeSlicer.steps.patient_step import read_volume
    from RegionalBrainAgeSlicer.work.command_line import lesion_voxels

    head = read_volume(t1)
    segmentation = new_lesion_segmentation("lesion", head)
    try:
        marked, _warnings = read_mask_on_head(path, head)
    except InputError as error:
        return error.what
    set_lesion_voxels(segmentation, marked, head)
    voxels = lesion_voxels(segmentation, head)
    places = np.argwhere(voxels)[:, ::-1] @ ras_from_ijk(head)[:3, :3].T + ras_from_ijk(head)[:3, 3]
    affine = nib.load(t1).affine
    back = np.linalg.inv(affine)
    return {tuple(place) for place in np.rint(places @ back[:3, :3].T + back[:3, 3]).astype(int)}


def marked_by_library(path: Path, t1: Path):
    from RegionalBrainAgeLib.errors import InputError
    from RegionalBrainAgeLib.files.images import read_mask
    from RegionalBrainAgeLib.geometry.image import Image

    file = nib.load(t1)
    head = Image(np.asarray(file.dataobj), file.affine)
    try:
        mask, _warnings = read_mask(path, head)
    except InputError as error:
        return error.what
    return {tuple(place) for place in np.argwhere(mask.array)}


def heads_and_masks() -> list[tuple[str, str]]:
    """Every mask of the reported cases with the head it was drawn on, as paths below their folder."""
    masks = sorted(path.relative_to(REPORTS).as_posix() for path in REPORTS.rglob("*") if _MASK.search(path.name))
    return [(mask, "A19_t1.nii.gz" if mask.startswith("A19") else "t1.nii.gz") for mask in masks]


_MASK = re.compile(r"mask|lesion|half_voxel")


def test_the_masks_of_the_reported_cases_are_found():
    assert {mask.partition("_")[0] for mask, _ in heads_and_masks()} == {
        "mask01.nii.gz",
        "A08",
        "A10",
        "A11",
        "A12",
        "A17",
        "A19",
    }


@pytest.mark.parametrize(("mask", "t1"), heads_and_masks())
def test_panel_and_command_line_mark_the_same_voxels(host, mask, t1):
    library = marked_by_library(REPORTS / mask, REPORTS / t1)
    assert marked_by_panel(REPORTS / mask, REPORTS / t1) == library
    assert library


def test_a_mask_on_another_grid_lands_where_it_was_drawn_in_an_oblique_left_handed_head(host, tmp_path):
    made = made_case(tmp_path, "made", oblique())
    assert marked_by_panel(made.lesion, made.t1) == marked_by_library(made.lesion, made.t1)


# Files that the application opens without a word


def write_nifti(path: Path, array: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    return path


def test_a_file_that_is_cut_off_is_refused_when_it_is_chosen(host, tmp_path):
    from RegionalBrainAgeLib.errors import InputError
    from RegionalBrainAgeSlicer.work.file_checks import refuse_damaged

    rng = np.random.default_rng(1)
    whole = write_nifti(tmp_path / "whole.nii.gz", rng.integers(0, 99, (30, 30, 30)).astype(np.int16))
    refuse_damaged(whole)
    content = whole.read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(content[: len(content) // 2])
    unpacked = gzip.decompress(content)
    (tmp_path / "short.nii").write_bytes(unpacked[:-100])
    (tmp_path / "repacked.nii.gz").write_bytes(gzip.compress(unpacked[:-100]))
    for name in ("cut.nii.gz", "short.nii", "repacked.nii.gz"):
        with pytest.raises(InputError, match=f"{name} is cut off or damaged"):
            refuse_damaged(tmp_path / name)


def test_a_4d_file_is_refused_with_the_reason(host, tmp_path):
    from RegionalBrainAgeLib.errors import InputError
    from RegionalBrainAgeSlicer.work.file_checks import refuse_damaged

    with pytest.raises(InputError, match=r"holds 12 volumes \(4D\)"):
        refuse_damaged(write_nifti(tmp_path / "series.nii.gz", np.zeros((8, 8, 8, 12), np.int16)))
    refuse_damaged(write_nifti(tmp_path / "one.nii.gz", np.zeros((8, 8, 8, 1), np.int16)))


def test_big_endian_and_foreign_files_are_left_to_the_readers(host, tmp_path):
    from RegionalBrainAgeSlicer.work.file_checks import refuse_damaged

    image = nib.Nifti1Image(np.zeros((8, 8, 8), ">i2"), np.eye(4), nib.Nifti1Header(endianness=">"))
    nib.save(image, tmp_path / "big.nii")
    refuse_damaged(tmp_path / "big.nii")
    (tmp_path / "text.nii").write_text("no image", encoding="utf-8")
    refuse_damaged(tmp_path / "text.nii")
    (tmp_path / "two.nii").write_bytes(struct.pack("<i", 540) + bytes(600))
    refuse_damaged(tmp_path / "two.nii")


# DICOM tags


class Database:
    """``slicer.dicomDatabase`` with the tags of one image."""

    def __init__(self, tags: dict[str, str]) -> None:
        self.tags = tags

    def instanceValue(self, uid: str, tag: str) -> str:
        assert uid == "1.2.3"
        return self.tags.get(tag, "")


@pytest.mark.parametrize(
    ("tags", "age", "sex", "date"),
    [
        ({"0010,1010": "063Y", "0010,0040": "F", "0008,0020": "20250310"}, 63.0, "F", "2025-03-10"),
        ({"0010,1010": "063Y", "0010,0030": "19600310", "0008,0020": "20250310"}, 65.0, None, "2025-03-10"),
        ({"0010,1010": "018M", "0010,0040": "M"}, 1.5, "M", None),
        ({"0010,1010": "", "0010,0040": "O", "0008,0022": "2025.13.40"}, None, None, None),
        ({"0010,0030": "20260101", "0008,0020": "20250310", "0010,1010": "000Y"}, None, None, "2025-03-10"),
    ],
)
def test_age_sex_and_date_come_from_the_dicom_tags(host, tags, age, sex, date):
    from RegionalBrainAgeSlicer.scene.dicom_facts import UIDS_ATTRIBUTE, dicom_facts

    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "series")
    assert dicom_facts(volume, Database(tags)).age_years is None, "not from DICOM"
    volume.SetAttribute(UIDS_ATTRIBUTE, "1.2.3 1.2.4")
    facts = dicom_facts(volume, Database(tags))
    assert facts.age_years == age
    assert facts.sex == sex
    assert (facts.scan_date.isoformat() if facts.scan_date else None) == date
    assert dicom_facts(volume, None).sex is None
