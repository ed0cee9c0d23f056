"""`evaluate`: predictions, metrics beside baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ...files.atomic_file import write_atomically
from ...files.atomic_folder import make_folder
from ..ages import Ages
from ..model.brain_age_model import REFERENCE_CONTROLS, BrainAgeModel
from ..model.calibration import Calibration
from ..model.reader import RawAges
from ..norms.closed_form import ClosedForm
from ..people import People
from ..training.site_folds import random_parts
from ..training.train_model import calibrated_out_of_fold_ages, calibration_parts, out_of_fold_ages
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

MODEL_METHOD, CLOSED_FORM_METHOD = "graph network", "closed form, same norms"
RESULT_NAMES = ("predictions.csv", "metrics.tsv")
WITHIN_SITE = "within site"
CONTROL_DRAWS = 5
_FEWEST_IN_DECADE = 40


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Parameters
    ----------
    predictions : one row per person and region.
    metrics : columns measure, method, value, spread (SD over draws of controls, NaN where nothing is drawn).
    ages : of the people, as predicted.
    """

    predictions: pd.DataFrame
    metrics: pd.DataFrame
    ages: Ages


def evaluate(model: BrainAgeModel, people: People, calibration: Calibration | None = None) -> Evaluation:
    """Ages of people, and every metric that needs no further training of networks.

    People of sites the model was trained on are predicted by the networks that did not see their site. Baselines are
    trained on the table itself, the site (or the model's fold of sites) held out; where it has one site only, on other
    people of that site, which favours them. Where controls are drawn, the mean over 5 draws is given and its spread.
    """
    ages = model.predict_people(people, calibration)
    groups, split = _groups(model, people)
    rows: list[tuple[str, str, float, float]] = []
    whole = np.column_stack([ages.brain_age_years, ages.global_age.brain_age_years])
    methods = {MODEL_METHOD: whole, **baselines(model, people, groups)}
    if calibration is None:
        methods[CLOSED_FORM_METHOD] = joined(out_of_fold_ages(model, people, readers=closed_form_readers(model)))
    for method, predicted in methods.items():
        rows += [(measure, method, value, np.nan) for measure, value in accuracy(people, predicted).items()]
    if calibration is None:
        rows += [
            (measure, MODEL_METHOD, *values)
            for measure, values in with_controls(people, lambda rng: _calibrated(model, people, rng), model).items()
        ]
    rows += [(measure, MODEL_METHOD, value, np.nan) for measure, value in interval_measures(people, ages).items()]
    rows += [
        ("people", MODEL_METHOD, len(people), np.nan),
        ("sites", MODEL_METHOD, len(np.unique(people.site)), np.nan),
        (f"baselines: people held out by {split}", "", np.nan, np.nan),
    ]
    metrics = pd.DataFrame(rows, columns=["measure", "method", "value", "spread"])
    return Evaluation(predictions_frame(people, ages), metrics, ages)


def joined(ages: RawAges) -> np.ndarray:
    """(N, R + 1) regional ages and the age of both hemispheres."""
    return np.column_stack([ages.regional_years, ages.whole_years[:, 2]])


def closed_form_readers(model: BrainAgeModel) -> list:
    """The closed form under the norms of every fold."""
    return [model.reader_with(index, ClosedForm(fold.norms)) for index, fold in enumerate(model.folds)]


def _calibrated(model: BrainAgeModel, people: People, rng: np.random.Generator) -> np.ndarray:
    return joined(calibrated_out_of_fold_ages(model, people, REFERENCE_CONTROLS, rng))


def accuracy(people: People, predicted: np.ndarray) -> dict[str, float]:
    """Raw accuracy of regional ages and of the global one, the last column of (N, R + 1)."""
    return measures("regional", predicted[:, :-1], people.site, people.age_years) | measures(
        "global", predicted[:, -1:], people.site, people.age_years
    )


def measures(name: str, ages: np.ndarray, site: np.ndarray, age_years: np.ndarray) -> dict[str, float]:
    """Raw accuracy of ages (N, K), each measure's name behind this one; sites count that span 40 years or more."""
    error = ages - age_years[:, None]
    result = {
        f"{name}: MAE 40-90, age-balanced, years": balanced_mae_years(error, age_years),
        f"{name}: MAE, years": float(np.nanmean(np.abs(error))),
        f"{name}: mean error, years": float(np.nanmean(error)),
        f"{name}: slope of predicted on true age": mean_slope(ages, age_years),
        f"{name}: correlation with age, all people": mean_correlation(ages, age_years),
    }
    for one in wide_sites(site, age_years):
        rows = site == one
        result[f"{name}: correlation with age {WITHIN_SITE} {one}"] = mean_correlation(ages[rows], age_years[rows])
        result[f"{name}: slope {WITHIN_SITE} {one}"] = mean_slope(ages[rows], age_years[rows])
    return result


def with_controls(
    people: People, calibrated: Callable[[np.random.Generator], np.ndarray], model: BrainAgeModel
) -> dict[str, tuple[float, float]]:
    """Mean and spread over draws of 20 controls per scanner.

    Parameters
    ----------
    calibrated : from a generator to ages (N, R + 1), NaN for people of sites too small.
    """
    draws = [
        _calibrated_measures(people, calibrated(np.random.default_rng(s)), model) for s in range(1, CONTROL_DRAWS + 1)
    ]
    return {
        measure: (float(np.mean([d[measure] for d in draws])), float(np.std([d[measure] for d in draws], ddof=1)))
        for measure in draws[0]
    }


def _calibrated_measures(people: People, ages: np.ndarray, model: BrainAgeModel) -> dict[str, float]:
    rows = np.isfinite(ages).all(axis=1)
    known, age_years = ages[rows], people.age_years[rows]
    error = known - age_years[:, None]
    differences = np.stack([known[:, left] - known[:, right] for _, left, right in model.pairs], axis=1)
    told = f", {REFERENCE_CONTROLS} local controls"
    result = {
        f"regional: MAE 40-90, age-balanced, years{told}": balanced_mae_years(error[:, :-1], age_years),
        f"regional: mean error, years{told}": float(error[:, :-1].mean()),
        f"regional: slope of predicted on true age{told}": mean_slope(known[:, :-1], age_years),
        f"global: MAE 40-90, age-balanced, years{told}": balanced_mae_years(error[:, -1:], age_years),
        f"left-right difference, SD, years{told}": float(differences.std(axis=0).mean()),
    }
    for site in wide_sites(people.site[rows], age_years):
        inside = people.site[rows] == site
        result[f"regional: correlation with age within site {site}{told}"] = mean_correlation(
            known[inside, :-1], age_years[inside]
        )
    return result


def calibrated_baseline(people: People, predicted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A baseline's ages less the mean error of local controls; NaN for people of sites too small."""
    ages = np.full(predicted.shape, np.nan)
    for part, used in calibration_parts(people, REFERENCE_CONTROLS, rng):
        ages[part] = predicted[part] - (predicted[used] - people.age_years[used, None]).mean(axis=0)
    return ages


def interval_measures(people: People, ages: Ages) -> dict[str, float]:
    """Coverage and width of intervals, and what is left of age in corrected PADs."""
    corrected, whole = ages.pad_corrected_years, ages.global_age
    result = {
        "corrected PAD correlation with age (mean of regions)": mean_correlation(corrected, people.age_years),
        "corrected PAD correlation between regions": between_region_correlation(corrected),
        "corrected PAD mean, years": float(np.nanmean(corrected)),
        "deviation correlation between regions": between_region_correlation(ages.deviation_corrected_years),
        "regional: coverage of 90 % intervals": coverage(ages.pad_lower_years, ages.pad_upper_years),
        "regional: width of 90 % intervals, age 40 or more, years": _width(
            ages.pad_lower_years, ages.pad_upper_years, people
        ),
        "deviations: coverage of 90 % intervals": coverage(ages.deviation_lower_years, ages.deviation_upper_years),
        "deviations: width of 90 % intervals, age 40 or more, years": _width(
            ages.deviation_lower_years, ages.deviation_upper_years, people
        ),
        "global: coverage of 90 % intervals": coverage(whole.pad_lower_years, whole.pad_upper_years),
        "global: width of 90 % intervals, age 40 or more, years": _width(
            whole.pad_lower_years, whole.pad_upper_years, people
        ),
        "estimable regions, share": float(ages.estimable.mean()),
    }
    for decade, inside in decades(people.age_years).items():
        if inside.sum() >= _FEWEST_IN_DECADE:
            result[f"regional: coverage of 90 % intervals, age {decade}"] = coverage(
                ages.pad_lower_years[inside], ages.pad_upper_years[inside]
            )
    return result


def _width(lower: np.ndarray, upper: np.ndarray, people: People) -> float:
    rows = people.age_years >= 40
    return float(np.nanmean((upper - lower)[rows])) if rows.any() else float("nan")


def predictions_frame(people: People, ages: Ages) -> pd.DataFrame:
    """One row per person and region, with the columns of predictions.csv; the region "global" is the whole brain."""
    names = np.array([*ages.region_names, "global"])
    regions = len(names)
    columns = {
        "person": np.repeat(people.person, regions),
        "site": np.repeat(people.site, regions),
        "region": np.tile(names, len(people)),
        "age_years": np.repeat(people.age_years, regions),
    }
    for name in ("brain_age_years", "pad_years", "pad_corrected_years", "pad_lower_years", "pad_upper_years"):
        values = np.column_stack([getattr(ages, name), getattr(ages.global_age, name)])
        columns[name] = np.round(values.ravel(), 4)
    percentile = np.column_stack([ages.pad_percentile, ages.global_age.pad_percentile])
    columns["pad_percentile"] = np.round(percentile.ravel(), 2)
    nothing = np.full((len(people), 1), np.nan)
    for name in ("deviation_years", "deviation_corrected_years", "deviation_lower_years", "deviation_upper_years"):
        columns[name] = np.round(np.column_stack([getattr(ages, name), nothing]).ravel(), 4)
    columns["estimable"] = np.column_stack([ages.estimable, ages.global_age.estimable]).ravel()
    return pd.DataFrame(columns)


def _groups(model: BrainAgeModel, people: People) -> tuple[np.ndarray, str]:
    """(N,) group of every person for holding out, and how it was made."""
    fold_of = model.fold_of_sites(people.site)
    known = fold_of < len(model.folds) - 1
    names = np.where(known, [f"fold {index}" for index in fold_of], people.site)
    if len(np.unique(names)) > 1:
        return names, "site, in the folds of the model"
    return np.array([f"part {part}" for part in random_parts(len(people))]), "random parts of the one site"


def baselines(model: BrainAgeModel, people: People, groups: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Ages (N, R + 1) by the simpler models of `fold_baselines`, each person's group held out."""
    groups = _groups(model, people)[0] if groups is None else groups
    result: dict[str, np.ndarray] = {}
    for group in np.unique(groups):
        inside = groups == group
        if (~inside).sum() < 20:
            continue
        fold = model.folds[model.fold_of_sites(people.site[inside][:1])[0]]
        ages = fold_baselines(people.take(~inside), people.take(inside), fold.norms, model.membership)
        for name, values in ages.items():
            result.setdefault(name, np.full((len(people), values.shape[1]), np.nan))[inside] = values
    return result


def write_evaluation(evaluation: Evaluation, folder: Path | str) -> None:
    """Writes predictions.csv and metrics.tsv."""
    write_tables(evaluation.predictions, evaluation.metrics, Path(folder))


def write_tables(predictions: pd.DataFrame, metrics: pd.DataFrame, folder: Path) -> None:
    """Writes predictions.csv and then metrics.tsv; each appears whole."""
    make_folder(folder)
    predictions_name, metrics_name = RESULT_NAMES
    write_atomically(folder / predictions_name, predictions.to_csv(index=False, lineterminator="\n"))
    text = metrics.to_csv(sep="\t", index=False, float_format="%.4f", lineterminator="\n")
    write_atomically(folder / metrics_name, text)
