"""Age, sex and date of the scan from the DICOM tags of a volume that the application's DICOM module loaded."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

UIDS_ATTRIBUTE = "DICOM.instanceUIDs"
_AGE, _SEX, _BIRTH, _STUDY, _ACQUISITION = "0010,1010", "0010,0040", "0010,0030", "0008,0020", "0008,0022"
_YEARS_PER_UNIT = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}


@dataclass(frozen=True)
class DicomFacts:
    """What the tags say; None where they say nothing that can be used.

    Parameters
    ----------
    age_years : age at the scan, from birth date and scan date where both are there, else from the tag Patient's Age.
    sex : "F" or "M".
    scan_date : day of the scan.
    """

    age_years: float | None = None
    sex: str | None = None
    scan_date: datetime.date | None = None


def dicom_facts(volume, database) -> DicomFacts:
    """Facts of a volume node.

    Parameters
    ----------
    database : ``slicer.dicomDatabase``, or anything with its ``instanceValue(uid, tag)``; None without one.
    """
    uid = (volume.GetAttribute(UIDS_ATTRIBUTE) or "").split(" ")[0]
    if not uid or database is None:
        return DicomFacts()
    value = {
        tag: (database.instanceValue(uid, tag) or "").strip() for tag in (_AGE, _SEX, _BIRTH, _STUDY, _ACQUISITION)
    }
    scan = _date(value[_ACQUISITION]) or _date(value[_STUDY])
    birth = _date(value[_BIRTH])
    age = (scan - birth).days / 365.25 if scan and birth and scan > birth else _age(value[_AGE])
    if age is not None and not 0 < age <= 120:
        age = None
    return DicomFacts(None if age is None else round(age, 1), value[_SEX] if value[_SEX] in ("F", "M") else None, scan)


def _date(text: str) -> datetime.date | None:
    match = re.fullmatch(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})", text)
    try:
        return datetime.date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


def _age(text: str) -> float | None:
    match = re.fullmatch(r"(\d{1,3})([YMWD])", text.upper())
    return int(match.group(1)) * _YEARS_PER_UNIT[match.group(2)] if match else None
