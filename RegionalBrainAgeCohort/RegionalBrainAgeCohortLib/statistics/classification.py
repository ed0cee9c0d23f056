"""Predicts the motor class (severe or mild) from lesion loads and PADs, always beside simpler baselines.

Every prediction is made for people of sites the model has not seen: outer folds hold whole sites, and the inner folds
that choose the settings hold whole sites of the remaining ones. The headline is the nested choice: in every outer fold
the model of best inner AUC predicts the held-out sites, so that nothing was chosen on the cases it is judged by.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from RegionalBrainAgeLib.errors import InputError
from sklearn.metrics import brier_score_loss
from threadpoolctl import threadpool_limits

from .classifier_models import BASELINE, LOGISTIC, MODELS, FeatureSet, Split, feature_sets, folds_of_sites, tune
from .importance import IMPORTANCE_COLUMNS, importance_rows, shuffled_predictions
from .logistic import calibration
from .roc import delong, delong_difference, site_bootstrap_auc, site_clustered_difference

CLASSIFIER_COLUMNS = (
    "classifier", "features", "n_features", "auc", "delong_ci_low", "delong_ci_high", "site_boot_ci_low",
    "site_boot_ci_high", "balanced_accuracy", "sensitivity", "specificity", "brier", "calibration_in_the_large",
    "calibration_slope", "auc_minus_baseline", "difference_ci_low", "difference_ci_high", "p_vs_baseline",
    "p_vs_baseline_delong", "n", "n_severe", "n_sites", "events_per_variable", "folds", "settings",
)  # fmt: skip
SITE_COLUMNS = ("site", "n", "n_severe", "classifier", "auc", "ci_low", "ci_high")
DECISION_COLUMNS = ("threshold", "classifier", "net_benefit")
NESTED = "nested choice"
_LEAST_FOR_INTERVAL = 5  # cases of either class before a site's AUC gets an interval


@dataclass(frozen=True)
class ClassificationResult:
    """What the classifiers found.

    table : one row per classifier. importance : per block. predictions : one probability column per classifier.
    by_site : AUC of the nested choice and the baseline at every held-out site. decisions : decision curve. best : the
    model whose importance is shown, that of the highest AUC; the headline is the row `NESTED`.
    """

    table: pd.DataFrame
    importance: pd.DataFrame
    predictions: pd.DataFrame
    by_site: pd.DataFrame
    decisions: pd.DataFrame
    best: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Fold:
    """What one model says of one outer fold."""

    probability: np.ndarray
    setting: str
    inner_auc: float
    shuffled: dict[str, np.ndarray]


def classify(
    data: pd.DataFrame,
    folds: int = 5,
    inner_folds: int = 4,
    repeats: int = 20,
    draws: int = 2000,
    seed: int = 1,
    threads: int = 1,
    progress: Callable[[float], None] = lambda _: None,
) -> ClassificationResult:
    """Nested, site-grouped cross-validation of all classifiers on the cases with a known ``severe`` (1, 0).

    Needs the columns ``case_id``, ``site``, ``severe`` and the features. `threads` models are fitted at a time, in
    processes where possible; the numbers do not depend on it. Raises `InputError` where there is nothing to learn: one
    class only, or too few cases of one class.
    """
    known = data[data["severe"].notna() & data["site"].notna()].reset_index(drop=True)
    y = known["severe"].to_numpy(int)
    site = known["site"].to_numpy(str)
    if min(y.sum(), len(y) - y.sum()) < 10:
        raise InputError(
            f"Classifiers need at least 10 severe and 10 mild cases; there are {y.sum()} and {len(y) - y.sum()}.",
            "Add cases or change the motor cut.",
        )
    sets = feature_sets([c for c in known.columns if known[c].notna().any()])
    if not sets[-1].columns:
        raise InputError("There is no column to predict from.", "Give age, lesion volume, loads or PADs.")
    outer = folds_of_sites(y, site, folds, seed)
    jobs = [(LOGISTIC, s) for s in sets[:-1]] + [(name, sets[-1]) for name in MODELS]
    people = {s.name: known[list(s.columns)].to_numpy(float) for _, s in jobs}
    tasks = [
        delayed(_fold)(model, features.columns, people[features.name], y, site, split, inner_folds, repeats, seed)
        for model, features in jobs
        for split in outer
    ]
    found: list[_Fold] = []
    # One task at a time: those of the forest take as long as all others together.
    shared = Parallel(n_jobs=threads, prefer=_workers(), return_as="generator", batch_size=1, max_nbytes=None)
    for part in shared(tasks):
        found.append(part)
        progress(0.95 * len(found) / len(tasks))
    fold, threshold = np.empty(len(y), int), np.empty(len(y))
    for k, (train, test) in enumerate(outer):
        fold[test], threshold[test] = k, y[train].mean()

    def pooled(parts: list[np.ndarray]) -> np.ndarray:
        whole = np.empty((*parts[0].shape[:-1], len(y)))
        for (_, test), part in zip(outer, parts, strict=True):
            whole[..., test] = part
        return whole

    columns, rows, blocks = {}, [], []
    by_model = {}
    for number, (model, features) in enumerate(jobs):
        label = features.name if model == LOGISTIC else model
        parts = found[number * len(outer) : (number + 1) * len(outer)]
        columns[label] = pooled([part.probability for part in parts])
        rows.append((label, features, "; ".join(dict.fromkeys(part.setting for part in parts))))
        if model != LOGISTIC:
            by_model[model] = parts
            shuffled = {name: pooled([part.shuffled[name] for part in parts]) for name in parts[0].shuffled}
            blocks += importance_rows(label, features.columns, y, columns[label], shuffled)
    chosen = []
    for k in range(len(outer)):
        inner = {model: by_model[model][k].inner_auc for model in MODELS}
        chosen.append(max(inner, key=inner.__getitem__))
    columns[NESTED] = pooled([by_model[model][k].probability for k, model in enumerate(chosen)])
    rows.append((NESTED, sets[-1], "; ".join(chosen)))
    table = pd.DataFrame(
        [
            _row(label, features, setting, y, columns, threshold, site, len(outer), draws, seed)
            for label, features, setting in rows
        ],
        columns=CLASSIFIER_COLUMNS,
    )
    main = table[table["classifier"].isin(MODELS)]
    progress(1.0)
    return ClassificationResult(
        table,
        pd.DataFrame(blocks, columns=IMPORTANCE_COLUMNS),
        known[["case_id", "site"]].assign(severe=y, fold=fold + 1, **columns),
        _by_site(y, site, columns),
        _decision_curve(y, columns),
        str(main.loc[main["auc"].idxmax(), "classifier"]),
        tuple(_notes(y, site, sets[-1])),
    )


def _fold(
    model: str,
    columns: tuple[str, ...],
    x: np.ndarray,
    y: np.ndarray,
    site: np.ndarray,
    split: Split,
    inner_folds: int,
    repeats: int,
    seed: int,
) -> _Fold:
    """Fit one model to the training cases of an outer fold, and predict the held-out ones."""
    train, test = split
    with threadpool_limits(1):  # sums shared among threads change in the last digit with their number
        tuned = tune(model, x[train], y[train], site[train], inner_folds, seed)
        shuffled = {}
        if model != LOGISTIC:
            shuffled = shuffled_predictions(tuned, columns, x[test], repeats, seed)
        return _Fold(tuned.predict(x[test]), tuned.setting, tuned.inner_auc, shuffled)


def _workers() -> str:
    """Processes where this is an ordinary Python; threads, which gain little, where that is not sure to start again.

    PythonSlicer is a launcher: on Windows a process that it starts never gets its work
    (github.com/Slicer/Slicer/issues/7445), and Slicer itself would start once more.
    """
    return "processes" if re.fullmatch(r"pythonw?[\d.]*", Path(sys.executable or "").stem.lower()) else "threads"


def _notes(y: np.ndarray, site: np.ndarray, features: FeatureSet) -> list[str]:
    shares = pd.Series(y).groupby(site).mean()
    notes = []
    if len(shares) == 1:
        notes.append(
            "There is one site only: cases are split at random, and the accuracy says nothing about another site."
        )
    elif ((shares == 0) | (shares == 1)).all():
        notes.append(
            "Every site has cases of one class only, so severity cannot be told from site: read the classifiers as "
            "a comparison of sites."
        )
    if not any(c.startswith("pad_") for c in features.columns):
        notes.append("There are no PADs in the table: the classifiers are those of lesions alone.")
    return notes


def _row(
    label: str,
    features: FeatureSet,
    setting: str,
    y: np.ndarray,
    columns: dict[str, np.ndarray],
    threshold: np.ndarray,
    site: np.ndarray,
    folds: int,
    draws: int,
    seed: int,
) -> dict:
    probability, baseline = columns[label], columns[BASELINE]
    auc = delong(y, probability)
    low, high = site_bootstrap_auc(y, probability, site, draws, seed)
    called = probability > threshold
    sensitivity, specificity = float(called[y == 1].mean()), float((~called[y == 0]).mean())
    in_the_large, slope = calibration(y, probability)
    row = {
        "classifier": label,
        "features": features.name,
        "n_features": len(features.columns),
        "auc": auc.value,
        "delong_ci_low": auc.ci_low,
        "delong_ci_high": auc.ci_high,
        "site_boot_ci_low": low,
        "site_boot_ci_high": high,
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "brier": brier_score_loss(y, probability),
        "calibration_in_the_large": in_the_large,
        "calibration_slope": slope,
        "n": len(y),
        "n_severe": int(y.sum()),
        "n_sites": len(np.unique(site)),
        "events_per_variable": min(y.sum(), len(y) - y.sum()) / len(features.columns),
        "folds": folds,
        "settings": setting,
    }
    if label == BASELINE:
        return row
    clustered = site_clustered_difference(y, probability, baseline, site)
    return row | {
        "auc_minus_baseline": clustered.value,
        "difference_ci_low": clustered.ci_low,
        "difference_ci_high": clustered.ci_high,
        "p_vs_baseline": clustered.p,
        "p_vs_baseline_delong": delong_difference(y, probability, baseline)[1],
    }


def _by_site(y: np.ndarray, site: np.ndarray, columns: dict[str, np.ndarray]) -> pd.DataFrame:
    rows = []
    for name in dict.fromkeys(sorted(site)):
        here = site == name
        severe, n = int(y[here].sum()), int(here.sum())
        for label in (NESTED, BASELINE):
            row = {"site": name, "n": n, "n_severe": severe, "classifier": label}
            if 0 < severe < n:
                auc = delong(y[here], columns[label][here])
                row["auc"] = auc.value
                if min(severe, n - severe) >= _LEAST_FOR_INTERVAL:
                    row |= {"ci_low": auc.ci_low, "ci_high": auc.ci_high}
            rows.append(row)
    return pd.DataFrame(rows, columns=SITE_COLUMNS)


def net_benefit(y: np.ndarray, probability: np.ndarray, threshold: float) -> float:
    """Net benefit of calling severe above `threshold`: true positives, less false ones at the odds of the threshold.

    Per person; calling nobody has 0. Vickers & Elkin 2006, Med Decis Making 26:565.
    """
    called = np.asarray(probability) >= threshold
    true, false = float((called & (y == 1)).mean()), float((called & (y == 0)).mean())
    return true - false * threshold / (1 - threshold)


def _decision_curve(y: np.ndarray, columns: dict[str, np.ndarray]) -> pd.DataFrame:
    named = {NESTED: columns[NESTED], BASELINE: columns[BASELINE], "call everyone severe": np.ones(len(y))}
    rows = [
        {"threshold": threshold, "classifier": label, "net_benefit": net_benefit(y, probability, threshold)}
        for label, probability in named.items()
        for threshold in np.round(np.arange(0.05, 0.951, 0.05), 2)
    ]
    return pd.DataFrame(rows, columns=DECISION_COLUMNS)
