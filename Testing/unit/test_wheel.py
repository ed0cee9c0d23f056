"""The wheel holds every package and every file that the program reads, and the console command."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from RegionalBrainAgeLib import build
from shared_folder import ROOT

SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
SOURCES = {
    "regional_brain_age": ROOT / "RegionalBrainAge",
    "RegionalBrainAgeLib": ROOT / "RegionalBrainAge",
    "RegionalBrainAgeCohortLib": ROOT / "RegionalBrainAgeCohort",
}


def test_every_package_is_listed():
    found = {
        ".".join(path.parent.relative_to(base).parts)
        for top, base in SOURCES.items()
        for path in (base / top).rglob("__init__.py")
    }
    assert set(SETUPTOOLS["packages"]) == found | {"RegionalBrainAgeLib.Resources"}


def test_every_file_that_is_no_code_is_taken_along():
    for top, base in SOURCES.items():
        patterns = [pattern.removeprefix("**/") for pattern in SETUPTOOLS["package-data"].get(top, [])]
        for path in (base / top).rglob("*"):
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                assert any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns), path


def test_every_scheme_and_model_is_taken_along():
    patterns = SETUPTOOLS["package-data"]["RegionalBrainAgeLib.Resources"]
    for folder in ("Schemes", "Models"):
        for path in (ROOT / "Resources" / folder).rglob("*"):
            inside = path.relative_to(ROOT / "Resources")
            if path.is_file() and path != Path(ROOT / "Resources/Models/README.md"):
                assert any(inside.match(pattern) for pattern in patterns), inside


def test_a_wheel_has_the_build_id_of_the_checkout(tmp_path):
    """The wheel's library has the folder Resources inside; a checkout has it beside."""
    installed = tmp_path / "RegionalBrainAgeLib"
    shutil.copytree(Path(build.__file__).parent, installed)
    (installed / "Resources").mkdir()
    (installed / "Resources" / "__init__.py").write_text('"""Files of the wheel."""\n')
    words = [sys.executable, "-c", "from RegionalBrainAgeLib.build import build_id; print(build_id())"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    told = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert told.strip() == build.build_id()
    (installed / "case" / "case.py").open("a").write("# other code\n")
    told = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert told.strip() != build.build_id()
