"""The DICOM series a T1 was read from, as far as results filed with it need it: patient, study, place of its planes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import pydicom
from pydicom.dataset import Dataset

from ...errors import InputError
from ...files.dicom import planes_of_series
from ...files.input_file import parsing
from ..case import Case

# What a result must share with its series, so that an archive files it with the right patient and viewers overlay it.
NEEDED = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID")
# Must be there but may be empty.
MAY_BE_EMPTY = (
    *("PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate", "StudyTime"),
    "ReferringPhysicianName",
)
PACKAGES = ("highdicom", "weasyprint")
INSTALL = (
    'Install it with: pip install "regional-brain-age[dicom]" (weasyprint also needs the library Pango; Debian and '
    "Ubuntu have it as libpangoft2-1.0-0)."
)
AGES_AGREE_YEARS = 1.5


@dataclass(frozen=True)
class DicomSource:
    """Headers of the series.

    Parameters
    ----------
    images : header of every file, one per plane in the order of the image's third axis; of an enhanced file, its only
        header.
    frames : for each frame of the enhanced file (or each plane) the index along the third axis where it lies.
    """

    images: tuple[Dataset, ...]
    frames: tuple[int, ...]

    @property
    def first(self) -> Dataset:
        """The first image, for what all images of a series share."""
        return self.images[0]


def read_dicom_source(case: Case) -> DicomSource:
    """The series of a case's T1, after checking that results can be filed with it.

    Raises
    ------
    InputError : the T1 did not come as DICOM, its headers lack what is needed or tell of another patient, or a package
        is not installed; the message names it.
    """
    check_packages()
    if case.t1 is None or not case.t1.is_dir():
        given = f"the T1 is {case.t1.name}" if case.t1 is not None else "there is no T1"
        raise InputError(
            f"DICOM results need patient and study of a DICOM series, but {given}.",
            "Give the folder of the T1's DICOM slices with --t1, or leave --dicom out.",
        )
    name = f"The DICOM series in {case.t1}"
    planes = planes_of_series(case.t1)
    files = list(dict.fromkeys(plane.file for plane in planes))
    if 1 < len(files) < len(planes):
        raise InputError(f"{name} lies in several multi-frame files.", "Leave --dicom out for this series.")
    with parsing(name):
        images = tuple(_with_empty(pydicom.dcmread(file, stop_before_pixels=True, force=True)) for file in files)
    for file, image in zip(files, images, strict=True):
        missing = [keyword for keyword in NEEDED if not image.get(keyword)]
        if missing:
            raise InputError(
                f"{name} lacks {', '.join(missing)} in {file.name}, so its results cannot be filed.",
                "Export the series from the archive with its headers, or leave --dicom out.",
            )
    _check_patient(name, images[0], case)
    place = {plane.frame: index for index, plane in enumerate(planes)}
    frames = range(len(planes)) if len(files) > 1 else (place[frame] for frame in sorted(place))
    return DicomSource(images, tuple(frames))


def check_packages() -> None:
    """Refuse early where a package for DICOM results is not installed.

    Raises
    ------
    InputError : it is not; the message says how to install it.
    """
    for package in PACKAGES:
        try:
            import_module(package)
        except (ImportError, OSError) as error:  # OSError: weasyprint without the library Pango
            raise InputError(f"DICOM results need the package {package} ({error}).", INSTALL) from error


def _with_empty(image: Dataset) -> Dataset:
    for keyword in MAY_BE_EMPTY:
        if keyword not in image:
            setattr(image, keyword, "")
    return image


def _check_patient(name: str, header: Dataset, case: Case) -> None:
    """Refuse to file results of one patient with another: sex and age of the series must be those of the case."""
    sex = str(header.PatientSex).strip().upper()
    if sex in ("F", "M") and sex != case.sex:
        raise InputError(f"{name} says sex {sex}, the case {case.sex}.", "Check that both are the same patient.")
    years = _age_years(header)
    own = case.known_age_years
    if years is not None and own is not None and abs(years - own) > AGES_AGREE_YEARS:
        raise InputError(
            f"{name} says an age of {years:.0f} years at the scan, the case {case.age_years:g}.",
            "Check that both are the same patient.",
        )


def _age_years(header: Dataset) -> float | None:
    """From the dates of birth and study; None where one is absent or no date."""
    try:
        born, scanned = pydicom.valuerep.DA(header.PatientBirthDate), pydicom.valuerep.DA(header.StudyDate)
    except ValueError:
        return None
    return (scanned - born).days / 365.25 if born and scanned else None
