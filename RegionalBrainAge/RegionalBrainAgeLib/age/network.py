"""The graph network: features of nodes in, one age per region out."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn
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
    hidden : channels per node.
    hops : rounds of message passing; 0 is the same network without message passing.
    node_weights : every node has its own input weights (parcels); otherwise input weights are shared and a learned
        embedding tells nodes apart (meshes).
    """

    nodes: int
    regions: int
    features: int = 1
    hidden: int = 24
    hops: int = 3
    node_weights: bool = True

    def as_dict(self) -> dict:
        """For model.json."""
        return asdict(self)


class RegionalAgeNetwork(nn.Module):
    """Message passing over the brain graph, pooled per region.

    The receptive field of a region is its own parcels and those within `hops` steps: nothing else can move its age.

    Parameters
    ----------
    architecture : sizes.
    edges : (E, 2) int, each neighbouring pair once.
    membership : (regions, nodes) weights, rows sum to 1.
    """

    def __init__(self, architecture: Architecture, edges: np.ndarray, membership: np.ndarray) -> None:
        super().__init__()
        self.architecture = architecture
        nodes, hidden = architecture.nodes, architecture.hidden
        both = np.concatenate([edges, edges[:, ::-1]])
        self.register_buffer("edge_index", torch.as_tensor(both.T.copy(), dtype=torch.long), persistent=False)
        self.register_buffer("membership", torch.as_tensor(membership, dtype=torch.float32), persistent=False)
        # Inputs of a node: features, missing, lesioned fraction, sex, scanner uncertainty.
        inputs = architecture.features + 4
        if architecture.node_weights:
            self.encoder = nn.Parameter(torch.randn(nodes, inputs, hidden) / np.sqrt(inputs))
            self.identity = nn.Parameter(torch.zeros(nodes, hidden))
        else:
            self.encoder = nn.Parameter(torch.randn(inputs, hidden) / np.sqrt(inputs))
            self.identity = nn.Parameter(0.1 * torch.randn(nodes, hidden))
        dense = nodes <= _DENSE_NODES
        layer = DenseGraphConv if dense else GraphConv
        self.hops = nn.ModuleList([layer(hidden, hidden, aggr="add") for _ in range(architecture.hops)])
        self.edge_strength = nn.Parameter(torch.zeros(architecture.hops, len(both)))
        self.head = nn.Parameter(torch.randn(architecture.regions, hidden, hidden) / np.sqrt(hidden))
        self.head_bias = nn.Parameter(torch.zeros(architecture.regions, hidden))
        self.out = nn.Parameter(torch.randn(architecture.regions, hidden) / np.sqrt(hidden))
        self.out_bias = nn.Parameter(torch.zeros(architecture.regions))

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
        batch, nodes = missing.shape
        values = values * (1 - missing)[..., None]
        person = torch.stack([male - 0.5, scanner_uncertainty], dim=-1)[:, None].expand(batch, nodes, 2)
        inputs = torch.cat([values, missing[..., None], lesioned[..., None], person], dim=-1)
        shape = "nfh" if self.architecture.node_weights else "fh"
        state = torch.nn.functional.gelu(torch.einsum(f"bnf,{shape}->bnh", inputs, self.encoder) + self.identity)
        for hop, strength in zip(self.hops, self.edge_strength, strict=True):
            state = state + torch.nn.functional.gelu(self._pass(hop, strength, state))
        pooled = torch.einsum("rn,bnh->brh", self.membership, state)
        hidden = torch.nn.functional.gelu(torch.einsum("brh,rhk->brk", pooled, self.head) + self.head_bias)
        age = torch.einsum("brk,rk->br", hidden, self.out) + self.out_bias
        return _AGE_CENTRE_YEARS + _AGE_SCALE_YEARS * age

    def _pass(self, hop: nn.Module, strength: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """One round of messages; the strengths of the edges into a node are positive and sum to 1."""
        source, target = self.edge_index
        nodes = state.shape[1]
        weight = torch.exp(strength)
        total = torch.zeros(nodes, device=state.device).index_add(0, target, weight)
        weight = weight / total[target]
        if nodes > _DENSE_NODES:
            return hop(state, self.edge_index, weight)
        adjacency = torch.zeros(nodes, nodes, device=state.device).index_put((target, source), weight)
        return hop(state, adjacency)
