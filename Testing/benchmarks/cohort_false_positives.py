"""How often does a cohort without any local effect report one? Loads and PADs depend on lesion volume alone.

    python Testing/benchmarks/cohort_false_positives.py --cohorts 200

Prints the share of cohorts with at least one load-PAD pair of corrected p below 0.05, adjusted for lesion volume (the
default) and unadjusted. Under the null, Benjamini-Hochberg keeps the former at 5 % or less. Beside it, how many of the
uncorrected p-values lie below three levels, over how many are expected: the sharper test of the p-values themselves,
since one cohort has 342 of them. The row "exact" is least squares within sites (sites as fixed effects), whose t test
has no approximation in it: what it finds in such a cohort is chance. --exact-only counts many cohorts with it alone.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from RegionalBrainAgeCohortLib.simulate import simulate_cohort
from RegionalBrainAgeCohortLib.statistics.mixed_models import Overlap, benjamini_hochberg, load_models
from scipy import stats

LEVELS = (0.05, 1e-3, 0.05 / 342)


def tail(p: np.ndarray, level: float) -> str:
    """How many p-values lie below `level`, over the number expected, with its binomial error."""
    expected = level * len(p)
    error = np.sqrt(expected * (1 - level)) / expected
    return f"p < {level:.2g}: {(p < level).sum() / expected:.3f} of expected (error {error:.3f})"


def exact_p_values(data: pd.DataFrame, pads: list[str], loads: list[str]) -> np.ndarray:
    """p-values of ``PAD ~ load + log volume + age + sex + site`` by least squares, for the loads that are tested."""
    overlap, index = Overlap(), pd.factorize(data["site"])[0]
    counts = np.bincount(index)

    def within(values: np.ndarray) -> np.ndarray:
        means = np.column_stack([np.bincount(index, column) / counts for column in values.T])
        return values - means[index]

    y = within(data[pads].to_numpy(float))
    others = [data["log_lesion_volume"], data["age"], data["sex"] == "M"]
    found = []
    for load in loads:
        if not overlap.enough(int((data[load] >= overlap.from_load).sum()), len(data)):
            continue
        basis, _ = np.linalg.qr(within(np.column_stack([*others, data[load]]).astype(float)))
        along = basis.T @ y
        df = len(data) - len(counts) - basis.shape[1]
        residual_sd = np.sqrt(((y - basis @ along) ** 2).sum(axis=0) / df)
        found.append(2 * stats.t.sf(np.abs(along[-1] / residual_sd), df))
    return np.concatenate(found)


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
    parser.add_argument("--exact-only", action="store_true", help="the exact test alone: ten times as fast")
    args = parser.parse_args()
    start = time.perf_counter()
    names = ("exact",) if args.exact_only else ("exact", "adjusted", "unadjusted")
    found, p_values = [], []
    for seed in range(args.seed, args.seed + args.cohorts):
        data = null_cohort(args.n, args.sites, seed)
        pads = [c for c in data.columns if c.startswith(("pad_ipsi_", "pad_contra_"))]
        loads = [c for c in data.columns if c.startswith(("load_ipsi_", "load_contra_"))] + ["load_cst"]
        exact = exact_p_values(data, pads, loads)
        counts = [(benjamini_hochberg(exact) < 0.05).sum()]
        if not args.exact_only:
            table = load_models(data, pads, loads)
            counts += [(table[name] < 0.05).sum() for name in ("p_fdr", "unadjusted_p_fdr")]
        found.append(counts)
        p_values.append(exact if args.exact_only else table["p"].dropna().to_numpy(float))
        if len(found) % 10 == 0 or len(found) == args.cohorts:
            pairs = np.array(found)
            shares = ", ".join(
                f"{name}: {100 * (pairs[:, k] > 0).mean():.1f} % of cohorts, {pairs[:, k].mean():.2f} pairs each"
                for k, name in enumerate(names)
            )
            print(f"{len(found)} cohorts: {shares} ({time.perf_counter() - start:.0f} s)", flush=True)
            print("  " + ", ".join(tail(np.concatenate(p_values), level) for level in LEVELS), flush=True)
    if not args.exact_only:
        both = (np.array(found)[:, :2] > 0).all(axis=1).sum()
        print(f"both exact and adjusted: {both} cohorts")


if __name__ == "__main__":
    main()
