"""Tables that FreeSurfer and FastSurfer leave below ``stats/``: comments that begin with #, then rows of words."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .input_file import parsing, plain_file

REMEDY = "Run the FreeSurfer or FastSurfer step again; the file must be the one it wrote."

# Tables of volumes: FreeSurfer's own, then FastSurfer's.
_VOLUME_TABLES = ("aseg.stats", "aseg+DKT.stats", "aseg+DKT.VINN.stats")


@dataclass(frozen=True)
class StatsTable:
    """A table as written.

    Parameters
    ----------
    comments : lines that begin with #.
    rows : each line with its cells by column.
    """

    name: str
    comments: tuple[str, ...]
    rows: tuple[tuple[str, dict[str, str]], ...]

    def said(self, key: str) -> str:
        """What the comment ``# key value`` says; "" where there is none."""
        return _said(self.comments, key)

    def damaged(self, line: str) -> InputError:
        """The error for a line that cannot be used."""
        return InputError(f"{self.name} has a damaged line: '{line.strip()[:60]}'.", REMEDY)


def read_stats(path: Path, columns: Collection[str], what: str) -> StatsTable:
    """The rows of a table.

    Parameters
    ----------
    columns : which it must have.
    what : what such a table is called, for messages.

    Raises
    ------
    InputError : the file cannot be read, lacks a column, or has a line of another width.
    """
    name = f"The file {path}"
    lines = _lines(path)
    comments = tuple(line for line in lines if line.startswith("#"))
    header = _said(comments, "ColHeaders").split()
    if not set(columns) <= set(header):
        raise InputError(f"{name} is not {what}.", REMEDY)
    table = StatsTable(name, comments, ())
    rows = []
    for line in lines:
        cells = line.split()
        if line.startswith("#") or not cells:
            continue
        if len(cells) != len(header):
            raise table.damaged(line)
        rows.append((line, dict(zip(header, cells, strict=True))))
    return StatsTable(name, comments, tuple(rows))


def volume_tables(folder: Path) -> list[Path]:
    """The tables of volumes that a subject's folder has, the one to be used first."""
    return [path for name in _VOLUME_TABLES if (path := folder / "stats" / name).exists()]


def check_one_subject(paths: Iterable[Path]) -> None:
    """Refuse tables of one folder that name several subjects; those that name none are taken as of the others'.

    Raises
    ------
    InputError : they do, or one cannot be read.
    """
    subjects: dict[str, Path] = {}
    for path in paths:
        if path.exists() and (subject := _said(_lines(path), "subjectname")):
            subjects.setdefault(Path(subject).name, path)
    if len(subjects) > 1:
        told = ", ".join(f"{path.name} of {subject}" for subject, path in subjects.items())
        folder = next(iter(subjects.values())).parent
        raise InputError(
            f"The tables in {folder} are of different subjects ({told}).",
            "Copy the files of one subject again into a folder of their own.",
        )


def _lines(path: Path) -> list[str]:
    plain_file(path, f"The file {path}")
    with parsing(f"The file {path}", REMEDY):
        return path.read_text(encoding="utf-8-sig").splitlines()


def _said(lines: Iterable[str], key: str) -> str:
    start = f"# {key} "
    return next((line[len(start) :].strip() for line in lines if line.startswith(start)), "")
