"""Trains a graph network, from where the norms stand, by the likelihood of brains and by what is read of them.

The likelihood of brains weighs everything alike: a network of few hubs spends itself on what tells nothing of age. So
the likelihood of the ages read, and the error of the deviations, are asked for beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ...anatomy.parcels import PARCEL_NAMES, PARCELS_PER_HEMISPHERE
from ..model.brain_age_model import REFERENCE_CONTROLS
from ..model.graph import parcel_centres_mm
from ..model.network import AgeNetwork, Architecture
from ..model.views import VIEWS, nodes_in_view
from ..norms.deviations import deviation_loads, slope_on_age, smooth_deviations
from ..norms.norms import Norms
from ..norms.reading import READ_AGES_YEARS, age_curves
from ..norms.scanner import remaining_covariance

# Share of what the hubs leave of a node's variance that starts as noise of its own; the rest is the field's.
_NOISE_SHARE = 0.3
_HUB_SHARE = 0.9
_SCANNER_WEIGHT = 0.3
_WARM_UP_STEPS = 10
# What ages and deviations weigh beside the brains; read at these ages, by a scanner nothing is known of and by one
# calibrated with as many controls as the model's errors are measured with.
_AGE_WEIGHT, _DEVIATION_WEIGHT = 1000.0, 100.0
_READ_AT_YEARS = np.arange(20.0, 91.0, 5.0)
_CONTROLS = (0, REFERENCE_CONTROLS)


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
    """The network under which people, scanners and ages are most likely, and deviations nearest the truth.

    All enter by their covariances, which are all a Gaussian field needs to know of them: of people within their sites,
    and of the scanners of the charts. Edges, hubs and noise are learned together. No random numbers: the same norms
    give the same weights on the same machine.

    Parameters
    ----------
    edges : (E, 2) neighbouring nodes.
    """
    network = AgeNetwork(recipe.architecture(len(norms.scale)), edges if recipe.neighbours else edges[:0])
    start_at_norms(network, norms)
    people, scanners = torch.as_tensor(norms.residual_covariance), torch.as_tensor(norms.site_covariance)
    readings = _readings(norms)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    for step in range(recipe.steps):
        warm = min(1.0, (step + 1) / _WARM_UP_STEPS)
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
        found = network.residual_covariance()
        loss = surprise(found, people) + _SCANNER_WEIGHT * surprise(network.scanner_covariance(), scanners)
        ages, deviations = torch.stack([reading.losses(found) for reading in readings]).mean(dim=0)
        loss = loss + _AGE_WEIGHT * ages + _DEVIATION_WEIGHT * deviations
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


@dataclass(frozen=True)
class ReadNodes:
    """What is read of people by some of the nodes: their age, and how places of the cortex deviate from it.

    Parameters
    ----------
    nodes : (v,) numbers of the nodes in view.
    unknown : (v, v) covariance of what is not known of the scanner.
    observed : (v, v) covariance of people and scanner together, as observed.
    slope : (v, A) how the nodes change per year, at each age.
    loads : (v, D) covariance of the nodes with D deviations, see `norms.deviations.deviation_loads`.
    """

    nodes: torch.Tensor
    unknown: torch.Tensor
    observed: torch.Tensor
    slope: torch.Tensor
    loads: torch.Tensor

    def losses(self, people: torch.Tensor) -> torch.Tensor:
        """(2,) what is lost by reading ages and deviations under the network; 0 where nothing is.

        Under the precision P of the network an age is read as ``slope' P x / i`` with the variance ``1 / i``, where
        ``i = slope' P slope``; under the observed covariance S its variance is ``v = slope' P S P slope / i^2``. The
        mean log score of the age, ``(log i - i v) / 2``, is best where P is the inverse of S; the first loss is twice
        what is missing, mean over ages. A deviation is read as ``loads' P x``. The second loss is what that adds to its
        squared error, as a share of what can be explained of it, mean over deviations.

        Parameters
        ----------
        people : (K, K) covariance of people of one scanner under the network.
        """
        root = torch.linalg.cholesky(people[self.nodes][:, self.nodes] + self.unknown)
        read = torch.cholesky_solve(self.slope, root)
        information = (self.slope * read).sum(dim=0)
        spread = (read * (self.observed @ read)).sum(dim=0) / information
        ages = (torch.log(self._best_information / information) + spread - 1).mean()
        read = torch.cholesky_solve(self.loads, root)
        added = (read * (self.observed @ read)).sum(dim=0) - 2 * (self.loads * read).sum(dim=0) + self._explained
        return torch.stack([ages, (added / self._explained).mean()])

    @cached_property
    def _best_information(self) -> torch.Tensor:
        """(A,) information on age under the observed covariance."""
        return (self.slope * torch.linalg.solve(self.observed, self.slope)).sum(dim=0)

    @cached_property
    def _explained(self) -> torch.Tensor:
        """(D,) variance of each deviation that can be explained under the observed covariance."""
        return (self.loads * torch.linalg.solve(self.observed, self.loads)).sum(dim=0)


def _readings(norms: Norms) -> list[ReadNodes]:
    """What is read of people: every view, without and with controls."""
    slope = age_curves(norms).slope.mean(axis=0)[np.isin(READ_AGES_YEARS, _READ_AT_YEARS)].T
    side = np.arange(len(PARCEL_NAMES)) >= PARCELS_PER_HEMISPHERE
    deviations = smooth_deviations(parcel_centres_mm(), side)
    loads = deviation_loads(slope_on_age(norms), deviations, np.eye(len(PARCEL_NAMES)))
    readings = []
    unknown_of_scanner = [remaining_covariance(norms, controls) for controls in _CONTROLS]
    for view in VIEWS:
        nodes = np.nonzero(nodes_in_view(view) & np.isfinite(norms.scale))[0]
        here = np.ix_(nodes, nodes)
        deviating = loads[nodes][:, (loads[nodes] != 0).any(axis=0)]
        for unknown in (covariance[here] for covariance in unknown_of_scanner):
            arrays = nodes, unknown, norms.residual_covariance[here] + unknown, slope[nodes], deviating
            readings.append(ReadNodes(*(torch.as_tensor(np.ascontiguousarray(array)) for array in arrays)))
    return readings


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
