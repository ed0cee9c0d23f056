"""Vertex mode, the people: a table in memory, and features per vertex streamed from disk.

Features of all people lie in one ``.npy`` file of shape (people, vertices, features), float32, left hemisphere first,
people in the order of the table's rows. The file is memory-mapped: 17,791 x 20,484 x 5 values are 7.3 GB on disk and
are never in memory at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ...errors import InputError
from ...files.input_file import parsing, plain_file
from ...files.tables import read_table
from ...files.words import sex_or_code
from .mesh import VERTICES_PER_HEMISPHERE

# On fsaverage5 the network needs about 20 MB a person while messages run.
CHUNK_PEOPLE = 16


@dataclass(frozen=True)
class VertexPeople:
    """People with features per vertex on disk.

    Parameters
    ----------
    person, site, dataset : (N,) strings, dataset "" where not told. age_years, male : (N,).
    features : memory-mapped (all people of the file, V, F); NaN where not measured.
    rows : (N,) int, the people's places in `features`.
    """

    person: np.ndarray
    site: np.ndarray
    dataset: np.ndarray
    age_years: np.ndarray
    male: np.ndarray
    features: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.person)

    def take(self, which: np.ndarray) -> VertexPeople:
        """The people of these places (indices or booleans); nothing is read from disk."""
        return VertexPeople(
            self.person[which],
            self.site[which],
            self.dataset[which],
            self.age_years[which],
            self.male[which],
            self.features,
            self.rows[which],
        )

    def read(self, which: np.ndarray | slice) -> np.ndarray:
        """(n, V, F) float32 features of these people, in memory."""
        return np.array(self.features[self.rows[which]], dtype=np.float32)

    def chunks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Places and features of all these people, few at a time."""
        for start in range(0, len(self), CHUNK_PEOPLE):
            part = slice(start, min(start + CHUNK_PEOPLE, len(self)))
            yield part, self.read(part)


def read_vertex_people(table: Path | str, features: Path | str) -> VertexPeople:
    """A table (person, site, age, sex, and dataset if there are several) and the features of its rows, left on disk.

    Raises
    ------
    InputError : a missing column, a wrong cell, or files that do not fit together.
    """
    frame = pd.DataFrame(read_table(table), dtype=str)
    name = f"The features {features}"
    plain_file(features, name)
    with parsing(name, "Give a plain .npy file."):
        values = np.load(features, mmap_mode="r", allow_pickle=False)
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
            raise ValueError("it holds no array of numbers")
    absent = [column for column in ("person", "site", "age", "sex") if column not in frame.columns]
    if absent:
        raise InputError(f"The table {table} lacks the column(s) {', '.join(absent)}.", "Add them.")
    expected = {2 * count for count in VERTICES_PER_HEMISPHERE.values()}
    if values.ndim != 3 or len(values) != len(frame) or values.shape[1] not in expected:
        raise InputError(
            f"{features} has the shape {values.shape}, the table {len(frame)} rows.",
            "Give (people, 5124 or 20484 vertices, features), one row per row of the table.",
        )
    age = pd.to_numeric(frame["age"], errors="coerce").to_numpy()
    if not ((age >= 0) & (age <= 120)).all() or not frame["sex"].map(sex_or_code).notna().all():
        raise InputError(
            f"The table {table} has ages outside 0 to 120 years or a sex that is not F or M.", "Correct them."
        )
    if frame["person"].duplicated().any():
        raise InputError(f"People occur more than once in {table}.", "Keep one row per person.")
    male = (frame["sex"].map(sex_or_code) == "M").to_numpy(dtype=float)
    person, site = (frame[column].to_numpy(str) for column in ("person", "site"))
    dataset = frame["dataset"].to_numpy(str) if "dataset" in frame.columns else np.full(len(frame), "")
    return VertexPeople(person, site, dataset, age, male, values, np.arange(len(frame)))


def mesh_of(people: VertexPeople) -> str:
    """Name of the mesh the features lie on."""
    half = people.features.shape[1] // 2
    return next(name for name, count in VERTICES_PER_HEMISPHERE.items() if count == half)
