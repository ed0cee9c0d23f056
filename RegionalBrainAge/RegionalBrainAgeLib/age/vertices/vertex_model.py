"""Vertex mode, the model: a network on a mesh, its training on people streamed from disk."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch import nn

from ...errors import InputError
from ..evaluation.metrics import balanced_mae_years
from ..holes import grown_holes
from ..training.site_folds import stopping_sites
from .early_stopping import BestWeights
from .mesh import Mesh, MeshRegions, load_mesh
from .mesh_network import MeshArchitecture, MeshNetwork
from .people import VertexPeople, mesh_of

Progress = Callable[[str, float], None]
_ALL_AGES_YEARS = (0, 120)
_KNEE_YEARS = 5.0
_PEOPLE_TO_STOP_BY = 200
# Cortex of one person where others have the medial wall, whose values hardly vary, would be thousands of SD away.
_FURTHEST_SD = 8.0


@dataclass(frozen=True)
class VertexRecipe:
    """Settings of a vertex training, as `training.train_network.Recipe`; the card holds `folds` groups of sites out."""

    steps: int = 2000
    check_every: int = 100
    patience: int = 8
    batch: int = 8
    learning_rate: float = 5e-3
    hidden: int = 16
    hops: int = 3
    hole_fraction: float = 0.3
    site_shift_sd: float = 0.4
    folds: int = 5


@dataclass(frozen=True)
class VertexModel:
    """A network on a mesh with the statistics of its features.

    Parameters
    ----------
    mean, sd : (V, F) of the training people.
    about : what it was trained on and how, for model.json and the card.
    """

    mesh: Mesh
    regions: MeshRegions
    architecture: MeshArchitecture
    network: MeshNetwork
    mean: np.ndarray
    sd: np.ndarray
    about: dict

    def predict(self, people: VertexPeople, progress: Progress | None = None) -> np.ndarray:
        """Raw regional ages (N, R) of people, streamed.

        Raises
        ------
        InputError : features of another mesh, or another number of them.
        """
        shape = people.features.shape[1:]
        if shape != self.mean.shape:
            raise InputError(
                f"The features have {shape[0]} vertices with {shape[1]} values each, the model {self.mean.shape[0]} "
                f"with {self.mean.shape[1]}.",
                "Give features made as those the model was trained on.",
            )
        return streamed_ages(self.network, people, self.mean, self.sd, progress)

    def without_messages(self) -> VertexModel:
        """The same model with every message between vertices switched off, the same vertices in view."""
        quiet = copy.deepcopy(self.network)
        quiet.messages = nn.ModuleList()
        return replace(self, network=quiet)


@torch.no_grad()
def streamed_ages(
    network: MeshNetwork, people: VertexPeople, mean: np.ndarray, sd: np.ndarray, progress: Progress | None = None
) -> np.ndarray:
    """Ages (N, R) by a network, a few people in memory at a time."""
    device = next(network.parameters()).device
    ages = np.full((len(people), network.architecture.regions), np.nan)
    for part, values in people.chunks():
        if progress is not None:
            progress("ages of people", part.start / len(people))
        inputs = [tensor.to(device) for tensor in _inputs(values, mean, sd, people.male[part])]
        ages[part] = network(*inputs).cpu().numpy()
    return ages


def feature_statistics(people: VertexPeople) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD (V, F) in one pass over the disk, NaN left out."""
    count = total = squares = 0.0
    for _, values in people.chunks():
        known = np.isfinite(values)
        filled = np.where(known, values, 0.0).astype(float)
        count = count + known.sum(axis=0)
        total = total + filled.sum(axis=0)
        squares = squares + (filled**2).sum(axis=0)
    mean = total / np.maximum(count, 1)
    variance = squares / np.maximum(count, 1) - mean**2
    return mean, np.sqrt(np.maximum(variance, 1e-8))


def standardised(values: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """(n, V, F) in SD from the mean, at most 8 of them; NaN where not measured."""
    return np.clip((values - mean) / sd, -_FURTHEST_SD, _FURTHEST_SD)


def train_vertex_model(
    people: VertexPeople,
    regions: MeshRegions,
    recipe: VertexRecipe | None = None,
    seed: int = 0,
    about: dict | None = None,
    progress: Progress | None = None,
) -> VertexModel:
    """Trains on these people: ages balanced, a random shift per person for scanners, patches of vertices missing.

    With three sites or more, one group of them is held out to stop by. The same seed gives the same model on the same
    processor.

    Parameters
    ----------
    regions : on the mesh of the features.
    about : further facts for model.json.
    """
    recipe = recipe or VertexRecipe()
    watched = stopping_sites(people.site, people.age_years)
    apart = np.isin(people.site, watched)
    everyone, others, people = people, people.take(apart), people.take(~apart)
    mesh = load_mesh(mesh_of(people))
    if progress is not None:
        progress("mean and SD of every feature", 0.0)
    mean, sd = feature_statistics(people)
    architecture = MeshArchitecture(
        nodes=len(mesh.points_mm),
        regions=len(regions.names),
        features=people.features.shape[2],
        hidden=recipe.hidden,
        hops=recipe.hops,
    )
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = MeshNetwork(architecture, mesh.edges, regions.weights).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    bins = (people.age_years // 10).astype(int)
    weights = 1.0 / np.bincount(bins)[bins]
    weights /= weights.sum()
    holes = grown_holes(mesh.edges, architecture.nodes, 100, rng).missing
    others = others.take(np.sort(rng.permutation(len(others))[:_PEOPLE_TO_STOP_BY]))
    best = BestWeights(recipe.patience)

    def error_years(network: MeshNetwork) -> float:
        error = streamed_ages(network, others, mean, sd) - others.age_years[:, None]
        return balanced_mae_years(error, others.age_years, _ALL_AGES_YEARS, fewest=1)

    for step in range(recipe.steps):
        chosen = np.sort(rng.choice(len(people), size=recipe.batch, p=weights, replace=len(people) < recipe.batch))
        values = people.read(chosen)
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
        if look and best.check(done, network, error_years):
            break
    if len(others):
        best.restore(network)
    facts = {
        **(about or {}),
        **_described(everyone),
        "people": len(people),
        "people_to_stop_by": len(others),
        "recipe": asdict(recipe),
        "seed": seed,
        "early_stopping": best.as_dict(watched),
    }
    return VertexModel(mesh, regions, architecture, network.cpu().eval(), mean, sd, facts)


def _described(people: VertexPeople) -> dict:
    """The people of a training as numbers; no person."""
    age = people.age_years
    return {
        "sites": sorted(map(str, np.unique(people.site))),
        "women": int((people.male == 0).sum()),
        "ages_years": [float(age.min()), float(age.mean()), float(age.max())],
    }


def _inputs(values: np.ndarray, mean: np.ndarray, sd: np.ndarray, male: np.ndarray) -> list[torch.Tensor]:
    scaled = standardised(values, mean, sd)
    missing = np.isnan(scaled)
    arrays = (np.where(missing, 0.0, scaled), missing, male)
    return [torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32) for array in arrays]
