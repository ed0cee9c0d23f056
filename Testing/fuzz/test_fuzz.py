"""A short run of the fuzzer with each `make test`; `make fuzz` runs it for longer."""

from __future__ import annotations

import gzip
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="the reader of SLURM profiles needs the extra 'cluster'")

sys.path[:0] = [str(Path(__file__).parent)]


def test_every_sound_file_is_read_before_it_is_damaged(tmp_path):
    from readers import all_readers

    for reader in all_readers(tmp_path).values():
        path = tmp_path / reader.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(reader.seed) if reader.packed else reader.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(path)


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
