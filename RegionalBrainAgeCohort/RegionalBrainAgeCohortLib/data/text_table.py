"""A table as people save it, from bytes to cells of text and columns of numbers.

Understood: comma, semicolon or tab separated; decimal commas; a byte-order mark; UTF-8, UTF-16 or Windows text; blank,
``NA``, ``n/a``, ``NaN``, ``-999`` and the like as missing. What cannot be understood without guessing is refused with
the row and column at fault.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd
from RegionalBrainAgeLib.errors import InputError

from .finding import Finding

MISSING = {"", "na", "n/a", "nan", "null", "none", "missing", "#n/a", "#value!", ".", "-", "?"}
WHOLE_NUMBERS = ("days_post_stroke",)
_MISSING_NUMBERS = (-999, -9999, -99999)
_POINT_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")


def read_text(path: Path, findings: list[Finding]) -> pd.DataFrame:
    """The table of `path` as text cells without surrounding blanks; raises `InputError` where it is no table."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"The table {path} cannot be read: {error.strerror}.", "Check the path.") from error
    if raw[:4] == b"PK\x03\x04" or raw[:4] == b"\xd0\xcf\x11\xe0":
        raise InputError(f"{path.name} is a spreadsheet, not a CSV file.", "Save it as CSV and try again.")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            text = raw.decode("utf-16")
        except UnicodeDecodeError as error:
            raise InputError(f"{path.name} is cut short: it is no whole UTF-16 text.", "Save it again.") from error
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("cp1252", errors="replace")
            findings.append(Finding("note", f"{path.name} is not UTF-8; it was read as Windows (1252) text."))
    lines = [(i, line) for i, line in enumerate(text.splitlines(), start=1) if line.strip(" ,;\t\"'")]
    if not lines:
        raise InputError(f"The table {path.name} is empty.", "Give the processed_cases.csv of a study.")
    if lines[0][1].lower().startswith("sep=") and len(lines) > 1:
        lines = lines[1:]
    delimiter = max(",;\t", key=lines[0][1].count)
    if delimiter == ";":
        findings.append(Finding("note", "The table is separated by semicolons; that was understood."))
    rows = _cells(path, lines, delimiter)
    header = [_clean(name) for name in rows[0]]
    while header and not header[-1]:
        header.pop()
    width = len(header)
    for number, row in enumerate(rows[1:], start=2):
        if len(row) < width or any(cell.strip() for cell in row[width:]):
            hint = (
                "Decimal commas in a comma-separated file? Save it with semicolons or with decimal points."
                if len(row) > width and delimiter == ","
                else "Repair or remove the row."
            )
            raise InputError(f"Row {number} of {path.name} has {len(row)} cells, the header has {width}.", hint)
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InputError(f"Column {', '.join(twice)} occurs twice in {path.name}.", "Remove or rename one of them.")
    body = [[_clean(cell) for cell in row[:width]] for row in rows[1:]]
    frame = pd.DataFrame(body, columns=header, dtype=object)
    frame.attrs["delimiter"] = delimiter
    return frame


def _cells(path: Path, lines: list[tuple[int, str]], delimiter: str) -> list[list[str]]:
    """Cells of every line; a cell that runs over the end of its line is refused, for its quote was never closed."""
    rows = []
    for number, line in lines:
        try:
            (cells,) = csv.reader([line], delimiter=delimiter, strict=True)
        except (csv.Error, ValueError) as error:
            raise InputError(
                f"Line {number} of {path.name} cannot be read: a quotation mark in it is not closed, or stands inside "
                "a cell.",
                "Correct the quotation marks of this line.",
            ) from error
        rows.append(cells)
    return rows


def _clean(cell: str) -> str:
    """A cell without surrounding blanks, and without the apostrophe that keeps spreadsheets from running it."""
    text = cell.strip().strip("\ufeff\u00a0").strip()
    return text[1:] if re.match(r"'[=+\-@]", text) else text


# ---- cells to values ------------------------------------------------------------------------------------------------
def is_numeric(column: str, cells: pd.Series) -> bool:
    """Known measurements must be numbers; a column of the user's own is one when most of its cells are."""
    known = ("age", "days_post_stroke", "lesion_volume_ml", "motor", "load_cst", "load_cst_weighted")
    if column in known or re.match(r"(pad|load|thickness)_", column):
        return True
    filled = [c for c in cells if c.lower() not in MISSING]
    return bool(filled) and all(_POINT_NUMBER.fullmatch(c) or _COMMA_NUMBER.fullmatch(c) for c in filled)


def to_numbers(frame: pd.DataFrame, findings: list[Finding]) -> dict[str, np.ndarray]:
    """Columns of text as numbers, NaN where missing; raises `InputError` with the row and column of what is none."""
    commas: list[str] = []
    bad: list[str] = []
    columns = {}
    for column in frame.columns:
        values = np.full(len(frame), np.nan)
        with_comma = [cell for cell in frame[column] if "," in cell]
        if (
            with_comma
            and all(_THOUSANDS.fullmatch(cell) for cell in with_comma)
            and (column in WHOLE_NUMBERS or frame.attrs.get("delimiter") != ";")
        ):
            raise InputError(
                f"Column {column} holds {with_comma[0]}: a thousand, or a decimal comma?",
                "Write numbers without separators of thousands.",
            )
        kinds = {"," if "," in cell else "." for cell in frame[column] if "," in cell or "." in cell.strip(".")}
        if len(kinds) == 2:
            raise InputError(
                f"Column {column} mixes decimal commas and decimal points.", "Write all numbers the same way."
            )
        for row, cell in enumerate(frame[column]):
            if cell.lower() in MISSING or (_POINT_NUMBER.fullmatch(cell) and float(cell) in _MISSING_NUMBERS):
                continue
            if _POINT_NUMBER.fullmatch(cell):
                values[row] = float(cell)
            elif _COMMA_NUMBER.fullmatch(cell):
                values[row] = float(cell.replace(",", "."))
                commas.append(column)
            else:
                bad.append(f"row {row + 2}, column {column}: '{cell[:30]}'")
        columns[column] = values
    if bad:
        raise InputError(
            "These cells are not numbers: "
            + "; ".join(bad[:5])
            + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
            + ".",
            "Correct them, or leave them empty where the value is missing.",
        )
    if commas:
        findings.append(
            Finding(
                "note",
                f"Decimal commas were read as decimal points in {len(set(commas))} columns ({len(commas)} cells).",
            )
        )
    return columns
