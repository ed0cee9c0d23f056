"""What a batch keeps about its cases, beside other programs that write into the same folder."""

from __future__ import annotations

import sys

import pytest
from RegionalBrainAgeLib.batch.run.case_records import Store
from RegionalBrainAgeLib.files.atomic_file import atomic_stream


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no open file")
def test_a_batch_removes_what_a_killed_writer_left_and_not_what_another_is_writing(tmp_path):
    left = tmp_path / ".processed_cases.csv.dead.tmp"
    left.touch()
    with atomic_stream(tmp_path / "other.csv") as stream:
        stream.write("a row")
        Store(tmp_path).sweep([])
        assert not left.exists()
    assert (tmp_path / "other.csv").read_text(encoding="utf-8") == "a row"
