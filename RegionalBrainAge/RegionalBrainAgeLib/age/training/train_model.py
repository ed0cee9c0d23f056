"""Trains the folds of a model and measures its errors on held-out people."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
import torch_geometric

from ... import __version__
from ...anatomy.regions import RegionScheme, membership
from ..model.as_many import DIFFERENCES, PADS, deviations_from, shares_with_as_many
from ..model.brain_age_model import REFERENCE_CONTROLS, BrainAgeModel, Fold, with_errors
from ..model.calibration import MINIMUM_CONTROLS
from ..model.graph import brain_edges
from ..model.intervals import ErrorTable, Reference, error_table
from ..model.reader import RawAges, Reader
from ..model.views import READ_FROM
from ..norms.charts import Charts
from ..norms.norms import Norms, norms_from_charts, norms_from_people, with_sides_drawn_together
from ..people import People
from .site_folds import same_site, site_folds
from .train_network import Recipe, train_network

_PEOPLE_LEFT = 10
_ADULT_YEARS = 18.0
# People of whom fewer nodes were measured have wider errors, which the intervals account for by themselves.
_COMPLETE_SHARE = 0.95
_FEWEST_CALIBRATED = 100


@dataclass(frozen=True)
class Sources:
    """What a model is trained on.

    Parameters
    ----------
    people : healthy people of a table.
    charts : lifespan charts, or None: norms are then fitted to the people.
    """

    people: People
    charts: Charts | None = None


def norms_without(sources: Sources, held_out: list[str]) -> Norms:
    """Norms of everyone but these sites: neither their people nor their scanners' chart offsets are used."""
    rest = sources.people.take(~np.isin(sources.people.site, held_out))
    if sources.charts is None:
        return with_sides_drawn_together(norms_from_people(rest))
    own = {site.lower() for site in sources.charts.sites if any(same_site(site, name) for name in held_out)}
    return with_sides_drawn_together(norms_from_charts(sources.charts.without_sites(own), rest))


def train_model(
    sources: Sources,
    scheme: RegionScheme,
    recipe: Recipe,
    name: str,
    training_data: dict,
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> BrainAgeModel:
    """Trains a network for every fold of sites and for all, and measures their errors on sites they never saw.

    Parameters
    ----------
    training_data : names and sizes of the files, for model.json.
    seed : of the draw of controls for the errors after calibration; training itself draws nothing.
    """
    people, edges = sources.people, brain_edges()
    groups = [*site_folds(people.site, people.age_years, recipe.folds), []]
    folds = []
    for index, held_out in enumerate(groups):

        def step(number: int, loss: float, index: int = index, held_out: list[str] = held_out) -> None:
            if progress is not None and number % 25 == 0:
                who = f"without {held_out[0]}" if held_out else "all sites"
                done = (index + number / recipe.steps) / len(groups)
                progress(f"network {index + 1} of {len(groups)} ({who}), loss {loss:.2f}", done)

        norms = norms_without(sources, held_out)
        folds.append(Fold(tuple(held_out), norms, train_network(norms, edges, recipe, step)))
    model = BrainAgeModel(
        name=name,
        edges=edges if recipe.neighbours else edges[:0],
        membership=membership(scheme),
        region_names=tuple(region.name for region in scheme.regions),
        scheme=scheme.name,
        folds=tuple(folds),
        about={
            "training_data": training_data,
            "people": len(people),
            "sites": len(np.unique(people.site)),
            "data_sets": _data_sets(people),
            "seed": seed,
            "recipe": asdict(recipe),
            "weights_per_network": sum(p.numel() for p in folds[-1].network.parameters()),
            "versions": training_versions(),
        },
    )
    return with_references(model, people, seed)


def training_versions() -> dict[str, str]:
    """Versions of the software a model is trained by, for its description."""
    return {
        "regional-brain-age": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch-geometric": torch_geometric.__version__,
        "numpy": np.__version__,
    }


def _data_sets(people: People) -> dict[str, int]:
    names, counts = np.unique(people.dataset, return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True) if name}


def with_references(model: BrainAgeModel, people: People, seed: int) -> BrainAgeModel:
    """The model with the errors of adults on held-out sites, without and with local controls, and their counts."""
    adults = people.take((people.age_years >= _ADULT_YEARS) & _complete(people))
    plain = model.lines.values(out_of_fold_ages(model, adults), adults.age_years)
    references = {"none": Reference(adults.age_years, adults.site, plain)}
    rng = np.random.default_rng(seed)
    read = calibrated_out_of_fold_ages(model, adults, REFERENCE_CONTROLS, rng)
    calibrated = model.lines.values(read, adults.age_years)
    rows = np.isfinite(calibrated[:, 0])
    references["local"] = references["none"]
    if rows.sum() >= _FEWEST_CALIBRATED:
        references["local"] = Reference(adults.age_years[rows], adults.site[rows], calibrated[rows])
    model = with_errors(model, [_tables(references, set(fold.held_out_sites)) for fold in model.folds])
    return replace(model, as_many={state: _as_many(model, state, own) for state, own in references.items()})


def _as_many(model: BrainAgeModel, state: str, reference: Reference) -> dict[str, list[float]]:
    """By kind of number, how many of them lie outside in healthy people, judged by people of other sites."""
    outside = np.empty(reference.pad_years.shape, dtype=bool)
    fold_of = model.fold_of_sites(reference.site)
    for index in np.unique(fold_of):
        rows = fold_of == index
        table = model.folds[index].errors[state]
        values, lowest, highest, _ = table.judge(reference.pad_years[rows], reference.age_years[rows])
        outside[rows] = (values < lowest) | (values > highest)
    kinds = {PADS: model.lines.pads, DIFFERENCES: model.lines.differences}
    kinds |= {deviations_from(view): model.lines.deviations(index) for index, view in enumerate(READ_FROM)}
    return {kind: shares_with_as_many(outside[:, lines]) for kind, lines in kinds.items()}


def _tables(references: dict[str, Reference], held_out: set[str]) -> dict[str, ErrorTable]:
    return {state: error_table(reference.without_sites(held_out)) for state, reference in references.items()}


def _complete(people: People) -> np.ndarray:
    """(N,) whether nearly all nodes that anyone has were measured."""
    known = np.isfinite(people.values)
    return known[:, known.any(axis=0)].mean(axis=1) >= _COMPLETE_SHARE


def out_of_fold_ages(
    model: BrainAgeModel,
    people: People,
    *,
    visible: np.ndarray | None = None,
    readers: Sequence[Reader] | None = None,
) -> RawAges:
    """Raw ages, each person by the network that did not see the site.

    Parameters
    ----------
    visible : (N, K) nodes to look at; see `BrainAgeModel.raw_ages`.
    readers : one per fold, to read with instead of the networks (baselines).
    """
    ages = RawAges.unread(len(people), len(model.region_names))
    fold_of = model.fold_of_sites(people.site)
    for index in np.unique(fold_of):
        rows = np.nonzero(fold_of == index)[0]
        seen = None if visible is None else visible[rows]
        reader = None if readers is None else readers[index]
        ages.put(rows, model.raw_ages(people.take(rows), index, visible=seen, reader=reader))
    return ages


def calibrated_out_of_fold_ages(
    model: BrainAgeModel,
    people: People,
    controls: int,
    rng: np.random.Generator,
    *,
    visible: np.ndarray | None = None,
    readers: Sequence[Reader] | None = None,
) -> RawAges:
    """Raw ages after calibration with other people of the same site, networks and norms not having seen it.

    Every site of enough people is cut into random halves or smaller parts; each part is calibrated with `controls`
    people drawn from the others. People of other sites keep NaN.
    """
    ages = RawAges.unread(len(people), len(model.region_names))
    fold_of = model.fold_of_sites(people.site)
    for part, chosen in calibration_parts(people, controls, rng):
        fold = int(fold_of[part[0]])
        seen = None if visible is None else visible[part]
        reader = None if readers is None else readers[fold]
        offset = model.offset_of(people.take(chosen), fold)
        found = model.raw_ages(people.take(part), fold, visible=seen, offset=offset, controls=controls, reader=reader)
        ages.put(part, found)
    return ages


def calibration_parts(
    people: People, controls: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Parts of every site with enough people, each with controls drawn from the other parts of the site.

    Yields
    ------
    Row indices of the part's people and of their controls. Every person of such a site is in one part.
    """
    for site in np.unique(people.site):
        rows = np.nonzero(people.site == site)[0]
        if len(rows) < max(controls, MINIMUM_CONTROLS) + _PEOPLE_LEFT:
            continue
        count = max(2, int(np.ceil(len(rows) / (len(rows) - controls))))
        for part in np.array_split(rng.permutation(rows), count):
            yield part, rng.choice(np.setdiff1d(rows, part), size=controls, replace=False)
