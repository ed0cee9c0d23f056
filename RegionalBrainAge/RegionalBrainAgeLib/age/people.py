"""Reads tables of people for `train`, `evaluate` and `calibrate`, and says what is wrong with them.

Columns: ``person, site, age`` (years), ``sex`` (F/M) and one column per parcel with its mean thickness in mm, named as
in `anatomy.parcels.PARCEL_NAMES`. A ``dataset`` column is optional. Further features of a parcel have a suffix, in any
unit: ``lh_G_cuneus:area``, ``lh_G_cuneus:volume``, ``lh_G_cuneus:contrast``. A thickness of 0 is what FreeSurfer writes
for a parcel it did not find: it counts as missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..anatomy.parcels import PARCEL_NAMES
from ..errors import InputError
from ..files.tables import open_table
from ..files.words import MISSING_WORDS, same_numbers, sex_of

THICKNESS = "thickness"
FURTHER_FEATURES = ("area", "volume", "contrast")
_PERSON_COLUMNS = ("person", "site", "age", "sex")
# People from whom on it is no chance that all have the same value.
_MANY_PEOPLE = 10


@dataclass(frozen=True)
class People:
    """One row per person.

    Parameters
    ----------
    person, site : (N,) strings.
    age_years : (N,) float.
    male : (N,) float, 1 for men, 0 for women.
    features : names of the features of a parcel, the first always "thickness".
    values : (N, F, P) float, NaN where a parcel was not measured; thickness in mm.
    lesioned_fraction : (N, P) float, 0 for healthy people.
    """

    person: np.ndarray
    site: np.ndarray
    age_years: np.ndarray
    male: np.ndarray
    features: tuple[str, ...]
    values: np.ndarray
    lesioned_fraction: np.ndarray

    def __len__(self) -> int:
        return len(self.person)

    @property
    def thickness_mm(self) -> np.ndarray:
        """(N, P) thickness in mm."""
        return self.values[:, 0]

    def take(self, rows: np.ndarray) -> People:
        """The people of these rows (indices or booleans)."""
        return People(
            self.person[rows],
            self.site[rows],
            self.age_years[rows],
            self.male[rows],
            self.features,
            self.values[rows],
            self.lesioned_fraction[rows],
        )

    def with_thickness(self, thickness_mm: np.ndarray) -> People:
        """The same people with another thickness."""
        values = self.values.copy()
        values[:, 0] = thickness_mm
        return replace(self, values=values)


def read_people(path: Path | str, *, for_training: bool = False, features: tuple[str, ...] | None = None) -> People:
    """Reads and checks a table of people.

    Parameters
    ----------
    path : CSV (or TSV by its ending) with the columns this module describes.
    for_training : also refuse what only matters when fitting: empty thickness cells, a single site, few people.
    features : features to read; by default thickness and every further feature the table has for all parcels.

    Raises
    ------
    InputError : naming file, column or person, and the remedy.
    """
    path = Path(path)
    frame = _read_frame(path)
    missing = [column for column in (*_PERSON_COLUMNS, *PARCEL_NAMES) if column not in frame.columns]
    if missing:
        shown = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
        raise InputError(
            f"The table {path} lacks the column(s) {shown}.",
            "Needed are person, site, age, sex and the 148 Destrieux thicknesses in mm (lh_G_and_S_frontomargin, ...).",
        )
    if frame.empty:
        raise InputError(f"The table {path} has a header but no people.", "Give one row per person.")
    person, site = _names(path, frame, "person"), _names(path, frame, "site")
    _refuse_duplicates(path, person)
    age_years = _ages(path, frame, person)
    male = _sexes(path, frame, person)
    found = _features_of(path, frame, features)
    columns = [name if feature == THICKNESS else f"{name}:{feature}" for feature in found for name in PARCEL_NAMES]
    values = _numbers(path, frame, columns, person, allow_empty=not for_training)
    values = np.array(values.reshape(len(frame), len(found), len(PARCEL_NAMES)))
    values[:, 0][values[:, 0] == 0] = np.nan
    _check_thickness(path, values[:, 0], person)
    people = People(person, site, age_years, male, found, values, np.zeros((len(frame), len(PARCEL_NAMES))))
    _refuse_copies(path, people)
    if for_training:
        _check_for_training(path, people, columns)
    return people


def _read_frame(path: Path) -> pd.DataFrame:
    table = open_table(path)
    rows = []
    for row in table.rows():
        if row.fault is not None:
            raise row.fault
        rows.append(tuple(row.cells.values()))
    return pd.DataFrame(rows, columns=list(table.header), dtype=str)


def _names(path: Path, frame: pd.DataFrame, column: str) -> np.ndarray:
    names = frame[column].str.strip()
    empty = names.str.lower().isin(MISSING_WORDS)
    if empty.any():
        raise InputError(
            f"The column {column} of {path} is empty in {int(empty.sum())} row(s), first in line "
            f"{int(np.argmax(empty)) + 2}.",
            f"Give every row a {column}.",
        )
    alike = same_numbers(names.unique()) if column == "site" else []
    if alike:
        raise InputError(
            f"The column site of {path} writes one number in several ways ({', '.join(alike[0])}).",
            "Write each site the same way in every row.",
        )
    return names.to_numpy(dtype=str)


def _refuse_duplicates(path: Path, person: np.ndarray) -> None:
    names, counts = np.unique(person, return_counts=True)
    if (counts > 1).any():
        raise InputError(
            f"{int((counts > 1).sum())} people occur more than once in {path}, for example {names[counts > 1][0]}.",
            "Keep one row per person: repeated people make a model look better than it is.",
        )


def _refuse_copies(path: Path, people: People) -> None:
    """The same measurements under two names are the same person."""
    rounded = np.nan_to_num(np.round(people.thickness_mm, 6), nan=-1.0)
    rounded = rounded[np.mean(rounded < 0, axis=1) < 0.5]
    names = people.person[np.mean(np.isnan(people.thickness_mm), axis=1) < 0.5]
    _, first, counts = np.unique(rounded, axis=0, return_index=True, return_counts=True)
    if (counts > 1).any():
        example = names[first[counts > 1][0]]
        raise InputError(
            f"{int((counts > 1).sum())} people of {path} have exactly the measurements of another, for example "
            f"{example}.",
            "Keep one row per person.",
        )


def _ages(path: Path, frame: pd.DataFrame, person: np.ndarray) -> np.ndarray:
    ages = _numbers(path, frame, ["age"], person, allow_empty=False)[:, 0]
    if np.median(ages) > 150:
        raise InputError(
            f"The ages of {path} have a median of {np.median(ages):.0f}: they look like days or months.",
            "Give ages in years.",
        )
    wrong = (ages < 0) | (ages > 120)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(f"The age of {person[row]} in {path} is {ages[row]:g}.", "Give ages in years, 0 to 120.")
    if len(ages) >= 10 and np.median(ages) < 2:
        raise InputError(f"Half of the ages of {path} are below 2.", "Give ages in years.")
    return ages


def _sexes(path: Path, frame: pd.DataFrame, person: np.ndarray) -> np.ndarray:
    sexes = frame["sex"].map(sex_of)
    if sexes.isna().any():
        row = int(np.argmax(sexes.isna().to_numpy()))
        raise InputError(f"The sex of {person[row]} in {path} is '{frame['sex'].iloc[row]}'.", "Write F or M.")
    return (sexes == "M").to_numpy(dtype=float)


def _features_of(path: Path, frame: pd.DataFrame, wanted: tuple[str, ...] | None) -> tuple[str, ...]:
    found = [THICKNESS]
    for feature in FURTHER_FEATURES:
        columns = [f"{name}:{feature}" for name in PARCEL_NAMES]
        present = [column for column in columns if column in frame.columns]
        asked = feature in wanted if wanted is not None else bool(present)
        if asked and len(present) < len(columns):
            absent = next(column for column in columns if column not in frame.columns)
            raise InputError(
                f"The table {path} lacks {absent} ({len(present)} of {len(columns)} {feature} columns are there).",
                "Give a further feature for all parcels or for none.",
            )
        if asked:
            found.append(feature)
    return tuple(found)


def _numbers(path: Path, frame: pd.DataFrame, columns: list[str], person: np.ndarray, allow_empty: bool) -> np.ndarray:
    cells = frame[columns]
    values = cells.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    words = cells.apply(lambda column: column.str.strip().str.lower()).to_numpy(dtype=str)
    empty = np.isin(words, list(MISSING_WORDS))
    if empty.any() and not allow_empty:
        row, column = np.argwhere(empty)[0]
        raise InputError(
            f"{int(empty.sum())} cell(s) of {path} are empty or NaN, first {columns[column]} of {person[row]}.",
            "Fill them or leave these people out; write 0 for a parcel that FreeSurfer did not find.",
        )
    wrong = ~empty & ~np.isfinite(values)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            f"The {columns[column]} of {person[row]} in {path} is '{frame[columns[column]].iloc[row]}'.",
            "Give a finite number.",
        )
    return values


def _check_thickness(path: Path, thickness_mm: np.ndarray, person: np.ndarray) -> None:
    if np.isnan(thickness_mm).all():
        raise InputError(f"The table {path} has no thickness above 0.", "Give mean thicknesses in mm.")
    median = float(np.nanmedian(thickness_mm))
    if not 1.0 <= median <= 5.0:
        unit = "metres" if median < 0.01 else "centimetres" if median < 1.0 else "micrometres"
        raise InputError(
            f"The thicknesses of {path} have a median of {median:.3g}: they look like {unit}.", "Give thickness in mm."
        )
    wrong = (thickness_mm < 0) | (thickness_mm > 10)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            f"{PARCEL_NAMES[column]} of {person[row]} in {path} is {thickness_mm[row, column]:g} mm thick.",
            "Cortex is 1 to 5 mm thick: correct the value or leave the person out.",
        )
    unmeasured = np.isnan(thickness_mm).all(axis=1)
    if unmeasured.any():
        first = person[int(np.argmax(unmeasured))]
        raise InputError(
            f"{int(unmeasured.sum())} people of {path} have no thickness at all, first {first}.", "Leave them out."
        )
    _refuse_constant(path, thickness_mm, PARCEL_NAMES)
    scale = np.nanmedian(thickness_mm, axis=1)
    odd = (scale < 1.0) | (scale > 5.0)
    if odd.any():
        row = int(np.argmax(odd))
        raise InputError(
            f"{person[row]} in {path} has a median thickness of {scale[row]:.3g}, unlike the others.",
            "Give every thickness in mm.",
        )


def _refuse_constant(path: Path, values: np.ndarray, columns: Sequence[str]) -> None:
    """Many people with the very same value were not measured, whatever the table is for."""
    measured = np.isfinite(values)
    enough = measured.sum(axis=0) >= _MANY_PEOPLE
    highest = np.where(measured, values, -np.inf).max(axis=0)
    constant = enough & (highest == np.where(measured, values, np.inf).min(axis=0))
    if constant.any():
        raise InputError(
            f"The column {columns[int(np.argmax(constant))]} of {path} has the same value for everyone.",
            "Give measured values; a constant column has no information.",
        )


def _check_for_training(path: Path, people: People, columns: list[str]) -> None:
    sites = np.unique(people.site)
    if len(sites) < 2:
        raise InputError(
            f"All people of {path} are of one site ({sites[0]}).",
            "Give at least two sites: a model of one scanner cannot be tested on another.",
        )
    flat = people.values.reshape(len(people), -1)
    known = np.isfinite(flat)
    if not known.any(axis=0).all():
        raise InputError(
            f"The column {columns[int(np.argmin(known.any(axis=0)))]} of {path} has no measurement at all.",
            "Leave no parcel empty in a training table.",
        )
    _refuse_constant(path, flat, columns)
    if np.ptp(people.age_years) < 10:
        raise InputError(
            f"The ages of {path} span {np.ptp(people.age_years):.1f} years.",
            "Give people of at least ten years of age span.",
        )
    if len(people) < 50:
        raise InputError(f"The table {path} has {len(people)} people.", "Training needs at least 50.")
