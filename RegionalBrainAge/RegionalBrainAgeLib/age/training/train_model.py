"""From a table of people to a model: folds of sites, networks, and what healthy people not trained on tell."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch_geometric

from ... import __version__
from ...anatomy.parcels import PARCEL_NAMES, PARCELS_PER_HEMISPHERE
from ...anatomy.regions import RegionScheme, membership
from ..model.brain_age_model import BrainAgeModel, Fold
from ..model.calibration import MINIMUM_CONTROLS, Calibration, expected_offset, remaining_uncertainty
from ..model.graph import Holes, grown_holes, parcel_centres_mm, parcel_edges
from ..model.intervals import Reference, fit_age_bias
from ..model.network import Architecture, spread_membership
from ..norms.closed_form import Surroundings
from ..norms.norms import Charts, Norms, norms_from_charts, norms_from_people
from ..people import People
from .early_stopping import HeldOutPeople
from .site_folds import same_site, site_folds, stopping_sites
from .train_network import Population, Recipe, train_network

# Controls a held-out site is calibrated with for the reference errors, and the fewest people left to judge them by.
REFERENCE_CONTROLS = 20
_PEOPLE_LEFT = 10
_GROWN_HOLES = 1000
_ADULT_YEARS = 18.0


@dataclass(frozen=True)
class Sources:
    """What a model is trained on.

    Parameters
    ----------
    people : healthy people of a table.
    charts : lifespan charts, or None: norms are then fitted to the people.
    holes : damage of real lesions, or None: grown patches.
    """

    people: People
    charts: Charts | None = None
    holes: Holes | None = None


def norms_without(sources: Sources, held_out: list[str]) -> Norms:
    """Norms of everyone but these sites: neither their people nor their scanners' chart offsets are used."""
    rest = sources.people.take(~np.isin(sources.people.site, held_out))
    if sources.charts is None:
        return norms_from_people(rest)
    own = {site.lower() for site in sources.charts.sites if any(same_site(site, name) for name in held_out)}
    return norms_from_charts(sources.charts.without_sites(own), rest)


def train_model(
    sources: Sources,
    scheme: RegionScheme,
    recipe: Recipe,
    seed: int,
    name: str,
    training_data: dict,
    progress: Callable[[str, float], None] | None = None,
) -> BrainAgeModel:
    """Trains networks for every fold of sites and for all sites, and measures their errors on the sites they never saw.

    Parameters
    ----------
    training_data : names and sizes of the files, for model.json.
    """
    people = sources.people
    edges, weights = parcel_edges(), membership(scheme)
    architecture = Architecture(
        nodes=weights.shape[1],
        regions=weights.shape[0],
        features=len(people.features),
        hops=recipe.hops,
    )
    surroundings = parcel_surroundings(edges, weights, recipe.hops, len(people.features))
    holes = sources.holes or grown_holes(edges, weights.shape[1], _GROWN_HOLES, np.random.default_rng(seed))
    groups = [*site_folds(people.site, people.age_years, recipe.folds), []]
    folds, deviations, stopping = [], [], []
    total = len(groups) * recipe.seeds
    for index, held_out in enumerate(groups):
        norms = norms_without(sources, held_out)
        rest = people.take(~np.isin(people.site, held_out))
        population, others, watched = training_people(norms, rest, holes, surroundings, recipe, seed)
        deviations.append([round(float(value), 2) for value in population.deviation_sd_years])
        networks = []
        for member in range(recipe.seeds):
            done = index * recipe.seeds + member

            def step(number: int, loss: float, done: int = done, held_out: list[str] = held_out) -> None:
                if progress is not None and number % 50 == 0:
                    who = f"without {held_out[0]}" if held_out else "all sites"
                    progress(
                        f"network {done + 1} of {total} ({who}), loss {loss:.2f}",
                        (done + number / recipe.steps) / total,
                    )

            network_seed = 1000 * seed + 10 * index + member
            network, best = train_network(population, architecture, edges, weights, network_seed, others, step)
            networks.append(network)
            stopping.append({"fold": index, **best.as_dict(watched)})
        folds.append(Fold(tuple(held_out), norms, tuple(networks)))
    model = BrainAgeModel(
        name=name,
        architecture=architecture,
        edges=edges,
        membership=weights,
        parcels=PARCEL_NAMES,
        features=people.features,
        region_names=tuple(region.name for region in scheme.regions),
        scheme=scheme.name,
        folds=tuple(folds),
        references={},
        missing_widening=0.0,
        about={
            "training_data": training_data,
            "people": len(people),
            "sites": len(np.unique(people.site)),
            "seed": seed,
            "recipe": asdict(recipe),
            "deviation_sd_years": deviations,
            "early_stopping": stopping,
            "versions": {
                "regional-brain-age": __version__,
                "python": platform.python_version(),
                "torch": torch.__version__,
                "torch-geometric": torch_geometric.__version__,
                "numpy": np.__version__,
            },
        },
    )
    return with_references(model, people, holes, seed)


def training_people(
    norms: Norms,
    people: People,
    holes: Holes,
    surroundings: Surroundings,
    recipe: Recipe,
    seed: int,
    deviation_sd_years: np.ndarray | None = None,
) -> tuple[Population, HeldOutPeople, list[str]]:
    """The people to train on, those to stop by, and the sites of the latter, which are not trained on.

    The norms may know the sites stopped by: norms are not what early stopping guards.
    """
    watched = stopping_sites(people.site, people.age_years)
    inside = np.isin(people.site, watched)
    population = Population(norms, people.take(~inside), holes, surroundings, recipe, deviation_sd_years)
    return population, population.held_out(people.take(inside), seed), watched


def parcel_surroundings(edges: np.ndarray, weights: np.ndarray, hops: int, features: int) -> Surroundings:
    """Reach and places of the channels: parcels, repeated for every further feature."""
    reach = spread_membership(edges, weights, hops) > 0
    side = (np.arange(weights.shape[1]) >= PARCELS_PER_HEMISPHERE).astype(int)
    return Surroundings(
        np.tile(weights, features) / features,
        np.tile(reach, features),
        np.tile(parcel_centres_mm(), (features, 1)),
        np.tile(side, features),
    )


def with_references(model: BrainAgeModel, people: People, holes: Holes, seed: int) -> BrainAgeModel:
    """The model with errors on held-out sites, without and with local controls, and how holes widen them."""
    adults = people.take(people.age_years >= _ADULT_YEARS)
    rng = np.random.default_rng(seed)
    plain = out_of_fold_ages(model, adults)
    model.references["none"] = Reference(adults.age_years, adults.site, plain - adults.age_years[:, None])
    rows, ages = calibrated_out_of_fold_ages(model, adults, REFERENCE_CONTROLS, rng)
    if len(rows) >= 100:
        known = adults.age_years[rows]
        model.references["local"] = Reference(known, adults.site[rows], ages[rows] - known[:, None])
    else:
        model.references["local"] = model.references["none"]
    values = {**model.__dict__, "missing_widening": _widening_by_holes(model, adults, holes, rng), "_errors": {}}
    return BrainAgeModel(**values)


def out_of_fold_ages(model: BrainAgeModel, people: People) -> np.ndarray:
    """Raw ages (N, R), each person by the networks that did not see the site."""
    fold_of = model.fold_of_sites(people.site)
    ages = np.zeros((len(people), len(model.region_names)))
    for index in np.unique(fold_of):
        rows = np.nonzero(fold_of == index)[0]
        ages[rows] = model.raw_ages(people.take(rows), model.folds[index])
    return ages


def calibrated_out_of_fold_ages(
    model: BrainAgeModel, people: People, controls: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Raw ages after calibration with other people of the same site, networks and norms not having seen it.

    Every site of enough people is cut into random halves or smaller parts; each part is calibrated with `controls`
    people drawn from the others.

    Returns
    -------
    rows : indices of the people that got an age. ages : (N, R), NaN elsewhere.
    """
    ages = np.full((len(people), len(model.region_names)), np.nan)
    fold_of = model.fold_of_sites(people.site)
    for part, chosen in calibration_parts(people, controls, rng):
        fold = model.folds[fold_of[part[0]]]
        local = calibration_of(model, fold, people.take(chosen))
        ages[part] = model.raw_ages(people.take(part), fold, local)
    return np.nonzero(np.isfinite(ages[:, 0]))[0], ages


def calibration_parts(
    people: People, controls: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Parts of every site with enough people, each with controls drawn from the other parts of the site.

    Yields
    ------
    Row indices of the part's people and of their controls. Every person of such a site is in one part.
    """
    for site in np.unique(people.site):
        rows = np.nonzero(people.site == site)[0]
        if len(rows) < max(controls, MINIMUM_CONTROLS) + _PEOPLE_LEFT:
            continue
        count = max(2, int(np.ceil(len(rows) / (len(rows) - controls))))
        for part in np.array_split(rng.permutation(rows), count):
            yield part, rng.choice(np.setdiff1d(rows, part), size=controls, replace=False)


def calibration_of(model: BrainAgeModel, fold: Fold, controls: People) -> Calibration:
    """Calibration of a site a fold held out, for measuring: from norms that never saw it; any number of controls.

    The offset is given relative to the norms of the last fold, as in calibration files.
    """
    norms, reference = fold.norms, model.folds[-1].norms
    standardised = norms.standardise(controls.values.reshape(len(controls), -1))
    offset = expected_offset(norms, norms.residuals(standardised, controls.age_years, controls.male))
    latent = offset * norms.scale + norms.centre - reference.centre
    uncertainty = remaining_uncertainty(norms, len(controls))
    return Calibration("local", len(controls), latent / reference.scale, uncertainty, model.name, model.norms_sha256)


def with_holes(people: People, holes: Holes, rows: np.ndarray) -> People:
    """The people with the damage of these holes (one index per person)."""
    values = people.values.copy()
    values.transpose(0, 2, 1)[holes.missing[rows]] = np.nan
    return People(
        people.person,
        people.site,
        people.age_years,
        people.male,
        people.features,
        values,
        holes.lesioned_fraction[rows],
    )


def _widening_by_holes(model: BrainAgeModel, people: People, holes: Holes, rng: np.random.Generator) -> float:
    """Relative growth of the error of a region per missing share of it, by least squares through no growth at none."""
    damaged = with_holes(people, holes, rng.integers(0, len(holes), size=len(people)))
    bias = fit_age_bias(model.references["none"])
    intact_error, error = (
        bias.correct(out_of_fold_ages(model, group) - people.age_years[:, None], people.age_years)
        for group in (people, damaged)
    )
    lost = np.isnan(damaged.values).any(axis=1) @ model.membership.T
    touched = (lost > 0.05) & (lost <= 0.5)
    if touched.sum() < 100:
        return 0.0
    share = lost[touched]
    growth = np.abs(error[touched]) / np.mean(np.abs(intact_error)) - 1
    return round(float(max(0.0, share @ growth / (share @ share))), 3)


def describe_file(path: Path | str) -> str:
    """Name of a training file for model.json, without the folders of this machine."""
    return Path(path).name
