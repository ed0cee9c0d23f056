"""Deviations of regions a priori, against the covariance written out and against simulated brains."""

from __future__ import annotations

import numpy as np
import pytest
from RegionalBrainAgeLib.age.features import NODE_NAMES
from RegionalBrainAgeLib.age.model.graph import parcel_centres_mm
from RegionalBrainAgeLib.age.model.reader import make_reader
from RegionalBrainAgeLib.age.norms import deviations as module
from RegionalBrainAgeLib.age.norms.closed_form import ClosedForm
from RegionalBrainAgeLib.age.norms.deviations import (
    DEVIATION_REACH_MM,
    DEVIATION_SD_YEARS,
    NETWORK_SD_YEARS,
    deviation_factor,
    deviation_loads,
    network_deviations,
    slope_on_age,
    smooth_deviations,
    with_deviations,
)
from RegionalBrainAgeLib.age.norms.norms import norms_from_people
from RegionalBrainAgeLib.anatomy.regions import load_scheme, membership

NODES = len(NODE_NAMES)
SIDE = np.arange(148) >= 74


@pytest.fixture(scope="module")
def norms(made_people):
    return norms_from_people(made_people)


@pytest.fixture(scope="module")
def of_regions():
    return membership(load_scheme())


def test_smooth_deviations_fade_with_distance_and_end_at_the_midline():
    centres = np.array([[-10.0, 0, 0], [-10.0, DEVIATION_REACH_MM, 0], [10.0, 0, 0]])
    found = smooth_deviations(centres, np.array([0, 0, 1]))
    expected = DEVIATION_SD_YEARS**2 * np.array([[1, np.exp(-1), 0], [np.exp(-1), 1, 0], [0, 0, 1]])
    np.testing.assert_allclose(found, expected)


def test_the_parcels_of_a_network_deviate_together_and_a_shared_parcel_half_with_each():
    found = network_deviations(np.array([[0.5, 0.5, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0]])) / NETWORK_SD_YEARS**2
    np.testing.assert_allclose(found, [[1, 0.5, 0, 0], [0.5, 0.5, 0.5, 0], [0, 0.5, 1, 0], [0, 0, 0, 0]])


def test_networks_of_two_hemispheres_are_unrelated(of_regions):
    assert not network_deviations(of_regions)[np.ix_(SIDE, ~SIDE)].any()


def test_deviations_add_to_the_covariance_of_the_nodes():
    """Oracle: the inverse of the covariance written out."""
    rng = np.random.default_rng(0)
    root, factor = rng.standard_normal((6, 6)), rng.standard_normal((6, 2))
    covariance = root @ root.T + np.eye(6)
    found = with_deviations(np.linalg.inv(covariance), factor)
    np.testing.assert_allclose(found, np.linalg.inv(covariance + factor @ factor.T), atol=1e-9)


def test_the_best_guess_of_a_deviation_is_right_on_the_mean(norms, of_regions):
    """Oracle: brains simulated with deviations. Where a deviation of d was guessed, it is d on the mean."""
    deviations = smooth_deviations(parcel_centres_mm(), SIDE) + network_deviations(of_regions)
    slope = slope_on_age(norms)
    factor, loads = deviation_factor(slope, deviations), deviation_loads(slope, deviations, of_regions)
    covariance = norms.residual_covariance
    rng = np.random.default_rng(1)
    values, vectors = np.linalg.eigh(deviations)
    drawn = rng.standard_normal((3000, 148)) @ (vectors * np.sqrt(np.maximum(values, 0))).T
    brains = rng.standard_normal((3000, NODES)) @ np.linalg.cholesky(covariance).T
    brains[:, :148] += slope[:148] * drawn
    guessed = brains @ with_deviations(np.linalg.inv(covariance), factor) @ loads
    truth = drawn @ of_regions.T
    slopes = [np.polyfit(x, y, 1)[0] for x, y in zip(guessed.T, truth.T, strict=True)]
    assert np.mean(slopes) == pytest.approx(1.0, abs=0.03)


def test_a_thinned_network_looks_older_than_the_others(norms, of_regions, monkeypatch):
    """Without deviations of networks its own age rises less, and the others follow it more closely."""
    sides = np.array(["L" if region.hemisphere == "L" else "R" for region in load_scheme().regions])
    slope = slope_on_age(norms)[:148]
    visible, male = np.ones((1, NODES), dtype=bool), np.zeros(1)
    healthy = norms.expected(np.array([55.0]), male)

    def rises() -> tuple[float, float]:
        reader = make_reader(ClosedForm(norms), norms, of_regions, sides)
        own, others = [], []
        for region in range(len(sides)):
            older = healthy.copy()
            older[0, :148] += 10.0 * slope * (of_regions[region] > 0)
            rise = (
                reader.read(older, visible, male).regional_years - reader.read(healthy, visible, male).regional_years
            )[0]
            apart = of_regions[:, of_regions[region] > 0].sum(axis=1) == 0
            own.append(rise[region])
            others += list(np.abs(rise[apart & (sides == sides[region])]))
        return float(np.mean(own)), float(np.mean(others))

    own, others = rises()
    monkeypatch.setattr(module, "NETWORK_SD_YEARS", 0.0)
    own_before, others_before = rises()
    assert own > 1.2 * own_before
    assert others / own < 0.9 * others_before / own_before
