"""Whatever a parser throws on a damaged file ends as the software's own error: all are called within `parsing`."""

from __future__ import annotations

import argparse
import ast
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from regional_brain_age.common_options import words_from_config
from RegionalBrainAgeCohortLib.data.scheme import read_scheme
from RegionalBrainAgeLib.batch.controls import read_controls
from RegionalBrainAgeLib.batch.lists.bids import read_filters
from RegionalBrainAgeLib.batch.review.quality_page import write_quality_page
from RegionalBrainAgeLib.batch.review.thumbnails import REPORT_PICTURES, shrunk
from RegionalBrainAgeLib.case.result.tables import append_case, processed_columns
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.head.registration import Registration, _files
from RegionalBrainAgeLib.structures.model import load_model
from RegionalBrainAgeLib.structures.training.examples import _rows as read_rows
from shared_folder import DAMAGED, ROOT

PARSERS = {
    "nib.load", "nib.freesurfer.read_geometry", "nib.freesurfer.read_morph_data", "nib.freesurfer.read_annot",
    "np.load", "pd.read_csv", "json.load", "json.loads", "tomllib.load", "tomllib.loads", "yaml.safe_load",
    "sitk.ReadImage", "sitk.ReadTransform", "sitk.ImageFileReader", "pydicom.dcmread", "Picture.open", "load_arrays",
    "csv.reader", "csv.DictReader",
}  # fmt: skip
# Places that call a parser without the wrapper around it, and why they may.
LIBRARY = "RegionalBrainAgeLib"
WRAPPED_BY_CALLER, PACKAGE, OWN = "its only caller wraps it", "an installed package's file", "the software's own file"
ALLOWED = {
    f"{LIBRARY}/files/images.py:_read_nibabel": WRAPPED_BY_CALLER,
    f"{LIBRARY}/files/nrrd.py:read_nrrd": WRAPPED_BY_CALLER,
    f"{LIBRARY}/files/dicom.py:_frames": WRAPPED_BY_CALLER,
    f"{LIBRARY}/age/vertices/subjects.py:_vertex_values": WRAPPED_BY_CALLER,
    f"{LIBRARY}/files/tables.py:_split": "a line that cannot be split is refused there",
    f"{LIBRARY}/batch/run/case_records.py:last_beat": "a beat that cannot be read is none",
    f"{LIBRARY}/anatomy/atlases.py": PACKAGE,
    f"{LIBRARY}/anatomy/tract.py": PACKAGE,
    f"{LIBRARY}/age/vertices/mesh.py": PACKAGE,
    "RegionalBrainAgeCohortLib/report/brain_figure.py": PACKAGE,
    f"{LIBRARY}/resources.py": OWN,
    f"{LIBRARY}/batch/sessions/rescans.py": OWN,
    f"{LIBRARY}/batch/derivative.py:_with_sources": OWN,
    "RegionalBrainAgeSlicer/steps/review_step.py:_take_over": OWN,
    "RegionalBrainAgeCohortSlicer/coefficient_map.py:show_map": OWN,
}


def unwrapped(source: str) -> Iterator[tuple[str, str]]:
    """(function, parser) of every call to a parser outside a block ``with parsing(...)``."""

    def walk(node: ast.AST, function: str, wrapped: bool) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.FunctionDef):
            function = node.name
        if isinstance(node, ast.With):
            wrapped = wrapped or any("parsing(" in ast.unparse(item.context_expr)[:8] for item in node.items)
        if isinstance(node, ast.Call) and not wrapped and (called := ast.unparse(node.func)) in PARSERS:
            own = called.startswith("json") and "read" not in ast.unparse(node)  # through a pipe, or from the scene
            yield from () if own else [(function, called)]
        for child in ast.iter_child_nodes(node):
            yield from walk(child, function, wrapped)

    yield from walk(ast.parse(source), "", False)


def product_files() -> list[Path]:
    return [path for folder in ("RegionalBrainAge", "RegionalBrainAgeCohort") for path in (ROOT / folder).rglob("*.py")]


def test_the_check_sees_a_bare_parser_and_not_a_wrapped_one():
    assert list(unwrapped("def f(p):\n    return nib.load(p)")) == [("f", "nib.load")]
    assert list(unwrapped("def f(p):\n    with parsing('x'):\n        return nib.load(p)")) == []


def test_every_parser_of_a_file_is_called_within_the_wrapper():
    found = []
    for path in product_files():
        place = path.relative_to(ROOT).as_posix().split("/", 1)[1]
        for function, parser in unwrapped(path.read_text(encoding="utf-8")):
            if f"{place}:{function}" not in ALLOWED and place not in ALLOWED:
                found.append(f"{place}:{function} calls {parser}")
    assert found == []


# --- the readers that once caught a list of exceptions ----------------------------------------------------------------


def _options(path: Path) -> object:
    return words_from_config(["--config", str(path)], {"batch": argparse.ArgumentParser()}, "batch")


def _registration(path: Path) -> object:
    for file in _files(path.parent, "sub-a"):
        shutil.copy(path, file) if path.is_file() else os.mkfifo(file)
    return Registration.load(path.parent, "sub-a")


READERS = {
    "filter.json": read_filters,
    "options.toml": _options,
    "structures.json": lambda path: load_model.__wrapped__(path.parent),
    "sub-a/sub-a_case.json": lambda path: read_controls(path.parents[1]),
    "scheme.tsv": read_scheme,
    "registration": _registration,
    "picture.jpg": shrunk,
    "heads.tsv": read_rows,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("damage", [b"\xff\xfe\x00{", b"[" * 100_000, b"{", "pipe"])
def test_a_file_that_cannot_be_parsed_is_refused_by_name_and_a_pipe_is_not_waited_for(tmp_path, name, damage):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path) if damage == "pipe" else path.write_bytes(damage)
    with pytest.raises(InputError, match="sub-a" if name == "registration" else path.name):
        READERS[name](path)


def test_a_control_whose_age_is_no_number_is_refused(tmp_path):
    (tmp_path / "sub-a").mkdir()
    case = '{"case": {"case_id": "a", "freesurfer": null, "age_years": NaN, "sex": "F"}, "lesion": {"side": "none"}}'
    (tmp_path / "sub-a" / "sub-a_case.json").write_text(case, encoding="utf-8")
    with pytest.raises(InputError, match="NaN"):
        read_controls(tmp_path)


def test_a_damaged_picture_costs_itself_not_the_quality_page(tmp_path):
    figures = tmp_path / "sub-demo" / "figures"
    shutil.copytree(DAMAGED / "summary_without_regions", tmp_path / "sub-demo")
    figures.mkdir()
    for ending in REPORT_PICTURES.values():
        (figures / f"sub-demo_{ending}.jpg").write_bytes(b"no picture")
    row = dict.fromkeys(processed_columns(["smn"]), "1") | {"case_id": "demo", "qc": "pass", "lesion_side": "L"}
    append_case(tmp_path / "processed_cases.csv", row)
    page = write_quality_page(tmp_path).read_text(encoding="utf-8")
    assert "demo" in page
    assert "data:image" not in page
