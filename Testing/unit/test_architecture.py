"""The rules of the source tree, checked on the code itself: one direction, no circle, no host in a library."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
import tomllib
from functools import lru_cache
from pathlib import Path

import pytest
from shared_folder import ROOT

LIBRARY, COHORT, PROGRAM = "RegionalBrainAgeLib", "RegionalBrainAgeCohortLib", "regional_brain_age"
PANEL, COHORT_PANEL = "RegionalBrainAgeSlicer", "RegionalBrainAgeCohortSlicer"
FOLDERS = {
    LIBRARY: ROOT / "RegionalBrainAge",
    PROGRAM: ROOT / "RegionalBrainAge",
    PANEL: ROOT / "RegionalBrainAge",
    COHORT: ROOT / "RegionalBrainAgeCohort",
    COHORT_PANEL: ROOT / "RegionalBrainAgeCohort",
}
MODULE_FILES = ("RegionalBrainAge", "RegionalBrainAgeCohort")
HOST_MODULES = {"slicer", "qt", "ctk", "vtk", "PySide6"}
# Each package of the library may import from itself and from those before it; two on one line may not see each other.
ORDER = [
    {"errors"},
    {"threads", "resources", "progress", "build"},
    {"geometry"},
    {"files"},
    {"anatomy"},
    {"figures"},
    {"head"},
    {"cortex", "structures"},
    {"lesion"},
    {"age"},
    {"case"},
    {"batch"},
]
RANK = {package: rank for rank, packages in enumerate(ORDER) for package in packages}
# What the cohort library may use of the other library: the case table's names, the file helpers, and the figures'
# colours and brain surfaces, so that a colour means the same in a patient's and in a group's report.
COHORT_MAY_USE = ("errors", "resources", "progress", "files", "figures", "case.result.tables", "__version__")


@lru_cache
def modules() -> dict[str, Path]:
    """Dotted name -> file of every module that is shipped."""
    found = {}
    for top, base in FOLDERS.items():
        for path in sorted((base / top).rglob("*.py")):
            found[".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")] = path
    return found | {name: ROOT / name / f"{name}.py" for name in MODULE_FILES}


@lru_cache
def names_used(module: str) -> frozenset[str]:
    """Absolute dotted names a module imports (anywhere in it, also for type checking) or names in a string."""
    path = modules()[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{stem}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            names |= {node.value} & set(modules())
    return frozenset(names)


def module_of(name: str) -> str | None:
    """The shipped module a dotted name lies in; None for other packages."""
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name or None


@lru_cache
def graph() -> dict[str, set[str]]:
    """Module -> shipped modules it needs. A package's empty ``__init__`` needs nothing and makes no circle."""
    found = {}
    for module in modules():
        needs = {module_of(name) for name in names_used(module)} - {None, module}
        found[module] = {need for need in needs if not module.startswith(need + ".")}
    return found


def packages(edges: dict[str, set[str]], depth: int) -> dict[str, set[str]]:
    """The same graph between packages, named by their first `depth` parts."""
    found: dict[str, set[str]] = {}
    for module, needs in edges.items():
        own = ".".join(module.split(".")[:depth])
        found.setdefault(own, set()).update({".".join(n.split(".")[:depth]) for n in needs} - {own})
    return found


def test_there_is_no_circle_between_modules():
    list(graphlib.TopologicalSorter(graph()).static_order())


@pytest.mark.parametrize("depth", [1, 2])
def test_there_is_no_circle_between_packages(depth):
    list(graphlib.TopologicalSorter(packages(graph(), depth)).static_order())


def test_a_circle_through_a_string_would_be_seen():
    assert (
        "RegionalBrainAgeLib.batch.run.case_worker"
        in graph()["RegionalBrainAgeLib.batch.run.case_process"] | graph()["RegionalBrainAgeLib.batch.run.batch"]
    ), "the worker is started by its name in a string"
    with pytest.raises(graphlib.CycleError):
        list(graphlib.TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())


def test_programs_are_entered_through_the_command_line_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    targets = [target.split(":")[0] for target in project["scripts"].values()]
    assert targets
    assert all(target in modules() and target.startswith(PROGRAM) for target in targets)
    for group in project.get("entry-points", {}).values():
        assert all(target.split(":")[0] in modules() for target in group.values())


@pytest.mark.parametrize("module", [m for m in modules() if m.startswith(f"{LIBRARY}.")])
def test_imports_of_the_library_point_one_way(module):
    own = module.split(".")[1]
    for need in graph()[module]:
        parts = need.split(".")
        assert parts[0] == LIBRARY, f"the library must not import {need}"
        if len(parts) > 1 and parts[1] != own:
            assert RANK[parts[1]] < RANK[own], f"{own} must not import {need}"


@pytest.mark.parametrize("module", [m for m in modules() if m.split(".")[0] in (LIBRARY, COHORT, PROGRAM)])
def test_the_libraries_never_import_the_host(module):
    hosts = {name.split(".")[0] for name in names_used(module)} & HOST_MODULES
    assert not hosts, f"{module} imports {hosts}"


@pytest.mark.parametrize("module", [m for m in modules() if m.split(".")[0] == COHORT])
def test_the_cohort_library_uses_only_the_case_table_and_the_file_helpers(module):
    foreign = [name for name in names_used(module) if name.startswith(f"{LIBRARY}.")]
    allowed = tuple(f"{LIBRARY}.{part}" for part in COHORT_MAY_USE)
    assert all(name.startswith(allowed) for name in foreign), f"{module} imports {foreign}"


def test_no_file_is_too_long_to_read_at_once():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()}
    assert {name: lines for name, lines in lengths.items() if lines >= 400} == {}


def test_every_package_says_what_it_holds():
    for module, path in modules().items():
        if path.name == "__init__.py":
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{module} has no first line"


def test_the_architecture_page_is_drawn_from_the_code():
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "draw_architecture.py", "--check"], check=False, capture_output=True
    )
    assert done.returncode == 0, "run: python docs/draw_architecture.py"
