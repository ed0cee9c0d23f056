"""A case refuses impossible facts with a sentence that says what to give instead."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from RegionalBrainAgeLib.case.case import Case, case_from_text, id_from_path
from RegionalBrainAgeLib.case.result import tables as table
from RegionalBrainAgeLib.case.result.result import CaseResult, GlobalAgeResult, LesionResult, ParcelResult, RegionResult
from RegionalBrainAgeLib.errors import InputError

NAN = float("nan")


@pytest.fixture
def words(tmp_path):
    t1 = tmp_path / "sub-07_T1w.nii.gz"
    t1.touch()
    return {"t1": str(t1), "age": "63", "sex": "F"}


def test_words_become_a_case(words):
    case = case_from_text(words | {"motor": "0.4", "days_post_stroke": "400", "site": "A", "lesion": "n/a"})
    assert (case.case_id, case.age_years, case.sex, case.motor, case.lesion) == ("07", 63.0, "F", 0.4, None)
    assert case.name == "sub-07"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("age", "-3", "in years"),
        ("age", "sixty", "not a number"),
        ("age", "63,5", "point"),
        ("age", "22000", "in years"),
        ("age", "inf", "in years"),
        ("age", "", "age is missing"),
        ("sex", "x", "F or M"),
        ("sex", "", "sex is missing"),
        ("case_id", "../../etc", "letters, digits"),
        ("case_id", "a/b", "letters, digits"),
        ("case_id", "-rf", "letters, digits"),
        ("case_id", "a" * 65, "letters, digits"),
        ("case_id", "a\nb", "letters, digits"),
        ("motor", "45", "by 66"),
        ("motor", "-0.1", "by 66"),
        ("days_post_stroke", "-1", "0 or more"),
        ("days_post_stroke", "long", "number of days"),
        ("lesion", "absent.nii.gz", "absent.nii.gz"),
        ("t1", "absent.nii.gz", "absent.nii.gz"),
        ("t1", "", "T1-weighted image"),
    ],
)
def test_impossible_facts_are_refused_with_a_remedy(words, field, value, said):
    with pytest.raises(InputError, match=said) as refused:
        case_from_text(words | {field: value})
    assert refused.value.remedy


def test_an_own_tract_needs_both_sides(words, tmp_path):
    tract = tmp_path / "tract.nii.gz"
    tract.touch()
    with pytest.raises(InputError, match="no right one"):
        case_from_text(words | {"tract_left": str(tract)})
    case = case_from_text(words | {"tract_left": str(tract), "tract_right": str(tract)})
    assert (case.tract_left, case.tract_right) == (tract, tract)


@pytest.mark.parametrize(
    ("name", "case_id"),
    [
        ("sub-0001_T1w.mgz", "0001"),
        ("chris_T1w.nii.gz", "chris"),
        ("Müller, Anna (1951).nii", "M-ller-Anna-1951"),
        ("....nii.gz", "case"),
        ("head.nrrd", "head"),
    ],
)
def test_an_id_made_from_a_file_name_is_always_valid(name, case_id):
    assert id_from_path(name) == case_id
    Case(case_id, "t1", 50.0, "F")


def test_the_id_of_a_linked_file_is_that_of_the_link(tmp_path):
    (tmp_path / "MD5E-s123--abcd.nii.gz").touch()
    link = tmp_path / "sub-01_T1w.nii.gz"
    link.symlink_to(tmp_path / "MD5E-s123--abcd.nii.gz")
    assert id_from_path(link) == "01"


def test_facts_from_python_may_be_of_any_type_that_means_them():
    case = Case(7, "t1.nii", "63", "F", motor="0.5", simulated="lesion")
    assert (case.case_id, case.t1, case.age_years, case.motor) == ("7", Path("t1.nii"), 63.0, 0.5)
    assert case.simulated == ("lesion",)
    for age in (None, "old"):
        with pytest.raises(InputError, match="age_years"):
            Case("7", "t1.nii", age, "F")


def region(network: str, hemisphere: str, pad: float, load: float) -> RegionResult:
    return RegionResult(
        f"{network}_{hemisphere}", network, hemisphere, "", 60 + pad, pad, pad, pad - 9, pad + 9, 50.0, True, "",
        load, 10 * load, 10.0, 2.5 - pad / 100, 8, load,
    )  # fmt: skip


def result(side: str) -> CaseResult:
    return CaseResult(
        case=Case("07", "t1", 60.0, "F"),
        regions=(region("SMN", "L", 5.0, 0.5), region("SMN", "R", -1.0, 0.0)),
        parcels=(ParcelResult("lh_G_precentral", "L", NAN, 0.9, 0),),
        lesion=LesionResult(12.0, side, 0.4, 0.0, 0.6, 0.0),
        scheme="nine-networks",
        qc="pass",
        warnings=(),
        calibration="none",
        model={"name": "m", "version": "1", "sha256": "0"},
        seconds={"read": 1.0},
    )


def test_ipsilesional_is_the_side_of_the_lesion():
    left, right = result("L").processed_row("0"), result("R").processed_row("0")
    assert (left["pad_ipsi_smn"], left["pad_contra_smn"], left["load_ipsi_smn"]) == (5.0, -1.0, 0.5)
    assert (right["pad_ipsi_smn"], right["pad_contra_smn"], right["load_contra_smn"]) == (-1.0, 5.0, 0.5)
    assert (left["load_cst"], left["load_cst_weighted"], right["load_cst"]) == (0.4, 0.6, 0.0)
    assert (left["thickness_ipsi_smn"], right["thickness_ipsi_smn"]) == (2.45, 2.51)
    assert list(left) == table.processed_columns(["smn"])


def test_the_age_of_the_whole_brain_stands_in_the_row():
    whole = GlobalAgeResult(61.0, 4.0, 3.5, -6.0, 13.0, 70.0, True, "", 60.0, "right hemisphere")
    assert dataclasses.replace(result("L"), global_age=whole).processed_row("0")["pad_global"] == 3.5
    assert result("L").processed_row("0")["pad_global"] is None


@pytest.mark.parametrize("side", ["bilateral", "none"])
def test_without_one_side_only_left_and_right_are_filled(side):
    row = result(side).processed_row("0")
    assert row["pad_ipsi_smn"] is None
    assert row["pad_contra_smn"] is None
    assert row["thickness_ipsi_smn"] is None
    assert (row["pad_left_smn"], row["pad_right_smn"]) == (5.0, -1.0)


def test_rows_have_the_columns_of_their_tables():
    assert [f.name for f in dataclasses.fields(RegionResult)] == list(table.REGION_COLUMNS)
    assert [f.name for f in dataclasses.fields(ParcelResult)] == list(table.PARCEL_COLUMNS)


def test_a_result_is_plain_json_without_nan():
    text = json.dumps(result("L").as_dict(), allow_nan=False)
    assert json.loads(text)["parcels"][0]["thickness_mm"] is None
