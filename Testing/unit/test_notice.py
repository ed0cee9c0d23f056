"""NOTICE and requirements.lock name every package that an installation brings."""

from __future__ import annotations

import importlib.util
import tomllib

import pytest
from packaging.requirements import Requirement
from shared_folder import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKED = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").split())


@pytest.fixture
def writer():
    spec = importlib.util.spec_from_file_location("write_notice", ROOT / "docs" / "write_notice.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("text", [*PROJECT["dependencies"], *EXTRAS["cluster"], *EXTRAS["dicom"]])
def test_the_lock_holds_a_version_that_the_project_accepts(text):
    wanted = Requirement(text)
    assert LOCKED[wanted.name.lower()] in wanted.specifier


def test_notice_and_lock_name_the_same_packages():
    lines = (ROOT / "NOTICE").read_text(encoding="utf-8").split("metadata.\n\n")[1].splitlines()
    assert {line.split()[0]: line.split()[1] for line in lines} == LOCKED
    assert all(len(line.split()) > 2 for line in lines)  # each with its licence


def test_a_lock_can_be_installed_from_any_index():
    assert not any("+" in version for version in LOCKED.values())


def test_a_package_that_is_not_installed_is_not_passed_over(writer):
    with pytest.raises(SystemExit, match="no-such-package is not installed"):
        writer.installed_with([Requirement("no_such.package>=1")])


def test_what_a_package_requires_is_found_also_for_an_extra(writer):
    assert {"pandas", "numpy", "python-dateutil"} <= set(writer.installed_with([Requirement("pandas")]))
    found = writer.installed_with([Requirement("weasyprint")])  # asks for fonttools[woff]
    assert "zopfli" in found
    assert "zopfli" not in writer.installed_with([Requirement("fonttools")])
