"""The graph network: a Gaussian Markov random field over the brain graph, solved by messages between neighbours.

What makes a healthy brain differ from the mean of its age is a field over the nodes, plus a few hubs that whole groups
of nodes share (as all thicknesses of a head rise with its contrast), plus noise of each node. Neighbours pull on each
other with learned strength and sign: the precision matrix of the field is zero except between neighbours. To read a
brain is to solve ``(Q + T) e = T b`` for the field e, where T holds the inverse noise of each node in view and 0 for a
node that is missing: it drops out exactly, and still relays what its neighbours know of each other. The solver is
conjugate gradients, and each of its steps is one graph convolution with the learned weights of the edges (the view of
iterative inference as a graph network: Gu et al. 2020, implicit graph neural networks). Hubs are then accounted for
exactly (Woodbury's identity).

Training is by the likelihood of brains and by what is read of them (see `training.train_network`); it starts at the
norms' own covariances.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from torch import nn
from torch_geometric.nn import MessagePassing

_TOLERANCE = 1e-8
_MOST_STEPS = 200


@dataclass(frozen=True)
class Architecture:
    """Sizes of a network.

    Parameters
    ----------
    nodes : parcels, structures and the size of the head.
    hubs : shared by people's residuals. scanner_hubs : shared by scanners' offsets.
    """

    nodes: int
    hubs: int
    scanner_hubs: int

    def as_dict(self) -> dict:
        """For model.json."""
        return asdict(self)


class NeighbourMessages(MessagePassing):
    """Each node receives the sum of its neighbours' values, weighed by their edges."""

    def __init__(self) -> None:
        super().__init__(aggr="add", node_dim=0)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Messages (K, c) from values x (K, c); edge_index (2, E), weight (E,)."""
        return self.propagate(edge_index, x=x, weight=weight)

    def message(self, x_j: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """What a neighbour sends."""
        return weight[:, None] * x_j


class AgeNetwork(nn.Module):
    """Precision of the nodes in view, by messages.

    Parameters
    ----------
    architecture : sizes.
    edges : (E, 2) int, each neighbouring pair once.
    """

    edges: torch.Tensor

    def __init__(self, architecture: Architecture, edges: np.ndarray) -> None:
        super().__init__()
        nodes, double = architecture.nodes, torch.float64
        self.architecture = architecture
        self.register_buffer("edges", torch.as_tensor(edges.T.copy(), dtype=torch.long), persistent=False)
        self.log_stiffness = nn.Parameter(torch.zeros(nodes, dtype=double))
        self.log_noise = nn.Parameter(torch.zeros(nodes, dtype=double))
        self.log_strength = nn.Parameter(torch.full((len(edges),), -2.0, dtype=double))
        self.sign = nn.Parameter(torch.ones(len(edges), dtype=double))
        self.hubs = nn.Parameter(torch.zeros(nodes, architecture.hubs, dtype=double))
        self.scanner_hubs = nn.Parameter(torch.zeros(nodes, architecture.scanner_hubs, dtype=double))
        self.log_scanner_noise = nn.Parameter(torch.zeros(nodes, dtype=double))
        self.messages = NeighbourMessages()

    def couplings(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Diagonal (K,) of the field's precision, and the weight (E,) of the message along each edge.

        Every edge pulls ``strength * (u_i - sign * u_j)^2`` on the scaled field: the precision is positive definite
        whatever the weights.
        """
        one, other = self.edges
        root, strength = torch.exp(0.5 * self.log_stiffness), torch.exp(self.log_strength)
        pull = torch.ones_like(root).index_add(0, one, strength).index_add(0, other, strength * self.sign**2)
        return root**2 * pull, root[one] * root[other] * strength * self.sign

    def field_precision(self) -> torch.Tensor:
        """(K, K) precision of the field as a matrix: for training and tests."""
        diagonal, weight = self.couplings()
        one, other = self.edges
        result = torch.diag(diagonal)
        result = result.index_put((one, other), -weight, accumulate=True)
        return result.index_put((other, one), -weight, accumulate=True)

    def residual_covariance(self) -> torch.Tensor:
        """(K, K) covariance of people of one scanner."""
        noise = torch.diag(torch.exp(self.log_noise))
        return self.hubs @ self.hubs.T + torch.linalg.inv(self.field_precision()) + noise

    def scanner_covariance(self) -> torch.Tensor:
        """(K, K) covariance of the offsets of scanners nothing is known of."""
        return self.scanner_hubs @ self.scanner_hubs.T + torch.diag(torch.exp(self.log_scanner_noise))

    @torch.no_grad()
    def precision(
        self,
        visible: torch.Tensor,
        scanner_loads: torch.Tensor,
        scanner_noise: torch.Tensor,
    ) -> tuple[torch.Tensor, int]:
        """(v, v) inverse covariance of the nodes in view, by messages, and the number of rounds it took.

        Column j is what a surprise at node j, once it has run over the graph, tells of all nodes in view.

        Parameters
        ----------
        visible : (K,) boolean.
        scanner_loads, scanner_noise : (K, s) and (K,), what is not known of scanner and route: covariance
            ``loads loads' + diag(noise)``.
        """
        weight_of_node = torch.where(visible, 1.0 / (torch.exp(self.log_noise) + scanner_noise), 0.0)
        loads = torch.cat([self.hubs, scanner_loads], dim=1)
        columns = torch.cat([torch.diag(visible.to(loads.dtype))[:, visible], loads * visible[:, None]], dim=1)
        asked = weight_of_node[:, None] * columns
        field, rounds = self._solve(weight_of_node, asked)
        solved = (asked - weight_of_node[:, None] * field)[visible]
        own, hubs = solved[:, : int(visible.sum())], solved[:, int(visible.sum()) :]
        inner = torch.eye(loads.shape[1], dtype=loads.dtype) + loads[visible].T @ hubs
        result = own - hubs @ torch.linalg.solve(inner, hubs.T)
        return 0.5 * (result + result.T), rounds

    def _solve(self, weight_of_node: torch.Tensor, asked: torch.Tensor) -> tuple[torch.Tensor, int]:
        """Field (K, c) with ``(Q + T) field = asked``, by preconditioned conjugate gradients; and the rounds needed."""
        diagonal, weight = self.couplings()
        edge_index = torch.cat([self.edges, self.edges.flip(0)], dim=1)
        weight = torch.cat([weight, weight])
        own = (diagonal + weight_of_node)[:, None]
        field = torch.zeros_like(asked)
        left = asked
        direction = guess = left / own
        size = (left * guess).sum(dim=0)
        goal = _TOLERANCE**2 * torch.clamp((asked * guess).sum(dim=0), min=1e-300)
        rounds = 0
        while rounds < _MOST_STEPS:
            rounds += 1
            pushed = own * direction - self.messages(direction, edge_index, weight)
            step = size / torch.clamp((direction * pushed).sum(dim=0), min=1e-300)
            field = field + step * direction
            left = left - step * pushed
            guess = left / own
            new_size = (left * guess).sum(dim=0)
            if bool((new_size <= goal).all()):
                break
            direction = guess + (new_size / torch.clamp(size, min=1e-300)) * direction
            size = new_size
        return field, rounds


@dataclass(frozen=True)
class GraphField:
    """A trained network as `read_ages` needs it; like `norms.closed_form.ClosedForm`, by messages.

    Parameters
    ----------
    network : trained.
    """

    network: AgeNetwork
    _known: dict = field(default_factory=dict, repr=False, compare=False)

    def precision(
        self, visible: np.ndarray, controls: int = 0, error_covariance: np.ndarray | None = None
    ) -> np.ndarray:
        """(v, v) inverse covariance of the visible nodes; see `ClosedForm.precision`."""
        key = (visible.tobytes(), controls, None if error_covariance is None else error_covariance.tobytes())
        if key not in self._known:
            if len(self._known) > 64:
                self._known.clear()
            loads, noise = self.scanner(controls, error_covariance)
            found, _ = self.network.precision(torch.as_tensor(visible), loads, noise)
            self._known[key] = found.numpy()
        return self._known[key]

    @torch.no_grad()
    def scanner(self, controls: int, error_covariance: np.ndarray | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Loads (K, s) and noise (K,) of what is not known of scanner and route after this many controls.

        Controls are people who share the scanner's hubs: each adds its information on them.
        """
        network = self.network
        loads, noise = network.scanner_hubs, torch.exp(network.log_scanner_noise)
        error = torch.zeros_like(noise)
        more = loads[:, :0]
        if error_covariance is not None:
            values, vectors = np.linalg.eigh(error_covariance)
            own = np.full(len(values), max(float(values.min()), 0.0))
            kept = values - own > 1e-6
            more = torch.as_tensor(vectors[:, kept] * np.sqrt((values - own)[kept]))
            error = torch.as_tensor(own)
        if controls:
            people = network.residual_covariance()
            if error_covariance is not None:
                people = people + torch.as_tensor(error_covariance)
            information = loads.T @ torch.linalg.solve(people, loads)
            left = torch.linalg.inv(torch.eye(len(information), dtype=loads.dtype) + controls * information)
            loads = loads @ torch.linalg.cholesky(0.5 * (left + left.T))
            noise = noise / (1 + controls * noise / torch.diagonal(people))
        return torch.cat([loads, more], dim=1), noise + error
