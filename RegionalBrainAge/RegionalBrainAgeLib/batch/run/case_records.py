"""What a batch knows about its cases, as plain files below ``OUT/batch`` that survive a kill at any moment.

``records/sub-<id>.json`` says how a case ended (written after the case's folder is in place), ``logs/sub-<id>.log``
what it said on the way, ``run.json`` which run owns the folder now.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...errors import InputError, RegionalBrainAgeError
from ...files.atomic_file import remove_left, write_atomically
from ...files.input_file import parsing, read_json
from ...files.lock import exclusive

DONE, FAILED = "done", "failed"
# How to go on after something is mended: the BIDS-App, which has no --resume, always resumes.
RUN_AGAIN = "run again (batch: with --resume)"
GO_ON = "Run again to go on (batch: with --resume)."
DISK_FULL = f"The disk is full. Free some space, then {RUN_AGAIN}."


@dataclass(frozen=True)
class Record:
    """How a case ended.

    Parameters
    ----------
    name : ``sub-<id>``.
    status : "done" or "failed".
    fingerprint : see `fingerprint.case_fingerprint`.
    row : the case's row of processed_cases.csv as text; empty when failed.
    files : size in bytes of every file of the case's folder, by relative path.
    reason : what happened and what to do, when failed.
    warnings : sentences for the user.
    seconds, peak_memory_mb : what it took.
    """

    name: str
    status: str
    fingerprint: Mapping[str, object] = field(default_factory=dict)
    row: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    peak_memory_mb: float = 0.0


class Store:
    """The files of a batch in one output folder.

    Parameters
    ----------
    out_dir : the output folder.
    """

    def __init__(self, out_dir: Path) -> None:
        self.out_dir = Path(out_dir)
        self.folder = self.out_dir / "batch"
        self._records = self.folder / "records"
        self._run = self.folder / "run.json"

    @contextlib.contextmanager
    def owned(self) -> Iterator[str]:
        """Hold the folder for one run; yields the run's token.

        Raises
        ------
        InputError : another batch is at work here, or the folder cannot be written to.
        """
        try:
            self._records.mkdir(parents=True, exist_ok=True)
            for name in ("logs", "thumbnails"):
                (self.folder / name).mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(
                f"The output folder {self.out_dir} cannot be written to: {error.strerror}.",
                "Choose a folder you may write to.",
            ) from error
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(exclusive(self._run, timeout_s=0.0))
            except RegionalBrainAgeError as error:
                if isinstance(error.__cause__, OSError):
                    raise
                raise InputError(
                    f"Another batch is at work in {self.out_dir}.",
                    "Wait for it to end, or choose another output folder.",
                ) from error
            self._remove_temporary()
            token = secrets.token_hex(8)
            self.beat(token)
            try:
                yield token
            finally:
                self.disown()

    def beat(self, token: str) -> None:
        """Tell other machines that the run with this token is alive; a full disk only leaves the beat out."""
        with contextlib.suppress(RegionalBrainAgeError):
            write_atomically(self._run, json.dumps({"token": token, "beat": time.time()}) + "\n")

    def last_beat(self, token: str) -> float | None:
        """When the run with this token last said it is alive (its clock); None once it ended or another began."""
        try:
            run = json.loads(self._run.read_text(encoding="utf-8"))
            return float(run["beat"]) if run["token"] == token else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def disown(self) -> None:
        """End the run for all machines."""
        with contextlib.suppress(OSError):
            self._run.unlink()

    def log_path(self, name: str) -> Path:
        """The log of a case."""
        return self.folder / "logs" / f"{name}.log"

    def thumbnail_path(self, name: str, kind: str) -> Path:
        """A small picture of a case; see `thumbnails.KINDS`."""
        return self.folder / "thumbnails" / f"{name}_{kind}.jpg"

    def write(self, record: Record) -> None:
        """Keep a record; a reader sees the old or the new one, never half of one."""
        write_atomically(self._path(record.name), json.dumps(asdict(record), indent=1) + "\n")

    def read(self, name: str) -> Record | None:
        """The record of a case; None where there is none that can be read."""
        path = self._path(name)
        try:
            with parsing(f"The record {path}"):
                values = read_json(path, f"The record {path}")
                record = Record(**values | {"warnings": tuple(values["warnings"])})
        except RegionalBrainAgeError:
            return None
        return record if record.name == name and _is_sound(record) else None

    def forget(self, name: str) -> None:
        """Remove the record of a case that is about to be computed again."""
        self._path(name).unlink(missing_ok=True)

    def is_complete(self, record: Record) -> bool:
        """Whether the case is done and all of its files are still there with their sizes."""
        folder = self.out_dir / record.name
        return record.status == DONE and bool(record.files) and record.files.items() <= list_files(folder).items()

    def sweep(self, names: Iterable[str]) -> None:
        """Remove what killed processes of these cases left; call it when none of them runs."""
        names = set(names)
        for path in self.out_dir.glob(".sub-*"):
            name = path.name[1:].split(".", 1)[0]
            leftover = path.name[1 + len(name) :]
            if name not in names:
                continue
            if leftover.startswith(".partial-") or (leftover == ".replaced" and (self.out_dir / name).exists()):
                shutil.rmtree(path, ignore_errors=True)
            elif leftover == ".lock":
                path.unlink(missing_ok=True)
        self._remove_temporary()

    def _remove_temporary(self) -> None:
        for folder in (self.out_dir, self.folder, self._records):
            remove_left(folder)

    def _path(self, name: str) -> Path:
        return self._records / f"{name}.json"


def _is_sound(record: Record) -> bool:
    """Whether a record that was read is one this software wrote, as far as its types tell."""
    row, files = record.row, record.files
    return (
        record.status in (DONE, FAILED)
        and isinstance(record.fingerprint, dict)
        and isinstance(row, dict)
        and all(isinstance(text, str) for item in row.items() for text in item)
        and isinstance(files, dict)
        and all(isinstance(path, str) and type(size) is int for path, size in files.items())
        and isinstance(record.reason, str)
        and all(isinstance(text, str) for text in record.warnings)
        and all(type(value) in (int, float) for value in (record.seconds, record.peak_memory_mb))
    )


def list_files(folder: Path) -> dict[str, int]:
    """Size in bytes of every file below a folder, by relative path; empty if there is no folder."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()
    }
