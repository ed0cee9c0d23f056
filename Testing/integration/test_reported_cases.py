"""Everyday inputs that once gave a wrong result or a fault, through the command line: the right value, or a refusal.

The numbers of the cases (A01 ...) are those of the folder's names in Testing/data/reports.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from regional_brain_age.__main__ import main
from RegionalBrainAgeLib.age.model.calibration import FORMAT
from RegionalBrainAgeLib.age.model.model_folder import FORMAT as MODEL_FORMAT
from RegionalBrainAgeLib.age.model.model_folder import write_description
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES, PARCELS_PER_HEMISPHERE
from RegionalBrainAgeLib.batch.lists.bids import read_dataset
from RegionalBrainAgeLib.batch.lists.case_list import read_case_list
from RegionalBrainAgeLib.batch.review.quality_page import write_quality_page
from RegionalBrainAgeLib.batch.run.case_records import Store
from RegionalBrainAgeLib.case.case import Case
from RegionalBrainAgeLib.case.result.tables import append_case, processed_columns
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.tables import read_table
from shared_folder import DAMAGED, REPORTS, ROOT


def refused(capsys, arguments: list, *words: str) -> None:
    """The command ends with 2, says these words and a remedy, and shows no traceback."""
    assert main([str(word) for word in arguments]) == 2
    said = capsys.readouterr().err
    for word in words:
        assert word in said
    assert "Traceback" not in said
    assert "unexpected fault" not in said


def case_of_subject(folder: Path, out: Path, age: str, *more: str) -> int:
    """Exit code of ``case`` for a man's FreeSurfer folder."""
    facts = ["--freesurfer", str(folder), "--age", age, "--sex", "M", "--id", "p"]
    return main(["case", *facts, "--out", str(out), *more])


def aparc_stats(folder: Path, side: str, hemi: str, thickness_mm=2.5, rows: int = 74, **changed: str) -> None:
    """A parcel table as FreeSurfer writes it; `changed` replaces the thickness of parcels, as text."""
    names = PARCEL_NAMES[:PARCELS_PER_HEMISPHERE] if side == "lh" else PARCEL_NAMES[PARCELS_PER_HEMISPHERE:]
    lines = ["# Table of FreeSurfer cortical parcellation anatomical statistics", f"# hemi {hemi}"]
    lines.append("# ColHeaders StructName NumVert SurfArea GrayVol ThickAvg ThickStd MeanCurv GausCurv FoldInd CurvInd")
    rng = np.random.default_rng(3)
    for name in names[:rows]:
        text = changed.get(name, f"{thickness_mm + rng.normal(0, 0.1):.3f}")
        structure = name.removeprefix(f"{side}_").replace("_and_", "&")
        lines.append(f"{structure} 1000 700 2000 {text} 0.5 0.1 0.02 10 1.0")
    (folder / "stats").mkdir(parents=True, exist_ok=True)
    (folder / "stats" / f"{side}.aparc.a2009s.stats").write_text("\n".join(lines) + "\n", encoding="utf-8")


# --- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a01_an_outcome_known_in_six_of_sixty_costs_its_rows_alone(tmp_path):
    assert (
        main(
            [
                "cohort",
                str(REPORTS / "A01_outcome_known_in_6_of_60.csv"),
                "--only",
                "mixed",
                "--out",
                str(tmp_path / "o"),
            ]
        )
        == 0
    )
    table = pd.read_csv(tmp_path / "o" / "mixed_models.tsv", sep="\t")
    assert (table["status"] == "ok").sum() > 0
    assert (table["status"] != "ok").sum() > 0
    assert (tmp_path / "o" / "report.html").exists()


def test_a02_a_quote_that_swallows_people_is_refused_with_its_line(capsys, tmp_path):
    refused(capsys, ["batch", REPORTS / "A02_unclosed_quote.csv", "--out", tmp_path / "o"], "Line 2", "double quote")
    assert not (tmp_path / "o" / "processed_cases.csv").exists()


def test_a03_classifiers_that_cannot_be_judged_are_skipped_in_a_sentence_and_the_rest_is_written(capsys, tmp_path):
    table = str(REPORTS / "A03_two_sites_one_severe_at_one.csv")
    assert main(["cohort", table, "--only", "classifiers", "--out", str(tmp_path / "o")]) == 0
    said = capsys.readouterr().err
    assert "Classifiers skipped. Held-out sites leave 1 case(s) of one class for training." in said
    assert "Traceback" not in said
    written = {path.name for path in (tmp_path / "o").iterdir()}
    assert {"report.html", "table_one.tsv", "flow.tsv", "methods.md"} <= written
    assert not any("classif" in name for name in written)
    page = (tmp_path / "o" / "report.html").read_text(encoding="utf-8")
    assert "Classifiers: not done. Held-out sites leave 1 case(s)" in page
    assert "mild cases.." not in page


def test_a04_a05_a06_what_would_be_a_guess_is_refused_with_its_place(capsys, tmp_path):
    table = ["--only", "mixed", "--out", tmp_path / "o"]
    refused(capsys, ["cohort", REPORTS / "A04_cohort_quote_60_rows.csv", *table], "Line 6", "double quote")
    refused(capsys, ["cohort", REPORTS / "A06_thousands_days.csv", *table], "Row 4", "days_post_stroke", "2,457")
    assert not (tmp_path / "o").exists()


def test_a05_people_marked_exclude_are_not_used(tmp_path):
    from RegionalBrainAgeCohortLib.data.cohort_table import read_cohort

    marked = [row["case_id"] for row in read_table(REPORTS / "A05_qc_exclude.csv") if row["qc"] == "exclude"]
    cohort = read_cohort(REPORTS / "A05_qc_exclude.csv")
    assert marked
    assert not set(marked) & set(cohort.data["case_id"])
    assert set(marked) <= set(cohort.left_out["case_id"])


@pytest.mark.parametrize("name", ["s01_list", "s02", "s03", "s04"])
def test_settings_of_the_wrong_kind_are_refused_by_name(capsys, tmp_path, name):
    (setting,) = json.loads((DAMAGED / f"{name}.json").read_text(encoding="utf-8"))
    table = REPORTS / "A05_qc_exclude.csv"
    refused(capsys, ["cohort", table, "--settings", DAMAGED / f"{name}.json", "--out", tmp_path / "o"], setting)


def test_a_table_cut_within_a_character_is_refused_with_its_line(capsys, tmp_path):
    refused(capsys, ["cohort", DAMAGED / "t01_utf16cut.csv", "--out", tmp_path / "o"], "Line 2", "cut off")


def test_a_path_too_long_costs_its_row(tmp_path):
    found = read_case_list(DAMAGED / "c01_longname.csv")
    assert [case.line for case in found.broken] == [2, 3]
    assert "too long" in found.broken[0].reason


@pytest.mark.slow
def test_network_names_that_look_like_formulas_are_drawn_as_they_are(tmp_path):
    table = str(DAMAGED / "cohort_network_mathtext.csv")
    assert main(["cohort", table, "--only", "mixed", "--out", str(tmp_path / "o")]) == 0
    assert "<script>alert" not in (tmp_path / "o" / "report.html").read_text(encoding="utf-8")


# --- people ----------------------------------------------------------------------------------------------------------


def test_a09_each_session_has_its_own_age():
    cases = {
        planned.case.case_id: planned.case.age_years
        for planned in read_dataset(REPORTS / "A09_bids_person_twice").cases
    }
    assert cases == {"01_ses-1": 60.0, "01_ses-2": 75.0}


def test_a14_a_person_has_one_name_and_one_row(tmp_path):
    assert Case("sub-07", Path("t1.nii"), 60.0, "F").case_id == Case("07", Path("t1.nii"), 60.0, "F").case_id == "07"
    row = dict.fromkeys(processed_columns(["smn"]), "1")
    append_case(tmp_path / "processed_cases.csv", row | {"case_id": "sub-07"})
    append_case(tmp_path / "processed_cases.csv", row | {"case_id": "07"})
    assert [found["case_id"] for found in read_table(tmp_path / "processed_cases.csv")] == ["07"]


def test_two_sessions_of_a_person_are_not_two_people(tmp_path):
    from RegionalBrainAgeCohortLib.data.cohort_table import read_cohort

    frame = pd.read_csv(REPORTS / "A05_qc_exclude.csv").assign(qc="pass")
    frame.loc[[0, 1], "case_id"] = ["P1_ses-1", "P1_ses-2"]
    frame.to_csv(tmp_path / "t.csv", index=False)
    cohort = read_cohort(tmp_path / "t.csv")
    assert "P1_ses-1" in set(cohort.data["case_id"])
    assert "P1_ses-2" in set(cohort.left_out["case_id"])
    frame.loc[[0, 1], "case_id"] = ["07", "sub-07"]
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match="more than once"):
        read_cohort(tmp_path / "t.csv")


# --- BIDS ------------------------------------------------------------------------------------------------------------


def test_a17_a_head_gets_its_own_mask_or_none():
    [planned] = read_dataset(REPORTS / "A17_bids_mask_of_run2").cases
    assert planned.case.t1.name == "sub-01_run-2_T1w.nii.gz"
    assert planned.case.lesion.name == "sub-01_run-2_label-lesion_mask.nii.gz"


def test_a17_two_raters_are_set_aside_unless_one_is_chosen():
    both = read_dataset(REPORTS / "A17_bids_two_raters")
    assert both.cases == ()
    assert "rater1" in both.broken[0].reason
    assert "rater2" in both.broken[0].reason
    [chosen] = read_dataset(REPORTS / "A17_bids_two_raters", derivatives="rater2").cases
    assert "rater2" in chosen.case.lesion.parts


def test_a17_a_later_session_without_its_mask_is_no_head_without_a_lesion():
    found = read_dataset(REPORTS / "A17_bids_mask_in_other_session")
    assert [planned.case.case_id for planned in found.cases] == ["01_ses-1"]
    assert "earlier session" in found.broken[0].reason


@pytest.mark.parametrize(
    "name", ["desc-hippocampus_mask", "label-L_desc-hippocampus_mask", "desc-nonlesion_mask", "desc-perilesion_mask"]
)
def test_a17_a_mask_of_something_else_is_no_lesion(tmp_path, name):
    shutil.copytree(REPORTS / "A17_bids_mask_of_run2", tmp_path / "d")
    anat = tmp_path / "d" / "sub-01" / "anat"
    (anat / "sub-01_run-2_label-lesion_mask.nii.gz").rename(anat / f"sub-01_run-2_{name}.nii.gz")
    assert [planned.case.lesion for planned in read_dataset(tmp_path / "d").cases] == [None]


def test_a18_a_dataset_may_be_named_by_a_relative_path(monkeypatch):
    monkeypatch.chdir(REPORTS)
    [planned] = read_dataset(Path("A17_bids_mask_of_run2")).cases
    assert planned.case.t1.is_absolute()
    assert planned.case.t1.exists()


# --- FreeSurfer, calibration, model ----------------------------------------------------------------------------------


def case_of(folder: Path, out: Path, *more: object) -> list:
    return ["case", "--freesurfer", folder, "--age", "60", "--sex", "F", "--out", out, *more]


def test_a15_exchanged_hemispheres_are_refused(capsys, tmp_path):
    for side, hemi in (("lh", "rh"), ("rh", "lh")):
        aparc_stats(tmp_path / "fs", side, hemi)
    refused(capsys, case_of(tmp_path / "fs", tmp_path / "o"), "left hemisphere", "exchanged")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"rows": 37}, "37 of the 74"),
        ({"lh_G_cuneus": "inf"}, "damaged line"),
        ({"lh_G_cuneus": "1e999"}, "damaged line"),
        ({"lh_G_cuneus": "nan"}, "damaged line"),
        ({"lh_G_cuneus": "2,457"}, "damaged line"),
        ({"lh_G_cuneus": "-2.5"}, "cannot be"),
    ],
)
def test_a_damaged_parcel_table_is_refused(capsys, tmp_path, damage, said):
    aparc_stats(tmp_path / "fs", "lh", "lh", **damage)
    aparc_stats(tmp_path / "fs", "rh", "rh")
    refused(capsys, case_of(tmp_path / "fs", tmp_path / "o"), said, "lh.aparc")
    assert not list(tmp_path.glob("o/*"))


@pytest.mark.parametrize(("name", "said"), [("fsinf", "damaged line"), ("a01_utf8", "cannot be read")])
def test_a_damaged_subject_folder_is_refused(capsys, tmp_path, name, said):
    refused(capsys, case_of(DAMAGED / name, tmp_path / "o"), said)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("k02_inf_controls", "Infinity"),
        ("k03_hugeint", "too large"),
        ("k07_offset_30", "largest offset"),
        ("k09_controls", "controls is -5"),
    ],
)
def test_a_calibration_with_impossible_numbers_is_refused(capsys, tmp_path, name, said):
    for side in ("lh", "rh"):
        aparc_stats(tmp_path / "fs", side, side)
    # The damage is that of the file; its form is that of today's calibrations.
    text = (DAMAGED / f"{name}.json").read_text(encoding="utf-8")
    text = text.replace('"regional-brain-age-calibration/1"', f'"{FORMAT}", "route": "FreeSurfer"')
    (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
    arguments = case_of(tmp_path / "fs", tmp_path / "o", "--calibration", tmp_path / f"{name}.json")
    refused(capsys, arguments, said, f"{name}.json")


@pytest.mark.parametrize(("name", "sums"), [("d03_nosha", {}), ("d04_shastr", {"sha256": "x"})])
def test_a_model_without_checksums_is_refused(capsys, tmp_path, name, sums):
    for side in ("lh", "rh"):
        aparc_stats(tmp_path / "fs", side, side)
    arguments = case_of(tmp_path / "fs", tmp_path / "o", "--model")
    refused(capsys, [*arguments, DAMAGED / name], name)
    (tmp_path / "m").mkdir()
    write_description(tmp_path / "m", {"format": MODEL_FORMAT} | sums)
    refused(capsys, [*arguments, tmp_path / "m"], "checksums")


@pytest.mark.parametrize("name", ["v01_empty", "v02_npz_as", "v03_badzip"])
def test_vertices_that_are_no_array_are_refused(capsys, tmp_path, name):
    arguments = [
        "train",
        REPORTS / "A05_qc_exclude.csv",
        "--vertices",
        DAMAGED / f"{name}.npy",
        "--out",
        tmp_path / "m",
    ]
    refused(capsys, arguments, f"{name}.npy")
    assert not (tmp_path / "m").exists()


@pytest.mark.slow
def test_a_24_year_old_at_the_thickness_of_old_age_does_not_pass(tmp_path):
    for side in ("lh", "rh"):
        aparc_stats(tmp_path / "fs", side, side, thickness_mm=2.0)
    assert case_of_subject(tmp_path / "fs", tmp_path / "o", "24") == 0
    [row] = read_table(tmp_path / "o" / "processed_cases.csv")
    assert row["qc"] in ("review", "fail")
    if row["qc"] == "fail":
        assert row["pad_left_smn"] == ""


@pytest.mark.slow
def test_files_of_a_case_hold_names_of_inputs_not_their_folders(tmp_path):
    secret = tmp_path / "Mueller_Hans_1950"
    for side in ("lh", "rh"):
        aparc_stats(secret / "fs", side, side)
    assert case_of_subject(secret / "fs", tmp_path / "o", "60") == 0
    told = [path for path in (tmp_path / "o").rglob("*") if path.is_file() and b"Mueller_Hans" in path.read_bytes()]
    assert told == []
    # The row was lost between folder and table: the next call completes it, and leaves the same bytes.
    table = tmp_path / "o" / "processed_cases.csv"
    whole = table.read_bytes()
    table.unlink()
    assert case_of_subject(secret / "fs", tmp_path / "o", "60") == 0
    assert table.read_bytes() == whole
    assert case_of_subject(secret / "fs", tmp_path / "o", "60") == 2
    assert case_of_subject(secret / "fs", tmp_path / "o", "60", "--overwrite", "--keep-paths") == 0
    assert "Mueller_Hans" in (tmp_path / "o" / "sub-p" / "sub-p_case.json").read_text(encoding="utf-8")


# --- records, pages, endings -----------------------------------------------------------------------------------------


def test_an_altered_record_counts_as_none(tmp_path):
    (tmp_path / "batch" / "records").mkdir(parents=True)
    shutil.copy(DAMAGED / "record_with_another_column" / "sub-P2.json", tmp_path / "batch" / "records")
    record = Store(tmp_path).read("sub-P2")
    assert record is None or not set(record.row) <= set(
        processed_columns(["smn", "fpn", "dan", "van", "sal", "dmn", "aud", "vis", "lim"])
    )
    (tmp_path / "batch" / "records" / "sub-P2.json").write_text('{"name": "sub-P2", "status": 5}', encoding="utf-8")
    assert Store(tmp_path).read("sub-P2") is None


@pytest.mark.parametrize("name", ["summary_without_parcels", "summary_without_regions", "summary_without_thickness"])
def test_a_damaged_summary_costs_its_case_not_the_page(tmp_path, name):
    (tmp_path / "sub-demo").mkdir()
    shutil.copy(DAMAGED / name / "sub-demo_case.json", tmp_path / "sub-demo")
    row = dict.fromkeys(processed_columns(["smn"]), "1") | {"case_id": "demo", "qc": "pass", "lesion_side": "L"}
    append_case(tmp_path / "processed_cases.csv", row)
    page = write_quality_page(tmp_path).read_text(encoding="utf-8")
    assert "demo" in page
    assert "damaged or altered" in page


def test_a16_without_slurm_a_batch_ends_in_a_sentence(capsys, tmp_path, monkeypatch):
    pytest.importorskip("dask_jobqueue", reason="the extra 'cluster' is not installed")
    shutil.copy(REPORTS / "t1.nii.gz", tmp_path)
    (tmp_path / "l.csv").write_text("case_id,t1,age,sex\np1,t1.nii.gz,60,M\n", encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path))
    refused(capsys, ["batch", tmp_path / "l.csv", "--out", tmp_path / "o", "--slurm"], "sbatch is not on this machine")


def test_output_that_nobody_reads_any_more_ends_quietly(tmp_path):
    paths = os.pathsep.join(str(ROOT / name) for name in ("RegionalBrainAge", "RegionalBrainAgeCohort"))
    command = [
        sys.executable,
        "-m",
        "regional_brain_age",
        "cohort",
        "--simulate",
        "60",
        "--sites",
        "6",
        "--out",
        str(tmp_path / "t.csv"),
    ]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": paths}, text=True, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "t.csv").exists()
