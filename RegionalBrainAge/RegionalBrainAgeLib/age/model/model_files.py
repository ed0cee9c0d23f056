"""Writes and reads a model folder: weights.safetensors, norms.safetensors, errors.safetensors, model.json."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save as save_arrays

from ...anatomy.regions import RegionScheme
from ...errors import InputError
from ...files.input_file import parsing
from ...resources import model_folder
from ..features import NODE_NAMES
from ..norms.norms import Norms
from .brain_age_model import BrainAgeModel, Fold
from .intervals import ErrorTable
from .model_folder import (
    ARRAY_FILES,
    FORMAT,
    ROUTE_FILES,
    arrays_of,
    check_contents,
    checked_contents,
    read_description,
    write_description,
)
from .network import AgeNetwork, Architecture
from .route import read_route


def save_model(model: BrainAgeModel, folder: Path | str) -> None:
    """Writes a model folder; model.json last, with checksums of all."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights: dict[str, np.ndarray] = {}
    norms: dict[str, np.ndarray] = {}
    errors: dict[str, np.ndarray] = {}
    for index, fold in enumerate(model.folds):
        weights |= {f"fold{index}.{key}": value.numpy() for key, value in fold.network.state_dict().items()}
        norms |= {f"fold{index}.{f.name}": getattr(fold.norms, f.name).astype(np.float32) for f in fields(Norms)}
        for state, table in fold.errors.items():
            for item in fields(ErrorTable):
                value = np.asarray(getattr(table, item.name), dtype=np.float32)
                errors[f"fold{index}.{state}.{item.name}"] = np.atleast_1d(value)
    norms |= {"membership": model.membership.astype(np.float64), "edges": model.edges.astype(np.int32)}
    contents = dict(zip(ARRAY_FILES, map(_packed, (weights, norms, errors)), strict=True))
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    write_description(
        folder,
        {
            "format": FORMAT,
            "name": model.name,
            "version": model.version,
            "architecture": model.folds[-1].network.architecture.as_dict(),
            "nodes": list(NODE_NAMES),
            "scheme": model.scheme,
            "regions": list(model.region_names),
            "folds": [{"held_out_sites": list(fold.held_out_sites)} for fold in model.folds],
            "states": list(model.folds[-1].errors),
            "as_many": model.as_many,
            "about": model.about,
            "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
        },
    )


def load_model(path: Path | str | None = None, scheme: RegionScheme | None = None) -> BrainAgeModel:
    """Reads a model folder; without a path, the model this software ships.

    Parameters
    ----------
    path : folder, or None.
    scheme : when given, the model must be for the same regions.

    Raises
    ------
    InputError : a missing, altered or foreign file, a pickle, another scheme, or a model of an earlier version.
    """
    folder = model_folder(path)
    if not folder.is_dir():
        raise InputError(f"There is no model folder at {folder}.", "Give the folder that `train` wrote.")
    description = read_description(folder)
    check_contents(folder)
    contents = checked_contents(folder, description)
    arrays = {name: arrays_of(folder / name, contents[name]) for name in ARRAY_FILES}
    with parsing(f"The model {folder}", "Copy the folder again."):
        if tuple(description["nodes"]) != NODE_NAMES:
            raise InputError(f"The model {folder} has other features than this software.", "Train it anew.")
        model = _build(folder, description, *(arrays[name] for name in ARRAY_FILES))
    if scheme is not None:
        model.check_scheme(scheme)
    return model


def _packed(arrays: dict[str, np.ndarray]) -> bytes:
    """safetensors writes memory as it lies: an array in Fortran order would come back scrambled."""
    return save_arrays({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def _build(folder: Path, description: dict, weights: dict, norms: dict, errors: dict) -> BrainAgeModel:
    architecture, edges = Architecture(**description["architecture"]), norms["edges"].astype(int)
    folds = []
    for index, fold in enumerate(description["folds"]):
        network = AgeNetwork(architecture, edges)
        prefix = f"fold{index}."
        own = {k.removeprefix(prefix): torch.as_tensor(v) for k, v in weights.items() if k.startswith(prefix)}
        network.load_state_dict(own)
        own_norms = Norms(**{f.name: norms[prefix + f.name].astype(float) for f in fields(Norms)})
        tables = {}
        for state in description["states"]:
            values = {f.name: errors[f"{prefix}{state}.{f.name}"].astype(float) for f in fields(ErrorTable)}
            numbers = {name: float(values[name][0]) for name in ("youngest_years", "oldest_years")}
            tables[state] = ErrorTable(**values | numbers)
        folds.append(Fold(tuple(fold["held_out_sites"]), own_norms, network.eval(), tables))
    routes = {name: read_route(folder / file) for name, file in ROUTE_FILES.items() if (folder / file).is_file()}
    return BrainAgeModel(
        name=folder.name,
        edges=edges,
        membership=norms["membership"],
        region_names=tuple(description["regions"]),
        scheme=description["scheme"],
        folds=tuple(folds),
        about=description["about"],
        routes=routes,
        as_many=description["as_many"],
        norms_sha256=description["sha256"]["norms.safetensors"],
        version=description["version"],
    )
