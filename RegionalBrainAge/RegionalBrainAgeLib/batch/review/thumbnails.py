"""Five small pictures of a case for the quality page, drawn from the files the case left."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from ...figures import palette
from ...figures.marks import label_borders, mark_lesion, outline, plane_labels, slice_rgb
from ...files.images import read_map, read_t1
from ...files.input_file import parsing, plain_file
from ...geometry.image import Image, resample, to_canonical

# kind -> caption
KINDS = {
    "mask": "brain mask",
    "registration": "registration: borders of parcels",
    "tissue": "tissue: cortex by thickness",
    "lesion": "lesion",
    "regions": "regions",
}
# The picture of a report that shows the same.
REPORT_PICTURES = {"mask": "mask", "registration": "registration", "tissue": "thickness", "regions": "map"}
_SHRUNK_PIXELS = 560
_SPACING_MM = 1.5
_MARGIN_MM = 6.0
# The middle sagittal slice shows little cortex, the middle axial one the midbrain.
_OFF_MIDDLE_MM = np.array([25.0, 0.0, 10.0])
_BRAIN_RGB, _PARCEL_RGB = palette.rgb(palette.BRAIN_OUTLINE), palette.rgb(palette.PARCEL_BORDER)
_JPEG_QUALITY = 72


def shrunk(path: Path) -> bytes:
    """A picture of a report as a small JPEG.

    Raises
    ------
    InputError : it is no picture.
    """
    name = f"The picture {path}"
    stream = io.BytesIO()
    with parsing(name), Picture.open(plain_file(path, name)) as picture:
        picture.thumbnail((_SHRUNK_PIXELS, _SHRUNK_PIXELS))
        picture.save(stream, "JPEG", quality=_JPEG_QUALITY)
    return stream.getvalue()


def draw_thumbnails(case_folder: Path, t1: Path) -> dict[str, bytes]:
    """JPEG pictures by kind (`KINDS`): an axial, a coronal and a sagittal slice, the patient's right on the left.

    Parameters
    ----------
    case_folder : folder of a case with its volumes.
    t1 : the head the case was computed from.

    Raises
    ------
    FileNotFoundError : the case has no brain mask.
    InputError : the head cannot be read.
    """
    volume = _volumes(case_folder)
    brain = volume("desc-brain_mask")
    if brain is None:
        raise FileNotFoundError(case_folder / f"{case_folder.name}_desc-brain_mask.nii.gz")
    grid = _grid(brain)
    gray = resample(to_canonical(read_t1(t1)[0]), grid).array.astype(float)
    inside = _on(brain, grid) > 0
    low, high = np.percentile(gray[inside], (0.5, 99.9))
    gray = np.clip((gray - low) / max(high - low, 1e-6), 0, 1)
    lesion = _on(volume("desc-lesion_mask"), grid) > 0
    parcels, thickness_mm, regions = (
        _on(volume(name), grid) for name in ("desc-parcels_dseg", "desc-thickness_map", "desc-regions_dseg")
    )
    middle = np.median(np.argwhere(inside), axis=0).astype(int) + np.round(_OFF_MIDDLE_MM / _SPACING_MM).astype(int)
    at_lesion = _widest(lesion) if lesion.any() else middle
    labels = parcels if parcels.any() else regions
    return {
        "mask": _strip(gray, middle, lambda rgb, cut: _paint(rgb, outline(cut(inside)), _BRAIN_RGB)),
        "registration": _strip(gray, middle, lambda rgb, cut: _paint(rgb, label_borders(cut(labels)), _PARCEL_RGB)),
        "tissue": _strip(gray, middle, lambda rgb, cut: _colour_thickness(rgb, cut(thickness_mm))),
        "lesion": _strip(gray, at_lesion, lambda rgb, cut: mark_lesion(rgb, cut(lesion), period=6)),
        "regions": _strip(gray, middle, lambda rgb, cut: _colour_regions(rgb, cut(regions))),
    }


def _volumes(case_folder: Path) -> Callable[[str], Image | None]:
    def volume(name: str) -> Image | None:
        path = case_folder / f"{case_folder.name}_{name}.nii.gz"
        if not path.exists():
            return None
        found = read_map(path, f"The volume {path}")
        return to_canonical(found.like(np.nan_to_num(found.array)))

    return volume


def _grid(brain: Image) -> Image:
    """A grid in RAS axes around the brain."""
    ijk = np.argwhere(brain.array > 0)
    corners = np.array(np.meshgrid(*zip(ijk.min(0), ijk.max(0), strict=True), [1], indexing="ij")).reshape(4, -1)
    ras = (brain.ras_from_ijk @ corners)[:3]
    low = ras.min(1) - _MARGIN_MM
    shape = np.ceil((ras.max(1) + _MARGIN_MM - low) / _SPACING_MM).astype(int) + 1
    ras_from_ijk = np.diag([_SPACING_MM] * 3 + [1.0])
    ras_from_ijk[:3, 3] = low
    return Image(np.broadcast_to(np.uint8(0), shape), ras_from_ijk)


def _widest(lesion: np.ndarray) -> np.ndarray:
    """Indices of the three slices in which most of a lesion is seen."""
    axes = range(lesion.ndim)
    return np.array([lesion.sum(axis=tuple(a for a in axes if a != axis)).argmax() for axis in axes])


def _on(image: Image | None, grid: Image) -> np.ndarray:
    return np.zeros(grid.shape) if image is None else resample(image, grid, nearest=True).array


def _strip(gray: np.ndarray, at: np.ndarray, paint: Callable[[np.ndarray, Callable], object]) -> bytes:
    at = np.clip(at, 0, np.array(gray.shape) - 1)
    every = slice(None)
    tiles = []
    for plane, ends in (((every, every, at[2]), "RL"), ((every, at[1], every), "RL"), ((at[0], every, every), "AP")):
        rgb = slice_rgb(gray[plane], 1)
        paint(rgb, lambda volume, plane=plane: plane_labels(volume[plane], 1))
        tiles.append(_lettered(rgb, ends))
    height = max(tile.shape[0] for tile in tiles)
    padded = [np.pad(tile, ((0, height - tile.shape[0]), (0, 3), (0, 0))) for tile in tiles]
    stream = io.BytesIO()
    pixels = np.clip(np.concatenate(padded, axis=1) * 255, 0, 255).astype(np.uint8)
    Picture.fromarray(pixels).save(stream, "JPEG", quality=_JPEG_QUALITY)
    return stream.getvalue()


def _lettered(rgb: np.ndarray, ends: str) -> np.ndarray:
    """A tile with what its left and right end are in its lower corners."""
    tile = Picture.fromarray(np.clip(rgb * 255, 0, 255).astype(np.uint8))
    draw, (columns, rows) = ImageDraw.Draw(tile), tile.size
    for x, anchor, letter in ((2, "ls", ends[0]), (columns - 2, "rs", ends[1])):
        draw.text((x, rows - 2), letter, fill="white", anchor=anchor, font=ImageFont.load_default(11))
    return np.asarray(tile) / 255.0


def _paint(rgb: np.ndarray, where: np.ndarray, colour: np.ndarray) -> None:
    rgb[where] = 0.3 * rgb[where] + 0.7 * colour


def _colour_thickness(rgb: np.ndarray, thickness_mm: np.ndarray) -> None:
    there = thickness_mm > 0
    rgb[there] = palette.AmountScale(*palette.THICKNESS_RANGE_MM, palette.THICKNESS).colours(thickness_mm[there])


def _colour_regions(rgb: np.ndarray, regions: np.ndarray) -> None:
    there = regions > 0
    colours = matplotlib.colormaps["tab20"](((regions[there] - 1) % 20).astype(int))[:, :3]
    rgb[there] = 0.45 * rgb[there] + 0.55 * colours
