"""Is this case fit for use? A few checks whose limits are stated, each failing with a sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .result.result import LesionResult

# Similarity of the aligned head to the template: two heads at hand reach 0.92 and 0.93 (case.json).
SIMILARITY_REVIEW = 0.80
BRAIN_VOLUME_ML = (900.0, 2000.0)
MEAN_THICKNESS_MM = (2.0, 3.2)
UNMEASURED_PARCELS_REVIEW = 15
CHRONIC_DAYS = 180
# As shown in the report, with one decimal.
OTHER_SIDE_TOLD_ML = 0.1


@dataclass(frozen=True)
class Quality:
    """The verdict "pass", "review" or "fail" and the reasons for it."""

    verdict: str
    reasons: tuple[str, ...]


def judge(
    *,
    similarity: float | None,
    brain_volume_ml: float | None,
    thickness_mm: np.ndarray,
    lesioned_fraction: np.ndarray,
    not_t1: bool = False,
) -> Quality:
    """Check a case's numbers against what heads usually give.

    Parameters
    ----------
    similarity : of the registered head with the template, 0..1; None when there was no registration.
    brain_volume_ml : volume of the brain mask; None without an image.
    thickness_mm : ndarray, shape (148,), NaN where not measured.
    lesioned_fraction : ndarray, shape (148,).
    not_t1 : thickness was measured on an image that does not look T1-weighted: the case fails. The reading told why.
    """
    reasons = []
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
    verdict = "fail" if not_t1 else "review" if reasons else "pass"
    return Quality(verdict, tuple(reasons))


def advice(
    age_years: float, tested_ages_years: tuple[float, float], days_post_stroke: float | None, lesion: LesionResult
) -> list[str]:
    """What a reader must know about this patient before comparing with the study this software reproduces.

    Parameters
    ----------
    tested_ages_years : youngest and oldest healthy person the model's errors were measured on.
    """
    notes = []
    youngest, oldest = tested_ages_years
    if not youngest <= age_years <= oldest:
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
