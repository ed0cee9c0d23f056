"""Computes a case in a moment: the real worker process with a stand-in for the pipeline.

The stand-in leaves a real case folder and a row whose numbers follow from the content of the inputs. What a T1 file
says steers it: ``wait S`` seconds, ``fail``, ``crash``, ``die once`` (SIGKILL to itself at the first
attempt), ``fill M`` (MB on the disk).
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from pathlib import Path

from RegionalBrainAgeLib.batch.run.case_worker import main
from RegionalBrainAgeLib.case.case import Case
from RegionalBrainAgeLib.case.result.result import CaseResult, LesionResult, RegionResult
from RegionalBrainAgeLib.case.result.tables import REGION_COLUMNS
from RegionalBrainAgeLib.errors import CaseError
from RegionalBrainAgeLib.files import atomic_folder as output
from RegionalBrainAgeLib.files.tables import write_table

NETWORKS = ("SMN", "FPN")
STEPS = 10
# A stand-in needs hardly any space; a real case checks for more.
output.SPACE_NEEDED_MB = 1


def run_case(case: Case, out_dir: Path, *, progress, overwrite, notes, dicom, **_: object) -> CaseResult:
    """As `case.pipeline.run_case`."""
    words = case.t1.read_text(encoding="utf-8").split()
    print("a library prints something")
    with output.case_folder(out_dir, case.name, overwrite) as folder:
        for step in range(STEPS):
            progress(f"step {step}", step / STEPS)
            time.sleep(float(words[1]) / STEPS if words[0] == "wait" else 0.01)
            (folder / f"part{step}.txt").write_text("x" * 1000, encoding="utf-8")
        if dicom:
            (folder / "dicom").mkdir()
            (folder / "dicom" / "report.dcm").write_text("x", encoding="utf-8")
        if words[0] == "fill":
            (folder / "large.bin").write_bytes(b"x" * (int(words[1]) << 20))
        if words[0] == "fail":
            raise CaseError("The head has no brain.", "Give a head.")
        if words[0] == "crash":
            raise ZeroDivisionError("by nothing")
        once = out_dir.parent / f"{case.name}.died"
        if words[0] == "die" and not once.exists():
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        result = make_result(case, notes)
        write_table(folder / f"{case.name}_regions.tsv", [vars(row) for row in result.regions], REGION_COLUMNS)
    return result


def make_result(case: Case, notes: tuple[str, ...]) -> CaseResult:
    digest = hashlib.sha256(case.t1.read_bytes() + case.case_id.encode()).digest()
    nothing = dict.fromkeys(REGION_COLUMNS, 0.0) | {"reason": "", "side": "left", "parcels": 4, "estimable": True}
    regions = [
        RegionResult(
            **nothing
            | {"region": f"{net}_{side}", "network": net, "hemisphere": side, "pad_corrected_years": digest[i] / 7 - 18}
        )
        for i, (net, side) in enumerate((net, side) for net in NETWORKS for side in "LR")
    ]
    lesion = LesionResult(digest[9] / 3, "L", 0.1, 0.2, 0.3, 0.4)
    return CaseResult(case, tuple(regions), (), lesion, "two", "pass", tuple(notes), "none", {"name": "quick"}, {})


if __name__ == "__main__":
    sys.exit(main(run_case))
