"""Lesion masks from files, read by the library's own function: the panel and the command line mark the same voxels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer
from RegionalBrainAgeLib.errors import InputError
from slicer.i18n import tr as _

from .grids import ras_from_ijk


def read_mask_on_head(path: Path, t1_volume) -> tuple[np.ndarray, list[str]]:
    """Voxels (slices, rows, columns of the head) that a mask file marks, and what the user should know of it.

    Raises
    ------
    InputError : the file is no mask of this head, or the Python packages that read it are missing.
    """
    try:
        from RegionalBrainAgeLib.files.images import read_mask
        from RegionalBrainAgeLib.geometry.image import Image
    except ImportError as error:
        raise InputError(
            _("A mask file cannot be opened yet: the Python package {name} is missing.").format(name=error.name),
            _("Click 'Install packages' in the Estimate step, then open the mask again. A mask can be drawn without."),
        ) from error
    # Slicer keeps slices first, the library columns first.
    head = Image(slicer.util.arrayFromVolume(t1_volume).T, ras_from_ijk(t1_volume))
    mask, warnings = read_mask(path, head)
    return mask.array.T, warnings
