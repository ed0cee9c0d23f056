"""The tables a batch leaves: one writer, one order, whatever the order in which cases end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ...case.result.tables import PROCESSED_NAME, added_columns, fits_header
from ...errors import InputError
from ...files.atomic_file import atomic_stream, write_atomically
from ...files.lock import exclusive
from ...files.tables import read_table, table_text
from ..lists.case_list import FailedCase
from ..review.decisions import read_decisions, with_decision

FAILED_NAME = "failed_cases.csv"
QUALITY_PAGE_NAME = "quality.html"
FAILED_COLUMNS = {
    "line": "Line in the list; in a BIDS dataset, number of the session in order.",
    "case_id": "Identifier of the case, as far as it is known.",
    "stage": "list: the row is wrong, nothing was tried. case: the computation failed.",
    "reason": "What happened and what to do.",
    "log": "Path of the case's log below the output folder; empty without one.",
}


def write_processed(
    out_dir: Path, columns: Sequence[str], case_ids: Sequence[str], rows: Mapping[str, Mapping[str, str]]
) -> int:
    """Write processed_cases.csv: the batch's cases in the order of its list, then cases of others that were there.

    Reviewers' decisions (qc.tsv) are entered in the column qc. No time or duration is in the table: the same cases give
    the same bytes.

    Parameters
    ----------
    columns : header; see `case.result.tables.processed_columns`.
    case_ids : all cases of the list, in order; those without a row have no result and lose an old row.
    rows : by case id, as text.

    Returns
    -------
    int : number of rows of other cases that were kept.

    Raises
    ------
    InputError : other cases in the table have other columns.
    RegionalBrainAgeError : the table cannot be written.
    """
    path = out_dir / PROCESSED_NAME
    decisions = read_decisions(out_dir)
    with exclusive(path):
        before = TableBefore.read(out_dir, columns)
        others = before.others(set(case_ids))
        ordered = [before.with_added(rows[case_id]) for case_id in case_ids if case_id in rows]
        decided = [with_decision(row, decisions) for row in [*ordered, *others]]
        if decided or path.exists():
            write_atomically(path, table_text(decided, [*columns, *before.added], csv_file=True))
    return len(others)


@dataclass(frozen=True)
class TableBefore:
    """The processed_cases.csv that a batch finds.

    Parameters
    ----------
    path : of the table. columns : of the batch. rows : by case id. added : columns that a user added.
    """

    path: Path
    columns: Sequence[str]
    rows: Mapping[str, Mapping[str, str]]
    added: Sequence[str]

    @classmethod
    def read(cls, out_dir: Path, columns: Sequence[str]) -> TableBefore:
        """The table of an output folder; without rows where there is none."""
        path = out_dir / PROCESSED_NAME
        found = read_table(path) if path.exists() else []
        rows = {(row.get("case_id") or "").removeprefix("sub-"): row for row in found}
        return cls(path, columns, rows, added_columns(found[0], columns) if found else [])

    def others(self, mine: Set[str]) -> list[Mapping[str, str]]:
        """Rows whose case_id is not among `mine`.

        Raises
        ------
        InputError : there are some, and the table has other columns.
        """
        others = [row for case_id, row in self.rows.items() if case_id not in mine]
        if others and not fits_header(list(others[0]), self.columns):
            raise InputError(
                f"The table {self.path} has other columns than this batch (another region scheme or version).",
                "Choose another output folder, or move the old table away.",
            )
        return others

    def with_added(self, row: Mapping[str, object]) -> dict[str, object]:
        """A row with what a user had written into the columns added."""
        old = self.rows.get(str(row["case_id"]).removeprefix("sub-"), {})
        return {**row, **{name: old.get(name, "") for name in self.added}}


class StreamedTable:
    """A table written part by part that appears whole, at the end of its ``with`` block, or not at all.

    Parameters
    ----------
    path : where it will appear.
    columns : its header.
    csv_file : CSV with empty cells for absent values, instead of TSV with n/a.
    """

    def __init__(self, path: Path, columns: Sequence[str], csv_file: bool = False) -> None:
        self._path, self._columns, self._csv_file = path, list(columns), csv_file

    def __enter__(self) -> StreamedTable:
        self._block = contextlib.ExitStack()
        self._stream = self._block.enter_context(atomic_stream(self._path))
        self._stream.write(table_text([], self._columns, csv_file=self._csv_file))
        return self

    def add(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Add rows; their numbers are rounded as in every table."""
        text = table_text(rows, self._columns, csv_file=self._csv_file)
        self._stream.write(text.partition("\n")[2])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._block.__exit__(kind, error, trace)


def write_failed(out_dir: Path, failed: Iterable[FailedCase]) -> None:
    """Write failed_cases.csv in the order of the list; it has only a header when nothing failed.

    Raises
    ------
    RegionalBrainAgeError : it cannot be written.
    """
    rows = [
        {name: getattr(case, name) for name in FAILED_COLUMNS} for case in sorted(failed, key=lambda case: case.line)
    ]
    write_atomically(out_dir / FAILED_NAME, table_text(rows, list(FAILED_COLUMNS), csv_file=True))
