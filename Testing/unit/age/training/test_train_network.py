"""Training: folds, repeatability, and what the regional age means."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from RegionalBrainAgeLib.age.evaluation.metrics import mean_correlation
from RegionalBrainAgeLib.age.model.graph import grown_holes, parcel_edges
from RegionalBrainAgeLib.age.model.network import RegionalAgeNetwork
from RegionalBrainAgeLib.age.norms.closed_form import AGE_GRID_YEARS, regional_age_reader
from RegionalBrainAgeLib.age.norms.norms import norms_from_people
from RegionalBrainAgeLib.age.training.early_stopping import BestWeights, HeldOutPeople
from RegionalBrainAgeLib.age.training.site_folds import same_site, site_folds, stopping_sites
from RegionalBrainAgeLib.age.training.train_model import (
    Sources,
    norms_without,
    parcel_surroundings,
    train_model,
    training_people,
)
from RegionalBrainAgeLib.age.training.train_network import Population, Recipe, train_network
from RegionalBrainAgeLib.anatomy.regions import load_scheme, membership
from scipy.stats import multivariate_normal


def test_every_site_is_held_out_once(made_people):
    folds = site_folds(made_people.site, made_people.age_years, 3)
    assert sorted(site for fold in folds for site in fold) == ["site0", "site1", "site2", "site3"]


def test_chart_sites_are_recognised_by_name_and_strangers_are_not():
    assert same_site("Oasis2", "oasis2")
    assert same_site("AOMIC_PIPO2", "aomic-piop2")
    assert not same_site("Oasis3", "oasis2")
    assert not same_site("AOMIC_1000", "aomic-piop2")


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(made_people):
    recipe = Recipe(steps=3, batch=16, folds=2, age_range_years=(18.0, 90.0))
    models = [train_model(Sources(made_people), load_scheme(), recipe, seed, "m", {}) for seed in (0, 0, 1)]
    states = [model.folds[-1].networks[0].state_dict() for model in models]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not all(torch.equal(states[0][key], states[2][key]) for key in states[0])


def test_sites_to_stop_by_are_none_of_those_held_out_or_trained_on(made_people):
    rest = made_people.take(made_people.site != "site0")
    watched = stopping_sites(rest.site, rest.age_years)
    assert watched
    assert set(watched) < {"site1", "site2", "site3"}
    assert stopping_sites(rest.site[:60], rest.age_years[:60]) == []


def test_training_people_keep_the_sites_to_stop_by_apart(made_people):
    """By the measurements themselves: none of the people trained on has those of a watched site."""
    rest = made_people.take(made_people.site != "site0")
    norms = norms_without(Sources(made_people), ["site0"])
    weights = membership(load_scheme())
    holes = grown_holes(parcel_edges(), 148, 50, np.random.default_rng(0))
    recipe = Recipe(age_range_years=(18.0, 90.0))
    surroundings = parcel_surroundings(parcel_edges(), weights, 3, 1)
    population, others, watched = training_people(norms, rest, holes, surroundings, recipe, 0, np.full(18, 20.0))
    kept = ~np.isin(rest.site, watched)
    assert len(population.real) == kept.sum()
    real = others.groups["real"]
    assert real.sum() == 2 * (~kept).sum()
    np.testing.assert_array_equal(np.sort(others.age_years[real])[::2], np.sort(rest.age_years[~kept]))
    intact, damaged = np.split(others.inputs[1].sum(dim=1).numpy(), 2)
    assert intact.sum() == 0
    assert (damaged > 0).all()


class OneAge(torch.nn.Module):
    """Gives everyone, in every region, the same age."""

    def __init__(self):
        super().__init__()
        self.age = torch.nn.Parameter(torch.zeros(1))

    def forward(self, values):
        return self.age.expand(len(values), 2)


def test_the_weights_kept_are_those_with_the_smallest_balanced_error():
    """Worked out by hand: everyone taken for 55 is 10, 0 and 10 years off in three decades that count alike."""
    age_years = np.array([45.0] * 50 + [55.0] * 5 + [65.0] * 5)
    people = HeldOutPeople(
        (torch.zeros(60, 1),), np.repeat(age_years[:, None], 2, axis=1), age_years, {"all": np.full(60, True)}
    )
    network, best = OneAge(), BestWeights(patience=2)
    stopped = []
    for step, age in enumerate([30.0, 55.0, 45.0, 40.0, 30.0]):
        with torch.no_grad():
            network.age.fill_(age)
        stopped.append(best.check(step, network, people))
    assert stopped == [False, False, False, True, True]
    assert best.best_step == 1
    assert best.curve[1] == {
        "step": 1,
        "raw": pytest.approx(20 / 3, abs=1e-3),
        "from_regional_age": pytest.approx(6.667),
    }
    best.restore(network)
    assert network.age.item() == 55.0


def test_training_stops_when_held_out_sites_gain_no_more(made_people, tiny_model):
    """A learning rate of 0 gains nothing: the weights of the first look are kept, and `patience` more are enough."""
    norms, weights = tiny_model.folds[-1].norms, tiny_model.membership
    holes = grown_holes(tiny_model.edges, 148, 50, np.random.default_rng(0))
    recipe = Recipe(steps=100, batch=8, learning_rate=0.0, check_every=1, patience=3, age_range_years=(18.0, 90.0))
    surroundings = parcel_surroundings(tiny_model.edges, weights, 3, 1)
    population, others, _ = training_people(norms, made_people, holes, surroundings, recipe, 0, np.full(18, 20.0))
    _, best = train_network(population, tiny_model.architecture, tiny_model.edges, weights, 0, others)
    assert best.best_step == 1
    assert [check["step"] for check in best.curve] == [1, 2, 3, 4]


def test_the_model_says_where_and_when_its_networks_stopped(tiny_model):
    for entry in tiny_model.about["early_stopping"]:
        held_out = tiny_model.folds[entry["fold"]].held_out_sites
        assert not set(entry["sites"]) & set(held_out)
        assert entry["best_step"] in [check["step"] for check in entry["curve"]]


def test_a_model_of_made_people_knows_their_ages_on_sites_it_did_not_see(tiny_model, made_people):
    ages = tiny_model.predict_people(made_people).brain_age_years
    for site in np.unique(made_people.site):
        rows = made_people.site == site
        assert mean_correlation(ages[rows], made_people.age_years[rows]) > 0.6
    assert tiny_model.folds[0].held_out_sites
    assert tiny_model.folds[-1].held_out_sites == ()


def test_corrected_pads_of_out_of_fold_people_do_not_follow_age(tiny_model, made_people):
    corrected = tiny_model.predict_people(made_people).pad_corrected_years
    assert abs(mean_correlation(corrected, made_people.age_years)) < 0.1


def test_the_reader_is_the_posterior_mean_of_a_gaussian_model(made_people):
    """Against scipy's multivariate normal, where no regional deviation is assumed."""
    norms = norms_from_people(made_people)
    weights = membership(load_scheme())
    surroundings = parcel_surroundings(parcel_edges(), weights, 1, 1)
    reader = regional_age_reader(norms, surroundings, np.zeros(18), norms.site_covariance)
    values = norms.standardise(made_people.thickness_mm[:3])
    region = 9
    near = surroundings.reach[region]
    covariance = (norms.residual_covariance + norms.site_covariance)[np.ix_(near, near)]
    for row in range(3):
        sex = made_people.male[row]
        means = norms.expected(AGE_GRID_YEARS, np.full(len(AGE_GRID_YEARS), sex))[:, near]
        log = np.array([multivariate_normal.logpdf(values[row, near], mean, covariance) for mean in means])
        posterior = np.exp(log - log.max())
        expected = (posterior * AGE_GRID_YEARS).sum() / posterior.sum()
        found = reader.mean_age(values[row : row + 1], np.array([sex]))[0, region]
        assert found == pytest.approx(expected, abs=0.05)


def test_ages_are_taught_further_from_the_middle_the_less_is_known_of_the_scanner(made_people):
    norms = norms_without(Sources(made_people), [])
    weights = membership(load_scheme())
    holes = grown_holes(parcel_edges(), 148, 50, np.random.default_rng(0))
    surroundings = parcel_surroundings(parcel_edges(), weights, 3, 1)
    recipe = Recipe(stretch=0.5, age_range_years=(18.0, 90.0))
    population = Population(norms, made_people, holes, surroundings, recipe, np.full(18, 20.0))
    values, _, male = population.simulate(np.random.default_rng(0), 40)
    for state, share in ((0, 0.5), (4, 0.0)):
        plain = population.readers[state].mean_age(values, male)
        taught = population.regional_ages(values, male, np.full(40, state))
        np.testing.assert_allclose(taught - 57.0, (1 + share) * (plain - 57.0), atol=1e-3)


def test_with_larger_deviations_a_region_listens_less_to_its_surroundings(made_people):
    norms = norms_from_people(made_people)
    weights = membership(load_scheme())
    surroundings = parcel_surroundings(parcel_edges(), weights, 3, 1)
    values = np.zeros((1, 148))
    outside = np.where(surroundings.reach[0] & ~(weights[0] > 0), -1.0, 0.0)[None]
    shifts = []
    for sd_years in (0.0, 60.0):
        reader = regional_age_reader(norms, surroundings, np.full(18, sd_years), norms.site_covariance)
        shifts.append((reader.mean_age(outside, np.zeros(1)) - reader.mean_age(values, np.zeros(1)))[0, 0])
    assert abs(shifts[1]) < abs(shifts[0])


def test_batches_have_holes_where_asked_and_targets_do_not_know_them(made_people):
    norms = norms_without(Sources(made_people), [])
    edges, weights = parcel_edges(), membership(load_scheme())
    surroundings = parcel_surroundings(edges, weights, 3, 1)
    holes = grown_holes(edges, 148, 50, np.random.default_rng(0))
    recipes = [Recipe(batch=128, hole_fraction=share, age_range_years=(18.0, 90.0)) for share in (0.0, 1.0)]
    deviations = np.full(18, 20.0)
    batches = [
        Population(norms, made_people, holes, surroundings, recipe, deviations).draw(np.random.default_rng(5))
        for recipe in recipes
    ]
    twins = 32
    assert batches[0][0].missing.sum() == 0
    assert (batches[1][0].missing[twins:128].sum(dim=1) > 0).all()
    assert batches[1][0].missing[:twins].sum() == 0
    np.testing.assert_array_equal(batches[0][1].shape, (128 + twins, 18))


def test_the_twin_of_a_person_has_a_thinner_region_that_is_older(made_people):
    norms = norms_without(Sources(made_people), [])
    edges, weights = parcel_edges(), membership(load_scheme())
    holes = grown_holes(edges, 148, 50, np.random.default_rng(0))
    recipe = Recipe(batch=128, age_range_years=(18.0, 90.0))
    population = Population(norms, made_people, holes, parcel_surroundings(edges, weights, 3, 1), recipe)
    batch, target, channels = population.draw(np.random.default_rng(5))
    first, twin = channels[:32, 0], channels[128:, 0]
    thinned = twin < first
    assert (twin <= first).all()
    region = (thinned @ weights.T).argmax(axis=1)
    rise = target[128:] - target[:32]
    assert np.mean(rise.argmax(axis=1) == region) > 0.6
    assert torch.equal(batch.male[:32], batch.male[128:])


def test_without_message_passing_a_region_sees_its_own_parcels_only(tiny_model):
    from dataclasses import replace

    architecture = replace(tiny_model.architecture, hops=0, fill_hops=0)
    network = RegionalAgeNetwork(architecture, tiny_model.edges, tiny_model.membership)
    np.testing.assert_array_equal(network.spread.numpy() > 0, tiny_model.membership > 0)


def test_further_features_of_a_parcel_are_learned_from(made_people):
    from dataclasses import replace

    area = 100 - 0.5 * made_people.age_years[:, None] + np.random.default_rng(0).normal(0, 5, (240, 148))
    both = replace(
        made_people, features=("thickness", "area"), values=np.stack([made_people.thickness_mm, area], axis=1)
    )
    recipe = Recipe(steps=10, batch=32, folds=2, age_range_years=(18.0, 90.0))
    model = train_model(Sources(both), load_scheme(), recipe, 0, "two", {})
    assert model.architecture.features == 2
    ages = model.predict_people(both).brain_age_years
    rows = both.site == "site0"
    assert mean_correlation(ages[rows], both.age_years[rows]) > 0.6
