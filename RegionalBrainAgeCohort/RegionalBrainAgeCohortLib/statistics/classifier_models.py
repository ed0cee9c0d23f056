"""What the classifiers are: their features, their candidate settings, and the choice of a setting on inner folds.

Every probability is of *severe* impairment. Imputation and scaling are learned on the training cases of a fold.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import joblib
import numpy as np
from RegionalBrainAgeLib.errors import InputError
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from .logistic import BinomialRegression
from .roc import auc

BASELINE = "baseline"
LOGISTIC = "logistic"
MODELS = {
    "elastic net": "logistic regression with elastic-net penalty",
    "svm": "support vector machine, radial kernel, Platt-scaled",
    "random forest": "random forest",
    "gradient boosting": "gradient boosted trees",
}
_BASIC = ("age", "sex_M", "log_lesion_volume")
TREES, TREES_FOR_CHOICE = 200, 100  # of a random forest, and while its setting is chosen
Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class FeatureSet:
    """Named columns that go into a classifier together."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Tuned:
    """A model fitted on all training cases with the setting of best inner AUC.

    inner_auc : AUC on the inner folds, NaN without a choice. platt : brings the decisions of a model without
    probabilities to probabilities.
    """

    estimator: Any
    setting: str
    inner_auc: float
    platt: BinomialRegression | None = None

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities (n,) of severe for `rows` (n, features)."""
        return self.probability(_decision(self.estimator, rows))

    def probability(self, decision: np.ndarray) -> np.ndarray:
        """Probabilities of severe for decisions of any shape."""
        if self.platt is None:
            return decision
        return self.platt.predict_proba(decision.reshape(-1, 1))[:, 1].reshape(decision.shape)


def feature_sets(columns: Sequence[str]) -> list[FeatureSet]:
    """Baselines (age, sex, lesion volume; with loads; with thickness, if any, and with both) and the full set, last."""
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
    names = [name for name, measured in (("loads", loads), ("PADs", pads)) if measured]
    full = " and ".join([", ".join([BASELINE, *names[:-1]]), *names[-1:]])
    return [*sets, FeatureSet(full, basic + loads + pads)]


def folds_of_sites(y: np.ndarray, site: np.ndarray, folds: int, seed: int) -> list[Split]:
    """(training, held-out) cases of folds of whole sites with classes as even as possible; of cases with one site.

    Raises
    ------
    InputError : training cases of a fold would be of one class.
    """
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


class WithoutEmptyColumns(TransformerMixin, BaseEstimator):
    """Passes over columns without a value in any training case: scikit-learn's boosted trees cannot bin them."""

    def fit(self, x: np.ndarray, y: np.ndarray | None = None) -> WithoutEmptyColumns:
        """Learns which columns of `x` (n, features; NaN missing) hold a value."""
        self.kept_ = ~np.isnan(x).all(axis=0)
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Those columns of `x`."""
        return x[:, self.kept_]


def candidates(model: str, seed: int, trees: int = TREES) -> list[tuple[str, object]]:
    """Candidate settings of one model, simplest first; a random forest has so many `trees`."""

    def scaled(estimator: object) -> object:
        return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), estimator)

    if model == LOGISTIC:
        return [("no penalty", scaled(BinomialRegression()))]
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
            (f"min_leaf={m}", scaled(RandomForestClassifier(trees, min_samples_leaf=m, random_state=seed, n_jobs=1)))
            for m in (20, 5)
        ]
    _count_cores()
    return [
        (
            f"depth={d} rounds={r}",
            make_pipeline(
                WithoutEmptyColumns(),
                HistGradientBoostingClassifier(
                    learning_rate=0.05, max_iter=r, max_depth=d, min_samples_leaf=10, l2_regularization=1.0,
                    early_stopping=False, random_state=seed,
                ),
            ),
        )
        for d, r in ((1, 60), (2, 60), (3, 60))
    ]  # fmt: skip


@cache
def _count_cores() -> None:
    """Let joblib count the cores before scikit-learn asks: where no system tells them (chroot), it prints a traceback.

    What it found is kept for the process; it is said once, and here to nobody.
    """
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        joblib.cpu_count(only_physical_cores=True)


def tune(model: str, x: np.ndarray, y: np.ndarray, site: np.ndarray, inner_folds: int, seed: int) -> Tuned:
    """The model with the setting of best inner AUC, fitted on all of `x` (n, features; NaN missing) and `y` (n,)."""
    choices = candidates(model, seed)
    needs_scale = model == "svm"
    scores, values = [], []
    if len(choices) > 1 or needs_scale:
        splits = folds_of_sites(y, site, inner_folds, seed)
        for _, estimator in candidates(model, seed, TREES_FOR_CHOICE):
            held_out = np.empty(len(y))
            for train, test in splits:
                held_out[test] = _decision(clone(estimator).fit(x[train], y[train]), x[test])
            values.append(held_out)
            scores.append(float(auc(y, held_out)))
    pick = int(np.argmax(scores)) if scores else 0
    inner = scores[pick] if scores else float("nan")
    name, estimator = choices[pick]
    fitted = clone(estimator).fit(x, y)
    platt = BinomialRegression().fit(values[pick][:, None], y) if needs_scale else None
    return Tuned(fitted, name, inner, platt)


def _decision(estimator: Any, x: np.ndarray) -> np.ndarray:
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(x)[:, 1]
    return estimator.decision_function(x)
