"""Brain pictures as RGB arrays: slices with overlays, and shaded views of the surface.

Pictures are made on a display grid: 1 mm, axes along right, anterior and superior, cropped to the brain. Slices follow
the radiological convention: the patient's left is on the right of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...geometry.image import Image, resample
from ..result.volumes import CaseVolumes

MARGIN_MM = 6
LESION_RGB = np.array([0.13, 0.15, 0.18])
HATCH_RGB = np.array([0.98, 0.97, 0.94])
NOT_ESTIMABLE_RGB = np.array([0.62, 0.63, 0.65])
NOT_ESTIMABLE_DARK_RGB = np.array([0.42, 0.43, 0.46])
NO_REGION_RGB = np.array([0.87, 0.86, 0.84])
PAPER_RGB = np.array([1.0, 1.0, 1.0])
# Cortex this far from a region's atlas voxels still takes its colour on the surface: warps are good to a few mm.
REACH_MM = 4.0
SURFACE_STEP_MM = 0.45


@dataclass(frozen=True)
class Stage:
    """A case on the display grid; arrays of one shape (I, J, K), i to the patient's right, j forwards, k upwards.

    Parameters
    ----------
    t1 : float32, 0..1. brain, lesion : bool. region : int16, first region at a voxel, from 1. parcel : int16 or None.
    thickness : float32 mm or None. template : float32, 0..1. left : bool, the left hemisphere's side of the brain.
    hemispheres : "L" or "R" of each region of the scheme.
    """

    t1: np.ndarray
    brain: np.ndarray
    lesion: np.ndarray
    region: np.ndarray
    parcel: np.ndarray | None
    thickness: np.ndarray | None
    template: np.ndarray
    left: np.ndarray
    hemispheres: tuple[str, ...]


def set_stage(volumes: CaseVolumes, hemispheres: tuple[str, ...]) -> Stage:
    """Brings a case's volumes to the display grid.

    Parameters
    ----------
    hemispheres : "L" or "R" of each region of the scheme.
    """
    grid = _display_grid(volumes.brain)
    t1 = resample(volumes.t1, grid).array
    brain = resample(volumes.brain, grid).array
    region = resample(volumes.regions.first_region(), grid, nearest=True).array
    template = resample(volumes.template_on_t1, grid).array
    return Stage(
        t1=_unit_range(t1, brain),
        brain=brain,
        lesion=resample(volumes.lesion, grid).array,
        region=region,
        parcel=resample(volumes.parcels, grid, nearest=True).array if volumes.parcels else None,
        thickness=_nearest_float(volumes.thickness, grid) if volumes.thickness else None,
        template=_unit_range(template, template > 0),
        left=_left_side(region, hemispheres),
        hemispheres=hemispheres,
    )


def _display_grid(brain: Image) -> Image:
    ijk = np.argwhere(brain.array)
    corners = np.array(np.meshgrid(*zip(ijk.min(0), ijk.max(0), strict=True), [1], indexing="ij")).reshape(4, -1)
    ras = (brain.ras_from_ijk @ corners)[:3]
    low = np.floor(ras.min(1)) - MARGIN_MM
    shape = (np.ceil(ras.max(1)) + MARGIN_MM - low).astype(int) + 1
    ras_from_ijk = np.eye(4)
    ras_from_ijk[:3, 3] = low
    return Image(np.broadcast_to(np.uint8(0), shape), ras_from_ijk)


def _unit_range(array: np.ndarray, inside: np.ndarray) -> np.ndarray:
    low, high = np.percentile(array[inside], (0.5, 99.9))
    return np.clip((array - low) / max(high - low, 1e-6) * 0.92 + 0.04, 0, 1).astype(np.float32)


def _nearest_float(image: Image, grid: Image) -> np.ndarray:
    moved = resample(image.like(np.nan_to_num(image.array, nan=0.0)), grid, nearest=True).array
    return np.where(moved > 0, moved, np.nan)


def _left_side(region: np.ndarray, hemispheres: tuple[str, ...]) -> np.ndarray:
    """Voxels nearer to a left region than to a right one, by the plane that best parts them."""
    is_left = np.array([False, *(h == "L" for h in hemispheres)])
    ijk = np.argwhere(region > 0)[::7]
    side = np.where(is_left[region[tuple(ijk.T)]], -1.0, 1.0)
    design = np.column_stack([ijk, np.ones(len(ijk))])
    plane, *_ = np.linalg.lstsq(design, side, rcond=None)
    i, j, k = np.ogrid[tuple(slice(n) for n in region.shape)]
    return plane[0] * i + plane[1] * j + plane[2] * k + plane[3] < 0


def hatch(shape: tuple[int, int], period: int, width: int) -> np.ndarray:
    """Diagonal stripes, bool, on an image of shape (rows, columns)."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows + columns) % period < width


def dots(shape: tuple[int, int], period: int) -> np.ndarray:
    """A grid of small dots, bool."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows % period < period // 3) & ((columns + (rows // period % 2) * period // 2) % period < period // 3)


def slice_rgb(gray: np.ndarray, zoom: int) -> np.ndarray:
    """A slice as displayed: shape (I, J) becomes RGB of shape (J * zoom, I * zoom, 3), radiological."""
    big = ndimage.zoom(gray, zoom, order=1, grid_mode=True, mode="nearest")
    return np.repeat(_as_displayed(big)[..., None], 3, axis=2)


def plane_labels(labels: np.ndarray, zoom: int) -> np.ndarray:
    """A slice of labels as displayed, each voxel a square of `zoom` pixels."""
    return _as_displayed(np.repeat(np.repeat(labels, zoom, 0), zoom, 1))


def _as_displayed(plane: np.ndarray) -> np.ndarray:
    # First axis runs to the patient's right, which radiologists see on the left; second runs up the page.
    return plane.T[::-1, ::-1]


def outline(mask: np.ndarray, width: int = 1) -> np.ndarray:
    """The inner border of a mask, bool."""
    return mask & ~ndimage.binary_erosion(mask, iterations=width, border_value=1)


def label_borders(labels: np.ndarray) -> np.ndarray:
    """Pixels whose right or lower neighbour has another label, bool."""
    borders = np.zeros(labels.shape, bool)
    borders[:-1] |= labels[:-1] != labels[1:]
    borders[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    return borders


def mark_lesion(rgb: np.ndarray, lesion: np.ndarray, period: int = 8) -> None:
    """Draws a lesion as dark hatching with an outline, in place."""
    stripes = hatch(lesion.shape, period, max(1, period // 4))
    rgb[lesion] = LESION_RGB
    rgb[lesion & stripes] = HATCH_RGB
    rgb[outline(lesion)] = HATCH_RGB


def region_colours(labels: np.ndarray, colours: np.ndarray, estimable: np.ndarray) -> np.ndarray:
    """RGB of region numbers (0 = none) on a picture; regions without a value get a dotted grey.

    Parameters
    ----------
    labels : int, shape (rows, columns). colours : shape (regions, 3). estimable : bool, shape (regions,).
    """
    table = np.vstack([NO_REGION_RGB, np.where(estimable[:, None], colours, NOT_ESTIMABLE_RGB)])
    rgb = table[labels]
    dotted = ~np.concatenate([[True], estimable])[labels] & dots(labels.shape, 6)
    rgb[dotted] = NOT_ESTIMABLE_DARK_RGB
    return rgb


@dataclass(frozen=True)
class Surface:
    """One shaded view: what is hit at each pixel.

    Parameters
    ----------
    region : int, 0 where a pixel shows cortex of no region. lesion, hit : bool. light : float, 0..1.
    """

    name: str
    region: np.ndarray
    lesion: np.ndarray
    hit: np.ndarray
    light: np.ndarray


def surface_views(stage: Stage) -> list[Surface]:
    """The cortex from the left, the right, above, and both medial faces."""
    solid = _tissue(stage)
    # Each hemisphere shows its own regions: near the midline atlas voxels stray across.
    own = {side: _reach(_of_side(stage, side), stage.brain) for side in "LR"}
    both = np.where(stage.left, own["L"], own["R"])
    lesion = ndimage.binary_dilation(stage.lesion, iterations=2)
    left, right = solid * stage.left, solid * ~stage.left
    views = [
        ("right, outside", right, own["R"], 0, True),
        ("left, outside", left, own["L"], 0, False),
        ("from above", solid, both, 2, True),
        ("right, inside", right, own["R"], 0, False),
        ("left, inside", left, own["L"], 0, True),
    ]
    return [_cast(name, volume, labels, lesion, axis, far) for name, volume, labels, axis, far in views]


def _of_side(stage: Stage, side: str) -> np.ndarray:
    of_side = np.array([False, *(hemisphere == side for hemisphere in stage.hemispheres)])
    return np.where(of_side[stage.region], stage.region, 0)


def _tissue(stage: Stage) -> np.ndarray:
    """Smooth brain tissue without surrounding fluid, 0..1; a lesion counts as tissue so that it can be seen."""
    inside = stage.t1[stage.brain & ~stage.lesion]
    low, high = np.percentile(inside, 2), np.percentile(inside, 80)
    tissue = (stage.brain & (stage.t1 >= low + 0.42 * (high - low))) | (
        stage.lesion & ndimage.binary_erosion(stage.brain, iterations=5)
    )
    tissue = ndimage.binary_opening(tissue)
    components, _ = ndimage.label(tissue)
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    tissue = (sizes > 0.05 * sizes.sum())[components]
    return ndimage.gaussian_filter(tissue.astype(np.float32), 0.8)


def _reach(region: np.ndarray, brain: np.ndarray) -> np.ndarray:
    distance, nearest = ndimage.distance_transform_edt(region == 0, return_indices=True)
    return np.where(brain & (distance <= REACH_MM), region[tuple(nearest)], 0)


def _cast(name: str, solid: np.ndarray, labels: np.ndarray, lesion: np.ndarray, axis: int, far: bool) -> Surface:
    """Orthographic view along an axis, from its high end if `far`."""

    def facing(volume: np.ndarray) -> np.ndarray:
        volume = np.moveaxis(volume, axis, 0)
        return volume[::-1] if far else volume

    volume = facing(solid)
    fine = 1.0 / SURFACE_STEP_MM
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
    mirror = axis == 2 or not far
    return Surface(name, *[_upright(plane, mirror_columns=mirror) for plane in planes])


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
    du, dv = np.gradient(smooth, SURFACE_STEP_MM)
    slope = np.sqrt(1 + du**2 + dv**2)
    lambert = (1 + 0.35 * dv - 0.25 * du) / slope / 1.09
    weight = ndimage.gaussian_filter(hit.astype(float), 8)
    around = ndimage.gaussian_filter(np.where(hit, depth, 0), 8) / np.maximum(weight, 1e-6)
    hollow = np.clip((np.where(hit, depth, 0) - around) / 6, -0.5, 1)
    return np.clip(0.38 + 0.62 * np.clip(lambert, 0, 1) - 0.28 * hollow, 0.25, 1.0)


def shade(surface: Surface, colours: np.ndarray, estimable: np.ndarray) -> np.ndarray:
    """RGB picture of a view with its regions coloured; white around the brain."""
    rgb = region_colours(surface.region, colours, estimable)
    borders = label_borders(surface.region) & surface.hit
    rgb[borders] *= 0.55
    mark_lesion(rgb, surface.lesion, period=9)
    rgb = rgb * surface.light[..., None]
    return np.where(surface.hit[..., None], rgb, PAPER_RGB)
