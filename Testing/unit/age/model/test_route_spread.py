"""How far contrasts of healthy people reach by a route: people simulated from the shipped model's norms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_people import draw_population
from RegionalBrainAgeLib.age.features import NODE_NAMES
from RegionalBrainAgeLib.age.model.route import RouteModel, fit_route_by_age
from RegionalBrainAgeLib.age.model.route_spread import contrast_spread
from RegionalBrainAgeLib.age.people import People

NODES = len(NODE_NAMES)
# A route that measures what FreeSurfer does, with next to no error.
LIKE_FREESURFER = RouteModel("T1", "made", np.zeros(NODES), np.ones(NODES), np.zeros((NODES, 1)), np.full(NODES, 0.05))


def people_varying(norms, size: float, count: int = 240) -> People:
    """People of one scanner whose residuals are `size` times as large as the norms say, measured by the T1 route."""
    varying = replace(
        norms, residual_covariance=size**2 * norms.residual_covariance, site_covariance=0 * norms.site_covariance
    )
    values, age_years, male = draw_population(varying, count, np.random.default_rng(0), (25.0, 80.0))
    names = np.array([f"p{number}" for number in range(count)])
    nothing = np.zeros(values.shape)
    values = norms.measurement(values)
    return People(names, np.full(count, ""), age_years, male, values, nothing, np.zeros((count, 2)), route="T1")


def test_people_who_vary_half_as_much_give_half_the_spread(shipped_model):
    norms = shipped_model.folds[-1].norms
    usual, calm = (
        contrast_spread(shipped_model, lambda _: LIKE_FREESURFER, people_varying(norms, size)) for size in (1.0, 0.5)
    )
    # Real people, whom the tables hold, have longer tails than simulated ones.
    assert 0.7 < usual < 1.1
    assert calm / usual == pytest.approx(0.5, abs=0.08)


def test_few_people_tell_no_spread(shipped_model):
    few = people_varying(shipped_model.folds[-1].norms, 0.5, 29)
    assert contrast_spread(shipped_model, lambda _: LIKE_FREESURFER, few) == 1.0


def test_people_whose_ages_just_tell_a_route_tell_no_spread(shipped_model):
    """Without the youngest or the oldest the ages span less than a route needs."""
    norms = shipped_model.folds[-1].norms
    people = people_varying(norms, 0.5, 36)
    people = replace(people, age_years=np.array([30.0, *np.linspace(34, 56, 34), 60.5]))

    def by_age(some: People) -> RouteModel:
        return fit_route_by_age("T1", "made", norms, some)

    assert by_age(people).contrast_spread == 1.0
    assert contrast_spread(shipped_model, by_age, people) == 1.0


def test_the_spread_scales_what_is_left_when_the_scanner_is_known(shipped_model):
    """Oracle: variances of people and of the scanner add up; only that of the people is scaled."""
    share = shipped_model.known_scanner_share
    assert 0.5 < share < 1
    calm = replace(shipped_model, routes={"T1": replace(LIKE_FREESURFER, contrast_spread=0.5)})
    assert calm.contrast_reach("FreeSurfer", "none") == 1.0
    assert calm.contrast_reach("T1", "local") == 0.5
    assert calm.contrast_reach("T1", "none") ** 2 == pytest.approx(0.25 * share + (1 - share))


def test_healthy_ranges_of_deviations_follow_the_spread_and_those_of_ages_do_not(shipped_model):
    people = people_varying(shipped_model.folds[-1].norms, 1.0, 5)
    usual, calm = (
        replace(shipped_model, routes={"T1": replace(LIKE_FREESURFER, contrast_spread=spread)}) for spread in (1.0, 0.5)
    )
    before, after = usual.predict_people(people), calm.predict_people(people)
    width = [ages.deviation_upper_years - ages.deviation_lower_years for ages in (before, after)]
    np.testing.assert_allclose(width[1], calm.contrast_reach("T1", "none") * width[0], rtol=1e-6)
    np.testing.assert_array_equal(before.pad_upper_years, after.pad_upper_years)
    np.testing.assert_array_equal(before.deviation_corrected_years, after.deviation_corrected_years)
