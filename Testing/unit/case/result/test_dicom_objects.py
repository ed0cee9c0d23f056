"""DICOM results read back by highdicom and pydicom: patient, names, and every voxel in its place."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_series import PATIENT, write_series
from made_up_head import made_up_result, made_up_volumes
from RegionalBrainAgeLib.case.measure_head import Head, Scan
from RegionalBrainAgeLib.case.pipeline import run_case
from RegionalBrainAgeLib.case.report.page import report_html
from RegionalBrainAgeLib.case.report.pdf import report_pdf
from RegionalBrainAgeLib.case.result.dicom_objects import _told, write_dicom
from RegionalBrainAgeLib.case.result.dicom_source import read_dicom_source
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.dicom import read_dicom_folder
from RegionalBrainAgeLib.geometry.image import Image, to_canonical
from shared_folder import REPORTS

highdicom = pytest.importorskip("highdicom")
pytest.importorskip("weasyprint")
RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def stored_as(image: Image, axes: tuple[int, int, int], flipped: tuple[int, ...]) -> Image:
    """The same voxels in another storage order."""
    array, affine = image.array.transpose(axes), image.ras_from_ijk[:, [*axes, 3]]
    for axis in flipped:
        array = np.flip(array, axis)
        mirror = np.eye(4)
        mirror[axis, axis], mirror[axis, 3] = -1, array.shape[axis] - 1
        affine = affine @ mirror
    return Image(array, affine)


def segments_of(path: Path) -> dict[str, np.ndarray]:
    """Where the voxels of each segment lie (RAS, mm), by its label, as highdicom reads them."""
    file = highdicom.seg.segread(path)
    found = {}
    for number in file.segment_numbers:
        volume = file.get_volume(segment_numbers=[number])
        ijk = np.argwhere(np.asarray(volume.array)[..., 0] > 0)
        ras_from_ijk = RAS_FROM_LPS @ volume.affine
        found[file.get_segment_description(number).SegmentLabel] = ijk @ ras_from_ijk[:3, :3].T + ras_from_ijk[:3, 3]
    return found


def assert_fills(ras: np.ndarray, mask: Image) -> None:
    """The points are the voxels of the mask: each of them, once, and to a fiftieth of a millimetre."""
    to_ijk = np.linalg.inv(mask.ras_from_ijk)
    ijk = ras @ to_ijk[:3, :3].T + to_ijk[:3, 3]
    np.testing.assert_allclose(ijk, np.rint(ijk), atol=0.01)
    assert sorted(map(tuple, np.rint(ijk).astype(int))) == sorted(map(tuple, np.argwhere(mask.array)))


@pytest.fixture(scope="module", params=["axial", "sagittal, oblique"])
def written(request, tmp_path_factory):
    """DICOM results of a made-up head that came as a series, with what they were made from."""
    folder = tmp_path_factory.mktemp("dicom")
    volumes = made_up_volumes(angle_degrees=0 if request.param == "axial" else 12)
    axes, flipped = ((0, 1, 2), (0, 1)) if request.param == "axial" else ((1, 2, 0), (1,))
    write_series(stored_as(volumes.t1, axes, flipped), folder / "series")
    stored, _ = read_dicom_folder(folder / "series")
    case = replace(made_up_result().case, t1=folder / "series")
    result = replace(made_up_result(estimable=True), case=case)
    grid = stored.like(np.zeros(stored.shape, np.uint8))
    scan = Scan(to_canonical(stored), volumes.lesion, grid, "mask", ())
    # What is measured lies in the canonical order of the series as it was read.
    same = to_canonical(stored).ras_from_ijk
    np.testing.assert_allclose(same, volumes.t1.ras_from_ijk, atol=1e-4)
    head = Head(volumes, None, None, None, ())
    pdf = report_pdf(report_html(result, {}))
    write_dicom(folder / "out", result, head, scan, read_dicom_source(case), pdf)
    return folder, result, volumes, pdf


@pytest.mark.parametrize(("simulated", "ending"), [((), "(research only)"), (("lesion",), "(simulated)")])
def test_the_title_of_the_longest_case_id_fits_and_says_what_it_is_for(simulated, ending):
    result = made_up_result()
    result = replace(result, case=replace(result.case, case_id="a" * 64, simulated=simulated))
    title = _told(f"Regional brain age, {result.case.name}", result)
    assert len(title) == 64
    assert title.endswith(ending)


def test_the_lesion_lies_on_the_series_voxel_by_voxel(written):
    folder, _, volumes, _ = written
    found = segments_of(folder / "out" / "sub-07_lesion.dcm")
    assert list(found) == ["Lesion"]
    assert_fills(found["Lesion"], volumes.lesion)


def test_every_region_is_a_segment_with_its_name_and_full_extent(written):
    folder, result, volumes, _ = written
    found = segments_of(folder / "out" / "sub-07_regions.dcm")
    assert list(found) == [
        *("FPN_L: Frontoparietal, left", "FPN_R: Frontoparietal, right", "VIS_L: Visual, left", "VIS_R: Visual, right")
    ]
    for place, mask in zip(found.values(), volumes.regions.masks(), strict=True):
        assert_fills(place, mask)
    file = pydicom.dcmread(folder / "out" / "sub-07_regions.dcm")
    sides = [
        segment.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning
        for segment in file.SegmentSequence
    ]
    assert sides == [{"L": "Left", "R": "Right"}[row.hemisphere] for row in result.regions]


def test_results_belong_to_the_patient_study_and_space_of_the_series(written):
    folder, *_ = written
    source = pydicom.dcmread(folder / "series" / "000.dcm")
    for name in ("report", "lesion", "regions"):
        file = pydicom.dcmread(folder / "out" / f"sub-07_{name}.dcm")
        assert file.StudyInstanceUID == source.StudyInstanceUID
        assert file.SeriesInstanceUID != source.SeriesInstanceUID
        assert {keyword: str(file[keyword].value) for keyword in PATIENT} == PATIENT
        if name != "report":
            assert file.FrameOfReferenceUID == source.FrameOfReferenceUID
            assert (file.Rows, file.Columns) == (source.Rows, source.Columns)
            np.testing.assert_allclose(
                file.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing, source.PixelSpacing
            )


def test_the_report_is_the_pdf_byte_by_byte(written):
    folder, _, _, pdf = written
    file = pydicom.dcmread(folder / "out" / "sub-07_report.dcm")
    assert file.SOPClassUID.name == "Encapsulated PDF Storage"
    assert file.MIMETypeOfEncapsulatedDocument == "application/pdf"
    assert file.EncapsulatedDocument[: file.EncapsulatedDocumentLength] == pdf
    assert pdf.startswith(b"%PDF")
    assert file.DocumentTitle == "Regional brain age, sub-07 (research only)"


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not installed")
def test_dciodvfy_finds_no_error(written):
    folder, *_ = written
    for path in sorted((folder / "out").iterdir()):
        run = subprocess.run(["dciodvfy", str(path)], capture_output=True, encoding="latin-1", check=False)
        assert [line for line in run.stderr.splitlines() if line.startswith("Error")] == [], path.name


def test_frames_of_an_enhanced_file_keep_their_order(tmp_path):
    file = pydicom.dcmread(REPORTS / "A07_enhanced" / "e.dcm")
    order = np.random.default_rng(1).permutation(int(file.NumberOfFrames))
    file.PixelData = file.pixel_array[order].tobytes()
    file.PerFrameFunctionalGroupsSequence = [file.PerFrameFunctionalGroupsSequence[i] for i in order]
    for keyword, value in PATIENT.items():
        setattr(file, keyword, value)
    file.StudyInstanceUID = file.FrameOfReferenceUID = highdicom.UID()
    (tmp_path / "series").mkdir()
    file.save_as(tmp_path / "series" / "e.dcm")
    stored, _ = read_dicom_folder(tmp_path / "series")
    canonical = to_canonical(stored)
    bright = canonical.like(canonical.array == 200)
    volumes = replace(made_up_volumes(), lesion=bright)
    regions = replace(volumes.regions, codes=canonical.like(np.where(bright.array, 1, 0).astype(np.int16)))
    head = Head(replace(volumes, regions=regions), None, None, None, ())
    result = replace(made_up_result(), case=replace(made_up_result().case, t1=tmp_path / "series"))
    scan = Scan(canonical, bright, stored.like(np.zeros(stored.shape, np.uint8)), "mask", ())
    write_dicom(tmp_path / "out", result, head, scan, read_dicom_source(result.case), b"%PDF-")
    lesion = segments_of(tmp_path / "out" / "sub-07_lesion.dcm")["Lesion"]
    assert_fills(lesion, stored.like(stored.array == 200))


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"PatientID": None}, "lacks PatientID"),
        ({"PatientID": ""}, "lacks PatientID"),
        ({"StudyInstanceUID": None, "FrameOfReferenceUID": None}, "StudyInstanceUID, FrameOfReferenceUID"),
        ({"PatientSex": "M"}, "says sex M, the case F"),
        ({"PatientBirthDate": "19800101"}, "44 years at the scan, the case 60"),
    ],
)
def test_a_series_that_results_cannot_be_filed_with_is_refused_before_any_work(tmp_path, tags, said):
    write_series(made_up_volumes().t1, tmp_path / "series", **tags)
    case = replace(made_up_result().case, t1=tmp_path / "series")
    with pytest.raises(InputError, match=said) as caught:
        run_case(case, tmp_path / "out", dicom=True)
    assert caught.value.remedy
    assert not (tmp_path / "out").exists()


def test_a_t1_that_is_no_dicom_is_refused_by_name(tmp_path):
    (tmp_path / "head.nii.gz").touch()
    with pytest.raises(InputError, match=r"the T1 is head\.nii\.gz.*--t1.*leave --dicom out"):
        run_case(replace(made_up_result().case, t1=tmp_path / "head.nii.gz"), tmp_path / "out", dicom=True)
    assert not (tmp_path / "out").exists()


def test_an_absent_package_is_named_with_its_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    write_series(made_up_volumes().t1, tmp_path / "series")
    with pytest.raises(InputError, match=r"highdicom.*regional-brain-age\[dicom\]"):
        run_case(replace(made_up_result().case, t1=tmp_path / "series"), tmp_path / "out", dicom=True)


def test_dates_that_are_none_and_an_age_that_agrees_are_let_through(tmp_path):
    for number, tags in enumerate([{"PatientBirthDate": ""}, {"StudyDate": None}, {"PatientSex": "O"}]):
        write_series(made_up_volumes().t1, tmp_path / str(number), **tags)
        source = read_dicom_source(replace(made_up_result().case, t1=tmp_path / str(number)))
        assert len(source.images) == made_up_volumes().t1.shape[2]
