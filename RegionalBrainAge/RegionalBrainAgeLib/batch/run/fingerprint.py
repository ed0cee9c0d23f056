"""Tells whether anything a case depends on has changed since it was done, by content and not by date or place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from ... import __version__
from ...build import build_id
from ...case.case import FILE_FIELDS, Case
from ...files.checksum import checksum
from ...resources import model_folder, scheme_file, structure_model_folder


def settings_fingerprint(model: Path | None, scheme: Path | None) -> dict[str, object]:
    """What all cases of a batch depend on: sha256 of the models' files and of the region scheme, software version.

    A model's card may change: it is text about the model.

    Parameters
    ----------
    model, scheme : folder and file; None for the shipped ones.

    Raises
    ------
    OSError : a file cannot be read.
    """
    return {
        "model": _files_of(model_folder(model)),
        "structures": _files_of(structure_model_folder()),
        "scheme": checksum(scheme_file(scheme))["sha256"],
        "version": __version__,
        "build": build_id(),
    }


def case_fingerprint(case: Case, notes: tuple[str, ...], settings: Mapping[str, object]) -> dict[str, object]:
    """What a result depends on: the settings, sha256 of each input, the facts.

    Two equal fingerprints mean that the case would be computed from the same content.

    Parameters
    ----------
    notes : sentences handed to the case.
    settings : see `settings_fingerprint`.

    Raises
    ------
    OSError : an input cannot be read.
    """
    facts = {name: value for name, value in asdict(case).items() if name not in FILE_FIELDS}
    inputs = {name: checksum(path)["sha256"] for name in FILE_FIELDS if (path := getattr(case, name)) is not None}
    # As a record gives it back: in JSON a tuple is a list.
    return json.loads(json.dumps({**settings, "facts": facts, "inputs": inputs, "notes": notes}))


def _files_of(model: Path) -> dict[str, str]:
    """sha256 of a model folder's files by name, without its card."""
    files = sorted(path for path in model.iterdir() if path.is_file() and path.suffix != ".md")
    return {path.name: checksum(path)["sha256"] for path in files}
