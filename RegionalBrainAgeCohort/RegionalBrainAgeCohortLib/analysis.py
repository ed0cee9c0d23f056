"""The whole group analysis: one table of processed cases in, tables, figures and one report out.

`run` is what the command line and the Slicer module call. An analysis that the data do not allow is skipped with a
sentence and the others go on; results are written at the end, so a cancelled run leaves nothing half done.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd
from RegionalBrainAgeLib.errors import Cancelled, InputError, RegionalBrainAgeError
from RegionalBrainAgeLib.files.atomic_file import write_atomically
from RegionalBrainAgeLib.files.atomic_folder import check_own, staged_results
from RegionalBrainAgeLib.files.input_file import as_path

from .data.cohort_table import Cohort, read_cohort
from .data.settings import Settings
from .families import STEPS, TITLES
from .report.result_tables import MEANINGS, write_result
from .result import AnalysisResult

Progress = Callable[[str, float], None]
_SHARES = {
    **{"mixed": 0.02, "formula": 0.02, "loads": 0.06, "groups": 0.02, "sem": 0.08},
    **{"classifiers": 0.6, "sensitivity": 0.07, "participants": 0.01},
}
SUMMARY_NAME = "analysis.json"
_LAST = ("report.html", SUMMARY_NAME)
_PACKAGES = (
    *("numpy", "scipy", "pandas", "scikit-learn", "statsmodels", "semopy", "matplotlib", "regional-brain-age"),
)


def run(
    csv_path: Path | str,
    out_dir: Path | str,
    settings: Settings | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> AnalysisResult:
    """Analyse `csv_path` and write everything to `out_dir`.

    Parameters
    ----------
    csv_path : processed_cases.csv, as cases leave it.
    out_dir : created if needed; files of an earlier analysis are replaced, others stay.
    settings : every choice; the defaults if None.
    progress : called with a step's name and the fraction done, 0..1.
    cancelled : asked often; true ends the run with `Cancelled` and nothing written.

    Raises
    ------
    InputError : the table itself cannot be used (see `read_cohort`), or nothing can be written to `out_dir`, or
        it holds a file of the user's that has the name of a result.
    """
    settings = Settings() if settings is None else settings
    csv_path, out_dir = as_path(csv_path, "The table of cases"), as_path(out_dir, "The output folder")

    def tell(step: str, fraction: float) -> None:
        if cancelled is not None and cancelled():
            raise Cancelled("The analysis was cancelled.", "No result was written.")
        if progress is not None:
            progress(step, fraction)

    tell("Reading and checking the table", 0.0)
    _check_output(out_dir)
    started = time.perf_counter()
    result = analyse(read_cohort(csv_path, settings), settings, tell)
    result.provenance = _provenance(csv_path, settings)
    write(result, out_dir, tell, started)
    tell("Done", 1.0)
    return result


def _check_output(out_dir: Path) -> None:
    """Refuse before a long analysis what could not be written after it; nothing is created yet."""
    from .report.methods_file import METHODS_NAMES

    place = next(folder for folder in (out_dir.absolute(), *out_dir.absolute().parents) if folder.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"Nothing can be written to {out_dir}.", "Give a folder that you may write to.")
    check_own(out_dir, _LAST, [*METHODS_NAMES, *(f"{table}.tsv" for table in MEANINGS)])


def analyse(cohort: Cohort, settings: Settings, tell: Progress) -> AnalysisResult:
    """Run the analyses chosen in `settings` on a checked cohort; nothing is written."""
    for name in dict.fromkeys([*settings.covariates, *settings.group_covariates]):
        if name not in cohort.data.columns:
            raise InputError(f"The covariate '{name}' is not a column of {cohort.source}.", "Choose another covariate.")
        values = cohort.data[name].dropna()
        if not pd.api.types.is_numeric_dtype(values) and values.nunique() > max(2, len(values) / 3):
            raise InputError(
                f"The covariate '{name}' has {values.nunique()} different texts in {len(values)} cases.",
                "Choose a column of numbers or of few groups.",
            )
    result = AnalysisResult(cohort, settings)
    begin = 0.02
    for family, step in STEPS.items():
        if _wanted(family, settings):
            start = time.perf_counter()

            def inner(fraction: float, family: str = family, begin: float = begin) -> None:
                tell(TITLES[family], begin + _SHARES[family] * fraction)

            inner(0.0)
            try:
                step(result, inner)
            except Cancelled:
                raise
            except RegionalBrainAgeError as error:
                result.skipped[TITLES[family]] = str(error)
            except Exception as error:  # one analysis must not take the others with it; the report names the fault
                result.skipped[TITLES[family]] = f"An unexpected fault stopped it ({type(error).__name__}: {error})."
            result.seconds[family] = time.perf_counter() - start
        begin += _SHARES[family]
    _rank_predictors(result)
    return result


def _wanted(step: str, settings: Settings) -> bool:
    """Whether a step of `STEPS` is asked for: a family by its name, the others by what they need."""
    needs = {
        "formula": bool(settings.formula or settings.random),
        "sensitivity": "mixed" in settings.families,
        "participants": True,
    }
    return needs.get(step, step in settings.families)


def write(result: AnalysisResult, out_dir: Path, tell: Progress, started: float | None = None) -> None:
    """Write tables with sidecars, figures, the report and, last, analysis.json: all together, or nothing.

    Until everything is written beside them, the files of an earlier run stay; then those that this run lacks go.

    Parameters
    ----------
    started : when the analysis began (``time.perf_counter``).
    """
    from .report.checklists import strobe, tripod_ai
    from .report.figures import draw_all
    from .report.methods_file import write_methods
    from .report.page import write_report

    result.folder = out_dir
    tell("Drawing figures", 0.91)
    start = time.perf_counter()
    figures = draw_all(result, lambda fraction: tell("Drawing figures", 0.91 + 0.07 * fraction))
    result.seconds["figures"] = time.perf_counter() - start
    tell("Writing tables and report", 0.98)
    findings = [{"level": f.level, "finding": f.sentence} for f in result.cohort.findings]
    findings += [{"level": "warning", "finding": f"{name}: {why}"} for name, why in result.skipped.items()]
    result.tables["data_check"] = pd.DataFrame(findings, columns=["level", "finding"])
    result.tables["strobe"] = strobe(result)
    if result.classification is not None:
        result.tables["tripod_ai"] = tripod_ai(result)
    if len(result.cohort.left_out):
        result.tables["cases_left_out"] = result.cohort.left_out
    with staged_results(out_dir, last=_LAST) as staging:
        written = []
        for name, table in result.tables.items():
            written += write_result(staging, name, table)
        (staging / "figures").mkdir()
        for name, figure in figures.items():
            written.append(staging / "figures" / f"{name}.svg")
            write_atomically(written[-1], figure.svg)
        written.append(write_report(result, figures, staging / "report.html"))
        written += write_methods(result, staging)
        result.files += [out_dir / path.relative_to(staging) for path in written]
        if started is not None:
            result.seconds["total"] = time.perf_counter() - started
        summary = {**result.provenance, **result.as_dict()}
        write_atomically(staging / SUMMARY_NAME, json.dumps(summary, indent=2) + "\n")


def _rank_predictors(result: AnalysisResult) -> None:
    """Mark, among the group differences, the leading predictors of the best classifier."""
    table = result.tables.get("group_differences")
    if table is None:
        return
    ranks: dict[str, int] = {}
    if result.classification is not None:
        importance = result.classification.importance
        mine = importance[(importance["classifier"] == result.classification.best) & (importance["kind"] == "column")]
        mine = mine[mine["auc_drop"] > 0].sort_values("auc_drop", ascending=False, kind="stable")
        ranks = {name: i + 1 for i, name in enumerate(mine["block"])}
    rank = table["variable"].map(ranks).astype(float)
    result.tables["group_differences"] = table.assign(
        predictor_rank=rank, top_predictor=(rank <= result.settings.top_predictors).to_numpy(bool)
    )


def _provenance(csv_path: Path, settings: Settings) -> dict:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed as a package"
    return {
        "input": csv_path.name,
        "input_sha256": hashlib.sha256(csv_path.read_bytes()).hexdigest(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": settings.as_dict(),
        "python": platform.python_version(),
        "packages": versions,
    }
