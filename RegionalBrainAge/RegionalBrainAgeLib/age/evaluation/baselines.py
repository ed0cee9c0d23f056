"""Simpler models, evaluated with the same held-out sites.

Everyone of them sees the same training people and the same features, and is given local controls in the way open to it:
the mean error of the controls is taken off (an intercept per scanner).
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from ..model.views import nodes_in_view
from ..norms.norms import Norms
from ..people import People

_BIN_YEARS = 10
# A decade with fewer people does not weigh as much as the others: one person would be a decade.
_FEWEST_IN_DECADE = 5
GLOBAL_RIDGE = "ridge, one age"


def fold_baselines(train: People, test: People, norms: Norms, membership: np.ndarray) -> dict[str, np.ndarray]:
    """Predicted ages (N, R + 1) of the simpler models for people of sites not in `train`; the last column is global.

    Ridge and SVR of a region see its parcels, the structures of its side and of the midline, and sex; the global ones
    see everything. Weights make every age decade count the same.
    """
    x_train, x_test = (_features(people, norms) for people in (train, test))
    weights = balanced_weights(train.age_years)
    regions, parcels = membership.shape
    constant = {
        "median age": np.median(train.age_years),
        "age-balanced mean": np.average(train.age_years, weights=weights),
    }
    result = {name: np.full((len(test), regions + 1), value) for name, value in constant.items()}
    models = {
        "ridge": lambda: make_pipeline(StandardScaler(), Ridge(alpha=30.0)),
        "SVR": lambda: make_pipeline(StandardScaler(), SVR(C=10.0, epsilon=3.0)),
    }
    half = parcels // 2
    for name, build in models.items():
        ages = np.zeros((len(test), regions + 1))
        for region in range(regions + 1):
            seen = np.ones(x_train.shape[1], dtype=bool)
            if region < regions:
                view = "left" if membership[region, :half].any() else "right"
                seen[:-1] = nodes_in_view(view)
                seen[:parcels] = membership[region] > 0
            ages[:, region] = _fit_predict(build(), x_train[:, seen], train.age_years, weights, x_test[:, seen])
        result[name] = ages
    result[GLOBAL_RIDGE] = np.repeat(result["ridge"][:, -1:], regions + 1, axis=1)
    return result


def balanced_weights(age_years: np.ndarray) -> np.ndarray:
    """Weights with which every age decade counts the same, mean 1; decades of fewer than five people count less."""
    bins = (age_years // _BIN_YEARS).astype(int)
    weights = 1.0 / np.maximum(np.bincount(bins), _FEWEST_IN_DECADE)[bins]
    return weights / weights.mean()


def _features(people: People, norms: Norms) -> np.ndarray:
    """(N, K + 1): standardised values, missing as expected at the reference age, and sex."""
    return np.column_stack([np.nan_to_num(norms.standardise(people.values), nan=0.0), people.male])


def _fit_predict(model, x: np.ndarray, y: np.ndarray, weights: np.ndarray, x_new: np.ndarray) -> np.ndarray:
    step = model.steps[-1][0]
    return model.fit(x, y, **{f"{step}__sample_weight": weights}).predict(x_new)
