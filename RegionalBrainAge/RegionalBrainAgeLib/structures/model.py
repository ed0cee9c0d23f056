"""The folder of trained structure networks: weights as safetensors, a description in JSON, a card. No pickles."""

from __future__ import annotations

import hashlib
import json
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

FORMAT = "regional-brain-age-structures/1"
_WEIGHTS, _DESCRIPTION = "weights.safetensors", "structures.json"


@dataclass(frozen=True)
class StructureModel:
    """Trained networks and where they come from.

    Parameters
    ----------
    networks : by the names of `half_brain.WINDOWS`; on the CPU, in evaluation mode.
    channels : of each network.
    about : training data and settings.
    """

    networks: Mapping[str, StructureNetwork]
    channels: Mapping[str, Sequence[int]]
    about: Mapping[str, object]


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
    return StructureModel(networks, description["channels"], description.get("about", {}))


def _windows() -> list[dict[str, object]]:
    return [
        {"name": w.name, "shape": list(w.shape), "first_mm": list(w.first_mm), "voxel_mm": VOXEL_MM} for w in WINDOWS
    ]
