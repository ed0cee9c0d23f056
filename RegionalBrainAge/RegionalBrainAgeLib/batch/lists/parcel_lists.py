"""Lists of people whose cortex is measured already, one row each, read a part at a time.

Two forms of CSV:

* with a column ``parcels``: the parcel table of each case, as ``case`` leaves it (parcel, thickness_mm,
  lesioned_fraction); facts as in `case_list`;
* wide, the normative format: one column per parcel with its thickness in mm, optionally ``<parcel>:lesioned_fraction``;
  ``person`` may stand for case_id.

Volumes of structures are optional: columns as in a table for training (``Left-Hippocampus``, with or without
``vol:``, ``TotalGrayVol``), or the table of structures a case left beside its parcels.
Optional columns named as in processed_cases.csv are taken over: lesion_side, lesion_volume_ml, load_cst,
load_cst_weighted, ``load_ipsi_*`` and ``load_contra_*``. So an old processed_cases.csv with a column
``parcels`` added can be scored with a new model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...age.features import T1, VOLUME_LIMITS_MM3
from ...anatomy.parcels import PARCEL_NAMES
from ...anatomy.structures import GRAY_MATTER, INTRACRANIAL, STRUCTURE_NAMES, TOTAL_GRAY
from ...case.case import Case, case_from_text, path_from_text
from ...case.result.result import LesionResult
from ...case.result.summary import route_of
from ...case.result.tables import LARGEST_LESION_ML, LESION_SIDES
from ...errors import InputError
from ...files.input_file import parsing, plain_file, read_json
from ...files.tables import read_table
from ...files.words import is_missing, number_of
from .case_list import FailedCase, named_rows, open_list, planned_id, refuse_repeat, refuse_unclear_sexes, with_session

LESIONED = "lesioned_fraction"
_THICKEST_MM = 10.0
_STRUCTURES = (*STRUCTURE_NAMES, INTRACRANIAL)
_INDEX = {name: index for index, name in enumerate(PARCEL_NAMES)}


@dataclass(frozen=True)
class Measured:
    """One person, measured.

    Parameters
    ----------
    line : line of the list.
    case : facts; its `freesurfer` is where the thickness was read.
    thickness_mm, lesioned_fraction : (148,), NaN and 0 where unknown.
    lesion : volume, side and tract loads as far as they were given, otherwise NaN.
    loads : lesion load by (network in lower case, "L" or "R") as far as given.
    from_t1 : whether the thickness is of this software's T1 route.
    volumes_mm3, intracranial_mm3 : (32,) of structures and of the head, NaN where not given.
    """

    line: int
    case: Case
    thickness_mm: np.ndarray
    lesioned_fraction: np.ndarray
    lesion: LesionResult
    loads: Mapping[tuple[str, str], float]
    from_t1: bool
    volumes_mm3: np.ndarray
    intracranial_mm3: float


def is_parcel_list(header: Sequence[str]) -> bool:
    """Whether a CSV with this header lists measured people."""
    return "parcels" in header or PARCEL_NAMES[0] in header


def read_measured(
    path: Path, *, calibration: Path | None, freesurfer_thickness: bool
) -> Iterator[Measured | FailedCase]:
    """Every row of a list, as a measured person or as what is wrong with it; the file is never held as a whole.

    Parameters
    ----------
    calibration : for rows that name none.
    freesurfer_thickness : what the thickness is where a row does not tell (no case.json beside its parcel table).

    Raises
    ------
    InputError : the list as a whole is not usable.
    """
    table, header = open_list(path)
    header = ["case_id" if name == "person" and "case_id" not in header else name for name in header]
    _check_header(path, header)
    refuse_unclear_sexes(table, header)
    seen: dict[str, int] = {}
    for row in named_rows(table, header):
        fields = row.cells
        try:
            if row.fault is not None:
                raise row.fault
            fields = with_session(fields)
            if calibration is not None and is_missing(fields.get("calibration")):
                fields["calibration"] = str(calibration.resolve())
            person = _measured(fields, path, row.line, freesurfer_thickness)
            refuse_repeat(seen, person.case.name, row.line)
            yield person
        except InputError as error:
            yield FailedCase(row.line, planned_id(fields), "list", str(error))


def _check_header(path: Path, header: Sequence[str]) -> None:
    lacking = [name for name in ("case_id", "age", "sex") if name not in header]
    if "parcels" not in header:
        lacking += [name for name in PARCEL_NAMES if name not in header]
    if lacking:
        shown = ", ".join(lacking[:4]) + (f" and {len(lacking) - 4} more" if len(lacking) > 4 else "")
        raise InputError(
            f"The list {path} lacks the column(s) {shown}.",
            "Needed are case_id, age, sex and either parcels (a parcel table) or all 148 thicknesses.",
        )


def _measured(fields: dict[str, str], path: Path, line: int, freesurfer_thickness: bool) -> Measured:
    if "parcels" in fields:
        if is_missing(fields["parcels"]):
            raise InputError("The row names no parcel table.", "Give its path in the column parcels.")
        source = path_from_text(fields["parcels"], "parcels", path.parent)
        plain_file(source, f"The parcel table {source}", "Check the path in the column parcels.")
        thickness_mm, lesioned = _read_parcels(source)
        volumes = _read_structures(source)
    else:
        source = path
        thickness_mm = _numbers(fields, PARCEL_NAMES)
        named = [f"{name}:{LESIONED}" for name in PARCEL_NAMES]
        lesioned = np.nan_to_num(_numbers(fields, named)) if named[0] in fields else np.zeros(len(PARCEL_NAMES))
        volumes = _volumes(fields)
    thickness_mm = _checked(thickness_mm, lesioned)
    lesion, loads = _lesion(fields, lesioned)
    own = ("case_id", "age", "sex", "site", "days_post_stroke", "motor", "calibration")
    case = case_from_text({name: fields.get(name) for name in own} | {"freesurfer": str(source.resolve())}, path.parent)
    from_t1 = _measured_on_t1(source)
    return Measured(
        line,
        case,
        thickness_mm,
        lesioned,
        lesion,
        loads,
        not freesurfer_thickness if from_t1 is None else from_t1,
        volumes[:-1],
        float(volumes[-1]),
    )


def _volumes(fields: Mapping[str, str]) -> np.ndarray:
    """(33,) volumes (mm3) of structures and of the head from columns named as in tables for training."""
    values = _numbers(fields, _STRUCTURES)
    gray = [_STRUCTURES.index(name) for name in GRAY_MATTER if name not in fields]
    values[gray] = _number(fields.get(TOTAL_GRAY), TOTAL_GRAY) / 2
    values[values == 0] = np.nan
    smallest, largest = VOLUME_LIMITS_MM3
    wrong = (values < smallest) | (values > largest)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise InputError(
            f"The volume of {_STRUCTURES[first]} is {values[first]:g}.",
            "Give cubic millimetres; leave out what was not measured.",
        )
    return values


def _read_structures(parcels: Path) -> np.ndarray:
    """The same from the table of structures a case left beside its parcels; NaN where there is none."""
    source = parcels.with_name(parcels.name.removesuffix("_parcels.tsv") + "_structures.tsv")
    if source == parcels or not source.is_file():
        return np.full(len(_STRUCTURES), np.nan)
    return _volumes({row["structure"]: row["volume_mm3"] for row in read_table(source)})


def _read_parcels(source: Path) -> tuple[np.ndarray, np.ndarray]:
    thickness_mm, lesioned = np.full(len(PARCEL_NAMES), np.nan), np.zeros(len(PARCEL_NAMES))
    rows = read_table(source)
    if not rows or not {"parcel", "thickness_mm"} <= set(rows[0]):
        raise InputError(f"{source} is not a parcel table.", "It needs the columns parcel and thickness_mm.")
    unknown = [row["parcel"] for row in rows if row["parcel"] not in _INDEX]
    if unknown:
        raise InputError(f"{source} has the parcel {unknown[0]!r}, which is not known.", "Use Destrieux names.")
    order = [_INDEX[row["parcel"]] for row in rows]
    if len(set(order)) < len(order):
        raise InputError(f"{source} has a parcel twice.", "Give every parcel one row.")
    thickness_mm[order] = _column(rows, "thickness_mm")
    if LESIONED in rows[0]:
        lesioned[order] = np.nan_to_num(_column(rows, LESIONED))
    return thickness_mm, lesioned


def _column(rows: Sequence[Mapping[str, str]], name: str) -> np.ndarray:
    return _numbers({row["parcel"]: row[name] for row in rows}, [row["parcel"] for row in rows])


def _numbers(fields: Mapping[str, str], names: Sequence[str]) -> np.ndarray:
    return np.array([_number(fields.get(name), name) for name in names])


def _number(text: str | None, name: str) -> float:
    try:
        return number_of(text)
    except ValueError as error:
        raise InputError(f"The {name} ({text!r}) {error}.", "Give a number, or leave it empty.") from None


def _checked(thickness_mm: np.ndarray, lesioned: np.ndarray) -> np.ndarray:
    """Thickness with 0 (FreeSurfer's word for a parcel it did not find) as NaN; refuses what cannot be."""
    thickness_mm = np.where(thickness_mm == 0, np.nan, thickness_mm)
    known = thickness_mm[np.isfinite(thickness_mm)]
    if known.size == 0:
        raise InputError("No parcel has a thickness.", "Give mean thicknesses in mm.")
    if known.min() < 0 or known.max() > _THICKEST_MM or not 1.0 <= np.median(known) <= 5.0:
        raise InputError(
            f"The thicknesses run from {known.min():g} to {known.max():g} with a median of {np.median(known):g}.",
            "Cortex is 1 to 5 mm thick: give millimetres.",
        )
    if lesioned.min() < 0 or lesioned.max() > 1:
        raise InputError("A lesioned fraction is outside 0 to 1.", "Give fractions, not percent.")
    return thickness_mm


def _lesion(fields: Mapping[str, str], lesioned: np.ndarray) -> tuple[LesionResult, dict[tuple[str, str], float]]:
    side = fields.get("lesion_side", "").strip()
    if is_missing(side):
        side = "none"
    if side not in LESION_SIDES:
        raise InputError(f"The lesion_side is {side!r}.", f"Give {', '.join(LESION_SIDES)}.")
    highest = {"lesion_volume_ml": LARGEST_LESION_ML, "load_cst": 1.0, "load_cst_weighted": 1.0}
    highest |= {name: 1.0 for name in fields if name.startswith(("load_ipsi_", "load_contra_"))}
    told = {name: _within(fields, name, limit) for name, limit in highest.items()}
    if side == "none":
        signs = ["Parcels are lesioned"] if lesioned.any() else []
        signs += [f"The {name} is {value:g}" for name, value in told.items() if value > 0]
        if signs:
            raise InputError(f"{signs[0]} but there is no lesion_side.", f"Give {', '.join(LESION_SIDES)}.")
        return LesionResult(0.0, side, 0.0, 0.0, 0.0, 0.0), {}
    volume_ml, cst, cst_weighted = (told[name] for name in ("lesion_volume_ml", "load_cst", "load_cst_weighted"))
    # Only the ipsilesional tract is in such a table; `processed_row` reads that one.
    lesion = LesionResult(volume_ml, side, cst, cst, cst_weighted, cst_weighted)
    if side == "bilateral":
        return lesion, {}
    other = "R" if side == "L" else "L"
    loads = {}
    for prefix, hemisphere in (("load_ipsi_", side), ("load_contra_", other)):
        for name, load in told.items():
            if name.startswith(prefix):
                loads[name.removeprefix(prefix), hemisphere] = load
    return lesion, loads


def _within(fields: Mapping[str, str], name: str, highest: float) -> float:
    value = _number(fields.get(name), name)
    if value < 0 or value > highest:
        raise InputError(f"The {name} is {value:g}, outside 0 to {highest:g}.", "Volumes are in ml, loads from 0 to 1.")
    return value


def _measured_on_t1(source: Path) -> bool | None:
    """What the case.json beside a parcel table says; None where there is none."""
    summary = source.with_name(source.name.removesuffix("_parcels.tsv") + "_case.json")
    if not summary.exists():
        return None
    name = f"The file {summary}"
    with parsing(name):
        return route_of(read_json(summary, name)) == T1
