"""Docstrings and comments name modules of this project, in backquotes, that are there, and what is in them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from shared_folder import ROOT

FOLDERS = ("RegionalBrainAge", "RegionalBrainAgeCohort")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
REFERENCE = re.compile(r"(?<!`)`([a-z_]\w*(?:\.\w+)+)`(?!`)")
FILE_ENDINGS = ("py", "json", "tsv", "csv", "html", "md", "npy", "safetensors")


def names_in(path: Path) -> set[str]:
    """Names a module defines or imports, and the attributes and methods of its classes."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
    return names


MODULES = {path.with_suffix("").parts: names_in(path) for path in SOURCES}
PACKAGES = {parts[:-1] for parts in MODULES}


def is_there(reference: str) -> bool:
    """Whether words like norms.reading.Reading end the path of a module, followed by nothing or by names in it."""
    words = tuple(reference.split("."))
    for count in range(len(words), 0, -1):
        first, rest = words[:count], words[count:]
        if not rest and any(parts[-count:] == first for parts in PACKAGES):
            return True
        if any(parts[-count:] == first and set(rest) <= names for parts, names in MODULES.items()):
            return True
    return False


def references(path: Path) -> list[str]:
    """What the docstrings and comments of a file name."""
    source = path.read_text(encoding="utf-8")
    texts = [line.partition("#")[2] for line in source.splitlines() if "#" in line]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            texts.append(ast.get_docstring(node) or "")
    found = [match for text in texts for match in REFERENCE.findall(text)]
    arguments = {node.arg for node in ast.walk(ast.parse(source)) if isinstance(node, ast.arg)}
    of_modules = [name for name in found if name.partition(".")[0] not in arguments]
    return [name for name in of_modules if name.rpartition(".")[2] not in FILE_ENDINGS]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_modules_that_a_docstring_names_are_there(path):
    assert not {name for name in references(path) if not is_there(name)}


@pytest.mark.parametrize("name", ["case.table.processed_columns", "runner.run_local", "tables.NO_SUCH_COLUMNS"])
def test_a_module_or_a_name_that_has_moved_is_not_there(name):
    assert not is_there(name)
