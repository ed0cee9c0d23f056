"""A cohort of real heads with real lesions through `batch`: time by number of workers, same table, peak memory.

    python Testing/benchmarks/batch_cohort.py DATA OUT [--cases 24] [--workers 1 2]

The four heads are first processed without a lesion; through their transforms, real stroke lesions of both hemispheres
and many sizes are brought into them and painted. Each number of workers then computes the same list afresh; between the
runs a case's order is reversed, so that equal tables also show that the order plays no part. Interrupted, it goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
from lesions_into_heads import lesion_in_head, paint_lesion
from real_heads import real_heads
from RegionalBrainAgeLib.batch.process_many import process_cohort
from RegionalBrainAgeLib.batch.run.options import BatchOptions
from RegionalBrainAgeLib.case.result.tables import PROCESSED_NAME
from RegionalBrainAgeLib.files.images import read_labels, read_t1, write_image
from RegionalBrainAgeLib.files.tables import read_table, table_text
from RegionalBrainAgeLib.geometry.image import Image, resample
from RegionalBrainAgeLib.head.registration import Registration

HEADER = ("case_id", "t1", "lesion", "age", "sex", "site")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cases", type=int, default=24)
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 1])
    args = parser.parse_args()
    rows = make_cohort(args.data, args.out, args.cases)
    measured = {}
    for run, workers in enumerate(args.workers):
        listed = args.out / f"cases-{workers}.csv"
        write_list(listed, rows if run % 2 == 0 else rows[::-1])
        out = args.out / f"workers-{workers}"
        summary = process_cohort(listed, out, BatchOptions(workers=workers, resume=True))
        print(summary.as_text())
        if summary.done == len(rows):
            measured[workers] = summary.seconds
        records = [
            json.loads(path.read_text(encoding="utf-8")) for path in sorted((out / "batch" / "records").glob("*.json"))
        ]
        seconds = [record["seconds"] for record in records]
        peaks = [record["peak_memory_mb"] for record in records]
        print(
            f"{workers} worker(s): {summary.seconds:.0f} s; a case {np.median(seconds):.0f} s, peak {max(peaks):.0f} MB"
        )
    tables = {workers: in_order(args.out / f"workers-{workers}" / PROCESSED_NAME) for workers in args.workers}
    print("tables equal byte by byte, sorted by case:", len(set(tables.values())) == 1)
    for workers, seconds in measured.items():
        print(f"speed-up of {workers} over {args.workers[-1]}: {measured.get(args.workers[-1], np.nan) / seconds:.2f}")


def make_cohort(data: Path, out: Path, count: int) -> list[tuple]:
    """Rows of `HEADER`; the files they name are written unless they are there."""
    out.mkdir(parents=True, exist_ok=True)
    heads = list(real_heads(data).values())
    write_list(out / "heads.csv", [(h.name, h.t1, "", h.age_years, h.sex, "heads") for h in heads])
    process_cohort(out / "heads.csv", out / "heads", BatchOptions(workers=2, resume=True))
    lesions = sorted((data / "lesions" / "soop").glob("*.nii.gz"))[:: max(1, 1020 // count)]
    rows = []
    for number in range(count):
        head, lesion = heads[number % len(heads)], lesions[number]
        case_id = f"{head.name.removeprefix('sub-')}-{lesion.name.split('_')[0].removeprefix('bwsrsub-')}"
        t1, mask = out / f"{case_id}_T1w.nii.gz", out / f"{case_id}_lesion.nii.gz"
        if not mask.exists():
            folder = out / "heads" / f"sub-{head.name.removeprefix('sub-')}"
            registration = Registration.load(folder, folder.name)
            image = resample(read_t1(head.t1)[0], registration.t1_grid)
            brain = resample(as_mask(folder / f"{folder.name}_desc-brain_mask.nii.gz"), image)
            there = lesion_in_head(as_mask(lesion), registration, brain)
            write_image(paint_lesion(image, there, brain), t1)
            write_image(there, mask)
        rows.append((case_id, t1.name, mask.name, head.age_years, head.sex, f"site{number % 3}"))
    return rows


def as_mask(path: Path) -> Image:
    labels = read_labels(path)
    return labels.like(labels.array > 0)


def write_list(path: Path, rows: list[tuple]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([HEADER, *rows])


def in_order(path: Path) -> str:
    rows = read_table(path)
    return table_text(sorted(rows, key=lambda row: row["case_id"]), list(rows[0]), csv_file=True)


if __name__ == "__main__":
    main()
