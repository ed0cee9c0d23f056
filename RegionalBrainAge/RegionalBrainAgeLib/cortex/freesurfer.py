"""Parcel features from a FreeSurfer or FastSurfer subject folder."""

from __future__ import annotations

import math
from pathlib import Path

import nibabel as nib
import numpy as np

from ..anatomy.parcels import (
    LESION_MARGIN_MM,
    MINIMUM_MEASURED_FRACTION,
    PARCEL_NAMES,
    PARCELS_PER_HEMISPHERE,
    ParcelFeatures,
)
from ..errors import InputError
from ..files.freesurfer_stats import REMEDY, check_one_subject, read_stats, volume_tables
from ..files.images import read_labels
from ..files.input_file import parsing, plain_file
from ..geometry.coordinates import transformed, values_at
from ..geometry.distances import within_mm
from ..geometry.image import Image, resample

# The mean of a stats file cannot be freed from its lesioned vertices: a parcel with more than this share of its volume
# in or near the lesion is missing. Where the white surface is at hand those vertices are left out instead.
MAXIMUM_SPOILED_FRACTION = 0.15
# FreeSurfer leaves a parcel out that it did not find; a table that lacks more was cut off.
MOST_ABSENT_PARCELS = 7
MOST_VERTICES = 5_000_000
# The middles of the hemispheres lie some 60 mm apart.
BEYOND_MIDLINE_MM = 10.0
PLAUSIBLE_THICKNESS_MM = (0.5, 5.5)
# Codes of the label volume: 11101.. left, 12101.. right, in the order of the annotation; x142 is the medial wall.
_FIRST_CODE = {"lh": 11100, "rh": 12100}
_CODES_OF_SIDE = [number for number in range(1, 76) if number != 42]
_LABEL_VOLUME = ("mri", "aparc.a2009s+aseg.mgz")


def read_subject(folder: Path | str, lesion: Image | None = None) -> ParcelFeatures:
    """Thickness of the 148 Destrieux parcels from a subject folder.

    Read from ``stats/?h.aparc.a2009s.stats``; where those are absent, or a lesion leaves out vertices, from
    ``surf/?h.thickness`` and ``label/?h.aparc.a2009s.annot``.

    Parameters
    ----------
    folder : the subject's folder (holds stats/, surf/, label/, mri/).
    lesion : boolean, any grid in the same scanner space. Its share of each parcel is counted in
        ``mri/aparc.a2009s+aseg.mgz``, through RAS. With ``surf/?h.white`` the vertices in or within 3 mm of the lesion
        are left out, and a parcel of which less than half remains is missing; with stats alone, a parcel with more than
        15 % of its volume in or within 3 mm of the lesion is missing.

    Returns
    -------
    ParcelFeatures; `voxels` counts vertices.

    Raises
    ------
    InputError : the folder lacks the Destrieux parcels, a file is damaged, or a lesion was given without the label
        volume that tells where the parcels are.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"The FreeSurfer folder {folder} does not exist.", "Name the folder of one subject.")
    lesioned_fraction = spoiled_fraction = np.zeros(len(PARCEL_NAMES))
    if lesion is not None and lesion.array.any():
        lesioned_fraction, spoiled_fraction = _damage(folder, lesion)
    check_one_subject([*(_stats_file(folder, side) for side in ("lh", "rh")), *volume_tables(folder)])
    damaged = bool(spoiled_fraction.any())
    if damaged:
        _check_order(folder)
    thicknesses_mm, vertices = [], []
    for side in ("lh", "rh"):
        own = slice(0, PARCELS_PER_HEMISPHERE) if side == "lh" else slice(PARCELS_PER_HEMISPHERE, None)
        touched = damaged and bool(spoiled_fraction[own].any())
        if touched and _surface_files_present(folder, side, "white"):
            values, counts = _from_surface(folder, side, lesion)
        else:
            values, counts = (
                _from_stats(folder, side) if _stats_file(folder, side).exists() else _from_surface(folder, side, None)
            )
            values = np.where(spoiled_fraction[own] > MAXIMUM_SPOILED_FRACTION, np.nan, values)
        thicknesses_mm.append(values)
        vertices.append(counts)
    thickness_mm = np.concatenate(thicknesses_mm)
    _check_plausible(folder, thickness_mm)
    return ParcelFeatures(PARCEL_NAMES, thickness_mm, lesioned_fraction, np.concatenate(vertices))


def _stats_file(folder: Path, side: str) -> Path:
    return folder / "stats" / f"{side}.aparc.a2009s.stats"


def _surface_files_present(folder: Path, side: str, *more: str) -> bool:
    surfaces = [folder / "surf" / f"{side}.{name}" for name in ("thickness", *more)]
    return all(path.exists() for path in (*surfaces, _annotation(folder, side)))


def _annotation(folder: Path, side: str) -> Path:
    return folder / "label" / f"{side}.aparc.a2009s.annot"


def _from_stats(folder: Path, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean thickness (mm, NaN where absent) and vertices of a hemisphere's 74 parcels."""
    path = _stats_file(folder, side)
    table = read_stats(path, ("StructName", "NumVert", "ThickAvg"), "a parcel table of FreeSurfer")
    other = "rh" if side == "lh" else "lh"
    if table.said("hemi") == other or Path(table.said("AnnotationFile")).name.startswith(f"{other}."):
        raise _exchanged(path, side)
    found: dict[str, tuple[float, int]] = {}
    for line, row in table.rows:
        name = _parcel_name(side, row["StructName"])
        try:
            mean_mm, count = float(row["ThickAvg"]), int(row["NumVert"])
        except ValueError as error:
            raise table.damaged(line) from error
        if not math.isfinite(mean_mm):
            raise table.damaged(line)
        if name in found or mean_mm < 0 or not 0 <= count <= MOST_VERTICES:
            raise InputError(f"The file {path} has a line that cannot be: '{line.strip()[:60]}'.", REMEDY)
        found[name] = (mean_mm, count)
    _check_side(path, side, found)
    values = [found.get(name, (np.nan, 0)) for name in _names_of(side)]
    thickness = np.array([mean if count > 0 and mean > 0 else np.nan for mean, count in values])
    return thickness, np.array([count for _, count in values])


def _from_surface(folder: Path, side: str, lesion: Image | None) -> tuple[np.ndarray, np.ndarray]:
    """As `_from_stats`, from vertexwise thickness, without the vertices in or near the lesion."""
    if not _surface_files_present(folder, side):
        raise _no_destrieux(folder, side)
    remedy = "Run the FreeSurfer or FastSurfer step again."
    with parsing(f"The surfaces of {side} in {folder}", remedy):
        surface, annotation = folder / "surf" / f"{side}.thickness", _annotation(folder, side)
        _check_counts(surface, annotation)
        thickness = np.asarray(nib.freesurfer.read_morph_data(surface), dtype=float)
        label, _, names = nib.freesurfer.read_annot(annotation)
        names = [name.decode() for name in names]
    if len(label) != len(thickness):
        raise InputError(
            f"In {folder}, {side}.thickness has {len(thickness)} vertices and the annotation {len(label)}.", remedy
        )
    if not np.isfinite(thickness).all():
        raise InputError(f"In {folder}, {side}.thickness holds NaN or infinite values.", remedy)
    number = {_parcel_name(side, name): index for index, name in enumerate(names)}
    _check_side(_annotation(folder, side), side, number)
    sound = thickness > 0
    if lesion is not None:
        sound &= ~_near_lesion(folder, side, lesion)
    values, counts = [], []
    for name in _names_of(side):
        everywhere = label == number.get(name, -2)
        usable = everywhere & sound
        enough = usable.sum() > 0 and usable.sum() >= MINIMUM_MEASURED_FRACTION * everywhere.sum()
        values.append(float(thickness[usable].mean()) if enough else np.nan)
        counts.append(int(usable.sum()))
    return np.array(values), np.array(counts)


def _near_lesion(folder: Path, side: str, lesion: Image) -> np.ndarray:
    """Boolean per vertex of the white surface: in or within 3 mm of the lesion."""
    path = folder / "surf" / f"{side}.white"
    volume_path = folder.joinpath(*_LABEL_VOLUME)
    vertices = _vertices(path)
    with parsing(f"The file {volume_path}", "Run the FreeSurfer step again."):
        header = nib.MGHImage.from_filename(volume_path).header
        # Surface coordinates are FreeSurfer's own; the volume's header links them to scanner RAS.
        ras_from_surface = header.get_vox2ras() @ np.linalg.inv(header.get_vox2ras_tkr())
    return values_at(lesion.like(within_mm(lesion, LESION_MARGIN_MM)), transformed(ras_from_surface, vertices))


def _vertices(path: Path) -> np.ndarray:
    """Coordinates of a surface, FreeSurfer's own RAS (mm), shape (V, 3)."""
    plain_file(path, f"The file {path}")
    with parsing(f"The file {path}", "Run the FreeSurfer step again."):
        vertices, _ = nib.freesurfer.read_geometry(path)
        if not np.isfinite(vertices).all():
            raise ValueError("it holds NaN")
    return vertices


def _check_order(folder: Path) -> None:
    """Refuses a left surface that lies to the right of the right one."""
    paths = [folder / "surf" / f"{side}.white" for side in ("lh", "rh")]
    if all(path.exists() for path in paths):
        left_mm, right_mm = (float(_vertices(path)[:, 0].mean()) for path in paths)
        if left_mm - right_mm > BEYOND_MIDLINE_MM:
            raise _exchanged(paths[0], "lh")


def _damage(folder: Path, lesion: Image) -> tuple[np.ndarray, np.ndarray]:
    """Share of each parcel's volume in the lesion, and in or within 3 mm of it; two arrays of shape (148,)."""
    path = folder.joinpath(*_LABEL_VOLUME)
    parcels = read_parcel_volume(folder)
    if parcels is None:
        raise InputError(
            f"The folder {folder} has no {'/'.join(_LABEL_VOLUME)}, so the damaged parcels cannot be told from the "
            "sound ones.",
            "Write it with FreeSurfer's mri_aparc2aseg --a2009s, or give the T1 image instead of the folder.",
        )
    on_labels = resample(lesion, parcels, nearest=True)
    near = within_mm(on_labels, LESION_MARGIN_MM)
    parcel = parcels.array
    count = len(PARCEL_NAMES) + 1
    total = np.bincount(parcel.ravel(), minlength=count)[1:]
    if not total.any():
        raise InputError(f"The file {path} holds no Destrieux parcels.", "Write it with mri_aparc2aseg --a2009s.")
    fractions = [
        np.bincount(parcel[where], minlength=count)[1:] / np.maximum(total, 1)
        for where in (np.asarray(on_labels.array, dtype=bool), near)
    ]
    return fractions[0], fractions[1]


def read_parcel_volume(folder: Path) -> Image | None:
    """The folder's Destrieux parcels as a volume in its own voxel order, int16: index in `PARCEL_NAMES` plus one.

    None where the folder has no such volume.

    Raises
    ------
    InputError : the volume cannot be read.
    """
    path = Path(folder).joinpath(*_LABEL_VOLUME)
    if not path.exists():
        return None
    labels = read_labels(path)
    parcel_of_code = np.zeros(_FIRST_CODE["rh"] + 101, dtype=np.int16)
    for side, first in (("lh", 1), ("rh", 1 + PARCELS_PER_HEMISPHERE)):
        for position, code in enumerate(_CODES_OF_SIDE):
            parcel_of_code[_FIRST_CODE[side] + code] = first + position
    return labels.like(parcel_of_code[np.clip(labels.array, 0, len(parcel_of_code) - 1)])


def _no_destrieux(folder: Path, side: str) -> InputError:
    what = (
        f"The folder {folder} has neither stats/{side}.aparc.a2009s.stats nor surf/{side}.thickness with "
        f"label/{side}.aparc.a2009s.annot."
    )
    others = sorted(path.name for kind in ("stats", "label") for path in (folder / kind).glob(f"{side}.aparc*"))
    if any("DKT" in name or "mapped" in name for name in others):
        return InputError(
            f"{what} It holds other parcels ({', '.join(others)}), as FastSurfer writes by default.",
            "Run FastSurfer again with --fsaparc, which adds the Destrieux parcels (aparc.a2009s).",
        )
    return InputError(
        what, "Name a subject folder of a finished recon-all, or run recon-all -cortparc2 -parcstats2 on it."
    )


def _parcel_name(side: str, structure: str) -> str:
    """Our name of a parcel; stats files write "&" for "_and_", some annotations prefix the hemisphere."""
    return f"{side}_" + structure.removeprefix(f"ctx_{side}_").removeprefix(f"{side}_").replace("&", "_and_")


def _names_of(side: str) -> tuple[str, ...]:
    return PARCEL_NAMES[:PARCELS_PER_HEMISPHERE] if side == "lh" else PARCEL_NAMES[PARCELS_PER_HEMISPHERE:]


def _check_side(path: Path, side: str, found: dict) -> None:
    present = len(set(found) & set(_names_of(side)))
    if present < PARCELS_PER_HEMISPHERE // 2 and len(found) > present:
        raise InputError(
            f"The file {path} does not hold the Destrieux parcels (found: {', '.join(sorted(found)[:3])} ...).",
            "Give the aparc.a2009s output, not that of another parcellation.",
        )
    if PARCELS_PER_HEMISPHERE - present > MOST_ABSENT_PARCELS:
        raise InputError(
            f"The file {path} has {present} of the {PARCELS_PER_HEMISPHERE} Destrieux parcels: it was cut off.",
            "Copy it again, or run the FreeSurfer or FastSurfer step again.",
        )


def _exchanged(path: Path, side: str) -> InputError:
    return InputError(
        f"The file {path} is not of the {'left' if side == 'lh' else 'right'} hemisphere, as its name says: the "
        "hemispheres may be exchanged.",
        "Copy the files of this subject again, each under its own name.",
    )


def _check_counts(surface: Path, annotation: Path) -> None:
    """Refuses counts in the headers that the files cannot hold, before memory is taken for them."""
    for path, place in ((surface, 3), (annotation, 0)):
        plain_file(path, f"The file {path}")
        with path.open("rb") as stream:
            start = stream.read(8)
        old_form = path is surface and not start.startswith(b"\xff\xff\xff")
        count = int.from_bytes(start[:3] if old_form else start[place : place + 4], "big")
        if not 0 < count <= min(MOST_VERTICES, path.stat().st_size):
            raise ValueError(f"{path.name} claims {count} vertices")


def _check_plausible(folder: Path, thickness_mm: np.ndarray) -> None:
    low, high = PLAUSIBLE_THICKNESS_MM
    odd = [
        name
        for name, value in zip(PARCEL_NAMES, thickness_mm, strict=True)
        if np.isfinite(value) and not low <= value <= high
    ]
    if odd:
        raise InputError(
            f"In {folder} the thickness of {', '.join(odd[:3])}{' ...' if len(odd) > 3 else ''} is outside "
            f"{low}-{high} mm.",
            "Check the surfaces of this subject.",
        )
