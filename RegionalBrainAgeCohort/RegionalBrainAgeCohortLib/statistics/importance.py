"""How much a classifier's AUC falls when columns are shuffled together among held-out people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC
from sklearn.utils import gen_batches

from .classifier_models import Tuned
from .roc import auc

IMPORTANCE_COLUMNS = ("classifier", "kind", "block", "auc_drop", "sd", "ci_low", "ci_high", "n_features", "members")
_MOST_ROWS = 10_000  # that are predicted at once: few calls, little memory


def importance_blocks(columns: Sequence[str]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Blocks that are shuffled together: groups of columns, the columns of each network, and single columns."""
    groups = {
        "ipsilesional PADs": "pad_ipsi_", "contralesional PADs": "pad_contra_", "ipsilesional loads": "load_ipsi_",
        "contralesional loads": "load_contra_",
    }  # fmt: skip
    blocks: dict[str, tuple[str, tuple[str, ...]]] = {}
    for name, start in groups.items():
        blocks[name] = ("group", tuple(c for c in columns if c.startswith(start)))
    basic = tuple(c for c in columns if c in ("age", "sex_M", "log_lesion_volume"))
    blocks["age, sex, lesion volume"] = ("group", basic)
    networks = dict.fromkeys(c.split("_", 2)[2] for c in columns if c.startswith(("pad_ipsi_", "pad_contra_")))
    for network in networks:
        for kind in ("pad", "load"):
            members = tuple(c for c in columns if c in (f"{kind}_ipsi_{network}", f"{kind}_contra_{network}"))
            blocks[f"{network} {'PADs' if kind == 'pad' else 'loads'}"] = ("network", members)
    blocks.update({c: ("column", (c,)) for c in columns})
    return {name: block for name, block in blocks.items() if block[1]}


def shuffled_predictions(
    tuned: Tuned, columns: Sequence[str], x: np.ndarray, repeats: int, seed: int
) -> dict[str, np.ndarray]:
    """Predictions (repeats, n) for the held-out cases `x` (n, features) with each block shuffled among them."""
    rng = np.random.default_rng(seed)
    order = np.stack([rng.permutation(len(x)) for _ in range(repeats)])
    blocks = {
        name: [list(columns).index(c) for c in members] for name, (_, members) in importance_blocks(columns).items()
    }
    if isinstance(tuned.estimator, Pipeline) and isinstance(tuned.estimator[-1], SVC):
        people = tuned.estimator[:-1].transform(x)
        return {
            name: tuned.probability(_shuffled_decisions(tuned.estimator[-1], people, order, index))
            for name, index in blocks.items()
        }
    found: dict[str, np.ndarray] = {}
    names = list(blocks)
    for part in gen_batches(len(names), max(1, _MOST_ROWS // order.size)):
        copies = np.repeat(x[None], len(names[part]) * repeats, axis=0).reshape(-1, repeats, *x.shape)
        for copy, name in zip(copies, names[part], strict=True):
            copy[:, :, blocks[name]] = x[:, blocks[name]][order]
        predicted = tuned.predict(copies.reshape(-1, x.shape[1])).reshape(copies.shape[:-1])
        found |= dict(zip(names[part], predicted, strict=True))
    return found


def _shuffled_decisions(machine: SVC, people: np.ndarray, order: np.ndarray, index: list[int]) -> np.ndarray:
    """Decisions (repeats, n) for `people` (n, features) with the columns `index` shuffled by `order` (repeats, n).

    A radial kernel is the product of those of the block and of the rest. So one product of matrices has the decision
    for every pair of people, one giving the block and the other the rest, where predicting every shuffle takes seconds.
    """

    def kernel(columns: list[int] | np.ndarray) -> np.ndarray:
        distance = cdist(people[:, columns], machine.support_vectors_[:, columns], "sqeuclidean")
        return np.exp(-machine._gamma * distance)  # gamma as fitted: "scale" is no number

    rest = np.delete(np.arange(people.shape[1]), index)
    pairs = (kernel(rest) * machine.dual_coef_) @ kernel(index).T + machine.intercept_
    return pairs[np.arange(len(people)), order]


def importance_rows(
    label: str, columns: Sequence[str], y: np.ndarray, probability: np.ndarray, shuffled: dict[str, np.ndarray]
) -> list[dict]:
    """One row per block: mean, SD and 95 % range over the shuffles of the drop of the pooled AUC."""
    full = auc(y, probability)
    rows = []
    for name, (kind, members) in importance_blocks(columns).items():
        drops = full - auc(y, shuffled[name])
        low, high = np.quantile(drops, [0.025, 0.975])
        rows.append(
            {
                "classifier": label,
                "kind": kind,
                "block": name,
                "auc_drop": drops.mean(),
                "sd": drops.std(ddof=1) if len(drops) > 1 else np.nan,
                "ci_low": low,
                "ci_high": high,
                "n_features": len(members),
                "members": " ".join(members),
            }
        )
    return rows
