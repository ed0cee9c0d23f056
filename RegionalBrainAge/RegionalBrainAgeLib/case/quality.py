"""Checks whether a case is fit for use: limits are stated here, and each check that fails gives a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np

from ..age.ages import ReadAges
from ..age.features import FREESURFER, T1
from ..files.wording import plain
from ..head.image_grade import ImageGrade
from ..structures.plausibility import StructureQuality, doubts
from .result.result import LesionResult

# Similarity of the aligned head to the template: two heads at hand reach 0.92 and 0.93 (case.json).
SIMILARITY_REVIEW = 0.80
BRAIN_VOLUME_ML = (900.0, 2000.0)
MEAN_THICKNESS_MM = (2.0, 3.2)
UNMEASURED_PARCELS_REVIEW = 15
# Mean thickness (mm) of healthy people by age under the norms of the shipped model (charts of 58,833 people), and its
# spread over people and scanners (0.12 to 0.13 mm). Three spreads off: one healthy person in 370.
THICKNESS_AGES_YEARS = (10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
THICKNESS_FOR_AGE_MM = (2.70, 2.62, 2.53, 2.49, 2.47, 2.44, 2.39, 2.32, 2.26, 2.20)
THICKNESS_SPREAD_MM, THICKNESS_REVIEW_SPREADS = 0.125, 3.0
# Median over regions of the corrected PAD, without calibration: of 2,019 healthy people, read by the networks of the
# shipped model that did not see their site, 0.8 % lie beyond 22 years (3.3 % of those over 75), none beyond 40. An age
# that is 30 years wrong is seen by the first limit in 57 to 64 % of people.
MEDIAN_PAD_REVIEW_YEARS, MEDIAN_PAD_FAIL_YEARS = 22.0, 40.0
# Misfit of all features together (`age.norms.reading.Reading`), by route. FreeSurfer: 99 % of the same 2,019 people lie
# below 2.23. T1: 74 healthy heads, by route models without them, reach 0.59, calibrated 0.68; what blur does to them is
# in docs/explanation/t1_route.md. Beyond twice that, ages are withheld: slices of 5 mm, resampled to 1 mm, give 1.6 and
# take 10 years off. By FreeSurfer some healthy people lie far out (up to 7), so there no misfit is a failure.
MISFIT_REVIEW, MISFIT_FAIL = {FREESURFER: 2.5, T1: 0.7}, {FREESURFER: math.inf, T1: 1.4}
WITHHELD = "The case failed the quality check, so its ages are withheld."
AGE_NOT_KNOWN = "The person's age is not known, so no age is read."
AgesOf = TypeVar("AgesOf", bound=ReadAges)
CHRONIC_DAYS = 180
# As shown in the report, with one decimal.
OTHER_SIDE_TOLD_ML = 0.1


@dataclass(frozen=True)
class Quality:
    """The verdict "pass", "review" or "fail" and the reasons for it.

    Parameters
    ----------
    failures : reasons for "fail". reasons : what else is to be looked at.
    """

    verdict: str
    failures: tuple[str, ...]
    reasons: tuple[str, ...]


def judge(
    *,
    similarity: float | None,
    brain_volume_ml: float | None,
    thickness_mm: np.ndarray,
    lesioned_fraction: np.ndarray,
    age_years: float | None,
    pads_years: np.ndarray,
    misfit: float,
    route: str,
    not_t1: Sequence[str] = (),
    skull_stripped: bool = False,
    structures: StructureQuality | None = None,
    image_grade: ImageGrade | None = None,
) -> Quality:
    """Check a case's numbers against what heads usually give.

    Parameters
    ----------
    similarity : of the registered head with the template, 0..1; None when there was no registration.
    brain_volume_ml : volume of the brain mask; None without an image.
    thickness_mm : ndarray, shape (148,), NaN where not measured.
    lesioned_fraction : ndarray, shape (148,).
    age_years : at the scan; None where it is not known.
    pads_years : ndarray, shape (regions,), corrected PADs, NaN where not estimable.
    misfit : of all features together, see `Ages`; NaN where nothing was read. route : that measured them.
    skull_stripped : the head came without skull and skin.
    not_t1 : why an image that thickness was measured on does not look T1-weighted: the case fails.
    structures : how well the structures fit the image; None where FreeSurfer measured them.
    image_grade : of the image as it was read; None without one.
    """
    failures, reasons = [*not_t1], []
    if similarity is not None and similarity < SIMILARITY_REVIEW:
        reasons.append(
            f"The alignment with the template is weaker than usual (similarity {similarity:.2f}): "
            "check the parcels on the head."
        )
    if brain_volume_ml is not None and not BRAIN_VOLUME_ML[0] <= brain_volume_ml <= BRAIN_VOLUME_ML[1]:
        reasons.append(f"The brain mask holds {brain_volume_ml:.0f} ml, which is unusual: check its outline.")
    measured = np.isfinite(thickness_mm)
    mean_mm = float(np.mean(thickness_mm[measured])) if measured.any() else MEAN_THICKNESS_MM[0]
    if not MEAN_THICKNESS_MM[0] <= mean_mm <= MEAN_THICKNESS_MM[1]:
        reasons.append(f"The mean cortical thickness is {mean_mm:.2f} mm, which is unusual: check the tissue contrast.")
    unmeasured = int(np.sum(~measured & (lesioned_fraction < 0.01)))
    if unmeasured > UNMEASURED_PARCELS_REVIEW:
        reasons.append(f"{unmeasured} parcels outside the lesion could not be measured: check the image quality.")
    if measured.any() and age_years is not None:
        reasons += _thickness_for_age(mean_mm, age_years)
    pads = pads_years[np.isfinite(pads_years)]
    median_years = float(np.median(pads)) if pads.size else 0.0
    if abs(median_years) > MEDIAN_PAD_REVIEW_YEARS:
        (failures if abs(median_years) > MEDIAN_PAD_FAIL_YEARS else reasons).append(
            f"Half of the regions look {abs(median_years):.0f} years {'older' if median_years > 0 else 'younger'} or "
            "more than the patient is, which hardly any healthy brain does: check age, image quality and borders."
        )
    unlike_any = misfit > MISFIT_FAIL[route]
    if misfit > MISFIT_REVIEW[route]:
        (failures if unlike_any else reasons).append(
            f"Thickness and volumes together are unlike those of a healthy brain of any age (misfit {misfit:.2f}, "
            f"usual below {MISFIT_REVIEW[route]:g}): thick slices, blur or noise give this, and so may disease. "
            + ("No age can be read from them." if unlike_any else "Check borders before using the numbers.")
        )
    if image_grade is not None:
        reasons += [
            f"The image is poor (grade D): {measure.name} is {plain(measure.value, 2)} {measure.unit}. Look at borders "
            "and thickness before using its numbers."
            for measure in image_grade.poor
        ]
    if skull_stripped:
        reasons.append("The head came without skull and skin: the ages of such heads differ by some years.")
    for unusable, sentence in doubts(structures) if structures is not None else []:
        (failures if unusable else reasons).append(sentence)
    verdict = "fail" if failures else "review" if reasons else "pass"
    return Quality(verdict, tuple(failures), tuple(reasons))


def _thickness_for_age(mean_mm: float, age_years: float) -> list[str]:
    expected_mm = float(np.interp(age_years, THICKNESS_AGES_YEARS, THICKNESS_FOR_AGE_MM))
    if abs(mean_mm - expected_mm) <= THICKNESS_REVIEW_SPREADS * THICKNESS_SPREAD_MM:
        return []
    return [
        f"The mean cortical thickness ({mean_mm:.2f} mm) is far from what is usual at this age "
        f"({expected_mm:.2f} mm): check age, image and borders."
    ]


def withhold(ages: AgesOf, reason: str = WITHHELD) -> AgesOf:
    """Ages of which none may be read; every region says why. Nested ages are withheld too."""
    changed: dict[str, Any] = {}
    for field in fields(ages):
        value = getattr(ages, field.name)
        if isinstance(value, ReadAges):
            changed[field.name] = withhold(value, reason)
        elif field.name == "estimable":
            changed[field.name] = np.zeros(np.shape(value), dtype=bool)
        elif field.name == "reason":
            changed[field.name] = np.full(np.shape(value), reason, dtype=object)
        elif field.name.endswith(("_years", "_percentile")):
            changed[field.name] = np.full(np.shape(value), np.nan)
    return replace(ages, **changed)


def advice(
    age_years: float | None,
    tested_ages_years: tuple[float, float],
    days_post_stroke: float | None,
    lesion: LesionResult,
) -> list[str]:
    """What a reader must know about this patient before comparing with the study this software reproduces.

    Parameters
    ----------
    age_years : at the scan; None where it is not known.
    tested_ages_years : youngest and oldest healthy person the model's errors were measured on.
    """
    notes = []
    youngest, oldest = tested_ages_years
    if age_years is not None and not youngest <= age_years <= oldest:
        notes.append(
            f"The patient's age ({age_years:g}) lies outside the ages the model was tested on "
            f"({youngest:.0f} to {oldest:.0f}): its ages are guesses here."
        )
    if days_post_stroke is not None and lesion.side != "none" and days_post_stroke < CHRONIC_DAYS:
        notes.append(
            f"The scan is {days_post_stroke:g} days after the stroke; the method was studied in chronic stroke "
            f"(more than {CHRONIC_DAYS} days)."
        )
    if lesion.side == "bilateral":
        notes.append(
            "The lesion touches both hemispheres: regions are named left and right, not ipsi- and contralesional."
        )
    if lesion.other_side_ml >= OTHER_SIDE_TOLD_ML:
        notes.append(
            f"{lesion.other_side_ml:.1f} ml of the lesion lie in the other hemisphere: too little to call it "
            "two-sided, but the contralesional regions are not quite untouched."
        )
    return notes
