"""The list of cases: a CSV with one row per case (and session). A bad row is set aside with its reason.

Columns: ``case_id, t1, lesion, freesurfer, age, sex, site, days_post_stroke, motor, calibration, tract_left,
tract_right, session``; ``age``, ``sex`` and one of ``t1`` and ``freesurfer`` are needed. Relative paths start at the
folder of the CSV. How the file may be written: `files.tables`.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...case.case import Case, case_from_text
from ...case.result.tables import SESSION_MARK
from ...errors import InputError
from ...files.tables import Row, TableFile, open_table
from ...files.words import check_sexes, is_missing

COLUMNS = (
    "case_id",
    "t1",
    "lesion",
    "freesurfer",
    "age",
    "sex",
    "site",
    "days_post_stroke",
    "motor",
    "calibration",
    "tract_left",
    "tract_right",
    "session",
)
_OTHER_NAMES = {"id": "case_id", "age_years": "age"}
# Words of a column that may hold masks, and the columns of processed_cases.csv that have such a word.
_MASK_WORDS = {"lesion", "lesions", "lesionmask", "mask", "masks", "roi", "voi"}
_MEASURED = {"lesion", "lesion_side", "lesion_volume_ml"}


@dataclass(frozen=True)
class PlannedCase:
    """A row of the list that can be processed.

    Parameters
    ----------
    line : line in the list (the header is line 1).
    case : the checked input.
    notes : sentences that go first among the case's warnings.
    """

    line: int
    case: Case
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FailedCase:
    """A case without a result.

    Parameters
    ----------
    line : line in the list; in a BIDS dataset, number of the session in order.
    case_id : as far as it is known.
    stage : "list" (the row is wrong; nothing was tried) or "case" (the computation failed).
    reason : what happened and what to do.
    log : path of the log below the output folder, or "".
    """

    line: int
    case_id: str
    stage: str
    reason: str
    log: str = ""

    @property
    def where(self) -> str:
        """Which case is meant, in words: its id, or its line where it has none."""
        return self.case_id or f"line {self.line}"


@dataclass(frozen=True)
class CaseList:
    """Everything a list holds, in its order.

    Parameters
    ----------
    cases : rows to process.
    broken : rows set aside, with reasons.
    remarks : sentences about the list as a whole.
    """

    cases: tuple[PlannedCase, ...]
    broken: tuple[FailedCase, ...]
    remarks: tuple[str, ...] = ()


def read_case_list(path: Path | str, *, calibration: Path | None = None) -> CaseList:
    """Read and check a CSV of cases.

    Parameters
    ----------
    path : the CSV.
    calibration : used for rows that name none themselves.

    Raises
    ------
    InputError : the file as a whole is not usable: unreadable, empty, or without a needed column.
    """
    path = Path(path)
    table, header = open_list(path)
    _check_header(path, header)
    refuse_unclear_sexes(table, header)
    cases: list[PlannedCase] = []
    broken: list[FailedCase] = []
    seen: dict[str, int] = {}
    for row in named_rows(table, header):
        fields = row.cells
        try:
            if row.fault is not None:
                raise row.fault
            if calibration is not None and is_missing(fields.get("calibration")):
                fields["calibration"] = str(Path(calibration).resolve())
            case = case_from_text(with_session(fields), path.parent)
            refuse_repeat(seen, case.name, row.line)
        except InputError as error:
            broken.append(FailedCase(row.line, planned_id(fields), "list", str(error)))
            continue
        cases.append(PlannedCase(row.line, case))
    if not cases and not broken:
        raise InputError(f"The list {path} has a header but no cases.", "Give one row per case.")
    unknown = [name for name in header if name and name not in COLUMNS]
    remarks = (f"Columns not used: {', '.join(unknown)}.",) if unknown else ()
    return CaseList(tuple(cases), tuple(broken), (*table.notes, *remarks))


def open_list(path: Path) -> tuple[TableFile, list[str]]:
    """A list and its column names: lower case, features as in `NODE_NAMES`, `id` and `age_years` by their usual names.

    Raises
    ------
    InputError : the file is no table, or has a column twice.
    """
    table = open_table(path, f"The list {path}")
    header = [_column_name(name) for name in table.header]
    repeated = [name for name, count in Counter(header).items() if name and count > 1]
    if repeated:
        raise InputError(f"The list {path} has the column {repeated[0]} twice.", "Keep one of them.")
    return table, header


def _column_name(written: str) -> str:
    from ...age.features import NODE_NAMES, feature_name  # the command line's help loads nothing heavy
    from ...anatomy.structures import TOTAL_GRAY

    feature = feature_name(written)
    if feature in (*NODE_NAMES, TOTAL_GRAY) or feature.startswith(("lh_", "rh_")):
        return feature
    return _OTHER_NAMES.get(written.lower(), written.lower())


def named_rows(table: TableFile, header: list[str]) -> Iterator[Row]:
    """Rows of a list with their cells by the names of `open_list`."""
    names = dict(zip(table.header, header, strict=True))
    for row in table.rows():
        yield Row(row.line, {names[column]: text for column, text in row.cells.items()}, row.fault)


def refuse_unclear_sexes(table: TableFile, header: list[str]) -> None:
    """Refuse a list whose letters for the sexes have two meanings.

    Raises
    ------
    InputError : they have.
    """
    column = table.header[header.index("sex")]
    check_sexes(table.path, (row.cells.get(column, "") for row in table.rows()))


def with_session(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields of one session of a person: the case id becomes ``<person>_ses-<session>``.

    Raises
    ------
    InputError : a session is given without a case id.
    """
    fields = dict(fields)
    session = (fields.pop("session", "") or "").strip().removeprefix("ses-")
    if is_missing(session):
        return fields
    person = (fields.get("case_id") or "").strip()
    if is_missing(person):
        raise InputError("The row has a session but no case_id.", "Give the person's id in case_id.")
    return fields | {"case_id": f"{person}{SESSION_MARK}{session}"}


def planned_id(fields: Mapping[str, str]) -> str:
    """The id that the case of a row would have, as far as the row tells; "" where it does not."""
    with contextlib.suppress(InputError):
        fields = with_session(fields)
    return (fields.get("case_id") or "").strip().removeprefix("sub-")


def split_session(case_id: str) -> tuple[str, str]:
    """Person and session of a case id: ``P01_ses-2`` gives ``("P01", "2")``; the session is "" where there is none."""
    person, _, session = case_id.removeprefix("sub-").partition(SESSION_MARK)
    return person, session


def refuse_repeat(seen: dict[str, int], name: str, line: int) -> None:
    """Remember the line of a case, and refuse a case that was there before, in whatever capitals.

    Raises
    ------
    InputError : it was.
    """
    key = name.casefold()  # on many disks s1 and S1 are one folder
    if key in seen:
        raise InputError(
            f"The case {name.removeprefix('sub-')} is already in line {seen[key]}; this row was left out.",
            "Give every case its own case_id, and sessions of one person a session.",
        )
    seen[key] = line


def sessions_by_person(case_ids: Iterable[str]) -> dict[str, list[str]]:
    """Case ids of people with more than one session, by person, in the order given."""
    people: dict[str, list[str]] = {}
    for case_id in case_ids:
        person, session = split_session(case_id)
        if session:
            people.setdefault(person, []).append(case_id)
    return {person: ids for person, ids in people.items() if len(ids) > 1}


def _check_header(path: Path, header: list[str]) -> None:
    lacking = [name for name in ("age", "sex") if name not in header]
    if not {"t1", "freesurfer"} & set(header):
        lacking.insert(0, "t1 (or freesurfer)")
    if lacking:
        raise InputError(
            f"The list {path} lacks the column(s) {', '.join(lacking)}; it has {', '.join(header)[:200]}.",
            f"Name the columns {', '.join(COLUMNS)}.",
        )
    masks = [name for name in header if _MASK_WORDS & set(re.split("[^a-z]+", name)) and name not in _MEASURED]
    if masks and "lesion" not in header:
        raise InputError(
            f"The list {path} has no column lesion, but one called '{masks[0]}': without masks every head would be "
            "processed as one without a lesion.",
            "Name the column with the masks lesion, or remove it.",
        )
