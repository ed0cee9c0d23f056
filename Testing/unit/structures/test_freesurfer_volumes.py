"""Volumes from FreeSurfer folders: a real subject, made files, and damaged ones."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from RegionalBrainAgeLib.anatomy.structures import STRUCTURE_CODES
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.geometry.image import Image
from RegionalBrainAgeLib.structures.freesurfer import read_volumes

HEADER = "# ColHeaders  Index SegId NVoxels Volume_mm3 StructName"


def make_subject(folder, name="aseg.stats", drop=()):
    lines = [
        "# Measure EstimatedTotalIntraCranialVol, eTIV, Estimated Total Intracranial Volume, 1500000.0, mm^3",
        HEADER,
    ]
    for number, (structure, code) in enumerate(STRUCTURE_CODES.items(), 1):
        if structure not in drop:
            lines.append(f"{number} {code} 10 {1000.0 + number} {structure}")
    (folder / "stats").mkdir()
    (folder / "stats" / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["aseg.stats", "aseg+DKT.stats"])
def test_volumes_come_in_the_order_of_the_structures(tmp_path, name):
    found = read_volumes(make_subject(tmp_path, name, drop=("CSF",)))
    assert found.arrays()[0][0] == 1001.0
    assert np.isnan(found.volume_mm3["CSF"])
    assert np.isfinite(found.arrays()[0]).sum() == 29  # grey matter of the sides needs the cortex too
    assert found.intracranial_mm3 == 1.5e6


@pytest.mark.data
def test_a_real_subject_of_an_older_freesurfer_is_read(shared_data):
    """Numbers looked up in its aseg.stats; its thalamus is called Left-Thalamus-Proper."""
    found = read_volumes(shared_data / "heads" / "freesurfer" / "sub-0001")
    of = found.volume_mm3
    assert of["Left-Lateral-Ventricle"] == 4245.9
    assert of["Left-Thalamus"] == 7311.5
    assert of["Right-Inf-Lat-Vent"] == 131.7
    assert 1e6 < found.intracranial_mm3 < 2e6


def test_a_folder_without_volumes_leaves_them_missing(tmp_path):
    found = read_volumes(tmp_path)
    assert np.isnan(found.arrays()[0]).all()
    assert np.isnan(found.intracranial_mm3)


def test_a_lesioned_structure_is_missing_and_its_neighbour_not(tmp_path):
    folder = make_subject(tmp_path)
    labels = np.zeros((60, 40, 40), dtype=np.uint8)
    labels[5:15, 5:15, 5:15] = STRUCTURE_CODES["Left-Caudate"]
    labels[40:50, 5:15, 5:15] = STRUCTURE_CODES["Right-Caudate"]
    (folder / "mri").mkdir()
    nib.save(nib.MGHImage(labels, np.eye(4)), folder / "mri" / "aseg.mgz")
    lesion = np.zeros(labels.shape, dtype=bool)
    lesion[5:10, 5:15, 5:15] = True
    found = read_volumes(folder, Image(lesion, np.eye(4)))
    assert np.isnan(found.volume_mm3["Left-Caudate"])
    assert found.lesioned_fraction["Left-Caudate"] == pytest.approx(0.5)
    assert np.isfinite(found.volume_mm3["Right-Caudate"])


@pytest.mark.parametrize("damage", ["1e9", "abc", "-5", ""])
def test_a_damaged_line_is_refused_with_its_place(tmp_path, damage):
    path = make_subject(tmp_path) / "stats" / "aseg.stats"
    text = path.read_text(encoding="utf-8").replace("1003.0", damage)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"aseg\.stats"):
        read_volumes(tmp_path)


def test_a_file_that_was_cut_off_is_refused(tmp_path):
    path = make_subject(tmp_path) / "stats" / "aseg.stats"
    whole = path.read_text(encoding="utf-8").splitlines()
    for lines in (8, len(whole) - 5):
        path.write_text("\n".join(whole[:lines]), encoding="utf-8")
        with pytest.raises(InputError, match="cut off"):
            read_volumes(tmp_path)
    path.write_text("\n".join([*whole, whole[-1]]), encoding="utf-8")
    with pytest.raises(InputError, match="CSF twice"):
        read_volumes(tmp_path)


def test_grey_matter_of_a_side_is_its_cortex_and_its_grey_structures(tmp_path):
    """Structure number n of `make_subject` measures 1000 + n mm3."""
    folder = make_subject(tmp_path)
    stats = folder / "stats" / "aseg.stats"
    cortex = "# Measure lhCortex, lhCortexVol, Left hemisphere cortical gray matter volume, 250000.5, mm^3\n"
    stats.write_text(cortex + stats.read_text(encoding="utf-8"), encoding="utf-8")
    found = read_volumes(folder).volume_mm3
    gray = ["Cerebellum-Cortex", "Thalamus", "Caudate", "Putamen", "Pallidum", "Hippocampus", "Amygdala", "VentralDC"]
    parts = sum(found[f"Left-{kind}"] for kind in (*gray, "Accumbens-area"))
    assert found["Left-Gray-Matter"] == pytest.approx(250000.5 + parts)
    assert np.isnan(found["Right-Gray-Matter"])  # its cortex is not told


@pytest.mark.data
def test_both_sides_of_a_real_subject_are_its_total_grey_matter(shared_data):
    """TotalGrayVol in its aseg.stats; it counts 1 ml or so that belongs to no structure with a label."""
    found = read_volumes(shared_data / "heads" / "freesurfer" / "sub-0001").volume_mm3
    assert found["Left-Gray-Matter"] + found["Right-Gray-Matter"] == pytest.approx(710825.25, rel=0.005)
