"""Ages under Gaussian norms, against the posterior written out by brute force, and what may not move them."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_people import draw_population
from RegionalBrainAgeLib.age.features import NODE_NAMES
from RegionalBrainAgeLib.age.norms import reading
from RegionalBrainAgeLib.age.norms.closed_form import ClosedForm, NaiveBayes
from RegionalBrainAgeLib.age.norms.norms import norms_from_people
from RegionalBrainAgeLib.age.norms.reading import (
    READ_AGES_YEARS,
    AgeCurves,
    age_curves,
    by_visible_nodes,
    read_ages,
    regions_to_shield,
    standard_errors,
)
from RegionalBrainAgeLib.age.norms.scanner import remaining_covariance
from scipy.stats import multivariate_normal

NODES = len(NODE_NAMES)


@pytest.fixture(scope="module")
def norms(made_people):
    return norms_from_people(made_people)


def read_whole(norms, values, male):
    """People with every node in view, read by the closed form."""
    precision = ClosedForm(norms).precision(np.ones(NODES, dtype=bool))
    return read_ages(values, male, precision, age_curves(norms), np.zeros((NODES, 1)), {})


def test_the_age_is_the_mean_of_the_posterior(norms, monkeypatch):
    """Oracle: scipy's density of the visible nodes at every age, a flat prior; no node is drawn to the others here."""
    monkeypatch.setattr(reading, "GATE_SD", 1e9)
    values, _, male = draw_population(norms, 6, np.random.default_rng(0), (30.0, 70.0))
    visible = np.zeros(NODES, dtype=bool)
    visible[[3, 9, 40, 150, 160]] = True
    curves = age_curves(norms).of_nodes(visible)
    precision = ClosedForm(norms).precision(visible)
    found = read_ages(values[:, visible], male, precision, curves, np.zeros((5, 1)), {}).age_years
    covariance = (norms.residual_covariance + norms.site_covariance)[np.ix_(visible, visible)]
    for person in range(6):
        mean = curves.mean[int(male[person])]
        log_density = [multivariate_normal.logpdf(values[person, visible], at, covariance) for at in mean]
        weight = np.exp(np.array(log_density) - max(log_density))
        assert found[person] == pytest.approx(weight @ READ_AGES_YEARS / weight.sum(), abs=1e-6)


def test_a_wild_value_of_one_node_moves_an_age_little(norms):
    values, _, male = draw_population(norms, 20, np.random.default_rng(1), (40.0, 60.0))
    before, mild, wild = (
        read_whole(norms, np.where(np.arange(NODES) == 150, values + moved, values), male).age_years
        for moved in (0.0, 10.0, 1000.0)
    )
    assert np.abs(mild - before).max() < 10
    assert np.isfinite(wild).all()


def test_healthy_people_misfit_by_about_one_and_an_impossible_pattern_by_far_more(norms):
    """Oracle: the mean squared Mahalanobis distance per node of Gaussian people is 1; one part is spent on the age."""
    values, _, male = draw_population(norms, 200, np.random.default_rng(2), (30.0, 70.0))
    healthy, torn = (
        read_whole(norms, x, male).misfit for x in (values, values + 3.0 * np.where(np.arange(NODES) % 2, 1.0, -1.0))
    )
    assert healthy.mean() == pytest.approx(1.0, abs=0.1)
    assert torn.min() > 2 * healthy.max()


def test_more_nodes_and_more_controls_make_the_age_surer(norms):
    curves, field = age_curves(norms), ClosedForm(norms)
    some, more = np.arange(NODES) < 30, np.arange(NODES) < 120
    errors = [
        standard_errors(field.precision(nodes, controls), curves.of_nodes(nodes))[0, 40]
        for nodes, controls in ((some, 0), (more, 0), (more, 50))
    ]
    assert errors[0] > errors[1] > errors[2]


def test_without_messages_every_node_counts_by_its_own_variance(norms):
    visible = np.arange(NODES) < 12
    covariance = (norms.residual_covariance + remaining_covariance(norms, 20))[:12, :12]
    found = NaiveBayes(ClosedForm(norms)).precision(visible, 20)
    np.testing.assert_allclose(found, np.diag(1 / np.diag(covariance)), rtol=1e-9)


def test_a_region_whose_thinning_would_make_the_brain_younger_is_shielded():
    """Two nodes of one hemisphere: the first falls with age, the second does not and shares the first's noise."""
    curve = np.stack([-0.1 * READ_AGES_YEARS, 0.0 * READ_AGES_YEARS], axis=1)
    slope = np.tile([-0.1, 0.0], (len(READ_AGES_YEARS), 1))
    curves = AgeCurves(np.stack([curve, curve]), np.stack([slope, slope]))
    precision = np.linalg.inv(np.array([[1.0, 0.8], [0.8, 1.0]]))
    loads = -0.01 * np.eye(2)
    assert regions_to_shield(precision, curves, np.eye(2)).tolist() == [False, True]
    values = np.array([[-5.0, 0.0]])
    thin = values - np.array([0.0, 0.5])
    ages = [read_ages(x, np.zeros(1), precision, curves, loads, {1: np.array([0.0, 1.0])}) for x in (values, thin)]
    assert ages[1].age_years[0] < ages[0].age_years[0]
    assert ages[1].region_years[0, 1] >= ages[0].region_years[0, 1]


def test_people_are_grouped_by_the_nodes_in_view():
    visible = np.array([[True, False], [True, True], [True, False]])
    groups = {tuple(nodes): sorted(rows) for rows, nodes in by_visible_nodes(visible)}
    assert groups == {(True, False): [0, 2], (True, True): [1]}
