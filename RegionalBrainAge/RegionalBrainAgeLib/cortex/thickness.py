"""Thickness of the cortex: how much grey matter lies between white matter and the middle of the sulcus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from ..geometry.image import Image, check_canonical
from ..threads import at_once
from .cortical_level import WHITE_LEVEL
from .surface_mesh import Mesh, unit
from .tissue import Tissue
from .white_surface import white_surface

# Lines across the cortex: from inside white matter to beyond any cortex.
STEP_MM = 0.25
ALONG_MM = np.arange(-4.0, 8.01, STEP_MM, dtype=np.float32)
NORMAL_SMOOTHING = 3
# The white border is where brightness falls most steeply: the mean of these places, weighing the squared slope and how
# near they are to the surface (sigma).
BORDER_WINDOW_MM = (-1.5, 0.75)
BORDER_SIGMA_MM = 0.8
# Brighter than grey matter counts as grey matter: all of it near the white border, noise excepted beyond.
NEAR_BORDER_MM = 0.75
BRIGHTEST = 1.2
# How bright grey matter is, is seen in the middle of thick cortex with room on its outside; its mean over the head is
# too dark, as most voxels hold fluid too.
MIDDLE_OF_CORTEX_MM = (1.0, 1.5)
THICK_MM, ROOM_MM = (2.8, 4.5), 3.0
FEWEST_THICK = 0.1
# The middle of a sulcus: a line is nearer to other white matter than to where it started, by this much.
NEARER_MM = 1.0
MIDDLE_STEP_MM = 0.5
# Fluid in between: a dip in brightness (fluid 0, grey matter 1) to below the first number that rises again by the
# second. What lies beyond it is the other wall, dura or a vessel.
DIP, RISE = 0.7, 0.15
DIP_FROM_MM = 1.0
# Beyond this no living cortex goes, and below the other there is none: the spot is left unmeasured.
THICKEST_MM, THINNEST_MM = 6.0, 0.5
# Reach of the mean over neighbours on the surface: rounds of averaging on a mesh of 1 mm, about 5 mm FWHM.
SMOOTHING = 16


@dataclass(frozen=True)
class SurfaceThickness:
    """Thickness at the vertices of one hemisphere's white surface.

    Parameters
    ----------
    surface : vertices in mm from the first voxel of the canonical T1 along its axes.
    thickness_mm : shape (V,), NaN where there is no cortex.
    area_mm2 : shape (V,), area of the white surface that belongs to each vertex.
    """

    surface: Mesh
    thickness_mm: np.ndarray
    area_mm2: np.ndarray


@dataclass(frozen=True)
class Ribbon:
    """The cortex of both hemispheres in voxels of the T1.

    Parameters
    ----------
    thickness_mm : float32, NaN outside the ribbon.
    area_mm2 : float32. Area of the white surface under the voxels that hold the middle of the cortex, 0 elsewhere: what
        a voxel counts in a mean over the surface.
    """

    thickness_mm: Image
    area_mm2: Image


def cortical_thickness(tissue: Tissue, lesion: Image | None = None, threads: int = 2) -> Ribbon:
    """Thickness at every voxel of the cortical ribbon.

    Parameters
    ----------
    tissue : from `tissue.segment_tissue`.
    lesion : boolean, on the T1's grid, or None. There is no ribbon in it.

    Each voxel of the ribbon takes the thickness of the nearest vertex of the white surface (`surface_thickness`),
    averaged over its neighbours on the surface. The ribbon is what lies within that thickness of the surface.
    """
    head = tissue.gm
    check_canonical(head, lesion)
    usable = np.ones(head.shape, bool) if lesion is None else ~lesion.array.astype(bool)
    thickness, area = np.full(head.shape, np.nan, np.float32), np.zeros(head.shape, np.float32)
    for hemisphere, level in zip(surface_thickness(tissue, threads), (tissue.left, tissue.right), strict=True):
        if hemisphere is not None:
            value = _smoothed(hemisphere)
            _fill_ribbon(hemisphere.surface, value, level, head, usable, thickness, threads)
            _add_area(hemisphere, value, head, area)
    return Ribbon(head.like(thickness), head.like(area))


def surface_thickness(tissue: Tissue, threads: int = 2) -> tuple[SurfaceThickness | None, SurfaceThickness | None]:
    """Thickness on the white surface of the left and the right hemisphere; None where there is no hemisphere.

    From each vertex a line runs outward along the smoothed normal, to the middle of the sulcus or to the fluid. The
    share of grey matter is summed along it, from the white border on. This is thickness as volume over area: partial
    volume, blur and roughness of the pial surface take from one place what they add to another, so they leave it
    where it was, unlike the distance between two surfaces. After the projection-based thickness of Dahnke 2013; the
    sum along a line is that of Aganj 2009.
    """
    brightness = tissue.brightness
    check_canonical(brightness)
    surfaces = at_once(lambda level: _placed(level, brightness), (tissue.left, tissue.right), threads)
    found = [surface for surface in surfaces if surface is not None]
    if not found:
        return None, None
    white = cKDTree(np.concatenate([s.vertices for s in found]), balanced_tree=False, compact_nodes=False)
    coefficients = ndimage.spline_filter(brightness.array, order=3, output=np.float32)

    def lines_of(surface: Mesh | None) -> _Lines | None:
        if surface is None:
            return None
        return _Lines.of(surface, white, coefficients, brightness.spacing_mm, max(threads // len(found), 1))

    lines = at_once(lines_of, surfaces, threads)
    grey = _brightness_of_grey([line for line in lines if line is not None])
    left, right = (None if line is None else line.measured(grey) for line in lines)
    return left, right


def grey_along_lines_mm(brightness: np.ndarray, middle_mm: np.ndarray) -> np.ndarray:
    """Grey matter (mm), shape (N,), along lines across the cortex.

    Parameters
    ----------
    brightness : shape (N, S), at `ALONG_MM`; fluid 0, grey matter 1, white matter more.
    middle_mm : shape (N,). How far the middle of the sulcus is, infinite where there is no other wall.
    """
    start = _border_mm(brightness)[:, None]
    end = np.minimum(np.minimum(middle_mm, _dip_mm(brightness)), ALONG_MM[-1])[:, None]
    share = np.clip((end - ALONG_MM) / STEP_MM + 0.5, 0, 1) * np.clip((ALONG_MM - start) / STEP_MM + 0.5, 0, 1)
    brightest = np.where(start + NEAR_BORDER_MM < ALONG_MM, np.float32(BRIGHTEST), np.float32(1))
    return STEP_MM * (np.minimum(brightness, brightest) * share).sum(axis=1)


def _border_mm(brightness: np.ndarray) -> np.ndarray:
    """Where white matter ends, shape (N,); 0 where nothing falls."""
    between = ALONG_MM[1:-1]
    window = (between >= BORDER_WINDOW_MM[0]) & (between <= BORDER_WINDOW_MM[1])
    between = between[window]
    fall = np.maximum(brightness[:, :-2] - brightness[:, 2:], 0)[:, window]
    weight = (fall * np.exp(-((between / BORDER_SIGMA_MM) ** 2) / 2)) ** 2
    return (weight * between).sum(axis=1) / (weight.sum(axis=1) + 1e-6)


def _dip_mm(brightness: np.ndarray) -> np.ndarray:
    """Where the first dip that counts as fluid is deepest, infinite where there is none; shape (N,)."""
    at = ALONG_MM[ALONG_MM >= DIP_FROM_MM]
    outer = brightness[:, ALONG_MM >= DIP_FROM_MM]
    lowest = np.minimum.accumulate(outer, axis=1)
    over = (lowest < DIP) & (outer - lowest > RISE)
    found = over.any(axis=1)
    before = np.arange(len(at)) <= np.where(found, over.argmax(axis=1), 0)[:, None]
    return np.where(found, at[np.where(before, outer, np.inf).argmin(axis=1)], np.inf)


def _placed(level: Image, head: Image) -> Mesh | None:
    """The white surface in mm from the head's first voxel along its axes (the level's grid runs along them too)."""
    if not (level.array > WHITE_LEVEL).any():
        return None
    surface = white_surface(level.array)
    first = (np.linalg.inv(head.ras_from_ijk) @ level.ras_from_ijk)[:3, 3] * head.spacing_mm
    return surface.at(surface.vertices + first.astype(np.float32))


@dataclass(frozen=True)
class _Lines:
    """Lines across the cortex from each vertex of one hemisphere, with their brightness and the sulcus's middle."""

    surface: Mesh
    area_mm2: np.ndarray
    brightness: np.ndarray
    middle_mm: np.ndarray

    @classmethod
    def of(
        cls, surface: Mesh, white: cKDTree, coefficients: np.ndarray, spacing_mm: np.ndarray, threads: int
    ) -> _Lines:
        normals, area = surface.normals_and_areas()
        for _ in range(NORMAL_SMOOTHING):
            normals = unit(normals + surface.neighbour_mean @ normals)
        points = surface.vertices[:, None] + ALONG_MM[:, None] * normals[:, None]
        voxels = (points / spacing_mm.astype(np.float32)).reshape(-1, 3).T
        brightness = ndimage.map_coordinates(coefficients, voxels, order=3, prefilter=False, mode="nearest")
        middle = _middle_mm(surface.vertices, normals, white, threads)
        return cls(surface, area, brightness.reshape(points.shape[:2]), middle)

    def grey_mm(self, grey: float = 1.0) -> np.ndarray:
        return grey_along_lines_mm(self.brightness / np.float32(grey), self.middle_mm)

    def is_thick(self) -> np.ndarray:
        grey = self.grey_mm()
        return (grey > THICK_MM[0]) & (grey < THICK_MM[1]) & (self.middle_mm > ROOM_MM)

    def measured(self, grey: float) -> SurfaceThickness:
        thickness = self.grey_mm(grey)
        thickness[(thickness > THICKEST_MM) | (thickness < THINNEST_MM)] = np.nan
        return SurfaceThickness(self.surface, thickness, self.area_mm2)


def _brightness_of_grey(lines: list[_Lines]) -> float:
    """Median brightness in the middle of thick cortex, never below 1; 1 where hardly any cortex is thick."""
    first, last = MIDDLE_OF_CORTEX_MM
    middle = (first <= ALONG_MM) & (last >= ALONG_MM)
    thick = [line.is_thick() for line in lines]
    if np.concatenate(thick).mean() < FEWEST_THICK:
        return 1.0
    seen = [line.brightness[use][:, middle] for line, use in zip(lines, thick, strict=True)]
    return max(1.0, float(np.median(np.concatenate(seen))))


def _middle_mm(vertices: np.ndarray, normals: np.ndarray, white: cKDTree, threads: int) -> np.ndarray:
    """How far along its normal each vertex is from the middle between it and other white matter, shape (N,)."""
    middle = np.full(len(vertices), np.inf, np.float32)
    open_lines = np.arange(len(vertices))
    for away in np.arange(NEARER_MM + MIDDLE_STEP_MM / 2, ALONG_MM[-1], MIDDLE_STEP_MM):
        points = vertices[open_lines] + np.float32(away) * normals[open_lines]
        nearest = white.query(points, distance_upper_bound=away, workers=threads)[0]
        reached = nearest < away - NEARER_MM
        middle[open_lines[reached]] = (away + nearest[reached]) / 2
        open_lines = open_lines[~reached]
        if len(open_lines) == 0:
            break
    return middle


def _add_area(hemisphere: SurfaceThickness, value: np.ndarray, head: Image, area: np.ndarray) -> None:
    """Adds the area of each vertex to the voxel that holds the middle of the cortex above it."""
    known = np.isfinite(value)
    middle = hemisphere.surface.vertices + np.nan_to_num(value / 2)[:, None] * hemisphere.surface.normals_and_areas()[0]
    voxels = np.rint(middle[known] / head.spacing_mm).astype(int)
    inside = ((voxels >= 0) & (voxels < head.shape)).all(axis=1)
    np.add.at(area, tuple(voxels[inside].T), hemisphere.area_mm2[known][inside])


def _fill_ribbon(
    surface: Mesh,
    value: np.ndarray,
    level: Image,
    head: Image,
    usable: np.ndarray,
    thickness: np.ndarray,
    threads: int,
) -> None:
    """Writes the thickness of one hemisphere's ribbon into `thickness` (canonical voxels of the head)."""
    level_from_head = np.linalg.inv(level.ras_from_ijk) @ head.ras_from_ijk
    scale, offset = np.diag(level_from_head)[:3], level_from_head[:3, 3]
    first = np.maximum(np.ceil(-offset / scale - 1e-6), 0).astype(int)
    room = np.floor((np.array(level.shape) - 1 - offset) / scale + 1e-6).astype(int)
    size = np.minimum(room + 1, head.shape) - first
    start = scale * first + offset
    sampled = ndimage.affine_transform(level.array, np.diag(scale), start, tuple(size), order=1, mode="nearest")
    box = tuple(slice(f, f + s) for f, s in zip(first, size, strict=True))
    near = ndimage.distance_transform_edt(sampled < WHITE_LEVEL, sampling=head.spacing_mm) < THICKEST_MM
    voxels = np.argwhere((sampled < WHITE_LEVEL) & near & usable[box]) + first
    away, vertex = cKDTree(surface.vertices, balanced_tree=False, compact_nodes=False).query(
        voxels * head.spacing_mm, distance_upper_bound=THICKEST_MM, workers=threads
    )
    voxels, away, vertex = (x[np.isfinite(away)] for x in (voxels, away, vertex))
    inside = away <= value[vertex]
    thickness[tuple(voxels[inside].T)] = value[vertex[inside]]


def _smoothed(hemisphere: SurfaceThickness) -> np.ndarray:
    """Mean over neighbours on the surface, NaN where the vertex itself is not measured."""
    known = np.isfinite(hemisphere.thickness_mm)
    weight = np.where(known, hemisphere.area_mm2, 0).astype(np.float32)
    total = weight * np.nan_to_num(hemisphere.thickness_mm).astype(np.float32)
    mean = hemisphere.surface.neighbour_mean
    for _ in range(SMOOTHING):
        total, weight = ((x + mean @ x) / 2 for x in (total, weight))
    return np.where(known, total / np.maximum(weight, 1e-6), np.nan).astype(np.float32)
