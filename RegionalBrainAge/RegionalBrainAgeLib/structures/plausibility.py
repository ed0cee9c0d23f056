"""Whether the structures found in a head can be believed: measures, and the limits that healthy heads keep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.image import Image
from .half_brain import DEEP, WHOLE
from .names import BACKGROUND, CLASSES, DEEP_CLASSES, SIDES
from .segmentation import StructureMap, intensities_in_windows, mask_share
from .volumes import StructureVolumes

# 19 healthy heads not trained on have certainty .888 to .899, outline .959 to .979, sides .91 and more, fluid to grey
# up to .82 and grey to white up to .75, and so have two of other scanners. Beyond the first number a person must look,
# beyond the second the head is not measured: certainty in a stripped head with contrast agent, where no cortex can be
# measured, is .87.
CERTAINTY = (0.885, 0.875)
OUTLINE = (0.94, 0.88)
SIDES_ALIKE = (0.85, 0.70)
FLUID_TO_GREY = (0.90, 1.0)
GREY_TO_WHITE = (0.88, 1.0)
# Whose sides are compared (smaller over larger): nuclei and cerebellum, which are alike on both sides in health.
_PAIRS = ("Thalamus", "Putamen", "Hippocampus", "Cerebellum-Cortex", "Cerebellum-White-Matter")


@dataclass(frozen=True)
class StructureQuality:
    """How well the structures fit the image and each other.

    Parameters
    ----------
    certainty : mean probability, 0..1, with which the deep structures' voxels were named; of the surer side, since a
        lesion makes its own side unsure.
    outline_agreement : Dice coefficient, 0..1, of the intracranial space with the brain mask.
    side_ratio : smallest ratio, 0..1, of the smaller to the larger side over structures without lesion; NaN if none.
    fluid_to_grey, grey_to_white : ratios of median brightness of ventricles, cortex and white matter; below 1 on a T1.
    """

    certainty: float
    outline_agreement: float
    side_ratio: float
    fluid_to_grey: float
    grey_to_white: float


def structure_quality(
    found: StructureMap, volumes: StructureVolumes, t1: Image, brain: Image, lesion: Image | None = None
) -> StructureQuality:
    """Measures of a head whose structures were found and summed; images as given to `segment_structures`."""
    fluid, grey, white = _brightness(found, t1, brain, lesion)
    return StructureQuality(
        _certainty(found),
        _outline_agreement(found, brain),
        _side_ratio(volumes),
        fluid / grey if grey > 0 else float("nan"),
        grey / white if white > 0 else float("nan"),
    )


def _certainty(found: StructureMap) -> float:
    deep = [CLASSES.index(name) for name in DEEP_CLASSES]
    sides = []
    for side in SIDES:
        half = found.halves[DEEP.name, side]
        named = np.isin(half.argmax(axis=0), deep)
        sides.append(float(half.max(axis=0)[named].mean()) if named.any() else 0.0)
    return max(sides)


def _outline_agreement(found: StructureMap, brain: Image) -> float:
    share = mask_share(brain, found.native_from_template)
    both = shared = 0.0
    for side in SIDES:
        weight = WHOLE.midline_weight
        inside = (1.0 - found.probability(side, BACKGROUND) > 0.5) * weight
        masked = (share[WHOLE.name, side] > 0.5) * weight
        shared += float((inside * (masked > 0)).sum())
        both += float(inside.sum() + masked.sum())
    return 2.0 * shared / max(both, 1.0)


def _side_ratio(volumes: StructureVolumes) -> float:
    ratios = []
    for name in _PAIRS:
        sides = [volumes.volume_mm3[f"{word}-{name}"] for word in ("Left", "Right")]
        lesioned = max(volumes.lesioned_fraction[f"{word}-{name}"] for word in ("Left", "Right"))
        if np.isfinite(sides).all() and max(sides) > 0 and lesioned == 0:
            ratios.append(min(sides) / max(sides))
    return float(min(ratios)) if ratios else float("nan")


def _brightness(found: StructureMap, t1: Image, brain: Image, lesion: Image | None) -> tuple[float, float, float]:
    seen = intensities_in_windows(t1, brain, lesion, found.native_from_template)

    def median(name: str) -> float:
        window = DEEP if name in DEEP_CLASSES else WHOLE
        sides = [
            seen[window.name, side][(found.probability(side, name) > 0.8) & (seen[window.name, side] > 0)]
            for side in SIDES
        ]
        values = np.concatenate(sides)
        return float(np.median(values)) if values.size else 0.0

    return median("Lateral-Ventricle"), median("Cerebral-Cortex"), median("Cerebral-White-Matter")


def doubts(quality: StructureQuality) -> list[tuple[bool, str]]:
    """What speaks against the structures of a head, in sentences; True with each that makes them unusable."""
    checks = (
        (quality.certainty, CERTAINTY, -1, "The deep structures were found with little certainty ({:.2f})."),
        (quality.outline_agreement, OUTLINE, -1, "Brain mask and intracranial space disagree (Dice {:.2f})."),
        (quality.side_ratio, SIDES_ALIKE, -1, "A deep structure or cerebellum is much smaller on one side ({:.2f})."),
        (quality.fluid_to_grey, FLUID_TO_GREY, 1, "The ventricles are hardly darker than the cortex ({:.2f})."),
        (quality.grey_to_white, GREY_TO_WHITE, 1, "The cortex is hardly darker than the white matter ({:.2f})."),
    )
    found = []
    for value, (look, unusable), sign, sentence in checks:
        if sign * value > sign * look:
            unfit = bool(sign * value > sign * unusable)
            found.append((unfit, sentence.format(value) + " Look at the structures."))
    return found
