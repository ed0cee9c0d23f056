"""Volumes of structures from a FreeSurfer or FastSurfer subject folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..anatomy.parcels import LESION_MARGIN_MM
from ..anatomy.structures import INTRACRANIAL, STRUCTURE_ALIASES, STRUCTURE_CODES, STRUCTURE_NAMES
from ..errors import InputError
from ..files.images import read_labels
from ..files.input_file import parsing, plain_file
from ..files.words import number_of
from ..geometry.distances import within_mm
from ..geometry.image import Image, resample
from .volumes import MAXIMUM_SPOILED_FRACTION, StructureVolumes

# FreeSurfer's own file, then FastSurfer's.
_STATS = ("aseg.stats", "aseg+DKT.stats", "aseg+DKT.VINN.stats")
_LABEL_VOLUMES = ("aseg.mgz", "aparc.a2009s+aseg.mgz", "aparc.DKTatlas+aseg.deep.mgz")
_REMEDY = "Run the FreeSurfer or FastSurfer step again; the file must be the one it wrote."
_LARGEST_MM3 = 3e5
_INTRACRANIAL_MM3 = (4e5, 6e6)


def read_volumes(folder: Path | str, lesion: Image | None = None) -> StructureVolumes:
    """Volumes from ``stats/aseg.stats`` (FreeSurfer) or ``stats/aseg+DKT.stats`` (FastSurfer).

    Parameters
    ----------
    folder : the subject's folder. Without such a file every volume is missing: thickness alone is enough for ages.
    lesion : boolean, any grid in the same scanner space; its share of each structure is counted in the label volume
        (``mri/aseg.mgz``), and structures of which more than 15 % lie in or within 3 mm of it are missing. Without a
        label volume, all of them are.

    Raises
    ------
    InputError : a damaged file, or volumes that no head has.
    """
    folder = Path(folder)
    count = len(STRUCTURE_NAMES)
    path = next((path for name in _STATS if (path := folder / "stats" / name).exists()), None)
    if path is None:
        return _volumes(np.full(count, np.nan), np.zeros(count), float("nan"))
    volumes_mm3, intracranial_mm3 = _from_stats(path)
    lesioned = np.zeros(count)
    if lesion is not None and lesion.array.any():
        lesioned, spoiled = _damage(folder, lesion)
        volumes_mm3 = np.where(spoiled > MAXIMUM_SPOILED_FRACTION, np.nan, volumes_mm3)
    return _volumes(volumes_mm3, lesioned, intracranial_mm3)


def _volumes(volumes_mm3: np.ndarray, lesioned_fraction: np.ndarray, intracranial_mm3: float) -> StructureVolumes:
    def by_name(values: np.ndarray) -> dict[str, float]:
        return dict(zip(STRUCTURE_NAMES, map(float, values), strict=True))

    return StructureVolumes(by_name(volumes_mm3), by_name(lesioned_fraction), intracranial_mm3)


def _from_stats(path: Path) -> tuple[np.ndarray, float]:
    name = f"The file {path}"
    plain_file(path, name)
    with parsing(name, _REMEDY):
        lines = path.read_text(encoding="utf-8").splitlines()
    header = next((line.split()[2:] for line in lines if line.startswith("# ColHeaders")), None)
    if header is None or not {"StructName", "Volume_mm3"} <= set(header):
        raise InputError(f"{name} is not a table of volumes.", _REMEDY)
    found: dict[str, float] = {}
    for line in lines:
        if line.startswith("#") or not line.strip():
            continue
        cells = line.split()
        if len(cells) < len(header):
            raise InputError(f"{name} has a damaged line: '{line.strip()[:60]}'.", _REMEDY)
        row = dict(zip(header, cells, strict=False))
        structure = STRUCTURE_ALIASES.get(row["StructName"], row["StructName"])
        if structure in STRUCTURE_CODES:
            found[structure] = _volume(name, line, row["Volume_mm3"], 0.0, _LARGEST_MM3)
    if len(found) < len(STRUCTURE_NAMES) // 2:
        raise InputError(f"{name} holds {len(found)} of {len(STRUCTURE_NAMES)} structures: it was cut off.", _REMEDY)
    volumes_mm3 = np.array([found.get(structure, np.nan) for structure in STRUCTURE_NAMES])
    return np.where(volumes_mm3 > 0, volumes_mm3, np.nan), _intracranial(name, lines)


def _intracranial(name: str, lines: list[str]) -> float:
    """From ``# Measure EstimatedTotalIntraCranialVol, eTIV, <words>, 1400000.0, mm^3``."""
    for line in lines:
        if line.startswith("# Measure") and INTRACRANIAL in line:
            cells = [cell.strip() for cell in line.split(",")]
            return _volume(name, line, cells[-2] if len(cells) > 1 else "", *_INTRACRANIAL_MM3)
    return float("nan")


def _volume(name: str, line: str, text: str, low: float, high: float) -> float:
    try:
        value = number_of(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise InputError(f"{name} has a damaged line: '{line.strip()[:60]}'.", _REMEDY)
    return value


def _damage(folder: Path, lesion: Image) -> tuple[np.ndarray, np.ndarray]:
    """Share of each structure in the lesion, and in or within 3 mm of it; two arrays (30,)."""
    path = next((path for name in _LABEL_VOLUMES if (path := folder / "mri" / name).exists()), None)
    if path is None:
        count = len(STRUCTURE_NAMES)
        return np.zeros(count), np.ones(count)
    labels = read_labels(path)
    on_labels = resample(lesion, labels, nearest=True)
    near = within_mm(on_labels, LESION_MARGIN_MM)
    codes = np.clip(labels.array, 0, 255).ravel().astype(np.intp)
    total = np.bincount(codes, minlength=256)
    shares = []
    for mask in (np.asarray(on_labels.array, dtype=bool), near):
        inside = np.bincount(codes[mask.ravel()], minlength=256)
        shares.append(np.array([inside[code] / max(total[code], 1) for code in STRUCTURE_CODES.values()]))
    return shares[0], shares[1]
