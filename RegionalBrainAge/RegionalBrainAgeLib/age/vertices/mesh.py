"""Vertex mode, the data: an icosahedral mesh as the brain graph, and features streamed from disk.

The geometry is fsaverage5 as installed with the Python package nilearn (nothing is downloaded); fsaverage4 is nested in
it: its vertices are the first of each hemisphere. Features of all people lie in one ``.npy`` file of shape (people,
vertices, features), float32, left hemisphere first, in the order of the rows of the table. The file is memory-mapped:
17,791 x 20,484 x 5 values are 7.3 GB on disk and are never in memory at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt

from ...anatomy.regions import RegionScheme, region_masks
from ...errors import InputError
from ...files.input_file import parsing, plain_file
from ...files.tables import read_table
from ...files.words import sex_of
from ...geometry.coordinates import values_at
from ...resources import package_file

VERTICES_PER_HEMISPHERE = {"fsaverage4": 2562, "fsaverage5": 10242}
# From the space of fsaverage (MNI305) to MNI152, RAS mm (FreeSurfer's documentation of coordinate systems).
_MNI152_FROM_MNI305 = np.array(
    [
        [0.9975, -0.0073, 0.0176, -0.0429],
        [0.0146, 1.0009, -0.0024, 1.5496],
        [-0.0130, -0.0093, 0.9971, 1.1840],
    ]
)
_NEAR_REGION_MM = 3.0
_CHUNK_PEOPLE = 64


@dataclass(frozen=True)
class Mesh:
    """Both hemispheres of a surface as one graph.

    Parameters
    ----------
    name : "fsaverage4" or "fsaverage5".
    edges : (E, 2) int, each pair of neighbouring vertices once.
    points_mm : (V, 3) half way between white and pial surface, MNI152, RAS.
    """

    name: str
    edges: np.ndarray
    points_mm: np.ndarray

    @property
    def hemisphere(self) -> np.ndarray:
        """(V,) "L" or "R"."""
        return np.repeat(["L", "R"], len(self.points_mm) // 2)


def load_mesh(name: str) -> Mesh:
    """The mesh by name, from nilearn's package data.

    Raises
    ------
    InputError : another name.
    """
    if name not in VERTICES_PER_HEMISPHERE:
        raise InputError(f"There is no mesh named '{name}'.", f"Use {' or '.join(VERTICES_PER_HEMISPHERE)}.")
    count = VERTICES_PER_HEMISPHERE[name]
    edges, points = [], []
    for index, side in enumerate(("left", "right")):
        white, triangles = _surface(f"white_{side}.gii.gz")
        pial, _ = _surface(f"pial_{side}.gii.gz")
        fine = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
        side_edges = np.unique(fine, axis=0)
        if count < len(white):
            side_edges = coarser_edges(side_edges, count)
        edges.append(side_edges + index * count)
        points.append(0.5 * (white + pial)[:count])
    points_mm = np.concatenate(points) @ _MNI152_FROM_MNI305[:, :3].T + _MNI152_FROM_MNI305[:, 3]
    return Mesh(name, np.concatenate(edges), points_mm)


def sphere_points(side: str) -> np.ndarray:
    """(10242, 3) vertices of fsaverage5 on the unit sphere; side is "left" or "right"."""
    points, _ = _surface(f"sphere_{side}.gii.gz")
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def coarser_edges(edges: np.ndarray, count: int) -> np.ndarray:
    """Edges of the next coarser icosahedron, whose vertices are the first `count`.

    Subdividing puts a new vertex on the middle of every old edge: each new vertex touches exactly the two old ones.
    """
    mixed = edges[(edges[:, 0] < count) & (edges[:, 1] >= count)]
    mixed = mixed[np.argsort(mixed[:, 1], kind="stable")]
    return np.unique(np.sort(mixed[:, 0].reshape(-1, 2), axis=1), axis=0)


def vertex_membership(mesh: Mesh, scheme: RegionScheme) -> np.ndarray:
    """(regions, V) weights, rows summing to 1: vertices of the region's hemisphere within 3 mm of its voxels.

    Raises
    ------
    InputError : a region without any vertex.
    """
    rows = []
    for region, mask in zip(scheme.regions, region_masks(scheme), strict=True):
        size_mm = np.linalg.norm(mask.ras_from_ijk[:3, :3], axis=0)
        distance_mm = distance_transform_edt(~mask.array, sampling=size_mm)
        near = mask.like(distance_mm <= _NEAR_REGION_MM)
        member = (values_at(near, mesh.points_mm) & (mesh.hemisphere == region.hemisphere)).astype(float)
        if not member.any():
            raise InputError(f"Region {region.name} has no vertex on {mesh.name}.", "Leave it out of the scheme.")
        rows.append(member / member.sum())
    return np.array(rows)


@dataclass(frozen=True)
class VertexPeople:
    """People with features per vertex on disk.

    Parameters
    ----------
    person, site : (N,). age_years, male : (N,).
    features : memory-mapped (N, V, F) float32; NaN where not measured.
    """

    person: np.ndarray
    site: np.ndarray
    age_years: np.ndarray
    male: np.ndarray
    features: np.ndarray

    def __len__(self) -> int:
        return len(self.person)

    def chunks(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """The features of these rows, few people at a time."""
        for start in range(0, len(rows), _CHUNK_PEOPLE):
            yield np.asarray(self.features[rows[start : start + _CHUNK_PEOPLE]], dtype=np.float32)


def read_vertex_people(table: Path | str, features: Path | str) -> VertexPeople:
    """A table (person, site, age, sex) and the features of its rows, not yet read into memory.

    Raises
    ------
    InputError : a missing column, a wrong cell, or files that do not fit together.
    """
    frame = pd.DataFrame(read_table(table), dtype=str)
    name = f"The features {features}"
    plain_file(features, name)
    with parsing(name, "Give a plain .npy file."):
        values = np.load(features, mmap_mode="r", allow_pickle=False)
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
            raise ValueError("it holds no array of numbers")
    absent = [column for column in ("person", "site", "age", "sex") if column not in frame.columns]
    if absent:
        raise InputError(f"The table {table} lacks the column(s) {', '.join(absent)}.", "Add them.")
    expected = {2 * count for count in VERTICES_PER_HEMISPHERE.values()}
    if values.ndim != 3 or len(values) != len(frame) or values.shape[1] not in expected:
        raise InputError(
            f"{features} has the shape {values.shape}, the table {len(frame)} rows.",
            "Give (people, 5124 or 20484 vertices, features), one row per row of the table.",
        )
    age = pd.to_numeric(frame["age"], errors="coerce").to_numpy()
    if not ((age >= 0) & (age <= 120)).all() or not frame["sex"].map(sex_of).notna().all():
        raise InputError(
            f"The table {table} has ages outside 0 to 120 years or a sex that is not F or M.", "Correct them."
        )
    if frame["person"].duplicated().any():
        raise InputError(f"People occur more than once in {table}.", "Keep one row per person.")
    male = (frame["sex"].map(sex_of) == "M").to_numpy(dtype=float)
    return VertexPeople(frame["person"].to_numpy(str), frame["site"].to_numpy(str), age, male, values)


def mesh_of(people: VertexPeople) -> str:
    """Name of the mesh the features lie on."""
    half = people.features.shape[1] // 2
    return next(name for name, count in VERTICES_PER_HEMISPHERE.items() if count == half)


def _surface(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Points and triangles of a GIFTI surface of nilearn's package data."""
    points, triangles = nib.GiftiImage.from_filename(
        package_file("nilearn", "datasets", "data", "fsaverage5", name)
    ).darrays[:2]
    return np.asarray(points.data, dtype=float), np.asarray(triangles.data, dtype=int)
