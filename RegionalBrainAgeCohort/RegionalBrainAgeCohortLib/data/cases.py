"""Which cases of a table are used: calibration, quality control, side of the lesion; and who is counted twice."""

from __future__ import annotations

import re
from collections.abc import Collection

import pandas as pd
from RegionalBrainAgeLib.case.result.tables import SESSION_MARK
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.words import truth_of

from .finding import Finding
from .settings import Settings

_FAILED = {"fail", "failed", "bad", "reject", "rejected", "exclude", "excluded"}
_KNOWN_QC = {*_FAILED, "pass", "passed", "ok", "good", "accept", "accepted", "review"}
_ONE_SIDED, _BOTH_SIDES = {"l", "left", "r", "right"}, {"bilateral", "both", "b"}
# What names of images add to a person's.
_IMAGE_OF_PERSON = re.compile("_(ses|run|acq|rec|ce|echo|inv)-.*")
ANOTHER_SESSION = "another session of a person who is in the table already"
UNCALIBRATED = "never calibrated to a scanner"
QC_FAILED = "failed quality control"
REMEDIES = {
    UNCALIBRATED: "Process them with a calibration (regional-brain-age calibrate), or use them as they are with "
    "the setting include_uncalibrated.",
    QC_FAILED: "Look at them and accept what is fine, or use them as they are with the setting include_qc_failed.",
}


def leave_out(frame: pd.DataFrame, settings: Settings, findings: list[Finding]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cases not used (case_id, reason) and the table of those used; what was done is told in `findings`.

    Cases never calibrated to their scanner stay where no case of their site is: the scanner's offset is then one number
    for the site, and models with a site effect take it. Beside calibrated cases of the same site they are left out.
    """
    reason = pd.Series("", index=frame.index)

    def mark(rows: pd.Series, why: str) -> None:
        reason[rows & (reason == "")] = why

    if "calibrated" in frame.columns:
        odd = sorted({word for word in frame["calibrated"].dropna() if truth_of(word) is None})
        if odd:
            raise InputError(f"Column calibrated holds {', '.join(map(repr, odd[:5]))}.", "Write true or false.")
        if not settings.include_uncalibrated:
            calibrated = calibrated_of(frame)
            mark(~calibrated & calibrated.groupby(frame["site"], dropna=False).transform("any"), UNCALIBRATED)
    else:
        findings.append(
            Finding("note", "There is no column 'calibrated': all cases are taken as calibrated to their scanner.")
        )
    failed = pd.Series(False, index=frame.index)
    if "qc" in frame.columns:
        text = frame["qc"].str.lower()
        odd = sorted(set(text.dropna()) - _KNOWN_QC)
        if odd:
            raise InputError(
                f"Column qc holds {', '.join(map(repr, odd[:5]))}{_first_row(text, odd)}.",
                "Write pass, review or fail.",
            )
        failed = text.isin(_FAILED)
        if not settings.include_qc_failed:
            mark(failed, QC_FAILED)
        waiting = int((text == "review").sum())
        if waiting:
            findings.append(
                Finding("warning", f"{waiting} case(s) are marked qc = review: look at them; they are used meanwhile.")
            )
    if "lesion_side" in frame.columns:
        side = frame["lesion_side"].str.lower()
        odd = sorted(set(side.dropna()) - _ONE_SIDED - _BOTH_SIDES - {"none"})
        if odd:
            raise InputError(
                f"Column lesion_side holds {', '.join(map(repr, odd[:5]))}{_first_row(side, odd)}.",
                "Write L, R, bilateral or none.",
            )
        mark(side.isin(_BOTH_SIDES), "bilateral lesion, so no ipsilesional side")
        mark(side.isin({"none"}), "no lesion, so no ipsilesional side")
    persons = frame["case_id"].map(person_of, na_action="ignore").where(reason == "")
    several = persons[persons.notna() & persons.duplicated(keep=False)]
    sessions = frame["case_id"].loc[several.index].str.contains(SESSION_MARK, regex=False)
    mark(several[sessions].duplicated().reindex(frame.index, fill_value=False), ANOTHER_SESSION)
    out = reason != ""
    left_out = pd.DataFrame({"case_id": frame.loc[out, "case_id"], "reason": reason[out]}).reset_index(drop=True)
    if len(left_out):
        findings.append(Finding("warning", f"{len(left_out)} of {len(frame)} cases are left out: {reasons(left_out)}."))
    offset = int((~calibrated_of(frame) & ~out).sum())
    if offset and not settings.include_uncalibrated:
        findings.append(
            Finding(
                "warning",
                f"{offset} case(s) are of sites where no case was calibrated to the scanner. Models with a site effect "
                "use them, for it takes the scanner's offset; the path model and the classifiers, which have none, do "
                "not (the setting include_uncalibrated uses them everywhere).",
            )
        )
    asked = [
        (settings.include_uncalibrated, ~calibrated_of(frame), "never calibrated: PADs of different scanners may then "
         "differ by years for the scanner alone"),
        (settings.include_qc_failed, failed, "that failed quality control"),
    ]  # fmt: skip
    for on, concerned, what in asked:
        count = int((concerned & ~out).sum())
        if on and count:
            findings.append(Finding("warning", f"As asked, the analysis includes {count} case(s) {what}."))
    return left_out, frame[~out].copy()


def person_of(case_id: str) -> str:
    """The person a case is of: sub-07, SUB-07, 07, 7, 07_ses-2 and 07_run-1 are one, and so are p1 and P1."""
    person = _IMAGE_OF_PERSON.sub("", case_id.strip().casefold().removeprefix("sub-"))
    return person.lstrip("0") or "0" if person.isdecimal() else person


def _first_row(column: pd.Series, words: Collection[str]) -> str:
    return f" (first in row {column.index[column.isin(words)][0]})"


def calibrated_of(frame: pd.DataFrame) -> pd.Series:
    """Which cases were calibrated to their scanner; all, where the table does not say."""
    if "calibrated" not in frame.columns:
        return pd.Series(True, index=frame.index)
    return frame["calibrated"].map(truth_of, na_action="ignore").eq(True)


def reasons(left_out: pd.DataFrame) -> str:
    """How many cases were left out for each reason, in words."""
    counts = left_out["reason"].value_counts()
    return ", ".join(f"{n} {reason}" for reason, n in counts.items())


def check_ids(frame: pd.DataFrame) -> None:
    """Raise `InputError` where a used case has no identifier, or the same as another one."""
    blank = frame.index[frame["case_id"].isna()]
    if len(blank):
        raise InputError(f"Row {blank[0]} has no case_id.", "Give every case an identifier of its own.")
    names = frame["case_id"].groupby(frame["case_id"].map(person_of)).agg(list)
    twice = names[names.map(len) > 1]
    if len(twice):
        named = ", ".join(f"{' / '.join(dict.fromkeys(ids))} ({len(ids)} times)" for ids in twice.head(5))
        more = f" and {len(twice) - 5} more" if len(twice) > 5 else ""
        raise InputError(
            f"These case_ids occur more than once: {named}{more}. A person counted twice makes every result too sure.",
            "Keep one row for each case.",
        )
