"""Early stopping of a vertex training: the weights that served people of held-out sites best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from .mesh_network import MeshNetwork


@dataclass
class BestWeights:
    """The weights with the smallest error on held-out people so far.

    Parameters
    ----------
    patience : checks without improvement after which to stop.
    """

    patience: int
    best_step: int = 0
    curve: list[dict] = field(default_factory=list)
    _weights: dict[str, torch.Tensor] = field(default_factory=dict)
    _smallest: float = np.inf
    _since: int = 0

    def check(self, step: int, network: MeshNetwork, error_years: Callable[[MeshNetwork], float]) -> bool:
        """Whether to stop after this step."""
        error = error_years(network)
        self.curve.append({"step": step, "raw": round(error, 3)})
        if error < self._smallest:
            self._smallest, self._since, self.best_step = error, 0, step
            self._weights = {name: value.detach().clone() for name, value in network.state_dict().items()}
        else:
            self._since += 1
        return self._since >= self.patience

    def restore(self, network: MeshNetwork) -> None:
        """Puts the best weights back."""
        network.load_state_dict(self._weights)

    def as_dict(self, sites: list[str]) -> dict:
        """For model.json."""
        return {"sites": sites, "best_step": self.best_step, "curve": self.curve}
