"""Lesion-safe registration of a head to MNI space, and the way back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import SimpleITK as sitk

from ..anatomy.template import template_brain, template_brightness
from ..errors import CaseError, InputError
from ..files.input_file import parsing, read_json
from ..geometry.image import RAS_FROM_LPS, Image, bounding_box, cropped, grid_of, subsampled, to_sitk
from ..threads import torch_threads
from .affine import align_affinely, curve_correlation
from .deformable import Displacement, deform
from .lesion_filling import fill_lesion

# Bent T1-weighted heads reach 0.82 and more, a head with its contrast turned over 0.49; below this it is no head.
MINIMUM_BENT_SIMILARITY = 0.4
SIMILARITY_VOXEL_MM = 2.0
# Room around the template's brain for a larger one's outline, and for displacements to fade.
MARGIN_MM = 12


@dataclass(frozen=True)
class Registration:
    """Where every point of a head lies in the template, both ways.

    Parameters
    ----------
    t1_grid : the head's grid (its array holds nothing).
    native_from_template : ndarray, shape (4, 4); affine part, template RAS mm to native RAS mm.
    to_template_field : takes a native point, already brought near the template by the inverse affine, to the template.
    to_native_field : the opposite: takes a template point to where the affine then finds it in the head.
    similarity : of the affinely aligned head with the template, 0..1 (see `AffineAlignment`); 0.92 is usual, 0.80 means
        about 5 mm off. Bending hides a poor alignment, so this is the number to watch.
    """

    t1_grid: Image
    native_from_template: np.ndarray
    to_template_field: Displacement
    to_native_field: Displacement
    similarity: float

    def to_native(self, mni_image: Image, nearest: bool = True) -> Image:
        """An image in MNI space on the T1's grid; zero where there is nothing."""
        return _resample_through(mni_image, self.t1_grid, self._template_from_native, nearest)

    def to_template(self, native_image: Image, nearest: bool = True, like: Image | None = None) -> Image:
        """An image of the head on the grid of `like` in MNI space (default: the template's own grid)."""
        return _resample_through(native_image, like or template_brain(), self._native_from_template, nearest)

    @cached_property
    def _template_from_native(self) -> sitk.Transform:
        # In ITK the transform added last is applied first.
        return sitk.CompositeTransform(
            [_field_transform(self.to_template_field), _lps_affine(np.linalg.inv(self.native_from_template))]
        )

    @cached_property
    def _native_from_template(self) -> sitk.Transform:
        return sitk.CompositeTransform([_lps_affine(self.native_from_template), _field_transform(self.to_native_field)])

    def save(self, folder: Path | str, stem: str) -> list[Path]:
        """Writes the transforms; returns the files.

        `<stem>_from-MNI_to-T1w_affine.tfm` : ITK text transform, LPS mm; template point to native point.
        `<stem>_from-MNI_to-T1w_warp.nii.gz`, `<stem>_from-T1w_to-MNI_warp.nii.gz` : ITK displacement fields, float32,
        LPS mm, on a 2 mm grid of template space.
        `<stem>_xfm.json` : the T1's grid and the similarity.

        A template point goes through the from-MNI warp, then the affine; a native point through the inverse affine,
        then the from-T1w warp. ITK, ANTs and Slicer read these files.
        """
        affine, to_native, to_template, sidecar = _files(Path(folder), stem)
        sitk.WriteTransform(_lps_affine(self.native_from_template), str(affine))
        sitk.WriteImage(_lps_field(self.to_native_field), str(to_native), useCompression=True)
        sitk.WriteImage(_lps_field(self.to_template_field), str(to_template), useCompression=True)
        content = {
            "t1_shape": [int(n) for n in self.t1_grid.shape],
            "t1_ras_from_ijk": self.t1_grid.ras_from_ijk.tolist(),
            "similarity": self.similarity,
        }
        sidecar.write_text(json.dumps(content, indent=2), encoding="utf-8")
        return [affine, to_native, to_template, sidecar]

    @staticmethod
    def load(folder: Path | str, stem: str) -> Registration:
        """Reads what `save` wrote.

        Raises
        ------
        InputError : a file is missing or damaged.
        """
        affine, to_native, to_template, sidecar = _files(Path(folder), stem)
        for path in (affine, to_native, to_template, sidecar):
            if not path.is_file():
                raise InputError(f"The file {path} does not exist.", "Name a folder in which a case was processed.")
        content = read_json(sidecar, f"The file {sidecar}")
        with parsing(f"The registration {stem} in {folder}", "Estimate the case again."):
            return Registration(
                _empty_grid(tuple(content["t1_shape"]), np.array(content["t1_ras_from_ijk"])),
                _ras_matrix(sitk.AffineTransform(sitk.ReadTransform(str(affine)))),
                _displacement(sitk.ReadImage(str(to_template), sitk.sitkVectorFloat32)),
                _displacement(sitk.ReadImage(str(to_native), sitk.sitkVectorFloat32)),
                float(content["similarity"]),
            )


def register(
    t1: Image,
    brain: Image,
    lesion: Image | None = None,
    threads: int = 2,
    lesion_handling: Literal["fill", "mask", "none"] = "fill",
) -> Registration:
    """Registers a bias-corrected head to the MNI 2009c brain: rigid, affine, then bent by local correlation.

    Parameters
    ----------
    t1 : bias-corrected head, any orientation.
    brain : brain mask (bool) on the T1's grid.
    lesion : lesion mask (bool) on the T1's grid, or None.
    lesion_handling : ``"fill"``: the affine step leaves the lesion out, the bending step sees the mirrored hemisphere
        in its place; ``"mask"``: both leave it out; ``"none"``: as if there were no lesion mask (for comparison only).

    Raises
    ------
    CaseError : no start led to an alignment that resembles the template.
    """
    known = lesion if lesion_handling != "none" and lesion is not None and lesion.array.any() else None
    affine = align_affinely(t1, brain, known)
    native_from_template = affine.native_from_template
    head = t1
    if known is not None and lesion_handling == "fill":
        head = fill_lesion(t1, brain, known, native_from_template)
    to_near = _lps_affine(native_from_template)
    fixed, moving = _brains(head, brain, to_near)
    damaged = None
    if known is not None:
        damaged = _resample_through(known.like(known.array.astype(np.float32)), moving, to_near, nearest=False)
    with torch_threads(threads):
        to_template = deform(fixed, moving, damaged if lesion_handling == "mask" else None)
        to_native = to_template.inverted()
    _check_bent(fixed, moving, damaged, to_native)
    return Registration(
        _empty_grid(t1.shape, t1.ras_from_ijk), native_from_template, to_template, to_native, affine.similarity
    )


def _brains(head: Image, brain: Image, to_near: sitk.Transform) -> tuple[Image, Image]:
    """The head brought near the template and the template, both stripped, about 0..1, on one 1 mm grid."""
    template = template_brightness()
    template = cropped(template, bounding_box(template.array > 0, np.full(3, MARGIN_MM)))
    brightness = np.where(brain.array, head.array / np.percentile(head.array[brain.array], 95), 0.0)
    stripped = head.like(np.clip(brightness, 0.0, 1.5).astype(np.float32))
    return _resample_through(stripped, template, to_near, nearest=False), template


def _check_bent(fixed: Image, moving: Image, damaged: Image | None, to_native: Displacement) -> None:
    field = _field_transform(to_native)
    bent = subsampled(_resample_through(fixed, moving, field, nearest=False), SIMILARITY_VOXEL_MM)
    template = subsampled(moving, SIMILARITY_VOXEL_MM)
    sound = template.array > 0.1
    if damaged is not None:
        sound &= subsampled(_resample_through(damaged, moving, field, False), SIMILARITY_VOXEL_MM).array < 0.5
    observed, values = bent.array[sound].astype(float), template.array[sound].astype(float)
    similarity = curve_correlation(values, observed, np.ones(len(values)))
    if not similarity >= MINIMUM_BENT_SIMILARITY:
        raise CaseError(
            f"The head could not be aligned with the template (similarity {similarity:.2f}).",
            "Check the brain mask and that the image is a T1-weighted whole head.",
        )


def _empty_grid(shape: tuple[int, int, int], ras_from_ijk: np.ndarray) -> Image:
    return Image(np.broadcast_to(np.uint8(0), shape), ras_from_ijk)


def _lps_field(displacement: Displacement) -> sitk.Image:
    lps = displacement.vectors_mm * np.array([-1.0, -1.0, 1.0], np.float32)[:, None, None, None]
    field = sitk.GetImageFromArray(np.ascontiguousarray(lps.transpose(3, 2, 1, 0)), isVector=True)
    grid = grid_of(Image(displacement.vectors_mm[0], displacement.ras_from_ijk))
    field.SetOrigin(grid.origin)
    field.SetSpacing(grid.spacing)
    field.SetDirection(grid.direction)
    return field


def _displacement(field: sitk.Image) -> Displacement:
    vectors = (
        sitk.GetArrayFromImage(field).transpose(3, 2, 1, 0)
        * np.array([-1.0, -1.0, 1.0], np.float32)[:, None, None, None]
    )
    lps_from_ijk = np.eye(4)
    lps_from_ijk[:3, :3] = np.reshape(field.GetDirection(), (3, 3)) * field.GetSpacing()
    lps_from_ijk[:3, 3] = field.GetOrigin()
    return Displacement(np.ascontiguousarray(vectors), RAS_FROM_LPS @ lps_from_ijk)


def _field_transform(displacement: Displacement) -> sitk.Transform:
    # The transform takes the image's memory over: give it one of its own.
    return sitk.DisplacementFieldTransform(sitk.Cast(_lps_field(displacement), sitk.sitkVectorFloat64))


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
