"""A volume and its place in space."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from scipy import ndimage

# ITK's physical space is LPS, ours is RAS: the first two axes change sign.
RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# As nibabel writes the order of the axes and their signs.
_RIGHT_ANTERIOR_SUPERIOR = np.array([[0, 1], [1, 1], [2, 1]])


@dataclass(frozen=True)
class Image:
    """A 3D array with its geometry.

    Parameters
    ----------
    array : ndarray, shape (I, J, K)
    ras_from_ijk : ndarray, shape (4, 4), float64. Maps voxel indices (i, j, k, 1) to RAS millimetres; may be oblique,
        anisotropic or left-handed.
    """

    array: np.ndarray
    ras_from_ijk: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along i, j, k."""
        return self.array.shape

    @property
    def spacing_mm(self) -> np.ndarray:
        """Voxel edge lengths (mm), shape (3,)."""
        return np.linalg.norm(self.ras_from_ijk[:3, :3], axis=0)

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel (ml)."""
        return float(abs(np.linalg.det(self.ras_from_ijk[:3, :3])) / 1000.0)

    def like(self, array: np.ndarray) -> Image:
        """The same place in space with other values; `array` has the same shape."""
        if array.shape != self.array.shape:
            raise ValueError(f"array of shape {array.shape} does not fit a grid of shape {self.array.shape}")
        return Image(array, self.ras_from_ijk)


def same_grid(a: Image, b: Image, tolerance_mm: float = 0.01) -> bool:
    """True when both images have the same shape and no voxel centre differs by more than `tolerance_mm`.

    The eight corners are compared: an affine map differs most at a corner.
    """
    if a.shape != b.shape:
        return False
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in a.shape], [1], indexing="ij")).reshape(4, -1)
    distance_mm = np.linalg.norm(((a.ras_from_ijk - b.ras_from_ijk) @ corners)[:3], axis=0)
    return bool(distance_mm.max() <= tolerance_mm)


def to_sitk(image: Image) -> sitk.Image:
    """The same volume as a SimpleITK image (LPS). Booleans become uint8, half floats float32."""
    array = np.asarray(image.array)
    if array.dtype == bool:
        array = array.view(np.uint8)
    elif array.dtype == np.float16:
        array = array.astype(np.float32)
    elif not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    volume = sitk.GetImageFromArray(array.transpose(2, 1, 0))
    lps_from_ijk = RAS_FROM_LPS @ image.ras_from_ijk
    spacing = np.linalg.norm(lps_from_ijk[:3, :3], axis=0)
    volume.SetSpacing(spacing.tolist())
    volume.SetDirection((lps_from_ijk[:3, :3] / spacing).ravel().tolist())
    volume.SetOrigin(lps_from_ijk[:3, 3].tolist())
    return volume


def from_sitk(volume: sitk.Image) -> Image:
    """The inverse of `to_sitk`: a scalar 3D SimpleITK image with its geometry in RAS."""
    lps_from_ijk = np.eye(4)
    lps_from_ijk[:3, :3] = np.reshape(volume.GetDirection(), (3, 3)) * volume.GetSpacing()
    lps_from_ijk[:3, 3] = volume.GetOrigin()
    return Image(sitk.GetArrayFromImage(volume).transpose(2, 1, 0), RAS_FROM_LPS @ lps_from_ijk)


def resample(image: Image, like: Image, nearest: bool = False) -> Image:
    """`image` on the grid of `like`, through RAS space; zero (False) outside.

    `nearest` keeps labels and the dtype; otherwise trilinear, float32. Booleans are always nearest.
    """
    boolean = image.array.dtype == bool
    nearest = nearest or boolean
    volume = to_sitk(image if nearest else image.like(image.array.astype(np.float32)))
    interpolator = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
    reference = grid_of(like)
    moved = from_sitk(
        sitk.Resample(
            volume,
            reference.size,
            sitk.Transform(3, sitk.sitkIdentity),
            interpolator,
            reference.origin,
            reference.spacing,
            reference.direction,
        )
    )
    return like.like(moved.array.astype(bool) if boolean else moved.array)


@dataclass(frozen=True)
class SitkGrid:
    """Where a grid lies, in SimpleITK's words (LPS)."""

    size: list[int]
    origin: list[float]
    spacing: list[float]
    direction: list[float]


def grid_of(image: Image) -> SitkGrid:
    """The grid of an image for SimpleITK's Resample, without copying voxels."""
    lps_from_ijk = RAS_FROM_LPS @ image.ras_from_ijk
    spacing = np.linalg.norm(lps_from_ijk[:3, :3], axis=0)
    return SitkGrid(
        [int(n) for n in image.shape],
        lps_from_ijk[:3, 3].tolist(),
        spacing.tolist(),
        (lps_from_ijk[:3, :3] / spacing).ravel().tolist(),
    )


def to_canonical(image: Image) -> Image:
    """The same voxels with axes permuted and flipped so that i, j, k run most nearly to right, anterior, superior.

    No value is interpolated: every storage order of a head gives the same array.
    """
    orientation = nib.io_orientation(image.ras_from_ijk)
    array = nib.apply_orientation(image.array, orientation)
    ras_from_ijk = image.ras_from_ijk @ nib.orientations.inv_ornt_aff(orientation, image.shape)
    return Image(np.ascontiguousarray(array), ras_from_ijk)


def check_canonical(*images: Image | None) -> None:
    """Refuses images a step would misread without a word: it counts on axes that run to right, anterior, superior.

    Raises
    ------
    ValueError : an image is in another voxel order; `to_canonical` puts it right. None is passed over.
    """
    for image in images:
        if image is not None and not np.array_equal(nib.io_orientation(image.ras_from_ijk), _RIGHT_ANTERIOR_SUPERIOR):
            order = "".join(nib.aff2axcodes(image.ras_from_ijk))
            raise ValueError(f"an image in the voxel order {order} must first go through to_canonical")


def from_canonical(image: Image, like: Image) -> Image:
    """Undoes `to_canonical`: a canonical image of the head back in the voxel order of `like`."""
    back = nib.orientations.ornt_transform(_RIGHT_ANTERIOR_SUPERIOR, nib.io_orientation(like.ras_from_ijk))
    return like.like(np.ascontiguousarray(nib.apply_orientation(image.array, back)))


def subsampled(image: Image, mm: float) -> Image:
    """The image smoothed and taken every `mm` along its own axes, centred; never finer than its own voxels."""
    step = np.maximum(mm / image.spacing_mm, 1.0)
    smooth = ndimage.gaussian_filter(image.array, 0.45 * np.sqrt(step**2 - 1.0), mode="constant")
    last = np.array(image.shape) - 1
    size = np.floor(last / step).astype(int) + 1
    margin = (last - (size - 1) * step) / 2
    array = ndimage.affine_transform(smooth, np.diag(step), margin, output_shape=tuple(size), order=1, mode="nearest")
    ras_from_ijk = image.ras_from_ijk @ np.diag([*step, 1.0])
    ras_from_ijk[:3, 3] = (image.ras_from_ijk @ [*margin, 1.0])[:3]
    return Image(array, ras_from_ijk)


def bounding_box(mask: np.ndarray, margin: np.ndarray) -> tuple[slice, slice, slice]:
    """Slices of the smallest box around a mask's true voxels, grown by `margin` voxels (shape (3,))."""
    where = np.any(mask, axis=(1, 2)), np.any(mask, axis=(0, 2)), np.any(mask, axis=(0, 1))
    ends = [np.flatnonzero(line)[[0, -1]] for line in where]
    i, j, k = (
        slice(max(0, int(low - m)), min(n, int(high + m + 1)))
        for (low, high), m, n in zip(ends, margin, mask.shape, strict=True)
    )
    return i, j, k


def cropped(image: Image, box: tuple[slice, slice, slice]) -> Image:
    """The part of an image inside `box` (slices with a start and no step), in the same place in space."""
    ras_from_ijk = image.ras_from_ijk.copy()
    ras_from_ijk[:3, 3] = (image.ras_from_ijk @ [*(s.start for s in box), 1])[:3]
    return Image(np.ascontiguousarray(image.array[box]), ras_from_ijk)
