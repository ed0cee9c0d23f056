"""Vertex mode, the mesh: an icosahedron as the brain graph, and the regions on it.

The geometry is fsaverage5 as installed with the Python package nilearn (nothing is downloaded); fsaverage4 is nested in
it: its vertices are the first of each hemisphere.
"""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy.ndimage import distance_transform_edt

from ...anatomy.regions import RegionScheme, region_masks
from ...errors import InputError
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


@dataclass(frozen=True)
class MeshRegions:
    """The regions of a scheme on a mesh.

    Parameters
    ----------
    scheme : its name. names : of the regions.
    weights : (R, V), rows summing to 1; see `vertex_membership`.
    """

    scheme: str
    names: tuple[str, ...]
    weights: np.ndarray


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


def mesh_regions(mesh: Mesh, scheme: RegionScheme) -> MeshRegions:
    """The regions of a scheme on this mesh; InputError for a region without any vertex."""
    return MeshRegions(scheme.name, tuple(region.name for region in scheme.regions), vertex_membership(mesh, scheme))


def _surface(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Points and triangles of a GIFTI surface of nilearn's package data."""
    points, triangles = nib.GiftiImage.from_filename(
        package_file("nilearn", "datasets", "data", "fsaverage5", name)
    ).darrays[:2]
    return np.asarray(points.data, dtype=float), np.asarray(triangles.data, dtype=int)
