"""Vertex mode, from a SUBJECTS_DIR: surface features of every person, resampled to fsaverage5, streamed to disk.

Each vertex of a subject belongs to the vertex of fsaverage5 nearest to it on the registered sphere (``sphere.reg``,
radius 100 mm); a vertex of fsaverage5 gets the mean of those that belong to it. Features, in this order: cortical
thickness (mm), white surface area (mm2, summed over what belongs to a vertex), mean curvature (1/mm), sulcal depth
(mm), grey/white intensity contrast (%).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.spatial import cKDTree

from ...errors import InputError
from ...files.atomic_folder import make_folder
from ...files.input_file import parsing, plain_file
from ...files.tables import read_table, table_text
from ..subjects import PERSON_COLUMNS, TOLD_EVERY, facts_of, person_column, subject_folder
from .mesh import VERTICES_PER_HEMISPHERE, sphere_points
from .partial_features import PartialFeatures

MESH = "fsaverage5"
FEATURES = ("thickness", "area", "curv", "sulc", "w-g.pct.mgh")
_SUMMED = ("area",)
_SIDES = ("lh", "rh")


def write_vertex_features(
    subjects_dir: Path | str,
    participants: Path | str,
    out: Path | str,
    progress: Callable[[str, float], None] | None = None,
) -> tuple[int, list[str]]:
    """Writes ``features.npy`` (people, 20484, 5) and ``people.csv`` into a folder.

    A feature a subject does not have (FastSurfer writes no grey/white contrast) is NaN. After an interruption the same
    call goes on where it was, and ends with the same files; see `PartialFeatures`.

    Returns
    -------
    people : number written. skipped : one sentence per person who was left out.

    Raises
    ------
    InputError : no such folder or column, or nobody could be read.
    RegionalBrainAgeError : the disk is full, or another run writes there.
    """
    folder, rows = Path(subjects_dir), read_table(participants)
    key = person_column(participants, rows)
    names = [row[key].strip() for row in rows]
    if len(set(names)) < len(names):
        raise InputError(f"People occur more than once in {participants}.", "Keep one row per person.")
    out = Path(out)
    make_folder(out)
    targets = [cKDTree(sphere_points(side)) for side in ("left", "right")]
    people: list[tuple[str, str, str, float, str]] = []
    skipped: list[str] = []
    read_now = 0
    with PartialFeatures(out, (2 * VERTICES_PER_HEMISPHERE[MESH], len(FEATURES)), FEATURES) as part:
        for number, (name, row) in enumerate(zip(names, rows, strict=True)):
            try:
                age_years, sex = facts_of(row, name)
                subject = subject_folder(folder, name)
                stamp = f"{subject.resolve()} {_newest_ns(subject)}"
                if not part.keeps(name, stamp):
                    part.add(name, stamp, subject_features(subject, targets))
                    read_now += 1
                site = row.get("site", "").strip() or "site"
                people.append((name, row.get("dataset", "").strip(), site, age_years, sex))
            except InputError as error:
                skipped.append(f"{name}: {error}")
            if progress is not None and (number + 1) % TOLD_EVERY == 0:
                # The time left is told by what this run has read, not by what an interrupted one had.
                progress(f"{number + 1} of {len(rows)} people", read_now / (read_now + len(rows) - number - 1 or 1))
        if not people:
            raise InputError(f"Nobody of {participants} could be read from {folder}.", skipped[0] if skipped else "")
        part.finish(
            table_text(
                [dict(zip(PERSON_COLUMNS, facts, strict=True)) for facts in people], PERSON_COLUMNS, csv_file=True
            )
        )
    return len(people), skipped


def subject_features(folder: Path, targets: list[cKDTree]) -> np.ndarray:
    """(20484, 5) features of one subject on fsaverage5; NaN for a feature the folder does not hold.

    Parameters
    ----------
    targets : trees of the vertices of the fsaverage5 spheres, left and right.

    Raises
    ------
    InputError : no registered sphere or thickness, or a damaged file.
    """
    sides = []
    for side, tree in zip(_SIDES, targets, strict=True):
        surf = folder / "surf"
        needed = [surf / f"{side}.sphere.reg", surf / f"{side}.thickness"]
        absent = next((path for path in needed if not path.exists()), None)
        if absent is not None:
            raise InputError(f"There is no {absent}.", "Run recon-all or FastSurfer's surface part on this subject.")
        for path in (*needed, *(surf / f"{side}.{feature}" for feature in FEATURES)):
            if path.exists():
                plain_file(path, f"The surface file {path}")
        with parsing(f"The surfaces of {folder}"):
            points, _ = nib.freesurfer.read_geometry(needed[0])
            points = points / np.linalg.norm(points, axis=1, keepdims=True)
            owner = tree.query(points)[1]
            columns = []
            for feature in FEATURES:
                path = surf / f"{side}.{feature}"
                values = _vertex_values(path) if path.exists() else np.full(len(points), np.nan)
                if len(values) != len(points):
                    raise ValueError(f"{path.name} has {len(values)} vertices, the sphere {len(points)}")
                columns.append(resampled(values, owner, tree.n, points, tree.data, summed=feature in _SUMMED))
            sides.append(np.stack(columns, axis=1))
    return np.concatenate(sides).astype(np.float32)


def resampled(
    values: np.ndarray, owner: np.ndarray, count: int, points: np.ndarray, targets: np.ndarray, *, summed: bool
) -> np.ndarray:
    """Values (n,) of a subject's vertices on `count` target vertices: mean, or sum, of those that belong to each.

    A target that nothing belongs to gets the value of the nearest vertex; for sums, 0.
    """
    number = np.bincount(owner, minlength=count)
    total = np.bincount(owner, weights=values, minlength=count)
    if summed:
        return total
    result = np.divide(total, number, out=np.full(count, np.nan), where=number > 0)
    empty = np.nonzero(number == 0)[0]
    if len(empty):
        result[empty] = values[cKDTree(points).query(targets[empty])[1]]
    return result


def _vertex_values(path: Path) -> np.ndarray:
    if path.suffix == ".mgh":
        return np.asarray(nib.MGHImage.from_filename(path).dataobj, dtype=float).ravel()
    return np.asarray(nib.freesurfer.read_morph_data(path), dtype=float)


def _newest_ns(subject: Path) -> int:
    """When the newest of the files read was changed, ns; 0 where there is none."""
    files = [subject / "surf" / f"{side}.{name}" for side in _SIDES for name in ("sphere.reg", *FEATURES)]
    return max((path.stat().st_mtime_ns for path in files if path.exists()), default=0)
