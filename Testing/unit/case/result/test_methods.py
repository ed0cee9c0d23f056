"""The methods text says what was run and nothing else, and cites what it says."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from made_up_head import made_up_result
from RegionalBrainAgeLib.case.result.methods import methods_text, write_methods
from RegionalBrainAgeLib.case.result.result import CaseResult, StructureResult
from RegionalBrainAgeLib.files.references import REFERENCES, bibtex


def result(
    *,
    thickness_from: str = "T1",
    tract: str = "built-in",
    image: bool = True,
    lesion: bool = True,
    volumes: bool = True,
) -> CaseResult:
    made = made_up_result()
    provenance = {
        "software": {"regional-brain-age": "1.2.3", "build": "abcdef012345"},
        "parameters": {"thickness_from": thickness_from, "tract": tract},
        "registration_similarity": 0.9 if image else None,
    }
    volume_ml = made.lesion.volume_ml if lesion else 0.0
    structures = (StructureResult("Left-Thalamus", "L", 7000.0 if volumes else math.nan, 0.0),)
    return replace(made, provenance=provenance, lesion=replace(made.lesion, volume_ml=volume_ml), structures=structures)


def test_the_text_names_version_build_and_model():
    text = methods_text(result())
    assert "1.2.3 (build abcdef012345)" in text
    assert result().model["name"] in text


@pytest.mark.parametrize(
    ("options", "said", "not_said"),
    [
        (
            {},
            ("N4", "Coupé 2008", "Oishi 2009", "Nachev 2008", "Dahnke 2013", "Çiçek 2016", "leaving out the lesion"),
            ("FreeSurfer or", "the same folder", "distance between"),
        ),
        ({"volumes": False}, ("Dahnke 2013",), ("Volumes", "Çiçek 2016")),
        ({"lesion": False}, ("N4",), ("Nachev 2008", "Zhu 2010", "Oishi 2009", "leaving out the lesion")),
        ({"tract": "own"}, ("Zhu 2010", "given by the user"), ("Oishi 2009",)),
        (
            {"thickness_from": "FreeSurfer", "image": False},
            ("Fischl 2012", "Volumes of structures and of grey matter were taken from the same folder"),
            ("N4", "Coupé 2008", "deepbet", "Dahnke 2013", "Çiçek 2016"),
        ),
    ],
)
def test_only_what_was_run_is_said(options, said, not_said):
    text = methods_text(result(**options))
    assert all(words in text for words in said)
    assert not any(words in text for words in not_said)


def test_every_citation_is_in_the_list_and_the_other_way_round(tmp_path):
    write_methods(result(), tmp_path)
    text = next(tmp_path.glob("*_methods.md")).read_text(encoding="utf-8")
    body, listed = text.split("# References")
    cited = {(name, year) for name, year in re.findall(r"\b([A-ZÉÇ][\w-]+) (20\d\d|19\d\d)\b", body)}
    in_list = {
        (line[2:].split(",")[0].split()[-1], re.search(r", (\d{4})\.", line).group(1))
        for line in listed.strip().splitlines()
    }
    assert cited == in_list
    assert next(tmp_path.glob("*_references.bib")).read_text(encoding="utf-8").count("@article{") == len(in_list)


@pytest.mark.parametrize("charts", [True, False])
def test_charts_are_named_only_for_a_model_whose_norms_rest_on_them(charts):
    made = result()
    text = methods_text(replace(made, model={**made.model, "charts": charts}))
    assert ("Rutherford 2022" in text) == charts


@pytest.mark.parametrize("key", REFERENCES)
def test_every_reference_is_a_whole_entry(key):
    entry = bibtex([key])
    assert entry.startswith(f"@article{{{key},")
    assert entry.count("{") == entry.count("}")
    assert str(REFERENCES[key].year) in key
    assert " and others and " not in entry, "BibTeX wants 'others' last"
