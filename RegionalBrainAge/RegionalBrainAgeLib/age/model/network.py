"""The graph network: features of nodes in, one age per region out.

Three steps. Messages between neighbours estimate what a missing node would have shown (Torch-geometric graph
convolutions with learned edge strengths). Then evidence flows to the regions over at most `hops` steps of the graph,
linearly, as in simplified graph convolution (Wu et al. 2019), every node with weights of its own. A small perceptron
per
region turns the collected evidence into years.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from scipy import sparse
from torch import nn
from torch.nn.functional import gelu
from torch_geometric.nn import DenseGraphConv, GraphConv

# Beyond this many nodes a dense adjacency no longer pays; parcels are below, meshes above.
_DENSE_NODES = 1000
_AGE_CENTRE_YEARS, _AGE_SCALE_YEARS = 55.0, 20.0


@dataclass(frozen=True)
class Architecture:
    """What must be known to build the network before its weights are loaded.

    Parameters
    ----------
    nodes, regions : of the graph.
    features : measured values per node (thickness, ...).
    hidden : channels per node while filling missing nodes.
    fill_hops : rounds of messages to a missing node.
    hops : steps of the graph from which evidence reaches a region; 0 is the same network without message passing.
    evidence : numbers collected per region.
    node_weights : every node has its own weights (parcels); otherwise weights are shared over nodes and the regions
        also collect what the messages found (meshes).
    """

    nodes: int
    regions: int
    features: int = 1
    hidden: int = 16
    fill_hops: int = 2
    hops: int = 3
    evidence: int = 8
    node_weights: bool = True

    def as_dict(self) -> dict:
        """For model.json."""
        return asdict(self)


def spread_membership(edges: np.ndarray, membership: np.ndarray, hops: int) -> np.ndarray:
    """(regions, nodes): membership carried `hops` steps over the graph, rows sum to 1; > 0 is a region's reach."""
    nodes = membership.shape[1]
    both = np.concatenate([edges, edges[:, ::-1]])
    adjacent = sparse.csr_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(nodes, nodes))
    step = sparse.eye(nodes) + sparse.diags(1 / np.maximum(np.asarray(adjacent.sum(axis=1)).ravel(), 1)) @ adjacent
    spread = membership
    for _ in range(hops):
        spread = (step.T @ spread.T).T
    return spread / spread.sum(axis=1, keepdims=True)


class RegionalAgeNetwork(nn.Module):
    """Ages of regions from the features of nodes.

    Parameters
    ----------
    architecture : sizes.
    edges : (E, 2) int, each neighbouring pair once.
    membership : (regions, nodes) weights, rows sum to 1.
    """

    def __init__(self, architecture: Architecture, edges: np.ndarray, membership: np.ndarray) -> None:
        super().__init__()
        self.architecture = architecture
        nodes, regions, hidden = architecture.nodes, architecture.regions, architecture.hidden
        features, evidence = architecture.features, architecture.evidence
        both = np.concatenate([edges, edges[:, ::-1]])
        self.register_buffer("edge_index", torch.as_tensor(both.T.copy(), dtype=torch.long), persistent=False)
        spread = spread_membership(edges, membership, architecture.hops)
        self.register_buffer("spread", torch.as_tensor(spread, dtype=torch.float32), persistent=False)
        own = nodes if architecture.node_weights else 1
        # Inputs of a node: features, missing, lesioned fraction, sex, scanner uncertainty.
        self.encoder = nn.Parameter(torch.randn(own, features + 4, hidden) / np.sqrt(features + 4))
        self.identity = nn.Parameter(0.1 * torch.randn(nodes, hidden))
        layer = DenseGraphConv if nodes <= _DENSE_NODES else GraphConv
        self.messages = nn.ModuleList([layer(hidden, hidden, aggr="add") for _ in range(architecture.fill_hops)])
        self.edge_strength = nn.Parameter(torch.zeros(architecture.fill_hops, len(both)))
        self.fill = nn.Parameter(0.1 * torch.randn(own, hidden, features))
        collected = 3 * features + (0 if architecture.node_weights else hidden)
        self.collect = nn.Parameter(torch.randn(regions, own, collected, evidence) / np.sqrt(collected))
        self.shift = nn.Parameter(torch.zeros(regions, evidence))
        width = 3 * evidence
        self.hidden_weight = nn.Parameter(torch.randn(regions, evidence + 2, width) / np.sqrt(evidence + 2))
        self.hidden_bias = nn.Parameter(torch.zeros(regions, width))
        self.out = nn.Parameter(torch.randn(regions, width) / np.sqrt(width))
        self.out_bias = nn.Parameter(torch.zeros(regions))

    def forward(
        self,
        values: torch.Tensor,
        missing: torch.Tensor,
        lesioned: torch.Tensor,
        male: torch.Tensor,
        scanner_uncertainty: torch.Tensor,
    ) -> torch.Tensor:
        """Ages in years, (B, regions).

        Parameters
        ----------
        values : (B, N, F) standardised; anything where missing.
        missing, lesioned : (B, N) 0..1.
        male, scanner_uncertainty : (B,) 0..1; 1 is a scanner nothing is known of.
        """
        person = torch.stack([male - 0.5, scanner_uncertainty], dim=-1)
        if self.architecture.node_weights:
            filled = self.filled(values, missing, lesioned, male, scanner_uncertainty)
            gathered = torch.cat(_by_uncertainty(filled, scanner_uncertainty), dim=-1)
            weights = self.collect * (self.spread > 0)[..., None, None]
            regions, nodes, channels, evidence = weights.shape
            flat = weights.permute(1, 2, 0, 3).reshape(nodes * channels, regions * evidence)
            found = (gathered.reshape(len(values), -1) @ flat).reshape(-1, regions, evidence)
        else:
            state = self._states(values, missing, lesioned, person)
            filled = torch.where(missing[..., None] > 0, state @ self.fill[0], values)
            gathered = torch.cat([*_by_uncertainty(filled, scanner_uncertainty), state], dim=-1)
            found = torch.einsum("rn,bnc->brc", self.spread, gathered)
            found = torch.einsum("brc,rce->bre", found, self.collect[:, 0])
        found = found + self.shift
        facts = torch.cat([found, person[:, None].expand(-1, found.shape[1], -1)], dim=-1)
        inner = gelu(torch.einsum("bre,rew->brw", facts, self.hidden_weight) + self.hidden_bias)
        return _AGE_CENTRE_YEARS + _AGE_SCALE_YEARS * ((inner * self.out).sum(dim=-1) + self.out_bias)

    def filled(
        self,
        values: torch.Tensor,
        missing: torch.Tensor,
        lesioned: torch.Tensor,
        male: torch.Tensor,
        scanner_uncertainty: torch.Tensor,
    ) -> torch.Tensor:
        """The values (B, N, F) with missing nodes estimated from those around them."""
        damaged = missing.any(dim=1)
        if not damaged.any():
            return values
        person = torch.stack([male - 0.5, scanner_uncertainty], dim=-1)[damaged]
        state = self._states(values[damaged], missing[damaged], lesioned[damaged], person)
        guess = torch.einsum("bnh,nhf->bnf", state, self.fill)
        result = values.clone()
        result[damaged] = torch.where(missing[damaged][..., None] > 0, guess, values[damaged])
        return result

    def _states(
        self, values: torch.Tensor, missing: torch.Tensor, lesioned: torch.Tensor, person: torch.Tensor
    ) -> torch.Tensor:
        """(B, N, hidden) after the rounds of messages."""
        values = torch.where(missing[..., None] > 0, torch.zeros_like(values), values)
        person = person[:, None].expand(-1, missing.shape[1], -1)
        inputs = torch.cat([values, missing[..., None], lesioned[..., None], person], dim=-1)
        if self.architecture.node_weights:
            state = torch.einsum("bni,nih->bnh", inputs, self.encoder)
        else:
            state = inputs @ self.encoder[0]
        state = gelu(state + self.identity)
        for message, strength in zip(self.messages, self.edge_strength, strict=True):
            state = state + gelu(self._pass(message, strength, state))
        return state

    def _pass(self, message: nn.Module, strength: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """One round of messages; the strengths of the edges into a node are positive and sum to 1."""
        source, target = self.edge_index
        nodes = state.shape[1]
        weight = torch.exp(strength)
        total = torch.zeros(nodes, device=state.device).index_add(0, target, weight)
        weight = weight / total[target]
        if nodes > _DENSE_NODES:
            return message(state, self.edge_index, weight)
        adjacency = torch.zeros(nodes, nodes, device=state.device).index_put((target, source), weight)
        return message(state, adjacency)


def _by_uncertainty(values: torch.Tensor, scanner_uncertainty: torch.Tensor) -> list[torch.Tensor]:
    """The values times 1, u and u squared: what a node tells depends on how well the scanner is known."""
    u = scanner_uncertainty[:, None, None]
    return [values, values * u, values * u**2]
