"""Rigid, then affine alignment of a brain with the template."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .image import RAS_FROM_LPS, Image, to_sitk
from .template import template_brain


def align_affinely(t1: Image, brain: Image, lesion: Image | None = None, threads: int = 2) -> np.ndarray:
    """Template RAS mm to native RAS mm, shape (4, 4): Mattes mutual information, lesion left out of the metric."""
    template = template_brain()
    fixed, fixed_mask = to_sitk(template), to_sitk(template.like(template.array > 0))
    inside = brain.array if lesion is None else brain.array & ~lesion.array
    moving = to_sitk(t1.like(np.where(brain.array, t1.array, 0).astype(np.float32)))
    moving_mask = None if lesion is None else to_sitk(t1.like(inside | ~brain.array))

    centre_fixed = _centre_lps(template.like(template.array > 0))
    centre_moving = _centre_lps(brain)
    rigid = sitk.Euler3DTransform()
    rigid.SetCenter(centre_fixed)
    rigid.SetTranslation((centre_moving - centre_fixed).tolist())
    rigid = _optimise(fixed, moving, fixed_mask, moving_mask, rigid, ((4, 2.0),), threads)
    affine = sitk.AffineTransform(3)
    affine.SetCenter(rigid.GetCenter())
    affine.SetMatrix(rigid.GetMatrix())
    affine.SetTranslation(rigid.GetTranslation())
    affine = _optimise(fixed, moving, fixed_mask, moving_mask, affine, ((4, 2.0), (2, 1.0)), threads)
    matrix = np.reshape(affine.GetMatrix(), (3, 3))
    centre = np.array(affine.GetCenter())
    lps = np.eye(4)
    lps[:3, :3] = matrix
    lps[:3, 3] = np.array(affine.GetTranslation()) + centre - matrix @ centre
    return RAS_FROM_LPS @ lps @ RAS_FROM_LPS


def _centre_lps(mask: Image) -> np.ndarray:
    centre = np.array(
        [
            np.average(np.arange(n), weights=mask.array.sum(axis=tuple({0, 1, 2} - {axis})))
            for axis, n in enumerate(mask.shape)
        ]
    )
    return (RAS_FROM_LPS @ mask.ras_from_ijk @ [*centre, 1])[:3]


def _optimise(fixed, moving, fixed_mask, moving_mask, start, levels, threads):
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(threads)
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.3, 42)
    method.SetMetricFixedMask(fixed_mask)
    if moving_mask is not None:
        method.SetMetricMovingMask(moving_mask)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 100, relaxationFactor=0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([shrink for shrink, _ in levels])
    method.SetSmoothingSigmasPerLevel([sigma for _, sigma in levels])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, inPlace=True)
    method.Execute(fixed, moving)
    return start
