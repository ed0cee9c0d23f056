"""Reads tables of people for `train`, `evaluate` and `calibrate`, and says what is wrong with them.

Columns: ``person, site, age`` (years), ``sex`` (F/M, female/male; 0/1 as FreeSurfer users code it: 1 is male) and one
column per parcel with its mean thickness in mm, named as in `anatomy.parcels.PARCEL_NAMES` or as ``aparcstats2table``
writes them (``lh_G&S_frontomargin_thickness``). Volumes of structures in mm3 are named as FreeSurfer names them, with
or without ``vol:`` in front (``asegstats2table``); any may be absent. Grey matter that is given for both sides
(``TotalGrayVol``) counts half for each. The first column may hold the person under any name, as FreeSurfer's tables
have it. ``dataset`` is optional. A value of 0 is what FreeSurfer writes for what it did not find: it counts as missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..anatomy.parcels import PARCEL_NAMES
from ..anatomy.structures import GRAY_MATTER, TOTAL_GRAY
from ..errors import InputError
from ..files.tables import open_table
from ..files.words import MISSING_WORDS, same_numbers, sex_or_code
from ..progress import LOG
from .features import GRAY_NODES, NODE_NAMES, VOLUME_LIMITS_MM3, feature_name
from .people import People

_PERSON_COLUMNS = ("person", "site", "age", "sex")
_PARCELS = len(PARCEL_NAMES)
# People from whom on it is no chance that all have the same value.
_MANY_PEOPLE = 10
# Of one side of a healthy head; a volume outside is in another unit.
_GRAY_MATTER_MM3 = (1e5, 1e6)


def read_people(path: Path | str, *, for_training: bool = False) -> People:
    """Reads and checks a table of people.

    Parameters
    ----------
    path : CSV or TSV (see `files.tables`) with the columns this module describes.
    for_training : also refuse what only matters when fitting: empty thickness cells, a parcel nobody has, a single
        site, ages within ten years, fewer than 50 people.

    Raises
    ------
    InputError : naming file, column or person, and the remedy.
    """
    path = Path(path)
    frame = _renamed(_read_frame(path))
    missing = [column for column in (*_PERSON_COLUMNS, *PARCEL_NAMES) if column not in frame.columns]
    if missing:
        shown = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
        raise InputError(
            f"The table {path} lacks the column(s) {shown}.",
            "Needed are person, site, age, sex and the 148 Destrieux thicknesses in mm (lh_G_and_S_frontomargin, ...).",
        )
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise InputError(f"The table {path} has the column {repeated[0]} twice.", "Keep one of them.")
    if frame.empty:
        raise InputError(f"The table {path} has a header but no people.", "Give one row per person.")
    person, site = _names(path, frame, "person"), _names(path, frame, "site")
    _refuse_duplicates(path, person)
    values = np.full((len(frame), len(NODE_NAMES)), np.nan)
    values[:, :_PARCELS] = _numbers(path, frame, list(PARCEL_NAMES), person, allow_empty=not for_training)
    volumes = [name for name in NODE_NAMES[_PARCELS:] if name in frame.columns]
    values[:, [NODE_NAMES.index(name) for name in volumes]] = _numbers(path, frame, volumes, person, allow_empty=True)
    gray = [NODE_NAMES.index(name) for name in GRAY_MATTER if name not in frame.columns]
    if TOTAL_GRAY in frame.columns:
        values[:, gray] = _numbers(path, frame, [TOTAL_GRAY], person, allow_empty=True) / 2
    values[values == 0] = np.nan
    _check_thickness(path, values[:, :_PARCELS], person)
    _check_volumes(path, values, person)
    people = People(
        person=person,
        site=site,
        age_years=_ages(path, frame, person),
        male=_sexes(path, frame, person),
        values=values,
        lesioned_fraction=np.zeros(values.shape),
        lesion_volume_ml=np.zeros((len(frame), 2)),
        dataset=(
            frame["dataset"].str.strip().to_numpy(dtype=str) if "dataset" in frame.columns else np.full(len(frame), "")
        ),
    )
    _refuse_copies(path, people)
    if for_training:
        _check_for_training(path, people)
    return people


def _read_frame(path: Path) -> pd.DataFrame:
    """The table as text cells; its index is the line of each row in the file."""
    table = open_table(path)
    for note in table.notes:
        LOG.info(note)
    lines, rows = [], []
    for row in table.rows():
        if row.fault is not None:
            raise row.fault
        lines.append(row.line)
        rows.append(tuple(row.cells.values()))
    return pd.DataFrame(rows, columns=list(dict.fromkeys(table.header)), index=lines, dtype=str)


def _renamed(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns under our names, whichever tool wrote them."""
    names = [feature_name(str(column)) for column in frame.columns]
    if "person" not in names and names and names[0] not in (*NODE_NAMES, *_PERSON_COLUMNS):
        names[0] = "person"
    return frame.set_axis(names, axis=1)


def _names(path: Path, frame: pd.DataFrame, column: str) -> np.ndarray:
    names = frame[column].str.strip()
    empty = names.str.lower().isin(MISSING_WORDS)
    if empty.any():
        raise InputError(
            f"The column {column} of {path} is empty in {int(empty.sum())} row(s), first in line {empty.idxmax()}.",
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
    sexes = frame["sex"].map(sex_or_code)
    if sexes.isna().any():
        row = int(np.argmax(sexes.isna().to_numpy()))
        raise InputError(
            f"The sex of {person[row]} in {path} is '{frame['sex'].iloc[row]}'.",
            "Write F or M (or 0 and 1: 1 is male).",
        )
    return (sexes == "M").to_numpy(dtype=float)


def _numbers(path: Path, frame: pd.DataFrame, columns: list[str], person: np.ndarray, allow_empty: bool) -> np.ndarray:
    cells = frame[columns]
    if not columns:
        return np.empty((len(frame), 0))
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


def _check_volumes(path: Path, values: np.ndarray, person: np.ndarray) -> None:
    """Volumes are positive, in mm3, and no structure is larger than a head's largest."""
    low, high = (np.concatenate([np.zeros(_PARCELS), limits]) for limits in VOLUME_LIMITS_MM3)
    low[GRAY_NODES], high[GRAY_NODES] = _GRAY_MATTER_MM3
    wrong = (values < low) | (values > high)
    wrong[:, :_PARCELS] = False
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            f"{NODE_NAMES[column]} of {person[row]} in {path} is {values[row, column]:g}.",
            "Give volumes in cubic millimetres, not ml or a share of the head; leave out what was not measured.",
        )
    _refuse_constant(path, values[:, _PARCELS:], NODE_NAMES[_PARCELS:])


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


def _check_for_training(path: Path, people: People) -> None:
    sites = np.unique(people.site)
    if len(sites) < 2:
        raise InputError(
            f"All people of {path} are of one site ({sites[0]}).",
            "Give at least two sites: a model of one scanner cannot be tested on another.",
        )
    known = np.isfinite(people.thickness_mm).any(axis=0)
    if not known.all():
        raise InputError(
            f"The column {PARCEL_NAMES[int(np.argmin(known))]} of {path} has no measurement at all.",
            "Leave no parcel empty in a training table.",
        )
    if np.ptp(people.age_years) < 10:
        raise InputError(
            f"The ages of {path} span {np.ptp(people.age_years):.1f} years.",
            "Give people of at least ten years of age span.",
        )
    if len(people) < 50:
        raise InputError(f"The table {path} has {len(people)} people.", "Training needs at least 50.")


def matched_people(one: People, other: People) -> tuple[People, People]:
    """The people of both tables, in the same order.

    Raises
    ------
    InputError : nobody is in both.
    """
    place = {name: row for row, name in enumerate(other.person)}
    rows = np.array([row for row, name in enumerate(one.person) if name in place], dtype=int)
    if not len(rows):
        raise InputError("No person is in both tables.", "Write the same identifier in the column person.")
    return one.take(rows), other.take(np.array([place[name] for name in one.person[rows]], dtype=int))
