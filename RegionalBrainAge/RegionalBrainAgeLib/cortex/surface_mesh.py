"""Closed surfaces as meshes of quadrilaterals: extraction, smoothing, normals and areas."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from scipy import sparse

# Taubin's two steps: the second, outward one undoes the shrinking of the first.
TAUBIN_STEPS = (0.5, -0.53)


@dataclass(frozen=True)
class Mesh:
    """A surface.

    Parameters
    ----------
    vertices : float32, shape (V, 3).
    quads : int, shape (Q, 4). Vertices of each face, anticlockwise as seen from outside.
    """

    vertices: np.ndarray
    quads: np.ndarray

    @cached_property
    def neighbour_mean(self) -> sparse.csr_matrix:
        """Matrix, shape (V, V), that takes values at the vertices to the mean of each vertex's neighbours."""
        count = len(self.vertices)
        first = self.quads.ravel()
        second = np.roll(self.quads, -1, axis=1).ravel()
        ones = np.ones(2 * len(first), np.float32)
        ends = np.concatenate([first, second]), np.concatenate([second, first])
        touching = sparse.coo_matrix((ones, ends), (count, count)).tocsr()
        touching.data[:] = 1
        degree = np.maximum(np.asarray(touching.sum(axis=1)).ravel(), 1)
        return (sparse.diags((1 / degree).astype(np.float32)) @ touching).tocsr()

    def at(self, vertices: np.ndarray) -> Mesh:
        """The same faces with their vertices elsewhere."""
        moved = Mesh(vertices.astype(np.float32), self.quads)
        moved.__dict__["neighbour_mean"] = self.neighbour_mean
        return moved

    def normals_and_areas(self) -> tuple[np.ndarray, np.ndarray]:
        """Outward unit normals, shape (V, 3), and the area that belongs to each vertex, shape (V,)."""
        a, b, c, d = (self.vertices[self.quads[:, corner]] for corner in range(4))
        twice_area = np.cross(c - a, d - b)
        normals = np.zeros((len(self.vertices), 3))
        areas = np.zeros(len(self.vertices))
        quarter = np.linalg.norm(twice_area, axis=1) / 8
        for corner in self.quads.T:
            areas += np.bincount(corner, quarter, len(areas))
            for axis in range(3):
                normals[:, axis] += np.bincount(corner, twice_area[:, axis], len(areas))
        return unit(normals), areas.astype(np.float32)

    def smoothed(self, rounds: int) -> Mesh:
        """Without roughness and without shrinking (Taubin 1995)."""
        vertices, mean = self.vertices, self.neighbour_mean
        for _ in range(rounds):
            for step in TAUBIN_STEPS:
                vertices = vertices + np.float32(step) * (mean @ vertices - vertices)
        return self.at(vertices)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors, shape (N, 3), brought to length one (float32)."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(length, 1e-9)).astype(np.float32)


def surface_of(field: np.ndarray, at: float) -> Mesh:
    """The surface on which a field passes `at`, seen from its higher side (surface nets, Gibson 1998).

    Parameters
    ----------
    field : shape (I, J, K). What lies beyond its edge counts as its lowest value, so the surface is closed.

    Returns
    -------
    Mesh in voxels of `field`. Each cell of eight voxels that the surface passes has one vertex, at the mean of where
    its edges are crossed; each crossed edge has one face.
    """
    height = np.pad(field.astype(np.float32), 1, constant_values=float(field.min())) - np.float32(at)
    inside = height > 0
    size = np.array(height.shape) - 1
    corners = list(product((0, 1), (0, 1), (0, 1)))
    count = sum(inside[tuple(slice(o, o + n) for o, n in zip(c, size, strict=True))].astype(np.uint8) for c in corners)
    cells = np.argwhere((count > 0) & (count < 8))
    number = np.full(size, -1, np.int32)
    number[tuple(cells.T)] = np.arange(len(cells))
    quads = np.concatenate([_faces(inside, number, axis) for axis in range(3)])
    return Mesh(_vertices(height, cells, corners) - np.float32(1), quads)


def _vertices(height: np.ndarray, cells: np.ndarray, corners: list[tuple[int, int, int]]) -> np.ndarray:
    values = {corner: height[tuple((cells + corner).T)] for corner in corners}
    total, crossings = np.zeros((len(cells), 3), np.float32), np.zeros(len(cells), np.float32)
    for corner, axis in product(corners, range(3)):
        if corner[axis] == 1:
            continue
        x, y, z = corner
        here, there = values[corner], values[x + (axis == 0), y + (axis == 1), z + (axis == 2)]
        crossed = (here > 0) != (there > 0)
        place = np.tile(np.array(corner, np.float32), (int(np.count_nonzero(crossed)), 1))
        place[:, axis] = here[crossed] / (here[crossed] - there[crossed])
        total[crossed] += place
        crossings[crossed] += 1
    return cells.astype(np.float32) + total / crossings[:, None]


def _faces(inside: np.ndarray, number: np.ndarray, axis: int) -> np.ndarray:
    """One face around each edge along `axis` between a voxel inside and one outside."""
    lower, upper = np.moveaxis(inside, axis, 0)[:-1], np.moveaxis(inside, axis, 0)[1:]
    edges = np.argwhere(np.moveaxis(lower != upper, 0, axis))
    first, second = (np.eye(3, dtype=int)[other] for other in range(3) if other != axis)
    around = (edges - first - second, edges - second, edges, edges - first)
    quads = np.stack([number[tuple(cell.T)] for cell in around], axis=1)
    # The second axis turns the other way round, seen along it.
    outward = inside[tuple(edges.T)] != (axis == 1)
    return np.where(outward[:, None], quads, quads[:, ::-1])
