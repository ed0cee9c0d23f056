"""The surface between white and grey matter as a smooth mesh."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..geometry.half_millimetre_grid import STEP_MM
from .cortical_level import WHITE_LEVEL
from .surface_mesh import Mesh, surface_of

# The mesh has a vertex about every millimetre; what is finer is noise, or a fold no head has.
BLUR_MM = 0.5
EVERY = 2
FIRST_SMOOTHING, LATER_SMOOTHING = 5, 2
# Blurring moves the surface; it is brought back to the level along its normals, its neighbours along with it.
ROUNDS = 3
LOOKED_AT_MM = np.arange(-1.0, 1.01, 0.25, dtype=np.float32)
LARGEST_MOVE_MM = 0.5
MOVE_SMOOTHING = 2


def white_surface(level: np.ndarray) -> Mesh:
    """Smooth white surface of one hemisphere, its vertices in mm from the first voxel along the grid's axes.

    Parameters
    ----------
    level : on a half-millimetre grid (`tissue.Tissue`); the surface lies where it passes `WHITE_LEVEL`.

    Roughness is taken out by Taubin smoothing, which does not shrink, and by moving neighbours together.
    """
    coarse = ndimage.gaussian_filter(level, BLUR_MM / STEP_MM)[::EVERY, ::EVERY, ::EVERY]
    mesh = surface_of(coarse, WHITE_LEVEL)
    mesh = mesh.at(mesh.vertices * np.float32(EVERY * STEP_MM)).smoothed(FIRST_SMOOTHING)
    for _ in range(ROUNDS):
        normals = mesh.normals_and_areas()[0]
        points = mesh.vertices[:, None] + LOOKED_AT_MM[:, None] * normals[:, None]
        along = ndimage.map_coordinates(level, points.reshape(-1, 3).T / STEP_MM, order=1, mode="nearest")
        move = crossing(along.reshape(points.shape[:2]) - np.float32(WHITE_LEVEL), LOOKED_AT_MM)
        known, move = np.isfinite(move).astype(np.float32), np.nan_to_num(move)
        for _ in range(MOVE_SMOOTHING):
            move, known = ((x + mesh.neighbour_mean @ x) / 2 for x in (move, known))
        move = np.clip(move / np.maximum(known, 0.1), -LARGEST_MOVE_MM, LARGEST_MOVE_MM)
        mesh = mesh.at(mesh.vertices + move[:, None] * normals).smoothed(LATER_SMOOTHING)
    return mesh


def crossing(height: np.ndarray, at_mm: np.ndarray) -> np.ndarray:
    """Where along its row `height`, shape (N, S), falls through zero, nearest to 0 mm; NaN where it does not.

    Parameters
    ----------
    at_mm : shape (S,), evenly spaced positions of the columns.
    """
    here, there = height[:, :-1], height[:, 1:]
    falling = (here > 0) & (there <= 0)
    share = np.divide(here, here - there, out=np.zeros_like(here), where=falling)
    place = np.where(falling, at_mm[:-1] + (at_mm[1] - at_mm[0]) * share, np.inf)
    nearest = np.abs(place).argmin(axis=1)
    found = place[np.arange(len(place)), nearest]
    return np.where(np.isfinite(found), found, np.nan).astype(np.float32)
