"""Measures a head once and takes that for every later case of the same head and lesion: a minute becomes a moment.

Everything else of a case is as it is. As a program it is the worker of a batch: measured_once.py FOLDER.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from pathlib import Path

from RegionalBrainAgeLib.case import pipeline


def remember_heads(folder: Path) -> None:
    """Keep what `measure_head` finds in a folder, from now on in this process."""
    measure = pipeline.measure_head

    def measure_once(scan, scheme, steps, threads, surfaces):
        digest = hashlib.sha256(scan.t1.array.astype("float32").tobytes() + bytes([surfaces]))
        if scan.lesion is not None:
            digest.update(scan.lesion.array.astype(bool).tobytes())
        path = folder / f"{digest.hexdigest()}.pickle"
        if not path.exists():
            path.write_bytes(pickle.dumps(measure(scan, scheme, steps, threads, surfaces=surfaces)))
        return pickle.loads(path.read_bytes())

    pipeline.measure_head = measure_once


if __name__ == "__main__":
    from RegionalBrainAgeLib.batch.run.case_worker import main

    remember_heads(Path(sys.argv[1]))
    sys.exit(main())
