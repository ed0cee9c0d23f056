"""A case from a FreeSurfer folder's statistics: the whole pipeline without an image, so it takes seconds."""

from __future__ import annotations

import json
import math
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from graded_heads import head, moved
from made_up_head import made_up_volumes
from RegionalBrainAgeLib.age.model.model_files import load_model
from RegionalBrainAgeLib.anatomy.regions import load_scheme
from RegionalBrainAgeLib.case import pipeline, quality
from RegionalBrainAgeLib.case.case import Case
from RegionalBrainAgeLib.case.measure_head import Head, Scan
from RegionalBrainAgeLib.case.pipeline import run_case
from RegionalBrainAgeLib.case.result import tables as table
from RegionalBrainAgeLib.case.result.volumes import CaseVolumes, RegionVolume
from RegionalBrainAgeLib.case.steps import Steps
from RegionalBrainAgeLib.errors import Cancelled, CaseError, InputError
from threadpoolctl import threadpool_info, threadpool_limits

pytestmark = pytest.mark.data


@pytest.fixture
def statistics(shared_data, tmp_path):
    """A FreeSurfer subject of which only the statistics are left."""
    folder = tmp_path / "subject"
    shutil.copytree(shared_data / "heads" / "freesurfer" / "sub-0001" / "stats", folder / "stats")
    return folder


def case(folder, **fields) -> Case:
    return Case(**({"case_id": "1", "t1": None, "freesurfer": folder, "age_years": 25.5, "sex": "M"} | fields))


def test_statistics_alone_give_ages_a_table_and_a_report_without_pictures(statistics, tmp_path):
    told = []
    result = run_case(case(statistics), tmp_path / "out", progress=lambda *step: told.append(step))
    assert told[-1] == ("done", 1.0)
    assert len(result.regions) == 18
    assert all(row.estimable and math.isfinite(row.pad_corrected_years) for row in result.regions)
    assert result.lesion.side == "none"
    names = set(os.listdir(tmp_path / "out" / "sub-1"))
    assert names >= {"sub-1_regions.tsv", "sub-1_parcels.tsv", "sub-1_case.json", "sub-1_report.html"}
    assert not any(name.endswith(".nii.gz") for name in names)
    (row,) = table.read_table(tmp_path / "out" / "processed_cases.csv")
    assert list(row) == table.processed_columns(table.networks_of(row))
    summary = json.loads((tmp_path / "out" / "sub-1" / "sub-1_case.json").read_text(encoding="utf-8"))
    assert summary["provenance"]["inputs"]["freesurfer"]["sha256"]
    assert summary["calibration"] == "none"
    assert len(summary["model"]["sha256"]) == 64


def test_where_the_age_only_stands_in_no_output_holds_one(statistics, tmp_path):
    """The same head gives ages as soon as its age is known: the test above."""
    folder = tmp_path / "out" / "sub-1"
    result = run_case(case(statistics, age_years=77.0, simulated=("age",)), tmp_path / "out")
    assert not any(row.estimable for row in result.regions)
    rows = table.read_table(folder / "sub-1_regions.tsv")
    years = [name for name in rows[0] if name.endswith(("_years", "_percentile"))]
    assert len(years) == 11
    assert {row[name] for row in rows for name in years} == {"n/a"}
    assert {row["reason"] for row in rows} == {"The person's age is not known, so no age is read."}
    (row,) = table.read_table(tmp_path / "out" / "processed_cases.csv")
    assert {row[name] for name in row if name.startswith("pad_")} == {""}
    assert (row["age"], row["simulated"]) == ("", "age")
    summary = json.loads((folder / "sub-1_case.json").read_text(encoding="utf-8"))
    assert summary["global_age"]["pad_corrected_years"] is None
    assert summary["warnings"] == []  # nothing is unusual for an age that nobody knows
    assert {a["difference_years"] for a in summary["asymmetries"]} == {None}


@pytest.mark.parametrize(
    ("image", "verdict", "said"),
    [
        (head(2.0), "pass", ""),
        (head(18.0), "review", "noise is 0.52 of the white-grey contrast"),
        ((moved(head(3.0)[0], 0.6, 3.0), head()[1]), "review", "motion ringing is 1.50 times"),
    ],
    ids=["clean", "noisy", "moved"],
)
def test_a_poor_image_is_for_review_and_says_why(statistics, tmp_path, monkeypatch, image, verdict, said):
    """The same thicknesses each time, from FreeSurfer: only the image differs."""
    t1, brain = image
    nothing = t1.like(np.zeros(t1.shape, np.int16))
    regions = RegionVolume(nothing, np.zeros((1, 18), bool))
    no_lesion = t1.like(np.zeros(t1.shape, bool))
    # The made-up head is smaller than a brain.
    monkeypatch.setattr(quality, "BRAIN_VOLUME_ML", (0.0, 2000.0))
    monkeypatch.setattr(pipeline, "read_scan", lambda case: Scan(t1, None, nothing, "", ()))
    volumes = CaseVolumes(t1, brain, no_lesion, regions, None, None, None)
    measured = Head(volumes, SimpleNamespace(similarity=0.95), None, None, ())
    monkeypatch.setattr(pipeline, "measure_head", lambda *args, **kwargs: measured)
    monkeypatch.setattr(pipeline, "_loads", lambda *args: (np.zeros(18), np.ones(18)))
    model = load_model(None, load_scheme())
    result, *_ = pipeline.estimate(case(statistics), load_scheme(), model, Steps())
    assert result.qc == verdict
    assert (said in " ".join(result.warnings)) if said else result.warnings == ()


def test_sums_keep_to_one_thread_whatever_is_asked_for(statistics, tmp_path):
    """Linear algebra of two threads differs in the last digit, and a head's ages then by up to 0.7 years."""
    with threadpool_limits(2):
        run_case(case(statistics), tmp_path / "out", threads=2)
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}


def test_thickness_of_a_region_is_the_weighted_mean_of_its_parcels(statistics, tmp_path):
    from RegionalBrainAgeLib.anatomy.regions import membership

    result = run_case(case(statistics), tmp_path / "out")
    thickness_mm = np.array([parcel.thickness_mm for parcel in result.parcels])
    expected = membership(load_scheme()) @ thickness_mm
    assert [row.thickness_mm for row in result.regions] == pytest.approx(expected)


def test_a_cancelled_case_leaves_nothing_whenever_it_is_cancelled(statistics, tmp_path):
    asked = []

    def cancel_after(count):
        asked.clear()
        return lambda: asked.append(None) or len(asked) > count

    for count in (0, 2, 4):
        with pytest.raises(Cancelled):
            run_case(case(statistics), tmp_path / "out", cancelled=cancel_after(count))
        assert not (tmp_path / "out").exists()


def test_a_disk_that_fills_up_while_writing_fails_the_case_and_leaves_nothing(statistics, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pipeline, "write_case", full)
    with pytest.raises(CaseError, match=r"No space left on device.*Free some space"):
        run_case(case(statistics), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def files_of(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_run_ended_between_folder_and_row_is_completed_by_the_next(statistics, tmp_path, monkeypatch):
    """Where the row is, nothing is missing: it comes last, and a case with a row is refused."""
    out, table = tmp_path / "out", tmp_path / "out" / "processed_cases.csv"
    order = []
    with monkeypatch.context() as watched:
        for step in ("describe_dataset", "describe_table", "append_case"):
            done = getattr(pipeline, step)
            watched.setattr(pipeline, step, lambda *given, done=done, step=step: order.append(step) or done(*given))
        run_case(case(statistics), out)
    assert order[-1] == "append_case"
    undisturbed = files_of(out)
    for not_written in ([], ["processed_cases.json"], ["processed_cases.json", "dataset_description.json"]):
        for name in [table.name, *not_written]:
            (out / name).unlink()
        run_case(case(statistics), out)
        assert files_of(out) == undisturbed
    with pytest.raises(InputError, match="exists already"):
        run_case(case(statistics), out)
    table.unlink()
    with monkeypatch.context() as later:
        later.setattr(pipeline, "__version__", "another")
        with pytest.raises(InputError, match="exists already"):
            run_case(case(statistics), out)
    table.write_text("person,age\nP1,50\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"processed_cases\.csv"):
        run_case(case(statistics), out)


def test_one_person_in_other_capitals_is_refused(statistics, tmp_path):
    (tmp_path / "out" / "sub-X1").mkdir(parents=True)
    for overwrite in (False, True):
        with pytest.raises(InputError, match="sub-X1 differs from sub-x1 in capitals only"):
            run_case(case(statistics, case_id="x1"), tmp_path / "out", overwrite=overwrite)


def test_a_table_of_another_scheme_is_refused_before_any_work(statistics, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    other = dict.fromkeys(table.processed_columns(["vis"])) | {"case_id": "other"}
    table.append_case(out / "processed_cases.csv", other)
    with pytest.raises(InputError, match="other columns"):
        run_case(case(statistics), out)
    assert os.listdir(out) == ["processed_cases.csv"]


def test_a_file_that_is_no_calibration_is_refused_by_name(statistics, tmp_path):
    (tmp_path / "scanner.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"scanner\.json"):
        run_case(case(statistics, calibration=tmp_path / "scanner.json"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_scheme_the_model_does_not_know_is_refused(statistics, tmp_path):
    from RegionalBrainAgeLib.resources import shipped

    lines = shipped("Schemes", "nine-networks.tsv").read_text(encoding="utf-8").splitlines()
    few = [line for line in lines if line.startswith(("region\t", "SMN_", "VIS_"))]
    (tmp_path / "two.tsv").write_text("\n".join(few) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="two"):
        run_case(case(statistics), tmp_path / "out", scheme=tmp_path / "two.tsv")


def test_a_lesion_without_a_head_to_place_it_on_is_refused(statistics, tmp_path):
    (tmp_path / "lesion.nii.gz").touch()
    with pytest.raises(InputError, match="--t1"):
        run_case(case(statistics, lesion=tmp_path / "lesion.nii.gz"), tmp_path / "out")


def test_loads_are_exact_against_masks_made_by_hand():
    volumes = made_up_volumes()

    class Made:
        pass

    head = Made()
    head.volumes, head.lesion = volumes, volumes.lesion
    loads, volumes_ml = pipeline._loads(head, 4)
    for index in range(4):
        mask = volumes.regions.mask(index).array
        assert loads[index] == (mask & volumes.lesion.array).sum() / mask.sum()
        assert volumes_ml[index] == pytest.approx(mask.sum() * 0.008)
