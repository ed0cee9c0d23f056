"""The program, with a head measured once: program.py FOLDER WORDS ... (or FOLDER --worker: the worker of a batch).

What a head gives is kept in a folder and taken for every later case of the same head and lesion: a minute becomes a
moment. Everything else of a case is as it is.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from pathlib import Path

from RegionalBrainAgeLib.batch.run import batch
from RegionalBrainAgeLib.case import pipeline

WORKER = "--worker"


def measure_once(folder: Path) -> None:
    """Keep what `measure_head` finds in a folder, from now on in this process and in the workers of its batches."""
    measure = pipeline.measure_head

    def remembered(scan, scheme, steps, threads, surfaces):
        digest = hashlib.sha256(scan.t1.array.astype("float32").tobytes() + bytes([surfaces]))
        if scan.lesion is not None:
            digest.update(scan.lesion.array.astype(bool).tobytes())
        path = folder / f"{digest.hexdigest()}.pickle"
        if not path.exists():
            path.write_bytes(pickle.dumps(measure(scan, scheme, steps, threads, surfaces=surfaces)))
        return pickle.loads(path.read_bytes())

    pipeline.measure_head = remembered
    batch.run_batch.__kwdefaults__["command"] = (sys.executable, str(Path(__file__)), str(folder), WORKER)


if __name__ == "__main__":
    from regional_brain_age import __main__ as command_line
    from RegionalBrainAgeLib.batch.run import case_worker

    measure_once(Path(sys.argv[1]))
    words = sys.argv[2:]
    sys.exit(case_worker.main() if words == [WORKER] else command_line.main(words))
