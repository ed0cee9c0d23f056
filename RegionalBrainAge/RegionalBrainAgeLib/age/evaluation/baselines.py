"""The rivals: what simpler models reach on the same people, sites held out alike.

Everyone of them sees the same training people and the same thicknesses, and is given local controls in the way open to
it: the mean error of the controls is taken off (an intercept per scanner).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from ..model.brain_age_model import BrainAgeModel, Fold
from ..model.calibration import expected_offset, remaining_covariance
from ..model.network import Architecture
from ..norms.closed_form import Surroundings, regional_age_reader
from ..norms.norms import Norms
from ..people import People
from ..training.train_model import Sources, calibration_parts, norms_without, parcel_surroundings, training_people
from ..training.train_network import Recipe, train_network

_BIN_YEARS = 10


def fold_baselines(train: People, test: People, norms: Norms, membership: np.ndarray) -> dict[str, np.ndarray]:
    """Predicted ages (N, R) of the quick rivals for people of sites not in `train`.

    Ridge and SVR see the parcels of the region and sex, per region; the global ridge sees all parcels. Weights make
    every
    age decade count the same.
    """
    x_train, x_test = (_features(people, norms) for people in (train, test))
    weights = balanced_weights(train.age_years)
    regions = membership.shape[0]
    constant = {
        "median age": np.median(train.age_years),
        "age-balanced mean": np.average(train.age_years, weights=weights),
    }
    result = {name: np.full((len(test), regions), value) for name, value in constant.items()}
    models = {
        "ridge": lambda: make_pipeline(StandardScaler(), Ridge(alpha=30.0)),
        "SVR": lambda: make_pipeline(StandardScaler(), SVR(C=10.0, epsilon=3.0)),
    }
    for name, build in models.items():
        ages = np.zeros((len(test), regions))
        for region, member in enumerate(membership):
            columns = [*np.nonzero(member > 0)[0], x_train.shape[1] - 1]
            ages[:, region] = _fit_predict(build(), x_train[:, columns], train.age_years, weights, x_test[:, columns])
        result[name] = ages
    ages = _fit_predict(models["ridge"](), x_train, train.age_years, weights, x_test)
    result["global (ridge, one age)"] = np.repeat(ages[:, None], regions, axis=1)
    return result


def network_without_messages(model: BrainAgeModel, sources: Sources, steps: int, seed: int) -> BrainAgeModel:
    """The model's folds with networks whose regions see their own parcels only, trained alike."""
    recipe = Recipe(steps=steps, hops=0, folds=len(model.folds) - 1)
    architecture = replace(model.architecture, hops=0, fill_hops=0)
    return _retrained(model, sources, recipe, architecture, seed)


def network_without_holes(model: BrainAgeModel, sources: Sources, steps: int, seed: int) -> BrainAgeModel:
    """The model's folds with networks that never saw a missing parcel in training."""
    recipe = Recipe(steps=steps, hole_fraction=0.0, folds=len(model.folds) - 1)
    return _retrained(model, sources, recipe, model.architecture, seed)


def _retrained(
    model: BrainAgeModel, sources: Sources, recipe: Recipe, architecture: Architecture, seed: int
) -> BrainAgeModel:
    surroundings = parcel_surroundings(model.edges, model.membership, recipe.hops, len(model.features))
    folds = []
    for index, fold in enumerate(model.folds[:-1]):
        held_out = list(fold.held_out_sites)
        people = sources.people.take(~np.isin(sources.people.site, held_out))
        norms = norms_without(sources, held_out)
        deviations = np.array(model.about["deviation_sd_years"][index])
        population, others, _ = training_people(norms, people, sources.holes, surroundings, recipe, seed, deviations)
        network, _ = train_network(population, architecture, model.edges, model.membership, 1000 * seed + index, others)
        folds.append(Fold(fold.held_out_sites, norms, (network,)))
    return replace(model, architecture=architecture, folds=(*folds, model.folds[-1]), references={}, _errors={})


def global_posterior(
    model: BrainAgeModel, people: People, controls: int = 0, seed: int = 1
) -> tuple[People, np.ndarray]:
    """One age from all parcels of both hemispheres, read with the same norms and calibration as the regional ages.

    What a model may reach that gives up regions: the strongest rival of a regional model on accuracy alone.

    Returns
    -------
    people, (N, R) : the people judged (with controls, those of sites that have enough) and their one age, repeated.
    """
    channels = people.values[0].size
    everything = Surroundings(
        np.full((1, channels), 1.0 / channels),
        np.ones((1, channels), dtype=bool),
        np.zeros((channels, 3)),
        np.zeros(channels, dtype=int),
    )
    fold_of = model.fold_of_sites(people.site)
    readers = []
    for fold in model.folds:
        unknown = remaining_covariance(fold.norms, controls)
        readers.append(regional_age_reader(fold.norms, everything, np.zeros(1), unknown))
    if controls:
        parts = list(calibration_parts(people, controls, np.random.default_rng(seed)))
    else:
        parts = [(np.nonzero(fold_of == index)[0], None) for index in np.unique(fold_of)]
    ages = []
    for part, used in parts:
        fold, reader = model.folds[fold_of[part[0]]], readers[fold_of[part[0]]]
        standardised = fold.norms.standardise(people.values[part].reshape(len(part), -1))
        if used is not None:
            control_values = fold.norms.standardise(people.values[used].reshape(len(used), -1))
            residuals = fold.norms.residuals(control_values, people.age_years[used], people.male[used])
            standardised = standardised - expected_offset(fold.norms, residuals)
        known = np.where(np.isnan(standardised), np.nanmean(standardised, axis=1, keepdims=True), standardised)
        ages.append(reader.mean_age(known, people.male[part]))
    rows = np.concatenate([part for part, _ in parts])
    return people.take(rows), np.repeat(np.concatenate(ages), len(model.region_names), axis=1)


def balanced_weights(age_years: np.ndarray) -> np.ndarray:
    """Weights with which every age decade counts the same, mean 1."""
    bins = (age_years // _BIN_YEARS).astype(int)
    weights = 1.0 / np.bincount(bins)[bins]
    return weights / weights.mean()


def _features(people: People, norms: Norms) -> np.ndarray:
    """(N, K + 1): standardised values, missing as expected at the reference age, and sex."""
    standardised = norms.standardise(people.values.reshape(len(people), -1))
    return np.column_stack([np.nan_to_num(standardised, nan=0.0), people.male])


def _fit_predict(model, x: np.ndarray, y: np.ndarray, weights: np.ndarray, x_new: np.ndarray) -> np.ndarray:
    step = model.steps[-1][0]
    return model.fit(x, y, **{f"{step}__sample_weight": weights}).predict(x_new)
