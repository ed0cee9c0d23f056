"""The lock lets one process at a time in, is freed by a kill, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys

import pytest
from RegionalBrainAgeLib.errors import RegionalBrainAgeError
from RegionalBrainAgeLib.files.lock import exclusive

_ROUNDS = 40
_COUNT = f"""
import sys, time
from pathlib import Path
from RegionalBrainAgeLib.files.lock import exclusive
path = Path(sys.argv[1])
for _ in range({_ROUNDS}):
    with exclusive(path):
        value = int(path.read_text())
        time.sleep(0.001)
        path.write_text(str(value + 1))
"""
_HOLD = """
import sys, time
from pathlib import Path
from RegionalBrainAgeLib.files.lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def started(program, path):
    environment = {"PYTHONPATH": ":".join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, env=environment)


def test_no_step_of_several_processes_is_lost_and_no_lock_stays(tmp_path):
    path = tmp_path / "count"
    path.write_text("0")
    processes = [started(_COUNT, path) for _ in range(3)]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    assert int(path.read_text()) == 3 * _ROUNDS
    assert [file.name for file in tmp_path.iterdir()] == ["count"]


def test_a_held_lock_is_refused_in_time_and_free_after_a_kill(tmp_path):
    path = tmp_path / "table"
    holder = started(_HOLD, path)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(RegionalBrainAgeError, match="in use by another process"), exclusive(path, timeout_s=0.0):
        pass
    holder.kill()
    holder.wait()
    with exclusive(path, timeout_s=5.0):
        pass
    assert not any(tmp_path.iterdir())


def test_a_folder_that_cannot_hold_a_lock_is_told(tmp_path):
    (tmp_path / "file").touch()
    for folder in ("file", "gone"):
        with pytest.raises(RegionalBrainAgeError, match="cannot be written to"), exclusive(tmp_path / folder / "table"):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
