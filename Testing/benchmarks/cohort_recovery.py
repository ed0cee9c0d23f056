"""Do the published effects come back? Simulates cohorts and analyses them; prints bias and coverage of every effect.

Usage: python Testing/benchmarks/cohort_recovery.py [--cohorts 200] [--n 501] [--sites 34] [--draws 1000] [--seed 0]

Oracle: the population values the simulator was solved for. Bias is relative to the true value; coverage counts the 95 %
intervals that hold it. SEM effects are standardised; their interval is std_all +- 1.96 std_se, and beside it the
percentile bootstrap over cases and over whole sites. The first seed is `--seed`, the others follow.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from RegionalBrainAgeCohortLib.sem.model_texts import published_model
from RegionalBrainAgeCohortLib.sem.path_model import fit_sem
from RegionalBrainAgeCohortLib.simulate import NETWORKS, TRUE_EFFECTS, simulate_cohort
from RegionalBrainAgeCohortLib.statistics.mixed_models import group_differences, volume_models


def analyse(n: int, sites: int, seed: int, draws: int) -> list[dict]:
    """Estimate and intervals of every published effect in one simulated cohort."""
    data = pd.DataFrame(simulate_cohort(n, sites, seed))
    data["log_lesion_volume"] = np.log(data["lesion_volume_ml"])
    data["group_mild"] = (data["motor"] > 25 / 66 + 5e-4).astype(float)
    pads = [f"pad_ipsi_{net}" for net in NETWORKS] + ["pad_contra_van"]
    mixed = volume_models(data.drop(columns="days_post_stroke"), pads)
    mixed = mixed[mixed["term"] == "log_lesion_volume"].set_index("outcome")
    groups = group_differences(data, ["load_cst", "load_ipsi_sal", "pad_contra_fpn"]).set_index("variable")
    fits = {"site": fit_sem(published_model("fpn"), data, draws=draws, cluster="site", seed=seed).paths}
    if draws:
        fits["case"] = fit_sem(published_model("fpn"), data, draws=draws, seed=seed).paths
    rows = []
    for effect in TRUE_EFFECTS:
        row = {"name": effect.name, "outcome": effect.outcome, "true": effect.value}
        if effect.table == "sem_paths":
            rhs = {"motor": "load_cst", "pad_contra_fpn": "motor"}[effect.outcome]
            for kind, paths in fits.items():
                found = paths[(paths["lhs"] == effect.outcome) & (paths["rhs"] == rhs)].iloc[0]
                reach = 1.959964 * found["std_se"]
                row |= {"estimate": found["std_all"], "low": found["std_all"] - reach, "high": found["std_all"] + reach}
                row |= {f"{kind}_low": found["std_boot_ci_low"], f"{kind}_high": found["std_boot_ci_high"]}
        else:
            table = mixed if effect.table == "mixed_models" else groups
            found = table.loc[effect.outcome]
            row |= {"estimate": found["estimate"], "low": found["ci_low"], "high": found["ci_high"]}
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--n", type=int, default=501)
    parser.add_argument("--sites", type=int, default=34)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    start = time.perf_counter()
    table = pd.DataFrame(
        [row for k in range(args.cohorts) for row in analyse(args.n, args.sites, args.seed + k, args.draws)]
    )
    table["covered"] = (table["low"] <= table["true"]) & (table["true"] <= table["high"])
    kinds = [k for k in ("site", "case") if f"{k}_low" in table]
    for kind in kinds:
        table[f"{kind}_covered"] = (table[f"{kind}_low"] <= table["true"]) & (table["true"] <= table[f"{kind}_high"])
        table[f"{kind}_covered"] = table[f"{kind}_covered"].astype(float).where(table[f"{kind}_low"].notna())
    print(
        f"{args.cohorts} cohorts of {args.n} in {args.sites} sites, seeds {args.seed}..{args.seed + args.cohorts - 1}"
    )
    print(
        f"{'effect':<42}{'true':>9}{'mean':>9}{'bias %':>8}{'cover %':>9}"
        + "".join(f"{k + ' boot %':>13}" for k in kinds)
    )

    def line(name: str, part: pd.DataFrame) -> None:
        true, mean = part["true"].mean(), part["estimate"].mean()
        boots = "".join(f"{100 * part[f'{k}_covered'].astype(float).mean():>13.1f}" for k in kinds)
        cover = 100 * part["covered"].mean()
        print(f"{name:<42}{true:>9.4f}{mean:>9.4f}{100 * (mean / true - 1):>8.2f}{cover:>9.1f}{boots}")

    for name, part in table.groupby("name", sort=False):
        line(name, part)
        if part["outcome"].nunique() > 1:
            for outcome, single in part.groupby("outcome", sort=False):
                line(f"  {outcome}", single)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
