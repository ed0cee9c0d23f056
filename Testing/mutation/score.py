"""Do the tests notice a changed line? python Testing/mutation/score.py [NAME ...] [--sample N] [--seconds T].

Of each module a seeded sample of mutants is tried: in a fork of this process that has the large packages loaded but
none of the software's own, the mutant is imported in place of the module and those unit tests run that reach the
changed line (found by one run with coverage). A test that fails, or takes ten times as long, kills the mutant; the
others survive and are listed. The score is the share killed.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / name) for name in ("RegionalBrainAge", "RegionalBrainAgeCohort", "Testing/mutation")]

import coverage  # noqa: E402
import pytest  # noqa: E402
from mutants import Mutant, mutants  # noqa: E402

_LIBRARY, _COHORT = "RegionalBrainAge/RegionalBrainAgeLib", "RegionalBrainAgeCohort/RegionalBrainAgeCohortLib"
# Module, and the unit tests that are about it.
TARGETS = {
    "lesion/side": (f"{_LIBRARY}/lesion/side.py", ["lesion"]),
    "lesion/measures": (f"{_LIBRARY}/lesion/measures.py", ["lesion"]),
    "lesion/tract_loads": (f"{_LIBRARY}/lesion/tract_loads.py", ["lesion", "anatomy/test_tract.py"]),
    "lesion/proposal": (f"{_LIBRARY}/lesion/proposal.py", ["lesion/test_proposal.py"]),
    "lesion/simulation": (f"{_LIBRARY}/lesion/simulation.py", ["lesion"]),
    "calibration": (
        f"{_LIBRARY}/age/model/calibration.py",
        ["age/model/test_calibration.py"],
    ),
    "intervals": (f"{_LIBRARY}/age/model/intervals.py", ["age/model/test_intervals.py"]),
    "random_intercept": (
        f"{_COHORT}/statistics/random_intercept.py",
        ["cohort/statistics/test_mixed_models.py"],
    ),
    "reml": (f"{_COHORT}/statistics/reml.py", ["cohort/statistics/test_mixed_models.py"]),
    "tables": (f"{_LIBRARY}/files/tables.py", ["files/test_tables.py", "case/result/test_tables.py"]),
    "words": (f"{_LIBRARY}/files/words.py", ["files/test_words.py"]),
    "people_table": (f"{_LIBRARY}/age/people_table.py", ["age/test_people_table.py"]),
}
_LARGE = ("numpy", "scipy.ndimage", "scipy.stats", "pandas", "nibabel", "SimpleITK", "torch", "sklearn.linear_model",
          "statsmodels.api", "matplotlib.pyplot", "hypothesis")  # fmt: skip
_QUIET = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:cov", "-m", "not slow", "--no-header", "--tb=no"]
_SECONDS_AT_LEAST = 30.0


class _InPlace:
    """Finder that gives the mutant for the module's name."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self.name, self.path, self.code = name, path, compile(source, str(path), "exec")

    def find_spec(self, name: str, *_unused: object) -> object:
        return importlib.util.spec_from_loader(name, self, origin=str(self.path)) if name == self.name else None

    def create_module(self, spec: object) -> None:
        return None

    def exec_module(self, module: object) -> None:
        module.__file__ = str(self.path)
        exec(self.code, module.__dict__)


def tests_by_line(path: Path, folders: list[str], work: Path) -> tuple[dict[int, list[str]], float]:
    """The tests that reach each line of a module, and how long they take together."""
    data = work / "coverage"
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", "--cov-context=test",
               f"--cov={path.parent}", "--cov-report=", *(f"Testing/unit/{folder}" for folder in folders)]  # fmt: skip
    paths = os.pathsep.join(sys.path[:2])
    start = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"COVERAGE_FILE": str(data), "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"The tests of {path} do not pass as they are:\n{done.stdout[-2000:]}")
    found = coverage.CoverageData(str(data))
    found.read()
    lines = {
        line: sorted({name.partition("|")[0] for name in names if name})
        for line, names in found.contexts_by_lineno(str(path)).items()
    }
    return lines, time.monotonic() - start


def is_killed(mutant: Mutant, name: str, path: Path, tests: list[str], seconds: float) -> bool:
    """Whether one of the tests fails on the mutant, or takes too long."""
    pid = os.fork()
    if pid == 0:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        os.setpgid(0, 0)
        sys.meta_path.insert(0, _InPlace(name, path, mutant.source))
        os._exit(int(pytest.main([*_QUIET, *tests])))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status != 0
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def score(name: str, sample: int, seed: int, deadline: float) -> tuple[int, int, list[str]]:
    """Mutants killed, mutants tried, and the survivors in words."""
    file, folders = TARGETS[name]
    path = ROOT / file
    module = file.split("/", 1)[1].removesuffix(".py").replace("/", ".")
    every = list(mutants(path.read_text(encoding="utf-8")))
    chosen = random.Random(f"{seed}/{name}").sample(every, min(sample, len(every)))
    with tempfile.TemporaryDirectory() as folder:
        reached, seconds = tests_by_line(path, folders, Path(folder))
    killed, tried, survivors = 0, 0, []
    for mutant in sorted(chosen, key=lambda mutant: mutant.line):
        if time.monotonic() > deadline:
            break
        tests = sorted({test for line in mutant.lines for test in reached.get(line, [])})
        if not mutant.lines:  # runs at import: a test may read the name without reaching a line
            tests = [f"Testing/unit/{folder}" for folder in folders]
        dead = bool(tests) and is_killed(mutant, module, path, tests, max(_SECONDS_AT_LEAST, 10 * seconds))
        killed, tried = killed + dead, tried + 1
        if not dead:
            survivors.append(f"  {name}:{mutant.line}  {mutant.change}{'' if tests else '  (no test reaches it)'}")
    print(f"{name:<20}{killed:>4} of {tried:>3} killed ({len(every)} mutants in all)", *survivors, sep="\n", flush=True)
    return killed, tried, survivors


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(TARGETS)}; default: all", metavar="NAME")
    parser.add_argument("--sample", type=int, default=60, help="mutants per module (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=7200.0, help="stop after this time (default: %(default)s)")
    args = parser.parse_args()
    deadline = time.monotonic() + args.seconds
    for package in _LARGE:
        importlib.import_module(package)
    os.chdir(ROOT)
    killed = tried = 0
    for name in args.names or TARGETS:
        here = score(name, args.sample, args.seed, deadline)
        killed, tried = killed + here[0], tried + here[1]
    print(f"{killed} of {tried} mutants killed: {100 * killed / max(tried, 1):.1f} %")
    return int(killed < 0.8 * tried)


if __name__ == "__main__":
    sys.exit(main())
