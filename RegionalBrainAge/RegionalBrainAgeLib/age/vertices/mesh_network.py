"""The graph network of vertex mode: weights shared over the vertices of a mesh, messages along its edges."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from scipy import sparse
from torch import nn
from torch.nn.functional import gelu
from torch_geometric.nn import GraphConv

_AGE_CENTRE_YEARS, _AGE_SCALE_YEARS = 50.0, 20.0


@dataclass(frozen=True)
class MeshArchitecture:
    """Sizes of a network.

    Parameters
    ----------
    nodes, regions, features : of the mesh, the scheme and a vertex.
    hidden : numbers per vertex after encoding.
    rounds : rounds of messages. hops : steps from which a region collects.
    evidence : numbers collected per region.
    """

    nodes: int
    regions: int
    features: int = 1
    hidden: int = 16
    rounds: int = 2
    hops: int = 3
    evidence: int = 8

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


class MeshNetwork(nn.Module):
    """Ages of regions from the features of vertices.

    Parameters
    ----------
    architecture : sizes.
    edges : (E, 2) int, each neighbouring pair once.
    membership : (regions, nodes) weights, rows sum to 1.
    """

    def __init__(self, architecture: MeshArchitecture, edges: np.ndarray, membership: np.ndarray) -> None:
        super().__init__()
        self.architecture = architecture
        sizes = architecture
        both = np.concatenate([edges, edges[:, ::-1]])
        self.register_buffer("edge_index", torch.as_tensor(both.T.copy(), dtype=torch.long), persistent=False)
        spread = spread_membership(edges, membership, sizes.hops)
        self.register_buffer("spread", torch.as_tensor(spread, dtype=torch.float32), persistent=False)
        # Inputs of a vertex: its features, which of them are missing, sex.
        inputs = 2 * sizes.features + 1
        self.encoder = nn.Parameter(torch.randn(inputs, sizes.hidden) / np.sqrt(inputs))
        self.identity = nn.Parameter(0.1 * torch.randn(sizes.nodes, sizes.hidden))
        self.messages = nn.ModuleList([GraphConv(sizes.hidden, sizes.hidden, aggr="mean") for _ in range(sizes.rounds)])
        self.fill = nn.Parameter(0.1 * torch.randn(sizes.hidden, sizes.features))
        collected = sizes.features + sizes.hidden
        self.collect = nn.Parameter(torch.randn(sizes.regions, collected, sizes.evidence) / np.sqrt(collected))
        width = 3 * sizes.evidence
        self.hidden_weight = nn.Parameter(
            torch.randn(sizes.regions, sizes.evidence + 1, width) / np.sqrt(sizes.evidence + 1)
        )
        self.hidden_bias = nn.Parameter(torch.zeros(sizes.regions, width))
        self.out = nn.Parameter(torch.randn(sizes.regions, width) / np.sqrt(width))
        self.out_bias = nn.Parameter(torch.zeros(sizes.regions))

    def forward(self, values: torch.Tensor, missing: torch.Tensor, male: torch.Tensor) -> torch.Tensor:
        """Ages in years, (B, regions).

        Parameters
        ----------
        values : (B, N, F) standardised; anything where missing.
        missing : (B, N, F) 0 or 1, feature by feature: a person without one feature keeps the others.
        male : (B,) 0..1.
        """
        known = torch.where(missing > 0, torch.zeros_like(values), values)
        sex = (male - 0.5)[:, None, None].expand(-1, missing.shape[1], 1)
        state = gelu(torch.cat([known, missing, sex], dim=-1) @ self.encoder + self.identity)
        for message in self.messages:
            state = state + gelu(message(state, self.edge_index))
        filled = torch.where(missing > 0, state @ self.fill, values)
        found = torch.einsum("rn,bnc->brc", self.spread, torch.cat([filled, state], dim=-1))
        found = torch.einsum("brc,rce->bre", found, self.collect)
        facts = torch.cat([found, (male - 0.5)[:, None, None].expand(-1, found.shape[1], 1)], dim=-1)
        inner = gelu(torch.einsum("bre,rew->brw", facts, self.hidden_weight) + self.hidden_bias)
        return _AGE_CENTRE_YEARS + _AGE_SCALE_YEARS * ((inner * self.out).sum(dim=-1) + self.out_bias)
