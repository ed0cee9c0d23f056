"""What describes an output folder as a whole, in BIDS's words: where it came from and what its table's columns mean."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

from ... import __version__
from ...build import build_id
from ...errors import InputError
from ...files.atomic_file import write_atomically
from ...files.input_file import read_json
from ...files.tables import read_table, sidecar_text
from .tables import describe_processed, networks_of

BIDS_VERSION = "1.10.0"
DESCRIPTION_NAME = "dataset_description.json"
CODE_URL = "https://github.com/RegionalBrainAge/SlicerRegionalBrainAge"


def describe_dataset(out_dir: Path, source: Path | None = None) -> None:
    """Write ``dataset_description.json``, which says what made the files and from which dataset.

    Parameters
    ----------
    source : BIDS dataset the heads are from; None where they came from a list or one by one.

    Raises
    ------
    RegionalBrainAgeError : it cannot be written.
    """
    generator = {
        "Name": "RegionalBrainAge",
        "Version": __version__,
        "Description": f"Build {build_id()}. Research use only. Not approved for clinical use.",
        "CodeURL": CODE_URL,
    }
    description: dict[str, object] = {
        "Name": "Brain age of functional regions (RegionalBrainAge)",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [generator],
    }
    if source is not None:
        description["DatasetLinks"] = {"raw": source.resolve().as_uri()}
        description["SourceDatasets"] = [_source(source)]
    write_atomically(Path(out_dir) / DESCRIPTION_NAME, json.dumps(description, indent=2) + "\n")


def describe_table(table: Path, columns: Sequence[str] | None = None) -> None:
    """Write the sidecar of a processed_cases.csv: the meaning and unit of every column it has.

    Parameters
    ----------
    columns : those that a table will have which is still to be written; the table is looked at if None.

    Raises
    ------
    RegionalBrainAgeError : it cannot be written.
    """
    if columns is None:
        rows = read_table(table) if table.exists() else []
        if not rows:
            return
        columns = list(rows[0])
    meanings = describe_processed(networks_of(columns))
    there = {column: meaning for column, meaning in meanings.items() if column in columns}
    write_atomically(table.with_suffix(".json"), sidecar_text(there))


def _source(source: Path) -> dict[str, str]:
    found = {"URL": source.resolve().as_uri()}
    with contextlib.suppress(InputError):  # a dataset without a description is described by its place
        theirs = read_json(source / DESCRIPTION_NAME, f"The file {source / DESCRIPTION_NAME}")
        if isinstance(theirs, dict) and isinstance(theirs.get("DatasetDOI"), str):
            found["DOI"] = theirs["DatasetDOI"]
    return found
