"""Lesion-safe registration of a head to MNI space, and the way back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import CaseError, InputError
from .affine import align_affinely
from .filling import fill_lesion
from .image import RAS_FROM_LPS, Image, grid_of, to_sitk
from .template import template_brain


@dataclass(frozen=True)
class Registration:
    """Where every point of a head lies in the template, both ways.

    Parameters
    ----------
    t1_grid : the head's grid (its array is not used).
    native_from_template : ndarray, shape (4, 4); affine part, template RAS mm to native RAS mm.
    forward : displacement field on the template's grid, LPS mm; a template point x goes to x + f(x), then the affine.
    inverse : the opposite: a native point taken to the template by the affine, z, lies at z + g(z).
    similarity : correlation of the warped head with the template inside the brain, 0..1; for quality control.
    """

    t1_grid: Image
    native_from_template: np.ndarray
    forward: sitk.Image
    inverse: sitk.Image
    similarity: float

    def to_native(self, mni_image: Image, nearest: bool = True) -> Image:
        """An image in MNI space on the T1's grid; zero where there is nothing."""
        transform = sitk.CompositeTransform(3)
        # The last one added is applied first: native point -> affine -> field.
        transform.AddTransform(_field_transform(self.inverse))
        transform.AddTransform(_lps_affine(np.linalg.inv(self.native_from_template)))
        return _resample_through(mni_image, self.t1_grid, transform, nearest)

    def to_template(self, native_image: Image, nearest: bool = True, like: Image | None = None) -> Image:
        """An image of the head on the grid of `like` in MNI space (default: the template's own grid)."""
        transform = sitk.CompositeTransform(3)
        transform.AddTransform(_lps_affine(self.native_from_template))
        transform.AddTransform(_field_transform(self.forward))
        return _resample_through(native_image, like or template_brain(), transform, nearest)

    def save(self, folder: Path | str, stem: str) -> list[Path]:
        """Writes the transforms; returns the files.

        `<stem>_from-MNI_to-T1w_affine.tfm` (ITK text; LPS mm; template point to native point),
        `<stem>_from-MNI_to-T1w_warp.nii.gz` and `<stem>_from-T1w_to-MNI_warp.nii.gz` (ITK displacement fields on the
        template's grid, float32, LPS mm), `<stem>_xfm.json` (T1 grid and similarity). To bring a T1 into MNI space with
        ITK, ANTs or Slicer apply first the from-MNI warp, then the affine, to each template point; for the way back
        first the inverse affine, then the from-T1w warp, to each native point.
        """
        affine, forward, inverse, sidecar = _files(Path(folder), stem)
        sitk.WriteTransform(_lps_affine(self.native_from_template), str(affine))
        sitk.WriteImage(self.forward, str(forward), useCompression=True)
        sitk.WriteImage(self.inverse, str(inverse), useCompression=True)
        content = {
            "t1_shape": [int(n) for n in self.t1_grid.shape],
            "t1_ras_from_ijk": self.t1_grid.ras_from_ijk.tolist(),
            "similarity": self.similarity,
        }
        sidecar.write_text(json.dumps(content, indent=2), encoding="utf-8")
        return [affine, forward, inverse, sidecar]

    @staticmethod
    def load(folder: Path | str, stem: str) -> Registration:
        """Reads what `save` wrote."""
        affine, forward, inverse, sidecar = _files(Path(folder), stem)
        for path in (affine, forward, inverse, sidecar):
            if not path.is_file():
                raise InputError(f"The file {path} does not exist.", "Name a folder in which a case was processed.")
        content = json.loads(sidecar.read_text(encoding="utf-8"))
        grid = Image(np.zeros(content["t1_shape"], np.uint8), np.array(content["t1_ras_from_ijk"]))
        transform = sitk.AffineTransform(sitk.ReadTransform(str(affine)))
        return Registration(
            grid,
            _ras_matrix(transform),
            sitk.ReadImage(str(forward), sitk.sitkVectorFloat32),
            sitk.ReadImage(str(inverse), sitk.sitkVectorFloat32),
            float(content["similarity"]),
        )


def register(t1: Image, brain: Image, lesion: Image | None = None, threads: int = 2) -> Registration:
    """Registers a bias-corrected head to the MNI 2009c brain: rigid, affine, then symmetric-forces demons.

    Parameters
    ----------
    t1 : bias-corrected head, any orientation.
    brain : brain mask (bool) on the T1's grid.
    lesion : lesion mask (bool) on the T1's grid, or None. It is left out of the affine step's metric and filled from
        the mirrored hemisphere for the demons step: damaged tissue then pulls on nothing.

    Raises
    ------
    CaseError : no start led to an alignment that resembles the template.
    """
    native_from_template = align_affinely(t1, brain, lesion).native_from_template
    head = t1 if lesion is None else fill_lesion(t1, brain, lesion, native_from_template)
    stripped = head.like(np.where(brain.array, head.array, 0).astype(np.float32))
    fixed = _crop_to_brain(template_brain())
    moving = sitk.Resample(
        to_sitk(stripped), fixed, _lps_affine(native_from_template), sitk.sitkLinear, 0.0, sitk.sitkFloat32
    )
    moving = _match_contrast(moving, fixed)
    field = _demons(fixed, moving, threads)
    inverse = sitk.InvertDisplacementField(field, maximumNumberOfIterations=20, enforceBoundaryCondition=True)
    similarity = _correlation(fixed, moving, field)
    if similarity < 0.7:
        raise CaseError(
            f"The head could not be aligned with the template (similarity {similarity:.2f}).",
            "Check the brain mask and that the image is a T1-weighted whole head.",
        )
    return Registration(
        Image(np.broadcast_to(np.uint8(0), t1.shape), t1.ras_from_ijk),
        native_from_template,
        sitk.Cast(field, sitk.sitkVectorFloat32),
        sitk.Cast(inverse, sitk.sitkVectorFloat32),
        similarity,
    )


def _crop_to_brain(template: Image, margin: int = 8) -> sitk.Image:
    where = np.argwhere(template.array > 0)
    low = np.maximum(where.min(0) - margin, 0)
    high = np.minimum(where.max(0) + margin + 1, template.shape)
    region = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    shifted = template.ras_from_ijk.copy()
    shifted[:3, 3] = (template.ras_from_ijk @ [*low, 1])[:3]
    return to_sitk(Image(np.ascontiguousarray(template.array[region], dtype=np.float32), shifted))


def _match_contrast(moving: sitk.Image, fixed: sitk.Image) -> sitk.Image:
    return sitk.HistogramMatching(moving, fixed, 256, 15, True)


def _demons(fixed: sitk.Image, moving: sitk.Image, threads: int) -> sitk.Image:
    field = None
    for shrink, iterations in ((4, 60), (2, 40), (1, 12)):
        small_fixed = _shrunk(fixed, shrink)
        small_moving = _shrunk(moving, shrink)
        demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
        demons.SetNumberOfThreads(threads)
        demons.SetNumberOfIterations(iterations)
        demons.SetStandardDeviations(1.5)
        if field is None:
            field = demons.Execute(small_fixed, small_moving)
        else:
            field = demons.Execute(small_fixed, small_moving, sitk.Resample(field, small_fixed))
    return field


def _shrunk(volume: sitk.Image, factor: int) -> sitk.Image:
    if factor == 1:
        return volume
    return sitk.Shrink(sitk.SmoothingRecursiveGaussian(volume, 0.5 * factor), [factor] * 3)


def _correlation(fixed: sitk.Image, moving: sitk.Image, field: sitk.Image) -> float:
    warped = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, _field_transform(field)))
    reference = sitk.GetArrayViewFromImage(fixed)
    inside = reference > 0
    return float(np.corrcoef(warped[inside], reference[inside])[0, 1])


def _field_transform(field: sitk.Image) -> sitk.DisplacementFieldTransform:
    # DisplacementFieldTransform empties the image it is given.
    return sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))


def _lps_affine(ras_matrix: np.ndarray) -> sitk.AffineTransform:
    lps = RAS_FROM_LPS @ ras_matrix @ RAS_FROM_LPS
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(lps[:3, :3].ravel().tolist())
    transform.SetTranslation(lps[:3, 3].tolist())
    return transform


def _ras_matrix(transform: sitk.AffineTransform) -> np.ndarray:
    matrix = np.reshape(transform.GetMatrix(), (3, 3))
    centre = np.array(transform.GetCenter())
    lps = np.eye(4)
    lps[:3, :3] = matrix
    lps[:3, 3] = np.array(transform.GetTranslation()) + centre - matrix @ centre
    return RAS_FROM_LPS @ lps @ RAS_FROM_LPS


def _resample_through(image: Image, like: Image, transform: sitk.Transform, nearest: bool) -> Image:
    boolean = image.array.dtype == bool
    nearest = nearest or boolean
    volume = to_sitk(image if nearest else image.like(image.array.astype(np.float32)))
    interpolator = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
    grid = grid_of(like)
    moved = sitk.Resample(volume, grid.size, transform, interpolator, grid.origin, grid.spacing, grid.direction)
    array = sitk.GetArrayFromImage(moved).transpose(2, 1, 0)
    return Image(array.astype(bool) if boolean else array, like.ras_from_ijk)


def _files(folder: Path, stem: str) -> tuple[Path, Path, Path, Path]:
    return (
        folder / f"{stem}_from-MNI_to-T1w_affine.tfm",
        folder / f"{stem}_from-MNI_to-T1w_warp.nii.gz",
        folder / f"{stem}_from-T1w_to-MNI_warp.nii.gz",
        folder / f"{stem}_xfm.json",
    )
