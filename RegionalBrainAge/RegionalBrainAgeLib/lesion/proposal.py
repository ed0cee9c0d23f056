"""A first outline of a chronic stroke lesion, for a person to correct: never a finding.

Chronic infarcts are dark on T1: fluid in the core, gliosis around it. Two expectations say how bright a place should
be: the template, and the same head mirrored. What is much darker than both is proposed, as outlier methods do with
tissue maps (Seghier 2008) and LINDA with asymmetry (Pustina 2016). Taking the darker of the two expectations leaves out
wide sulci and ventricles, which are dark on both sides, and the healthy mirror image of a lesion.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import ndimage

from ..anatomy.atlases import load_atlas
from ..anatomy.template import template_brain
from ..geometry.image import Image, same_grid
from ..head.registration import Registration

# Everything is judged on a grid of 2 mm in MNI space, symmetric about x = 0, so that mirroring is a flip.
SPACING_MM = 2.0
SHAPE = (81, 101, 87)
ORIGIN_MM = (-80.0, -112.0, -70.0)
# Brightness: 0 fluid, 0.5 grey, 1 white matter. Smoothing lets a gyrus lie a little out of place.
SMOOTHING_MM = 3.0
FINE_SMOOTHING_MM = 1.5
# A proposal needs a place this much darker than expected, and reaches as far as it is this much darker. In three
# healthy heads this proposes 0, 0.9 and 2.0 ml.
SEED_DARKNESS = 0.40
EXTENT_DARKNESS = 0.20
# The border is then drawn on finer detail, up to this far outward.
BORDER_MM = 6.0
MINIMUM_CLUSTER_ML = 0.7
_WHITE_MATTER = (2, 41)
_FIRST_CORTEX = 11101
# Cerebellum, brain stem: their contrast and their sulci defeat this method.
_NOT_JUDGED = (7, 8, 15, 16, 46, 47)


def propose_lesion(t1: Image, brain: Image, registration: Registration) -> Image:
    """Where a head is darker than both the template and its own other side predict.

    Parameters
    ----------
    t1 : bias-corrected head.
    brain : boolean, same grid.
    registration : of this head, made without a lesion mask. Only its affine part is used: the deformable part would
        follow the lesion.

    Returns
    -------
    Image, boolean, same grid; empty when nothing is unusual. It misses or cuts short many lesions under 10 ml, and it
    misses lesions that are not dark on T1 (a recent stroke), those of cerebellum and brain stem, and damage alike on
    both sides. It must be reviewed. ``Testing/benchmarks/lesion_proposal_benchmark.py`` measures it.
    """
    if not same_grid(t1, brain):
        raise ValueError("the head and the brain mask must lie on one grid")
    template_from_ijk = np.linalg.inv(registration.native_from_template) @ t1.ras_from_ijk
    head = _on_grid(t1.array.astype(np.float32), template_from_ijk, order=1)
    inside = _on_grid(brain.array.astype(np.float32), template_from_ijk, order=1) > 0.5
    expected, template_mask, codes = _template()
    # Beyond the brain mask lies fluid: a lesion open to the surface may have been cut out of it.
    brightness = np.where(inside, _brightness(head, inside & template_mask, codes), 0.0).astype(np.float32)
    found = _outline(brightness, expected, template_mask, template_mask & ~np.isin(codes, _NOT_JUDGED))
    grid_from_ijk = np.linalg.inv(_grid()) @ template_from_ijk
    proposed = ndimage.affine_transform(
        found.astype(np.float32), grid_from_ijk[:3, :3], grid_from_ijk[:3, 3], output_shape=t1.shape, order=1
    )
    return t1.like(proposed > 0.5)


def _outline(brightness: np.ndarray, expected: np.ndarray, known: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """Boolean outline on the working grid from brightness (head) and expected brightness (template)."""
    smooth = _smoothed(brightness, known, SMOOTHING_MM)
    expectation = np.minimum(_smoothed(expected, known, SMOOTHING_MM), smooth[::-1])
    darkness = np.where(judged, expectation - smooth, 0.0)
    parts, count = ndimage.label(darkness > EXTENT_DARKNESS)
    if count == 0:
        return np.zeros(judged.shape, dtype=bool)
    darkest = ndimage.maximum(darkness, parts, range(count + 1))
    darkest[0] = 0.0
    core = (np.asarray(darkest) > SEED_DARKNESS)[parts]
    # The border is sharper in the less smoothed image.
    fine = np.where(judged, expectation - _smoothed(brightness, known, FINE_SMOOTHING_MM), 0.0)
    reached = ndimage.binary_dilation(core, iterations=round(BORDER_MM / SPACING_MM))
    outline = (reached & (fine > EXTENT_DARKNESS)) | (core & (fine > EXTENT_DARKNESS / 2))
    outline = ndimage.binary_opening(outline | ndimage.binary_closing(outline))
    outline = ndimage.binary_fill_holes(outline)
    parts, _ = ndimage.label(outline)
    volumes_ml = np.bincount(parts.ravel()) * SPACING_MM**3 / 1000.0
    volumes_ml[0] = 0.0
    return (volumes_ml > MINIMUM_CLUSTER_ML)[parts]


def _grid() -> np.ndarray:
    affine = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    affine[:3, 3] = ORIGIN_MM
    return affine


def _on_grid(array: np.ndarray, template_from_ijk: np.ndarray, order: int) -> np.ndarray:
    """A volume on the working grid; `template_from_ijk` maps its voxels to MNI RAS mm."""
    ijk_from_grid = np.linalg.inv(template_from_ijk) @ _grid()
    return ndimage.affine_transform(array, ijk_from_grid[:3, :3], ijk_from_grid[:3, 3], output_shape=SHAPE, order=order)


@lru_cache(maxsize=1)
def _template() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Brightness, brain mask and Destrieux codes of the template on the working grid."""
    template, labels = template_brain(), load_atlas("destrieux").labels
    values = _on_grid(template.array, template.ras_from_ijk, order=1)
    codes = _on_grid(labels.array, labels.ras_from_ijk, order=0)
    mask = values > 0
    return _brightness(values, mask, codes), mask, codes


def _brightness(values: np.ndarray, mask: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """0 at fluid, 0.5 at grey matter, 1 at white matter, by robust means over the atlas tissue."""
    white = float(np.median(values[mask & ndimage.binary_erosion(np.isin(codes, _WHITE_MATTER))]))
    fluid = float(np.percentile(values[mask], 1.0))
    cortex = values[mask & (codes >= _FIRST_CORTEX)]
    between = (cortex > fluid + 0.35 * (white - fluid)) & (cortex < 0.95 * white)
    grey = float(np.median(cortex[between])) if between.any() else (fluid + white) / 2
    return np.interp(values, (fluid, grey, white), (0.0, 0.5, 1.0)).astype(np.float32)


def _smoothed(values: np.ndarray, mask: np.ndarray, sigma_mm: float) -> np.ndarray:
    """Gaussian mean over the mask only."""
    sigma = sigma_mm / SPACING_MM
    weight = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
    return ndimage.gaussian_filter(np.where(mask, values, 0.0).astype(np.float32), sigma) / np.maximum(weight, 1e-3)
