"""Says what is wrong with a file before anything is computed from it: what, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from ..geometry.image import Image, same_grid

MAXIMUM_SPACING_MM = 2.0
# Spacings are stored rounded.
SPACING_TOLERANCE_MM = 0.05
# A whole head fills more than this along every axis, and no scanner's bore is wider than the second.
FIELD_OF_VIEW_MM = (100.0, 700.0)
# 512 voxels a side. A header that claims more is broken, or would take more memory than a case may.
MAXIMUM_VOXELS = 512**3
# Deflate cannot compress further than this: a larger claim is a broken header, not a well-packed image.
MAXIMUM_COMPRESSION = 1100
HOUNSFIELD_AIR = -500.0
MINIMUM_AIR_FRACTION = 0.02
# No scanner has finer or coarser voxels, nor a table that long.
VOXEL_MM, FARTHEST_MM = (0.01, 100.0), 10_000.0
MAXIMUM_LABELS = 20
# Interpolated masks of 0 and 1 reach this far beyond.
_OVERSHOOT = 0.1
# So many labels may lie within one another (core and rim); more that do are steps of a soft map.
MAXIMUM_NESTED_LABELS = 4
RINGING_FRACTION = 0.2
MINIMUM_OUTSIDE_FRACTION = 0.1
STRIPPED_ML, STRIPPED_FRACTION = (600.0, 2100.0), 0.6
MAXIMUM_MASK_FRACTION = 0.5
TOO_FAR_MM = 4.0
# Shape and first-voxel centre (mm, RAS, sign-free in x) of the template grids lesion tracing tools write.
TEMPLATE_GRIDS = {
    ((182, 218, 182), (90, -126, -72)),
    ((181, 217, 181), (90, -126, -72)),
    ((181, 217, 181), (90, -125, -71)),
    ((193, 229, 193), (96, -132, -78)),
    ((197, 233, 189), (98, -134, -72)),
    ((197, 233, 189), (98, -132, -78)),
    ((157, 189, 136), (78, -112, -50)),
    ((157, 189, 156), (78, -112, -70)),
    ((91, 109, 91), (90, -126, -72)),
    ((79, 95, 79), (78, -112, -70)),
}


def check_claims(
    name: str, shape: Sequence[int], bytes_per_voxel: int, file_bytes: int, packed: bool
) -> tuple[int, int, int]:
    """The 3D shape a header claims, looked at before any voxel is read.

    Parameters
    ----------
    shape : as in the header; trailing ones are dropped.
    file_bytes : size of the file; `packed` when its voxels are compressed.

    Raises
    ------
    InputError : not one 3D volume, or more voxels than the file can hold or a case may have.
    """
    sizes = [int(n) for n in shape]
    if any(n <= 0 for n in sizes) or len(sizes) < 3:
        raise InputError(f"{name} is empty: its header says {_by(sizes)} voxels.", "Export the image again.")
    volumes = int(np.prod(sizes[3:], dtype=object)) if len(sizes) > 3 else 1
    if volumes > 1:
        raise InputError(
            f"{name} holds {volumes} volumes ({_by(sizes)}); one 3D volume is needed.",
            "Give the single T1-weighted volume (or single mask), not a time series or a set of channels.",
        )
    voxels = int(np.prod(sizes[:3], dtype=object))
    claimed = voxels * bytes_per_voxel
    if voxels > MAXIMUM_VOXELS or claimed > file_bytes * (MAXIMUM_COMPRESSION if packed else 1):
        raise InputError(
            f"{name} cannot be read: its header claims {_by(sizes[:3])} voxels ({claimed / 1e9:.3g} GB), the file has "
            f"{file_bytes / 1e6:.3g} MB.",
            "The header is broken, the file is cut off, or this is no head: export or copy it again.",
        )
    return sizes[0], sizes[1], sizes[2]


def check_affine(name: str, ras_from_ijk: np.ndarray) -> None:
    """Refuses an affine that is not finite or folds space flat."""
    edges = ras_from_ijk[:3, :3]
    spacing = np.linalg.norm(edges, axis=0)
    finite = np.isfinite(ras_from_ijk).all() and VOXEL_MM[0] < spacing.min() and spacing.max() < VOXEL_MM[1]
    if not finite or np.abs(ras_from_ijk[:3, 3]).max() > FARTHEST_MM or abs(np.linalg.det(edges / spacing)) < 0.1:
        raise InputError(f"{name} has no valid affine: where its voxels lie is unknown.", _EXPORT)


def no_affine(name: str) -> InputError:
    """The error for a file that says nothing about its place in space."""
    return InputError(f"{name} has no valid affine: left and right cannot be told apart.", _EXPORT)


_EXPORT = "Convert the original DICOM images again (for example with dcm2niix), keeping their orientation."


def check_values(name: str, array: np.ndarray) -> None:
    """Refuses NaN, infinity and constant images."""
    if not np.isfinite(array).all():
        share = 100.0 * (1.0 - np.isfinite(array).mean())
        raise InputError(
            f"{name} contains NaN or infinite values ({max(share, 0.01):.2f} % of the voxels).",
            "Replace them with 0 where they are background, or export the image again.",
        )
    if array.min() == array.max():
        raise InputError(f"{name} is constant: every voxel has the value {array.flat[0]:g}.", "Export the image again.")


def check_head(name: str, t1: Image) -> None:
    """Refuses what cannot be a T1-weighted whole head: thick slices, a small field of view, CT."""
    spacing = t1.spacing_mm
    if spacing.max() > MAXIMUM_SPACING_MM + SPACING_TOLERANCE_MM:
        raise InputError(
            f"{name} has voxels of {_by(np.round(spacing, 2))} mm; cortical thickness needs {MAXIMUM_SPACING_MM:g} mm "
            "or less along every axis.",
            "Give a 3D T1-weighted image (MPRAGE, SPGR), not one with thick slices.",
        )
    extent = spacing * t1.shape
    low, high = FIELD_OF_VIEW_MM
    if extent.min() < low or extent.max() > high:
        raise InputError(
            f"{name} covers {_by(np.round(extent).astype(int))} mm; a whole head needs {low:g} to {high:g} mm along "
            "every axis.",
            "Give an image of the whole head, with millimetres as its unit.",
        )
    if np.mean(t1.array[::3, ::3, ::3] < HOUNSFIELD_AIR) > MINIMUM_AIR_FRACTION:
        raise InputError(
            f"{name} looks like CT: its air is near -1000 (Hounsfield units).",
            "Give a T1-weighted MRI of the same head.",
        )


def unsigned(name: str, t1: Image) -> tuple[Image, list[str]]:
    """An image without negative values, as every later step expects; a note where it had to be moved.

    A T1 may be centred (z-scores) or run from -0.5 to 0.5 (MP2RAGE). Negative noise and ringing below a fifth of what
    bright tissue has are left alone. Where an image was centred inside a mask, the many voxels of exactly 0
    are outside and become darkest.
    """
    lowest = float(t1.array.min())
    if -lowest <= RINGING_FRACTION * float(np.percentile(t1.array[::2, ::2, ::2], 99)):
        return t1, []
    outside = t1.array == 0
    array = t1.array - np.float32(lowest)
    if np.mean(outside) > MINIMUM_OUTSIDE_FRACTION:
        array[outside] = 0
    return t1.like(array), [f"{name} has negative values (down to {lowest:.3g}); it was shifted to begin at 0."]


def skull_stripped(t1: Image) -> bool:
    """Whether everything but a brain's volume is of one darkest value: skull and skin were taken out.

    A whole head fills three to five litres, a brain with its fluid at most two.
    """
    inside = t1.array != t1.array.min()
    inside_ml = np.count_nonzero(inside) * t1.voxel_volume_ml
    return bool(STRIPPED_ML[0] < inside_ml < STRIPPED_ML[1] and inside.mean() < STRIPPED_FRACTION)


def mask_from_values(name: str, array: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The boolean mask behind the stored values, and warnings where they are not just two.

    0 and any one positive number are a mask, and so is a single positive number: a mask cropped to its lesion. Numbers
    up to 1, or with a highest value of exactly 100 or 255, are a probability and cut at a half. Other whole numbers, if
    they are few, are labels: all of them are lesion, unless the higher ones lie within the lower ones as the steps of a
    probability do.
    """
    if not np.isfinite(array).all():
        raise InputError(f"{name} contains NaN or infinite values.", "Give a mask of 0 and 1.")
    low, high = float(array.min()), float(array.max())
    if abs(high - 1.0) <= _OVERSHOOT and low >= -_OVERSHOOT:
        array = np.clip(array, 0.0, 1.0)  # interpolation shoots over the edges of a mask
    if array.min() < 0:
        raise InputError(f"{name} has negative values: it is not a mask.", "Give a mask of 0 and 1.")
    if array.max() == 0:
        raise InputError(f"{name} is empty.", "Draw the lesion, or leave the lesion out when there is none.")
    values = np.unique(array)
    whole = bool(np.all(values == np.round(values)))
    if len(values) == 1 or (len(values) == 2 and values[0] == 0):
        return array > 0, []
    if values[0] > 0:
        raise InputError(f"{name} has no background: no voxel is 0.", "Give a mask of 0 and 1.")
    if values[-1] <= 1.0 or values[-1] in (100.0, 255.0):
        full = values[-1] if values[-1] > 1.0 else 1.0
        mask = array >= 0.5 * full
        if not mask.any():
            raise InputError(
                f"{name} has no voxel of probability 0.5 or more.",
                "Draw the lesion, or leave it out when there is none.",
            )
        return mask, [f"{name} holds values between 0 and {full:g}; voxels of {0.5 * full:g} and more are the lesion."]
    if whole and len(values) <= MAXIMUM_LABELS and not _is_nested(array, values):
        listed = ", ".join(f"{value:g}" for value in values[1:])
        return array > 0, [f"{name} has several labels ({listed}); all of them are taken as lesion."]
    raise InputError(
        f"{name} holds {len(values)} different values: it is an image, not a mask.", "Give a mask of 0 and 1."
    )


def _is_nested(array: np.ndarray, labels: np.ndarray) -> bool:
    """Whether no label of the upper half of many touches the background (0)."""
    upper, background = array >= labels[(len(labels) + 1) // 2], array == 0
    pairs = [(slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1))]
    touching = any(
        (np.moveaxis(upper, axis, 0)[one] & np.moveaxis(background, axis, 0)[other]).any()
        for axis in range(array.ndim)
        for one, other in pairs
    )
    return len(labels) - 1 > MAXIMUM_NESTED_LABELS and not touching


def check_mask_size(name: str, mask: np.ndarray) -> None:
    """Refuses a mask that takes most of the head's volume: inverted, or of the background.

    Parameters
    ----------
    mask : boolean, on the T1's grid.
    """
    if mask.mean() > MAXIMUM_MASK_FRACTION:
        raise InputError(
            f"{name} marks {100 * mask.mean():.0f} % of the volume: it is not a lesion mask.", "Give a mask of 0 and 1."
        )


def check_mask_place(name: str, mask: Image, t1: Image) -> list[str]:
    """Refuses a mask whose grid belongs to another image; warns when it merely differs from the T1's.

    A mask drawn on another sequence of the same session lies on another grid, which is fine. A mask with the T1's very
    shape lying millimetres away was drawn on another head (or lost its header), and one on a template's grid is in
    template space.
    """
    if same_grid(mask, t1, tolerance_mm=0.5 * float(t1.spacing_mm.min())):
        return []
    if _is_template_grid(mask) and not _is_template_grid(t1):
        raise InputError(
            f"{name} is on the grid of an MNI template ({_by(mask.shape)} voxels), but the T1 is in the patient's own "
            "space.",
            "Give the mask as it was drawn on the T1, before normalisation.",
        )
    if mask.shape == t1.shape and np.allclose(np.abs(mask.ras_from_ijk), np.eye(4)):
        raise InputError(
            f"{name} has the T1's shape, but its header does not say where it lies (voxels of 1 mm from 0 on): its "
            "geometry was lost.",
            "Save the mask again with the T1's geometry.",
        )
    if sorted(mask.shape) == sorted(t1.shape) and np.allclose(
        np.sort(mask.spacing_mm), np.sort(t1.spacing_mm), atol=0.01
    ):
        apart = float(np.linalg.norm(_centre_mm(mask) - _centre_mm(t1)))
        if apart > TOO_FAR_MM:
            raise InputError(
                f"{name} has the T1's shape but lies {apart:.0f} mm away: it belongs to another head, or its header "
                "was lost.",
                "Draw the lesion on this T1, or bring the mask onto its grid.",
            )
        if _same_up_to_order(mask, t1):
            if apart > 0.5 * float(t1.spacing_mm.min()):
                return [
                    f"{name} has the T1's voxels but lies {apart:.1f} mm off them: one of the two headers was changed. "
                    "Check in the overlay that it lies where the lesion is."
                ]
            return []
    return [
        f"{name} is on another grid ({_by(mask.shape)} voxels of {_by(np.round(mask.spacing_mm, 2))} mm) than the T1; "
        "it was carried over through the headers. Check in the overlay that it lies where the lesion is."
    ]


def _is_template_grid(image: Image) -> bool:
    corner = np.abs(image.ras_from_ijk[0, 3]), *image.ras_from_ijk[1:3, 3]
    return any(image.shape == shape and np.allclose(corner, origin, atol=0.51) for shape, origin in TEMPLATE_GRIDS)


def _same_up_to_order(a: Image, b: Image) -> bool:
    """True when the voxels are the same, stored in another order."""
    steps = np.linalg.inv(b.ras_from_ijk[:3, :3]) @ a.ras_from_ijk[:3, :3]
    return bool(np.allclose(steps, np.round(steps), atol=0.01))


def _centre_mm(image: Image) -> np.ndarray:
    return (image.ras_from_ijk @ [*((np.array(image.shape) - 1) / 2), 1.0])[:3]


def _by(numbers: Sequence[float] | np.ndarray) -> str:
    return " x ".join(f"{n:g}" for n in numbers)
