"""Measures a vertex model for its card: trained anew with groups of sites held out in turn, beside simpler models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ..evaluation.evaluate import WITHIN_SITE, measures
from ..evaluation.metrics import wide_sites
from ..training.site_folds import random_parts, site_folds
from .baselines import fold_ages, region_means
from .people import VertexPeople
from .vertex_model import VertexModel, VertexRecipe, train_vertex_model

VERTEX_METHOD, QUIET_METHOD = "vertex network", "its messages off"
FEWEST_PEOPLE, FEWEST_TRAINED = 20, 10


@dataclass(frozen=True)
class HeldOutGroup:
    """One group of people and the network that did not know them.

    Parameters
    ----------
    sites : held out; empty where the group is a random part of the people.
    judged, trained, stopped_by : numbers of people.
    steps : after which the weights were taken.
    """

    sites: tuple[str, ...]
    judged: int
    trained: int
    stopped_by: int
    steps: int


@dataclass(frozen=True)
class VertexMeasured:
    """What a card of a vertex model reports.

    Parameters
    ----------
    people : everyone, each read by a network that did not know the site (or, with one site, the person).
    ages : (N, R) by method.
    accuracy : by method, then measure: the value, and NaN for a spread that was not measured.
    command : that measured all this.
    """

    people: VertexPeople
    groups: tuple[HeldOutGroup, ...]
    ages: dict[str, np.ndarray]
    accuracy: dict[str, dict[str, tuple[float, float]]]
    wide_sites: list[str]
    command: str

    @property
    def by_site(self) -> bool:
        """Whether whole sites were held out."""
        return bool(self.groups[0].sites)


def held_out_groups(people: VertexPeople, folds: int) -> list[tuple[tuple[str, ...], np.ndarray]]:
    """Sites held out together and who they are (boolean); random parts of the people where there is one site.

    Raises
    ------
    InputError : too few people, in all or beside a group.
    """
    if len(people) < FEWEST_PEOPLE:
        raise InputError(f"The table has {len(people)} people.", f"A card needs at least {FEWEST_PEOPLE}.")
    if len(np.unique(people.site)) < 2:
        part = random_parts(len(people))
        return [((), part == number) for number in np.unique(part)]
    groups = [(tuple(sites), np.isin(people.site, sites)) for sites in site_folds(people.site, people.age_years, folds)]
    for sites, inside in groups:
        if (left := int((~inside).sum())) < FEWEST_TRAINED:
            raise InputError(
                f"Without {', '.join(sites)} only {left} people are left to learn from.",
                f"A card needs at least {FEWEST_TRAINED} beside every group of sites held out.",
            )
    return groups


def measure_vertex_model(
    model: VertexModel, people: VertexPeople, command: str, progress: Callable[[str, float], None] | None = None
) -> VertexMeasured:
    """Trains the model's recipe, with its seed, anew for every group held out, and reads the group.

    Parameters
    ----------
    people : whom the model was trained on, all of them.
    command : what the user ran, for the card.

    Raises
    ------
    InputError : fewer than two groups can be held out.
    """
    recipe = VertexRecipe(**model.about["recipe"])
    groups = held_out_groups(people, recipe.folds)
    ages: dict[str, np.ndarray] = {}
    told = []

    def tell(what: str, fraction: float) -> None:
        if progress is not None:
            progress(what, fraction)

    tell("means of regions", 0.0)
    means = region_means(people, model.regions.weights)
    for number, (sites, inside) in enumerate(groups):
        name = f"group {number + 1} of {len(groups)}" + (f" (without {sites[0]})" if sites else "")

        def step(what: str, share: float, number: int = number, name: str = name) -> None:
            tell(f"{name}: {what}", (number + 0.8 * share) / len(groups))

        train, test = people.take(~inside), people.take(inside)
        network = train_vertex_model(train, model.regions, recipe, model.about["seed"], progress=step)
        step("ages of people held out, with and without messages", 1.0)
        found = {VERTEX_METHOD: network.predict(test), QUIET_METHOD: network.without_messages().predict(test)}
        step("principal components and ridge regression", 1.0)
        found |= fold_ages(train, test, means[~inside], means[inside])
        for method, values in found.items():
            ages.setdefault(method, np.full((len(people), len(model.regions.names)), np.nan))[inside] = values
        about = network.about
        steps = about["early_stopping"]["best_step"] or recipe.steps
        told.append(HeldOutGroup(sites, len(test), about["people"], about["people_to_stop_by"], steps))
    return VertexMeasured(
        people=people,
        groups=tuple(told),
        ages=ages,
        accuracy={method: _accuracy(people, values) for method, values in ages.items()},
        wide_sites=wide_sites(people.site, people.age_years),
        command=command,
    )


def _accuracy(people: VertexPeople, ages: np.ndarray) -> dict[str, tuple[float, float]]:
    mean = ages.mean(axis=1, keepdims=True)
    found: dict[str, float] = {}
    for name, values in (("regional", ages), ("mean of regions", mean)):
        own = measures(name, values, people.site, people.age_years)
        within = {measure: value for measure, value in own.items() if WITHIN_SITE in measure}
        found |= {measure: value for measure, value in own.items() if measure not in within}
        for what in ("correlation with age", "slope"):
            of_sites = [value for measure, value in within.items() if measure.startswith(f"{name}: {what}")]
            found[f"{name}: {what} within wide sites, mean"] = float(np.mean(of_sites)) if of_sites else np.nan
    return {measure: (value, np.nan) for measure, value in found.items()}
