"""Volumes of structures from a FreeSurfer or FastSurfer subject folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..anatomy.parcels import LESION_MARGIN_MM
from ..anatomy.structures import (
    GRAY_MATTER,
    GRAY_STRUCTURES,
    INTRACRANIAL,
    STRUCTURE_ALIASES,
    STRUCTURE_CODES,
    STRUCTURE_NAMES,
)
from ..errors import InputError
from ..files.freesurfer_stats import REMEDY, StatsTable, read_stats, volume_tables
from ..files.images import read_labels
from ..files.words import number_of
from ..geometry.distances import within_mm
from ..geometry.image import Image, resample
from .volumes import MAXIMUM_SPOILED_FRACTION, StructureVolumes

_LABEL_VOLUMES = ("aseg.mgz", "aparc.a2009s+aseg.mgz", "aparc.DKTatlas+aseg.deep.mgz")
# FreeSurfer lists every structure, FastSurfer all but a few; a table that lacks more was cut off.
_MOST_ABSENT = 4
_LARGEST_MM3 = 3e5
_INTRACRANIAL_MM3 = (4e5, 6e6)
_CORTEX_MM3 = (2e4, 8e5)
_CORTEX_OF_SIDE = {"Left": "lhCortexVol", "Right": "rhCortexVol"}


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
    path = next(iter(volume_tables(folder)), None)
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
    table = read_stats(path, ("StructName", "Volume_mm3"), "a table of volumes")
    found: dict[str, float] = {}
    for line, row in table.rows:
        structure = STRUCTURE_ALIASES.get(row["StructName"], row["StructName"])
        if structure in found:
            raise InputError(f"{table.name} has {structure} twice.", REMEDY)
        if structure in STRUCTURE_CODES:
            found[structure] = _volume(table, line, row["Volume_mm3"], 0.0, _LARGEST_MM3)
    if len(STRUCTURE_CODES) - len(found) > _MOST_ABSENT:
        raise InputError(
            f"{table.name} holds {len(found)} of {len(STRUCTURE_CODES)} structures: it was cut off.", REMEDY
        )
    found |= _gray_matter(table, found)
    volumes_mm3 = np.array([found.get(structure, np.nan) for structure in STRUCTURE_NAMES])
    return np.where(volumes_mm3 > 0, volumes_mm3, np.nan), _measure(table, INTRACRANIAL, *_INTRACRANIAL_MM3)


def _gray_matter(table: StatsTable, found: dict[str, float]) -> dict[str, float]:
    """Grey matter of each side, mm3: its cortex and its structures; NaN where one of them is not told."""
    gray = {}
    for whole, (word, cortex) in zip(GRAY_MATTER, _CORTEX_OF_SIDE.items(), strict=True):
        parts = [found.get(f"{word}-{kind}", np.nan) for kind in GRAY_STRUCTURES]
        gray[whole] = _measure(table, cortex, *_CORTEX_MM3) + sum(parts)
    return gray


def _measure(table: StatsTable, measure: str, low: float, high: float) -> float:
    """From a line like ``# Measure EstimatedTotalIntraCranialVol, eTIV, <words>, 1400000.0, mm^3``; NaN without one."""
    for line in table.comments:
        if line.startswith("# Measure") and measure in line:
            cells = [cell.strip() for cell in line.split(",")]
            return _volume(table, line, cells[-2] if len(cells) > 1 else "", low, high)
    return float("nan")


def _volume(table: StatsTable, line: str, text: str, low: float, high: float) -> float:
    try:
        value = number_of(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise table.damaged(line)
    return value


def _damage(folder: Path, lesion: Image) -> tuple[np.ndarray, np.ndarray]:
    """Share of each structure in the lesion, and in or within 3 mm of it; two arrays (32,).

    Of a side's grey matter the label volume tells nothing: a lesion on that side keeps it from being looked at.
    """
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
        share = {name: inside[code] / max(total[code], 1) for name, code in STRUCTURE_CODES.items()}
        shares.append(np.array([share.get(name, 0.0) for name in STRUCTURE_NAMES]))
    return shares[0], shares[1]
