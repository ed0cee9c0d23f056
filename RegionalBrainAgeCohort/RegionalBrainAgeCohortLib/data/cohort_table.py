"""Reads processed_cases.csv as people save it, checks it, and says what is usable, what is not, and why.

Understood: comma, semicolon or tab separated; decimal commas; a byte-order mark; UTF-8, UTF-16 or Windows text; blank,
``NA``, ``n/a``, ``NaN``, ``-999`` and the like as missing. Networks are read from the header, any codes will do. What
cannot be understood without guessing is refused with the row and column at fault.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from RegionalBrainAgeLib.case.result.tables import networks_of
from RegionalBrainAgeLib.errors import InputError

from .checks import Finding, check_columns
from .settings import Settings

MISSING = {"", "na", "n/a", "nan", "null", "none", "missing", "#n/a", "#value!", ".", "-", "?"}
_MISSING_NUMBERS = (-999, -9999, -99999)
_TEXT_COLUMNS = ("case_id", "site", "sex", "lesion_side", "calibrated", "qc", "model", "version")
_MEASURED = re.compile(r"(pad|load|thickness)_(ipsi|contra)_(.+)")
_POINT_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_SEX = {"f": "F", "female": "F", "woman": "F", "w": "F", "m": "M", "male": "M", "man": "M"}
_NO = {"false", "no", "0", "f", "n"}
_YES = {"true", "yes", "1", "t", "y"}
_FAILED = {"fail", "failed", "bad", "reject", "rejected"}
_UNCALIBRATED, _QC_FAILED = "never calibrated to a scanner", "failed quality control"
_REMEDIES = {
    _UNCALIBRATED: "Process them with a calibration (regional-brain-age calibrate), or use them as they are with "
    "--include-uncalibrated.",
    _QC_FAILED: "Look at them and accept what is fine, or use them as they are with --include-qc-failed.",
}
REQUIRED = ("case_id", "site", "age", "sex")
_EXPECTED = (
    "Give the processed_cases.csv that processing cases writes: case_id, site, age, sex, lesion_side, "
    "days_post_stroke, lesion_volume_ml, pad_ipsi_<network>, pad_contra_<network>, load_..., motor."
)


@dataclass(frozen=True)
class Cohort:
    """A checked cohort.

    data : usable cases; numbers as floats (NaN missing), ``site`` and ``case_id`` text, ``sex`` F/M, and the derived
        columns ``sex_M``, ``log_lesion_volume``, ``severe`` and ``group_mild``.
    networks : codes in the order of the header. left_out : case_id and reason of every case not used.
    findings : what the user should know, most serious first.
    """

    source: str
    data: pd.DataFrame
    networks: tuple[str, ...]
    left_out: pd.DataFrame
    findings: tuple[Finding, ...]
    rows_read: int

    def _present(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name in self.data.columns]

    @property
    def pads(self) -> list[str]:
        """PAD columns: ipsilesional of every network, then contralesional."""
        return self._present([f"pad_{side}_{net}" for side in ("ipsi", "contra") for net in self.networks])

    @property
    def loads(self) -> list[str]:
        """Load columns of the family: both sides of every network and the corticospinal tract."""
        regional = [f"load_{side}_{net}" for side in ("ipsi", "contra") for net in self.networks]
        return self._present([*regional, "load_cst"])

    @property
    def thicknesses(self) -> list[str]:
        """Thickness columns, where the table has them and they are not empty."""
        names = self._present([f"thickness_{side}_{net}" for side in ("ipsi", "contra") for net in self.networks])
        return [name for name in names if self.data[name].notna().any()]


def read_cohort(path: Path | str, settings: Settings | None = None) -> Cohort:
    """Read and check a table of processed cases.

    Raises
    ------
    InputError : the file is no such table, a cell is no number, a case_id is used twice, or the motor outcome is not on
        the scale 0..1 (see `Settings.motor_scale`).
    """
    settings = settings or Settings()
    path = Path(path)
    findings: list[Finding] = []
    frame = _read_text(path, findings)
    _check_header(path, frame)
    networks = tuple(networks_of([c for c in frame.columns if _MEASURED.fullmatch(c) and c.startswith("pad_")]))
    rows_read = len(frame)
    for column in frame.columns.intersection(_TEXT_COLUMNS):
        keep = {"none"} if column == "lesion_side" else set()
        frame[column] = [None if v.lower() in MISSING - keep else v for v in frame[column]]
    numeric = [c for c in frame.columns if c not in _TEXT_COLUMNS and _is_numeric(c, frame[c])]
    frame = frame.assign(**_to_numbers(frame[numeric], findings))
    frame["sex"] = _sexes(frame)
    left_out, frame = _leave_out(frame, settings, findings)
    _check_ids(frame)
    if frame.empty:
        raise InputError(
            f"No case of {path.name} is usable: " + _reasons(left_out) + ".",
            " ".join(remedy for reason, remedy in _REMEDIES.items() if (left_out["reason"] == reason).any())
            or "Group analyses need cases with a lesion on one side.",
        )
    frame = _derive(frame, settings, findings)
    findings += check_columns(frame, networks, settings)
    order = {"warning": 0, "note": 1}
    return Cohort(
        source=path.name,
        data=frame.reset_index(drop=True),
        networks=networks,
        left_out=left_out,
        findings=tuple(sorted(findings, key=lambda finding: order[finding.level])),
        rows_read=rows_read,
    )


# ---- from bytes to text cells --------------------------------------------------------------------------------------
def _read_text(path: Path, findings: list[Finding]) -> pd.DataFrame:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"The table {path} cannot be read: {error.strerror}.", "Check the path.") from error
    if raw[:4] == b"PK\x03\x04" or raw[:4] == b"\xd0\xcf\x11\xe0":
        raise InputError(f"{path.name} is a spreadsheet, not a CSV file.", "Save it as CSV and try again.")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = raw.decode("utf-16")
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("cp1252", errors="replace")
            findings.append(Finding("note", f"{path.name} is not UTF-8; it was read as Windows (1252) text."))
    lines = [line for line in text.splitlines() if line.strip(" ,;\t\"'")]
    if not lines:
        raise InputError(f"The table {path.name} is empty.", "Give the processed_cases.csv of a study.")
    if lines[0].lower().startswith("sep=") and len(lines) > 1:
        lines = lines[1:]
    delimiter = max(",;\t", key=lines[0].count)
    if delimiter == ";":
        findings.append(Finding("note", "The table is separated by semicolons; that was understood."))
    rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))
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
    return pd.DataFrame(body, columns=header, dtype=object)


def _clean(cell: str) -> str:
    """A cell without surrounding blanks, and without the apostrophe that keeps spreadsheets from running it."""
    text = cell.strip().strip("\ufeff\u00a0").strip()
    return text[1:] if re.match(r"'[=+\-@]", text) else text


def _check_header(path: Path, frame: pd.DataFrame) -> None:
    lower = {c.lower(): c for c in frame.columns}
    for name in REQUIRED:
        if name not in frame.columns:
            near = f" (there is '{lower[name]}': column names are lower case)" if name in lower else ""
            raise InputError(f"{path.name} has no column '{name}'{near}.", _EXPECTED)
    if not any(c.startswith(("pad_ipsi_", "pad_contra_")) for c in frame.columns):
        raise InputError(f"{path.name} has no column pad_ipsi_<network> or pad_contra_<network>.", _EXPECTED)
    if frame.empty:
        raise InputError(f"{path.name} has a header but no case.", "Process some cases first.")


# ---- cells to values ------------------------------------------------------------------------------------------------
def _is_numeric(column: str, cells: pd.Series) -> bool:
    """Known measurements must be numbers; a column of the user's own is one when most of its cells are."""
    known = ("age", "days_post_stroke", "lesion_volume_ml", "motor", "load_cst", "load_cst_weighted")
    if column in known or re.match(r"(pad|load|thickness)_", column):
        return True
    filled = [c for c in cells if c.lower() not in MISSING]
    return bool(filled) and all(_POINT_NUMBER.fullmatch(c) or _COMMA_NUMBER.fullmatch(c) for c in filled)


def _to_numbers(frame: pd.DataFrame, findings: list[Finding]) -> dict[str, np.ndarray]:
    commas: list[str] = []
    bad: list[str] = []
    columns = {}
    for column in frame.columns:
        values = np.full(len(frame), np.nan)
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


def _sexes(frame: pd.DataFrame) -> list[str | None]:
    unknown = sorted({v for v in frame["sex"].dropna() if v.lower() not in _SEX})
    if unknown:
        raise InputError(f"Column sex holds {', '.join(map(repr, unknown[:5]))}.", "Write F or M, or leave it empty.")
    return [None if pd.isna(v) else _SEX[v.lower()] for v in frame["sex"]]


# ---- cases ---------------------------------------------------------------------------------------------------------
def _leave_out(frame: pd.DataFrame, settings: Settings, findings: list[Finding]) -> tuple[pd.DataFrame, pd.DataFrame]:
    reason = pd.Series("", index=frame.index)

    def mark(rows: pd.Series, why: str) -> None:
        reason[rows & (reason == "")] = why

    if "calibrated" in frame.columns:
        text = frame["calibrated"].str.lower()
        odd = sorted(set(text.dropna()) - _NO - _YES)
        if odd:
            raise InputError(f"Column calibrated holds {', '.join(map(repr, odd[:5]))}.", "Write true or false.")
        if not settings.include_uncalibrated:
            mark(~text.isin(_YES), _UNCALIBRATED)
    else:
        findings.append(
            Finding("note", "There is no column 'calibrated': all cases are taken as calibrated to their scanner.")
        )
    if "qc" in frame.columns:
        text = frame["qc"].str.lower()
        if not settings.include_qc_failed:
            mark(text.isin(_FAILED), _QC_FAILED)
        waiting = int((text == "review").sum())
        if waiting:
            findings.append(
                Finding("warning", f"{waiting} case(s) are marked qc = review: look at them; they are used meanwhile.")
            )
    if "lesion_side" in frame.columns:
        side = frame["lesion_side"].str.lower()
        mark(side.isin({"bilateral", "both", "b"}), "bilateral lesion, so no ipsilesional side")
        mark(side.isin({"none"}), "no lesion, so no ipsilesional side")
    out = reason != ""
    left_out = pd.DataFrame({"case_id": frame.loc[out, "case_id"], "reason": reason[out]}).reset_index(drop=True)
    if len(left_out):
        findings.append(
            Finding("warning", f"{len(left_out)} of {len(frame)} cases are left out: {_reasons(left_out)}.")
        )
    asked = [
        (settings.include_uncalibrated, "calibrated", lambda text: ~text.isin(_YES), "never calibrated: PADs of "
         "different scanners may then differ by years for the scanner alone"),
        (settings.include_qc_failed, "qc", lambda text: text.isin(_FAILED), "that failed quality control"),
    ]  # fmt: skip
    for on, column, concerns, what in asked:
        count = int((concerns(frame[column].str.lower()) & ~out).sum()) if on and column in frame.columns else 0
        if count:
            findings.append(Finding("warning", f"As asked, the analysis includes {count} case(s) {what}."))
    return left_out, frame[~out].copy()


def _reasons(left_out: pd.DataFrame) -> str:
    counts = left_out["reason"].value_counts()
    return ", ".join(f"{n} {reason}" for reason, n in counts.items())


def _check_ids(frame: pd.DataFrame) -> None:
    blank = frame.index[frame["case_id"].isna()]
    if len(blank):
        raise InputError(f"Row {blank[0] + 2} has no case_id.", "Give every case an identifier of its own.")
    counts = frame["case_id"].value_counts()
    twice = counts[counts > 1]
    if len(twice):
        named = ", ".join(f"{case} ({n} times)" for case, n in twice.head(5).items())
        more = f" and {len(twice) - 5} more" if len(twice) > 5 else ""
        raise InputError(
            f"These case_ids occur more than once: {named}{more}. A person counted twice makes every result too sure.",
            "Keep one row for each case.",
        )


def _derive(frame: pd.DataFrame, settings: Settings, findings: list[Finding]) -> pd.DataFrame:
    """Values that cannot be are set missing and reported; derived columns are added."""
    frame = frame.copy()

    def blank(column: str, rows: pd.Series, sentence: str) -> None:
        if rows.any():
            named = ", ".join(frame.loc[rows, "case_id"].head(5)) + (", ..." if rows.sum() > 5 else "")
            findings.append(Finding("warning", sentence.format(n=int(rows.sum()), cases=named)))
            frame.loc[rows, column] = np.nan

    blank("age", (frame["age"] < 0) | (frame["age"] > 120),
          "{n} age(s) are outside 0 to 120 years and treated as missing ({cases}).")  # fmt: skip
    if "lesion_volume_ml" in frame.columns:
        volume = frame["lesion_volume_ml"]
        blank("lesion_volume_ml", volume < 0,
              "{n} lesion volume(s) are negative, which cannot be, and treated as missing ({cases}).")  # fmt: skip
        zero = frame["lesion_volume_ml"] == 0
        if zero.any():
            named = ", ".join(frame.loc[zero, "case_id"].head(5)) + (", ..." if zero.sum() > 5 else "")
            findings.append(
                Finding(
                    "warning",
                    f"{int(zero.sum())} lesion volume(s) are zero ({named}): the logarithm of zero does not exist, so "
                    "these cases are left out of the models with lesion volume.",
                )
            )
        frame["log_lesion_volume"] = np.log(frame["lesion_volume_ml"].where(frame["lesion_volume_ml"] > 0))
    if "days_post_stroke" in frame.columns:
        blank("days_post_stroke", frame["days_post_stroke"] < 0,
              "{n} value(s) of days_post_stroke are negative and treated as missing ({cases}).")  # fmt: skip
        early = int((frame["days_post_stroke"] <= 180).sum())
        if early:
            findings.append(
                Finding("warning", f"{early} case(s) are within 180 days of the stroke; the study's cases are chronic.")
            )
    for column in [c for c in frame.columns if c.startswith("load_")]:
        if (frame[column] > 1).sum() > 0.5 * (frame[column] > 0).sum():
            raise InputError(
                f"Column {column} runs from {frame[column].min():g} to {frame[column].max():g}, but it must be a "
                "fraction of 0 to 1: it looks like percent or another unit.",
                "Divide percent by 100.",
            )
        blank(column, (frame[column] < 0) | (frame[column] > 1),
              "{n} value(s) of " + column + " are outside 0 to 1 and treated as missing ({cases}).")  # fmt: skip
    for column in [c for c in frame.columns if re.match(r"pad_(ipsi|contra)_", c)]:
        far = frame[column].abs() > 100
        if far.any():
            findings.append(
                Finding("warning", f"{int(far.sum())} value(s) of {column} are beyond 100 years: check them.")
            )
    if "motor" in frame.columns:
        frame["motor"] = _motor(frame["motor"], settings)
        known = frame["motor"].notna()
        # Half a thousandth of slack: 25/66 is often written as 0.379.
        frame["severe"] = (frame["motor"] <= settings.severe_cut + 5e-4).astype(float).where(known)
        frame["group_mild"] = 1 - frame["severe"]
    frame["sex_M"] = frame["sex"].map({"F": 0.0, "M": 1.0}).astype(float)
    return frame


def _motor(motor: pd.Series, settings: Settings) -> pd.Series:
    scaled = motor / settings.motor_scale
    highest, lowest = scaled.max(), scaled.min()
    runs = f"Column motor runs from {motor.min():g} to {motor.max():g}"
    if highest > 1 or lowest < 0:
        if settings.motor_scale == 1 and lowest >= 0 and highest <= 66:
            raise InputError(
                f"{runs}, but it must be 0 to 1 (1 = full function): it "
                "looks like raw Fugl-Meyer upper-extremity points (0 to 66).",
                "Divide it by 66, or run again with --motor-scale 66 (another number for another scale).",
            )
        raise InputError(
            f"{runs}, which is outside 0 to {settings.motor_scale:g}.",
            "Give the highest score of the scale (as --motor-scale 100), or correct the values.",
        )
    return scaled
