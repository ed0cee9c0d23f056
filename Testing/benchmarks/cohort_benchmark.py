"""How long the cohort analysis takes, and how far the usual libraries are from R on the same cohort.

Usage: python Testing/benchmarks/cohort_benchmark.py [--n 501] [--sites 34] [--full] [--models-only] [--r N]

--models-only is the default analysis without classifiers, in processor seconds and peak memory; with --r N, R (lme4 and
lmerTest) fits the same volume models and N of the load models on the same table beside it.

Times are wall times on the machine as it is: 18 + 342 mixed models, the path model with 5,000 bootstrap draws, and with
--full the whole default analysis. Beside them, in the same run, statsmodels' MixedLM (default optimiser, z tests) and
semopy (default options) on the same data; the differences are in units of our standard error, whose agreement with
lme4, lmerTest and lavaan the tests show (Testing/reference).
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from RegionalBrainAgeCohortLib import analysis
from RegionalBrainAgeCohortLib.data.cohort_table import read_cohort
from RegionalBrainAgeCohortLib.data.settings import Settings
from RegionalBrainAgeCohortLib.sem.model_texts import published_model
from RegionalBrainAgeCohortLib.sem.path_model import fit_sem
from RegionalBrainAgeCohortLib.simulate import simulate_cohort, write_cohort
from RegionalBrainAgeCohortLib.statistics.mixed_models import Columns, Question, fit_models, load_models, volume_models


def line(name: str, seconds: float, note: str = "") -> None:
    print(f"{name:<58}{seconds:>9.2f} s  {note}", flush=True)


def statsmodels_way(data: pd.DataFrame, outcomes: list[str], ours: pd.DataFrame) -> None:
    import statsmodels.formula.api as smf

    rows = []
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for outcome in outcomes:
            model = smf.mixedlm(f"{outcome} ~ log_lesion_volume + age + sex_M", data, groups=data["site"])
            try:
                fit = model.fit(reml=True)
                rows.append((outcome, fit.params["log_lesion_volume"], fit.bse["log_lesion_volume"]))
            except np.linalg.LinAlgError:
                rows.append((outcome, np.nan, np.nan))
    seconds = time.perf_counter() - start
    found = pd.DataFrame(rows, columns=["outcome", "b", "s"]).merge(ours, on="outcome")
    error = (found["b"] - found["estimate"]).abs() / found["se"]
    spread = (found["s"] / found["se"] - 1).abs()
    note = f"worst estimate {error.max():.1e} SE, worst SE {100 * spread.max():.2f} %; no t, no df"
    line(f"  statsmodels MixedLM, the same {len(outcomes)} volume models", seconds, note)


def semopy_way(data: pd.DataFrame, ours) -> None:
    import semopy

    text = "motor ~ load_cst\npad_ipsi_fpn ~ load_cst\npad_contra_fpn ~ motor + pad_ipsi_fpn"
    names = ["motor", "load_cst", "pad_ipsi_fpn", "pad_contra_fpn"]
    start = time.perf_counter()
    model = semopy.Model(text)
    model.fit(data[names])
    measures = semopy.calc_stats(model).T.iloc[:, 0]
    seconds = time.perf_counter() - start
    found = model.inspect().rename(columns={"lval": "lhs", "rval": "rhs"}).merge(ours.paths, on=["lhs", "op", "rhs"])
    error = (found["Estimate"] - found["estimate"]).abs() / found["se"]
    note = (
        f"worst estimate {error.max():.1e} SE; df {measures['DoF']:.0f} (ours {ours.measure('df'):.0f}), "
        f"CFI {measures['CFI']:.3f} ({ours.measure('cfi'):.3f}), AIC {measures['AIC']:.1f} ({ours.measure('aic'):.1f})"
    )
    line("  semopy, one fit, no bootstrap", seconds, note)


def models_only(table: Path) -> None:
    """Every default analysis but the classifiers, and what it costs."""
    settings = Settings(families=("mixed", "loads", "groups", "sem"))
    start, used = time.perf_counter(), time.process_time()
    cohort = read_cohort(table, settings)
    result = analysis.analyse(cohort, settings, lambda *_: None)
    seconds, processor = time.perf_counter() - start, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    line("all models without classifiers", seconds, f"processor {processor:.1f} s, peak {peak:.2f} GB")
    for name, value in result.skipped.items():
        print(f"  {name}: {value}")
    columns = Columns(cohort.data)
    used = time.process_time()
    fit_models(columns, [Question(pad, ["log_lesion_volume", "age", "sex"]) for pad in cohort.pads])
    volume = time.process_time() - used
    used = time.process_time()
    pairs = [Question(p, [load, "log_lesion_volume", "age", "sex"]) for load in cohort.loads for p in cohort.pads]
    fit_models(columns, pairs)
    loads = time.process_time() - used
    print(f"  of it {len(cohort.pads)} volume models {volume:.2f} and {len(pairs)} load models {loads:.2f} processor s")


def r_way(table: Path, models: int) -> None:
    """lme4 and lmerTest on the same table."""
    script = Path(__file__).with_name("cohort_models.R")
    done = subprocess.run(["Rscript", str(script), str(table), str(models)], capture_output=True, text=True, check=True)
    pads, volume, loads, seconds = (float(word) for word in done.stdout.split())
    print(f"  R, lmerTest: {pads:.0f} volume models {volume:.2f} and {loads:.0f} load models {seconds:.2f} processor s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=501)
    parser.add_argument("--sites", type=int, default=34)
    parser.add_argument("--models-only", action="store_true", help="the default analysis without classifiers, no more")
    parser.add_argument("--r", type=int, default=0, metavar="N", help="R beside it: volume models and N load models")
    parser.add_argument("--full", action="store_true", help="also the whole default analysis")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "processed_cases.csv"
        write_cohort(simulate_cohort(args.n, args.sites, 1), table)
        if args.models_only:
            models_only(table)
            if args.r:
                r_way(table, args.r)
            return
        cohort = read_cohort(table)
        print(f"{args.n} cases, {args.sites} sites, {len(cohort.pads)} PADs, {len(cohort.loads)} loads")
        start = time.perf_counter()
        volume = volume_models(cohort.data.drop(columns="days_post_stroke"), cohort.pads)
        loads = load_models(cohort.data, cohort.pads, cohort.loads)
        seconds = time.perf_counter() - start
        line(f"{len(cohort.pads)} + {len(loads)} mixed models, exact REML, Satterthwaite", seconds, "bar 10 s")
        ours = volume[volume["term"] == "log_lesion_volume"][["outcome", "estimate", "se"]]
        statsmodels_way(cohort.data, cohort.pads, ours)
        start = time.perf_counter()
        fit = fit_sem(published_model("fpn"), cohort.data, draws=5000, cluster="site")
        line(f"path model with {fit.draws} site-bootstrap draws", time.perf_counter() - start, "bar 15 s")
        semopy_way(cohort.data, fit)
        holes = cohort.data.copy()
        holes.loc[np.random.default_rng(1).random(len(holes)) < 0.1, "motor"] = np.nan
        start = time.perf_counter()
        fit = fit_sem(published_model("fpn"), holes, draws=5000, cluster="site")
        line(f"the same with 10 % of motor missing (FIML), {fit.draws} draws", time.perf_counter() - start, "bar 15 s")
        if args.full:
            start = time.perf_counter()
            result = analysis.run(table, Path(folder) / "out")
            parts = ", ".join(f"{name} {value:.1f}" for name, value in result.seconds.items())
            line("whole default analysis", time.perf_counter() - start, f"bar 300 s ({parts})")


if __name__ == "__main__":
    main()
