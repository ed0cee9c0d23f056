"""How often does a cohort without any local effect report one? Loads and PADs depend on lesion volume alone.

    python Testing/benchmarks/cohort_false_positives.py --cohorts 200

Prints the share of cohorts with at least one load-PAD pair of corrected p below 0.05, adjusted for lesion volume (the
default) and unadjusted. Under the null, Benjamini-Hochberg keeps the former at 5 % or less. Beside it, how many of the
uncorrected p-values lie below three levels, over how many are expected: the sharper test of the p-values themselves,
since one cohort has 342 of them.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from RegionalBrainAgeCohortLib.simulate import simulate_cohort
from RegionalBrainAgeCohortLib.statistics.mixed_models import load_models

LEVELS = (0.05, 1e-3, 0.05 / 342)


def tail(p: np.ndarray, level: float) -> str:
    """How many p-values lie below `level`, over the number expected, with its binomial error."""
    expected = level * len(p)
    error = np.sqrt(expected * (1 - level)) / expected
    return f"p < {level:.2g}: {(p < level).sum() / expected:.3f} of expected (error {error:.3f})"


def null_cohort(n: int, sites: int, seed: int) -> pd.DataFrame:
    """A simulated cohort whose contralesional frontoparietal PAD follows nothing but its site."""
    data = pd.DataFrame(simulate_cohort(n, sites, seed))
    rng = np.random.default_rng(10_000 + seed)
    index = pd.factorize(data["site"])[0]
    data["pad_contra_fpn"] = rng.normal(0, 1.5, sites)[index] + rng.normal(0, 5, n)
    data["log_lesion_volume"] = np.log(data["lesion_volume_ml"])
    return data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--n", type=int, default=501)
    parser.add_argument("--sites", type=int, default=34)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    start = time.perf_counter()
    found, p_values = [], []
    for seed in range(args.seed, args.seed + args.cohorts):
        data = null_cohort(args.n, args.sites, seed)
        pads = [c for c in data.columns if c.startswith(("pad_ipsi_", "pad_contra_"))]
        loads = [c for c in data.columns if c.startswith(("load_ipsi_", "load_contra_"))] + ["load_cst"]
        table = load_models(data, pads, loads)
        found.append([(table[name] < 0.05).sum() for name in ("p_fdr", "unadjusted_p_fdr")])
        p_values.append(table["p"].dropna().to_numpy(float))
        if len(found) % 10 == 0 or len(found) == args.cohorts:
            counts = np.array(found)
            shares = ", ".join(
                f"{name}: {100 * (counts[:, k] > 0).mean():.1f} % of cohorts, {counts[:, k].mean():.2f} pairs each"
                for k, name in enumerate(("adjusted", "unadjusted"))
            )
            print(f"{len(found)} cohorts: {shares} ({time.perf_counter() - start:.0f} s)", flush=True)
            print("  " + ", ".join(tail(np.concatenate(p_values), level) for level in LEVELS), flush=True)


if __name__ == "__main__":
    main()
