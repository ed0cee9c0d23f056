"""The list of cases: a CSV with one row per case (and session). A bad row is set aside with its reason.

Columns: ``case_id, t1, lesion, freesurfer, age, sex, site, days_post_stroke, motor, calibration, tract_left,
tract_right, session``; ``age``, ``sex`` and one of ``t1`` and ``freesurfer`` are needed. Relative paths start at the
folder of the CSV. Comma, semicolon and tab are accepted as separators, a byte-order mark is ignored.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...case.case import Case, case_from_text
from ...errors import InputError

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
SESSION_MARK = "_ses-"


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
    line : line in the list.
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
    header, rows = open_rows(path)
    _check_header(path, header)
    cases: list[PlannedCase] = []
    broken: list[FailedCase] = []
    seen: dict[str, int] = {}
    for line, cells in rows:
        try:
            fields = as_fields(header, cells)
            if calibration is not None and not fields.get("calibration"):
                fields["calibration"] = str(Path(calibration).resolve())
            case = case_from_text(with_session(fields), path.parent)
            refuse_repeat(seen, case.name, line)
        except InputError as error:
            broken.append(FailedCase(line, _known_id(header, cells), "list", str(error)))
            continue
        cases.append(PlannedCase(line, case))
    if not cases and not broken:
        raise InputError(f"The list {path} has a header but no cases.", "Give one row per case.")
    unknown = [name for name in header if name and name not in COLUMNS]
    remarks = (f"Columns not used: {', '.join(unknown)}.",) if unknown else ()
    return CaseList(tuple(cases), tuple(broken), remarks)


def open_rows(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Header (lower case, but parcels as written) and an iterator of (line number, cells) of a CSV, read lazily.

    Raises
    ------
    InputError : the file cannot be read, has no header, or is not UTF-8 text (this also while iterating).
    """
    first = next(_text_lines(path), "")
    if not first.strip():
        raise InputError(f"The list {path} is empty.", f"Give a CSV with the columns {', '.join(COLUMNS)}.")
    delimiter = max("\t;,", key=first.count)
    lines = csv.reader(_text_lines(path), delimiter=delimiter)
    names = [name.strip() for name in next(lines)]
    names = [name if name.startswith(("lh_", "rh_")) else name.lower() for name in names]
    header = [_OTHER_NAMES.get(name, name) for name in names]
    repeated = sorted({name for name in header if name and header.count(name) > 1}) if len(header) < 100 else []
    if repeated:
        raise InputError(f"The list {path} has the column {repeated[0]} twice.", "Keep one of them.")
    return header, ((lines.line_num, cells) for cells in lines if any(cell.strip() for cell in cells))


def as_fields(header: list[str], cells: list[str]) -> dict[str, str]:
    """Cells by column name.

    Raises
    ------
    InputError : the row has another number of cells than the header.
    """
    if len(cells) != len(header):
        raise InputError(
            f"The row has {len(cells)} cells, the header has {len(header)}.",
            "Put text that holds the separator between double quotes.",
        )
    return dict(zip(header, cells, strict=True))


def with_session(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields of one session of a person: the case id becomes ``<person>_ses-<session>``.

    Raises
    ------
    InputError : a session is given without a case id.
    """
    fields = dict(fields)
    session = (fields.pop("session", "") or "").strip().removeprefix("ses-")
    if not session or session.lower() in ("n/a", "na", "nan", "none"):
        return fields
    person = (fields.get("case_id") or "").strip()
    if not person:
        raise InputError("The row has a session but no case_id.", "Give the person's id in case_id.")
    return fields | {"case_id": f"{person}{SESSION_MARK}{session}"}


def split_session(case_id: str) -> tuple[str, str]:
    """Person and session of a case id: ``P01_ses-2`` gives ``("P01", "2")``; the session is "" where there is none."""
    person, _, session = case_id.removeprefix("sub-").partition(SESSION_MARK)
    return person, session


def refuse_repeat(seen: dict[str, int], name: str, line: int) -> None:
    """Remember the line of a case, and refuse a case that was there before.

    Raises
    ------
    InputError : it was.
    """
    if name in seen:
        raise InputError(
            f"The case {name.removeprefix('sub-')} is already in line {seen[name]}; this row was left out.",
            "Give every case its own case_id, and sessions of one person a session.",
        )
    seen[name] = line


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


def _known_id(header: list[str], cells: list[str]) -> str:
    if "case_id" not in header or header.index("case_id") >= len(cells):
        return ""
    return cells[header.index("case_id")].strip()


def _text_lines(path: Path) -> Iterator[str]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            yield from stream
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(
            f"The list {path} cannot be read: {reason}.", "Check the path and save it as UTF-8."
        ) from error
