"""Reads heads, lesion masks and label volumes from the formats hospitals and research groups use."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from ..errors import InputError
from .image import Image, resample


def read_t1(path: Path | str) -> tuple[Image, list[str]]:
    """A T1-weighted head, float32, with warnings a user should read."""
    return _read(Path(path), np.float32), []


def read_mask(path: Path | str, like: Image) -> tuple[Image, list[str]]:
    """A lesion mask on the grid of `like` (nearest neighbour through RAS)."""
    mask = _read(Path(path), np.float32)
    mask = resample(mask.like(mask.array > 0.5 * mask.array.max()), like, nearest=True)
    if not mask.array.any():
        raise InputError(f"The lesion mask {path} is empty.", "Leave the lesion out when there is none.")
    return mask, []


def read_labels(path: Path | str) -> Image:
    """A label volume, int32."""
    return _read(Path(path), np.int32)


def write_image(image: Image, path: Path | str) -> None:
    """Writes NIfTI (.nii, .nii.gz) with sform and qform set; booleans as uint8."""
    array = image.array.astype(np.uint8) if image.array.dtype == bool else image.array
    nib.save(nib.Nifti1Image(array, image.ras_from_ijk), path)


def _read(path: Path, dtype: type) -> Image:
    if not path.exists():
        raise InputError(f"The file {path} does not exist.", "Check the path.")
    file = nib.load(path)
    return Image(np.asarray(file.dataobj).astype(dtype), np.asarray(file.affine, float))
