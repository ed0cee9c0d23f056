"""A case on one grid for drawing: 1 mm, axes along right, front and up, cropped to the brain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...figures.surface import Surface, spread, surface_views
from ...geometry.image import Image, resample
from ..result.volumes import CaseVolumes

MARGIN_MM = 6
# A measured voxel of cortex takes the colour of the nearest region within this distance: warps are good to a few mm.
REACH_MM = 4.0


@dataclass(frozen=True)
class Scene:
    """A case on the display grid; arrays of one shape (I, J, K), i to the patient's right, j forwards, k upwards.

    Parameters
    ----------
    t1 : float32, 0..1. brain, lesion : bool.
    region : int16, number (from 1) of the region at every voxel of cortex that was measured, 0 elsewhere. Where no
        cortex was measured in this head it is the atlas's region.
    parcel : int16 or None. thickness : float32 mm, NaN outside the cortex, or None.
    template : float32, 0..1, brought onto this head; None where nothing was registered.
    left : bool, the left hemisphere's side of the brain.
    hemispheres : "L" or "R" of each region of the scheme.
    """

    t1: np.ndarray
    brain: np.ndarray
    lesion: np.ndarray
    region: np.ndarray
    parcel: np.ndarray | None
    thickness: np.ndarray | None
    template: np.ndarray | None
    left: np.ndarray
    hemispheres: tuple[str, ...]
    ras_from_ijk: np.ndarray


def make_scene(
    volumes: CaseVolumes, hemispheres: tuple[str, ...], parcel_mm: Mapping[int, float] | None = None
) -> Scene:
    """Brings a case's volumes to the display grid.

    Parameters
    ----------
    hemispheres : "L" or "R" of each region of the scheme.
    parcel_mm : thickness of each parcel by its number, drawn where there is no map of thickness (FreeSurfer's route).
    """
    grid = _display_grid(volumes.brain)
    t1 = resample(volumes.t1, grid).array
    brain = resample(volumes.brain, grid).array
    atlas = resample(volumes.regions.first_region(), grid, nearest=True).array
    template = resample(volumes.template_on_t1, grid).array if volumes.template_on_t1 else None
    parcel = resample(volumes.parcels, grid, nearest=True).array if volumes.parcels else None
    left = _left_side(atlas, hemispheres)
    return Scene(
        t1=_unit_range(t1, brain),
        brain=brain,
        lesion=resample(volumes.lesion, grid).array,
        region=atlas if parcel is None else _on_cortex(atlas, parcel > 0, left, hemispheres),
        parcel=parcel,
        thickness=_thickness(volumes, grid, parcel, parcel_mm or {}),
        template=_unit_range(template, template > 0) if template is not None else None,
        left=left,
        hemispheres=hemispheres,
        ras_from_ijk=grid.ras_from_ijk,
    )


def views_of(scene: Scene) -> list[Surface]:
    """The scene's brain from both sides, from above, and both inner faces."""
    # Each hemisphere shows its own regions: near the midline atlas voxels stray across.
    own = {side: spread(_of_side(scene.region, scene.hemispheres, side), scene.brain, REACH_MM) for side in "LR"}
    return surface_views(_tissue(scene), scene.left, own, scene.lesion)


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


def _thickness(
    volumes: CaseVolumes, grid: Image, parcel: np.ndarray | None, parcel_mm: Mapping[int, float]
) -> np.ndarray | None:
    if volumes.thickness is not None:
        image = volumes.thickness.like(np.nan_to_num(volumes.thickness.array, nan=0.0))
        moved = resample(image, grid, nearest=True).array
        return np.where(moved > 0, moved, np.nan)
    if parcel is None or not parcel_mm:
        return None
    lookup = np.full(int(max(parcel.max(), *parcel_mm)) + 1, np.nan, np.float32)
    for number, thickness_mm in parcel_mm.items():
        lookup[number] = thickness_mm
    return lookup[parcel]


def _left_side(region: np.ndarray, hemispheres: tuple[str, ...]) -> np.ndarray:
    """Voxels nearer to a left region than to a right one, by the plane that best parts them."""
    is_left = np.array([False, *(h == "L" for h in hemispheres)])
    ijk = np.argwhere(region > 0)[::7]
    side = np.where(is_left[region[tuple(ijk.T)]], -1.0, 1.0)
    design = np.column_stack([ijk, np.ones(len(ijk))])
    plane, *_ = np.linalg.lstsq(design, side, rcond=None)
    i, j, k = np.ogrid[tuple(slice(n) for n in region.shape)]
    return plane[0] * i + plane[1] * j + plane[2] * k + plane[3] < 0


def _of_side(region: np.ndarray, hemispheres: tuple[str, ...], side: str) -> np.ndarray:
    of_side = np.array([False, *(hemisphere == side for hemisphere in hemispheres)])
    return np.where(of_side[region], region, 0)


def _on_cortex(atlas: np.ndarray, cortex: np.ndarray, left: np.ndarray, hemispheres: tuple[str, ...]) -> np.ndarray:
    """The atlas's regions brought onto the cortex that was measured, each hemisphere's onto its own."""
    own = {side: spread(_of_side(atlas, hemispheres, side), cortex, REACH_MM) for side in "LR"}
    return np.where(left, own["L"], own["R"]).astype(np.int16)


def _tissue(scene: Scene) -> np.ndarray:
    """Smooth brain tissue without surrounding fluid, 0..1; a lesion counts as tissue so that it can be seen."""
    inside = scene.t1[scene.brain & ~scene.lesion]
    low, high = np.percentile(inside, 2), np.percentile(inside, 80)
    tissue = (scene.brain & (scene.t1 >= low + 0.42 * (high - low))) | (
        scene.lesion & ndimage.binary_erosion(scene.brain, iterations=5)
    )
    tissue = ndimage.binary_opening(tissue)
    components, _ = ndimage.label(tissue)
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    tissue = (sizes > 0.05 * sizes.sum())[components]
    return ndimage.gaussian_filter(tissue.astype(np.float32), 0.8)
