"""Healthy controls of one scanner, however a user has them: a table, cases of this software, or a SUBJECTS_DIR."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..age.features import Features
from ..age.people import People, people_of_features
from ..age.people_table import read_people
from ..age.subjects import read_subjects
from ..anatomy.parcels import PARCEL_NAMES
from ..anatomy.structures import INTRACRANIAL, STRUCTURE_NAMES
from ..case.result.summary import route_of
from ..case.result.tables import PROCESSED_NAME
from ..errors import InputError
from ..files.input_file import parsing, read_json
from ..files.tables import read_table
from ..files.words import number_of, truth_of
from ..progress import LOG
from .lists.case_list import split_session
from .review.decisions import read_decisions, with_decision


def read_controls(path: Path, *, column: str | None = None, participants: Path | None = None) -> People:
    """Controls from what a user has.

    Parameters
    ----------
    path : CSV or TSV as for training; a folder of case folders (a batch has processed_cases.csv in it); or, with
        `participants`, a SUBJECTS_DIR.
    column : of processed_cases.csv, true for controls; without it every case without a lesion is one. A case that
        failed the quality check or was rejected by a reviewer is none, and of a person's sessions only the first is
        one: a message names who is left out.

    Raises
    ------
    InputError : nothing of that kind is there, or cases of several sites, of two routes, or with a lesion are among the
        controls.
    """
    if participants is not None:
        people, left_out = read_subjects(path, participants)
        for line in left_out:
            LOG.warning(line)
        return people
    if path.is_file():
        return read_people(path)
    if not path.is_dir():
        raise InputError(f"There is nothing at {path}.", "Give a table or a folder of cases.")
    return _read_cases(path, column)


def _read_cases(folder: Path, column: str | None) -> People:
    wanted = None if column is None else _marked(folder, column)
    decisions = read_decisions(folder)
    features, person, age_years, sex, sites, seen = [], [], [], [], set(), set()
    for summary_path in sorted(folder.glob("sub-*/*_case.json")):
        summary = read_json(summary_path, f"The file {summary_path}")
        with parsing(f"The file {summary_path}"):
            case, lesion = summary["case"], summary["lesion"]
            if wanted is not None and case["case_id"] not in wanted:
                continue
            if lesion["side"] != "none":
                if wanted is None:
                    continue
                raise InputError(
                    f"The control {case['case_id']} has a lesion.", f"Correct the column {column}, or leave it out."
                )
            if with_decision({"case_id": case["case_id"], "qc": summary["qc"]}, decisions)["qc"] == "fail":
                LOG.warning(f"{case['case_id']} is left out: it failed the quality check.")
                continue
            person_id, _ = split_session(case["case_id"])
            if person_id in seen:
                LOG.warning(f"{case['case_id']} is left out: another session of this person is among the controls.")
                continue
            seen.add(person_id)
            features.append(_features(summary_path, route_of(summary)))
            person.append(str(case["case_id"]))
            age_years.append(float(case["age_years"]))
            sex.append(str(case["sex"]))
            sites.add(str(case.get("site") or ""))
    if not features:
        raise InputError(
            f"The folder {folder} holds no case without a lesion."
            if column is None
            else f"No case in {folder} has a true cell in the column '{column}'.",
            "Give the folder that `case` or `batch` wrote; `calibrate` reads a SUBJECTS_DIR with --participants.",
        )
    if len({found.route for found in features}) > 1:
        raise InputError(
            "Some controls were measured by FreeSurfer, others from the T1.", "Calibrate each way by itself."
        )
    if len(sites) > 1:
        raise InputError(
            f"The controls are of {len(sites)} sites ({', '.join(sorted(sites)[:3])}).",
            "Calibrate each scanner with its own controls.",
        )
    return people_of_features(features, person, age_years, sex)


def _marked(folder: Path, column: str) -> set[str]:
    """Identifiers of the cases whose cell in this column is true."""
    rows = read_table(folder / PROCESSED_NAME)
    if not rows or column not in rows[0]:
        raise InputError(f"{folder / PROCESSED_NAME} has no column '{column}'.", "Name a column of that table.")
    return {row["case_id"] for row in rows if truth_of(row[column])}


def _features(summary_path: Path, route: str) -> Features:
    """Features of a case from the tables beside its summary."""
    stem = summary_path.name.removesuffix("_case.json")
    parcels = {row["parcel"]: row for row in read_table(summary_path.with_name(f"{stem}_parcels.tsv"))}
    structures_path = summary_path.with_name(f"{stem}_structures.tsv")
    structures = {row["structure"]: row for row in read_table(structures_path)} if structures_path.exists() else {}

    def column(rows: dict, names: tuple[str, ...], what: str) -> np.ndarray:
        return np.array([number_of(rows[name][what]) if name in rows else np.nan for name in names])

    return Features(
        thickness_mm=column(parcels, PARCEL_NAMES, "thickness_mm"),
        volumes_mm3=column(structures, STRUCTURE_NAMES, "volume_mm3"),
        intracranial_volume_mm3=float(column(structures, (INTRACRANIAL,), "volume_mm3")[0]),
        lesioned_fraction=np.nan_to_num(column(parcels, PARCEL_NAMES, "lesioned_fraction")),
        structure_lesioned_fraction=np.zeros(len(STRUCTURE_NAMES)),
        voxels=np.nan_to_num(column(parcels, PARCEL_NAMES, "voxels")),
        route=route,
    )
