"""Which parts of a head are not cortex: the inside to be filled, the cerebellum to be cut off, and left from right.

Labels are FreeSurfer's codes (aseg and aparc.a2009s), brought from the template by registration: right to a few
millimetres, so intensities decide wherever they can.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..anatomy.freesurfer_codes import BELOW_TENTORIUM, INSIDE, WHITE_MATTER

_LEFT = (2, 4, 5, 7, 8, 10, 11, 12, 13, 17, 18, 26, 28, 30, 31)
_RIGHT = (41, 43, 44, 46, 47, 49, 50, 51, 52, 53, 54, 58, 60, 62, 63)
_LEFT_CORTEX, _RIGHT_CORTEX = (11101, 11199), (12101, 12199)
# Deep structures are grown by this much where cortex is farther away than the second number.
GROW_MM = 2.0
KEEP_FROM_CORTEX_MM = 3.0


@dataclass(frozen=True)
class Landmarks:
    """Masks over the voxels of a head.

    Parameters
    ----------
    side : uint8. 1 left hemisphere, 2 right, 0 outside the brain.
    inside : bool. Belongs inside the white surface whatever its intensity.
    outside : bool. Cerebellum, brain stem and all that is not brain: outside the pial surface.
    """

    side: np.ndarray
    inside: np.ndarray
    outside: np.ndarray


def landmarks(codes: np.ndarray, brain: np.ndarray, spacing_mm: np.ndarray) -> Landmarks:
    """Landmarks from FreeSurfer codes on the voxels of a head (`codes`, int) and its brain mask (bool)."""
    left = np.isin(codes, _LEFT) | _between(codes, _LEFT_CORTEX)
    right = np.isin(codes, _RIGHT) | _between(codes, _RIGHT_CORTEX)
    nearer_left = _distance_mm(left, spacing_mm) <= _distance_mm(right, spacing_mm)
    side = np.where(brain, np.where(nearer_left, 1, 2), 0).astype(np.uint8)

    cortex = _between(codes, _LEFT_CORTEX) | _between(codes, _RIGHT_CORTEX)
    inside = np.isin(codes, INSIDE)
    below = np.isin(codes, BELOW_TENTORIUM)
    near_inside = _distance_mm(inside, spacing_mm) <= GROW_MM
    far_from_cortex = _distance_mm(cortex, spacing_mm) > KEEP_FROM_CORTEX_MM
    cerebrum = cortex | inside | np.isin(codes, WHITE_MATTER)
    outside = ~brain | (_distance_mm(below, spacing_mm) < _distance_mm(cerebrum, spacing_mm))
    return Landmarks(side, (inside | (near_inside & far_from_cortex)) & ~outside, outside)


def _between(codes: np.ndarray, ends: tuple[int, int]) -> np.ndarray:
    return (codes >= ends[0]) & (codes <= ends[1])


def _distance_mm(mask: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    return ndimage.distance_transform_edt(~mask, sampling=spacing_mm).astype(np.float32)
