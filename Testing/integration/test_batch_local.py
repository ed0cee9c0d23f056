"""A batch on one machine: same table whatever the workers, resume, broken rows, memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest
from made_up_subject import make_subject
from quick_batch import COLUMNS, WORKER, make_cohort, quick_batch
from regional_brain_age.__main__ import main
from RegionalBrainAgeLib.batch.lists.case_list import read_case_list
from RegionalBrainAgeLib.batch.review.decisions import Entered, apply_decisions
from RegionalBrainAgeLib.batch.run import local_pool as runner
from RegionalBrainAgeLib.batch.run.batch import run_batch
from RegionalBrainAgeLib.batch.run.options import BatchOptions
from RegionalBrainAgeLib.case.result.tables import PROCESSED_NAME, append_case
from RegionalBrainAgeLib.errors import Cancelled, InputError
from RegionalBrainAgeLib.files.tables import read_table
from RegionalBrainAgeLib.resources import DEFAULT_MODEL

# Only a stop for the test: other programs may have the processor meanwhile.
STOP_S = 120


def table(out) -> bytes:
    return (out / PROCESSED_NAME).read_bytes()


def test_the_table_is_the_same_whatever_the_number_of_workers_and_the_order_of_ending(tmp_path):
    contents = ["wait 0.5", "wait 0.01", "wait 0.3", "wait 0.01", "fail", "wait 0.1"]
    cases = make_cohort(tmp_path / "in", contents)
    for workers in (1, 2, 4):
        summary = quick_batch(cases, tmp_path / str(workers), workers)
        assert (summary.done, len(summary.failed), summary.exit_code) == (5, 1, 3)
    assert table(tmp_path / "1") == table(tmp_path / "2") == table(tmp_path / "4")
    ids = [row["case_id"] for row in read_table(tmp_path / "2" / PROCESSED_NAME)]
    assert ids == ["P000", "P001", "P002", "P003", "P005"]
    failed = [(tmp_path / n / "failed_cases.csv").read_bytes() for n in ("1", "2", "4")]
    assert failed[0] == failed[1] == failed[2]


def test_broken_rows_are_listed_with_reasons_and_the_good_ones_are_done(tmp_path):
    cases = make_cohort(tmp_path / "in", ["wait 0.01"] * 4)
    with cases.open("a", encoding="utf-8") as stream:
        stream.write("P100,missing.nii,50,F,s\nP101,head0.nii,fifty,F,s\nP102,head0.nii,50,X,s\n")
        stream.write("P103,head0.nii,50\nP000,head0.nii,50,F,s\nP104,head0.nii,250,F,s\n")
    summary = quick_batch(cases, tmp_path / "out")
    assert (summary.done, summary.exit_code) == (4, 3)
    listed = read_table(tmp_path / "out" / "failed_cases.csv")
    assert [row["case_id"] for row in listed] == ["P100", "P101", "P102", "P103", "P000", "P104"]
    assert [row["line"] for row in listed] == ["6", "7", "8", "9", "10", "11"]
    words = ["does not exist", "not a number", "sex", "cells", "already in line 2", "age"]
    assert all(word in row["reason"] for word, row in zip(words, listed, strict=True)), listed


def test_resume_skips_what_is_unchanged_and_redoes_what_is_not(tmp_path):
    cases = make_cohort(tmp_path / "in", ["wait 0.01"] * 6)
    out = tmp_path / "out"
    quick_batch(cases, out)
    before = table(out)
    assert quick_batch(cases, out, resume=True).unchanged == 6
    os.utime(tmp_path / "in" / "head0.nii")  # a new date is no change
    assert quick_batch(cases, out, resume=True).unchanged == 6
    (tmp_path / "in" / "head1.nii").write_text("wait 0.02 other content", encoding="utf-8")
    assert quick_batch(cases, out, resume=True).done == 1
    assert table(out) != before
    text = cases.read_text(encoding="utf-8")
    cases.write_text(text.replace("P002,head2.nii,42", "P002,head2.nii,52"), encoding="utf-8")
    assert quick_batch(cases, out, resume=True).done == 1
    (out / "sub-P003" / "sub-P003_regions.tsv").unlink()
    assert quick_batch(cases, out, resume=True).done == 1
    (out / "sub-P004" / "sub-P004_regions.tsv").write_text("cut off", encoding="utf-8")
    assert quick_batch(cases, out, resume=True).done == 1
    (tmp_path / "in" / "scheme.tsv").write_text("another scheme", encoding="utf-8")
    assert quick_batch(cases, out, resume=True).done == 6
    (tmp_path / "in" / "model" / "model.json").write_text("another model", encoding="utf-8")
    assert quick_batch(cases, out, resume=True).done == 6


def test_dicom_results_that_are_asked_for_later_are_made(tmp_path):
    cases, out = make_cohort(tmp_path / "in", ["ok", "ok"]), tmp_path / "out"
    assert quick_batch(cases, out).done == 2
    assert quick_batch(cases, out, resume=True, dicom=True).done == 2
    assert quick_batch(cases, out, resume=True, dicom=True).unchanged == 2
    assert quick_batch(cases, out, resume=True).unchanged == 2


def test_a_case_that_comes_to_fail_loses_its_old_row(tmp_path):
    cases = make_cohort(tmp_path / "in", ["wait 0.01"] * 2)
    quick_batch(cases, tmp_path / "out")
    (tmp_path / "in" / "head1.nii").write_text("fail", encoding="utf-8")
    assert quick_batch(cases, tmp_path / "out", resume=True).exit_code == 3
    assert [row["case_id"] for row in read_table(tmp_path / "out" / PROCESSED_NAME)] == ["P000"]
    cases.write_text(cases.read_text(encoding="utf-8").replace("head0.nii,40", "head0.nii,forty"), encoding="utf-8")
    quick_batch(cases, tmp_path / "out", resume=True)
    assert read_table(tmp_path / "out" / PROCESSED_NAME) == []


def test_results_that_are_there_are_not_overwritten_unasked(tmp_path):
    cases = make_cohort(tmp_path / "in", ["wait 0.01"])
    quick_batch(cases, tmp_path / "out")
    with pytest.raises(InputError, match=r"--resume"):
        quick_batch(cases, tmp_path / "out")
    assert quick_batch(cases, tmp_path / "out", overwrite=True).done == 1


def test_rows_of_other_cases_in_the_table_are_kept(tmp_path):
    cases = make_cohort(tmp_path / "in", ["wait 0.01"])
    out = tmp_path / "out"
    quick_batch(cases, out)
    other = read_table(out / PROCESSED_NAME)[0] | {"case_id": "other", "pad_left_smn": "-3.5"}
    append_case(out / PROCESSED_NAME, other)
    summary = quick_batch(cases, out, resume=True)
    assert "1 case(s) that are not in this list" in summary.remarks[0]
    assert [row["case_id"] for row in read_table(out / PROCESSED_NAME)] == ["P000", "other"]


def test_two_batches_do_not_share_an_output_folder(tmp_path):
    cases = make_cohort(tmp_path / "in", ["wait 2"])
    first = threading.Thread(target=quick_batch, args=(cases, tmp_path / "out"))
    first.start()
    deadline = time.monotonic() + STOP_S
    while not (tmp_path / "out/batch/run.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(InputError, match="Another batch"):
        quick_batch(cases, tmp_path / "out", resume=True)
    first.join()


@pytest.mark.timeout(300)  # and not the 600 s of the second case
def test_cancelling_ends_the_processes_and_can_be_resumed(tmp_path):
    cases = make_cohort(tmp_path / "in", ["wait 0.01", "wait 600"])
    seen = []

    def cancelled() -> bool:
        return bool(seen) and seen[-1][0].startswith("1 of 2 cases. sub-P001: step")

    settings = BatchOptions(model=tmp_path / "in" / "model", scheme=tmp_path / "in" / "scheme.tsv", show_bar=False)
    with pytest.raises(Cancelled, match="1 of 2 cases are complete"):
        run_batch(
            read_case_list(cases),
            tmp_path / "out",
            partial(runner.run_local, workers=2),
            COLUMNS,
            settings,
            command=WORKER,
            progress=lambda text, fraction: seen.append((text, fraction)),
            cancelled=cancelled,
        )
    assert seen[-1][0].startswith("1 of 2 cases.")
    assert 0.5 <= seen[-1][1] < 1


def test_no_more_cases_run_than_memory_allows(tmp_path, monkeypatch):
    most = []
    monkeypatch.setattr(runner, "available_mb", lambda: 1200.0)  # room for one of 600 MB and the reserve
    cases = make_cohort(tmp_path / "in", ["wait 0.2"] * 3)

    def execute(tasks, update, cancelled):
        def count(processes):
            most.append(len(processes))
            update(processes)

        return runner.run_local(tasks, workers=3, peak_memory_mb=600.0, update=count, cancelled=cancelled)

    assert quick_batch(cases, tmp_path / "out", execute=execute).done == 3
    assert max(most) == 1


def test_a_reviewers_decisions_reach_the_table_and_stay_there(tmp_path):
    cases = make_cohort(tmp_path / "in", ["wait 0.01"] * 3)
    out = tmp_path / "out"
    quick_batch(cases, out)
    saved = tmp_path / "downloaded.tsv"
    saved.write_text(
        "case_id\tdecision\treviewer\tnote\nsub-p001\treject\tme\tmotion\nP002\taccept\tme\t\nX\treject\t\t\n",
        encoding="utf-8",
    )
    assert apply_decisions(out, saved) == Entered(accepted=("P002",), rejected=("p001",), unknown=("X",))
    assert [row["qc"] for row in read_table(out / PROCESSED_NAME)] == ["pass", "fail", "pass"]
    quick_batch(cases, out, resume=True)
    assert [row["qc"] for row in read_table(out / PROCESSED_NAME)] == ["pass", "fail", "pass"]


def test_each_case_has_a_log_and_a_record_of_what_it_took(tmp_path):
    cases = make_cohort(tmp_path / "in", ["wait 0.01"])
    quick_batch(cases, tmp_path / "out")
    assert "a library prints something" in (tmp_path / "out/batch/logs/sub-P000.log").read_text(encoding="utf-8")
    record = json.loads((tmp_path / "out/batch/records/sub-P000.json").read_text(encoding="utf-8"))
    assert record["status"] == "done"
    assert record["peak_memory_mb"] > 1
    assert record["fingerprint"]["facts"]["age_years"] == 40


def test_a_batch_with_the_shipped_models_gives_what_one_case_gives_and_is_resumed(tmp_path):
    """No stand-in anywhere: command line, worker process, shipped models. The oracle is `case` of the same folder."""
    make_subject(tmp_path / "fs" / "P1", np.random.default_rng(3).normal(2.4, 0.1, 148))
    (tmp_path / "cases.csv").write_text("case_id,freesurfer,age,sex\nP1,fs/P1,61,F\n", encoding="utf-8")
    batch = ["batch", str(tmp_path / "cases.csv"), "--out", str(tmp_path / "batch"), "--workers", "1"]
    assert main(batch) == 0
    facts = ["--id", "P1", "--age", "61", "--sex", "F", "--out", str(tmp_path / "case")]
    assert main(["case", "--freesurfer", str(tmp_path / "fs" / "P1"), *facts]) == 0
    for path in ("sub-P1/sub-P1_regions.tsv", PROCESSED_NAME):
        assert (tmp_path / "batch" / path).read_bytes() == (tmp_path / "case" / path).read_bytes()
    assert read_table(tmp_path / "batch" / PROCESSED_NAME)[0]["model"] == DEFAULT_MODEL
    before = (tmp_path / "batch" / "sub-P1" / "sub-P1_case.json").read_bytes()
    assert main([*batch, "--resume"]) == 0
    assert (tmp_path / "batch" / "sub-P1" / "sub-P1_case.json").read_bytes() == before


def test_a_worker_starts_without_torch():
    """It is loaded when a case computes: a batch of many short cases would wait for it each time."""
    look = "import sys, RegionalBrainAgeLib.batch.run.case_worker; sys.exit('torch' in sys.modules)"
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", look], env=paths, check=False).returncode == 0
