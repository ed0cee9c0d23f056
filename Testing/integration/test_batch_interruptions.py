"""Killed at any moment and run again, a batch leaves what an undisturbed one leaves, and nothing else.

The oracle is the table of an undisturbed run, compared byte by byte.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from quick_batch import make_cohort, quick_batch
from RegionalBrainAgeLib.case.result.tables import PROCESSED_NAME

PROGRAM = str(Path(__file__).with_name("quick_batch.py"))
# Only a stop for the test: other programs may have the processor meanwhile.
STOP_S = 120
ROUNDS, KILLS_PER_ROUND = 4, 5
CONTENTS = ["wait 0.2"] * 8 + ["fail"]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A list of cases and the table of an undisturbed run with one worker."""
    folder = tmp_path_factory.mktemp("undisturbed")
    cases = make_cohort(folder / "in", CONTENTS)
    quick_batch(cases, folder / "out", workers=1)
    return cases, (folder / "out" / PROCESSED_NAME).read_bytes()


def start(cases: Path, out: Path, *options: str) -> subprocess.Popen:
    """The batch as a process whose descendants can be told by a mark in their environment."""
    marked = os.environ | {"QUICK_BATCH_MARK": str(out)}
    return subprocess.Popen([sys.executable, PROGRAM, str(cases), str(out), "2", *options], env=marked)


def descendants(out: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("QUICK_BATCH_MARK") == str(out) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def assert_no_orphans(out: Path) -> None:
    deadline = time.monotonic() + 15
    while (left := descendants(out)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


def leftovers(out: Path) -> list[str]:
    """Hidden and temporary files."""
    return [str(p.relative_to(out)) for p in out.rglob("*") if p.name.startswith(".") or p.name.endswith(".tmp")]


def disturb(batch: subprocess.Popen, out: Path, chance: random.Random) -> str:
    """Kill something at a random moment; returns what."""
    time.sleep(chance.uniform(0.2, 1.3))
    workers = [process for process in descendants(out) if process.pid != batch.pid]
    kind = chance.choice(["parent", "parent", "worker", "interrupt"])
    if kind == "worker" and workers:
        chance.choice(workers).kill()
        time.sleep(0.4)
        kind = "worker and then parent"
    batch.send_signal(signal.SIGINT if kind == "interrupt" else signal.SIGKILL)
    batch.wait(STOP_S)
    return kind


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_killed_at_random_moments_and_resumed_the_table_is_that_of_an_undisturbed_run(seed, cohort, tmp_path):
    cases, expected = cohort
    chance = random.Random(seed)
    out = tmp_path / "out"
    kinds = []
    for _ in range(KILLS_PER_ROUND):
        kinds.append(disturb(start(cases, out, "--resume"), out, chance))
        assert_no_orphans(out)
    assert start(cases, out, "--resume").wait(STOP_S) == 3  # one case fails by design
    assert (out / PROCESSED_NAME).read_bytes() == expected, kinds
    assert leftovers(out) == []
    assert_no_orphans(out)


def test_a_worker_killed_mid_case_is_tried_once_more(tmp_path):
    cases = make_cohort(tmp_path / "in", ["die once", "wait 0.1"])
    summary = quick_batch(cases, tmp_path / "out")
    assert (summary.done, summary.failed) == (2, ())


def test_children_end_with_a_parent_that_is_killed(tmp_path):
    cases = make_cohort(tmp_path / "in", ["wait 600"] * 3)
    out = tmp_path / "out"
    batch = start(cases, out)
    deadline = time.monotonic() + STOP_S
    while len(descendants(out)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(descendants(out)) == 3  # the batch and two cases
    batch.kill()
    batch.wait()
    assert_no_orphans(out)


def test_interrupted_the_finished_cases_are_in_the_table_already(tmp_path):
    cases = make_cohort(tmp_path / "in", ["wait 0.1", "wait 0.1", "wait 600"])
    out = tmp_path / "out"
    batch = start(cases, out)
    records = out / "batch" / "records"
    deadline = time.monotonic() + STOP_S
    while (not records.exists() or len(list(records.glob("*.json"))) < 2) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)  # so that the batch has seen the second one end
    batch.send_signal(signal.SIGINT)
    assert batch.wait(STOP_S) == 1
    assert [line.split(",")[0] for line in (out / PROCESSED_NAME).read_text(encoding="utf-8").splitlines()] == [
        "case_id",
        "P000",
        "P001",
    ]
    assert leftovers(out) == []
    assert_no_orphans(out)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 4 MB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs the rights of an administrator")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_fails_cases_with_a_reason_and_a_resumed_run_completes_the_table(tmp_path, small_disk):
    cases = make_cohort(tmp_path / "in", ["fill 1"] * 6)
    quick_batch(cases, tmp_path / "roomy")
    out = small_disk / "out"
    first = quick_batch(cases, out)
    assert first.failed
    assert all("full" in case.reason or "free space" in case.reason for case in first.failed), first.failed
    subprocess.run(["mount", "-o", "remount,size=40m", str(small_disk)], check=True)
    second = quick_batch(cases, out, resume=True)
    assert (second.done, second.unchanged, second.failed) == (len(first.failed), first.done, ())
    assert (out / PROCESSED_NAME).read_bytes() == (tmp_path / "roomy" / PROCESSED_NAME).read_bytes()
    assert leftovers(out) == []


def test_a_disk_full_to_the_last_byte_ends_the_batch_with_a_sentence(tmp_path, small_disk):
    cases = make_cohort(tmp_path / "in", ["wait 0.1"] * 2)
    (small_disk / "out").mkdir()
    subprocess.run(["dd", "if=/dev/zero", f"of={small_disk / 'filler'}", "bs=4k"], capture_output=True)
    batch = subprocess.run(
        [sys.executable, PROGRAM, str(cases), str(small_disk / "out"), "2"], capture_output=True, encoding="utf-8"
    )
    assert batch.returncode in (1, 2, 3)
    assert "Traceback" not in batch.stderr
    (small_disk / "filler").unlink()
    assert quick_batch(cases, small_disk / "out", resume=True).done == 2
