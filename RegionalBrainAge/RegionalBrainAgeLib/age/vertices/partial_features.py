"""features.npy while it grows: a person at a time, so that an interrupted run goes on where it was."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np

from ...errors import RegionalBrainAgeError
from ...files.atomic_file import write_atomically
from ...files.lock import exclusive

FEATURES_FILE, PEOPLE_FILE = "features.npy", "people.csv"


class PartialFeatures:
    """``features.part.npy`` and the list of whom it holds, ``features.part.jsonl``, until both are whole.

    People come in the order of a table. Those whom an earlier run left, in the same order and with the same stamps, are
    kept; from the first difference on everything is read anew, so the end is that of a run without interruption. A
    person's values reach the disk before the line that says so. The file grows with its people: it is never larger than
    what was read, and a full disk is an error, not a crash.

    Parameters
    ----------
    folder : for both files. shape : (V, F) of a person. names : of the features; other ones begin anew.

    Raises
    ------
    RegionalBrainAgeError : the disk is full or cannot be written to, or another run writes there.
    """

    def __init__(self, folder: Path, shape: tuple[int, int], names: Sequence[str]) -> None:
        self._folder, self._shape = folder, shape
        self._part, self._list = folder / "features.part.npy", folder / "features.part.jsonl"
        self._kind = [*shape, *names]
        self._open = contextlib.ExitStack()
        self._row_bytes = 4 * shape[0] * shape[1]
        self._start = len(self._header(0))
        self._known: list[list] = []
        self._count = 0

    def __enter__(self) -> Self:
        self._open.enter_context(exclusive(self._folder / FEATURES_FILE, timeout_s=0.0))
        with self._writing():
            self._known = self._left_over()
            self._values = self._open.enter_context(self._part.open("r+b" if self._known else "w+b"))
            self._lines = self._new_list()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        if not self._known:
            for path in (self._part, self._list):
                path.unlink(missing_ok=True)

    def keeps(self, name: str, stamp: str) -> bool:
        """Whether the next person is held already; from the first who is not, later ones of an earlier run are gone.

        Parameters
        ----------
        stamp : changes when the person's files do.
        """
        if self._known[self._count : self._count + 1] != [[name, stamp]]:
            return False
        self._count += 1
        return True

    def add(self, name: str, stamp: str, values: np.ndarray) -> None:
        """Puts a person's values (V, F) after those kept and added so far."""
        with self._writing():
            if len(self._known) > self._count:
                del self._known[self._count :]
                self._lines.close()
                self._lines = self._new_list()
            self._values.seek(self._start + self._count * self._row_bytes)
            self._values.write(np.ascontiguousarray(values, dtype="<f4").reshape(self._shape).tobytes())
            _to_disk(self._values)
            self._lines.write(json.dumps([name, stamp]) + "\n")
            _to_disk(self._lines)
        self._known.append([name, stamp])
        self._count += 1

    def finish(self, people: str) -> None:
        """Turns the file into ``features.npy`` and writes ``people.csv``; old ones go first, so they never mix."""
        with self._writing():
            self._values.seek(0)
            self._values.write(self._header(self._count))
            self._values.truncate(self._start + self._count * self._row_bytes)
            _to_disk(self._values)
            self._values.close()
            self._lines.close()
            (self._folder / FEATURES_FILE).unlink(missing_ok=True)
            write_atomically(self._folder / PEOPLE_FILE, people)
            self._part.replace(self._folder / FEATURES_FILE)
            self._list.unlink()

    def _left_over(self) -> list[list]:
        """Name and stamp of everyone an earlier run left whole."""
        try:
            *lines, _ = self._list.read_text(encoding="utf-8").split("\n")  # a line without its end was cut off
            kind, *known = map(json.loads, lines)
            whole = (self._part.stat().st_size - self._start) // self._row_bytes
        except (FileNotFoundError, ValueError):
            return []
        return known[: max(whole, 0)] if kind == self._kind else []

    def _new_list(self) -> IO[str]:
        lines = [json.dumps(line) + "\n" for line in (self._kind, *self._known)]
        write_atomically(self._list, "".join(lines))
        return self._open.enter_context(self._list.open("a", encoding="utf-8"))

    def _header(self, count: int) -> bytes:
        """Of a .npy file; numpy leaves room in it, so it has the same length for every count."""
        stream = io.BytesIO()
        facts = {"descr": "<f4", "fortran_order": False, "shape": (count, *self._shape)}
        np.lib.format.write_array_header_1_0(stream, facts)
        return stream.getvalue()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RegionalBrainAgeError(
                f"{self._part} cannot be written: {error.strerror}.",
                "Check free space and permissions of the folder; the same call then goes on from here.",
            ) from error


def _to_disk(stream: IO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
