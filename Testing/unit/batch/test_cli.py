"""The commands batch and qc: what excludes each other, and that each mistake is a sentence and exit code 2."""

from __future__ import annotations

import sys

import pytest
from regional_brain_age.__main__ import build_parser, main
from RegionalBrainAgeLib.batch.cli import options_from
from RegionalBrainAgeLib.batch.run.case_worker import compute
from RegionalBrainAgeLib.batch.run.progress import Meter
from RegionalBrainAgeLib.batch.run.task import Task, task_from_line
from RegionalBrainAgeLib.case.case import Case
from RegionalBrainAgeLib.errors import InputError


def parse(*words: str):
    return build_parser().parse_args(["batch", *words])


def test_options_reach_the_batch(tmp_path):
    cases = tmp_path / "cases.csv"
    cases.touch()
    args = parse(
        str(cases), "--out", "o", "--workers", "3", "--memory-per-case", "4", "--resume", "--slurm-profile", "p"
    )
    options = options_from(args)
    assert (options.workers, options.memory_per_case_mb, options.resume, options.slurm) == (3, 4000, True, True)
    assert (options.threads, options.scheduler, options.model) == (1, None, None)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("cases.csv", "--bids", "."),
        ("--bids", "no-such-folder"),
        (".",),
        ("cases.csv", "--resume", "--overwrite"),
        ("cases.csv", "--slurm", "--scheduler", "tcp://a:1"),
        ("no-such-file.csv",),
    ],
)
def test_what_cannot_be_meant_is_told_before_anything_is_computed(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cases.csv").touch()
    assert main(["batch", *words, "--out", "out"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_dicom_results_are_asked_for_in_every_case_of_a_batch(tmp_path):
    (tmp_path / "cases.csv").touch()
    options = options_from(parse(str(tmp_path / "cases.csv"), "--out", "o", "--dicom"))
    assert options.dicom
    sent = Task(Case("07", tmp_path, 60.0, "F"), tmp_path, dicom=options.dicom)
    assert task_from_line(sent.as_line()) == sent

    def no_more_than_asked(case, out_dir, *, dicom, **_):
        raise InputError(f"asked for DICOM: {dicom}")

    assert compute(sent, no_more_than_asked, lambda *step: None).reason == "asked for DICOM: True"


def test_a_batch_without_the_packages_for_dicom_ends_before_any_case(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    (tmp_path / "cases.csv").touch()
    assert main(["batch", str(tmp_path / "cases.csv"), "--out", str(tmp_path / "out"), "--dicom"]) == 2
    assert "regional-brain-age[dicom]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_decisions_without_a_table_are_told(tmp_path, capsys):
    assert main(["qc", str(tmp_path)]) == 2
    assert "processed_cases.csv" in capsys.readouterr().err


def test_a_log_gets_lines_with_the_time_left_once_it_can_be_told(caplog, monkeypatch):
    clock = iter(range(0, 10_000, 60))
    monkeypatch.setattr("RegionalBrainAgeLib.batch.run.progress.time.monotonic", lambda: next(clock))
    meter = Meter(4)
    with caplog.at_level("INFO", logger="regional_brain_age"):
        meter.update([("sub-1", "read", 0.01)])
        meter.ended(failed=False)
        meter.update([("sub-2", "tissue", 0.5)])
    first, second = (record.message for record in caplog.records)
    assert "left" not in first, "one percent of one case tells nothing"
    assert "38 %  1 of 4 cases, about" in second
    assert second.endswith("left. sub-2: tissue")
