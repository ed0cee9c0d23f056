"""Vertex mode, a model on disk: weights.safetensors and a sealed model.json; the card and its figure may lie beside."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save as save_arrays

from ...errors import InputError
from ...files.input_file import parsing
from ..model.model_folder import (
    VERTEX_FORMAT,
    arrays_of,
    check_contents,
    checked_contents,
    read_description,
    write_description,
)
from .mesh import MeshRegions, load_mesh
from .mesh_network import MeshArchitecture, MeshNetwork
from .vertex_model import VertexModel

_WEIGHTS = "weights.safetensors"


def save_vertex_model(model: VertexModel, folder: Path | str) -> None:
    """Writes a model folder. It holds no person."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {key: value.numpy() for key, value in model.network.state_dict().items()}
    statistics = {"feature_mean": model.mean, "feature_sd": model.sd, "region_weights": model.regions.weights}
    arrays |= {name: array.astype(np.float32) for name, array in statistics.items()}
    content = save_arrays({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    (folder / _WEIGHTS).write_bytes(content)
    description = {
        "format": VERTEX_FORMAT,
        "mesh": model.mesh.name,
        "scheme": model.regions.scheme,
        "regions": list(model.regions.names),
        "architecture": model.architecture.as_dict(),
        "about": model.about,
        "sha256": {_WEIGHTS: hashlib.sha256(content).hexdigest()},
    }
    write_description(folder, description)


def load_vertex_model(folder: Path | str) -> VertexModel:
    """Reads a vertex model.

    Raises
    ------
    InputError : a missing, altered or foreign file, or a folder of another kind of model.
    """
    folder = Path(folder)
    description = read_description(folder, VERTEX_FORMAT)
    check_contents(folder, (_WEIGHTS,))
    arrays = arrays_of(folder / _WEIGHTS, checked_contents(folder, description, (_WEIGHTS,))[_WEIGHTS])
    with parsing(f"The vertex model {folder}", "Copy the model folder again."):
        statistics = ("feature_mean", "feature_sd", "region_weights")
        mean, sd, weights = (arrays.pop(name).astype(float) for name in statistics)
        mesh = load_mesh(description["mesh"])
        regions = MeshRegions(description["scheme"], tuple(description["regions"]), weights)
        architecture = MeshArchitecture(**description["architecture"])
        if weights.shape != (len(regions.names), architecture.nodes) or len(mesh.points_mm) != architecture.nodes:
            raise InputError(f"The parts of the model {folder} do not fit together.", "Copy the model folder again.")
        network = MeshNetwork(architecture, mesh.edges, weights)
        network.load_state_dict({key: torch.as_tensor(value) for key, value in arrays.items()})
        return VertexModel(mesh, regions, architecture, network.eval(), mean, sd, description["about"])
