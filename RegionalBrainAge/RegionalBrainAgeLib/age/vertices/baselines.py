"""Simpler models of the same features, streamed from disk; every age decade counts the same, as for the network.

In memory are the components, a few numbers a person, and `BATCH_PEOPLE` people (up to `COMPONENTS`
more in the last batch).
"""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import IncrementalPCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches

from ..evaluation.baselines import balanced_weights
from .people import VertexPeople
from .vertex_model import feature_statistics, standardised

MEAN_AGE, BALANCED_MEAN_AGE = "mean age (no information)", "age-balanced mean (no information)"
REGION_RIDGE, COMPONENT_RIDGE = "ridge, means of regions", "ridge, principal components"
COMPONENTS, BATCH_PEOPLE = 50, 128
_PENALTIES = tuple(10.0**power for power in range(-2, 6))


def region_means(people: VertexPeople, weights: np.ndarray) -> np.ndarray:
    """(N, R, F) weighted mean of every feature in every region, NaN left out; one pass over the disk.

    Parameters
    ----------
    weights : (R, V), not negative.
    """
    means = np.full((len(people), len(weights), people.features.shape[2]), np.nan)
    for part, values in people.chunks():
        known = np.isfinite(values)
        total = weights @ np.where(known, values, 0.0)
        share = weights @ known.astype(float)
        np.divide(total, share, out=means[part], where=share > 0)
    return means


def component_scores(train: VertexPeople, others: VertexPeople) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of all features of all vertices, fitted to `train`: (N, C) scores of both groups.

    Features are standardised at their vertex; what was not measured is at its mean. `BATCH_PEOPLE` people at a time
    (Ross et al. 2008, as in scikit-learn).
    """
    mean, sd = feature_statistics(train)
    components = IncrementalPCA(min(COMPONENTS, len(train) // 2), copy=False)

    def batches(people: VertexPeople, fewest: int) -> list[slice]:
        return list(gen_batches(len(people), BATCH_PEOPLE, min_batch_size=fewest))

    def rows(people: VertexPeople, part: slice) -> np.ndarray:
        values = np.nan_to_num(standardised(people.read(part), mean, sd), nan=0.0).astype(np.float32)
        return values.reshape(len(values), -1)

    for part in batches(train, components.n_components):
        components.partial_fit(rows(train, part))
    first, second = (
        np.concatenate([components.transform(rows(people, part)) for part in batches(people, 0)])
        for people in (train, others)
    )
    return first, second


def fold_ages(
    train: VertexPeople, test: VertexPeople, train_means: np.ndarray, test_means: np.ndarray
) -> dict[str, np.ndarray]:
    """Ages (N, R) of the simpler models for people who are not in `train`.

    "Means of regions": a region's age from its own features and sex. "Principal components": one age for all regions
    from components of all vertices and sex. The ridge penalty is the best of `_PENALTIES` on left-out training people.

    Parameters
    ----------
    train_means, test_means : (n, R, F) from `region_means`.
    """
    weights = balanced_weights(train.age_years)
    regions = train_means.shape[1]

    def predicted(x: np.ndarray, x_new: np.ndarray) -> np.ndarray:
        model = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), RidgeCV(_PENALTIES))
        seen, seen_new = np.column_stack([x, train.male]), np.column_stack([x_new, test.male])
        return model.fit(seen, train.age_years, ridgecv__sample_weight=weights).predict(seen_new)

    own = [predicted(train_means[:, region], test_means[:, region]) for region in range(regions)]
    whole = predicted(*component_scores(train, test))
    constant = {
        MEAN_AGE: train.age_years.mean(),
        BALANCED_MEAN_AGE: np.average(train.age_years, weights=weights),
    }
    return {
        COMPONENT_RIDGE: np.repeat(whole[:, None], regions, axis=1),
        REGION_RIDGE: np.column_stack(own),
        **{name: np.full((len(test), regions), age) for name, age in constant.items()},
    }
