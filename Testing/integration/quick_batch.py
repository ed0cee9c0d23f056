"""A batch of stand-in cases as a program, to be disturbed: quick_batch.py CASES.csv OUT WORKERS [--resume]."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from RegionalBrainAgeLib.batch.lists.case_list import read_case_list
from RegionalBrainAgeLib.batch.run.batch import BatchSummary, run_batch
from RegionalBrainAgeLib.batch.run.local_pool import run_local
from RegionalBrainAgeLib.batch.run.options import BatchOptions
from RegionalBrainAgeLib.case.result.tables import processed_columns
from RegionalBrainAgeLib.errors import Cancelled, RegionalBrainAgeError

WORKER = (sys.executable, str(Path(__file__).with_name("quick_worker.py")))
COLUMNS = processed_columns(["smn", "fpn"])


def quick_batch(cases: Path, out: Path, workers: int = 2, execute=None, **options: object) -> BatchSummary:
    """Run a list of stand-in cases; the model and scheme are small files beside the list."""
    settings = {"model": cases.parent / "model", "scheme": cases.parent / "scheme.tsv", "show_bar": False} | options
    execute = execute or partial(run_local, workers=workers, peak_memory_mb=100.0)
    return run_batch(read_case_list(cases), out, execute, COLUMNS, BatchOptions(**settings), command=WORKER)


def make_cohort(folder: Path, contents: list[str]) -> Path:
    """A list of cases whose T1 files hold these words; returns the CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model" / "model.json").write_text("{}", encoding="utf-8")
    (folder / "scheme.tsv").write_text("two networks", encoding="utf-8")
    rows = ["case_id,t1,age,sex,site"]
    for number, words in enumerate(contents):
        (folder / f"head{number}.nii").write_text(f"{words} #{number}", encoding="utf-8")
        rows.append(f"P{number:03d},head{number}.nii,{40 + number % 40},{'FM'[number % 2]},site{number % 3}")
    path = folder / "cases.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    try:
        resume = "--resume" in sys.argv
        sys.exit(quick_batch(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), resume=resume).exit_code)
    except Cancelled as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except RegionalBrainAgeError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
