"""The full examination of a model on a training table: everything MODEL_CARD.md reports."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..model.brain_age_model import BrainAgeModel
from ..people import People
from ..training.train_model import REFERENCE_CONTROLS, Sources, out_of_fold_ages
from .baselines import global_posterior, network_without_holes, network_without_messages
from .card import Examination
from .evaluate import MODEL_METHOD, accuracy, calibrated_baseline, calibrated_evaluation, evaluate
from .metrics import (
    balanced_mae_years,
    between_region_correlation,
    coverage,
    decades,
    mean_correlation,
    mean_slope,
    wide_sites,
)
from .perturbations import calibration_curve, lesion_holes, planted_atrophy, rescan_stability

ADULT_YEARS = 18.0
_FEWEST_IN_DECADE = 40
_FEWEST_OLD = 200
WITH_CONTROLS = ", 20 local controls"
GLOBAL_METHOD = "global (same norms, one age)"


def examine(
    model: BrainAgeModel,
    sources: Sources,
    command: str,
    steps: int,
    progress: Callable[[str, float], None] | None = None,
) -> Examination:
    """Measures a model on the adults of its training table, sites held out.

    Parameters
    ----------
    sources : as in training; charts and holes are needed to train the rival networks.
    command : what the user ran, for the card.
    steps : of the rival networks.
    """

    def tell(what: str, fraction: float) -> None:
        if progress is not None:
            progress(what, fraction)

    people = sources.people.take(sources.people.age_years >= ADULT_YEARS)
    tell("predictions and quick baselines", 0.0)
    evaluation = evaluate(model, people)
    raw = {MODEL_METHOD: evaluation.ages.brain_age_years, **evaluation.baselines}
    judged, ages = global_posterior(model, people)
    raw[GLOBAL_METHOD] = ages[_rows_of(people, judged)]
    tell("network without message passing", 0.15)
    raw["network without message passing"] = out_of_fold_ages(
        network_without_messages(model, sources, steps, 1), people
    )
    table = {method: accuracy(people, ages) for method, ages in raw.items()}
    tell("calibration", 0.5)
    some, local = calibrated_evaluation(model, people)
    for method, ages in raw.items():
        if method == MODEL_METHOD:
            judged, calibrated = some, local.brain_age_years
        elif method == GLOBAL_METHOD:
            judged, calibrated = global_posterior(model, people, REFERENCE_CONTROLS)
        else:
            judged, calibrated = calibrated_baseline(people, ages)
        table[method] |= _with_controls(judged, calibrated)
    covered = {"all": (coverage(local.pad_lower_years, local.pad_upper_years), len(some))}
    for decade, rows in decades(some.age_years).items():
        if rows.sum() >= _FEWEST_IN_DECADE:
            covered[decade] = (coverage(local.pad_lower_years[rows], local.pad_upper_years[rows]), int(rows.sum()))
    corrected = {
        "correlation of the corrected PAD with age, mean over regions (no calibration)": mean_correlation(
            evaluation.ages.pad_corrected_years, people.age_years
        ),
        "the same with 20 local controls": mean_correlation(local.pad_corrected_years, some.age_years),
        "correlation of corrected PADs between regions (20 local controls)": between_region_correlation(
            local.pad_corrected_years
        ),
        "slope of raw ages on true age (20 local controls)": mean_slope(local.brain_age_years, some.age_years),
        "coverage without calibration": coverage(evaluation.ages.pad_lower_years, evaluation.ages.pad_upper_years),
    }
    curve = calibration_curve(model, people)
    tell("planted atrophy, rescans", 0.55)
    mixed = age_mixed(people)
    planted = planted_atrophy(model, mixed)
    stability = rescan_stability(model, mixed)
    holes = {}
    if sources.holes is not None:
        tell("holes, and a network trained without them", 0.65)
        holes[MODEL_METHOD] = lesion_holes(model, people, sources.holes)
        bare = network_without_holes(model, sources, steps, 1)
        holes["the same trained without holes"] = lesion_holes(bare, people, sources.holes)
    return Examination(
        people=people,
        accuracy=table,
        wide_sites=wide_sites(people.site, people.age_years),
        corrected=corrected,
        coverage=covered,
        calibration_curve=curve,
        planted=planted,
        stability=stability,
        holes=holes,
        command=command,
        notes=[f"The rival networks (no message passing, no holes) were trained for {steps} steps each."],
    )


def age_mixed(people: People, seed: int = 0) -> People:
    """People of all ages alike: everyone over 40, and as many younger ones (at least 200)."""
    old = np.nonzero(people.age_years >= 40)[0]
    young = np.nonzero(people.age_years < 40)[0]
    count = min(len(young), max(len(old), _FEWEST_OLD))
    chosen = np.random.default_rng(seed).choice(young, size=count, replace=False)
    return people.take(np.sort(np.concatenate([old, chosen])))


def _with_controls(people: People, ages: np.ndarray) -> dict[str, float]:
    error = ages - people.age_years[:, None]
    return {
        f"MAE 40-90, age-balanced, years{WITH_CONTROLS}": balanced_mae_years(error, people.age_years),
        f"mean error, years{WITH_CONTROLS}": float(error.mean()),
    }


def _rows_of(people: People, among: People) -> np.ndarray:
    """For every person, the row of the same person among others."""
    place = {name: row for row, name in enumerate(among.person)}
    return np.array([place[name] for name in people.person])
