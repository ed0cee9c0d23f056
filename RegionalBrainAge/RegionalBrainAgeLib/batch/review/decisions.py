"""What a reviewer decided about each case: ``qc.tsv``, made with the quality page, entered in processed_cases.csv.

A rejected case gets qc = fail, which group analyses leave out; an accepted one gets qc = pass. Cases without a decision
keep what the software found ("pass", "review" or "fail").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...case.result.tables import PROCESSED_NAME
from ...errors import InputError
from ...files.atomic_file import write_atomically
from ...files.lock import exclusive
from ...files.tables import read_table, table_text
from ...files.words import is_missing

DECISIONS_NAME = "qc.tsv"
COLUMNS = ("case_id", "decision", "reviewer", "note")
QC_OF = {"accept": "pass", "reject": "fail"}


@dataclass(frozen=True)
class Decision:
    """A reviewer's word on one case: "accept" or "reject"."""

    case_id: str
    decision: str
    reviewer: str = ""
    note: str = ""


def read_decisions(out_dir: Path) -> dict[str, Decision]:
    """Decisions of an output folder; none where there is no qc.tsv. The last line of a case counts.

    They lie by case id in small letters, without ``sub-``; `decision_on` finds the one on a case.

    Raises
    ------
    InputError : the file is not such a table.
    """
    path = Path(out_dir) / DECISIONS_NAME
    return read_decision_file(path) if path.exists() else {}


def read_decision_file(path: Path) -> dict[str, Decision]:
    """Decisions of a file; see `read_decisions`."""
    decisions = {}
    for row in read_table(path):
        if not {"case_id", "decision"} <= set(row):
            raise InputError(f"{path} lacks the columns case_id and decision.", "Save it from the quality page.")
        decision = row["decision"].strip().lower()
        if is_missing(decision):
            continue
        if decision not in QC_OF:
            raise InputError(f"{path} has the decision {decision!r} on {row['case_id']}.", "Write accept or reject.")
        case_id = row["case_id"].removeprefix("sub-")
        decisions[_key(case_id)] = Decision(case_id, decision, row.get("reviewer", ""), row.get("note", ""))
    return decisions


def decision_on(case_id: str, decisions: Mapping[str, Decision]) -> Decision | None:
    """The decision on a case, however its id is written; None without one."""
    return decisions.get(_key(case_id))


def _key(case_id: str) -> str:
    return case_id.casefold().removeprefix("sub-")


def with_decision(row: Mapping[str, Any], decisions: Mapping[str, Decision]) -> dict[str, Any]:
    """A row of processed_cases.csv with the reviewer's decision, if there is one, in its column qc."""
    decision = decision_on(row["case_id"], decisions)
    return dict(row) | ({"qc": QC_OF[decision.decision]} if decision else {})


@dataclass(frozen=True)
class Entered:
    """Case ids whose decision was entered in the table, and those that are not in it."""

    accepted: tuple[str, ...]
    rejected: tuple[str, ...]
    unknown: tuple[str, ...]


def apply_decisions(out_dir: Path, file: Path | None = None) -> Entered:
    """Take over a file of decisions and enter all decisions in processed_cases.csv.

    Parameters
    ----------
    file : qc.tsv as saved by the quality page; None to use the one in the output folder.

    Raises
    ------
    InputError : there is no table, or the file is not a table of decisions.
    """
    out_dir = Path(out_dir)
    table = out_dir / PROCESSED_NAME
    if not table.exists():
        raise InputError(f"There is no {PROCESSED_NAME} in {out_dir}.", "Give the output folder of a batch.")
    if file is not None:
        read_decision_file(file)
        if Path(file).resolve() != (out_dir / DECISIONS_NAME).resolve():
            write_atomically(out_dir / DECISIONS_NAME, Path(file).read_bytes())
    decisions = read_decisions(out_dir)
    with exclusive(table):
        rows = read_table(table)
        if rows and not {"case_id", "qc"} <= set(rows[0]):
            raise InputError(f"{table} is no table of cases.", "Give the output folder of a batch.")
        if rows:
            with_qc = [with_decision(row, decisions) for row in rows]
            write_atomically(table, table_text(with_qc, list(rows[0]), csv_file=True))
    known = {_key(row["case_id"]) for row in rows}
    decided = {key: decision for key, decision in decisions.items() if key in known}
    return Entered(
        accepted=tuple(one.case_id for one in decided.values() if one.decision == "accept"),
        rejected=tuple(one.case_id for one in decided.values() if one.decision == "reject"),
        unknown=tuple(one.case_id for key, one in decisions.items() if key not in known),
    )
