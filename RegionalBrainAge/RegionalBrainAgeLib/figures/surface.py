"""Shaded views of a brain's surface, cast through a volume: from each side, from above, and each inner face.

Volumes are in canonical order, 1 mm: i to the patient's right, j forwards, k upwards. From above the patient's left is
on the right of the picture, as in every slice; the views are laid out from the patient's right to the left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..geometry.image import bounding_box
from .marks import label_borders, mark_lesion, region_colours

STEP_MM = 0.45
PAPER_RGB = np.array([1.0, 1.0, 1.0])


@dataclass(frozen=True)
class View:
    """From where the brain is seen.

    Parameters
    ----------
    name : for the reader.
    hemisphere : "L", "R" or "both": what is drawn.
    axis, far : along which axis one looks, and whether from its high end.
    ends : letters for the left and the right end of the picture.
    """

    name: str
    hemisphere: str
    axis: int
    far: bool
    ends: tuple[str, str]


VIEWS = (
    View("right, outer face", "R", 0, True, ("P", "A")),
    View("right, inner face", "R", 0, False, ("A", "P")),
    View("from above", "both", 2, True, ("R", "L")),
    View("left, inner face", "L", 0, True, ("P", "A")),
    View("left, outer face", "L", 0, False, ("A", "P")),
)


@dataclass(frozen=True)
class Surface:
    """One shaded view: what is hit at each pixel.

    Parameters
    ----------
    region : int, 0 where a pixel shows no region. lesion, hit : bool. light : float, 0..1.
    """

    view: View
    region: np.ndarray
    lesion: np.ndarray
    hit: np.ndarray
    light: np.ndarray


def surface_views(
    solid: np.ndarray, left: np.ndarray, regions: dict[str, np.ndarray], lesion: np.ndarray
) -> list[Surface]:
    """A brain seen from all of `VIEWS`.

    Parameters
    ----------
    solid : float (I, J, K), 0..1; the surface lies at 0.5. left : bool, the left hemisphere's side.
    regions : "L" and "R": int volume with that hemisphere's regions, on every voxel a ray may meet.
    lesion : bool.
    """
    halves = {"L": solid * left, "R": solid * ~left, "both": solid}
    labels = {**regions, "both": np.where(left, regions["L"], regions["R"])}
    marked = ndimage.binary_dilation(lesion, iterations=2) if lesion.any() else lesion
    return [_cast(view, halves[view.hemisphere], labels[view.hemisphere], marked) for view in VIEWS]


def shade(surface: Surface, colours: np.ndarray, estimable: np.ndarray) -> np.ndarray:
    """RGB picture of a view with its regions coloured; white around the brain."""
    rgb = region_colours(surface.region, colours, estimable)
    borders = label_borders(surface.region) & surface.hit
    rgb[borders] *= 0.55
    rgb = rgb * surface.light[..., None]
    mark_lesion(rgb, surface.lesion, period=9)
    return np.where(surface.hit[..., None], rgb, PAPER_RGB)


def spread(labels: np.ndarray, where: np.ndarray, reach_mm: float) -> np.ndarray:
    """Labels (0 = none) brought to every voxel of `where` that has one within `reach_mm`; 1 mm voxels."""
    found = np.zeros_like(labels)
    if not labels.any():
        return found
    box = bounding_box(labels != 0, np.full(3, np.ceil(reach_mm)))
    distance, nearest = ndimage.distance_transform_edt(labels[box] == 0, return_indices=True)
    found[box] = np.where(where[box] & (distance <= reach_mm), labels[box][tuple(nearest)], 0)
    return found


def trimmed(rgb: np.ndarray, hit: np.ndarray) -> np.ndarray:
    """A picture without the empty rows and columns around what was hit."""
    rows, columns = np.flatnonzero(hit.any(1)), np.flatnonzero(hit.any(0))
    return rgb[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _cast(view: View, solid: np.ndarray, labels: np.ndarray, lesion: np.ndarray) -> Surface:
    """Orthographic view along an axis, from its high end if `far`."""

    def facing(volume: np.ndarray) -> np.ndarray:
        volume = np.moveaxis(volume, view.axis, 0)
        return volume[::-1] if view.far else volume

    volume = facing(solid)
    fine = 1.0 / STEP_MM
    shape = [round(n * fine) for n in volume.shape[1:]]
    u, v = (np.linspace(0, n - 1, m) for n, m in zip(volume.shape[1:], shape, strict=True))
    grid = np.stack(np.meshgrid(u, v, indexing="ij"))
    depth = _first_hit(volume, grid.reshape(2, -1)).reshape(shape)
    hit = np.isfinite(depth)
    at = np.stack([np.where(hit, np.nan_to_num(depth), 0), *grid])
    # Colours are read a little below the surface, where a voxel is surely cortex.
    at[0] += 1.0
    ijk = tuple(np.clip(np.rint(c).astype(int), 0, n - 1) for c, n in zip(at, volume.shape, strict=True))
    light = _light(depth, hit)
    planes = [facing(labels)[ijk] * hit, facing(lesion)[ijk] & hit, hit, light]
    mirror = view.axis == 2 or not view.far
    return Surface(view, *[_upright(plane, mirror_columns=mirror) for plane in planes])


def _first_hit(volume: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Depth (voxels, along the first axis) at which each of the (2, N) points first meets 0.5; NaN where never."""
    depth = np.full(points.shape[1], np.nan)
    pending = np.flatnonzero(ndimage.map_coordinates(volume.max(axis=0), points, order=1) >= 0.5)
    before = np.zeros(pending.size)
    for index in np.flatnonzero(volume.max(axis=(1, 2)) > 0.0):
        here = ndimage.map_coordinates(volume[index], points[:, pending], order=1)
        fresh = here >= 0.5
        depth[pending[fresh]] = index - (here[fresh] - 0.5) / np.maximum(here[fresh] - before[fresh], 1e-6)
        pending, before = pending[~fresh], here[~fresh]
    return depth


def _upright(plane: np.ndarray, mirror_columns: bool) -> np.ndarray:
    plane = plane.T[::-1]
    return plane[:, ::-1] if mirror_columns else plane


def _light(depth: np.ndarray, hit: np.ndarray) -> np.ndarray:
    """Shading from the depth's slope, darker in sulci."""
    filled = np.where(hit, depth, np.nanmax(depth, initial=0.0) if hit.any() else 0.0)
    smooth = ndimage.gaussian_filter(filled, 1.5)
    du, dv = np.gradient(smooth, STEP_MM)
    slope = np.sqrt(1 + du**2 + dv**2)
    lambert = (1 + 0.35 * dv - 0.25 * du) / slope / 1.09
    weight = ndimage.gaussian_filter(hit.astype(float), 8)
    around = ndimage.gaussian_filter(np.where(hit, depth, 0), 8) / np.maximum(weight, 1e-6)
    hollow = np.clip((np.where(hit, depth, 0) - around) / 6, -0.5, 1)
    return np.clip(0.38 + 0.62 * np.clip(lambert, 0, 1) - 0.28 * hollow, 0.25, 1.0)
