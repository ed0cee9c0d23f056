"""One 3D volume out of a folder of DICOM files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry.image import Image, from_sitk
from .image_checks import MAXIMUM_SPACING_MM, SPACING_TOLERANCE_MM, check_claims

MODALITY, DESCRIPTION, POSITION, ORIENTATION = "0008|0060", "0008|103e", "0020|0032", "0020|0037"
# Fewer slices of 2 mm do not cover a head.
MINIMUM_SLICES = 50
GAP_TOLERANCE_FRACTION = 0.1


@dataclass(frozen=True)
class Series:
    """The files of one DICOM series in slice order, and what its header says."""

    files: tuple[str, ...]
    description: str
    modality: str

    def __str__(self) -> str:
        return f"'{self.description or 'no description'}' ({self.modality or '?'}, {len(self.files)} files)"


def read_dicom_folder(folder: Path) -> tuple[Image, list[str]]:
    """The 3D series of a folder, float32.

    With several series the one that can be a 3D T1 is taken and named in a warning.

    Raises
    ------
    InputError : no DICOM series, several that could be meant, CT, or missing slices.
    """
    found = [_described(folder, uid) for uid in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))]
    if not found:
        raise InputError(f"The folder {folder} holds no DICOM series.", "Name the folder that holds the slices itself.")
    series = _chosen(folder, found)
    if series.modality == "CT":
        raise InputError(f"The DICOM series {series} in {folder} is CT.", "Give a T1-weighted MRI of the same head.")
    _check_gaps(folder, series)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(series.files)
    reader.SetOutputPixelType(sitk.sitkFloat32)
    try:
        volume = reader.Execute()
    except RuntimeError as error:
        raise InputError(
            f"The DICOM series {series} in {folder} cannot be read.", "Export the series again, uncompressed."
        ) from error
    check_claims(f"The DICOM folder {folder}", volume.GetSize(), 4, int(np.prod(volume.GetSize())) * 4, packed=False)
    warnings = [f"{folder} holds {len(found)} DICOM series; {series} was read."] if len(found) > 1 else []
    return from_sitk(volume), warnings


def _described(folder: Path, uid: str) -> Series:
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid)
    tags = _tags(files[0])
    return Series(files, tags.get(DESCRIPTION, "").strip(), tags.get(MODALITY, "").strip())


def _tags(file: str) -> dict[str, str]:
    reader = sitk.ImageFileReader()
    reader.SetFileName(file)
    reader.SetImageIO("GDCMImageIO")
    reader.ReadImageInformation()
    return {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}


def _chosen(folder: Path, found: list[Series]) -> Series:
    if len(found) == 1:
        return found[0]
    whole = [s for s in found if len(s.files) >= MINIMUM_SLICES and s.modality != "CT"]
    named = [
        s for s in whole if any(word in s.description.lower() for word in ("t1", "mprage", "spgr", "bravo", "tfe"))
    ]
    candidates = named or whole
    if len(candidates) != 1:
        listed = "; ".join(str(s) for s in found)
        raise InputError(
            f"The folder {folder} holds {len(found)} DICOM series and it is not clear which is the T1: {listed}.",
            "Put the slices of the T1-weighted series into a folder of their own.",
        )
    return candidates[0]


def _check_gaps(folder: Path, series: Series) -> None:
    if len(series.files) == 1:
        return
    tags = [_tags(file) for file in series.files]
    try:
        positions = np.array([[float(x) for x in t[POSITION].split("\\")] for t in tags])
        row, column = np.array([float(x) for x in tags[0][ORIENTATION].split("\\")]).reshape(2, 3)
    except (KeyError, ValueError) as error:
        raise InputError(
            f"The DICOM series {series} in {folder} does not say where its slices lie.", "Export the series again."
        ) from error
    gaps_mm = np.diff(np.sort(positions @ np.cross(row, column)))
    usual_mm = float(np.median(gaps_mm))
    if usual_mm > MAXIMUM_SPACING_MM + SPACING_TOLERANCE_MM:
        raise InputError(
            f"The DICOM series {series} in {folder} has slices {usual_mm:.1f} mm apart; {MAXIMUM_SPACING_MM:g} mm is "
            "the most cortical thickness can be measured with.",
            "Give a 3D T1-weighted series (MPRAGE, SPGR).",
        )
    if usual_mm <= 0 or np.abs(gaps_mm - usual_mm).max() > GAP_TOLERANCE_FRACTION * usual_mm:
        raise InputError(
            f"The DICOM series {series} in {folder} misses slices or holds some twice (gaps of {gaps_mm.min():.2f} to "
            f"{gaps_mm.max():.2f} mm).",
            "Export the series again, complete and alone.",
        )
