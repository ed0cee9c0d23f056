"""One 3D volume out of a folder of DICOM files: every slice's header is judged before a voxel is read.

Slices of one series become a volume only where they are one: same size, spacing, orientation, signal; evenly spaced
along their normal. An enhanced multi-frame file is read frame by frame, by position, whatever the frames' order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset

from ..errors import InputError
from ..geometry.image import RAS_FROM_LPS, Image
from .image_checks import MAXIMUM_COMPRESSION, MAXIMUM_SPACING_MM, MAXIMUM_VOXELS, SPACING_TOLERANCE_MM
from .input_file import parsing

# Fewer slices of 2 mm do not cover a head.
MINIMUM_SLICES = 50
GAP_TOLERANCE_FRACTION = 0.1
# Direction cosines and spacings are stored rounded; slices may not wander sideways by more than this.
_SAME_DIRECTION, _SAME_SPACING_MM, _SIDEWAYS_MM = 1e-3, 1e-3, 0.5
_T1_WORDS = ("t1", "mprage", "spgr", "bravo", "tfe")
_TAGS = [
    *("SOPClassUID", "Modality", "SeriesInstanceUID", "SeriesDescription", "ImageType", "ComplexImageComponent"),
    *("NumberOfFrames", "Rows", "Columns", "BitsAllocated", "SamplesPerPixel", "PhotometricInterpretation"),
    *("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "PatientID", "EchoTime"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
]
_EXPORT = "Export the series again from the scanner or archive, complete and uncompressed."
_MAGNITUDE = "magnitude"
_OTHER_IMAGES = {"P": "phase", "PHASE": "phase", "R": "real part", "REAL": "real part", "I": "imaginary part"}
_OTHER_IMAGES["IMAGINARY"] = "imaginary part"


@dataclass(frozen=True)
class Slice:
    """One image plane: where it lies (LPS, mm), where its pixels are, and what must be alike in all planes.

    Parameters
    ----------
    alike : by what it is (the echo time, ...), as text; "" where the file does not say.
    """

    file: Path
    frame: int
    header: Dataset
    position: np.ndarray
    orientation: np.ndarray
    spacing_mm: np.ndarray
    alike: dict[str, str]


@dataclass(frozen=True)
class Series:
    """The files of one DICOM series, and what the first header says."""

    files: tuple[tuple[Path, Dataset], ...]

    @property
    def first(self) -> Dataset:
        """Header of the first file."""
        return self.files[0][1]

    @property
    def description(self) -> str:
        """SeriesDescription, empty where there is none."""
        return str(self.first.get("SeriesDescription", "")).strip()

    @property
    def modality(self) -> str:
        """Modality, as MR; empty where there is none."""
        return str(self.first.get("Modality", "")).strip()

    @property
    def images(self) -> int:
        """Number of slices, with every frame of files that hold several."""
        return sum(_count(header) for _, header in self.files)

    def __str__(self) -> str:
        what = "files" if len(self.files) > 1 or self.images == 1 else f"file of {self.images} frames"
        return f"'{self.description or 'no description'}' ({self.modality or '?'}, {len(self.files)} {what})"


def read_dicom_folder(folder: Path) -> tuple[Image, list[str]]:
    """The 3D series of a folder, float32.

    With several series the one that can be a 3D T1 is taken and named in a warning.

    Raises
    ------
    InputError : no DICOM series, several that could be meant, another modality or signal than magnitude MR, slices
        that are damaged, missing, of different geometry or without a place in space.
    """
    found, series = _series_to_read(folder)
    slices = _planes(folder, series)
    with parsing(_name(folder, series), _EXPORT):
        image = Image(_pixels(slices), _ras_from_ijk(slices))
    warnings = [f"{folder} holds {len(found)} DICOM series; {series} was read."] if len(found) > 1 else []
    return image, warnings


def planes_of_series(folder: Path) -> list[Slice]:
    """The planes of the series that `read_dicom_folder` reads, in the order of its image's third axis.

    Raises
    ------
    InputError : as `read_dicom_folder`.
    """
    return _planes(folder, _series_to_read(folder)[1])


def _series_to_read(folder: Path) -> tuple[list[Series], Series]:
    """All series of a folder, and the one that is meant."""
    found = _series_of(folder)
    if not found:
        raise InputError(f"The folder {folder} holds no DICOM series.", "Name the folder that holds the slices itself.")
    return found, _chosen(folder, found)


def _name(folder: Path, series: Series) -> str:
    return f"The DICOM series {series} in {folder}"


def _planes(folder: Path, series: Series) -> list[Slice]:
    name = _name(folder, series)
    with parsing(name, _EXPORT):
        _check_signal(name, series)
        slices = [plane for file, header in series.files for plane in _slices(name, file, header)]
        _check_alike(name, slices)
        return _in_order(name, slices)


def _series_of(folder: Path) -> list[Series]:
    groups: dict[str, list[tuple[Path, Dataset]]] = {}
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        header = _header(file)
        if header is not None and "Rows" in header:
            groups.setdefault(str(header.get("SeriesInstanceUID", "")), []).append((file, header))
    return [Series(tuple(files)) for files in groups.values()]


def _header(file: Path) -> Dataset | None:
    """What a file says about its image; None for a file that is no DICOM.

    Raises
    ------
    InputError : it is one, but damaged.
    """
    with file.open("rb") as stream:
        marked = stream.read(132)[128:] == b"DICM"
    if not marked and file.suffix.lower() not in (".dcm", ".ima"):
        return None
    with parsing(f"The DICOM file {file}", _EXPORT):
        header = pydicom.dcmread(file, stop_before_pixels=True, force=not marked, specific_tags=_TAGS)
        if "Rows" in header:
            _check_claims(file, header)
        elif not marked:
            raise ValueError("it holds no image")
    return header


def _check_claims(file: Path, header: Dataset) -> None:
    """Refuse a header that claims more pixels than the file can hold."""
    pixels = int(header.Rows) * int(header.Columns) * _count(header)
    claimed = pixels * max(int(header.get("BitsAllocated", 8)), 8) // 8 * int(header.get("SamplesPerPixel", 1))
    syntax = getattr(header.file_meta, "TransferSyntaxUID", None) if hasattr(header, "file_meta") else None
    packed = syntax is not None and (syntax.is_compressed or syntax.is_deflated)
    limit = file.stat().st_size * (MAXIMUM_COMPRESSION if packed else 1)
    if pixels <= 0 or pixels > MAXIMUM_VOXELS or claimed > limit:
        raise ValueError(f"it claims {claimed / 1e6:.3g} MB of pixels and has {file.stat().st_size / 1e6:.3g} MB")


def _count(header: Dataset) -> int:
    frames = header.get("NumberOfFrames", 1)
    return int(1 if frames in (None, "") else frames)


def _chosen(folder: Path, found: Sequence[Series]) -> Series:
    if len(found) == 1:
        return found[0]
    whole = [s for s in found if s.images >= MINIMUM_SLICES and s.modality == "MR"]
    named = [s for s in whole if any(word in s.description.lower() for word in _T1_WORDS)]
    candidates = named or whole
    if len(candidates) != 1:
        listed = "; ".join(str(s) for s in found)
        raise InputError(
            f"The folder {folder} holds {len(found)} DICOM series and it is not clear which is the T1: {listed}.",
            "Put the slices of the T1-weighted series into a folder of their own.",
        )
    return candidates[0]


def _check_signal(name: str, series: Series) -> None:
    """Grey values of MR in every file."""
    for file, header in series.files:
        modality = str(header.get("Modality", "")).strip()
        if modality != "MR":
            raise InputError(
                f"{name} is {modality or 'of no stated modality'}, not MR.", "Give a T1-weighted MRI of the same head."
            )
        grey = str(header.get("PhotometricInterpretation", "")).strip()
        if grey != "MONOCHROME2" or int(header.get("SamplesPerPixel", 1)) != 1:
            raise InputError(f"{name} holds colours or inverted grey values ({grey or '?'} in {file.name}).", _EXPORT)


def _kind_of(header: Dataset) -> str:
    """Magnitude, or what else an image (or, by `FrameType`, a frame) is of the complex signal."""
    values = [header.get("ComplexImageComponent"), *(header.get("ImageType") or ()), *(header.get("FrameType") or ())]
    for value in values:  # as PHASE, PHASE MAP, P_FFE
        word = re.split("[ _]", str(value or "").strip().upper())[0]
        if word in _OTHER_IMAGES:
            return _OTHER_IMAGES[word]
    return _MAGNITUDE


def _slices(name: str, file: Path, header: Dataset) -> list[Slice]:
    """The planes of a file: one, or the frames of an enhanced one.

    Raises
    ------
    InputError : a plane does not say where it lies.
    """
    if _count(header) == 1 and "PerFrameFunctionalGroupsSequence" not in header:
        return [_slice(name, file, 0, header, lambda _: header)]
    shared = (header.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    frames = header.get("PerFrameFunctionalGroupsSequence") or []
    if len(frames) != _count(header):
        raise InputError(
            f"{name} has {_count(header)} frames in {file.name}, but says of {len(frames)} where they lie.",
            "Convert it with dcm2niix and give the NIfTI file.",
        )

    def groups_of(own: Dataset) -> Callable[[str], Dataset]:
        return lambda keyword: next(iter(own.get(keyword) or shared.get(keyword) or ()), Dataset())

    return [_slice(name, file, number, header, groups_of(own)) for number, own in enumerate(frames)]


def _slice(name: str, file: Path, frame: int, header: Dataset, group: Callable[[str], Dataset]) -> Slice:
    """A plane of a file; `group` gives what a functional group says of it (without groups, the header itself)."""

    def numbers(source: Dataset, keyword: str, count: int, what: str) -> np.ndarray:
        values: Any = source.get(keyword)
        found = np.array([float(value) for value in values], dtype=float) if values else np.full(count, np.nan)
        if found.shape != (count,) or not np.isfinite(found).all():
            raise InputError(
                f"{name} does not say {what} in {file.name}: its {keyword} is missing or damaged.", _EXPORT
            )
        return found

    spacing_mm = numbers(group("PixelMeasuresSequence"), "PixelSpacing", 2, "how large its pixels are")
    if spacing_mm.min() <= 0:
        raise InputError(f"{name} has pixels without a size in {file.name}.", _EXPORT)
    return Slice(
        file,
        frame,
        header,
        numbers(group("PlanePositionSequence"), "ImagePositionPatient", 3, "where its slices lie"),
        numbers(group("PlaneOrientationSequence"), "ImageOrientationPatient", 6, "how its slices are turned"),
        spacing_mm,
        _alike(header, group),
    )


def _alike(header: Dataset, group: Callable[[str], Dataset]) -> dict[str, str]:
    echo, scaling = group("MREchoSequence"), group("PixelValueTransformationSequence")
    echo_ms = echo.get("EffectiveEchoTime") or echo.get("EchoTime")
    kinds = {_kind_of(header), _kind_of(group("MRImageFrameTypeSequence"))}
    return {
        "images": " and ".join(sorted(kinds - {_MAGNITUDE})) or _MAGNITUDE,
        "patients": str(header.get("PatientID") or "").strip(),
        "echo times": f"{float(echo_ms):.1f} ms" if echo_ms else "",
        # Of frames alone: GDCM applies the first frame's to all of a file.
        "scalings": f"{scaling.get('RescaleSlope', '')} {scaling.get('RescaleIntercept', '')}".strip(),
    }


def _check_alike(name: str, slices: Sequence[Slice]) -> None:
    """One person's magnitude images of one echo."""
    for what in slices[0].alike:
        found = sorted({plane.alike[what] for plane in slices})
        if what == "images" and found != [_MAGNITUDE]:
            raise InputError(f"{name} holds {', '.join(found)} images.", "Give the magnitude images of the T1 alone.")
        if len(found) > 1 and what == "patients":  # who they are is not repeated
            raise InputError(f"{name} holds slices of {len(found)} patients.", "Export each person's series again.")
        if len(found) > 1:
            listed = ", ".join(value or "none" for value in found[:3])
            raise InputError(
                f"{name} holds slices of {len(found)} {what} ({listed}).",
                "Put the slices of one image into a folder of their own, or convert it with dcm2niix.",
            )


def _in_order(name: str, slices: list[Slice]) -> list[Slice]:
    """The slices along their normal, after checking that they are one volume."""
    first = slices[0]
    row, column = first.orientation.reshape(2, 3)
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if not np.allclose([*lengths, row @ column + 1], 1.0, atol=0.01):
        raise InputError(f"{name} has slices whose axes are not at right angles.", _EXPORT)
    for plane in slices:
        same_size = (plane.header.Rows, plane.header.Columns) == (first.header.Rows, first.header.Columns)
        if not same_size or not np.allclose(plane.spacing_mm, first.spacing_mm, atol=_SAME_SPACING_MM):
            raise InputError(f"{name} holds slices of different sizes ({plane.file.name}).", _EXPORT)
        if not np.allclose(plane.orientation, first.orientation, atol=_SAME_DIRECTION):
            raise InputError(f"{name} holds a slice turned differently than the others ({plane.file.name}).", _EXPORT)
    if len(slices) == 1:
        raise InputError(f"{name} is a single slice.", "Give a 3D T1-weighted series (MPRAGE, SPGR).")
    voxels = len(slices) * int(first.header.Rows) * int(first.header.Columns)
    if voxels > MAXIMUM_VOXELS:
        raise InputError(f"{name} claims {voxels / 1e6:.0f} million voxels, more than a head has.", _EXPORT)
    normal = np.cross(row, column)
    slices = sorted(slices, key=lambda plane: float(plane.position @ normal))
    positions = np.array([plane.position for plane in slices])
    along_mm = positions @ normal
    _check_gaps(name, np.diff(along_mm))
    expected = positions[0] + np.outer(along_mm - along_mm[0], normal)
    if np.linalg.norm(positions - expected, axis=1).max() > _SIDEWAYS_MM:
        raise InputError(
            f"{name} has slices that are not stacked straight (a tilted gantry, or a moved slice).",
            "Convert it with dcm2niix and give the NIfTI file.",
        )
    return slices


def _check_gaps(name: str, gaps_mm: np.ndarray) -> None:
    usual_mm = float(np.median(gaps_mm))
    if usual_mm > MAXIMUM_SPACING_MM + SPACING_TOLERANCE_MM:
        raise InputError(
            f"{name} has slices {usual_mm:.1f} mm apart; {MAXIMUM_SPACING_MM:g} mm is the most cortical thickness can "
            "be measured with.",
            "Give a 3D T1-weighted series (MPRAGE, SPGR).",
        )
    if usual_mm <= 0 or np.abs(gaps_mm - usual_mm).max() > GAP_TOLERANCE_FRACTION * usual_mm:
        raise InputError(
            f"{name} misses slices or holds some twice (gaps of {gaps_mm.min():.2f} to {gaps_mm.max():.2f} mm).",
            "Export the series again, complete and alone.",
        )


def _ras_from_ijk(slices: Sequence[Slice]) -> np.ndarray:
    first, last = slices[0], slices[-1]
    row, column = first.orientation.reshape(2, 3)
    lps = np.eye(4)
    # PixelSpacing is (between rows, between columns); i runs along a row.
    lps[:3, 0], lps[:3, 1] = row * first.spacing_mm[1], column * first.spacing_mm[0]
    lps[:3, 2] = (last.position - first.position) / (len(slices) - 1)
    lps[:3, 3] = first.position
    return RAS_FROM_LPS @ lps


def _pixels(slices: Sequence[Slice]) -> np.ndarray:
    """Float32, axes (along a row, along a column, slice); GDCM applies each file's own slope and intercept."""
    first = slices[0]
    volume = np.empty((int(first.header.Columns), int(first.header.Rows), len(slices)), np.float32)
    file, frames = None, np.empty(0)
    for index, plane in enumerate(slices):
        if plane.file != file:
            file, frames = plane.file, _frames(plane.file)
        volume[:, :, index] = frames[plane.frame].T
    return volume


def _frames(file: Path) -> np.ndarray:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(file))
    reader.SetImageIO("GDCMImageIO")
    reader.SetOutputPixelType(sitk.sitkFloat32)
    array = sitk.GetArrayFromImage(reader.Execute())
    return array if array.ndim == 3 else array[None]
