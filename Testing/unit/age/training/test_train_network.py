"""Training: folds, repeatability, and what the likelihoods of brains and ages find."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from RegionalBrainAgeLib.age.evaluation.metrics import mean_correlation
from RegionalBrainAgeLib.age.model.graph import brain_edges
from RegionalBrainAgeLib.age.model.model_files import save_model
from RegionalBrainAgeLib.age.norms.norms import norms_from_people
from RegionalBrainAgeLib.age.training import train_network as training
from RegionalBrainAgeLib.age.training.site_folds import same_site, site_folds, stopping_sites
from RegionalBrainAgeLib.age.training.train_model import (
    Sources,
    calibration_parts,
    norms_without,
    out_of_fold_ages,
    train_model,
)
from RegionalBrainAgeLib.age.training.train_network import ReadNodes, Recipe, surprise, train_network
from RegionalBrainAgeLib.anatomy.regions import load_scheme

SMALL = Recipe(steps=5, folds=2, hubs=4, scanner_hubs=3)


def test_every_site_is_held_out_once(made_people):
    folds = site_folds(made_people.site, made_people.age_years, 3)
    assert sorted(site for fold in folds for site in fold) == ["site0", "site1", "site2", "site3"]


def test_chart_sites_are_recognised_by_name_and_strangers_are_not():
    assert same_site("Oasis2", "oasis2")
    assert same_site("AOMIC_PIPO2", "aomic-piop2")
    assert not same_site("Oasis3", "oasis2")
    assert not same_site("AOMIC_1000", "aomic-piop2")


def test_sites_to_stop_by_are_none_of_those_held_out_or_trained_on(made_people):
    rest = made_people.take(made_people.site != "site0")
    watched = stopping_sites(rest.site, rest.age_years)
    assert watched
    assert set(watched) < {"site1", "site2", "site3"}
    assert stopping_sites(rest.site[:60], rest.age_years[:60]) == []


def test_the_same_table_gives_the_same_folder_byte_for_byte(made_people, tmp_path):
    for name in ("a", "b"):
        save_model(train_model(Sources(made_people), load_scheme(), SMALL, "m", {}), tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 4
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_training_makes_real_people_and_scanners_more_likely(made_people, monkeypatch):
    for weight in ("_AGE_WEIGHT", "_DEVIATION_WEIGHT"):
        monkeypatch.setattr(training, weight, 0.0)
    norms = norms_from_people(made_people)
    people = torch.as_tensor(norms.residual_covariance)
    losses = []
    network = train_network(
        norms, brain_edges(), Recipe(steps=40, hubs=6, scanner_hubs=4), lambda _, loss: losses.append(loss)
    )
    assert losses[-1] < losses[0] - 5
    with torch.no_grad():
        found = network.residual_covariance()
    off = ~np.eye(len(found), dtype=bool)
    assert np.corrcoef(found.numpy()[off], people.numpy()[off])[0, 1] > 0.9


def test_asking_for_ages_makes_them_more_likely_than_people_alone_would(made_people, monkeypatch):
    norms = norms_from_people(made_people)
    people = torch.as_tensor(norms.residual_covariance)
    seen = np.nonzero(np.isfinite(norms.scale))[0]
    slope = norms.expected(np.array([60.0]), np.array([0.0])) - norms.expected(np.array([50.0]), np.array([0.0]))
    every_node = ReadNodes(
        torch.as_tensor(seen),
        torch.zeros(len(seen), len(seen), dtype=torch.float64),
        people[seen][:, seen],
        torch.as_tensor(slope[:, seen].T / 10),
        torch.eye(len(seen), 1, dtype=torch.float64),
    )
    found = []
    for steps, weight in ((1, 0.0), (40, 0.0), (40, 1000.0)):
        monkeypatch.setattr(training, "_AGE_WEIGHT", weight)
        network = train_network(norms, brain_edges(), Recipe(steps=steps, hubs=6, scanner_hubs=4))
        with torch.no_grad():
            covariance = network.residual_covariance()
            found.append((float(surprise(covariance, people)), float(every_node.losses(covariance)[0])))
    start, people_alone, both = found
    assert people_alone[0] < start[0] - 5
    assert both[0] < start[0] - 1
    assert both[1] < people_alone[1] / 2


def test_surprise_is_smallest_at_the_truth():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((5, 5))
    truth = torch.as_tensor(root @ root.T + np.eye(5))
    at_truth = surprise(truth, truth)
    assert at_truth < surprise(1.2 * truth, truth)
    assert at_truth < surprise(0.8 * truth, truth)
    sign, log_determinant = np.linalg.slogdet(truth.numpy())
    assert sign == 1
    assert float(at_truth) == pytest.approx(log_determinant + 5)


def test_the_losses_of_reading_are_what_simulated_people_lose():
    rng = np.random.default_rng(3)
    root = rng.standard_normal((3, 3))
    truth, believed, unknown = root @ root.T + np.eye(3), np.diag([1.0, 3.0, 2.0]), 0.5 * np.eye(3)
    observed = truth + unknown
    slope, loads = np.array([0.2, -0.4, 0.1]), np.array([0.5, 0.3, -0.6])
    # Deviations of SD 1 and people's values, drawn together.
    joint = np.block([[observed, loads[:, None]], [loads[None], np.eye(1)]])
    *values, deviation = np.linalg.cholesky(joint) @ rng.standard_normal((4, 400_000))

    def mean_log_score(covariance):
        read = np.linalg.solve(covariance, slope)
        information = slope @ read
        return np.mean(np.log(information) - information * (read @ values / information) ** 2) / 2

    def squared_error(covariance):
        return np.mean((np.linalg.solve(covariance, loads) @ values - deviation) ** 2)

    tensors = map(torch.as_tensor, (np.arange(3), unknown, observed, slope[:, None], loads[:, None]))
    reading = ReadNodes(*tensors)
    lost, added = reading.losses(torch.as_tensor(believed)).numpy()
    score_lost = mean_log_score(observed) - mean_log_score(believed + unknown)
    error_added = squared_error(believed + unknown) - squared_error(observed)
    assert lost / 2 == pytest.approx(score_lost, abs=0.01)
    assert added * (1 - squared_error(observed)) == pytest.approx(error_added, rel=0.05)
    assert min(score_lost, error_added) > 0.05
    np.testing.assert_allclose(reading.losses(torch.as_tensor(truth)), 0, atol=1e-9)


def test_norms_without_a_site_do_not_know_its_people(made_people):
    spoiled = made_people.with_values(
        np.where((made_people.site == "site0")[:, None], 3 * made_people.values, made_people.values)
    )
    one, other = (norms_without(Sources(people), ["site0"]) for people in (made_people, spoiled))
    np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(one.residual_covariance, other.residual_covariance)


def test_a_model_of_made_people_knows_their_ages_on_sites_it_did_not_see(tiny_model, made_people):
    ages = out_of_fold_ages(tiny_model, made_people)
    for site in np.unique(made_people.site):
        rows = made_people.site == site
        assert mean_correlation(ages.regional_years[rows], made_people.age_years[rows]) > 0.6
        assert mean_correlation(ages.whole_years[rows, 2:], made_people.age_years[rows]) > 0.7


def test_controls_are_of_the_same_site_and_never_judged_by_themselves(made_people):
    seen = []
    for part, controls in calibration_parts(made_people, 20, np.random.default_rng(0)):
        assert len(controls) == 20
        assert not set(part) & set(controls)
        assert len({*made_people.site[part], *made_people.site[controls]}) == 1
        seen += part.tolist()
    assert sorted(seen) == list(range(len(made_people)))
