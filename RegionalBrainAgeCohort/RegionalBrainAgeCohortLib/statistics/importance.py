"""How much a classifier's AUC falls when columns are shuffled together among held-out people."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .roc import delong

IMPORTANCE_COLUMNS = ("classifier", "kind", "block", "auc_drop", "sd", "ci_low", "ci_high", "n_features", "members")


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
    predict: Callable[[np.ndarray], np.ndarray], columns: Sequence[str], x: np.ndarray, repeats: int, seed: int
) -> dict[str, np.ndarray]:
    """Predictions (repeats, n) for the held-out cases `x` (n, features) with each block shuffled among them."""
    rng = np.random.default_rng(seed)
    order = np.stack([rng.permutation(len(x)) for _ in range(repeats)])
    found = {}
    for name, (_, members) in importance_blocks(columns).items():
        index = [list(columns).index(c) for c in members]
        copies = np.repeat(x[None], repeats, axis=0)
        copies[:, :, index] = x[order][:, :, index]
        found[name] = predict(copies.reshape(-1, x.shape[1])).reshape(repeats, len(x))
    return found


def importance_rows(
    label: str, columns: Sequence[str], y: np.ndarray, probability: np.ndarray, shuffled: dict[str, np.ndarray]
) -> list[dict]:
    """One row per block: mean, SD and 95 % range over the shuffles of the drop of the pooled AUC."""
    full = delong(y, probability).value
    rows = []
    for name, (kind, members) in importance_blocks(columns).items():
        drops = np.array([full - delong(y, values).value for values in shuffled[name]])
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
