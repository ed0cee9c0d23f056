"""Tables as text: one dialect for every reader and every writer, cells safe from spreadsheets.

Read: UTF-8 or UTF-16 with a byte-order mark, otherwise Windows (1252) text, which `TableFile` notes; tab, semicolon or
comma, whichever the header has most of (a line ``sep=;`` before it is understood); cells between double quotes may hold
the separator. A cell never holds a line break: a quote that is not closed on its line would swallow the rows below, so
it is refused with its line. Written: UTF-8, line feeds, TSV with n/a or CSV with empty cells for absent values.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..progress import LOG
from .atomic_file import write_atomically
from .input_file import parsing, plain_file

MISSING = "n/a"
Meanings = Mapping[str, tuple[str, str | None]]
_FORMULA_START = ("=", "+", "-", "@")
_KEPT_FROM_RUNNING = ("'=", "'+", "'-", "'@")
_NEGATIVE = re.compile(r"-\d+(\.\d+)?(e[+-]?\d+)?")
_SEPARATORS = "\t;,"
_LONGEST_CELL = csv.field_size_limit()
_LONGEST_LINE = 10_000_000
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f]")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Row:
    """A row of a table: its line in the file (the header's is mostly 1) and its cells by column.

    Of columns without a name the first counts.

    Parameters
    ----------
    fault : why the row cannot be used; its cells are then as far as they go.
    """

    line: int
    cells: dict[str, str]
    fault: InputError | None = None


@dataclass(frozen=True)
class TableFile:
    """A table on disk that can be read row by row.

    Parameters
    ----------
    header : column names as written, without those empty at the end.
    separator : tab, semicolon or comma.
    notes : what a user should know about how the file was read.
    """

    path: Path
    header: tuple[str, ...]
    separator: str
    notes: tuple[str, ...]
    _encoding: str
    _header_line: int

    def rows(self) -> Iterator[Row]:
        """All rows that are not blank, read lazily; a row with too few or too many cells has a fault.

        Raises
        ------
        InputError : a quote is not closed on its line.
        """
        for number, line in _lines(self.path, self._encoding):
            if number <= self._header_line or not line.strip(" ,;\t\"'"):
                continue
            yield self._row(number, line)

    def _row(self, number: int, line: str) -> Row:
        if len(line) > _LONGEST_LINE or (len(line) > _LONGEST_CELL and _longest_cell(line, self.separator)):
            return Row(number, {}, InputError(f"Line {number} of {self.path} has a cell that is too long.", _REPAIR))
        if self._encoding != "utf-8-sig" and "\ufffd" in line:
            what = f"Line {number} of {self.path} is cut off or damaged: a character of it cannot be read."
            return Row(number, {}, InputError(what, _REPAIR))
        cells = _split(self.path, number, line, self.separator)
        width = len(self.header)
        found: dict[str, str] = {}
        for column, text in zip(self.header, cells, strict=False):
            found.setdefault(column, text)
        if len(cells) < width or any(cells[width:]):
            hint = "Put text that holds the separator between double quotes."
            if len(cells) > width and self.separator == ",":
                hint += " Decimal commas? Save the file with semicolons or with decimal points."
            what = f"Line {number} of {self.path} has {len(cells)} cells, the header has {width}."
            return Row(number, found, InputError(what, hint))
        return Row(number, found)


_REPAIR = "Repair or remove the row."


def open_table(path: Path | str, name: str = "") -> TableFile:
    """Find out how a table is written and read its header.

    Parameters
    ----------
    name : how messages call it; "The table <path>" if empty.

    Raises
    ------
    InputError : not an ordinary file, a spreadsheet or another binary file, empty, or a column is there twice.
    """
    path = Path(path)
    name = name or f"The table {path}"
    plain_file(path, name)
    with parsing(name, "Save it as a CSV file in UTF-8."):
        encoding = _encoding_of(path, name)
        lines = ((number, line) for number, line in _lines(path, encoding) if line.strip(" ,;\t\"'"))
        number, first = next(lines, (0, ""))
        forced = ""
        if first.lower().startswith("sep=") and len(first.strip()) <= 5:
            forced = first.strip()[4:] or "\t"
            number, first = next(lines, (0, ""))
    if not first:
        raise InputError(f"{name} is empty.", "Give a table with a header line.")
    if len(first) > _LONGEST_LINE:
        raise InputError(f"{name} has no header: its first line is endless.", "Save it as a CSV file in UTF-8.")
    separator = forced if forced and forced in _SEPARATORS else max(_SEPARATORS, key=first.count)
    header = _split(path, number, first, separator)
    while header and not header[-1]:
        header.pop()
    twice = sorted(column for column, count in Counter(header).items() if column and count > 1)
    if twice:
        raise InputError(f"{name} has the column {', '.join(twice[:5])} twice.", "Remove or rename one of them.")
    notes = (f"{path.name} is not UTF-8; it was read as Windows (1252) text.",) if encoding == "cp1252" else ()
    return TableFile(path, tuple(header), separator, notes, encoding, number)


def read_table(path: Path | str) -> list[dict[str, str]]:
    """All rows of a table as text by column; how the file was read is logged where it had to be guessed.

    Raises
    ------
    InputError : as `open_table`, or a row has more or fewer cells than the header.
    """
    table = open_table(path)
    for note in table.notes:
        LOG.info(note)
    rows = []
    for row in table.rows():
        if row.fault is not None:
            raise row.fault
        rows.append(row.cells)
    return rows


def _encoding_of(path: Path, name: str) -> str:
    with path.open("rb") as stream:
        start = stream.read(4)
        if start in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
            raise InputError(f"{name} is a spreadsheet, not a CSV file.", "Save it as CSV and try again.")
        wide = start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        encoding = "utf-16" if wide else "utf-8-sig"
        stream.seek(0)
        try:
            _check_text(stream, encoding, name)
        except UnicodeDecodeError:
            stream.seek(0)
            _check_text(stream, "cp1252", name)
            encoding = "cp1252"
    return encoding


def _check_text(stream: io.BufferedReader, encoding: str, name: str) -> None:
    """Decode the whole file in blocks, so that a reader of rows meets no surprise half way."""
    decoder = codecs.getincrementaldecoder(encoding)(errors=_errors(encoding))
    while True:
        block = stream.read(_BLOCK)
        if _CONTROL.search(decoder.decode(block, final=not block)):
            raise InputError(f"{name} is no text file.", "Save it as a CSV file in UTF-8.")
        if not block:
            return


def _errors(encoding: str) -> str:
    """UTF-8 must be whole; of other text a damaged character costs the row it stands in."""
    return "strict" if encoding == "utf-8-sig" else "replace"


def _lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    with path.open(encoding=encoding, errors=_errors(encoding)) as stream:
        for number, line in enumerate(stream, start=1):
            yield number, line.rstrip("\n")


def _split(path: Path, number: int, line: str, separator: str) -> list[str]:
    try:
        (cells,) = csv.reader([line], delimiter=separator, strict=True)
    except csv.Error as error:
        raise InputError(
            f"Line {number} of {path} has a double quote that is not closed on the line ({error}): it would swallow "
            "what follows.",
            'Close it, write a quote inside a cell twice (""), and put no line break into a cell.',
        ) from error
    plain = line.isascii() and "'" not in line  # most lines of a large table
    return [cell.strip() if plain else _clean(cell) for cell in cells]


def _longest_cell(line: str, separator: str) -> bool:
    return max(map(len, line.split(separator))) >= _LONGEST_CELL


def _clean(text: str) -> str:
    """A cell without surrounding blanks, and without the apostrophe that keeps spreadsheets from running it.

    A letter and its accent, which some systems keep apart, become one: a name is one name however it was typed.
    """
    text = unicodedata.normalize("NFC", text).strip().strip("\ufeff\u00a0").strip()
    return text[1:] if text.startswith(_KEPT_FROM_RUNNING) else text


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
        formula = text.startswith(_FORMULA_START) and not _NEGATIVE.fullmatch(text)
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
    write_atomically(path, table_text(rows, list(meanings)))
    write_atomically(path.with_suffix(".json"), sidecar_text(meanings))


def sidecar_text(meanings: Meanings) -> str:
    """BIDS-style description of a table's columns."""
    described = {
        name: {"Description": text} | ({"Units": unit} if unit else {}) for name, (text, unit) in meanings.items()
    }
    return json.dumps(described, indent=2) + "\n"
