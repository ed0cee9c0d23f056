"""People from a SUBJECTS_DIR of FreeSurfer or FastSurfer and a participants table, and the table they go to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..cortex.freesurfer import read_subject
from ..errors import InputError
from ..files.atomic_file import write_atomically
from ..files.tables import read_table, table_text
from ..files.words import check_sexes, is_missing, number_of, sex_or_code
from ..structures.freesurfer import read_volumes
from .features import NODE_NAMES, PARCEL_NODES, Features, features_of_parcels
from .people import People, people_of_features

_PERSON = ("participant_id", "person", "subject", "subject_id", "case_id", "id")
PERSON_COLUMNS = ("person", "dataset", "site", "age", "sex")
TOLD_EVERY = 20


def read_subjects(
    subjects_dir: Path | str, participants: Path | str, progress: Callable[[str, float], None] | None = None
) -> tuple[People, list[str]]:
    """Everyone of a participants table whose folder can be read.

    Parameters
    ----------
    subjects_dir : holds one folder per person, named as in the table, with or without ``sub-``.
    participants : TSV or CSV with participant_id, age (years) and sex; site and dataset where there are several.

    Returns
    -------
    people : with the site "site" where the table names none.
    skipped : one sentence per person who was left out, with the reason.

    Raises
    ------
    InputError : no such folder or column, or nobody could be read.
    """
    folder, rows = Path(subjects_dir), read_table(participants)
    key = person_column(participants, rows)
    check_sexes(participants, (row["sex"] for row in rows))
    found: list[tuple[dict[str, str], float, str, Features]] = []
    skipped, folders = [], []
    for number, row in enumerate(rows):
        person = row[key].strip()
        try:
            subject = subject_folder(folder, person)
            found.append((row, *facts_of(row, person), _features(subject)))
            folders.append(subject.resolve())
        except InputError as error:
            skipped.append(f"{person}: {error}")
        if progress is not None and (number + 1) % TOLD_EVERY == 0:
            progress(f"{number + 1} of {len(rows)} people", (number + 1) / len(rows))
    people_twice = {place.name for place, count in Counter(folders).items() if count > 1}
    if people_twice:
        raise InputError(
            f"{len(people_twice)} people occur more than once in {participants}, for example the one of the folder "
            f"{min(people_twice)}.",
            "Keep one row per person.",
        )
    if not found:
        raise InputError(
            f"Nobody of {participants} could be read from {folder}.", skipped[0] if skipped else "Give one row each."
        )
    people = people_of_features(
        [item[3] for item in found],
        [item[0][key].strip() for item in found],
        [item[1] for item in found],
        [item[2] for item in found],
    )
    site, dataset = (
        np.array([absent if is_missing(word := item[0].get(name)) else str(word).strip() for item in found], dtype=str)
        for name, absent in (("site", "site"), ("dataset", ""))
    )
    return replace(people, site=site, dataset=dataset), skipped


def person_column(participants: Path | str, rows: list[dict[str, str]]) -> str:
    """Column with the identifier; InputError when it, age or sex is absent."""
    key = next((name for name in _PERSON if rows and name in rows[0]), None)
    if key is None or not {"age", "sex"} <= set(rows[0]):
        raise InputError(
            f"The table {participants} lacks participant_id, age or sex.", "Give participants.tsv as BIDS has it."
        )
    return key


def facts_of(row: dict[str, str], person: str) -> tuple[float, str]:
    """Age (years) and sex ("F" or "M") of a row; InputError when one is not usable."""
    try:
        age_years = number_of(row["age"])
    except ValueError as error:
        raise InputError(f"The age of {person} is {row['age']!r} ({error}).", "Give years.") from error
    sex = sex_or_code(row["sex"])
    if not 0 <= age_years <= 120:
        raise InputError(f"The age of {person} is {row['age']!r}.", "Give years, 0 to 120.")
    if sex is None:
        raise InputError(f"The sex of {person} is {row['sex']!r}.", "Write F or M (or 0 and 1: 1 is male).")
    return age_years, sex


def subject_folder(subjects_dir: Path, person: str) -> Path:
    """Folder of a person, named as in the table, with or without ``sub-``; InputError when there is none."""
    names = (person, f"sub-{person}", person.removeprefix("sub-"))
    subject = next((subjects_dir / name for name in names if (subjects_dir / name).is_dir()), None)
    if subject is None:
        raise InputError(f"There is no folder {subjects_dir / person}.", "Name the folders as the table has them.")
    return subject


def _features(subject: Path) -> Features:
    volumes = read_volumes(subject)
    return features_of_parcels(
        read_subject(subject), volumes_mm3=volumes.arrays()[0], intracranial_volume_mm3=volumes.intracranial_mm3
    )


def write_people(people: People, path: Path | str) -> None:
    """Writes people as the CSV that train, evaluate and calibrate read.

    A volume that is missing is an empty cell. A parcel without thickness is 0, as FreeSurfer writes it: for training an
    empty cell would be a mistake of the table.
    """
    absent = [0.0 if parcel else None for parcel in PARCEL_NODES]
    rows = []
    for number in range(len(people)):
        facts = (
            people.person[number],
            people.dataset[number],
            people.site[number],
            float(people.age_years[number]),
            "M" if people.male[number] else "F",
        )
        values = [
            nothing if math.isnan(value) else round(float(value), 4)
            for nothing, value in zip(absent, people.values[number], strict=True)
        ]
        rows.append(dict(zip((*PERSON_COLUMNS, *NODE_NAMES), (*facts, *values), strict=True)))
    write_atomically(Path(path), table_text(rows, [*PERSON_COLUMNS, *NODE_NAMES], csv_file=True))
