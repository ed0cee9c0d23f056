"""A table of cases: cells of text, and columns of numbers.

How the file may be written: `RegionalBrainAgeLib.files.tables`. Beside it decimal commas are understood where the whole
table uses them, and -999 and the like as missing. What cannot be understood without guessing is refused with the row
and column at fault.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.tables import open_table
from RegionalBrainAgeLib.files.words import (
    COMMA_NUMBER,
    MISSING_NUMBERS,
    MISSING_WORDS,
    POINT_NUMBER,
    is_grouped,
)

from .finding import Finding

WHOLE_NUMBERS = ("days_post_stroke",)


def read_text(path: Path, findings: list[Finding]) -> pd.DataFrame:
    """The table of `path` as text cells; its index is the line of each row in the file.

    Raises
    ------
    InputError : it is no table, or a row is damaged.
    """
    table = open_table(path)
    findings += [Finding("note", note) for note in table.notes]
    if table.separator == ";":
        findings.append(Finding("note", "The table is separated by semicolons; that was understood."))
    lines, rows = [], []
    for row in table.rows():
        if row.fault is not None:
            raise row.fault
        lines.append(row.line)
        rows.append(tuple(row.cells.values()))
    return pd.DataFrame(rows, columns=list(dict.fromkeys(table.header)), index=lines, dtype=object)


# ---- cells to values ------------------------------------------------------------------------------------------------
def is_numeric(column: str, cells: pd.Series, in_model: bool = False) -> bool:
    """Whether a column must be numbers: known measurements, and columns of the user's own whose filled cells all are.

    in_model : the column is asked for in a model. Then most cells are enough: one odd cell among numbers would make a
    group of every number.
    """
    known = ("age", "days_post_stroke", "lesion_volume_ml", "motor", "load_cst", "load_cst_weighted")
    if column in known or re.match(r"(pad|load|thickness)_", column):
        return True
    filled = [c for c in cells if c.lower() not in MISSING_WORDS]
    numbers = sum(bool(POINT_NUMBER.fullmatch(c) or COMMA_NUMBER.fullmatch(c)) for c in filled)
    return bool(filled) and (numbers == len(filled) or (in_model and numbers > len(filled) / 2))


def to_numbers(frame: pd.DataFrame, findings: list[Finding]) -> dict[str, np.ndarray]:
    """Columns of text as numbers, NaN where missing; raises `InputError` with the row and column of what is none."""
    decimal_commas = _decimal_commas(frame)
    _refuse_grouped_by_points(frame)
    commas: list[str] = []
    bad: list[str] = []
    columns = {}
    for column in frame.columns:
        cells = frame[column].tolist()
        values = np.array([float(cell) if POINT_NUMBER.fullmatch(cell) else math.nan for cell in cells])
        for row in np.flatnonzero(~np.isfinite(values)):
            cell = cells[row]
            if cell.lower() in MISSING_WORDS:
                continue
            if decimal_commas and COMMA_NUMBER.fullmatch(cell):
                values[row] = float(cell.replace(",", "."))
                commas.append(column)
            if not math.isfinite(values[row]):
                bad.append(f"row {frame.index[row]}, column {column}: '{cell[:30]}'")
        values[np.isin(values, MISSING_NUMBERS)] = np.nan
        columns[column] = values
    if bad:
        raise InputError(
            "These cells are not finite numbers: "
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


def _refuse_grouped_by_points(frame: pd.DataFrame) -> None:
    """Refuse whole numbers whose points may separate thousands, as 2.457 days: all points are so, none is above 999.

    Raises
    ------
    InputError : naming the first.
    """
    for column in frame.columns.intersection(WHOLE_NUMBERS):
        cells = [(line, cell) for line, cell in frame[column].items() if POINT_NUMBER.fullmatch(cell)]
        pointed = [(line, cell) for line, cell in cells if "." in cell]
        if not pointed or not all(is_grouped(cell.replace(".", ",")) for _, cell in pointed):
            continue
        plain = [float(cell) for _, cell in cells if "." not in cell]
        # Days with decimals, months after a stroke, run to hundreds.
        if max(plain, default=0.0) < 1000 and max(float(cell) for _, cell in pointed if cell.count(".") == 1) < 100:
            raise InputError(
                f"Row {pointed[0][0]}, column {column} holds {pointed[0][1]}: a thousand, or decimals?",
                "Write numbers without separators of thousands.",
            )


def _decimal_commas(frame: pd.DataFrame) -> bool:
    """Whether the commas in a table's numbers are decimal ones.

    Raises
    ------
    InputError : some numbers have a comma and others a point, or a comma may separate thousands and no other number
        of the table tells.
    """
    cells = [
        (line, column, cell)
        for column in frame.columns
        for line, cell in zip(frame.index, frame[column].tolist(), strict=True)
        if "," in cell or "." in cell
    ]
    commas = [found for found in cells if "," in found[2]]
    with_comma = [found for found in commas if COMMA_NUMBER.fullmatch(found[2])]
    grouped = [found for found in commas if is_grouped(found[2])]
    sure = [found for found in with_comma if not is_grouped(found[2])]
    doubtful = [found for found in grouped if not sure or found[1] in WHOLE_NUMBERS or found[2].count(",") > 1]
    if doubtful:
        line, column, cell = doubtful[0]
        raise InputError(
            f"Row {line}, column {column} holds {cell[:30]}: a thousand, or a decimal comma?",
            "Write numbers without separators of thousands.",
        )
    pointed = (found for found in cells if "." in found[2] and POINT_NUMBER.fullmatch(found[2]))
    if with_comma and (point := next(pointed, None)):
        both = with_comma[0], point
        told = " and ".join(f"{cell[:20]} (row {line}, column {column})" for line, column, cell in both)
        raise InputError(
            f"The table mixes decimal commas and decimal points: {told}.", "Write all numbers the same way."
        )
    return bool(sure)
