"""The house rules of the source tree, checked on the code itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "RegionalBrainAge" / "RegionalBrainAgeLib"
COHORT = ROOT / "RegionalBrainAgeCohort" / "RegionalBrainAgeCohortLib"
HOST_MODULES = {"slicer", "qt", "ctk", "vtk", "PySide6"}
# Each room may import from itself and from the rooms before it.
ROOMS = ["imaging", "anatomy", "age", "case", "batch", "__main__"]
FREE = {"errors", "resources", "__init__"}


def imported_modules(path: Path, package_root: Path) -> list[str]:
    """Absolute dotted names of everything a file imports, relative imports resolved."""
    package = [package_root.name, *path.relative_to(package_root).parts[:-1]]
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names += [f"{stem}.{alias.name}" for alias in node.names]
    return names


def room_of(path: Path) -> str:
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(LIBRARY.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    room = room_of(path)
    for name in imported_modules(path, LIBRARY):
        parts = name.split(".")
        if parts[0] != LIBRARY.name or len(parts) < 2 or parts[1] in FREE or parts[1] not in ROOMS:
            continue
        assert room not in FREE, f"{path.name} is used by every room and may import none, but imports {name}"
        assert ROOMS.index(parts[1]) <= ROOMS.index(room), f"{room} must not import {name}"


@pytest.mark.parametrize(
    "path", sorted([*LIBRARY.rglob("*.py"), *COHORT.rglob("*.py")]), ids=lambda p: str(p.relative_to(ROOT))
)
def test_the_libraries_never_import_the_host(path):
    root = LIBRARY if LIBRARY in path.parents else COHORT
    hosts = {name.split(".")[0] for name in imported_modules(path, root)} & HOST_MODULES
    assert not hosts, f"{path} imports {hosts}"


@pytest.mark.parametrize("path", sorted(COHORT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_cohort_library_uses_only_the_case_table(path):
    foreign = [n for n in imported_modules(path, COHORT) if n.startswith(LIBRARY.name)]
    allowed = tuple(f"{LIBRARY.name}.{part}" for part in ("case.table", "errors", "resources"))
    assert all(n.startswith(allowed) for n in foreign), f"{path} imports {foreign}"
