"""The module from Slicer's Python console and from scripts."""

from __future__ import annotations

import re
from pathlib import Path

import slicer
from RegionalBrainAgeLib.case.result.tables import networks_of
from RegionalBrainAgeLib.errors import CaseError

from .scene import case_nodes
from .scene.case_folder import CaseFolder, read_case_folder
from .scene.case_scene import open_case, show_overlay
from .scene.case_table import case_in_scene
from .scene.slice_views import LAYOUT_ID, fit_views, show_case_in_views
from .work.background_run import LIBRARY_PROCESS, python_slicer
from .work.chunked_work import at_once
from .work.command_line import NOT_GIVEN, command_line, head_file, lesion_file

# Exit code of a batch whose other cases are done.
SOME_FAILED = 3


class ConsoleMixin:
    """Calls for scripts. They wait until the work is done; the panel does the same work in the background."""

    def processCase(
        self,
        t1=None,
        age_years: float | None = None,
        sex: str = NOT_GIVEN,
        out_dir: str | Path = ".",
        *,
        lesion=None,
        freesurfer: str | Path | None = None,
        case_id: str | None = None,
        site: str | None = None,
        days_post_stroke: float | None = None,
        motor: float | None = None,
        calibration: str | Path | None = None,
        model: str | Path | None = None,
        overwrite: bool = False,
        show: bool = True,
    ) -> CaseFolder:
        """Estimate one case and return what it left, `CaseFolder`; with `show`, open it in the scene.

        Parameters
        ----------
        t1 : path of a head, or a volume node.
        lesion : path of a mask, or a segmentation node; None for a head without a lesion.

        Raises
        ------
        CaseError : with the library's own sentence.

        Example
        -------
        >>> logic = slicer.util.getModuleLogic("RegionalBrainAge")                                 # doctest: +SKIP
        >>> case = logic.processCase("head.nii.gz", 63, "F", "results", lesion="lesion.nii.gz")    # doctest: +SKIP
        >>> [(row.region, row.pad_corrected_years) for row in case.rows]                           # doctest: +SKIP
        """
        out_dir = Path(out_dir)
        name = f"sub-{case_id}" if case_id else "sub-case"
        volume = None if t1 is None or isinstance(t1, str | Path) else t1
        if lesion is not None and not isinstance(lesion, str | Path):
            lesion = lesion_file(lesion, volume, out_dir / "inputs", name)
        if volume is not None:
            t1 = head_file(volume, out_dir / "inputs", name)
        given = {
            "t1": t1, "lesion": lesion, "freesurfer": freesurfer, "age": age_years,
            "sex": None if sex == NOT_GIVEN else sex, "id": case_id, "site": site, "days": days_post_stroke,
            "motor": motor, "calibration": calibration, "model": model, "out": out_dir,
        }  # fmt: skip
        fields = {key: None if value is None else str(value) for key, value in given.items()}
        before = _finished(out_dir)
        run_library(["case", *command_line(fields), "--keep-paths", *(["--overwrite"] if overwrite else [])])
        folder = out_dir / name if case_id else _newest(out_dir, before)
        return self.openCase(folder, t1_volume=volume) if show else read_case_folder(folder)

    def processDemo(self, out_dir: str | Path, show: bool = True) -> CaseFolder:
        """Estimate the demonstration head (Colin27 with a simulated lesion) and show it."""
        before = _finished(Path(out_dir))
        run_library(["demo", "--out", str(out_dir)])
        folder = _newest(Path(out_dir), before)
        return self.openCase(folder) if show else read_case_folder(folder)

    def processCohort(self, cases: str | Path, out_dir: str | Path, **options: str) -> Path:
        """Process many cases, or analyse those that are; returns the output folder.

        `cases` is a CSV with one row per case or a BIDS dataset, which go through ``regional-brain-age batch`` (a case
        that fails stops no other: see failed_cases.csv), or a processed_cases.csv, which goes through ``cohort``.
        `options` are those of the command without the dashes, for example ``workers=2`` or ``network="fpn"``.

        Example
        -------
        >>> logic.processCohort("patients.csv", "results", workers=2)                              # doctest: +SKIP
        >>> logic.processCohort("results/processed_cases.csv", "analysis")                         # doctest: +SKIP
        """
        flags = [f"--{key.replace('_', '-')}" for key, value in options.items() if value is True]
        given = {key.replace("_", "-"): str(value) for key, value in options.items() if not isinstance(value, bool)}
        extra = [*flags, *command_line(given)]
        source = ["--bids", str(cases)] if Path(cases).is_dir() else [str(cases)]
        command = "batch" if Path(cases).is_dir() or _is_list_of_cases(Path(cases)) else "cohort"
        run_library([command, *source, "--out", str(out_dir), *extra])
        return Path(out_dir)

    def openCase(self, folder: str | Path, overlay: str = "reading", t1_volume=None) -> CaseFolder:
        """Show the folder of a finished case: overlay, legend, 3D regions, table and plot."""
        case = read_case_folder(folder)
        at_once(open_case(case, t1_volume))
        if case_nodes.find(case.case_id, "regions") is not None:
            at_once(show_overlay(case.case_id, overlay))
        show_case_in_views(case.case_id, 0.8, LAYOUT_ID)
        fit_views(case.case_id)
        return case_in_scene(case.case_id)


def run_library(arguments: list[str]) -> list[str]:
    """Run a command of the library in PythonSlicer and wait; progress goes to the console. Returns its lines.

    Raises
    ------
    CaseError : the command failed; the message is its own.
    """
    from subprocess import CalledProcessError

    lines: list[str] = []
    process = slicer.util.launchConsoleProcess(
        [python_slicer(), str(LIBRARY_PROCESS), *arguments],
        updateEnvironment={"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"},
    )
    try:
        slicer.util.logProcessOutput(process, logCallback=lines.append)
    except CalledProcessError as error:
        if arguments[0] == "batch" and error.returncode == SOME_FAILED:
            return lines
        said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        raise CaseError(said[-1] if said else "\n".join(lines[-20:])) from error
    return lines


def _is_list_of_cases(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        return not networks_of(re.split("[,;\t]", stream.readline().strip()))


def _finished(out_dir: Path) -> dict[Path, float]:
    return {path: path.stat().st_mtime for path in out_dir.glob("sub-*/sub-*_regions.tsv")}


def _newest(out_dir: Path, before: dict[Path, float]) -> Path:
    new = [path for path, time in _finished(out_dir).items() if before.get(path) != time]
    return max(new, key=lambda path: path.stat().st_mtime).parent
