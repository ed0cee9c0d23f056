"""Everything a process needs to compute one case, as one line of text."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...case.case import FILE_FIELDS, Case

EXIT_CANCELLED = 130
EXIT_UNRECORDED = 4


@dataclass(frozen=True)
class Task:
    """Everything a process needs to compute one case.

    Parameters
    ----------
    case : the checked input, with absolute paths.
    out_dir : absolute output folder (on a cluster: on a path that all machines share).
    model, scheme : absolute paths; None for the shipped ones.
    threads : most threads to use.
    keep_paths : write full paths of the inputs into the case's files.
    notes : sentences that go first among the case's warnings.
    report : "static" or "interactive".
    dicom : write DICOM results too.
    token : of the run that owns the output folder; see `case_records.Store.owned`.
    command : program and arguments that read the task as one line on stdin; this library's worker if empty.
    """

    case: Case
    out_dir: Path
    model: Path | None = None
    scheme: Path | None = None
    threads: int = 1
    keep_paths: bool = False
    notes: tuple[str, ...] = ()
    report: str = "static"
    dicom: bool = False
    token: str = ""
    command: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``sub-<id>``, the name of the case's folder."""
        return self.case.name

    def as_line(self) -> str:
        """The task as one line of JSON."""
        return json.dumps(asdict(self), default=str) + "\n"


def task_from_line(line: str) -> Task:
    """The inverse of `Task.as_line`."""
    values = json.loads(line)
    case = values.pop("case")
    for name in FILE_FIELDS:
        case[name] = _path(case[name])
    case["simulated"] = tuple(case["simulated"])
    values |= {name: _path(values[name]) for name in ("out_dir", "model", "scheme")}
    values |= {name: tuple(values[name]) for name in ("notes", "command")}
    return Task(case=Case(**case), **values)


def make_tasks(
    cases: Sequence[tuple[Case, tuple[str, ...]]],
    out_dir: Path,
    settings: Mapping[str, Any],
) -> list[Task]:
    """Tasks with absolute paths, so that they mean the same on another machine of the cluster."""
    tasks = []
    for case, notes in cases:
        paths = {name: _absolute(getattr(case, name)) for name in FILE_FIELDS}
        case = Case(**asdict(case) | paths)
        tasks.append(Task(case=case, out_dir=out_dir.resolve(), notes=notes, **settings))
    return tasks


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else Path(os.path.abspath(path))
