"""Fills a lesion with the tissue of the other hemisphere, so that steps which compare shapes are not drawn by it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..geometry.image import Image, bounding_box

# Mirroring in MNI space: the midline is x = 0.
MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])


def fill_lesion(t1: Image, brain: Image, lesion: Image, native_from_template: np.ndarray) -> Image:
    """The head with lesion voxels replaced by those of the mirrored hemisphere (Nachev 2008), float32.

    Parameters
    ----------
    t1 : bias-corrected head.
    brain, lesion : masks (bool) on the T1's grid.
    native_from_template : affine, template RAS mm to the head's RAS mm; its x = 0 plane is the plane of mirroring.

    Where the mirrored voxel is itself damaged or outside the brain, the mean of nearby sound tissue is used. The
    seam is blended over about 2 mm.
    """
    head = t1.array.astype(np.float32)
    if not lesion.array.any():
        return t1.like(head)
    spacing = t1.spacing_mm
    box = bounding_box(lesion.array, np.ceil(12.0 / spacing).astype(int))
    damaged = lesion.array[box]
    sound = brain.array & ~lesion.array

    template_from_native = np.linalg.inv(native_from_template)
    mirror = native_from_template @ MIRROR @ template_from_native
    ijk_mirrored = np.linalg.inv(t1.ras_from_ijk) @ mirror @ t1.ras_from_ijk
    start = np.array([s.start for s in box])
    offset = ijk_mirrored[:3, :3] @ start + ijk_mirrored[:3, 3]
    fetch = {"matrix": ijk_mirrored[:3, :3], "offset": offset, "output_shape": damaged.shape, "order": 1}
    other_side = ndimage.affine_transform(head, **fetch)
    usable = ndimage.affine_transform(sound.astype(np.float32), **fetch)

    sigma = 6.0 / spacing
    weight = ndimage.gaussian_filter(sound[box].astype(np.float32), sigma)
    nearby = ndimage.gaussian_filter(np.where(sound[box], head[box], 0.0), sigma)
    overall = float(np.median(head[sound]))
    nearby = np.where(weight > 1e-3, nearby / np.maximum(weight, 1e-3), overall)

    filled = np.where(usable > 0.5, other_side, nearby)
    blend = np.clip(ndimage.gaussian_filter(damaged.astype(np.float32), 1.0 / spacing) * 2.0, 0.0, 1.0)
    blend[damaged] = 1.0
    result = head.copy()
    result[box] = np.where(blend > 0.0, blend * filled + (1.0 - blend) * head[box], head[box])
    return t1.like(result)
