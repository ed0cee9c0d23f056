"""Predicts the motor class (severe or mild) from lesion loads and PADs, always beside simpler baselines.

Every prediction is made for people of sites the model has not seen: outer folds hold whole sites, and the inner folds
that choose the settings hold whole sites of the remaining ones. Imputation and scaling are learned inside each fold.
Probabilities are of *severe* impairment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from RegionalBrainAgeLib.errors import InputError

from .roc import brier, delong, delong_difference, site_bootstrap_auc

CLASSIFIER_COLUMNS = (
    "classifier", "features", "n_features", "auc", "delong_ci_low", "delong_ci_high", "site_boot_ci_low",
    "site_boot_ci_high", "balanced_accuracy", "sensitivity", "specificity", "brier", "calibration_intercept",
    "calibration_slope", "auc_minus_baseline", "p_vs_baseline", "n", "n_severe", "n_sites", "folds", "settings",
)  # fmt: skip
IMPORTANCE_COLUMNS = ("classifier", "kind", "block", "auc_drop", "sd", "ci_low", "ci_high", "n_features", "members")
PREDICTION_COLUMNS = ("case_id", "site", "severe", "fold")
BASELINE = "baseline"
_BASIC = ("age", "sex_M", "log_lesion_volume")
_MODELS = {
    "elastic net": "logistic regression with elastic-net penalty",
    "svm": "support vector machine, radial kernel, Platt-scaled",
    "random forest": "random forest",
    "gradient boosting": "gradient boosted trees",
}


@dataclass(frozen=True)
class FeatureSet:
    """Named columns that go into a classifier together."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class ClassificationResult:
    """`table` one row per classifier, `importance` per block, `predictions` one probability column per classifier."""

    table: pd.DataFrame
    importance: pd.DataFrame
    predictions: pd.DataFrame
    best: str
    notes: tuple[str, ...]


def feature_sets(columns: Sequence[str]) -> list[FeatureSet]:
    """Baselines (age, sex, lesion volume; with loads; with thickness, if any, and with both) and the full set."""
    basic = tuple(c for c in _BASIC if c in columns)
    loads = tuple(c for c in columns if c.startswith(("load_ipsi_", "load_contra_")) or c == "load_cst")
    pads = tuple(c for c in columns if c.startswith(("pad_ipsi_", "pad_contra_")))
    thickness = tuple(c for c in columns if c.startswith(("thickness_ipsi_", "thickness_contra_")))
    sets = [FeatureSet(BASELINE, basic)]
    if loads:
        sets.append(FeatureSet("baseline and loads", basic + loads))
    if thickness:
        sets.append(FeatureSet("baseline and thickness", basic + thickness))
    if thickness and loads:
        sets.append(FeatureSet("baseline, loads and thickness", basic + loads + thickness))
    measured = {"loads": loads, "PADs": pads}
    names = [name for name, columns in measured.items() if columns]
    return [*sets, FeatureSet(" and ".join([", ".join([BASELINE, *names[:-1]]), *names[-1:]]), basic + loads + pads)]


def importance_blocks(columns: Sequence[str]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Blocks that are shuffled together: groups of columns, the columns of each network, and single columns."""
    groups = {
        "ipsilesional PADs": "pad_ipsi_", "contralesional PADs": "pad_contra_", "ipsilesional loads": "load_ipsi_",
        "contralesional loads": "load_contra_",
    }  # fmt: skip
    blocks: dict[str, tuple[str, tuple[str, ...]]] = {}
    for name, start in groups.items():
        blocks[name] = ("group", tuple(c for c in columns if c.startswith(start)))
    blocks["age, sex, lesion volume"] = (
        "group",
        tuple(c for c in columns if c in ("age", "sex_M", "log_lesion_volume")),
    )
    networks = dict.fromkeys(c.split("_", 2)[2] for c in columns if c.startswith(("pad_ipsi_", "pad_contra_")))
    for network in networks:
        for kind in ("pad", "load"):
            members = tuple(c for c in columns if c in (f"{kind}_ipsi_{network}", f"{kind}_contra_{network}"))
            blocks[f"{network} {'PADs' if kind == 'pad' else 'loads'}"] = ("network", members)
    blocks.update({c: ("column", (c,)) for c in columns})
    return {name: block for name, block in blocks.items() if block[1]}


def classify(
    data: pd.DataFrame,
    folds: int = 5,
    inner_folds: int = 4,
    repeats: int = 20,
    draws: int = 2000,
    seed: int = 1,
    progress: Callable[[float], None] = lambda _: None,
) -> ClassificationResult:
    """Nested, site-grouped cross-validation of all classifiers on the cases with a known ``severe`` (1, 0).

    Needs the columns ``case_id``, ``site``, ``severe`` and the features. Raises `InputError` where there is nothing to
    learn: one class only, or too few cases of one class.
    """
    known = data[data["severe"].notna() & data["site"].notna()].reset_index(drop=True)
    y = known["severe"].to_numpy(int)
    site = known["site"].to_numpy(str)
    if min(y.sum(), len(y) - y.sum()) < 10:
        raise InputError(
            f"Classifiers need at least 10 severe and 10 mild cases; there are {y.sum()} and {len(y) - y.sum()}.",
            "Add cases or change the motor cut.",
        )
    notes = _notes_on_sites(y, site)
    sets = feature_sets([c for c in known.columns if known[c].notna().any()])
    outer = _splits(y, site, folds, seed)
    jobs = [("logistic", s) for s in sets[:-1]] + [(name, sets[-1]) for name in _MODELS]
    rows, columns, blocks = [], {}, []
    for number, (model, features) in enumerate(jobs):
        label = features.name if model == "logistic" else model
        x = known[list(features.columns)].to_numpy(float)
        fitted, probability, fold, threshold, chosen = [], np.empty(len(y)), np.empty(len(y), int), np.empty(len(y)), []
        for k, (train, test) in enumerate(outer):
            estimator, setting = _tune(model, x[train], y[train], site[train], inner_folds, seed)
            probability[test] = estimator(x[test])
            fold[test], threshold[test] = k, y[train].mean()
            fitted.append((estimator, test))
            chosen.append(setting)
            progress((number + 0.8 * (k + 1) / len(outer)) / len(jobs))
        columns[label] = probability
        rows.append(_row(label, features, y, probability, threshold, site, columns, len(outer), chosen, draws, seed))
        if model != "logistic":
            blocks += _importance(label, features.columns, fitted, x, y, probability, repeats, seed)
        progress((number + 1) / len(jobs))
    table = pd.DataFrame(rows, columns=CLASSIFIER_COLUMNS)
    predictions = known[["case_id", "site"]].assign(severe=y, fold=fold + 1, **columns)
    main = table[table["classifier"].isin(_MODELS)]
    best = str(main.loc[main["auc"].idxmax(), "classifier"])
    return ClassificationResult(
        table, pd.DataFrame(blocks, columns=IMPORTANCE_COLUMNS), predictions, best, tuple(notes)
    )


def _notes_on_sites(y: np.ndarray, site: np.ndarray) -> list[str]:
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
    return notes


def _splits(y: np.ndarray, site: np.ndarray, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds of whole sites with classes as even as possible (folds of cases when there is one site)."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    sites = len(np.unique(site))
    smallest = int(min(y.sum(), len(y) - y.sum()))
    if smallest < 2:
        raise InputError(
            f"Held-out sites leave {smallest} case(s) of one class for training.",
            "Classifiers need several sites with severe and with mild cases.",
        )
    if sites == 1:
        splitter = StratifiedKFold(min(folds, smallest), shuffle=True, random_state=seed)
        return list(splitter.split(y[:, None], y))
    splitter = StratifiedGroupKFold(max(2, min(folds, sites, smallest)), shuffle=True, random_state=seed)
    splits = [(a, b) for a, b in splitter.split(y[:, None], y, site) if len(b)]
    if any(len(np.unique(y[train])) < 2 for train, _ in splits):
        raise InputError(
            "When one fold of sites is held out, the remaining sites have cases of one class only.",
            "Classifiers need sites with severe and sites with mild cases on both sides of every split.",
        )
    return splits


def _estimators(model: str, seed: int) -> list[tuple[str, object]]:
    """Candidate settings of one model, simplest first."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    def scaled(estimator: object) -> object:
        return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), estimator)

    if model == "logistic":
        return [("no penalty", scaled(LogisticRegression(C=1e6, max_iter=2000)))]
    if model == "elastic net":
        grid = [(c, r) for c in (0.01, 0.03, 0.1, 0.3) for r in (0.1, 0.5, 0.9)]
        return [
            (
                f"C={c:g} l1_ratio={r:g}",
                scaled(LogisticRegression(C=c, l1_ratio=r, solver="saga", max_iter=1000, tol=1e-3, random_state=seed)),
            )
            for c, r in grid
        ]
    if model == "svm":
        return [(f"C={c:g} gamma={g}", scaled(SVC(C=c, gamma=g))) for c in (0.1, 1.0, 10.0) for g in ("scale", 0.003)]
    if model == "random forest":
        return [
            (f"min_leaf={m}", scaled(RandomForestClassifier(200, min_samples_leaf=m, random_state=seed, n_jobs=1)))
            for m in (20, 5)
        ]
    return [
        (
            f"depth={d} rounds={r}",
            HistGradientBoostingClassifier(
                learning_rate=0.05, max_iter=r, max_depth=d, min_samples_leaf=10, l2_regularization=1.0,
                early_stopping=False, random_state=seed,
            ),
        )
        for d, r in ((1, 60), (2, 60), (3, 60))
    ]  # fmt: skip


def _decision(estimator: object, x: np.ndarray) -> np.ndarray:
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(x)[:, 1]
    return estimator.decision_function(x)


def _tune(
    model: str, x: np.ndarray, y: np.ndarray, site: np.ndarray, inner_folds: int, seed: int
) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
    """The model with the setting of best inner AUC, fitted on all of `x`, as a function to probabilities of severe."""
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression

    candidates = _estimators(model, seed)
    needs_scale = model == "svm"
    scores, values = [], []
    if len(candidates) > 1 or needs_scale:
        splits = _splits(y, site, inner_folds, seed)
        for _, estimator in candidates:
            held_out = np.empty(len(y))
            for train, test in splits:
                held_out[test] = _decision(clone(estimator).fit(x[train], y[train]), x[test])
            values.append(held_out)
            scores.append(delong(y, held_out).value)
    pick = int(np.argmax(scores)) if scores else 0
    name, estimator = candidates[pick]
    fitted = clone(estimator).fit(x, y)
    if not needs_scale:
        return lambda rows: _decision(fitted, rows), name
    platt = LogisticRegression(C=1e6).fit(values[pick][:, None], y)
    return lambda rows: platt.predict_proba(_decision(fitted, rows)[:, None])[:, 1], name


def _row(
    label: str,
    features: FeatureSet,
    y: np.ndarray,
    probability: np.ndarray,
    threshold: np.ndarray,
    site: np.ndarray,
    columns: dict[str, np.ndarray],
    folds: int,
    chosen: list[str],
    draws: int,
    seed: int,
) -> dict:
    auc = delong(y, probability)
    low, high = site_bootstrap_auc(y, probability, site, draws, seed)
    called = probability > threshold
    sensitivity, specificity = float(called[y == 1].mean()), float((~called[y == 0]).mean())
    intercept, slope = _calibration_line(y, probability)
    difference, p = (np.nan, np.nan) if label == BASELINE else delong_difference(y, probability, columns[BASELINE])
    return {
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
        "brier": brier(y, probability),
        "calibration_intercept": intercept,
        "calibration_slope": slope,
        "auc_minus_baseline": difference,
        "p_vs_baseline": p,
        "n": len(y),
        "n_severe": int(y.sum()),
        "n_sites": len(np.unique(site)),
        "folds": folds,
        "settings": "; ".join(dict.fromkeys(chosen)),
    }


def _calibration_line(y: np.ndarray, probability: np.ndarray) -> tuple[float, float]:
    """Intercept and slope of the outcome's logit on the predicted logit; 0 and 1 are ideal."""
    from sklearn.linear_model import LogisticRegression

    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    logit = np.log(clipped / (1 - clipped))[:, None]
    if np.ptp(logit) < 1e-9:
        return float("nan"), float("nan")
    line = LogisticRegression(C=1e6, max_iter=1000).fit(logit, y)
    return float(line.intercept_[0]), float(line.coef_[0, 0])


def _importance(
    label: str,
    columns: Sequence[str],
    fitted: list[tuple[Callable, np.ndarray]],
    x: np.ndarray,
    y: np.ndarray,
    probability: np.ndarray,
    repeats: int,
    seed: int,
) -> list[dict]:
    """Drop of the pooled AUC when the columns of a block are shuffled together among held-out people."""
    rng = np.random.default_rng(seed)
    orders = [np.stack([rng.permutation(len(test)) for _ in range(repeats)]) for _, test in fitted]
    full = delong(y, probability).value
    rows = []
    for name, (kind, members) in importance_blocks(columns).items():
        index = [list(columns).index(c) for c in members]
        shuffled = np.empty((repeats, len(y)))
        for (predict, test), order in zip(fitted, orders, strict=True):
            copies = np.repeat(x[test][None], repeats, axis=0)
            copies[:, :, index] = x[test][order][:, :, index]
            shuffled[:, test] = predict(copies.reshape(-1, x.shape[1])).reshape(repeats, len(test))
        drops = np.array([full - delong(y, values).value for values in shuffled])
        low, high = np.quantile(drops, [0.025, 0.975])
        rows.append(
            {
                "classifier": label,
                "kind": kind,
                "block": name,
                "auc_drop": drops.mean(),
                "sd": drops.std(ddof=1),
                "ci_low": low,
                "ci_high": high,
                "n_features": len(index),
                "members": " ".join(members),
            }
        )
    return rows
