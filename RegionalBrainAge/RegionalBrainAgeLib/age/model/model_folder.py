"""A model folder on disk: checksums, the seal of model.json, and what may lie in it. No pickles, ever."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load as load_arrays

from ...errors import InputError
from ...files.atomic_file import write_atomically
from ...files.input_file import parsing, plain_file

FORMAT, VERTEX_FORMAT = "regional-brain-age-model/3", "regional-brain-age-vertex-model/3"
CARD_FILE = "MODEL_CARD.md"
ROUTE_FILES = {"T1": "route-t1.json"}
FIGURE_FILES = ("error_by_controls.png", "error_by_site.png")
ARRAY_FILES = ("weights.safetensors", "norms.safetensors", "errors.safetensors")
_ADDED_FILES = (CARD_FILE, *ROUTE_FILES.values(), *FIGURE_FILES)
_NO_SEAL = "0" * 64
_OTHER_KIND = {
    FORMAT: ("is a vertex model, which reads features of a mesh", "a model trained on a table of parcels"),
    VERTEX_FORMAT: ("is no vertex model", "a model trained on features of a mesh"),
}


def check_contents(folder: Path, arrays: Sequence[str] = ARRAY_FILES) -> None:
    """Raises InputError when there is no folder or it holds a file a model does not have.

    Parameters
    ----------
    arrays : the files of numbers that this kind of model has.
    """
    if not folder.is_dir():
        raise InputError(f"There is no model folder at {folder}.", "Give the folder that `train` wrote.")
    allowed = {*arrays, *_ADDED_FILES, "model.json"}
    foreign = sorted(file.name for file in folder.iterdir() if file.name not in allowed)
    if foreign:
        raise InputError(
            f"The model folder {folder} holds {', '.join(foreign[:3])}, which a model does not have.",
            "Remove it; pickles and other code are never loaded.",
        )


def checked_contents(folder: Path, description: dict, arrays: Sequence[str] = ARRAY_FILES) -> dict[str, bytes]:
    """Content of every file under the checksums of model.json.

    Raises
    ------
    InputError : a missing or altered file, or one that is not under the checksums.
    """
    sums = description["sha256"]
    contents = {name: _read_file(folder, name, sums.get(name)) for name in dict.fromkeys((*arrays, *sums))}
    for name in _ADDED_FILES:
        if name not in sums and (folder / name).exists():
            raise InputError(
                f"{folder / name} is not part of the model as saved.", "Remove it or copy the folder again."
            )
    return contents


def add_file(folder: Path | str, name: str, content: str | bytes, wanted_format: str = FORMAT) -> None:
    """Puts the card, a figure of it or a route model into a model folder, under its checksums.

    Parameters
    ----------
    name : `CARD_FILE`, one of `FIGURE_FILES` or of the values of `ROUTE_FILES`.
    """
    folder = Path(folder)
    if name not in _ADDED_FILES:
        raise ValueError(f"{name} does not belong into a model folder")
    description = read_description(folder, wanted_format)
    content = content.encode("utf-8") if isinstance(content, str) else content
    write_atomically(folder / name, content)
    description["sha256"][name] = hashlib.sha256(content).hexdigest()
    write_description(folder, description)


def write_description(folder: Path, description: dict) -> None:
    """Writes model.json with a seal: the sha256 of its own text with the seal's digits as zeros."""
    text = json.dumps({**description, "seal": _NO_SEAL}, indent=1) + "\n"
    seal = hashlib.sha256(text.encode()).hexdigest()
    write_atomically(folder / "model.json", text.replace(_NO_SEAL, seal))


def read_description(folder: Path, wanted_format: str = FORMAT) -> dict:
    """Reads model.json and checks its seal.

    Raises
    ------
    InputError : missing, unreadable or altered.
    """
    path = folder / "model.json"
    if not path.is_file():
        raise InputError(f"The model folder {folder} has no model.json.", "Give the folder that `train` wrote.")
    plain_file(path, str(path))
    with parsing(str(path), "Copy the model folder again."):
        text = path.read_text(encoding="utf-8")
        description = json.loads(text)
    seal = description.get("seal") if isinstance(description, dict) else None
    if not isinstance(seal, str) or hashlib.sha256(text.replace(seal, _NO_SEAL).encode()).hexdigest() != seal:
        raise InputError(f"{path} was altered after training.", "Copy the model folder again or train anew.")
    if wanted_format == FORMAT and description.get("format") == "regional-brain-age-model/1":
        raise InputError(
            f"The model folder {folder} is of an earlier software version, which read thickness alone.",
            "Use the shipped model, or train anew with this version.",
        )
    kind = str(description.get("format")).rpartition("/")[0]
    if kind != wanted_format.rpartition("/")[0] and kind in {name.rpartition("/")[0] for name in _OTHER_KIND}:
        is_what, needed = _OTHER_KIND[wanted_format]
        raise InputError(f"The model folder {folder} {is_what}.", f"Needed is {needed}.")
    if description.get("format") != wanted_format:
        raise InputError(
            f"{path} has the format '{description.get('format')}', needed is '{wanted_format}'.",
            "Use the software version the model was made with, or train anew.",
        )
    sums = description.get("sha256")
    if not isinstance(sums, dict) or not all(isinstance(value, str) for value in sums.values()):
        raise InputError(f"{path} has no checksums of the model's files.", "Copy the model folder again.")
    if not set(sums) <= {*ARRAY_FILES, *_ADDED_FILES}:
        raise InputError(f"{path} names files a model does not have.", "Copy the model folder again.")
    return description


def _read_file(folder: Path, name: str, expected_sha256: str | None) -> bytes:
    path = folder / name
    if not path.is_file():
        raise InputError(f"The model folder {folder} has no {name}.", "Copy the model folder again.")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != expected_sha256:
        raise InputError(f"{path} is not the file the model was saved with (sha256).", "Copy the model folder again.")
    return content


def arrays_of(path: Path, content: bytes) -> dict[str, np.ndarray]:
    """Arrays of a safetensors file; InputError when it is none."""
    with parsing(str(path), "Copy the model folder again."):
        return load_arrays(content)
