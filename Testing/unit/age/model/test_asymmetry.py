"""Differences between the hemispheres are judged by those of healthy people."""

from types import SimpleNamespace

import numpy as np
import pytest
from RegionalBrainAgeLib.age.model.asymmetry import Asymmetry, asymmetries
from RegionalBrainAgeLib.age.model.intervals import Reference, error_table

PAIRS = (("SMN", 0, 1), ("VIS", 2, 3))
REACH = {"FreeSurfer": 1.0, "T1": 0.5}


@pytest.fixture(scope="module")
def made_up_model():
    """Healthy people whose regions share an error of 20 years within a person and differ by one of 3 years (SD)."""
    random = np.random.default_rng(0)
    count = 4000
    shared, own = random.normal(0, 20, (count, 1)), random.normal(0, 3, (count, 4))
    age = random.uniform(20, 90, count)
    pads = shared + own - 0.3 * (age[:, None] - 50)
    differences = np.stack([pads[:, left] - pads[:, right] for _, left, right in PAIRS], axis=1)
    table = error_table(Reference(age, random.integers(0, 40, count).astype(str), differences))
    fold = SimpleNamespace(errors={"none": table})
    lines = SimpleNamespace(differences=np.arange(2))
    return SimpleNamespace(folds=(fold,), pairs=PAIRS, lines=lines, contrast_reach=lambda route, _: REACH[route])


def ages_with(
    left: float, right: float, widening: tuple[float, float] = (1.0, 1.0), route: str = "FreeSurfer"
) -> SimpleNamespace:
    return SimpleNamespace(
        brain_age_years=np.array([left, right, 1.0, 1.0]),
        calibrated="none",
        route=route,
        widening=np.array([*widening, 1.0, 1.0]),
    )


def test_limits_are_those_of_the_differences_and_not_of_the_ages(made_up_model):
    smn = asymmetries(made_up_model, ages_with(30.0, 28.0), 60.0, PAIRS)[0]
    # The difference of two independent errors of SD 3 has SD 3 * sqrt(2); 90 % lie within 1.645 of them.
    assert smn.upper_years == pytest.approx(1.645 * 3 * np.sqrt(2), abs=0.8)
    assert smn.lower_years == pytest.approx(-smn.upper_years, abs=1.2)
    assert smn.difference_years == pytest.approx(2.0, abs=0.3)


def test_a_side_much_older_than_its_mirror_is_unusual(made_up_model):
    smn, vis = asymmetries(made_up_model, ages_with(12.0, -3.0), 60.0, PAIRS)
    assert smn.difference_years > smn.upper_years
    assert smn.percentile > 98
    assert vis.lower_years < vis.difference_years < vis.upper_years


def test_what_is_measured_less_well_must_differ_more_to_be_unusual(made_up_model):
    """Errors of the two sides are independent: of 1 and 7 times the size make 5 times the difference."""
    sharp = asymmetries(made_up_model, ages_with(12.0, -3.0), 60.0, PAIRS)[0]
    blurred = asymmetries(made_up_model, ages_with(12.0, -3.0, (1.0, 7.0)), 60.0, PAIRS)[0]
    assert blurred.upper_years == pytest.approx(5 * sharp.upper_years)
    assert blurred.lower_years == pytest.approx(5 * sharp.lower_years)
    assert sharp.difference_years > sharp.upper_years
    assert blurred.difference_years < blurred.upper_years
    assert sharp.percentile > 98
    assert 70 < blurred.percentile < 90


def test_by_a_route_whose_healthy_people_differ_half_as_much_half_the_difference_is_unusual(made_up_model):
    wide, narrow = (
        asymmetries(made_up_model, ages_with(12.0, -3.0, route=route), 60.0, PAIRS)[0] for route in ("FreeSurfer", "T1")
    )
    assert narrow.upper_years == pytest.approx(wide.upper_years / 2)
    assert narrow.lower_years == pytest.approx(wide.lower_years / 2)
    assert narrow.difference_years == wide.difference_years


def test_a_network_without_both_ages_has_no_difference(made_up_model):
    smn = asymmetries(made_up_model, ages_with(np.nan, 1.0), 60.0, PAIRS)[0]
    assert np.isnan(smn.difference_years)
    assert np.isnan(smn.percentile)


def test_seen_from_the_other_side_the_limits_turn_with_the_difference():
    turned = Asymmetry("SMN", 5.0, -12.0, 10.0, 80.0).reversed()
    assert turned == Asymmetry("SMN", -5.0, -10.0, 12.0, 20.0)
