"""Kills commands at random moments and looks at what is left: python Testing/interruptions/soak.py [--kills N].

For each command: an undisturbed run gives the files to expect. Then it is killed (SIGKILL, so that nothing can be
tidied) over the result of another input where it replaces one: every other time at a random moment, else as soon as a
random number of names, hidden ones too, has appeared or gone, for most of a run's time nothing is written. What lies
there must be the old result, the new one, or nothing that says it is whole; running it once more must give the
undisturbed files, byte for byte but for times and paths, and leave no temporary file. Exit code 1 when anything else
was found. Commands run in forks of this process, which has their modules loaded: otherwise most kills would meet
imports. A case from a T1 is tried where heads of 2 mm are at hand (the data folder).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SOURCES = ("RegionalBrainAge", "RegionalBrainAgeCohort", "Testing/helpers", "Testing/fuzz")
sys.path[:0] = [str(ROOT / name) for name in _SOURCES]

from readers import write_people, write_stats  # noqa: E402
from regional_brain_age.__main__ import main as main_of_the_program  # noqa: E402
from RegionalBrainAgeCohortLib.simulate import simulate_cohort, write_cohort  # noqa: E402
from shared_folder import data_folder  # noqa: E402

_USED = (
    "RegionalBrainAgeLib.case.pipeline",
    "RegionalBrainAgeLib.case.report.page",
    "RegionalBrainAgeLib.age.evaluation.evaluate",
    "RegionalBrainAgeLib.age.evaluation.figures",
    "RegionalBrainAgeLib.age.training.train_model",
    "RegionalBrainAgeLib.batch.process_many",
    "RegionalBrainAgeCohortLib.analysis",
    "statsmodels.api",
    "matplotlib.pyplot",
)
_CASE = "sub-p/sub-p_case.json"
# What differs between two runs of the same: times, durations, memory.
_VARYING = {"seconds", "peak_memory_mb", "finished", "date", "total"}


@dataclass(frozen=True)
class Command:
    """A command, and the file that says its result is whole.

    Parameters
    ----------
    again : further options of the run after the kill.
    older : the arguments that made the result it replaces; None where it replaces none.
    file : what ``--out`` names below the output folder; the folder itself if empty.
    rounds : killed in every so-many-th round of all commands.
    """

    name: str
    arguments: tuple[str, ...]
    whole: str
    again: tuple[str, ...] = ()
    older: tuple[str, ...] | None = None
    file: str = ""
    rounds: int = 1


def commands(work: Path) -> list[Command]:
    """The commands that write a result, on small inputs."""
    for side in ("lh", "rh"):
        write_stats(work / "fs", side)
    write_cohort(simulate_cohort(40, 4, 1), work / "cohort.csv")
    case = ("case", "--freesurfer", str(work / "fs"), "--age", "60", "--sex", "F", "--id", "p")
    rows = "".join(f"c{i},fs,{50 + i},F\n" for i in range(2))
    (work / "list.csv").write_text("case_id,freesurfer,age,sex\n" + rows, encoding="utf-8")
    other = ("case", "--freesurfer", str(work / "fs"), "--age", "75", "--sex", "M", "--id", "p")
    write_cohort(simulate_cohort(40, 4, 2), work / "older.csv")
    cohorts = [("cohort", str(work / name), "--only", "mixed") for name in ("cohort.csv", "older.csv")]
    for name, sites, seed in (("people", 4, 1), ("older-people", 4, 2), ("controls", 1, 3), ("older-controls", 1, 4)):
        write_people(work / f"{name}.csv", 60, sites, seed)

    def of(name: str, *words: str) -> tuple[str, ...]:
        return (words[0], *words[1:], str(work / f"{name}.csv"))

    short = ("--steps", "3", "--folds", "2")
    heads = sorted((data_folder() / "heads_with_age" / "t1").glob("*_T1w.nii.gz"))[:1]
    from_t1 = [
        Command("case --t1", ("case", "--t1", str(head), *case[3:]), _CASE, rounds=2)  # takes long
        for head in heads
    ]
    return [
        *from_t1,
        Command("train", (*of("people", "train"), *short), "model.json"),
        Command("train --overwrite", (*of("people", "train"), *short, "--overwrite"), "model.json",
                older=(*of("older-people", "train"), *short)),
        Command("evaluate", of("people", "evaluate", "default"), "metrics.tsv",
                older=of("older-people", "evaluate", "default")),
        Command("calibrate", of("controls", "calibrate", "default"), "c.json",
                older=of("older-controls", "calibrate", "default"), file="c.json"),
        Command("case", case, _CASE),
        Command("case --overwrite", (*case, "--overwrite"), _CASE, older=other),
        Command("cohort", cohorts[0], "analysis.json", older=cohorts[1]),
        Command("batch", ("batch", str(work / "list.csv"), "--workers", "2"), "quality.html", ("--resume",)),
    ]  # fmt: skip


def run(
    command: Command,
    arguments: tuple[str, ...],
    out: Path,
    *more: str,
    seconds: float = float("inf"),
    changes: float = float("inf"),
) -> float:
    """Run a command in a fork, killing it and its children after some seconds or changes; returns how long it took."""
    if command.file:
        out.mkdir(parents=True, exist_ok=True)
    before = _names(out)
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        os._exit(_code([*arguments, "--out", str(out / command.file), *more]))
    with contextlib.suppress(OSError):  # whichever of the two comes first: the group must be there before the kill
        os.setpgid(pid, pid)
    while not os.waitpid(pid, os.WNOHANG)[0]:
        if time.monotonic() - start > seconds or (changes < float("inf") and len(_names(out) ^ before) >= changes):
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            break
        time.sleep(0.001 if changes < float("inf") else 0.05)
    return time.monotonic() - start


def _code(arguments: list[str]) -> int:
    try:
        return main_of_the_program(arguments)
    except BaseException:
        return 1


def _names(out: Path) -> set[str]:
    """Every name below a folder that may be changing."""
    return {str(Path(place, name)) for place, folders, files in os.walk(out) for name in (*folders, *files)}


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
    """Temporary files and folders; the list of a run's files stays."""
    return [path.name for path in out.rglob(".*") if path.suffix != ".files"]


def try_once(command: Command, expected: dict[str, bytes], seconds: float, old: Path | None, rng: random.Random) -> str:
    """Kill a command once; returns what is wrong, or ""."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        before: dict[str, bytes] = {}
        if old is not None:
            shutil.copytree(old, out)
            before = content(out)
        if rng.random() < 0.5:
            run(command, command.arguments, out, seconds=rng.uniform(0.05, 1.05) * seconds)
        else:
            run(command, command.arguments, out, changes=rng.randint(1, len(expected) + 2))
        left = content(out) if out.exists() else {}
        own = {name for name in left if name.startswith(command.whole.rpartition("/")[0])}
        states = [state for state in (before, expected) if command.whole in state]
        whole = any(all(left[name] == state.get(name) for name in own) for state in states)
        if command.whole in left and command.name != "batch" and not whole:
            return "after the kill the result says it is whole, and is neither the old nor the new one"
        run(command, command.arguments, out, *command.again)
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
    parser.add_argument("--only", default="", help="commands whose name begins with this text")
    parser.add_argument("--seconds", type=float, default=14400.0, help="stop after this time")
    args = parser.parse_args()
    rng, wrong, kills = random.Random(args.seed), 0, 0
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])  # for the workers of a batch
    for module in _USED:
        importlib.import_module(module)
    deadline = time.monotonic() + args.seconds
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        prepared = []
        tried = [command for command in commands(work) if command.name.startswith(args.only)]
        for number, command in enumerate(tried):
            # A model is called as its folder, so all have one name.
            reference, older = work / f"new{number}" / "out", work / f"old{number}" / "out"
            seconds = run(command, command.arguments, reference)
            if not (reference / command.whole).exists():
                raise SystemExit(f"{command.name} does not work undisturbed")
            if command.older is not None:
                run(command, command.older, older)
            prepared.append((command, content(reference), seconds, older if command.older is not None else None))
        turns = (one for number in itertools.count() for one in prepared if number % one[0].rounds == 0)
        for command, expected, seconds, old in turns:
            if kills == args.kills or time.monotonic() > deadline:
                break
            said = try_once(command, expected, seconds, old, rng)
            kills, wrong = kills + 1, wrong + bool(said)
            print(f"{kills:3d} {command.name:<18} {said or 'ok'}", flush=True)
    print(f"{kills} kills, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
