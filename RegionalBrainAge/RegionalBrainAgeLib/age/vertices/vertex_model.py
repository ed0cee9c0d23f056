"""Vertex mode, the model: the same network on a mesh, trained on real people streamed from disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from ...anatomy.regions import RegionScheme
from ...errors import InputError
from ...files.input_file import parsing
from ..evaluation.metrics import balanced_mae_years
from ..model.graph import grown_holes
from ..model.model_folder import read_description, write_description
from ..training.site_folds import stopping_sites
from .early_stopping import BestWeights
from .mesh import Mesh, VertexPeople, load_mesh, mesh_of, vertex_membership
from .mesh_network import MeshArchitecture, MeshNetwork

FORMAT = "regional-brain-age-vertex-model/2"
_ALL_AGES_YEARS = (0, 120)
_KNEE_YEARS = 5.0
_PEOPLE_TO_STOP_BY = 200


@dataclass(frozen=True)
class VertexRecipe:
    """Settings of a vertex training; see `training.Recipe`."""

    steps: int = 2000
    check_every: int = 100
    patience: int = 8
    batch: int = 8
    learning_rate: float = 5e-3
    hidden: int = 16
    hops: int = 3
    hole_fraction: float = 0.3
    site_shift_sd: float = 0.4


@dataclass(frozen=True)
class VertexModel:
    """A network on a mesh with the statistics of its features.

    Parameters
    ----------
    mean, sd : (V, F) of the training people, each site's mean taken off for the SD.
    """

    mesh: Mesh
    region_names: tuple[str, ...]
    architecture: MeshArchitecture
    network: MeshNetwork
    mean: np.ndarray
    sd: np.ndarray
    about: dict

    @torch.no_grad()
    def predict(self, people: VertexPeople, rows: np.ndarray | None = None) -> np.ndarray:
        """Raw regional ages (n, R) of people, streamed."""
        rows = np.arange(len(people)) if rows is None else rows
        ages, done = [], 0
        for values in people.chunks(rows):
            male = people.male[rows[done : done + len(values)]]
            ages.append(self.network(*_inputs(values, self.mean, self.sd, male)).numpy())
            done += len(values)
        return np.concatenate(ages)


@dataclass(frozen=True)
class HeldOutOnDisk:
    """People of sites held out of a vertex training, streamed at every look; `stopping.BestWeights` chooses by them.

    Parameters
    ----------
    rows : of the people.
    mean, sd : (V, F) of the features.
    """

    people: VertexPeople
    rows: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    @torch.no_grad()
    def error_years(self, network: MeshNetwork) -> float:
        """Age-balanced mean absolute error against age."""
        device, errors, done = next(network.parameters()).device, [], 0
        for values in self.people.chunks(self.rows):
            rows = self.rows[done : done + len(values)]
            inputs = [tensor.to(device) for tensor in _inputs(values, self.mean, self.sd, self.people.male[rows])]
            errors.append(network(*inputs).cpu().numpy() - self.people.age_years[rows, None])
            done += len(values)
        age_years = self.people.age_years[self.rows]
        return balanced_mae_years(np.concatenate(errors), age_years, _ALL_AGES_YEARS, fewest=1)


def feature_statistics(people: VertexPeople, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD (V, F) in one pass over the disk, NaN left out."""
    count = total = squares = 0.0
    for values in people.chunks(rows):
        known = np.isfinite(values)
        filled = np.where(known, values, 0.0).astype(float)
        count = count + known.sum(axis=0)
        total = total + filled.sum(axis=0)
        squares = squares + (filled**2).sum(axis=0)
    mean = total / np.maximum(count, 1)
    variance = squares / np.maximum(count, 1) - mean**2
    return mean, np.sqrt(np.maximum(variance, 1e-8))


def train_vertex_model(
    people: VertexPeople,
    scheme: RegionScheme,
    recipe: VertexRecipe | None = None,
    seed: int = 0,
    rows: np.ndarray | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> VertexModel:
    """Trains on these rows: ages balanced, a random shift per person for scanners, patches of vertices missing.

    With three sites or more, one group of them is held out to stop by. The same seed gives the same model on the same
    machine.
    """
    recipe = recipe or VertexRecipe()
    rows = np.arange(len(people)) if rows is None else rows
    watched = stopping_sites(people.site[rows], people.age_years[rows])
    apart = np.isin(people.site[rows], watched)
    others, rows = rows[apart], rows[~apart]
    mesh = load_mesh(mesh_of(people))
    membership = vertex_membership(mesh, scheme)
    mean, sd = feature_statistics(people, rows)
    architecture = MeshArchitecture(
        nodes=len(mesh.points_mm),
        regions=len(membership),
        features=people.features.shape[2],
        hidden=recipe.hidden,
        hops=recipe.hops,
    )
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = MeshNetwork(architecture, mesh.edges, membership).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    bins = (people.age_years[rows] // 10).astype(int)
    weights = 1.0 / np.bincount(bins)[bins]
    weights /= weights.sum()
    holes = grown_holes(mesh.edges, architecture.nodes, 100, rng).missing
    others = np.sort(rng.permutation(others)[:_PEOPLE_TO_STOP_BY])
    held_out, best = HeldOutOnDisk(people, others, mean, sd), BestWeights(recipe.patience)
    for step in range(recipe.steps):
        chosen = np.sort(rng.choice(len(rows), size=recipe.batch, p=weights, replace=len(rows) < recipe.batch))
        chosen = rows[chosen]
        values = np.array(people.features[chosen], dtype=np.float32)
        values += recipe.site_shift_sd * rng.standard_normal((len(chosen), 1, values.shape[2])) * sd
        holed = rng.random(len(chosen)) < recipe.hole_fraction
        values[holed] = np.where(
            holes[rng.integers(len(holes), size=int(holed.sum()))][..., None], np.nan, values[holed]
        )
        inputs = [tensor.to(device) for tensor in _inputs(values, mean, sd, people.male[chosen])]
        predicted = network(*inputs)
        age = torch.as_tensor(people.age_years[chosen], dtype=torch.float32, device=device)[:, None]
        loss = torch.nn.functional.smooth_l1_loss(predicted, age.expand_as(predicted), beta=_KNEE_YEARS)
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * 0.5 * (1 + np.cos(np.pi * step / recipe.steps))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        if progress is not None and step % 50 == 0:
            progress(f"loss {float(loss.detach()):.2f}", step / recipe.steps)
        done = step + 1
        look = len(others) and (done % recipe.check_every == 0 or done == recipe.steps)
        if look and best.check(done, network, held_out.error_years):
            break
    if len(others):
        best.restore(network)
    names = tuple(region.name for region in scheme.regions)
    about = {"people": len(rows), "recipe": asdict(recipe), "seed": seed, "scheme": scheme.name}
    about["early_stopping"] = best.as_dict(watched)
    return VertexModel(mesh, names, architecture, network.cpu().eval(), mean, sd, about)


def save_vertex_model(model: VertexModel, folder: Path | str) -> None:
    """Writes weights.safetensors and a sealed model.json."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {key: value.numpy() for key, value in model.network.state_dict().items()}
    arrays |= {"feature_mean": model.mean.astype(np.float32), "feature_sd": model.sd.astype(np.float32)}
    content = save_arrays({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    (folder / "weights.safetensors").write_bytes(content)
    description = {
        "format": FORMAT,
        "mesh": model.mesh.name,
        "regions": list(model.region_names),
        "architecture": model.architecture.as_dict(),
        "about": model.about,
        "sha256": {"weights.safetensors": hashlib.sha256(content).hexdigest()},
    }
    write_description(folder, json.loads(json.dumps(description)))


def load_vertex_model(folder: Path | str, scheme: RegionScheme) -> VertexModel:
    """Reads a vertex model for a scheme.

    Raises
    ------
    InputError : an altered folder, or a model of other regions.
    """
    folder = Path(folder)
    description = read_description(folder, FORMAT)
    path = folder / "weights.safetensors"
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != description["sha256"].get("weights.safetensors"):
        raise InputError(f"{path} is missing or not the file the model was saved with.", "Copy the model folder again.")
    names = tuple(region.name for region in scheme.regions)
    with parsing(f"The vertex model {folder}", "Copy the model folder again."):
        if names != tuple(description["regions"]):
            raise InputError(
                f"The model {folder} was trained for other regions than '{scheme.name}'.", "Give its scheme."
            )
        arrays = load_arrays(content)
        mean, sd = arrays.pop("feature_mean").astype(float), arrays.pop("feature_sd").astype(float)
        mesh = load_mesh(description["mesh"])
        architecture = MeshArchitecture(**description["architecture"])
        network = MeshNetwork(architecture, mesh.edges, vertex_membership(mesh, scheme))
        network.load_state_dict({key: torch.as_tensor(value) for key, value in arrays.items()})
        return VertexModel(mesh, names, architecture, network.eval(), mean, sd, description["about"])


def _inputs(values: np.ndarray, mean: np.ndarray, sd: np.ndarray, male: np.ndarray) -> list[torch.Tensor]:
    standardised = (values - mean) / sd
    missing = np.isnan(standardised).any(axis=2)
    standardised = np.where(missing[..., None], 0.0, standardised)
    arrays = (standardised, missing, male)
    return [torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32) for array in arrays]
