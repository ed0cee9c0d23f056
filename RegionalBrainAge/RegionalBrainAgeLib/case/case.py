"""One patient's scan, lesion and few facts, checked."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files.wording import listed
from ..files.words import is_missing, number_of, sex_of

OLDEST_YEARS = 120.0
# Fields of a case that name files.
FILE_FIELDS = ("t1", "lesion", "freesurfer", "calibration", "tract_left", "tract_right")
# With a viewer of the head inside, or without.
REPORTS = ("interactive", "static")
_NUMBER_FIELDS = ("age_years", "days_post_stroke", "motor")
_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")
_PREFIX = re.compile("^sub-", re.IGNORECASE)
# A stroke does not lie farther back than a person's birth.
LONGEST_DAYS = OLDEST_YEARS * 365.25
_IMAGE_ENDINGS = re.compile(r"(\.nii)?\.gz$|\.(nii|mgz|mgh|nrrd|nhdr|dcm)$", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    """One patient's scan, lesion and few facts, checked.

    Parameters
    ----------
    case_id : letters, digits, - and _; names the output folder ``sub-<id>``. A leading ``sub-`` is taken off,
        in whatever capitals, so that one person has one name.
    t1 : T1-weighted head (NIfTI, MGZ, NRRD or DICOM folder); may be None when `freesurfer` is given.
    lesion : mask of the lesion on any grid in the same space; None when the head is healthy.
    freesurfer : FreeSurfer or FastSurfer subject folder whose thicknesses and volumes are used instead of the built-in
        route.
    age_years : age at the scan, above 0 and at most 120.
    sex : "F" or "M".
    site : scanner or hospital; the controls of a calibration are of one site.
    days_post_stroke : days from stroke to scan.
    motor : motor outcome, 0 (none) to 1 (full), for example Fugl-Meyer upper extremity / 66.
    calibration : file made by ``calibrate`` from local controls.
    tract_left, tract_right : own corticospinal tracts in MNI space instead of the built-in ones; both or none.
    simulated : what is not real, of "lesion" and "age"; results say so. With "age" the age given only stands in for an
        unknown one, and no brain age is read.

    Raises
    ------
    InputError : a field is wrong; the message names it and says what to give instead.
    """

    case_id: str
    t1: Path | None
    age_years: float
    sex: str
    lesion: Path | None = None
    freesurfer: Path | None = None
    site: str = ""
    days_post_stroke: float | None = None
    motor: float | None = None
    calibration: Path | None = None
    tract_left: Path | None = None
    tract_right: Path | None = None
    simulated: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        own: dict[str, Any] = {name: _as_number(name, getattr(self, name)) for name in _NUMBER_FIELDS}
        own |= {name: None if (path := getattr(self, name)) is None else Path(path) for name in FILE_FIELDS}
        own["case_id"] = _PREFIX.sub("", str(self.case_id))
        own["simulated"] = (self.simulated,) if isinstance(self.simulated, str) else tuple(self.simulated)
        for name, value in own.items():
            object.__setattr__(self, name, value)
        if not _ID.fullmatch(self.case_id):
            raise InputError(
                f"The case id {self.case_id!r} cannot name a folder.",
                "Use 1 to 64 letters, digits, - and _, beginning and ending with a letter or digit.",
            )
        if not (math.isfinite(self.age_years) and 0 < self.age_years <= OLDEST_YEARS):
            raise InputError(
                f"The age {self.age_years:g} is not possible.",
                f"Give the age at the scan in years, above 0 and at most {OLDEST_YEARS:.0f}.",
            )
        if self.sex not in ("F", "M"):
            raise InputError(f"The sex {self.sex!r} is not known to the model.", "Give F or M.")
        if self.days_post_stroke is not None and not (
            math.isfinite(self.days_post_stroke) and 0 <= self.days_post_stroke <= LONGEST_DAYS
        ):
            raise InputError(
                f"The days since stroke ({self.days_post_stroke:g}) are not possible.",
                "Give the days from stroke to scan, 0 or more and within a life, or leave them out.",
            )
        if self.motor is not None and not (math.isfinite(self.motor) and 0 <= self.motor <= 1):
            raise InputError(
                f"The motor outcome {self.motor:g} is outside 0 to 1.",
                "Divide the score by its maximum (Fugl-Meyer upper extremity: by 66).",
            )
        if self.t1 is None and self.freesurfer is None:
            raise InputError("There is neither a T1 nor a FreeSurfer folder.", "Give --t1 FILE or --freesurfer DIR.")
        if (self.tract_left is None) != (self.tract_right is None):
            given, missing = ("left", "right") if self.tract_right is None else ("right", "left")
            raise InputError(
                f"There is an own {given} corticospinal tract, but no {missing} one.", "Give both sides, or neither."
            )

    @property
    def known_age_years(self) -> float | None:
        """The age at the scan; None where a number only stands in for it."""
        return None if "age" in self.simulated else self.age_years

    @property
    def name(self) -> str:
        """``sub-<id>``: the name of the case's folder and the beginning of its files' names."""
        return f"sub-{self.case_id}"


def _as_number(name: str, value: Any) -> float | None:
    """A fact from Python as a float; None where it may be left out."""
    if value is None and name != "age_years":
        return None
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"The {name} is {value!r}.", "Give a number.") from error


def case_from_text(fields: Mapping[str, str | None], folder: Path | None = None) -> Case:
    """A case from words as typed on a command line or read from a CSV row.

    Parameters
    ----------
    fields : by the names of `Case`, with ``id`` or ``case_id``, ``age`` or ``age_years``; absent values are None, empty
        or n/a. Without an id, the name of the T1 (or FreeSurfer folder) is used.
    folder : relative paths start here; the current folder if None.

    Raises
    ------
    InputError : a field is missing or wrong, or a file does not exist; all that is missing is named at once.
    """
    given = {name: text.strip() for name, text in fields.items() if text is not None and not _absent(name, text)}
    _refuse_missing(given)
    paths = _paths(given, folder)
    source = paths["t1"] or paths["freesurfer"]
    return Case(
        case_id=given.get("case_id") or given.get("id") or (id_from_path(source) if source else "case"),
        age_years=_number(given.get("age") or given["age_years"], "age", "the age in years, for example 63"),
        sex=sex_of(given["sex"]) or given["sex"],
        site=given.get("site", ""),
        days_post_stroke=_optional(given.get("days_post_stroke"), "days since stroke", "a number of days"),
        motor=_optional(given.get("motor"), "motor outcome", "a number from 0 to 1"),
        **paths,
    )


def _refuse_missing(given: Mapping[str, str]) -> None:
    wanted = {
        "a head": None if {"t1", "freesurfer"} & set(given) else "a T1-weighted image or a FreeSurfer folder",
        "the age": None if {"age", "age_years"} & set(given) else "the age at the scan in years, for example 63",
        "the sex": None if "sex" in given else "the sex, F or M",
    }
    missing = {what: remedy for what, remedy in wanted.items() if remedy is not None}
    if missing:
        names = listed([*missing])
        verb = "are" if len(missing) > 1 else "is"
        raise InputError(f"{names[0].upper()}{names[1:]} {verb} missing.", f"Give {'; '.join(missing.values())}.")


def _paths(given: Mapping[str, str], folder: Path | None) -> dict[str, Any]:
    """The files of a case; what is wrong with several of them is told at once."""
    paths, wrong = {}, []
    for key in FILE_FIELDS:
        try:
            paths[key] = path_from_text(given[key], key, folder) if key in given else None
        except InputError as error:
            wrong.append(error)
    if wrong:
        raise InputError(" ".join(error.what for error in wrong), wrong[0].remedy)
    return paths


def id_from_path(path: Path) -> str:
    """A case id from a file name: ``sub-07_ses-1_T1w.nii.gz`` gives ``07_ses-1``."""
    # Where a link leads to may have any name.
    stem = _IMAGE_ENDINGS.sub("", os.path.basename(os.path.abspath(path)))
    stem = re.sub(r"_T1w$", "", stem, flags=re.IGNORECASE)
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", _PREFIX.sub("", stem)).strip("-_")[:64].strip("-_")
    return stem or "case"


def _absent(name: str, text: str) -> bool:
    return is_missing(text) and not (name in FILE_FIELDS and text == ".")  # the current folder may hold DICOM slices


def path_from_text(text: str, name: str, folder: Path | None) -> Path:
    """The path a word means, which must exist. Relative paths start at `folder`.

    Raises
    ------
    InputError : nothing lies there, or the word can be no path (too long, the home of nobody).
    """
    try:
        path = Path(text).expanduser()
        path = (folder / path) if folder is not None else path
        found = path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, ~nobody, a NUL
        raise InputError(
            f"The {name} file {text[:80]!r} cannot be looked for ({getattr(error, 'strerror', None) or error}).",
            "Check the path.",
        ) from error
    if not found:
        raise InputError(f"The {name} file {path} does not exist.", "Check the path.")
    return path


def _optional(text: str | None, name: str, wanted: str) -> float | None:
    return None if text is None else _number(text, name, wanted)


def _number(text: str, name: str, wanted: str) -> float:
    try:
        return number_of(text)
    except ValueError as error:
        raise InputError(f"The {name} {text[:40]!r} {error}.", f"Give {wanted}.") from None
