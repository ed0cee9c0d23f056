"""Brain age of functional regions in chronic stroke, from Python.

One case, from a head and a lesion mask to the folder that ``regional-brain-age case`` leaves:

    from pathlib import Path
    from regional_brain_age import Case, run_case

    case = Case(case_id="07", t1=Path("T1w.nii.gz"), lesion=Path("lesion.nii.gz"), age_years=63, sex="F")
    result = run_case(case, "results")
    for row in result.regions:
        print(row.region, row.side, row.pad_corrected_years if row.estimable else row.reason)

Many cases, and the group analysis of their table:

    from regional_brain_age import BatchOptions, CohortSettings, analyse_cohort, run_batch

    run_batch("cases.csv", "results", BatchOptions(workers=4))
    analyse_cohort("results/processed_cases.csv", "analysis", CohortSettings(sem_draws=0))

Ages are years, volumes ml, thickness mm; "L" and "R" are the patient's sides. What a user can put right is raised as a
`RegionalBrainAgeError`, whose text says what to do. Nothing is loaded before it is used: this import is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers; at run time `__getattr__` finds the same
    from RegionalBrainAgeCohortLib.analysis import run as analyse_cohort
    from RegionalBrainAgeCohortLib.data.settings import Settings as CohortSettings
    from RegionalBrainAgeCohortLib.result import AnalysisResult
    from RegionalBrainAgeLib import __version__
    from RegionalBrainAgeLib.batch.process_many import process_cohort as run_batch
    from RegionalBrainAgeLib.batch.run.batch import BatchSummary
    from RegionalBrainAgeLib.batch.run.options import BatchOptions
    from RegionalBrainAgeLib.case.case import Case
    from RegionalBrainAgeLib.case.demo import run_demo
    from RegionalBrainAgeLib.case.pipeline import run_case
    from RegionalBrainAgeLib.case.result.result import CaseResult
    from RegionalBrainAgeLib.errors import Cancelled, CaseError, InputError, RegionalBrainAgeError

__all__ = [
    "AnalysisResult",
    "BatchOptions",
    "BatchSummary",
    "Cancelled",
    "Case",
    "CaseError",
    "CaseResult",
    "CohortSettings",
    "InputError",
    "RegionalBrainAgeError",
    "__version__",
    "analyse_cohort",
    "run_batch",
    "run_case",
    "run_demo",
]

# Public name -> module and name there.
_PLACES = {
    "AnalysisResult": ("RegionalBrainAgeCohortLib.result", "AnalysisResult"),
    "BatchOptions": ("RegionalBrainAgeLib.batch.run.options", "BatchOptions"),
    "BatchSummary": ("RegionalBrainAgeLib.batch.run.batch", "BatchSummary"),
    "Cancelled": ("RegionalBrainAgeLib.errors", "Cancelled"),
    "Case": ("RegionalBrainAgeLib.case.case", "Case"),
    "CaseError": ("RegionalBrainAgeLib.errors", "CaseError"),
    "CaseResult": ("RegionalBrainAgeLib.case.result.result", "CaseResult"),
    "CohortSettings": ("RegionalBrainAgeCohortLib.data.settings", "Settings"),
    "InputError": ("RegionalBrainAgeLib.errors", "InputError"),
    "RegionalBrainAgeError": ("RegionalBrainAgeLib.errors", "RegionalBrainAgeError"),
    "__version__": ("RegionalBrainAgeLib", "__version__"),
    "analyse_cohort": ("RegionalBrainAgeCohortLib.analysis", "run"),
    "run_batch": ("RegionalBrainAgeLib.batch.process_many", "process_cohort"),
    "run_case": ("RegionalBrainAgeLib.case.pipeline", "run_case"),
    "run_demo": ("RegionalBrainAgeLib.case.demo", "run_demo"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'regional_brain_age' has no attribute {name!r}")
    module, its_name = _PLACES[name]
    return getattr(import_module(module), its_name)


def __dir__() -> list[str]:
    return sorted(__all__)
