"""Trains a graph network by maximum likelihood, from where the norms stand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ..model.network import AgeNetwork, Architecture
from ..norms.norms import Norms

# Share of what the hubs leave of a node's variance that starts as noise of its own; the rest is the field's.
_NOISE_SHARE = 0.3
_HUB_SHARE = 0.9
_SCANNER_WEIGHT = 0.3
_WARM_UP_STEPS = 10


@dataclass(frozen=True)
class Recipe:
    """Settings of a training.

    Parameters
    ----------
    steps, learning_rate : of Adam, with a cosine schedule.
    folds : groups of sites held out in turn.
    hubs, scanner_hubs : see `Architecture`.
    neighbours : whether messages run between neighbours; without, only hubs connect nodes (for the card's ablation).
    """

    steps: int = 600
    learning_rate: float = 0.03
    folds: int = 5
    hubs: int = 24
    scanner_hubs: int = 20
    neighbours: bool = True

    def architecture(self, nodes: int) -> Architecture:
        """Sizes of its networks."""
        return Architecture(nodes, self.hubs, self.scanner_hubs)


def train_network(
    norms: Norms,
    edges: np.ndarray,
    recipe: Recipe,
    progress: Callable[[int, float], None] | None = None,
) -> AgeNetwork:
    """The network under which residuals of real people and offsets of scanners are most likely.

    Both enter by their covariance, which is all a Gaussian field needs to know of them: of people within their sites,
    and of the scanners of the charts. Edges, hubs and noise are learned together. No random numbers: the same norms
    give the same weights on the same machine.

    Parameters
    ----------
    edges : (E, 2) neighbouring nodes.
    """
    network = AgeNetwork(recipe.architecture(len(norms.scale)), edges if recipe.neighbours else edges[:0])
    start_at_norms(network, norms)
    people, scanners = torch.as_tensor(norms.residual_covariance), torch.as_tensor(norms.site_covariance)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    for step in range(recipe.steps):
        warm = min(1.0, (step + 1) / _WARM_UP_STEPS)
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
        loss = surprise(network.residual_covariance(), people)
        loss = loss + _SCANNER_WEIGHT * surprise(network.scanner_covariance(), scanners)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if progress is not None:
            progress(step, float(loss.detach()))
    return network.eval()


def surprise(covariance: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
    """Mean of ``-2 log p`` of people with this observed covariance under a Gaussian, without its constant."""
    root = torch.linalg.cholesky(covariance)
    return 2 * torch.log(torch.diagonal(root)).sum() + torch.trace(torch.cholesky_solve(observed, root))


@torch.no_grad()
def start_at_norms(network: AgeNetwork, norms: Norms) -> None:
    """Hubs start as the main components of the norms' covariances, the field as what they leave."""
    for covariance, hubs in (
        (norms.residual_covariance, network.hubs),
        (norms.site_covariance, network.scanner_hubs),
    ):
        values, vectors = np.linalg.eigh(covariance)
        count = min(hubs.shape[1], len(values) - 1)
        kept = _HUB_SHARE * vectors[:, -count:] * np.sqrt(np.maximum(values[-count:], 0.0))
        hubs[:, :count] = torch.as_tensor(np.ascontiguousarray(kept))
    left = np.diag(norms.residual_covariance) - (network.hubs.numpy() ** 2).sum(axis=1)
    left = torch.as_tensor(np.maximum(left, 0.1))
    network.log_noise[:] = torch.log(_NOISE_SHARE * left)
    network.log_stiffness[:] = -torch.log((1 - _NOISE_SHARE) * left)
    left = np.diag(norms.site_covariance) - (network.scanner_hubs.numpy() ** 2).sum(axis=1)
    network.log_scanner_noise[:] = torch.log(torch.as_tensor(np.maximum(left, 0.01)))
