"""Controls from a folder of cases: route, features and who counts are read from what the cases left."""

from __future__ import annotations

import json

import numpy as np
import pytest
from RegionalBrainAgeLib.age.features import NODE_NAMES
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES
from RegionalBrainAgeLib.anatomy.structures import INTRACRANIAL, STRUCTURE_NAMES
from RegionalBrainAgeLib.batch.controls import read_controls
from RegionalBrainAgeLib.errors import InputError


def leave_case(out, case_id, *, side="none", route="T1", structures=True, site="A", qc="pass"):
    folder = out / f"sub-{case_id}"
    folder.mkdir(parents=True)
    case = {"case_id": case_id, "age_years": 60.0, "sex": "F", "site": site}
    provenance = {"parameters": {"thickness_from": route}}
    summary = {"case": case, "lesion": {"side": side}, "qc": qc, "provenance": provenance}
    (folder / f"sub-{case_id}_case.json").write_text(json.dumps(summary), encoding="utf-8")
    lines = ["parcel\themisphere\tthickness_mm\tlesioned_fraction\tvoxels"]
    lines += [f"{name}\tL\t2.5\t0\t100" for name in PARCEL_NAMES]
    (folder / f"sub-{case_id}_parcels.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if structures:
        lines = ["structure\themisphere\tvolume_mm3\tlesioned_fraction"]
        lines += [f"{name}\tL\t{1000 + i}\t0" for i, name in enumerate((*STRUCTURE_NAMES, INTRACRANIAL))]
        (folder / f"sub-{case_id}_structures.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_cases_without_a_lesion_are_controls_with_thickness_and_volumes(tmp_path):
    leave_case(tmp_path, "a")
    leave_case(tmp_path, "b", structures=False)
    leave_case(tmp_path, "c", side="L")
    people = read_controls(tmp_path)
    assert people.person.tolist() == ["a", "b"]
    assert people.route == "T1"
    assert people.values[0, NODE_NAMES.index("Left-Hippocampus")] == 1008.0
    assert np.isnan(people.values[1, 148:]).all()


def test_a_column_of_the_batch_names_the_controls(tmp_path):
    for case_id in ("a", "b", "c"):
        leave_case(tmp_path, case_id)
    (tmp_path / "processed_cases.csv").write_text("case_id,healthy\na,yes\nb,no\nc,true\n", encoding="utf-8")
    assert read_controls(tmp_path, column="healthy").person.tolist() == ["a", "c"]
    with pytest.raises(InputError, match="no column 'x'"):
        read_controls(tmp_path, column="x")


def test_a_case_that_failed_or_was_rejected_is_no_control_and_is_named(tmp_path, caplog):
    for case_id, qc in (("a", "pass"), ("b", "fail"), ("c", "review"), ("d", "fail")):
        leave_case(tmp_path, case_id, qc=qc)
    (tmp_path / "qc.tsv").write_text("case_id\tdecision\nc\treject\nd\taccept\n", encoding="utf-8")
    with caplog.at_level("INFO"):
        assert read_controls(tmp_path).person.tolist() == ["a", "d"]
    assert [line.split()[0] for line in caplog.messages] == ["b", "c"]


def test_of_the_sessions_of_a_person_one_is_a_control(tmp_path, caplog):
    for case_id in ("P1_ses-1", "P1_ses-2", "P2"):
        leave_case(tmp_path, case_id)
    assert read_controls(tmp_path).person.tolist() == ["P1_ses-1", "P2"]
    assert caplog.messages == ["P1_ses-2 is left out: another session of this person is among the controls."]


def test_a_named_control_with_a_lesion_is_refused(tmp_path):
    leave_case(tmp_path, "a", side="R")
    (tmp_path / "processed_cases.csv").write_text("case_id,healthy\na,yes\n", encoding="utf-8")
    with pytest.raises(InputError, match="has a lesion"):
        read_controls(tmp_path, column="healthy")


def test_two_routes_or_two_sites_are_refused(tmp_path):
    leave_case(tmp_path / "routes", "a")
    leave_case(tmp_path / "routes", "b", route="FreeSurfer")
    with pytest.raises(InputError, match="others from the T1"):
        read_controls(tmp_path / "routes")
    leave_case(tmp_path / "sites", "a")
    leave_case(tmp_path / "sites", "b", site="B")
    with pytest.raises(InputError, match="2 sites"):
        read_controls(tmp_path / "sites")


def test_a_folder_without_cases_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no case without a lesion.*SUBJECTS_DIR with --participants"):
        read_controls(tmp_path)
    (tmp_path / "processed_cases.csv").write_text("case_id,healthy\na,no\n", encoding="utf-8")
    with pytest.raises(InputError, match="true cell in the column 'healthy'"):
        read_controls(tmp_path, column="healthy")
