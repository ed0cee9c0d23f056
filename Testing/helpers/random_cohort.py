"""Small tables of cases with everything that goes wrong in them: holes, constants, copies, one site, one class."""

from __future__ import annotations

import numpy as np
import pandas as pd


def random_table(seed: int) -> pd.DataFrame:
    """3 to 40 cases, one to two networks, with faults drawn by `seed`."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 41))
    sites = int(rng.choice([1, 2, 3, 6, n]))
    data = pd.DataFrame({"case_id": [f"c{i}" for i in range(n)], "site": [f"s{k}" for k in rng.integers(0, sites, n)]})
    data["age"] = np.round(rng.normal(60, 12, n), 1)
    data["sex"] = rng.choice(["F", "M"], n)
    data["lesion_side"] = rng.choice(["L", "R"], n)
    data["days_post_stroke"] = rng.integers(10, 3000, n)
    data["lesion_volume_ml"] = np.round(np.exp(rng.normal(2, 1.5, n)), 3)
    data["motor"] = np.round(rng.integers(0, 67, n) / 66, 4)
    data["load_cst"] = np.round(rng.beta(1, 3, n), 4)
    for net in ("a", "b")[: int(rng.integers(1, 3))]:
        for side in ("ipsi", "contra"):
            data[f"pad_{side}_{net}"] = np.round(rng.normal(0, 6, n), 3)
            data[f"load_{side}_{net}"] = np.round(np.where(rng.random(n) < 0.5, rng.beta(1, 5, n), 0), 4)
            data[f"thickness_{side}_{net}"] = np.round(rng.normal(2.4, 0.2, n), 3)
    numbers = [c for c in data.columns if c not in ("case_id", "site", "sex", "lesion_side")]
    for column in rng.choice(numbers, int(rng.integers(0, 5))):
        kind = rng.integers(0, 6)
        data[column] = data[column].astype(float)
        if kind == 0:
            data[column] = data[column].where(rng.random(n) > rng.choice([0.1, 0.5, 0.9]))
        elif kind == 1:
            data[column] = 0.5
        elif kind == 2:
            data[column] = np.nan
        elif kind == 3 and column.startswith("pad_"):
            data[column] = data[str(rng.choice([c for c in data.columns if c.startswith("pad_")]))]
        elif kind == 4 and column.startswith("pad_"):
            data[column] *= 1e6
        else:
            data = data.drop(columns=column) if column not in ("age",) else data
            numbers = [c for c in numbers if c != column]
            if column not in data.columns:
                break
    if rng.random() < 0.15:
        data["site"] = ""
    if rng.random() < 0.15:
        data["sex"] = "F"
    return data
