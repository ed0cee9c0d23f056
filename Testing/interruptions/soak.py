"""Kills commands at random moments and looks at what is left: python Testing/interruptions/soak.py [--kills N].

For each command: an undisturbed run gives the files to expect. Then it is killed (SIGKILL, so that nothing can be
tidied) at a random moment, over the result of another input where it replaces one. What lies there must be the old
result, the new one, or nothing that says it is whole; running it once more must give the undisturbed files, byte for
byte but for times and paths, and leave no temporary file. Exit code 1 when anything else was found.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SOURCES = ("RegionalBrainAge", "RegionalBrainAgeCohort", "Testing/helpers", "Testing/fuzz")
sys.path[:0] = [str(ROOT / name) for name in _SOURCES]

from readers import write_stats  # noqa: E402
from RegionalBrainAgeCohortLib.simulate import simulate_cohort, write_cohort  # noqa: E402

# What differs between two runs of the same: times, durations, memory.
_VARYING = {"seconds", "peak_memory_mb", "finished", "date", "total"}


@dataclass(frozen=True)
class Command:
    """A command, and the file that says its result is whole.

    Parameters
    ----------
    again : further options of the run after the kill.
    older : the arguments that made the result it replaces; None where it replaces none.
    """

    name: str
    arguments: tuple[str, ...]
    whole: str
    again: tuple[str, ...] = ()
    older: tuple[str, ...] | None = None


def commands(work: Path) -> list[Command]:
    """The commands that write a result, on small inputs."""
    for side in ("lh", "rh"):
        write_stats(work / "fs", side)
    write_cohort(simulate_cohort(60, 6, 1), work / "cohort.csv")
    case = ("case", "--freesurfer", str(work / "fs"), "--age", "60", "--sex", "F", "--id", "p")
    rows = "".join(f"c{i},fs,{50 + i},F\n" for i in range(3))
    (work / "list.csv").write_text("case_id,freesurfer,age,sex\n" + rows, encoding="utf-8")
    other = ("case", "--freesurfer", str(work / "fs"), "--age", "75", "--sex", "M", "--id", "p")
    write_cohort(simulate_cohort(60, 6, 2), work / "older.csv")
    cohorts = [("cohort", str(work / name), "--only", "mixed") for name in ("cohort.csv", "older.csv")]
    return [
        Command("case", case, "sub-p/sub-p_case.json"),
        Command("case --overwrite", (*case, "--overwrite"), "sub-p/sub-p_case.json", older=other),
        Command("cohort", cohorts[0], "analysis.json", older=cohorts[1]),
        Command("batch", ("batch", str(work / "list.csv"), "--workers", "2"), "quality.html", ("--resume",)),
    ]


def run(arguments: tuple[str, ...], out: Path, *more: str, kill_after_s: float | None = None) -> float:
    """Run a command, killing it and its children after some seconds; returns how long it took."""
    paths = os.pathsep.join(str(ROOT / name) for name in _SOURCES[:2])
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "regional_brain_age", *arguments, "--out", str(out), *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    try:
        process.wait(kill_after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return time.monotonic() - start


def content(out: Path) -> dict[str, bytes]:
    """Every file with its content, less what differs between any two runs; of pages, which tell times, only that."""
    return {
        path.relative_to(out).as_posix(): b"" if path.suffix == ".html" else _steady(path, out)
        for path in sorted(out.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(out).parts)
    }


def _steady(path: Path, out: Path) -> bytes:
    text = path.read_bytes().replace(str(out).encode(), b"")
    return json.dumps(_without_varying(json.loads(text))).encode() if path.suffix == ".json" else text


def _without_varying(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_varying(item) for key, item in value.items() if key not in _VARYING}
    return [_without_varying(item) for item in value] if isinstance(value, list) else value


def hidden(out: Path) -> list[str]:
    """Temporary files and folders."""
    return [path.name for path in out.rglob(".*")]


def try_once(command: Command, expected: dict[str, bytes], seconds: float, old: Path | None, rng: random.Random) -> str:
    """Kill a command once; returns what is wrong, or ""."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        before: dict[str, bytes] = {}
        if old is not None:
            shutil.copytree(old, out)
            before = content(out)
        run(command.arguments, out, kill_after_s=rng.uniform(0.05, 1.05) * seconds)
        left = content(out) if out.exists() else {}
        own = {name for name in left if name.startswith(command.whole.rpartition("/")[0])}
        states = [state for state in (before, expected) if command.whole in state]
        whole = any(all(left[name] == state.get(name) for name in own) for state in states)
        if command.whole in left and command.name != "batch" and not whole:
            return "after the kill the result says it is whole, and is neither the old nor the new one"
        run(command.arguments, out, *command.again)
        found = content(out)
        differing = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        differing = [name for name in differing if not name.startswith("batch/")]
        if differing:
            return f"after running again {differing[:3]} differ"
        return f"{hidden(out)[:3]} were left" if hidden(out) else ""


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=40, help="over all commands (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600.0, help="stop after this time")
    args = parser.parse_args()
    rng, wrong, kills = random.Random(args.seed), 0, 0
    deadline = time.monotonic() + args.seconds
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        prepared = []
        for number, command in enumerate(commands(work)):
            reference, older = work / f"new{number}", work / f"old{number}"
            seconds = run(command.arguments, reference)
            if command.older is not None:
                run(command.older, older)
            prepared.append((command, content(reference), seconds, older if command.older is not None else None))
        while kills < args.kills and time.monotonic() < deadline:
            command, expected, seconds, old = prepared[kills % len(prepared)]
            said = try_once(command, expected, seconds, old, rng)
            kills, wrong = kills + 1, wrong + bool(said)
            print(f"{kills:3d} {command.name:<18} {said or 'ok'}", flush=True)
    print(f"{kills} kills, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
