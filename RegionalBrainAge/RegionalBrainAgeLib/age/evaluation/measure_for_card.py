"""Measures everything MODEL_CARD.md reports, on the people of a training table, sites held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..features import FLUID_NODES, PARCEL_NODES
from ..holes import Holes
from ..model.brain_age_model import REFERENCE_CONTROLS, BrainAgeModel
from ..model.network import GraphField
from ..model.reader import Reader
from ..people import People
from ..training.train_model import calibrated_out_of_fold_ages, out_of_fold_ages
from ..training.train_network import Recipe, train_network
from .evaluate import (
    CLOSED_FORM_METHOD,
    CONTROL_DRAWS,
    MODEL_METHOD,
    accuracy,
    baselines,
    calibrated_baseline,
    closed_form_readers,
    interval_measures,
    joined,
    with_controls,
)
from .metrics import balanced_mae_years, coverage, decades, wide_sites
from .perturbations import lesion_holes, planted_atrophy, rescan_stability, widened_ventricles

ADULT_YEARS = 18.0
CONTROL_COUNTS = (0, 10, 20, 50)
NO_MESSAGES, NO_NEIGHBOURS = "no messages at all", "hubs only, no neighbours (retrained)"
NO_VOLUMES, NO_FLUID = "thickness alone", "without fluid"
_FEWEST_IN_DECADE = 40
_FEWEST_OLD = 200
_CURVE_DRAWS = 3


@dataclass(frozen=True)
class Measured:
    """Everything the card reports.

    Parameters
    ----------
    people : the people judged, none of whose sites the predicting networks had seen.
    accuracy : by method, then measure: value, and spread over draws of controls (NaN where nothing is drawn).
    wide_sites : sites spanning at least 40 years.
    intervals : measures of intervals, by calibration state.
    coverage : by age decade and "all", after calibration: share and people.
    calibration_curve : one row per number of controls.
    planted, holes : by method. ex_vacuo, stability : see `perturbations`.
    predicted_years : (N, 2) mean regional age and global age of the network, for the figures.
    command : that measured all this.
    """

    people: People
    accuracy: dict[str, dict[str, tuple[float, float]]]
    wide_sites: list[str]
    intervals: dict[str, dict[str, float]]
    coverage: dict[str, tuple[float, int]]
    calibration_curve: list[dict[str, float]]
    planted: dict[str, dict]
    stability: dict[float, float]
    ex_vacuo: dict[str, float]
    holes: dict[str, dict[str, float]]
    predicted_years: np.ndarray
    command: str


def measure_for_card(
    model: BrainAgeModel,
    people: People,
    holes: Holes | None,
    command: str,
    progress: Callable[[str, float], None] | None = None,
) -> Measured:
    """Measures a model on the adults of its training table, sites held out.

    Parameters
    ----------
    people : of the training table. holes : damage of real lesions; without, nothing is told of damaged brains.
    command : what the user ran, for the card.
    """

    def tell(what: str, fraction: float) -> None:
        if progress is not None:
            progress(what, fraction)

    people = people.take(people.age_years >= ADULT_YEARS)
    tell("accuracy, and the closed form", 0.0)
    closed = closed_form_readers(model)
    quiet = [model.without_messages().reader(index) for index in range(len(model.folds))]
    tell("network without neighbours", 0.1)
    bare = readers_without_neighbours(model)
    found: dict[str, dict[str, tuple[float, float]]] = {}
    methods: dict[str, dict] = {
        MODEL_METHOD: {},
        CLOSED_FORM_METHOD: {"readers": closed},
        NO_NEIGHBOURS: {"readers": bare},
        NO_MESSAGES: {"readers": quiet},
        NO_FLUID: {"visible": np.tile(~FLUID_NODES, (len(people), 1))},
        NO_VOLUMES: {"visible": np.tile(PARCEL_NODES, (len(people), 1))},
    }
    plain = {}
    for number, (name, how) in enumerate(methods.items()):
        tell(name, 0.2 + 0.05 * number)
        plain[name] = joined(out_of_fold_ages(model, people, **how))

        def calibrated(rng: np.random.Generator, how: dict = how) -> np.ndarray:
            return joined(calibrated_out_of_fold_ages(model, people, REFERENCE_CONTROLS, rng, **how))

        found[name] = _accuracy(model, people, plain[name], calibrated)
    tell("ridge, SVR, means", 0.5)
    for name, ages in baselines(model, people).items():
        found[name] = _accuracy(model, people, ages, partial(calibrated_baseline, people, ages))
    tell("intervals and calibration", 0.65)
    judged = calibrated_people(model, people)
    intervals = {"none": interval_measures(people, model.predict_people(people)), "local": judged[1]}
    curve = calibration_curve(model, people)
    tell("planted atrophy, rescans, ventricles", 0.75)
    mixed = age_mixed(people)
    readers = {MODEL_METHOD: None, CLOSED_FORM_METHOD: closed, NO_MESSAGES: quiet}
    planted = {name: planted_atrophy(model, mixed, own) for name, own in readers.items()}
    damaged = {}
    if holes is not None:
        tell("lesion holes", 0.9)
        for name in (MODEL_METHOD, CLOSED_FORM_METHOD):
            own = readers[name]
            damaged[name] = lesion_holes(model, mixed, holes, readers=own)
            damaged[f"{name}, parcels alone missing"] = lesion_holes(model, mixed, holes, readers=own, fluid_seen=True)
    network = plain[MODEL_METHOD]
    return Measured(
        people=people,
        accuracy=found,
        wide_sites=wide_sites(people.site, people.age_years),
        intervals=intervals,
        coverage=judged[0],
        calibration_curve=curve,
        planted=planted,
        stability=rescan_stability(model, mixed),
        ex_vacuo=widened_ventricles(model, mixed),
        holes=damaged,
        predicted_years=np.column_stack([network[:, :-1].mean(axis=1), network[:, -1]]),
        command=command,
    )


def _accuracy(
    model: BrainAgeModel,
    people: People,
    ages: np.ndarray,
    calibrated: Callable[[np.random.Generator], np.ndarray],
) -> dict[str, tuple[float, float]]:
    plain = {measure: (value, float("nan")) for measure, value in accuracy(people, ages).items()}
    return plain | with_controls(people, calibrated, model)


def readers_without_neighbours(model: BrainAgeModel) -> list[Reader]:
    """Networks in which only hubs connect nodes, trained alike under the norms of every fold."""
    recipe = replace(Recipe(**model.about["recipe"]), neighbours=False)
    return [
        model.reader_with(index, GraphField(train_network(fold.norms, model.edges, recipe)))
        for index, fold in enumerate(model.folds)
    ]


def calibrated_people(
    model: BrainAgeModel, people: People, draws: int = CONTROL_DRAWS
) -> tuple[dict[str, tuple[float, int]], dict[str, float]]:
    """Coverage by decade and interval measures after calibration with 20 others of the site; means over draws."""
    shares: dict[str, list[tuple[float, int]]] = {}
    measures: dict[str, list[float]] = {}
    for seed in range(1, draws + 1):
        raw = calibrated_out_of_fold_ages(model, people, REFERENCE_CONTROLS, np.random.default_rng(seed))
        rows = np.nonzero(np.isfinite(raw.regional_years).all(axis=1))[0]
        some = people.take(rows)
        ages = model.judged(some, raw.take(rows), "local")
        groups = {"all": np.full(len(some), True)} | decades(some.age_years)
        for name, inside in groups.items():
            if name == "all" or inside.sum() >= _FEWEST_IN_DECADE:
                share = coverage(ages.pad_lower_years[inside], ages.pad_upper_years[inside])
                shares.setdefault(name, []).append((share, int(inside.sum())))
        for name, value in interval_measures(some, ages).items():
            measures.setdefault(name, []).append(value)
    covered = {name: (float(np.mean([s for s, _ in found])), found[0][1]) for name, found in shares.items()}
    return covered, {name: float(np.mean(values)) for name, values in measures.items()}


def calibration_curve(model: BrainAgeModel, people: People, seed: int = 0) -> list[dict[str, float]]:
    """Error against number of controls, on the people of sites that have enough for the largest number.

    Returns
    -------
    One row per number of controls: controls, people, sites, and of the regional ages mae_40_90_years, mae_years,
    bias_years (mean error).
    """
    largest = calibrated_out_of_fold_ages(model, people, max(CONTROL_COUNTS), np.random.default_rng(seed))
    judged = np.isfinite(largest.regional_years[:, 0])
    age_years = people.age_years[judged]
    rows = []
    for controls in CONTROL_COUNTS:
        errors = []
        for draw in range(_CURVE_DRAWS if controls else 1):
            if controls:
                rng = np.random.default_rng(1000 * seed + draw)
                ages = calibrated_out_of_fold_ages(model, people, controls, rng)
            else:
                ages = out_of_fold_ages(model, people)
            errors.append((ages.regional_years - people.age_years[:, None])[judged])
        rows.append(
            {
                "controls": controls,
                "people": int(judged.sum()),
                "sites": len(np.unique(people.site[judged])),
                "mae_40_90_years": float(np.mean([balanced_mae_years(error, age_years) for error in errors])),
                "mae_years": float(np.mean([np.abs(error).mean() for error in errors])),
                "bias_years": float(np.mean([error.mean() for error in errors])),
            }
        )
    return rows


def age_mixed(people: People, seed: int = 0) -> People:
    """People of all ages alike: everyone over 40, and as many younger ones (at least 200), with all features."""
    known = np.isfinite(people.values).mean(axis=1) > 0.9
    whole = people.take(known) if known.sum() >= _FEWEST_OLD else people
    old = np.nonzero(whole.age_years >= 40)[0]
    young = np.nonzero(whole.age_years < 40)[0]
    count = min(len(young), max(len(old), _FEWEST_OLD))
    chosen = np.random.default_rng(seed).choice(young, size=count, replace=False)
    return whole.take(np.sort(np.concatenate([old, chosen])))


def methods_where_network_loses(
    accuracy_: Mapping[str, Mapping[str, tuple[float, float]]], rivals: Sequence[str], network: str = MODEL_METHOD
) -> list:
    """(measure, names of better rivals) for every measure on which the network is not best."""
    own, lost = accuracy_[network], []
    for measure, (value, _) in own.items():
        if "mean error" in measure:
            continue
        higher = "correlation" in measure or "slope" in measure
        better = [
            name
            for name in rivals
            if np.isfinite(other := accuracy_[name].get(measure, (np.nan, 0))[0])
            and (other > value if higher else other < value)
        ]
        if better:
            lost.append((measure, better))
    return lost
