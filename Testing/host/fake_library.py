"""Stands in for ``library_process.py`` where a test needs a quick or a failing run; same arguments and output.

    fake_library.py BEHAVIOUR MADE_CASE_FOLDER case --t1 ... --id ID --out DIR [--overwrite]
    fake_library.py BEHAVIOUR MADE_CASE_FOLDER demo --out DIR

As the library does, it refuses to write over a case unless it is told to.
BEHAVIOUR: ok, slow (a minute, with a child that ignores polite requests), error, crash, killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


def main() -> int:
    behaviour, made, arguments = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    # Options with a value; flags have none.
    pairs = zip(arguments[1:], [*arguments[2:], "--"], strict=True)
    given = {name: value for name, value in pairs if name.startswith("--") and not value.startswith("--")}
    demo = arguments[0] == "demo"
    case_id = "demo" if demo else given["--id"]
    out, name = Path(given["--out"]), f"sub-{case_id}"
    if (out / name).exists() and not (demo or "--overwrite" in arguments):
        print(f"error: The folder {out / name} exists already.", file=sys.stderr, flush=True)
        return 2
    partial = out / f".{name}.partial-test"
    shutil.copytree(made, partial)
    (out / f".{name}.lock").touch()
    for percent, step in ((0, "read"), (20, "registration"), (60, "thickness"), (90, "write")):
        print(f"[{percent / 10:6.1f} s] {percent:3d} %  {step}", file=sys.stderr, flush=True)
        time.sleep(0.15)
        if behaviour == "slow" and step == "registration":
            subprocess.Popen([sys.executable, "-c", STUBBORN])
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
        if behaviour == "error" and step == "registration":
            shutil.rmtree(partial)
            print("error: The file head.nii has 4 dimensions. Give one 3D volume.", file=sys.stderr, flush=True)
            return 2
        if behaviour == "crash" and step == "registration":
            raise RuntimeError("nobody expected this")
        if behaviour == "killed" and step == "registration":
            os.kill(os.getpid(), signal.SIGKILL)
    for file in partial.rglob("*"):
        file.rename(file.with_name(file.name.replace(made.name, name)))
    shutil.rmtree(out / name, ignore_errors=True)
    partial.rename(out / name)
    (out / f".{name}.lock").unlink()
    (out / "processed_cases.csv").write_text(f"case_id,site,age,sex\n{case_id},,61,F\n", encoding="utf-8")
    print("[  10.0 s] 100 %  done", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
