"""The BIDS derivative: cases in their BIDS places, selections that may run at once, the group gathered from them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from regional_brain_age import __main__ as command_line
from regional_brain_age import bids_app
from RegionalBrainAgeLib.batch import derivative, process_many
from RegionalBrainAgeLib.batch.lists.bids import Selection, read_dataset, read_filters
from RegionalBrainAgeLib.batch.run.batch import BatchSummary
from RegionalBrainAgeLib.case.result.dataset_files import describe_dataset, describe_table
from RegionalBrainAgeLib.case.result.tables import PROCESSED_NAME, processed_columns
from RegionalBrainAgeLib.case.result.write_case import VOLUME_MEANINGS
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.tables import table_text

COLUMNS = processed_columns(["smn", "fpn"])


@pytest.fixture
def dataset(tmp_path) -> Path:
    """Two people, one with two sessions and two T1s in the second."""
    root = tmp_path / "data set ü"
    for name in (
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz",
        "sub-02/ses-2/anat/sub-02_ses-2_run-01_T1w.nii.gz",
        "sub-02/ses-2/anat/sub-02_ses-2_acq-mprage_run-02_T1w.nii.gz",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a head")
    (root / "participants.tsv").write_text("participant_id\tage\tsex\nsub-01\t60\tF\nsub-02\t70\tM\n", encoding="utf-8")
    return root


def names(root: Path, selection: Selection) -> list[str]:
    return [planned.case.t1.name for planned in read_dataset(root, selection=selection).cases]


def finished_case(work: Path, case_id: str, age: str = "60") -> None:
    """What a batch leaves of one case, as far as the derivative looks at it."""
    folder = work / f"sub-{case_id}"
    (folder / "figures").mkdir(parents=True)
    for name, text in {
        "_case.json": json.dumps({"qc": "pass", "warnings": [], "age": age}),
        "_desc-brain_mask.nii.gz": "voxels",
        "_desc-brain_mask.json": json.dumps({"Description": "1 in the brain."}),
        "_report.html": "report",
    }.items():
        (folder / f"sub-{case_id}{name}").write_text(text, encoding="utf-8")
    (folder / "figures" / f"sub-{case_id}_pad.png").write_text("picture", encoding="utf-8")
    table = work / PROCESSED_NAME
    rows = list(csv.DictReader(table.open(encoding="utf-8"))) if table.exists() else []
    rows.append({"case_id": case_id, "age": age, "qc": "pass"})
    table.write_text(table_text(rows, COLUMNS, csv_file=True), encoding="utf-8")


def test_participants_and_sessions_are_chosen_by_label(dataset):
    assert len(names(dataset, Selection())) == 3
    assert names(dataset, Selection(participants=("01",))) == ["sub-01_T1w.nii.gz"]
    assert names(dataset, Selection(sessions=("1",))) == ["sub-02_ses-1_T1w.nii.gz"]


def test_a_participant_who_is_not_there_is_named(dataset):
    with pytest.raises(InputError, match="01a"):
        read_dataset(dataset, selection=Selection(participants=("01", "01a")))


@pytest.mark.parametrize(
    ("filters", "head"),
    [
        ({"run": 1}, "sub-02_ses-2_run-01_T1w.nii.gz"),
        ({"acquisition": "mprage"}, "sub-02_ses-2_acq-mprage_run-02_T1w.nii.gz"),
        ({"acquisition": None, "run": [1, 2], "suffix": "T1w"}, "sub-02_ses-2_run-01_T1w.nii.gz"),
    ],
)
def test_a_filter_file_chooses_the_t1(dataset, tmp_path, filters, head):
    path = tmp_path / "filters.json"
    path.write_text(json.dumps({"t1w": filters, "bold": {"task": "rest"}}), encoding="utf-8")
    assert names(dataset, Selection(sessions=("2",), t1=read_filters(path))) == [head]


@pytest.mark.parametrize(("text", "said"), [("{", "cannot be read"), ('{"t1w": {"task": "rest"}}', "asks for 'task'")])
def test_a_wrong_filter_file_is_refused(tmp_path, text, said):
    path = tmp_path / "filters.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_filters(path)


def test_a_case_lies_in_its_bids_place_and_names_its_source(dataset, tmp_path):
    work, out = tmp_path / "out/work/all", tmp_path / "out"
    finished_case(work, "02_ses-1")
    t1 = dataset / "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz"
    for _ in range(2):  # laid out again, it is the same
        derivative.lay_out_case(work / "sub-02_ses-1", out, t1, dataset)
    laid = {path.relative_to(out / "sub-02").as_posix() for path in (out / "sub-02").rglob("*") if path.is_file()}
    assert laid == {
        "ses-1/anat/sub-02_ses-1_case.json",
        "ses-1/anat/sub-02_ses-1_desc-brain_mask.json",
        "ses-1/anat/sub-02_ses-1_desc-brain_mask.nii.gz",
        "ses-1/anat/sub-02_ses-1_report.html",
        "ses-1/figures/sub-02_ses-1_pad.png",
    }
    sidecar = json.loads((out / "sub-02/ses-1/anat/sub-02_ses-1_desc-brain_mask.json").read_text(encoding="utf-8"))
    assert sidecar["Sources"] == ["bids:raw:sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz"]
    assert sidecar["Description"] == "1 in the brain."
    assert (work / "sub-02_ses-1/sub-02_ses-1_desc-brain_mask.json").read_text(encoding="utf-8").count("Sources") == 0


def test_the_group_has_each_case_once_as_it_was_last_processed(tmp_path):
    out = tmp_path / "out"
    finished_case(out / "work/all", "01", age="60")
    finished_case(out / "work/all", "02", age="70")
    finished_case(out / "work/sub-01", "01", age="61")
    os.utime(out / "work/all/sub-01/sub-01_case.json", (1, 1))
    table, count = derivative.gather_cases(out, lambda case_id: True)
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert [(row["case_id"], row["age"]) for row in rows] == [("01", "61"), ("02", "70")]
    assert count == 2
    assert json.loads((out / "group/sub-01/sub-01_case.json").read_text(encoding="utf-8"))["age"] == "61"
    meanings = json.loads(table.with_suffix(".json").read_text(encoding="utf-8"))
    assert set(meanings) == set(COLUMNS)
    assert derivative.gather_cases(out, lambda case_id: case_id == "02")[1] == 1


def test_a_group_without_cases_is_refused(tmp_path):
    with pytest.raises(InputError, match="participant"):
        derivative.gather_cases(tmp_path, lambda case_id: True)


@pytest.mark.parametrize(
    ("participants", "sessions", "name"),
    [((), (), "all"), (("02", "01"), (), "sub-01+02"), (("01",), ("1",), "sub-01_ses-1")],
)
def test_selections_work_in_folders_of_their_own(participants, sessions, name):
    assert derivative.selection_name(participants, sessions) == name


def test_the_description_names_generator_and_source(dataset, tmp_path):
    (dataset / "dataset_description.json").write_text('{"DatasetDOI": "doi:10.1/x"}', encoding="utf-8")
    describe_dataset(tmp_path, dataset)
    description = json.loads((tmp_path / "dataset_description.json").read_text(encoding="utf-8"))
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "RegionalBrainAge"
    assert description["SourceDatasets"] == [{"URL": dataset.as_uri(), "DOI": "doi:10.1/x"}]


def test_an_absent_table_needs_no_sidecar(tmp_path):
    describe_table(tmp_path / PROCESSED_NAME)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "is_app"),
    [
        (["data", "out", "participant"], True),
        (["--participant-label", "01", "--", "data", "out", "group"], True),
        (["case", "--id", "participant"], False),
        (["data", "out"], False),
        ([], False),
    ],
)
def test_a_bids_app_call_is_told_from_a_command(words, is_app):
    assert bids_app.is_bids_app_call(words, {"case": None}) == is_app


def test_both_levels_from_the_command_line(dataset, tmp_path, monkeypatch, capsys):
    """The pipeline is a stand-in; choice of cases, places and group are real."""
    seen = []

    def process(source, work, options):
        seen.append(options)
        for planned in read_dataset(source, selection=options.selection).cases:
            finished_case(work, planned.case.case_id)
            (work / planned.case.name / f"{planned.case.name}_case.json").write_text("", encoding="utf-8")
        return BatchSummary(1, 0, (), work / PROCESSED_NAME, (), 0.0, 0.0)

    monkeypatch.setattr(process_many, "process_cohort", process)
    out = tmp_path / "out"
    for label in ("01", "sub-02"):
        words = [str(dataset), str(out), "participant", "--participant-label", label, "--session-label", "1"]
        assert command_line.main(words if label != "01" else words[:5]) == 0
    assert (out / "sub-01/anat/sub-01_report.html").exists()
    assert (out / "sub-02/ses-1/anat/sub-02_ses-1_report.html").exists()
    assert seen[0].resume
    assert command_line.main([str(dataset), str(out), "group"]) == 0
    assert "2 cases" in capsys.readouterr().out
    assert (out / "group/analysis/report.html").exists()
    assert (out / "group/quality.html").exists()
    assert (out / ".bidsignore").exists()
    assert command_line.main([str(dataset), str(out), "group", "--settings", str(tmp_path / "none.json")]) == 2


def test_a_dataset_that_is_not_there_or_is_the_output_is_refused(dataset, tmp_path, capsys):
    assert command_line.main([str(tmp_path / "none"), str(tmp_path / "out"), "participant"]) == 2
    assert command_line.main([str(dataset), str(dataset), "participant"]) == 2
    assert "dataset itself" in capsys.readouterr().err


def test_the_derivative_is_valid_by_the_bids_validator(dataset, tmp_path):
    """Oracle: the BIDS validator, on a laid-out case with every file that a case leaves."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    validator = shutil.which("bids-validator-deno", path=places)
    if validator is None:
        pytest.skip("bids-validator-deno is not installed")
    out, work = tmp_path / "out", tmp_path / "out/work/all"
    finished_case(work, "02_ses-1")
    case = work / "sub-02_ses-1"
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4))
    for name in VOLUME_MEANINGS:
        nib.save(image, case / f"{case.name}_{name}.nii.gz")
        (case / f"{case.name}_{name}.json").write_text(json.dumps({"Description": "A volume."}), encoding="utf-8")
        if name.endswith("_dseg"):
            (case / f"{case.name}_{name}.tsv").write_text("index\tname\n1\tSMN_L\n", encoding="utf-8")
    nib.save(image, case / f"{case.name}_from-T1w_to-MNI_warp.nii.gz")
    tables = ("regions.tsv", "regions.json", "parcels.tsv", "structures.tsv")
    for name in (*tables, "methods.md", "references.bib", "xfm.json"):
        (case / f"{case.name}_{name}").write_text("x", encoding="utf-8")
    derivative.write_dataset_files(out, dataset)
    derivative.lay_out_case(case, out, dataset / "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz", dataset)
    derivative.gather_cases(out, lambda case_id: True)
    done = subprocess.run([validator, str(out), "--json"], capture_output=True, text=True, check=False)
    errors = [one for one in json.loads(done.stdout)["issues"]["issues"] if one.get("severity") == "error"]
    assert errors == []
