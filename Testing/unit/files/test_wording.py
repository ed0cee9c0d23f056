"""Numbers in words: one way of writing them, everywhere."""

from __future__ import annotations

import doctest
import math
import re

import pytest
from RegionalBrainAgeLib.files import wording
from RegionalBrainAgeLib.files.wording import RESEARCH_USE, percent, plain, signed
from shared_folder import ROOT


def test_the_examples_are_right():
    assert doctest.testmod(wording).failed == 0


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_an_absent_number_is_a_dash(value):
    assert plain(value) == signed(value) == percent(value) == "–"


def test_zero_has_no_sign():
    assert plain(-0.0) == plain(-0.04) == signed(0.04) == signed(-0.04) == "0.0"


def test_the_research_use_sentence_is_written_once_in_the_libraries():
    folders = [ROOT / "RegionalBrainAge" / "RegionalBrainAgeLib", ROOT / "RegionalBrainAge" / "regional_brain_age"]
    folders.append(ROOT / "RegionalBrainAgeCohort" / "RegionalBrainAgeCohortLib")
    pattern = re.compile(re.escape(RESEARCH_USE))
    found = [
        path.name
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix in (".py", ".html") and pattern.search(path.read_text(encoding="utf-8"))
    ]
    assert found == ["wording.py"]
