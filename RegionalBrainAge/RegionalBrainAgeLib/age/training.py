"""Trains the graph network on people drawn from norms and on real people."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
import torch

from .calibration import expected_offset, remaining_covariance, remaining_uncertainty
from .graph import Holes
from .network import Architecture, RegionalAgeNetwork
from .normative import Norms, square_root
from .table import People

_REAL_BIN_YEARS = 10
# Controls a scanner was calibrated with, and how often each happens in training; None is a perfectly known scanner.
_CONTROLS_SEEN: tuple[tuple[int | None, float], ...] = ((0, 0.4), (10, 0.1), (20, 0.25), (50, 0.15), (None, 0.1))
_SPREAD_OF_PEOPLE = 0.15
_KNEE_YEARS = 5.0


@dataclass(frozen=True)
class Recipe:
    """Settings of a training.

    Parameters
    ----------
    hidden, hops : of the network.
    steps, batch, learning_rate : of one network.
    folds, seeds : networks are trained for every fold of sites (held out) and for all sites, each this many times.
    real_fraction : share of real people in a batch; the others are drawn from the norms.
    hole_fraction : share of people with a lesion-shaped hole.
    age_range_years : of drawn people.
    """

    hidden: int = 24
    hops: int = 3
    steps: int = 800
    batch: int = 256
    learning_rate: float = 4e-3
    folds: int = 5
    seeds: int = 1
    real_fraction: float = 0.3
    hole_fraction: float = 0.3
    age_range_years: tuple[float, float] = (18.0, 96.0)


@dataclass(frozen=True)
class Batch:
    """Inputs of the network for B people and their ages."""

    values: torch.Tensor
    missing: torch.Tensor
    lesioned: torch.Tensor
    male: torch.Tensor
    scanner_uncertainty: torch.Tensor
    age_years: torch.Tensor

    def inputs(self) -> tuple[torch.Tensor, ...]:
        return self.values, self.missing, self.lesioned, self.male, self.scanner_uncertainty

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return Batch(*(tensor.to(device) for tensor in (*self.inputs(), self.age_years)))


class Population:
    """Draws training people: from norms, and from real people moved to other scanners, with lesion-shaped holes.

    Parameters
    ----------
    norms : of the healthy population.
    people : real people (healthy).
    holes : damage to choose from.
    """

    def __init__(self, norms: Norms, people: People, holes: Holes, recipe: Recipe) -> None:
        self.norms, self.recipe = norms, recipe
        self.holes = holes
        self.nodes = people.values.shape[2]
        self.age_years, self.male = people.age_years, people.male
        standardised = norms.standardise(people.values.reshape(len(people), -1))
        residuals = norms.residuals(standardised, people.age_years, people.male)
        offsets = np.zeros_like(standardised)
        for site in np.unique(people.site):
            rows = people.site == site
            offsets[rows] = expected_offset(norms, residuals[rows])
        self.real = standardised - offsets
        bins = (people.age_years // _REAL_BIN_YEARS).astype(int)
        counts = np.bincount(bins)[bins]
        inside = (people.age_years >= recipe.age_range_years[0]) & (people.age_years <= recipe.age_range_years[1])
        # between age-balanced and as they come: repeating few old people too often would memorise them
        weights = inside / np.sqrt(counts)
        self.real_weights = weights / weights.sum()
        self.residual_root = square_root(norms.residual_covariance)
        self.scanner_roots, self.scanner_uncertainty = [], []
        for controls, _ in _CONTROLS_SEEN:
            left = np.zeros_like(norms.site_covariance) if controls is None else remaining_covariance(norms, controls)
            self.scanner_roots.append(square_root(left))
            self.scanner_uncertainty.append(0.0 if controls is None else remaining_uncertainty(norms, controls))

    def draw(self, rng: np.random.Generator) -> Batch:
        """One batch."""
        count = self.recipe.batch
        real = int(round(count * self.recipe.real_fraction))
        drawn = count - real
        age_drawn = rng.uniform(*self.recipe.age_range_years, size=drawn)
        male_drawn = rng.integers(0, 2, size=drawn).astype(float)
        spread = self.norms.growth(age_drawn) * np.exp(_SPREAD_OF_PEOPLE * rng.standard_normal(drawn))
        own = rng.standard_normal((drawn, len(self.norms.scale))) @ self.residual_root.T * spread[:, None]
        values = self.norms.expected(age_drawn, male_drawn) + own
        rows = rng.choice(len(self.real), size=real, p=self.real_weights)
        values = np.concatenate([values, self.real[rows]])
        age_years = np.concatenate([age_drawn, self.age_years[rows]])
        male = np.concatenate([male_drawn, self.male[rows]])
        state = rng.choice(len(_CONTROLS_SEEN), size=count, p=[share for _, share in _CONTROLS_SEEN])
        for index, root in enumerate(self.scanner_roots):
            chosen = state == index
            values[chosen] += rng.standard_normal((int(chosen.sum()), values.shape[1])) @ root.T
        lesioned = np.zeros((count, self.nodes))
        holed = rng.random(count) < self.recipe.hole_fraction
        missing = np.zeros((count, self.nodes), dtype=bool)
        chosen = rng.integers(0, len(self.holes), size=int(holed.sum()))
        lesioned[holed], missing[holed] = self.holes.lesioned_fraction[chosen], self.holes.missing[chosen]
        channels = values.reshape(count, -1, self.nodes)
        missing |= np.isnan(channels).any(axis=1)
        return make_batch(channels, missing, lesioned, male, np.array(self.scanner_uncertainty)[state], age_years)


def make_batch(
    channels: np.ndarray,
    missing: np.ndarray,
    lesioned: np.ndarray,
    male: np.ndarray,
    scanner_uncertainty: np.ndarray,
    age_years: np.ndarray,
) -> Batch:
    """Arrays as tensors; channels (B, F, N) standardised, NaN allowed where missing."""

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32)

    values = np.where(missing[:, None], 0.0, channels).transpose(0, 2, 1)
    return Batch(
        tensor(values), tensor(missing), tensor(lesioned), tensor(male), tensor(scanner_uncertainty), tensor(age_years)
    )


def site_folds(people: People, folds: int) -> list[list[str]]:
    """Sites in groups to hold out: the sites with most people over 40 apart, the others by size."""
    sites = np.unique(people.site)
    old = {site: int((people.age_years[people.site == site] >= 40).sum()) for site in sites}
    size = {site: int((people.site == site).sum()) for site in sites}
    folds = min(folds, len(sites))
    ordered = sorted(sites, key=lambda site: (-old[site], -size[site], site))
    groups = [[site] for site in ordered[:folds]]
    for site in sorted(ordered[folds:], key=lambda site: (-size[site], site)):
        smallest = min(range(folds), key=lambda fold: sum(size[name] for name in groups[fold]))
        groups[smallest].append(site)
    return [[str(site) for site in group] for group in groups]


def same_site(chart_site: str, site: str) -> bool:
    """Whether a site of the charts is, by its name, this site of a table (spelling slips allowed)."""
    one, other = ("".join(c for c in name.lower() if c.isalnum()) for name in (chart_site, site))
    return one == other or SequenceMatcher(None, one, other).ratio() >= 0.88


def train_network(
    population: Population,
    architecture: Architecture,
    edges: np.ndarray,
    membership: np.ndarray,
    seed: int,
    progress: Callable[[int, float], None] | None = None,
) -> RegionalAgeNetwork:
    """One network, trained from a seed; the same seed gives the same weights on the same machine."""
    recipe = population.recipe
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = RegionalAgeNetwork(architecture, edges, membership).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=1e-3)
    warm = max(1, recipe.steps // 20)
    for step in range(recipe.steps):
        rate = min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * rate
        batch = population.draw(rng).to(device)
        predicted = network(*batch.inputs())
        loss = torch.nn.functional.smooth_l1_loss(
            predicted, batch.age_years[:, None].expand_as(predicted), beta=_KNEE_YEARS
        )
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        if progress is not None:
            progress(step, float(loss.detach()))
    return network.cpu().eval()
