"""Rigid, then affine alignment of a brain with the template, from any start within a wide range.

Both images are T1-weighted, so a smooth curve takes the head's intensities to the template's. At every step that curve
(a parabola) and the motion are solved for together by least squares (Friston 1995), and at the end voxels that do not
fit (lesions, remnants of the skull) lose their weight (Reuter 2010). What is minimised is the variance of the fixed
image, the template, left unexplained: shrinking the head cannot lower it. Exactly reproducible, no step length to tune.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from scipy import ndimage
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from ..anatomy.template import template_brightness
from ..errors import CaseError
from ..geometry.coordinates import coordinates_mm, transformed
from ..geometry.image import Image, bounding_box, check_canonical, cropped, subsampled
from .brain_mask import rim_outshines_core

COARSE_MM, MIDDLE_MM, FINE_MM = 8.0, 4.0, 2.5
START_ROTATIONS_DEG = ((-40, -20, 0, 20, 40), (-20, 0, 20), (-30, 0, 30))  # about x (nodding), y, z
STARTS_REFINED = 4
# The brain's outline informs size and place: the template's zero surroundings take part up to here.
SURROUNDINGS_MM = 6.0
# Aligned heads reach 0.92; 5 mm off 0.81, 10 mm 0.63, 15 degrees 0.71: Testing/benchmarks/registration_benchmark.py.
MINIMUM_SIMILARITY = 0.72
PLAUSIBLE_SCALE = (0.7, 1.4)
# Share of the template that must lie in the head's field of view.
MINIMUM_OVERLAP = 0.5


@dataclass(frozen=True)
class AffineAlignment:
    """The affine part of a registration.

    Parameters
    ----------
    native_from_template : ndarray, shape (4, 4); template RAS mm to native RAS mm.
    similarity : share of the sound voxels' intensity variation explained by the aligned template, as a correlation.
    """

    native_from_template: np.ndarray
    similarity: float


def align_affinely(t1: Image, brain: Image, lesion: Image | None = None) -> AffineAlignment:
    """Aligns the template with a bias-corrected head whose lesion, if any, is left out.

    Raises
    ------
    CaseError : no start led to an alignment that resembles the template.
    """
    check_canonical(t1, brain, lesion)
    pyramid = _Pyramid(t1, brain, lesion)
    coarse, middle, fine = (pyramid.level(mm) for mm in (COARSE_MM, MIDDLE_MM, FINE_MM))
    starts = sorted(_starts(pyramid), key=coarse.similarity, reverse=True)[:STARTS_REFINED]
    rigid = max((coarse.refine(start, _RIGID, 20) for start in starts), key=coarse.similarity)
    rigid = coarse.refine(rigid, _RIGID_AND_SCALES, 15)
    matrix = middle.refine(middle.refine(rigid, _RIGID_AND_SCALES, 10), _AFFINE, 15)
    matrix = fine.refine(matrix, _AFFINE, 10, robust=True)
    similarity = fine.similarity(matrix)
    stretches = np.linalg.svd(matrix[:3, :3], compute_uv=False)
    if similarity < MINIMUM_SIMILARITY or stretches.min() < PLAUSIBLE_SCALE[0] or stretches.max() > PLAUSIBLE_SCALE[1]:
        raise CaseError(
            f"The head could not be aligned with the template (similarity {similarity:.2f}, scales "
            f"{stretches.min():.2f} to {stretches.max():.2f})."
            + (" It looks T2-weighted: its rim is brighter than its core." if rim_outshines_core(t1, brain) else ""),
            "Check that the image is a T1-weighted whole head, that its header's orientation is right, and its brain "
            "mask.",
        )
    return AffineAlignment(matrix, similarity)


class _Pyramid:
    """The template and the head, smoothed and sampled at any resolution."""

    def __init__(self, head: Image, brain: Image, lesion: Image | None) -> None:
        bright = np.percentile(head.array[brain.array][::7], 95)
        stripped = np.where(brain.array, np.clip(head.array / bright, 0, 1.5), 0).astype(np.float32)
        box = bounding_box(brain.array, np.ceil(10.0 / head.spacing_mm).astype(int))
        self._head = cropped(head.like(stripped), box)
        self._damaged = None if lesion is None else cropped(lesion.like(lesion.array.astype(np.float32)), box)
        template = _template_pyramid_base()
        self.centre_template = _centre_mm(template.like(template.array > 0))
        self.centre_head = _centre_mm(brain)

    def level(self, mm: float) -> _Level:
        damaged = None if self._damaged is None else _sampled(self._damaged, mm)
        return _Level(*_template_points(mm), _sampled(self._head, mm), damaged)


@lru_cache(maxsize=3)
def _template_points(mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Values of the template and its surroundings every `mm`, and where they lie (RAS mm), shapes (N,) and (N, 3)."""
    template = _sampled(_template_pyramid_base(), mm)
    surroundings_mm = ndimage.distance_transform_edt(template.array < 0.1, sampling=template.spacing_mm)
    use = surroundings_mm <= SURROUNDINGS_MM
    points_mm = coordinates_mm(template, np.argwhere(use))
    return template.array[use].astype(float), points_mm


@lru_cache(maxsize=1)
def _template_pyramid_base() -> Image:
    template = template_brightness()
    scaled = template.like(template.array.astype(np.float32))
    return cropped(scaled, bounding_box(template.array > 0, np.full(3, 10)))


class _Level:
    """One resolution: template values at points, and a head to sample."""

    def __init__(self, values: np.ndarray, points_mm: np.ndarray, head: Image, damaged: Image | None) -> None:
        self._values = values
        self._inside = values > 0.1
        self._points_mm = points_mm
        self._head = head
        self._damaged = damaged
        self._gradient = [g.astype(np.float32) for g in np.gradient(head.array)]

    def _sample(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        voxels = _voxels(self._head.ras_from_ijk, transformed(matrix, self._points_mm))
        weight = np.all((voxels > -0.5) & (voxels < np.array(self._head.shape)[:, None] - 0.5), axis=0).astype(float)
        if self._damaged is not None:
            weight *= 1.0 - ndimage.map_coordinates(self._damaged.array, voxels, order=1)
        return voxels, weight

    def similarity(self, matrix: np.ndarray) -> float:
        """Weighted correlation of the template with the best parabola of the head; 0 with too little overlap."""
        voxels, weight = self._sample(matrix)
        if weight.mean() < MINIMUM_OVERLAP:
            return 0.0
        observed = ndimage.map_coordinates(self._head.array, voxels, order=1).astype(float)
        return curve_correlation(self._values, observed, weight)

    def refine(self, matrix: np.ndarray, basis: np.ndarray, iterations: int, robust: bool = False) -> np.ndarray:
        """Gauss-Newton; `basis`, shape (P, 4, 4), are the allowed motions about the centre.

        `robust` gives Tukey's weights to the voxels; from a poor start that would discard the brain's own outline.
        """
        centre = self._points_mm.mean(axis=0)
        x = (self._points_mm - centre) / 50.0
        homogeneous = np.concatenate([x, np.ones((len(x), 1))], axis=1)
        mm_to_voxel = np.linalg.inv(self._head.ras_from_ijk[:3, :3])
        to_unit = np.diag([0.02, 0.02, 0.02, 1.0]) @ _shift(-centre)
        for _ in range(iterations):
            voxels, weight = self._sample(matrix)
            if weight.mean() < MINIMUM_OVERLAP:  # it ran away: nothing here resembles the template
                break
            observed = ndimage.map_coordinates(self._head.array, voxels, order=1).astype(float)
            curve = _parabola(observed)
            _, linear, quadratic = _least_squares(curve, self._values, weight)
            slope = np.stack([ndimage.map_coordinates(g, voxels, order=1) for g in self._gradient], axis=1)
            slope *= (linear + 2.0 * quadratic * observed)[:, None]
            # d(predicted template)/d(template mm): the motion acts in template space, before `matrix`.
            slope = slope @ mm_to_voxel @ matrix[:3, :3] * 50.0
            motion = np.einsum("na,pab,nb->np", slope, basis[:, :3, :], homogeneous, optimize=True)
            design = np.concatenate([curve, motion], axis=1)
            solution = _least_squares(design, self._values, weight)
            if robust:
                residual = self._values - design @ solution
                spread = 1.4826 * np.median(np.abs(residual[self._inside & (weight > 0.5)]))
                trusted = np.clip(1.0 - (residual / (4.685 * spread + 1e-9)) ** 2, 0.0, None) ** 2
                solution = _least_squares(design, self._values, weight * trusted)
            step = np.tensordot(solution[3:], basis, axes=1)
            update = np.linalg.inv(to_unit) @ expm(step) @ to_unit
            matrix = matrix @ update
            moved = np.abs(step[:3]).max() * 50.0
            if moved < 0.005:
                break
        return matrix


def curve_correlation(values: np.ndarray, observed: np.ndarray, weight: np.ndarray) -> float:
    """Correlation, 0..1, of `values` with the best parabola of `observed`; all of shape (N,), weights not negative."""
    curve = _parabola(observed)
    unexplained = values - curve @ _least_squares(curve, values, weight)
    mean = np.average(values, weights=weight)
    variance = np.average((values - mean) ** 2, weights=weight)
    return float(np.sqrt(max(0.0, 1.0 - np.average(unexplained**2, weights=weight) / variance)))


def _parabola(values: np.ndarray) -> np.ndarray:
    return np.stack([np.ones_like(values), values, values**2], axis=1)


def _least_squares(design: np.ndarray, observed: np.ndarray, weight: np.ndarray) -> np.ndarray:
    weighted = design * weight[:, None]
    return np.linalg.solve(weighted.T @ design + 1e-6 * np.eye(design.shape[1]), weighted.T @ observed)


def _generators() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    single = np.zeros((12, 4, 4))
    for n, (row, column) in enumerate(product(range(3), range(4))):
        single[n, row, column] = 1.0
    shifts = single[[3, 7, 11]]
    turns = np.stack([single[9] - single[6], single[2] - single[8], single[4] - single[1]])
    scales = single[[0, 5, 10]]
    return np.concatenate([shifts, turns, scales.sum(0)[None]]), np.concatenate([shifts, turns, scales]), single


# Rigid with one overall scale: children's and adults' heads differ from the template in size from the start.
_RIGID, _RIGID_AND_SCALES, _AFFINE = _generators()


def _starts(pyramid: _Pyramid) -> list[np.ndarray]:
    to_origin = _shift(-pyramid.centre_template)
    return [_shift(pyramid.centre_head) @ _rotation(angles) @ to_origin for angles in product(*START_ROTATIONS_DEG)]


def _rotation(angles_deg: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles_deg, degrees=True).as_matrix()
    return matrix


def _shift(offset_mm: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = offset_mm
    return matrix


def _centre_mm(mask: Image) -> np.ndarray:
    axes = range(3)
    profiles = [mask.array.sum(axis=tuple(a for a in axes if a != axis)) for axis in axes]
    centre = [np.average(np.arange(len(p)), weights=p) for p in profiles]
    return (mask.ras_from_ijk @ [*centre, 1.0])[:3]


def _sampled(image: Image, mm: float) -> Image:
    """The image every `mm`, in a border of zeros: outside the field of view there is no brain."""
    small = subsampled(image, mm)
    return Image(np.pad(small.array, 1), small.ras_from_ijk @ _shift(np.array([-1.0, -1.0, -1.0])))


def _voxels(ras_from_ijk: np.ndarray, points_mm: np.ndarray) -> np.ndarray:
    return transformed(np.linalg.inv(ras_from_ijk), points_mm).T
