"""Feeds damaged files to every reader: python Testing/fuzz/fuzz.py [--inputs N] [--seed S] [--seconds T] [--keep DIR].

Every outcome must be a result or the software's own error (`RegionalBrainAgeError`): no other exception, no end of the
process, nothing over 10 s of processor time (or a minute of waiting) or 2 GB. Inputs are tried in child processes, some
hundred in each, so that a crash is seen. The same seed gives the same inputs. Exit code 1 when anything failed; failing
inputs are kept.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(ROOT / name) for name in ("RegionalBrainAge", "RegionalBrainAgeCohort", "Testing/helpers", "Testing/fuzz")
]

from mutate import mutated  # noqa: E402
from readers import Reader, all_readers  # noqa: E402
from RegionalBrainAgeLib.errors import RegionalBrainAgeError  # noqa: E402

SECONDS, WAITED_SECONDS, BYTES, TOGETHER = 10.0, 60.0, 2_000_000_000, 200


class TooSlow(BaseException):
    """A reader took longer than allowed; no reader catches it."""


def content_of(reader: Reader, name: str, seed: int, number: int) -> bytes:
    """The damaged file number `number` of a reader; the same every time."""
    damaged = mutated(reader.seed, random.Random(f"{seed}/{name}/{number}"), reader.head)
    return gzip.compress(damaged, 1) if reader.packed else damaged


def outcome(reader: Reader, path: Path, content: bytes) -> str:
    """ "read", "refused", or what went wrong."""
    path.write_bytes(content)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WAITED_SECONDS)
    try:
        reader.read(path)
        return "read"
    except RegionalBrainAgeError:
        return "refused"
    except TooSlow:
        return "over 10 s"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def in_child(reader: Reader, name: str, seed: int, numbers: range, work: Path, keep: Path) -> Counter:
    """Try some inputs in a child process; a child that dies counts as a crash of the input it was at."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(told)
        _be_limited()
        for number in numbers:
            content = content_of(reader, name, seed, number)
            os.write(tell, f"{number}\n".encode())
            result = outcome(reader, work / reader.file, content)
            if result not in ("read", "refused"):
                _keep(keep, name, number, content)
            os.write(tell, f"={result}\n".encode())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        os.write(tell, f"peak {peak}\n".encode())
        os._exit(0)
    os.close(tell)
    with os.fdopen(told, encoding="utf-8") as stream:
        lines = stream.read().splitlines()
    _, status = os.waitpid(pid, 0)
    found = Counter(line[1:] for line in lines if line.startswith("="))
    if status != 0:
        started = [int(line) for line in lines if line.isdigit()]
        found["CRASH"] += 1
        if started:
            _keep(keep, name, started[-1], content_of(reader, name, seed, started[-1]))
            rest = range(started[-1] + 1, numbers.stop)
            return found + (in_child(reader, name, seed, rest, work, keep) if len(rest) else Counter())
    peak = max((int(line.split()[1]) for line in lines if line.startswith("peak")), default=0)
    if peak > BYTES:
        found["over 2 GB"] += 1
    return found


def _be_limited() -> None:
    def too_slow(*_: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGPROF, too_slow)
    signal.signal(signal.SIGALRM, too_slow)
    warnings.simplefilter("ignore")
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)


def _keep(keep: Path, name: str, number: int, content: bytes) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    (keep / f"{name.replace(' ', '_').replace(',', '')}_{number}").write_bytes(content)


def run(inputs: int, seed: int, seconds: float, keep: Path, only: str = "") -> dict[str, Counter]:
    """Outcomes by reader; stops early when the time is up."""
    deadline = time.monotonic() + seconds
    results: dict[str, Counter] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        readers = {name: reader for name, reader in all_readers(work).items() if only in name}
        total = sum(reader.share for reader in readers.values())
        waiting = {name: range(max(1, round(inputs * reader.share / total))) for name, reader in readers.items()}
        while any(map(len, waiting.values())) and time.monotonic() < deadline:
            for name, numbers in waiting.items():
                if not len(numbers) or time.monotonic() > deadline:
                    continue
                part, waiting[name] = numbers[:TOGETHER], numbers[TOGETHER:]
                path = work / readers[name].file
                path.parent.mkdir(parents=True, exist_ok=True)
                results.setdefault(name, Counter()).update(in_child(readers[name], name, seed, part, work, keep))
                path.write_bytes(readers[name].seed)  # sound again for readers that use the same folder
            done = sum(found.total() for found in results.values())
            print(f"{done} inputs, {faults(results)} wrong", file=sys.stderr, flush=True)
    return results


def faults(results: dict[str, Counter]) -> int:
    """Outcomes that are neither a result nor the software's own error."""
    every = sum(results.values(), Counter())
    return every.total() - every["read"] - every["refused"]


def table(results: dict[str, Counter]) -> str:
    """The outcomes as text, one line per reader."""
    lines = [f"{'reader':<28}{'inputs':>8}{'read':>8}{'refused':>9}  wrong"]
    for name, found in results.items():
        wrong = ", ".join(f"{what} ({count})" for what, count in found.items() if what not in ("read", "refused"))
        lines.append(f"{name:<28}{found.total():>8}{found['read']:>8}{found['refused']:>9}  {wrong}")
    every = sum(results.values(), Counter())
    total = f"{'all':<28}{every.total():>8}{every['read']:>8}{every['refused']:>9}  {faults(results)} wrong"
    return "\n".join([*lines, total])


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=20_000, help="over all readers (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=900.0, help="stop after this time (default: %(default)s)")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="folder for inputs that failed")
    parser.add_argument("--only", default="", help="readers whose name holds this text")
    args = parser.parse_args()
    results = run(args.inputs, args.seed, args.seconds, args.keep, args.only)
    print(table(results))
    return int(faults(results) > 0)


if __name__ == "__main__":
    sys.exit(main())
