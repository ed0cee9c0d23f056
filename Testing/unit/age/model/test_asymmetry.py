"""Differences between the hemispheres are judged by those of healthy people."""

from types import SimpleNamespace

import numpy as np
import pytest
from RegionalBrainAgeLib.age.model.asymmetry import Asymmetry, asymmetries
from RegionalBrainAgeLib.age.model.brain_age_model import load_model
from RegionalBrainAgeLib.age.model.intervals import Reference, fit_age_bias
from RegionalBrainAgeLib.anatomy.regions import load_scheme

PAIRS = (("SMN", 0, 1), ("VIS", 2, 3))


@pytest.fixture(scope="module")
def made_up_model():
    """Healthy people whose regions share an error of 20 years within a person and differ by one of 3 years (SD)."""
    random = np.random.default_rng(0)
    count = 4000
    shared, own = random.normal(0, 20, (count, 1)), random.normal(0, 3, (count, 4))
    age = random.uniform(20, 90, count)
    reference = Reference(age, random.integers(0, 40, count).astype(str), shared + own - 0.3 * (age[:, None] - 50))
    return SimpleNamespace(
        references={"none": reference}, folds=(None,), errors=lambda state, fold: (fit_age_bias(reference), None)
    )


def ages_with(left: float, right: float) -> SimpleNamespace:
    return SimpleNamespace(pad_corrected_years=np.array([left, right, 1.0, 1.0]), calibrated="none")


def test_limits_are_those_of_the_differences_and_not_of_the_ages(made_up_model):
    smn = asymmetries(made_up_model, ages_with(30.0, 28.0), 60.0, PAIRS)[0]
    # The difference of two independent errors of SD 3 has SD 3 * sqrt(2); 90 % lie within 1.645 of them.
    assert smn.upper_years == pytest.approx(1.645 * 3 * np.sqrt(2), abs=0.8)
    assert smn.lower_years == pytest.approx(-smn.upper_years, abs=1.2)
    assert smn.difference_years == pytest.approx(2.0)
    assert not smn.unusual


def test_a_side_much_older_than_its_mirror_is_unusual(made_up_model):
    smn, vis = asymmetries(made_up_model, ages_with(12.0, -3.0), 60.0, PAIRS)
    assert smn.unusual
    assert smn.percentile > 99
    assert not vis.unusual


def test_a_network_without_both_ages_has_no_difference(made_up_model):
    smn = asymmetries(made_up_model, ages_with(np.nan, 1.0), 60.0, PAIRS)[0]
    assert np.isnan(smn.difference_years)
    assert np.isnan(smn.percentile)
    assert not smn.unusual


def test_seen_from_the_other_side_the_limits_turn_with_the_difference():
    turned = Asymmetry("SMN", 5.0, -12.0, 10.0, 80.0).reversed()
    assert turned == Asymmetry("SMN", -5.0, -10.0, 12.0, 20.0)


def test_nine_of_ten_healthy_people_of_the_shipped_model_lie_within_their_limits():
    model, scheme = load_model(), load_scheme()
    reference = model.references["none"]
    bias, _ = model.errors("none", len(model.folds) - 1)
    corrected = bias.correct(reference.pad_years, reference.age_years)
    rows = np.random.default_rng(1).choice(len(corrected), 60, replace=False)
    inside = [
        not difference.unusual
        for row in rows
        for difference in asymmetries(
            model,
            SimpleNamespace(pad_corrected_years=corrected[row], calibrated="none"),
            float(reference.age_years[row]),
            scheme.pairs,
        )
    ]
    assert 0.8 <= np.mean(inside) <= 0.98
