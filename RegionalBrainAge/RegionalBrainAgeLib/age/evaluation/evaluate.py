"""`evaluate`: predictions, metrics beside baselines, figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ...errors import InputError
from ..model.brain_age_model import BrainAgeModel, RegionAges
from ..model.calibration import Calibration
from ..people import People
from ..training.train_model import REFERENCE_CONTROLS, calibration_of, calibration_parts
from .baselines import fold_baselines
from .metrics import (
    balanced_mae_years,
    between_region_correlation,
    coverage,
    decades,
    mean_correlation,
    mean_slope,
    wide_sites,
)

MODEL_METHOD = "graph network"
_FEWEST_IN_DECADE = 40
_RANDOM_FOLDS = 5


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Parameters
    ----------
    predictions : one row per person and region.
    metrics : columns measure, method, value.
    ages : of the people, as predicted.
    baselines : raw ages (N, R) by method.
    """

    predictions: pd.DataFrame
    metrics: pd.DataFrame
    ages: RegionAges
    baselines: dict[str, np.ndarray]


def evaluate(model: BrainAgeModel, people: People, calibration: Calibration | None = None) -> Evaluation:
    """Ages of people, and every metric that needs no further training of networks.

    People of sites the model was trained on are predicted by the networks that did not see their site. Baselines are
    trained on the table itself, the site (or the model's fold of sites) held out; where it has one site only, on other
    people of that site, which favours them.
    """
    ages = model.predict_people(people, calibration)
    groups, split = _groups(model, people)
    baselines = _baselines(model, people, groups)
    rows = [("people", MODEL_METHOD, len(people)), ("sites", MODEL_METHOD, len(np.unique(people.site)))]
    methods = {MODEL_METHOD: ages.brain_age_years, **baselines}
    for method, predicted in methods.items():
        rows += [(measure, method, value) for measure, value in accuracy(people, predicted).items()]
    corrected = ages.pad_corrected_years
    rows += [
        (
            "corrected PAD correlation with age (mean of regions)",
            MODEL_METHOD,
            mean_correlation(corrected, people.age_years),
        ),
        ("corrected PAD correlation between regions", MODEL_METHOD, between_region_correlation(corrected)),
        ("corrected PAD mean, years", MODEL_METHOD, float(np.nanmean(corrected))),
        ("coverage of 90 % intervals", MODEL_METHOD, coverage(ages.pad_lower_years, ages.pad_upper_years)),
        ("estimable regions, share", MODEL_METHOD, float(ages.estimable.mean())),
    ]
    for decade, inside in decades(people.age_years).items():
        if inside.sum() >= _FEWEST_IN_DECADE:
            value = coverage(ages.pad_lower_years[inside], ages.pad_upper_years[inside])
            rows.append((f"coverage of 90 % intervals, age {decade}", MODEL_METHOD, value))
    rows.append(("baselines: people held out by", split, float("nan")))
    metrics = pd.DataFrame(rows, columns=["measure", "method", "value"])
    return Evaluation(predictions_frame(people, ages), metrics, ages, baselines)


def accuracy(people: People, predicted: np.ndarray) -> dict[str, float]:
    """Raw accuracy of regional ages (N, R)."""
    error = predicted - people.age_years[:, None]
    result = {
        "MAE 40-90, age-balanced, years": balanced_mae_years(error, people.age_years),
        "MAE all ages, age-balanced, years": balanced_mae_years(error, people.age_years, (10, 100)),
        "MAE, years": float(np.nanmean(np.abs(error))),
        "mean error, years": float(np.nanmean(error)),
        "slope of predicted on true age": mean_slope(predicted, people.age_years),
        "correlation with age, all people": mean_correlation(predicted, people.age_years),
    }
    for site in wide_sites(people.site, people.age_years):
        rows = people.site == site
        result[f"correlation with age within site {site}"] = mean_correlation(predicted[rows], people.age_years[rows])
        result[f"slope within site {site}"] = mean_slope(predicted[rows], people.age_years[rows])
    return result


def predictions_frame(people: People, ages: RegionAges) -> pd.DataFrame:
    """One row per person and region, with the columns of predictions.csv."""
    regions = len(ages.region_names)
    columns = {
        "person": np.repeat(people.person, regions),
        "site": np.repeat(people.site, regions),
        "region": np.tile(ages.region_names, len(people)),
        "age_years": np.repeat(people.age_years, regions),
    }
    for name in ("brain_age_years", "pad_years", "pad_corrected_years", "pad_lower_years", "pad_upper_years"):
        columns[name] = np.round(getattr(ages, name).ravel(), 4)
    columns["pad_percentile"] = np.round(ages.pad_percentile.ravel(), 2)
    columns["estimable"] = ages.estimable.ravel()
    return pd.DataFrame(columns)


def calibrated_evaluation(
    model: BrainAgeModel, people: People, controls: int = REFERENCE_CONTROLS, seed: int = 1
) -> tuple[People, RegionAges]:
    """The people of sites with enough others, each calibrated with this many of them, and their ages."""
    fold_of = model.fold_of_sites(people.site)
    chosen_rows, parts = [], []
    for part, used in calibration_parts(people, controls, np.random.default_rng(seed)):
        local = calibration_of(model, model.folds[fold_of[part[0]]], people.take(used))
        parts.append(model.predict_people(people.take(part), local))
        chosen_rows.append(part)
    if not parts:
        raise InputError(f"No site has {controls + 10} people.", "Evaluate calibration with larger sites.")
    names = ("brain_age_years", "pad_years", "pad_corrected_years", "pad_lower_years", "pad_upper_years")
    names += ("pad_percentile", "estimable", "reason")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return people.take(np.concatenate(chosen_rows)), RegionAges(model.region_names, **joined, calibrated="local")


def calibrated_baseline(
    people: People, predicted: np.ndarray, controls: int = REFERENCE_CONTROLS, seed: int = 1
) -> tuple[People, np.ndarray]:
    """A baseline's ages less the mean error of local controls, on the same people and controls as the model's."""
    chosen_rows, ages = [], []
    for part, used in calibration_parts(people, controls, np.random.default_rng(seed)):
        shift = (predicted[used] - people.age_years[used, None]).mean(axis=0)
        ages.append(predicted[part] - shift)
        chosen_rows.append(part)
    return people.take(np.concatenate(chosen_rows)), np.concatenate(ages)


def _groups(model: BrainAgeModel, people: People) -> tuple[np.ndarray, str]:
    """(N,) group of every person for holding out, and how it was made."""
    fold_of = model.fold_of_sites(people.site)
    known = fold_of < len(model.folds) - 1
    names = np.where(known, [f"fold {index}" for index in fold_of], people.site)
    if len(np.unique(names)) > 1:
        return names, "site, in the folds of the model"
    order = np.random.default_rng(0).permutation(len(people)) % _RANDOM_FOLDS
    return np.array([f"part {part}" for part in order]), "random parts of the one site"


def _baselines(model: BrainAgeModel, people: People, groups: np.ndarray) -> dict[str, np.ndarray]:
    result: dict[str, np.ndarray] = {}
    for group in np.unique(groups):
        inside = groups == group
        if (~inside).sum() < 20:
            continue
        fold = model.folds[model.fold_of_sites(people.site[inside][:1])[0]]
        ages = fold_baselines(people.take(~inside), people.take(inside), fold.norms, model.membership)
        for name, values in ages.items():
            result.setdefault(name, np.full((len(people), len(model.region_names)), np.nan))[inside] = values
    return result


def write_evaluation(evaluation: Evaluation, folder: Path | str) -> None:
    """Writes predictions.csv and metrics.tsv."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    evaluation.predictions.to_csv(folder / "predictions.csv", index=False)
    evaluation.metrics.to_csv(folder / "metrics.tsv", sep="\t", index=False, float_format="%.4f")
