"""Marks on brain pictures: slices as shown to a reader, outlines, hatching, dots.

Every picture of this project that shows both sides has the patient's left on its right, as radiologists see it.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from . import palette

CONVENTION = "The patient's left is on the right of every picture (letters L and R)."


def slice_rgb(gray: np.ndarray, zoom: int) -> np.ndarray:
    """A slice as displayed: grey values 0..1 of shape (I, J) become RGB of shape (J * zoom, I * zoom, 3)."""
    big = ndimage.zoom(gray, zoom, order=1, grid_mode=True, mode="nearest")
    return np.repeat(_as_displayed(big)[..., None], 3, axis=2)


def plane_labels(labels: np.ndarray, zoom: int) -> np.ndarray:
    """A slice of labels as displayed, each voxel a square of `zoom` pixels."""
    return _as_displayed(np.repeat(np.repeat(labels, zoom, 0), zoom, 1))


def _as_displayed(plane: np.ndarray) -> np.ndarray:
    # First axis runs to the patient's right, which radiologists see on the left; second runs up the page.
    return plane.T[::-1, ::-1]


def hatch(shape: tuple[int, int], period: int, width: int) -> np.ndarray:
    """Diagonal stripes, bool, on an image of shape (rows, columns)."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows + columns) % period < width


def dots(shape: tuple[int, int], period: int) -> np.ndarray:
    """A grid of small dots, bool."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows % period < period // 3) & ((columns + (rows // period % 2) * period // 2) % period < period // 3)


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
    """Outlines and hatches a lesion, in place; what lies under it stays to be seen between the lines."""
    colour = palette.rgb(palette.LESION)
    rgb[lesion] *= 0.6
    rgb[lesion & hatch(lesion.shape, period, max(1, period // 6))] = colour
    rgb[outline(lesion, max(1, period // 5))] = colour
    rgb[outline(~lesion) & ndimage.binary_dilation(lesion)] = 0.08


def region_colours(labels: np.ndarray, colours: np.ndarray, estimable: np.ndarray) -> np.ndarray:
    """RGB of region numbers (0 = none) on a picture; regions without a value get a dotted grey.

    Parameters
    ----------
    labels : int, shape (rows, columns). colours : shape (regions, 3). estimable : bool, shape (regions,).
    """
    none, plain, dotted = (
        palette.rgb(c) for c in (palette.NO_REGION, palette.NOT_ESTIMABLE, palette.NOT_ESTIMABLE_DOTS)
    )
    rgb = np.vstack([none, np.where(estimable[:, None], colours, plain)])[labels]
    rgb[~np.concatenate([[True], estimable])[labels] & dots(labels.shape, 6)] = dotted
    return rgb
