"""White-matter hypointensities: what a T1 shows of white-matter hyperintensities (FLAIR), common in stroke patients.

On a T1 they are as dark as cortex. What tells them apart is their place: deep in what the structure network, trained on
maps that count them as white matter, calls white matter. FreeSurfer names them WM-hypointensities.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..geometry.image import Image
from .on_head import probability_on_head
from .segmentation import StructureMap

WHITE_CLASSES = ("Cerebral-White-Matter", "Corpus-Callosum")
# Where the network is this sure, partial volume with cortex or ventricle is no explanation of a dark voxel.
SURELY_WHITE = 0.9
# Share of the way from white to grey matter beyond which a voxel is hypointense.
DARK_SHARE = 0.5
SMALLEST_MM3 = 20.0


def white_matter_hypointensities(
    found: StructureMap, t1: Image, brain: Image, lesion: Image | None = None, threads: int = 1
) -> Image:
    """Mask (bool) of dark spots in the white matter, without the lesion; images as given to `segment_structures`."""
    white = probability_on_head(found, WHITE_CLASSES, brain, threads).array
    grey = probability_on_head(found, ("Cerebral-Cortex",), brain, threads).array
    sound = brain.array if lesion is None else brain.array & ~lesion.array
    surely_white, surely_grey = sound & (white > SURELY_WHITE), sound & (grey > SURELY_WHITE)
    if not surely_white.any() or not surely_grey.any():
        return brain.like(np.zeros(brain.shape, bool))
    bright, dark = (float(np.median(t1.array[where])) for where in (surely_white, surely_grey))
    spots = surely_white & (t1.array < bright - DARK_SHARE * (bright - dark))
    labels, _ = ndimage.label(spots, ndimage.generate_binary_structure(3, 3))
    volume_mm3 = np.bincount(labels.ravel()) * brain.voxel_volume_ml * 1000.0
    large = volume_mm3 >= SMALLEST_MM3
    large[0] = False
    return brain.like(large[labels])
