"""Early stopping: people of sites a network is not trained on, and the weights that served them best."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from ..evaluation.metrics import balanced_mae_years
from ..model.network import RegionalAgeNetwork

ALL_AGES_YEARS = (0, 120)


@dataclass(frozen=True)
class HeldOutPeople:
    """People of sites held out of a training, real ones and simulated ones, each once intact and once with a hole.

    Parameters
    ----------
    inputs : of the network, (B, ...) each.
    regional_ages_years : (B, R) under the norms, read from the undamaged cortex: what the network is taught.
    age_years : (B,).
    groups : names of the groups and (B,) boolean rows of each.
    """

    inputs: tuple[torch.Tensor, ...]
    regional_ages_years: np.ndarray
    age_years: np.ndarray
    groups: dict[str, np.ndarray]

    @torch.no_grad()
    def errors_years(self, network: RegionalAgeNetwork) -> tuple[float, float]:
        """Age-balanced mean absolute error against age and against the regional ages, averaged over the groups."""
        device = next(network.parameters()).device
        ages = network(*(tensor.to(device) for tensor in self.inputs)).cpu().numpy()
        raw, apart = ages - self.age_years[:, None], ages - self.regional_ages_years
        means = [
            [balanced_mae_years(error[rows], self.age_years[rows], ALL_AGES_YEARS) for error in (raw, apart)]
            for rows in self.groups.values()
        ]
        raw_years, apart_years = np.nanmean(means, axis=0)
        return float(raw_years), float(apart_years)


@dataclass
class BestWeights:
    """The weights with the smallest error on held-out people so far.

    The error is the sum of the raw error against age and of the distance from the regional age the network is taught:
    the first alone hardly tells a network that fills holes well from one that does not yet.

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

    def check(self, step: int, network: RegionalAgeNetwork, people: HeldOutPeople) -> bool:
        """Whether to stop after this step."""
        raw_years, apart_years = people.errors_years(network)
        self.curve.append({"step": step, "raw": round(raw_years, 3), "from_regional_age": round(apart_years, 3)})
        if raw_years + apart_years < self._smallest:
            self._smallest, self._since, self.best_step = raw_years + apart_years, 0, step
            self._weights = {name: value.detach().clone() for name, value in network.state_dict().items()}
        else:
            self._since += 1
        return self._since >= self.patience

    def restore(self, network: RegionalAgeNetwork) -> None:
        """Puts the best weights back."""
        network.load_state_dict(self._weights)

    def as_dict(self, sites: list[str]) -> dict:
        """For model.json."""
        return {"sites": sites, "best_step": self.best_step, "curve": self.curve}
