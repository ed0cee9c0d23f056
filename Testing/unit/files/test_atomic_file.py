"""A file is old or new, never in between, and what killed writers left goes with the next write."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from RegionalBrainAgeLib.files.atomic_file import atomic_stream, write_atomically


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path):
    path = tmp_path / "c.json"
    path.write_text("old", encoding="utf-8")
    pid = os.fork()
    if pid == 0:
        with atomic_stream(path) as stream:
            stream.write("half of the ne")
            stream.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert path.read_text(encoding="utf-8") == "old"
    assert len(os.listdir(tmp_path)) == 2
    write_atomically(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert os.listdir(tmp_path) == ["c.json"]


def test_two_writers_at_once_leave_each_other_alone_and_the_last_wins(tmp_path):
    path = tmp_path / "c.json"
    with atomic_stream(path) as slow:
        slow.write("slow")
        write_atomically(path, "quick")
        assert path.read_text(encoding="utf-8") == "quick"
    assert path.read_text(encoding="utf-8") == "slow"
    assert os.listdir(tmp_path) == ["c.json"]


def test_temporary_files_of_other_names_stay(tmp_path):
    others = [".c.json.backup.abcd1234.tmp", ".d.json.abcd1234.tmp", "c.json.tmp"]
    for name in others:
        (tmp_path / name).touch()
    write_atomically(tmp_path / "c.json", "new")
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "c.json"])


def fail_half_way(path):
    with atomic_stream(path) as stream:
        stream.write("ne")
        raise ZeroDivisionError


def test_an_error_while_writing_leaves_the_old_content_and_nothing_else(tmp_path):
    path = tmp_path / "c.json"
    write_atomically(path, b"old")
    with pytest.raises(ZeroDivisionError):
        fail_half_way(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["c.json"]
