"""Grades an image before anything is read from it: noise, contrast, resolution, and the ringing that motion leaves.

Noise is measured against tissue contrast, as by CAT12 (its NCR); the resolution is the root-mean-square voxel size.
Motion during the scan shifts lines of k-space and leaves ripples along one axis: texture deep in white matter is then
stronger along that axis than along the others, while noise is alike along all. The limits of noise, contrast
and resolution were set on two heads (1 and 0.88 mm) with noise added. Of 16 heads as scanned (two of 1 mm, 14 of 2 mm)
the ringing was 1.00 to 1.09; with motion simulated in k-space in two of them 1.32 to 1.87, with a tenth of noise 1.00.
Its limits lie between. It tells that a head moved better than how much, and was not tried on heads that really moved.
Voxels of 2 mm, the largest that are read, get a C: the errors of the T1
route were measured on such heads, so its intervals know of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, stats
from sklearn.mixture import GaussianMixture

from ..geometry.image import Image, bounding_box, cropped

LETTERS = "ABCD"
_SAMPLE = 20_000
_FEWEST_VOXELS = 500
# Ripples are looked for over this many voxels.
_RIPPLE_VOXELS = 2
# Where voxels are longer than this along one axis, anatomy differs between axes too.
_LARGEST_ANISOTROPY = 1.25


@dataclass(frozen=True)
class Measure:
    """One measure with its grade; NaN and no grade where it cannot be told.

    Parameters
    ----------
    worst_of : upper ends of the grades A, B and C (lower ends where more is better).
    """

    name: str
    value: float
    unit: str
    worst_of: tuple[float, float, float]
    more_is_better: bool = False

    @property
    def letter(self) -> str:
        """A (good) to D (poor); empty where it cannot be told."""
        if not math.isfinite(self.value):
            return ""
        sign = -1 if self.more_is_better else 1
        return LETTERS[sum(sign * self.value > sign * end for end in self.worst_of)]


@dataclass(frozen=True)
class ImageGrade:
    """Measures of an image; the grade is that of the worst."""

    measures: tuple[Measure, ...]

    @property
    def letter(self) -> str:
        """The worst letter of all measures; empty without measures."""
        return max((measure.letter for measure in self.measures), default="")

    @property
    def poor(self) -> tuple[Measure, ...]:
        """Measures with the last grade: the image must be looked at before its numbers are used."""
        return tuple(measure for measure in self.measures if measure.letter == LETTERS[-1])

    def as_dict(self) -> dict[str, object]:
        """Plain values: ``grade`` and ``measures`` with name, value, unit and grade of each."""
        measures = [
            {"name": measure.name, "value": measure.value, "unit": measure.unit, "grade": measure.letter}
            for measure in self.measures
        ]
        return {"grade": self.letter, "measures": measures}


def grade_image(t1: Image, brain: Image, lesion: Image | None = None) -> ImageGrade:
    """Measures an image as it was read, before shading or noise is taken off.

    Parameters
    ----------
    t1 : the whole head. brain, lesion : masks on its grid.
    """
    box = bounding_box(np.asarray(brain.array, bool), np.full(3, 3.0))
    array = np.asarray(cropped(t1, box).array, float)
    sound = np.asarray(cropped(brain, box).array, bool)
    if lesion is not None:
        sound = sound & ~np.asarray(cropped(lesion, box).array, bool)
    white, gray, core = _white_matter(array, sound)
    contrast = white - gray
    spacing = np.asarray(t1.spacing_mm)
    even = spacing.max() <= _LARGEST_ANISOTROPY * spacing.min()
    return ImageGrade(
        (
            Measure("noise", _noise(array, core) / contrast, "of the white-grey contrast", (0.15, 0.30, 0.50)),
            Measure("contrast", contrast / white, "of white matter", (0.20, 0.15, 0.10), more_is_better=True),
            Measure("resolution", float(np.sqrt(np.mean(spacing**2))), "mm, root mean square", (1.05, 1.3, 2.05)),
            Measure(
                "motion ringing",
                _ringing(array, core) if even else math.nan,
                "times the texture of the other axes",
                (1.10, 1.15, 1.25),
            ),
        )
    )


def _white_matter(array: np.ndarray, sound: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Mean of white and of grey matter, and the voxels deep in white matter."""
    values = array[sound]
    sample = np.random.default_rng(0).choice(values, min(_SAMPLE, values.size), replace=False)
    low, high = np.percentile(sample, (1, 99.5))
    sample = sample[(sample > low) & (sample < high)][:, None]
    start = np.percentile(sample, (10, 45, 85))[:, None]
    means = np.sort(GaussianMixture(3, means_init=start, random_state=0, max_iter=50).fit(sample).means_.ravel())
    _, gray, white = (float(mean) for mean in means)
    # Chosen by the smoothed image: by the image itself, noise would choose the voxels it is measured in.
    smooth = ndimage.gaussian_filter(array, 1.0)
    core = ndimage.binary_erosion(sound & (smooth > (gray + 2 * white) / 3) & (smooth < white + (white - gray)))
    return white, gray, core


def _noise(array: np.ndarray, core: np.ndarray) -> float:
    """SD of what distinguishes a voxel deep in white matter from the mean of its six neighbours."""
    if np.count_nonzero(core) < _FEWEST_VOXELS:
        return math.nan
    cross = ndimage.generate_binary_structure(3, 1).astype(float)
    cross[1, 1, 1] = 0
    apart = (array - ndimage.convolve(array, cross / 6))[core]
    return float(1.4826 * np.median(abs(apart - np.median(apart))) * math.sqrt(6 / 7))


def _ringing(array: np.ndarray, core: np.ndarray) -> float:
    """Texture deep in white matter along the axis where it is strongest, as a multiple of the middle one; 1 without."""
    texture = []
    for axis in range(3):
        back, on = np.roll(array, _RIPPLE_VOXELS, axis), np.roll(array, -_RIPPLE_VOXELS, axis)
        deep = core & np.roll(core, _RIPPLE_VOXELS, axis) & np.roll(core, -_RIPPLE_VOXELS, axis)
        if np.count_nonzero(deep) < _FEWEST_VOXELS:
            return math.nan
        # The mean of the middle half: a median of whole numbers jumps from one to the next.
        texture.append(float(stats.trim_mean(abs((back + on - 2 * array)[deep]), 0.25)))
    _, middle, most = sorted(texture)
    return most / middle if middle > 0 else math.nan
