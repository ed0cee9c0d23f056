"""A checked cohort from processed_cases.csv: what is usable, what is not, and why.

Networks are read from the header, any codes will do. A table needs PADs, lesion loads or thicknesses, not all three:
analyses of what is absent are not done. How the file itself is read: `text_table`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from RegionalBrainAgeLib.case.result.tables import LARGEST_LESION_ML, measured_networks
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.input_file import as_path
from RegionalBrainAgeLib.files.words import MISSING_WORDS, same_numbers, sex_of

from .cases import REMEDIES, calibrated_of, check_ids, leave_out, reasons
from .checks import check_columns
from .finding import Finding
from .motor_scales import SCALES
from .settings import Settings
from .text_table import is_numeric, read_text, to_numbers

_TEXT_COLUMNS = ("case_id", "site", "sex", "lesion_side", "calibrated", "qc", "model", "version", "simulated")
# A volume beyond any brain is in cubic millimetres; a third of the ages beyond a life are in days or months.
_OLDEST_YEARS, _WRONG_UNIT_FRACTION = 120.0, 1 / 3
_RARE_LESION_ML, _FARTHEST_PAD_YEARS, _THICKEST_MM = 600.0, 90.0, 10.0
# Columns made here, and of what.
_MADE_OF = {
    **{"sex_M": "sex", "log_lesion_volume": "lesion_volume_ml", "severe": "motor", "group_mild": "motor"},
    "comparable": "calibrated",
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
        columns ``sex_M``, ``log_lesion_volume``, ``severe``, ``group_mild`` and ``comparable``.
    networks : codes in the order of the header. left_out : case_id and reason of every case not used.
    findings : what the user should know, most serious first.
    """

    source: str
    data: pd.DataFrame
    networks: tuple[str, ...]
    left_out: pd.DataFrame
    findings: tuple[Finding, ...]
    rows_read: int

    @property
    def comparable(self) -> pd.DataFrame:
        """Cases whose PADs can be compared without a site effect: calibrated to their scanner, or taken so as asked."""
        return self.data[self.data["comparable"]].reset_index(drop=True)

    @property
    def motor_levels(self) -> int:
        """Number of levels of a motor outcome that is ordinal (a few ordered grades); 0 for a continuous one."""
        return few_levels(self.data["motor"]) if "motor" in self.data.columns else 0

    def _present(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name in self.data.columns]

    @property
    def pads(self) -> list[str]:
        """PAD columns that are not empty: ipsilesional of every network, then contralesional."""
        return self._measured("pad")

    @property
    def loads(self) -> list[str]:
        """Load columns of the family: both sides of every network and the corticospinal tract."""
        return [*self._measured("load"), *self._present(["load_cst"])]

    @property
    def thicknesses(self) -> list[str]:
        """Thickness columns, where the table has them and they are not empty."""
        return self._measured("thickness")

    def _measured(self, kind: str) -> list[str]:
        names = self._present([f"{kind}_{side}_{net}" for side in ("ipsi", "contra") for net in self.networks])
        return [name for name in names if self.data[name].notna().any()]


def read_cohort(path: Path | str, settings: Settings | None = None) -> Cohort:
    """Read and check a table of processed cases.

    Raises
    ------
    InputError : the file is no such table, a cell is no number, a case_id is used twice, the motor outcome is not on
        the scale 0..1 (see `Settings.motor_scale`), or `path` or `settings` are of another type.
    """
    settings = Settings() if settings is None else settings
    if not isinstance(settings, Settings):
        raise InputError(f"The settings were given as {type(settings).__name__}.", "Give a Settings object.")
    path = as_path(path, "The table of cases")
    findings: list[Finding] = []
    frame = read_text(path, findings)
    _check_header(path, frame)
    frame = _without_made_columns(frame, findings)
    networks = tuple(measured_networks(frame.columns))
    rows_read = len(frame)
    asked = {*settings.covariates, *settings.group_covariates}
    asked.update(re.findall(r"\w+", f"{settings.formula} {settings.sem_model}"))
    numeric = [c for c in frame.columns if c not in _TEXT_COLUMNS and is_numeric(c, frame[c], c in asked)]
    for column in frame.columns.difference(numeric):
        # "none" is an answer there: no lesion, no aphasia.
        answers = {"none"} if column == "lesion_side" or column not in _TEXT_COLUMNS else set()
        frame[column] = [None if v.lower() in MISSING_WORDS - answers else v for v in frame[column]]
    frame = frame.assign(**to_numbers(frame[numeric], findings))
    frame["sex"] = _sexes(frame)
    alike = same_numbers(frame["site"].dropna().unique())
    if alike:
        raise InputError(
            f"Column site writes one number in several ways ({', '.join(alike[0])}).",
            "Write each site the same way in every row.",
        )
    left_out, frame = leave_out(frame, settings, findings)
    check_ids(frame)
    if frame.empty:
        raise InputError(
            f"No case of {path.name} is usable: " + reasons(left_out) + ".",
            " ".join(remedy for reason, remedy in REMEDIES.items() if (left_out["reason"] == reason).any())
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


def _check_header(path: Path, frame: pd.DataFrame) -> None:
    lower = {c.lower(): c for c in frame.columns}
    for name in REQUIRED:
        if name not in frame.columns:
            near = f" (there is '{lower[name]}': column names are lower case)" if name in lower else ""
            raise InputError(f"{path.name} has no column '{name}'{near}.", _EXPECTED)
    if not measured_networks(frame.columns):
        raise InputError(
            f"{path.name} has no column pad_ipsi_<network>, load_ipsi_<network> or thickness_ipsi_<network>.", _EXPECTED
        )
    if frame.empty:
        raise InputError(f"{path.name} has a header but no case.", "Process some cases first.")


def _without_made_columns(frame: pd.DataFrame, findings: list[Finding]) -> pd.DataFrame:
    """The table without columns that have the names of ours: nothing tells whether they hold the same."""
    given = frame.columns.intersection(list(_MADE_OF))
    for name in given:
        told = f"Column {name} is not used: the analysis makes its own of {_MADE_OF[name]}. Rename yours to use it."
        findings.append(Finding("warning", told))
    return frame.drop(columns=given)


def _sexes(frame: pd.DataFrame) -> list[str | None]:
    unknown = sorted({v for v in frame["sex"].dropna() if sex_of(v) is None})
    if unknown:
        raise InputError(f"Column sex holds {', '.join(map(repr, unknown[:5]))}.", "Write F or M, or leave it empty.")
    return [None if pd.isna(v) else sex_of(v) for v in frame["sex"]]


# ---- derived columns ------------------------------------------------------------------------------------------------
def _derive(frame: pd.DataFrame, settings: Settings, findings: list[Finding]) -> pd.DataFrame:
    """Values that cannot be are set missing and reported; derived columns are added."""
    frame = frame.copy()

    def blank(column: str, rows: pd.Series, sentence: str) -> None:
        if rows.any():
            named = ", ".join(frame.loc[rows, "case_id"].head(5)) + (", ..." if rows.sum() > 5 else "")
            findings.append(Finding("warning", sentence.format(n=int(rows.sum()), cases=named)))
            frame.loc[rows, column] = np.nan

    if (frame["age"] > _OLDEST_YEARS).sum() > _WRONG_UNIT_FRACTION * frame["age"].notna().sum():
        raise InputError(
            f"Column age runs from {frame['age'].min():g} to {frame['age'].max():g}: it looks like days or months.",
            "Give ages in years.",
        )
    blank("age", (frame["age"] < 0) | (frame["age"] > 120),
          "{n} age(s) are outside 0 to 120 years and treated as missing ({cases}).")  # fmt: skip
    if "lesion_volume_ml" in frame.columns:
        volume = frame["lesion_volume_ml"]
        if (volume > LARGEST_LESION_ML).any():
            raise InputError(
                f"Column lesion_volume_ml runs to {volume.max():g}, more than a brain holds: it looks like mm3.",
                "Give volumes in ml (mm3 divided by 1000).",
            )
        large = int((volume > _RARE_LESION_ML).sum())
        if large:
            told = f"{large} lesion volume(s) are above {_RARE_LESION_ML:g} ml, half a brain: are they in mm3?"
            findings.append(Finding("warning", told))
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
        far = frame[column].abs() >= _FARTHEST_PAD_YEARS
        if far.any():
            told = f"{int(far.sum())} value(s) of {column} are {_FARTHEST_PAD_YEARS:g} years or more: check them."
            findings.append(Finding("warning", told))
    for column in [c for c in frame.columns if c.startswith("thickness_")]:
        if frame[column].median() > _THICKEST_MM:
            raise InputError(
                f"Column {column} has a median of {frame[column].median():g}: it looks like micrometres.",
                "Give thickness in mm.",
            )
        blank(column, (frame[column] <= 0) | (frame[column] > _THICKEST_MM),
              "{n} value(s) of " + column + " are no thickness in mm and treated as missing ({cases}).")  # fmt: skip
    if "motor" in frame.columns:
        frame["motor"] = _motor(frame["motor"], settings, findings)
        known = frame["motor"].notna()
        # Half a thousandth of slack: 25/66 is often written as 0.379.
        frame["severe"] = (frame["motor"] <= settings.cut + 5e-4).astype(float).where(known)
        frame["group_mild"] = 1 - frame["severe"]
    frame["comparable"] = calibrated_of(frame) | settings.include_uncalibrated
    frame["sex_M"] = frame["sex"].map({"F": 0.0, "M": 1.0}).astype(float)
    return frame


def _motor(motor: pd.Series, settings: Settings, findings: list[Finding]) -> pd.Series:
    """The motor outcome as 0 (none) to 1 (full function)."""
    scale, highest = settings.scale, settings.motor_scale
    if scale is not None:
        highest = scale.highest
    top, low = motor.max(), motor.min()
    runs = f"Column motor runs from {low:g} to {top:g}"
    if top > highest or low < 0:
        if scale is None and highest == 1 and low >= 0:
            names = "; ".join(f"{name}: {known.range_text()}" for name, known in SCALES.items())
            raise InputError(
                f"{runs}, but it must be 0 to 1 (1 = full function): it looks like raw points.",
                f"Name the scale in the setting motor ({names}), or give the highest score of a scale on which many "
                "points mean full function in the setting motor_scale, as 66.",
            )
        raise InputError(
            f"{runs}, which is outside 0 to {highest:g}.",
            "Name the scale in the setting motor, or give its highest score in motor_scale, or correct the values.",
        )
    if scale is not None:
        findings.append(Finding("note", f"Motor outcome: {scale.range_text()}; analysed as 0 (none) to 1 (full)."))
        return scale.outcome(motor)
    return motor / highest


def few_levels(motor: pd.Series, most: int = 7) -> int:
    """Number of levels of an outcome that is ordinal by its look (at most `most`, evenly spaced); 0 otherwise."""
    values = np.unique(motor.dropna().to_numpy(float))
    if not 2 < len(values) <= most or len(motor.dropna()) < 10 * len(values):
        return 0
    steps = np.diff(values)
    return len(values) if np.allclose(steps / steps.min(), np.round(steps / steps.min()), atol=1e-3) else 0
