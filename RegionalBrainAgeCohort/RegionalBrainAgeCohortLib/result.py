"""All that an analysis found, and which of its rows lead."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from .data.cohort_table import Cohort
from .data.settings import Settings
from .sem.path_model import SemResult
from .statistics import classification
from .statistics.residuals import Residuals


@dataclass
class AnalysisResult:
    """All that an analysis found. `tables` by file stem; `skipped` says which analysis was not possible and why.

    residuals : of the volume model of the smallest p, for its figure.
    """

    cohort: Cohort
    settings: Settings
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    sem: SemResult | None = None
    sem_reversed: SemResult | None = None
    sem_thickness: SemResult | None = None
    sem_notes: list[str] = field(default_factory=list)
    classification: classification.ClassificationResult | None = None
    residuals: Residuals | None = None
    skipped: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    folder: Path | None = None

    @property
    def report(self) -> Path:
        """The report's path, once it was written."""
        return (self.folder or Path()) / "report.html"

    @property
    def path_models(self) -> dict[str, tuple[str, SemResult]]:
        """Title and fit of every path model that was fitted, by the name of its figure."""
        fits = {
            "path_diagram": ("Path model", self.sem),
            "path_diagram_reversed": ("Reversed model", self.sem_reversed),
            "path_diagram_thickness": ("Thickness in the place of PAD", self.sem_thickness),
        }
        return {figure: (title, fit) for figure, (title, fit) in fits.items() if fit is not None}

    def as_dict(self) -> dict:
        """A summary in plain values, for programs."""
        return {
            "folder": str(self.folder),
            "report": str(self.report),
            "cases_read": self.cohort.rows_read,
            "cases_used": len(self.cohort.data),
            "cases_left_out": len(self.cohort.left_out),
            "networks": list(self.cohort.networks),
            "findings": [{"level": f.level, "finding": f.sentence} for f in self.cohort.findings],
            "skipped": self.skipped,
            "tables": sorted(self.tables),
            "files": [str(path) for path in self.files],
            "seconds": {name: round(value, 2) for name, value in self.seconds.items()},
        }


def tested(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `table` whose model was fitted and whose coefficient has a test."""
    return table[np.isfinite(table["p"].to_numpy(float))]


def untested_reasons(table: pd.DataFrame) -> str:
    """Why rows of `table` have no test, most frequent first: "3 too few damaged, 1 constant"."""
    counts = table.loc[table["p"].isna(), "status"].value_counts()
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def count_sentence(table: pd.DataFrame, level: float = 0.05) -> str:
    """How many rows of a family pass the corrected level, of those tested; what was not tested is never a null."""
    done = tested(table)
    untested = len(table) - len(done)
    if not len(done):
        return f"not done: none of {len(table)} could be tested ({untested_reasons(table)})"
    beside = f"; {untested} not tested ({untested_reasons(table)})" if untested else ""
    return f"{len(leading(table, level=level))} of {len(done)} tested with corrected p < {level:g}{beside}"


def leading(table: pd.DataFrame, column: str = "p_fdr", level: float = 0.05) -> pd.DataFrame:
    """Rows of `table` that pass the corrected level, strongest first."""
    passed = table[np.isfinite(table[column]) & (table[column] < level)]
    return passed.reindex(passed["t"].abs().sort_values(ascending=False).index)
