"""The folder of trained structure networks: weights as safetensors, a description in JSON, a card. No pickles."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from ..errors import InputError
from ..files.atomic_file import write_atomically
from ..files.input_file import parsing, plain_file, read_json
from ..resources import structure_model_folder
from .half_brain import VOXEL_MM, WINDOWS
from .names import CLASSES
from .network import StructureNetwork

FORMAT = "regional-brain-age-structures/2"
_WEIGHTS, _DESCRIPTION = "weights.safetensors", "structures.json"


@dataclass(frozen=True)
class GrayLine:
    """What the networks make of the share of grey matter in a head: ``found = intercept + slope * share``.

    Whether a voxel of 2 mm in a narrow sulcus is cortex or fluid is decided by what is usual there, so the share of a
    head is drawn to the mean of all. It says as much as before once the line is read backwards.

    Parameters
    ----------
    intercept, slope : of a regression over heads that the networks had not seen; one side's grey matter over its
        half of the intracranial space.
    """

    intercept: float = 0.0
    slope: float = 1.0

    def share(self, found: float) -> float:
        """The share of grey matter that a found one stands for."""
        return (found - self.intercept) / self.slope


UNCORRECTED = GrayLine()


@dataclass(frozen=True)
class StructureModel:
    """Trained networks and where they come from.

    Parameters
    ----------
    networks : by the names of `half_brain.WINDOWS`; on the CPU, in evaluation mode.
    channels : of each network.
    about : training data and settings.
    gray_line : see `GrayLine`; nothing is corrected by default.
    """

    networks: Mapping[str, StructureNetwork]
    channels: Mapping[str, Sequence[int]]
    about: Mapping[str, object]
    gray_line: GrayLine = UNCORRECTED


def save_model(folder: Path, model: StructureModel) -> None:
    """Writes weights (float16) and description; the same model gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        f"{window}.{name}": value.numpy().astype(np.float16)
        for window, network in sorted(model.networks.items())
        for name, value in sorted(network.state_dict().items())
    }
    content = save_arrays(arrays)
    description = {
        "format": FORMAT,
        "classes": list(CLASSES),
        "windows": _windows(),
        "channels": {window: list(channels) for window, channels in model.channels.items()},
        "about": dict(model.about),
        "gray_line": {"intercept": model.gray_line.intercept, "slope": model.gray_line.slope},
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    (folder / _WEIGHTS).write_bytes(content)
    write_atomically(folder / _DESCRIPTION, json.dumps(description, indent=1) + "\n")


@lru_cache(maxsize=2)
def load_model(folder: Path | None = None) -> StructureModel:
    """Reads a model folder; the shipped one if None.

    Raises
    ------
    InputError : a missing, altered or foreign file.
    """
    folder = structure_model_folder(folder)
    again = "Copy the model folder again or train anew."
    description = read_json(folder / _DESCRIPTION, f"The structure model {folder / _DESCRIPTION}", again)
    content = plain_file(folder / _WEIGHTS, f"The structure model {folder / _WEIGHTS}", again).read_bytes()
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise InputError(f"{folder / _DESCRIPTION} does not describe a structure model ({FORMAT}).", again)
    if description.get("sha256") != hashlib.sha256(content).hexdigest():
        raise InputError(f"{folder / _WEIGHTS} is not the file the model was saved with (sha256).", again)
    if description.get("classes") != list(CLASSES) or description.get("windows") != _windows():
        raise InputError(f"The structure model {folder} was trained for other structures or windows.", again)
    networks = {}
    with parsing(f"The weights in {folder}", again):
        arrays = {name: torch.from_numpy(value.astype(np.float32)) for name, value in load_arrays(content).items()}
        for window in WINDOWS:
            network = StructureNetwork(len(CLASSES), description["channels"][window.name], window.shape)
            stem = f"{window.name}."
            own = {name.removeprefix(stem): value for name, value in arrays.items() if name.startswith(stem)}
            network.load_state_dict(own)
            networks[window.name] = network.eval()
        line = GrayLine(*(float(description["gray_line"][name]) for name in ("intercept", "slope")))
        if not (math.isfinite(line.intercept) and 0 < line.slope <= 2):
            raise ValueError(f"gray_line {line}")
    return StructureModel(networks, description["channels"], description.get("about", {}), line)


def _windows() -> list[dict[str, object]]:
    return [
        {"name": w.name, "shape": list(w.shape), "first_mm": list(w.first_mm), "voxel_mm": VOXEL_MM} for w in WINDOWS
    ]
