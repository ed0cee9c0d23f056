"""A short run of the fuzzer with each `make test`; `make fuzz` runs it for longer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="the reader of SLURM profiles needs the extra 'cluster'")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_damaged_files_are_read_or_refused_and_nothing_else(tmp_path):
    program = Path(__file__).with_name("fuzz.py")
    command = [
        sys.executable,
        str(program),
        "--inputs",
        "700",
        "--seed",
        "7",
        "--seconds",
        "120",
        "--keep",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
