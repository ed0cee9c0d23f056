"""Reads heads, lesion masks and label volumes from the formats hospitals and research groups use."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy

from ..errors import InputError
from ..geometry.coordinates import coordinates_mm, voxel_indices
from ..geometry.image import Image, resample
from .dicom import read_dicom_folder
from .image_checks import (
    check_affine,
    check_claims,
    check_head,
    check_mask_place,
    check_mask_size,
    check_values,
    mask_from_values,
    no_affine,
    skull_stripped,
    unsigned,
)
from .input_file import parsing, plain_file
from .nrrd import read_nrrd
from .unpacked_size import holds_unpacked

NIFTI, FREESURFER, NRRD = (".nii", ".nii.gz"), (".mgz", ".mgh"), (".nrrd", ".nhdr")
# Scanner and anatomical frames may differ by rounding.
FRAMES_AGREE_MM = 1.0
# A voxel's size by its place in space and by the header's own field may differ by rounding.
SIZES_AGREE_FRACTION = 0.02
SKULL_STRIPPED = (
    "looks skull-stripped: the brain mask and the ages are then less certain. Give the whole head where there is one."
)
# Voxels of a mask lost on the way to the T1's grid: more than this lay outside its field of view.
MAXIMUM_LOST_FRACTION = 0.05
# Bytes before the voxels of a single-file NIfTI.
_NIFTI_HEADER_BYTES = 352
# Above it float32 no longer tells neighbouring whole numbers apart.
LARGEST_LABEL = 2**24
MAXIMUM_NIFTI_OFFSET = 10_000_000


def read_t1(path: Path | str) -> tuple[Image, list[str]]:
    """A T1-weighted head and warnings a user should read.

    Parameters
    ----------
    path : NIfTI (.nii, .nii.gz), FreeSurfer (.mgz, .mgh), NRRD (.nrrd, .nhdr), or a folder of DICOM slices.

    Returns
    -------
    Image, float32, in the file's own voxel order; and the warnings.

    Raises
    ------
    InputError : the file cannot be read, has no valid geometry, or cannot be a T1-weighted whole head.
    """
    path = Path(path)
    name = f"The T1 image {path}"
    t1, warnings = _read(path, name)
    check_values(name, t1.array)
    check_head(name, t1)
    t1, shifted = unsigned(name, t1)
    stripped = [f"{name} {SKULL_STRIPPED}"] if skull_stripped(t1) else []
    return t1, [*warnings, *shifted, *stripped]


def read_mask(path: Path | str, like: Image) -> tuple[Image, list[str]]:
    """A lesion mask (bool) on the grid of `like`, and warnings a user should read.

    The mask may lie on another grid of the same session: it is carried over through RAS space, nearest neighbour.

    Raises
    ------
    InputError : unreadable, empty, not a mask, in another space, outside the T1's field of view, or lost between its
        voxels.
    """
    path = Path(path)
    name = f"The lesion mask {path}"
    stored, warnings = _read(path, name)
    array, more = mask_from_values(name, stored.array)
    drawn = stored.like(array)
    warnings += more + check_mask_place(name, drawn, like)
    mask = resample(drawn, like)
    before_ml = array.sum() * drawn.voxel_volume_ml
    after_ml = mask.array.sum() * mask.voxel_volume_ml
    lost = 1.0 - _inside_fraction(drawn, like)
    if lost == 1 and not mask.array.any():
        raise InputError(
            f"{name} does not reach the T1 image: no voxel of it lies inside the T1's field of view.",
            "Check that it was drawn on this head and saved with its geometry.",
        )
    if lost > MAXIMUM_LOST_FRACTION:
        raise InputError(
            f"{name} lies partly ({100 * lost:.0f} %) outside the T1's field of view.",
            "Check that it was drawn on this head and saved with its geometry.",
        )
    if not mask.array.any():
        raise InputError(
            f"{name} is smaller than the T1's voxels ({before_ml:.2g} ml): nothing of it is left on the T1's grid.",
            "Draw the lesion on the T1 itself, or leave it out.",
        )
    check_mask_size(name, mask.array)
    if abs(after_ml - before_ml) > 0.2 * before_ml:
        warnings.append(f"{name} had {before_ml:.2f} ml on its own grid and has {after_ml:.2f} ml on the T1's.")
    return mask, warnings


def read_map(path: Path | str, name: str) -> Image:
    """Any volume of numbers, float32, with its geometry checked; the values are the caller's to judge.

    Raises
    ------
    InputError : unreadable or without a valid geometry.
    """
    return _read(Path(path), name)[0]


def read_labels(path: Path | str) -> Image:
    """A label volume, int32, in the file's own voxel order.

    Raises
    ------
    InputError : unreadable, or its values are not whole numbers.
    """
    path = Path(path)
    name = f"The label volume {path}"
    labels, _ = _read(path, name)
    if not np.isfinite(labels.array).all() or not np.array_equal(labels.array, np.round(labels.array)):
        raise InputError(f"{name} holds values that are not whole numbers.", "Give a volume of labels.")
    if np.abs(labels.array).max(initial=0) > LARGEST_LABEL:
        raise InputError(f"{name} holds values no label has.", "Give a volume of labels.")
    return labels.like(labels.array.astype(np.int32))


def write_image(image: Image, path: Path | str) -> None:
    """Writes NIfTI (.nii, .nii.gz) with sform and qform (scanner space, mm).

    Booleans become uint8, other types narrow to int32 or float32.
    """
    array = image.array
    if array.dtype == bool:
        array = array.astype(np.uint8)
    elif array.dtype.kind in "iu" and array.dtype.itemsize > 4:
        array = array.astype(np.int32)
    elif array.dtype.kind == "f":
        array = array.astype(np.float32)
    file = nib.Nifti1Image(array, image.ras_from_ijk)
    file.set_sform(image.ras_from_ijk, code=1)
    file.set_qform(image.ras_from_ijk, code=1)
    file.header.set_xyzt_units("mm")
    nib.save(file, path)


def _read(path: Path, name: str) -> tuple[Image, list[str]]:
    """Any supported file as float32 with its geometry checked; values are not."""
    if path.is_dir():
        image, warnings = read_dicom_folder(path)
    else:
        plain_file(path, name)
        lower = path.name.lower()
        if lower.endswith(NIFTI) or lower.endswith(FREESURFER):
            with parsing(name):
                image, warnings = _read_nibabel(path, name)
        elif lower.endswith(NRRD):
            with parsing(name):
                image, warnings = read_nrrd(path, name), []
        else:
            raise InputError(
                f"{name} is of no format this program reads.",
                "Give NIfTI (.nii, .nii.gz), FreeSurfer (.mgz), NRRD (.nrrd) or a folder of DICOM slices.",
            )
    check_affine(name, image.ras_from_ijk)
    return image, warnings


def _read_nibabel(path: Path, name: str) -> tuple[Image, list[str]]:
    file = nib.load(path)
    if not isinstance(file, nib.Nifti1Image | nib.MGHImage):
        raise InputError(f"{name} is neither NIfTI nor MGZ.", "Convert the original images again.")
    dtype = file.get_data_dtype()
    if dtype.fields is not None or dtype.kind not in "iuf":
        raise InputError(f"{name} holds colours or complex numbers.", "Give one grey-value volume.")
    packed = path.name.lower().endswith((".gz", ".mgz"))
    shape = check_claims(name, file.shape, dtype.itemsize, path.stat().st_size, packed)
    assert isinstance(file.dataobj, ArrayProxy)  # as of every image that was read from a file
    offset = int(file.dataobj.offset)
    if isinstance(file, nib.Nifti1Image) and not _NIFTI_HEADER_BYTES <= offset <= MAXIMUM_NIFTI_OFFSET:
        raise InputError(
            f"{name} says that its voxels begin at byte {offset}; in a NIfTI file they begin at byte 352 or later.",
            "Its header is damaged: convert the original images again.",
        )
    if file.dataobj.slope < 0:
        raise InputError(
            f"{name} has inverted grey values (scl_slope is below 0).", "Convert the original images again."
        )
    if packed and not holds_unpacked(path, offset + int(np.prod(shape)) * dtype.itemsize):
        raise InputError(f"{name} is cut off: it holds fewer voxels than its header says.", "Copy or export it again.")
    warnings = []
    if isinstance(file, nib.Nifti1Image):
        sform, qform = file.header.get_sform(coded=True)[0], _qform(file.header)
        if sform is None and qform is None:
            raise no_affine(name)
        _check_scale(name, file.header, file.affine)
        if sform is not None and qform is not None:
            apart = _corners_apart_mm(sform, qform, shape)
            if not apart <= FRAMES_AGREE_MM:
                warnings.append(
                    f"{name}: its two frames (sform, qform) disagree by up to {apart:.0f} mm; the sform was used. "
                    "Check left and right."
                )
    elif int(file.header["goodRASFlag"]) != 1:
        raise no_affine(name)
    array = np.asarray(file.dataobj, dtype=np.float32).reshape(shape)
    return Image(array, np.asarray(file.affine, dtype=float)), warnings


def _check_scale(name: str, header: nib.Nifti1Header, ras_from_ijk: np.ndarray) -> None:
    """Refuses a frame that stretches the head, as an affine alignment with a template leaves it.

    Thickness and volumes are measured in the frame's millimetres.
    """
    by_frame = np.linalg.norm(ras_from_ijk[:3, :3], axis=0)
    by_header = np.array(header.get_zooms()[:3], dtype=float)
    if np.isfinite(by_frame).all() and not np.allclose(by_frame, by_header, rtol=SIZES_AGREE_FRACTION, atol=0):
        sizes = (" x ".join(f"{mm:.3g}" for mm in found) for found in (by_header, by_frame))
        raise InputError(
            f"{name} has voxels of {' mm by its header but '.join(sizes)} mm by its frame (sform): it was stretched, "
            "as by an alignment with a template.",
            "Give the image as the scanner made it, with its own frame.",
        )


def _qform(header: nib.Nifti1Header) -> np.ndarray | None:
    try:
        return header.get_qform(coded=True)[0]
    except (ValueError, nib.spatialimages.HeaderDataError):  # a quaternion longer than one
        return None


def _corners_apart_mm(a: np.ndarray, b: np.ndarray, shape: tuple[int, int, int]) -> float:
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape], [1], indexing="ij")).reshape(4, -1)
    return float(np.linalg.norm(((a - b) @ corners)[:3], axis=0).max())


def _inside_fraction(mask: Image, like: Image) -> float:
    """Share of a mask's voxel centres inside the field of view of `like`."""
    voxels = voxel_indices(like, coordinates_mm(mask, np.argwhere(mask.array)))
    return float(np.mean(np.all((voxels >= -0.5) & (voxels <= np.array(like.shape) - 0.5), axis=1)))
