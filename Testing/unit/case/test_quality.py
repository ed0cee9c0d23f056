"""The quality check says what is unusual, and nothing about a usual head."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from RegionalBrainAgeLib.age.ages import Ages, GlobalAge
from RegionalBrainAgeLib.case.quality import WITHHELD, advice, judge, withhold
from RegionalBrainAgeLib.case.result.result import LesionResult

USUAL = {
    "similarity": 0.9,
    "brain_volume_ml": 1400.0,
    "thickness_mm": np.full(148, 2.6),
    "lesioned_fraction": np.zeros(148),
    "age_years": 30.0,
    "pads_years": np.array([3.0, -4.0, np.nan, 8.0]),
    "misfit": 0.5,
    "route": "T1",
}


def test_a_usual_head_passes_without_a_word():
    assert (judge(**USUAL).verdict, judge(**USUAL).reasons) == ("pass", ())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"similarity": 0.71}, "0.71"),
        ({"brain_volume_ml": 700.0}, "700 ml"),
        ({"thickness_mm": np.full(148, 3.5)}, "3.50 mm"),
        ({"thickness_mm": np.full(148, np.nan)}, "148 parcels"),
        ({"thickness_mm": np.where(np.arange(148) < 20, np.nan, 2.6)}, "20 parcels"),
        ({"age_years": 80.0, "thickness_mm": np.full(148, 2.8)}, "usual at this age (2.32 mm)"),
        ({"pads_years": np.array([22.0, 30.0, 51.0, 35.0])}, "look 32 years older"),
        ({"pads_years": np.array([-30.0, -28.0, 0.0])}, "look 28 years younger"),
        ({"skull_stripped": True}, "skull"),
        ({"misfit": 0.94}, "misfit 0.94, usual below 0.7"),
        ({"misfit": 2.6, "route": "FreeSurfer"}, "misfit 2.60, usual below 2.5"),
    ],
)
def test_what_is_unusual_is_named_for_review(changed, said):
    quality = judge(**USUAL | changed)
    assert quality.verdict == "review"
    assert said in " ".join(quality.reasons)


def test_what_freesurfer_often_gives_is_usual_for_it_and_nothing_read_has_no_misfit():
    assert judge(**USUAL | {"misfit": 1.07, "route": "FreeSurfer"}).verdict == "pass"
    assert judge(**USUAL | {"misfit": np.nan}).verdict == "pass"


def test_measurements_that_fit_no_brain_at_all_fail_from_a_t1_alone():
    """As slices of 5 mm gave; FreeSurfer's measurements of healthy people lie that far out."""
    failed = judge(**USUAL | {"misfit": 1.6})
    assert failed.verdict == "fail"
    assert failed.failures[0].endswith("No age can be read from them.")
    assert judge(**USUAL | {"misfit": 6.0, "route": "FreeSurfer"}).verdict == "review"


def test_an_image_of_another_contrast_fails_whatever_its_numbers():
    failed = judge(**USUAL, not_t1=["This is not a T1."])
    assert (failed.verdict, failed.failures) == ("fail", ("This is not a T1.",))


def test_what_fails_a_case_is_told_apart_from_what_is_to_be_looked_at():
    quality = judge(**USUAL | {"pads_years": np.full(18, 48.0), "skull_stripped": True})
    assert ["look 48 years older" in reason for reason in quality.failures] == [True]
    assert ["skull" in reason for reason in quality.reasons] == [True]


def test_ages_that_no_healthy_person_has_fail_and_are_withheld():
    """A 24-year-old at 72 years: the median of the regions is 48 years too old."""
    assert judge(**USUAL | {"pads_years": np.full(18, 48.0)}).verdict == "fail"
    numbers = {item.name: np.array([70.0, 75.0]) for item in fields(GlobalAge)}
    whole = GlobalAge(**numbers | {"estimable": np.True_, "reason": "", "read_from": "both hemispheres"})
    regions = {item.name: np.array([70.0, 75.0]) for item in fields(Ages)}
    known = {"region_names": ("a", "b"), "calibrated": "local", "route": "T1", "global_age": whole}
    none = withhold(Ages(**regions | known | {"estimable": np.array([True, True]), "reason": np.array(["", ""])}))
    for ages in (none, none.global_age):
        for item in fields(ages):
            if item.name.endswith(("_years", "_percentile")):
                assert np.isnan(getattr(ages, item.name)).all(), item.name
        assert not np.any(ages.estimable)
        assert np.all(ages.reason == WITHHELD)
    assert (none.region_names, none.calibrated, none.global_age.read_from) == (("a", "b"), "local", "both hemispheres")


def test_an_age_that_is_not_known_is_held_against_nothing():
    assert judge(**USUAL | {"age_years": None, "thickness_mm": np.full(148, 2.05)}).reasons == ()
    assert judge(**USUAL | {"age_years": 90.0, "thickness_mm": np.full(148, 2.9)}).verdict == "review"
    assert advice(None, (18.0, 96.0), 400, LesionResult(20.0, "L", 0.0, 0.0, 0.0, 0.0)) == []


@pytest.mark.parametrize(
    ("median", "verdict"), [(21.9, "pass"), (-21.9, "pass"), (22.1, "review"), (-39.9, "review"), (40.1, "fail")]
)
def test_the_ages_of_a_hundredth_of_healthy_people_are_reviewed_and_those_of_nobody_fail(median, verdict):
    assert judge(**USUAL | {"pads_years": np.full(18, median)}).verdict == verdict


def test_one_region_far_off_is_no_fault_of_the_case():
    assert judge(**USUAL | {"pads_years": np.array([60.0, 2.0, -3.0, 5.0])}).verdict == "pass"


def test_parcels_lost_to_the_lesion_are_no_fault_of_the_image():
    lost = np.arange(148) < 40
    assert (
        judge(**USUAL | {"thickness_mm": np.where(lost, np.nan, 2.6), "lesioned_fraction": lost * 0.9}).verdict
        == "pass"
    )


def test_without_an_image_only_the_thickness_is_judged():
    assert judge(**USUAL | {"similarity": None, "brain_volume_ml": None}).verdict == "pass"


@pytest.mark.parametrize(
    ("age", "days", "side", "said"),
    [
        (12.0, 400, "L", "18 to 96"),
        (60.0, 30, "L", "30 days"),
        (60.0, None, "bilateral", "left and right"),
        (60.0, 30, "none", ""),
        (60.0, 400, "R", ""),
    ],
)
def test_advice_fits_the_patient(age, days, side, said):
    lesion = LesionResult(0.0 if side == "none" else 20.0, side, 0.0, 0.0, 0.0, 0.0)
    notes = " ".join(advice(age, (18.0, 96.0), days, lesion))
    assert said in notes
    assert bool(notes) == bool(said)


def test_a_tolerated_rest_in_the_other_hemisphere_is_told():
    for other_ml, told in ((0.22, True), (0.05, False)):
        lesion = LesionResult(94.0, "L", 0.3, 0.0, 0.3, 0.0, other_ml)
        notes = " ".join(advice(60.0, (18.0, 96.0), None, lesion))
        assert ("0.2 ml" in notes) == told
