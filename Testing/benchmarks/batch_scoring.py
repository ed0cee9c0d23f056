"""Simulated people scored from parcel tables: time and memory against their number, with a plot.

    python Testing/benchmarks/batch_scoring.py [--model DIR] [--sizes 100 1000 3000 10000] [--plot FILE.svg] [--broken]

Both forms of list are measured (one wide table; one parcel table per person), each size in a process of its own. The
baseline is the smallest size: what starting costs. With --broken every twentieth row of the wide table is broken in one
of eight ways, and the reasons that the list of failures gives are counted.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES
from RegionalBrainAgeLib.case.result.tables import PARCEL_COLUMNS
from RegionalBrainAgeLib.files.tables import table_text

FACTS = ("case_id", "age", "sex", "site", "lesion_side", "lesion_volume_ml")
PROGRAM = """
import json, sys, time
from pathlib import Path
from RegionalBrainAgeLib.batch.process_many import process_cohort
from RegionalBrainAgeLib.batch.run.options import BatchOptions
from RegionalBrainAgeLib.case.provenance import peak_memory_mb
listed, out, model = sys.argv[1:4]
options = BatchOptions(model=Path(model) if model else None, workers=1, show_bar=False)
start, cpu = time.perf_counter(), time.process_time()
summary = process_cohort(Path(listed), Path(out), options)
print(json.dumps([summary.done, len(summary.failed), time.perf_counter() - start, time.process_time() - cpu,
                  peak_memory_mb()]))
"""


def simulate(folder: Path, count: int, form: str) -> Path:
    """A list of made-up people with one-sided damage of some parcels."""
    chance = np.random.default_rng(0)
    listed = folder / f"{form}-{count}.csv"
    with listed.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        lesioned_names = [f"{name}:lesioned_fraction" for name in PARCEL_NAMES]
        writer.writerow([*FACTS, *([*PARCEL_NAMES, *lesioned_names] if form == "wide" else ["parcels"])])
        for number in range(count):
            left = number % 2 == 0
            thickness_mm = chance.normal(2.45, 0.2, len(PARCEL_NAMES)).round(4)
            own_side = np.array([name.startswith("lh_") == left for name in PARCEL_NAMES])
            lesioned = np.where(own_side & (chance.random(len(PARCEL_NAMES)) < 0.1), 0.5, 0.0)
            person = f"C{number:05d}"
            age = round(float(chance.uniform(40, 90)), 1)
            facts = [person, age, "FM"[number // 2 % 2], f"s{number % 20}", "L" if left else "R", 10.0]
            if form == "wide":
                writer.writerow([*facts, *thickness_mm, *lesioned])
                continue
            rows = (
                {"parcel": name, "hemisphere": name[0].upper(), "thickness_mm": t, "lesioned_fraction": f, "voxels": 99}
                for name, t, f in zip(PARCEL_NAMES, thickness_mm, lesioned, strict=True)
            )
            (folder / f"{person}_parcels.tsv").write_text(table_text(rows, list(PARCEL_COLUMNS)), encoding="utf-8")
            writer.writerow([*facts, f"{person}_parcels.tsv"])
    return listed


def break_rows(path: Path) -> None:
    """Break every twentieth row of a wide list, each in the next of eight ways."""
    with path.open(newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    first = len(FACTS)
    for number, row in enumerate(rows[19::20]):
        way = number % 8
        if way == 0:
            row[1] = "old"
        elif way == 1:
            row[1] = "999"
        elif way == 2:
            row[2] = "x"
        elif way == 3:
            row[0] = rows[0][0]
        elif way == 4:
            row[4] = ""
        elif way == 5:
            row[first : first + len(PARCEL_NAMES)] = ["2500"] * len(PARCEL_NAMES)
        elif way == 6:
            row[-1] = "50"
        else:
            del row[first + 9 :]
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])


def count_reasons(folder: Path) -> None:
    """Print how often each reason stands in failed_cases.csv; numbers in a reason count as the same."""
    with (folder / "failed_cases.csv").open(newline="") as stream:
        reasons = Counter(re.sub(r"[\d.]+|'[^']*'", "...", row["reason"]) for row in csv.DictReader(stream))
    for reason, count in reasons.most_common():
        print(f"{count:>6}  {reason}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 3000, 10000])
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--broken", action="store_true")
    args = parser.parse_args()
    measured: dict[str, list[tuple[int, float, float]]] = {"wide": []}
    if not args.broken:
        measured["parcel tables"] = []
    print(f"{'form':<14}{'people':>8}{'done':>8}{'failed':>8}{'wall s':>9}{'cpu s':>8}{'ms/case':>9}{'peak MB':>9}")
    for form, points in measured.items():
        for count in args.sizes:
            with tempfile.TemporaryDirectory() as folder:
                listed = simulate(Path(folder), count, form)
                if args.broken:
                    break_rows(listed)
                command = [sys.executable, "-c", PROGRAM, str(listed), f"{folder}/out", args.model]
                ended = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
                if args.broken:
                    count_reasons(Path(folder) / "out")
            done, failed, wall_s, cpu_s, peak_mb = json.loads(ended.stdout.splitlines()[-1])
            points.append((count, cpu_s, peak_mb))
            each = f"{wall_s:>9.1f}{cpu_s:>8.1f}{1000 * wall_s / count:>9.2f}{peak_mb:>9.0f}"
            print(f"{form:<14}{count:>8}{done:>8}{failed:>8}{each}", flush=True)
    if args.plot:
        plot(measured, args.plot)


def plot(measured: dict[str, list[tuple[int, float, float]]], path: Path) -> None:
    """Processor time per case and peak memory against the number of cases."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "regional-brain-age"
    import matplotlib.pyplot as plt

    figure, (cost, memory) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for form, points in measured.items():
        counts, cpu_s, peak_mb = np.array(points).T
        cost.loglog(counts, 1000 * cpu_s / counts, "o-", label=form)
        memory.semilogx(counts, peak_mb, "o-", label=form)
    cost.set(xlabel="cases", ylabel="processor time per case (ms)")
    most = max(peak_mb for points in measured.values() for _, _, peak_mb in points)
    memory.set(xlabel="cases", ylabel="peak memory (MB)", ylim=(0, 1.2 * most))
    every = [1, 2, 5, 10, 20, 50]
    cost.set_yticks(every, map(str, every))
    cost.yaxis.set_minor_locator(plt.NullLocator())
    for axes in (cost, memory):
        sizes = sorted({count for points in measured.values() for count, _, _ in points})
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.xaxis.set_minor_locator(plt.NullLocator())
    cost.legend(frameon=False)
    for axes in (cost, memory):
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
