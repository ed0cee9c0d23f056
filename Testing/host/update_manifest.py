"""Keeps the lists of shipped files in the CMakeLists.txt files: ``python Testing/host/update_manifest.py``.

Slicer installs only files that are listed. Run this after adding or removing a file; a test fails otherwise.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# CMake file -> list name -> (is this file of the list?)
MANIFESTS = {
    "RegionalBrainAge/CMakeLists.txt": ("MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES"),
    "RegionalBrainAgeCohort/CMakeLists.txt": ("MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES"),
    "Resources/CMakeLists.txt": ("SHARED_RESOURCES",),
}
_NOT_SHIPPED = ("__pycache__", "CMakeLists.txt", ".pyc")


def listed(cmake_file: str, name: str) -> list[str]:
    """Files in the list `name` of a CMake file."""
    text = (ROOT / cmake_file).read_text(encoding="utf-8")
    body = re.search(rf"set\({name}\n(.*?)\n?  \)", text, re.DOTALL).group(1)
    module = re.search(r"set\(MODULE_NAME (\w+)\)", text)
    if module:
        body = body.replace("${MODULE_NAME}", module.group(1))
    return [line.strip().strip('"') for line in body.splitlines() if line.strip()]


def on_disk(cmake_file: str, name: str) -> list[str]:
    """Files beside a CMake file that belong into the list `name`."""
    folder = (ROOT / cmake_file).parent
    files = [p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*")) if p.is_file()]
    files = [f for f in files if not any(word in f for word in _NOT_SHIPPED)]
    files = [f for f in files if not any(part.startswith(".") for part in Path(f).parts)]
    if name == "SHARED_RESOURCES":
        return [f for f in files if f.startswith(("Schemes/", "Models/", "SampleData/"))]
    return [f for f in files if f.endswith(".py") == (name == "MODULE_PYTHON_SCRIPTS")]


def update() -> None:
    """Rewrite every list from the files on disk."""
    for cmake_file, names in MANIFESTS.items():
        path = ROOT / cmake_file
        text = path.read_text(encoding="utf-8")
        for name in names:
            lines = "".join(f"  {file}\n" for file in on_disk(cmake_file, name))
            text = re.sub(
                rf"set\({name}\n.*?  \)", lambda _, n=name, x=lines: f"set({n}\n{x}  )", text, flags=re.DOTALL
            )
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    update()
