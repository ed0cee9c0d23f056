"""Tables as text: one dialect, one word for a missing value, cells safe from spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import InputError

MISSING = "n/a"


Meanings = Mapping[str, tuple[str, str | None]]


_FORMULA_START = ("=", "+", "-", "@", "\t", "\r")


_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")


def cell(value: object, missing: str = MISSING) -> str:
    """One value as text: numbers to six significant digits, absent values as `missing`, text kept from spreadsheets.

    Text that a spreadsheet would run as a formula (it begins with = + - or @ and is no number) gets an apostrophe.
    """
    if value is None:
        return missing
    if isinstance(value, str):
        text = " ".join(value.split()) if "\n" in value or "\r" in value or "\t" in value else value
        if not text:
            return missing
        formula = text.startswith(_FORMULA_START) and not _NUMBER.fullmatch(text)
        return "'" + text if formula else text
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else missing
    return str(value)


def table_text(rows: Iterable[Mapping[str, object]], columns: Sequence[str], *, csv_file: bool = False) -> str:
    """Rows as TSV (absent values n/a, as BIDS asks) or CSV (absent values empty). Unknown keys are an error."""
    missing = "" if csv_file else MISSING
    out = io.StringIO()
    writer = csv.writer(out, delimiter="," if csv_file else "\t", lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        unknown = set(row) - set(columns)
        if unknown:
            raise ValueError(f"columns not in the table: {sorted(unknown)}")
        writer.writerow([cell(row.get(column), missing) for column in columns])
    return out.getvalue()


def write_table(path: Path, rows: Iterable[Mapping[str, object]], meanings: Meanings) -> None:
    """A TSV and its JSON sidecar, which says what every column means and in which unit."""
    path = Path(path)
    path.write_text(table_text(rows, list(meanings)), encoding="utf-8")
    path.with_suffix(".json").write_text(sidecar_text(meanings), encoding="utf-8")


def sidecar_text(meanings: Meanings) -> str:
    """BIDS-style description of a table's columns."""
    described = {
        name: {"Description": text} | ({"Units": unit} if unit else {}) for name, (text, unit) in meanings.items()
    }
    return json.dumps(described, indent=2) + "\n"


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a TSV or CSV of this library as text; a byte-order mark is ignored.

    Raises
    ------
    InputError : the file cannot be read, is empty, or a row has more or fewer cells than the header.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The table {path} cannot be read: {error}.", "Check the path and save it as UTF-8."
        ) from error
    delimiter = "\t" if path.suffix == ".tsv" else ","
    lines = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    if not lines:
        raise InputError(f"The table {path} is empty.", "Give a table with a header line.")
    header, rows = lines[0], [line for line in lines[1:] if line]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InputError(
                f"Row {number} of {path} has {len(row)} cells, the header has {len(header)}.",
                "Repair or remove the row.",
            )
    return [dict(zip(header, row, strict=True)) for row in rows]


def number(text: str | None) -> float:
    """A cell as a number; NaN where it is absent (empty or n/a)."""
    return math.nan if text is None or text.strip() in ("", MISSING) else float(text)
