"""Analyses many small random tables; prints every exception that leaves and every null that rests on no fitted model.

PYTHONPATH=Testing/helpers python Testing/benchmarks/cohort_random_tables.py --tables 10000

Every table gets its mixed models, group differences, path models and sensitivity tables; every 20th also its figures,
report, checklists and files, and every 200th the classifiers (with few draws and repeats).
"""

from __future__ import annotations

import argparse
import tempfile
import time
import traceback
from pathlib import Path

from random_cohort import random_table
from RegionalBrainAgeCohortLib.analysis import analyse, run
from RegionalBrainAgeCohortLib.cli import summary
from RegionalBrainAgeCohortLib.data.cohort_table import read_cohort
from RegionalBrainAgeCohortLib.data.settings import Settings
from RegionalBrainAgeLib.errors import InputError

MODELS = Settings(families=("mixed", "loads", "groups", "sem"), sem_draws=0)
WHOLE = Settings(families=("mixed", "loads", "groups", "sem"), sem_draws=20)
CLASSIFIERS = Settings(sem_draws=20, auc_draws=50, importance_repeats=2, folds=2, inner_folds=2)


def faults_of(seed: int, folder: Path, settings: Settings = MODELS) -> list[str]:
    """What is wrong with the analysis of one random table; empty when nothing is."""
    path = folder / "cases.csv"
    random_table(seed).to_csv(path, index=False)
    try:
        if settings is MODELS:
            result = analyse(read_cohort(path, settings), settings, lambda *_: None)
            result.folder = folder
        else:
            result = run(path, folder / "out", settings)
    except InputError:
        return []
    except Exception:
        return [traceback.format_exc(limit=-2)]
    found = [
        f"{title}: {why}"
        for title, why in result.skipped.items()
        if "unexpected fault" in why or "could not be drawn" in why
    ]
    for line in summary(result).splitlines():
        if " 0 of 0 " in line:
            found.append(f"a null without a fitted model: {line}")
    for name in ("mixed_models", "loads", "group_differences"):
        table = result.tables.get(name)
        if table is not None and (table["p"].notna() & table["estimate"].isna()).any():
            found.append(f"{name}: a p-value without an estimate")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--whole", type=int, default=20, help="figures and report of every so-many-th table")
    parser.add_argument("--classify", type=int, default=200, help="classifiers of every so-many-th table")
    args = parser.parse_args()
    start, bad = time.perf_counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(args.seed, args.seed + args.tables):
            settings = CLASSIFIERS if seed % args.classify == 0 else WHOLE if seed % args.whole == 0 else MODELS
            found = faults_of(seed, Path(folder), settings)
            bad += bool(found)
            for fault in found:
                print(f"seed {seed}: {fault}", flush=True)
            if (seed - args.seed + 1) % 100 == 0:
                print(
                    f"{seed - args.seed + 1} tables, {bad} with a fault ({time.perf_counter() - start:.0f} s)",
                    flush=True,
                )
    print(f"{args.tables} tables, {bad} with a fault")


if __name__ == "__main__":
    main()
