"""Trains the graph network on people drawn from norms and on real people moved to other scanners."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ..model.calibration import expected_offset, remaining_covariance, remaining_uncertainty
from ..model.graph import Holes
from ..model.network import Architecture, RegionalAgeNetwork
from ..norms.closed_form import (
    AGE_GRID_YEARS,
    RegionalAgeReader,
    Surroundings,
    fit_deviations,
    regional_age_reader,
    thinned,
)
from ..norms.norms import Norms, square_root
from ..people import People
from .early_stopping import BestWeights, HeldOutPeople

_REAL_BIN_YEARS = 10
# Controls a scanner was calibrated with, and how often each happens in training; None is a perfectly known scanner.
_CONTROLS_SEEN: tuple[tuple[int | None, float], ...] = ((0, 0.4), (10, 0.1), (20, 0.25), (50, 0.15), (None, 0.1))
_SPREAD_OF_PEOPLE = 0.15
_FILL_WEIGHT = 20.0
# Share of a batch that comes twice, once with a region thinned, and the weight of the difference between the two ages.
_TWIN_SHARE, _TWIN_WEIGHT = 0.25, 10.0
_FITTING_PEOPLE = 150
_WARM_UP_SHARE = 0.05
_MIDDLE_YEARS = float(AGE_GRID_YEARS.mean())
# Early stopping: simulated sites and people of each, real people at most, years of age they must have.
_SIMULATED_SITES, _PEOPLE_OF_SITE, _REAL_PEOPLE, _ADULT_YEARS = 20, 20, 250, 18.0
_UNKNOWN, _TWENTY_CONTROLS = 0, 2


@dataclass(frozen=True)
class Recipe:
    """Settings of a training.

    Parameters
    ----------
    steps, batch, learning_rate : of one network; steps at most.
    check_every, patience : steps between looks at held-out sites; looks without improvement after which to stop.
    folds, seeds : networks are trained for every fold of sites (held out) and for all sites, each this many times.
    hops : steps of the graph from which a region collects evidence; 0 trains the network without message passing.
    real_fraction : share of real people in a batch; the others are drawn from the norms.
    hole_fraction : share of people with a lesion-shaped hole; 0 trains a model that has never seen damage.
    stretch : a best guess lies nearer to the middle of all ages than the truth, by more the less is known of the
        scanner; where nothing is known, ages are taught further from the middle by this share.
    age_range_years : of drawn people.
    """

    steps: int = 1200
    check_every: int = 50
    patience: int = 8
    batch: int = 256
    learning_rate: float = 3e-3
    folds: int = 5
    seeds: int = 1
    hops: int = 3
    real_fraction: float = 0.3
    hole_fraction: float = 0.3
    stretch: float = 0.12
    age_range_years: tuple[float, float] = (16.0, 98.0)


@dataclass(frozen=True)
class Batch:
    """Inputs of the network for B people."""

    values: torch.Tensor
    missing: torch.Tensor
    lesioned: torch.Tensor
    male: torch.Tensor
    scanner_uncertainty: torch.Tensor

    def inputs(self) -> tuple[torch.Tensor, ...]:
        """In the order of `RegionalAgeNetwork.forward`."""
        return self.values, self.missing, self.lesioned, self.male, self.scanner_uncertainty

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return Batch(*(tensor.to(device) for tensor in self.inputs()))


def make_batch(
    channels: np.ndarray, missing: np.ndarray, lesioned: np.ndarray, male: np.ndarray, scanner_uncertainty: np.ndarray
) -> Batch:
    """Arrays as tensors; channels (B, F, N) standardised, NaN allowed where missing."""

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32)

    values = np.where(missing[:, None], 0.0, channels).transpose(0, 2, 1)
    return Batch(tensor(values), tensor(missing), tensor(lesioned), tensor(male), tensor(scanner_uncertainty))


class Population:
    """Draws training people: from norms, and real people moved to other scanners, with lesion-shaped holes.

    Parameters
    ----------
    norms : of the healthy population.
    people : real people (healthy).
    holes : damage to choose from.
    surroundings : where parcels and regions lie.
    recipe : shares and age range.
    deviation_sd_years : (R,) of regional ages; fitted to the people when not given.
    """

    def __init__(
        self,
        norms: Norms,
        people: People,
        holes: Holes,
        surroundings: Surroundings,
        recipe: Recipe,
        deviation_sd_years: np.ndarray | None = None,
    ) -> None:
        self.norms, self.recipe, self.holes = norms, recipe, holes
        self.membership = surroundings.membership
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
        # Between age-balanced and as they come: repeating few old people too often would memorise them.
        weights = inside / np.sqrt(counts)
        self.real_weights = weights / weights.sum()
        self.unmeasured = np.isnan(self.real)
        self.complete = np.where(self.unmeasured, norms.expected(people.age_years, people.male), self.real)
        if deviation_sd_years is None:
            some = np.random.default_rng(0).choice(
                len(people),
                size=min(_FITTING_PEOPLE, int(inside.sum())),
                replace=False,
                p=self._balanced(inside, counts),
            )
            deviation_sd_years = fit_deviations(norms, surroundings, self.complete[some], people.male[some])
        self.deviation_sd_years = deviation_sd_years
        self.residual_root = square_root(norms.residual_covariance)
        self.scanner_roots: list[np.ndarray] = []
        self.scanner_uncertainty: list[float] = []
        self.readers: list[RegionalAgeReader] = []
        for controls, _ in _CONTROLS_SEEN:
            left = np.zeros_like(norms.site_covariance) if controls is None else remaining_covariance(norms, controls)
            self.scanner_roots.append(square_root(left))
            self.scanner_uncertainty.append(0.0 if controls is None else remaining_uncertainty(norms, controls))
            self.readers.append(regional_age_reader(norms, surroundings, deviation_sd_years, left))

    @staticmethod
    def _balanced(inside: np.ndarray, counts: np.ndarray) -> np.ndarray:
        weights = inside / counts
        return weights / weights.sum()

    def simulate(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Standardised values (count, K) of people of an average scanner, their ages and sexes."""
        age_years = rng.uniform(*self.recipe.age_range_years, size=count)
        male = rng.integers(0, 2, size=count).astype(float)
        spread = self.norms.growth(age_years) * np.exp(_SPREAD_OF_PEOPLE * rng.standard_normal(count))
        own = rng.standard_normal((count, len(self.norms.scale))) @ self.residual_root.T * spread[:, None]
        return self.norms.expected(age_years, male) + own, age_years, male

    def regional_ages(self, values: np.ndarray, male: np.ndarray, state: np.ndarray) -> np.ndarray:
        """What to teach: ages (B, R) read from undamaged cortex, by people's states of knowledge of their scanner."""
        ages = np.empty((len(values), len(self.readers[0].bias)))
        for index, reader in enumerate(self.readers):
            chosen = state == index
            away = reader.mean_age(values[chosen], male[chosen]) - _MIDDLE_YEARS
            ages[chosen] = _MIDDLE_YEARS + (1 + self.recipe.stretch * self.scanner_uncertainty[index]) * away
        return ages

    def draw(self, rng: np.random.Generator) -> tuple[Batch, np.ndarray, np.ndarray]:
        """One batch, its targets (B, R), and the values (B, F, N) before damage.

        The target is the regional age read from the undamaged cortex: a smoother teacher than the age in the passport,
        of which it is the best guess, and one that a hole does not change.
        """
        recipe = self.recipe
        real = round(recipe.batch * recipe.real_fraction)
        drawn = recipe.batch - real
        values, _, male = self.simulate(rng, drawn)
        rows = rng.choice(len(self.real), size=real, p=self.real_weights)
        values = np.concatenate([values, self.complete[rows]])
        male = np.concatenate([male, self.male[rows]])
        state = rng.choice(len(_CONTROLS_SEEN), size=recipe.batch, p=[share for _, share in _CONTROLS_SEEN])
        for index, root in enumerate(self.scanner_roots):
            chosen = state == index
            values[chosen] += rng.standard_normal((int(chosen.sum()), values.shape[1])) @ root.T
        lesioned = np.zeros((recipe.batch, self.nodes))
        missing = np.zeros((recipe.batch, self.nodes), dtype=bool)
        holed = rng.random(recipe.batch) < recipe.hole_fraction
        chosen = rng.integers(0, len(self.holes), size=int(holed.sum()))
        lesioned[holed], missing[holed] = self.holes.lesioned_fraction[chosen], self.holes.missing[chosen]
        if recipe.hole_fraction > 0:
            missing[drawn:] |= self.unmeasured[rows].reshape(real, -1, self.nodes).any(axis=1)
        # Twins come from the first rows, undamaged, and differ by one thinned region.
        twins = self.twins
        lesioned[:twins], missing[:twins] = 0.0, False
        region = rng.integers(0, len(self.membership), size=twins)
        amount = rng.uniform(0.2, 1.0, size=(twins, 1))
        thin = thinned(values[:twins], self.norms, self.membership[region] > 0, amount)
        values, male, state = (
            np.concatenate(p) for p in ((values, thin), (male, male[:twins]), (state, state[:twins]))
        )
        lesioned, missing = (np.concatenate([array, array[:twins]]) for array in (lesioned, missing))
        target = self.regional_ages(values, male, state)
        channels = values.reshape(len(values), -1, self.nodes)
        uncertainty = np.array(self.scanner_uncertainty)[state]
        return make_batch(channels, missing, lesioned, male, uncertainty), target, channels

    def held_out(self, people: People, seed: int) -> HeldOutPeople:
        """People to stop by: adults of sites this population does not have, and people of simulated sites.

        The scanner of real people is unknown, that of half of the simulated sites known from 20 controls.
        """
        rng = np.random.default_rng(seed)
        adults = np.nonzero(people.age_years >= _ADULT_YEARS)[0]
        adults = rng.permutation(adults)[:_REAL_PEOPLE]
        real = self.norms.standardise(people.values[adults].reshape(len(adults), len(self.norms.scale)))
        unmeasured = np.isnan(real)
        real = np.where(unmeasured, self.norms.expected(people.age_years[adults], people.male[adults]), real)
        values, age_years, male = self.simulate(rng, _SIMULATED_SITES * _PEOPLE_OF_SITE)
        site_state = np.where(np.arange(_SIMULATED_SITES) % 2, _TWENTY_CONTROLS, _UNKNOWN)
        offsets = [self.scanner_roots[state] @ rng.standard_normal(values.shape[1]) for state in site_state]
        values = np.concatenate([real, values + np.repeat(offsets, _PEOPLE_OF_SITE, axis=0)])
        age_years = np.concatenate([people.age_years[adults], age_years])
        male = np.concatenate([people.male[adults], male])
        state = np.concatenate([np.full(len(adults), _UNKNOWN), np.repeat(site_state, _PEOPLE_OF_SITE)])
        missing = np.zeros((len(values), self.nodes), dtype=bool)
        missing[: len(adults)] = unmeasured.reshape(len(adults), people.values.shape[1], self.nodes).any(axis=1)
        hole = rng.integers(0, len(self.holes), size=len(values))
        # A network that shall not know holes is not chosen by them either.
        damage = float(self.recipe.hole_fraction > 0)
        batch = make_batch(
            _twice(values.reshape(len(values), -1, self.nodes)),
            np.concatenate([missing, missing | (self.holes.missing[hole] & (damage > 0))]),
            np.concatenate([np.zeros(missing.shape), damage * self.holes.lesioned_fraction[hole]]),
            _twice(male),
            _twice(np.array(self.scanner_uncertainty)[state]),
        )
        simulated = _twice(np.arange(len(values)) >= len(adults))
        groups = {name: rows for name, rows in (("real", ~simulated), ("simulated", simulated)) if rows.any()}
        taught = _twice(self.regional_ages(values, male, state))
        return HeldOutPeople(batch.inputs(), taught, _twice(age_years), groups)

    @property
    def twins(self) -> int:
        """Number of people at the end of a batch who are thinned copies of its first ones."""
        return int(self.recipe.batch * _TWIN_SHARE)


def _twice(array: np.ndarray) -> np.ndarray:
    return np.concatenate([array, array])


def start_from_reader(network: RegionalAgeNetwork, population: Population) -> None:
    """Sets the evidence weights to the main directions of the linear reader, unknown and known scanner apart."""
    sizes = network.architecture
    unknown, known = population.readers[0].weights, population.readers[-1].weights
    reach = np.tile(network.spread.numpy() > 0, sizes.features)
    with torch.no_grad():
        for region in range(sizes.regions):
            flat = unknown[region].reshape(-1, unknown.shape[-1])
            flat_known = known[region].reshape(flat.shape)
            mean, mean_known = flat.mean(axis=0), flat_known.mean(axis=0)
            direction = np.linalg.svd(flat - mean, full_matrices=False)[0][:, : sizes.evidence].T
            one, zero = direction @ (flat - mean), direction @ (flat_known - mean_known)
            size = np.std(population.complete @ one.T, axis=0)
            one, zero = one / size[:, None] * reach[region], zero / size[:, None] * reach[region]
            start = np.stack([zero, one - zero, 0 * zero]).reshape(3, sizes.evidence, sizes.features, sizes.nodes)
            start = start.transpose(3, 0, 2, 1).reshape(sizes.nodes, 3 * sizes.features, sizes.evidence)
            network.collect[region] = torch.as_tensor(np.ascontiguousarray(start), dtype=torch.float32)


def train_network(
    population: Population,
    architecture: Architecture,
    edges: np.ndarray,
    membership: np.ndarray,
    seed: int,
    others: HeldOutPeople,
    progress: Callable[[int, float], None] | None = None,
) -> tuple[RegionalAgeNetwork, BestWeights]:
    """One network, trained from a seed until it serves others no better; the weights that served them best.

    The same seed gives the same weights on the same machine.

    Parameters
    ----------
    others : people of sites the population does not have (`Population.held_out`).
    """
    recipe = population.recipe
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = RegionalAgeNetwork(architecture, edges, membership)
    if architecture.node_weights:
        start_from_reader(network, population)
    network = network.to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    best = BestWeights(recipe.patience)
    for step in range(recipe.steps):
        warm = min(1.0, (step + 1) / max(1.0, _WARM_UP_SHARE * recipe.steps))
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
        batch, target, whole = population.draw(rng)
        batch = batch.to(device)
        age_error = network(*batch.inputs()) - torch.as_tensor(target, dtype=torch.float32, device=device)
        twins = population.twins
        loss = (age_error**2).mean() + _TWIN_WEIGHT * ((age_error[-twins:] - age_error[:twins]) ** 2).mean()
        fill_error = network.filled(*batch.inputs()) - torch.as_tensor(
            whole.transpose(0, 2, 1), dtype=torch.float32, device=device
        )
        gone = batch.missing.sum().clamp(min=1)
        loss = loss + _FILL_WEIGHT * ((fill_error * batch.missing[..., None]) ** 2).sum() / gone
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 200.0)
        optimiser.step()
        if progress is not None:
            progress(step, float((age_error.detach() ** 2).mean().sqrt()))
        done = step + 1
        if (done % recipe.check_every == 0 or done == recipe.steps) and best.check(done, network, others):
            break
    best.restore(network)
    return network.cpu().eval(), best
