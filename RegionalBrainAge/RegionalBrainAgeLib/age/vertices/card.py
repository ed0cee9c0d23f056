"""MODEL_CARD.md of a vertex model, written from what was measured; no number in it is typed by hand.

The order is that of the other card (`age.evaluation.card`), after TRIPOD+AI (Collins et al. 2024).
"""

from __future__ import annotations

import json

import numpy as np

from ...files.wording import RESEARCH_USE, listed, plain, signed
from ..evaluation.card import number_cell
from ..evaluation.measure_for_card import methods_where_network_loses
from ..evaluation.metrics import STROKE_AGES_YEARS, decades, mean_correlation, mean_slope
from ..model.model_folder import FIGURE_FILES
from .baselines import BALANCED_MEAN_AGE, COMPONENT_RIDGE, COMPONENTS, MEAN_AGE, REGION_RIDGE
from .held_out import QUIET_METHOD, VERTEX_METHOD, HeldOutGroup, VertexMeasured
from .vertex_model import VertexModel

_SIMPLER = [COMPONENT_RIDGE, REGION_RIDGE, MEAN_AGE, BALANCED_MEAN_AGE]
_METHODS = [VERTEX_METHOD, QUIET_METHOD, *_SIMPLER]
_FEWEST_IN_DECADE = 5
_SITES_NAMED = 4


def vertex_card(name: str, model: VertexModel, found: VertexMeasured) -> str:
    """The card as Markdown.

    Parameters
    ----------
    name : of the model.
    """
    parts = [
        _head(name, model, found),
        _data(model, found),
        _method(model),
        _accuracy(found),
        _ages(found),
        _sites(found),
        _limits(model, found),
    ]
    return "\n\n".join(parts) + "\n"


def _head(name: str, model: VertexModel, found: VertexMeasured) -> str:
    measure = "mean of regions: MAE, years"
    own, ridge, guess = (
        plain(found.accuracy[method][measure][0]) for method in (VERTEX_METHOD, COMPONENT_RIDGE, MEAN_AGE)
    )
    who = "of sites it did not know" if found.by_site else "it did not know, on a scanner it knew"
    return (
        f"# Model card: {name}\n\n**{RESEARCH_USE}**\n\nA vertex model: the ages of {len(model.regions.names)} "
        f"cortical regions (scheme `{model.regions.scheme}`) from {model.mean.shape[1]} features at each of "
        f"{model.mean.shape[0]} vertices of {model.mesh.name}. In {len(found.people)} healthy people {who} the mean of "
        f"the regional ages was {own} years off (mean absolute error); ridge regression was {ridge} years off, and "
        f"telling everyone the same mean age {guess}.\n\nWritten by `regional-brain-age evaluate --vertices --card` "
        "from what it measured (TRIPOD+AI items in brackets). Software version "
        f"{model.about['versions']['regional-brain-age']}."
    )


def _data(model: VertexModel, found: VertexMeasured) -> str:
    about, people = model.about, found.people
    stopping = about["early_stopping"]["sites"]
    watched = (
        f"{about['people']} to learn from, {about['people_to_stop_by']} of {listed(_named(stopping))} to stop by"
        if stopping
        else f"{about['people']} to learn from, nobody to stop by (this takes three sites)"
    )
    youngest, mean, oldest = about["ages_years"]
    held_out = (
        "Held out were whole sites: the networks judged knew neither the people nor their scanners."
        if found.by_site
        else "**There is one site: random groups of people were held out, so the networks judged knew the scanner. On "
        "another scanner errors will be larger, by how much cannot be told from these people.**"
    )
    rows = [
        f"| {_group(group)} | {group.judged} | {group.trained} | {group.stopped_by} | {group.steps} |"
        for group in found.groups
    ]
    return "\n".join(
        [
            "## Data [5a, 5b, 6, 8, 9, 10]",
            f"- Training files: {', '.join(f'{key}: {value}' for key, value in about['training_data'].items())}.",
            f"- People: {watched}. {len(people)} in all, {about['women']} of them women, {youngest:.0f} to "
            f"{oldest:.0f} years old (mean {mean:.1f}), {len(about['sites'])} sites.",
            "- Outcome: chronological age at scanning. Predictors: the features of the vertices and sex. Files made by "
            "`regional-brain-age vertices` hold, in this order, thickness (mm), white surface area (mm2), mean "
            "curvature (1/mm), sulcal depth (mm) and grey/white contrast (%).",
            "- The folder holds no person: weights, and mean and SD of every feature.",
            f"- Judged: all {len(people)}, each by a network trained anew without the person's group, with the "
            "recipe and the seed of this model. The numbers below are of this way of training; the weights in the "
            f"folder know all these people. {held_out}",
            "",
            "| held out | people judged | people trained on | people to stop by (takes three sites) | steps |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )


def _method(model: VertexModel) -> str:
    about, sizes = model.about, model.architecture
    weights = sum(parameter.numel() for parameter in model.network.parameters())
    return "\n".join(
        [
            "## Model [12a-12g]",
            f"- Graph: {sizes.nodes} vertices, {len(model.mesh.edges)} edges between neighbours. {sizes.rounds} rounds "
            f"of learned messages (GraphConv, Morris et al. 2019, torch-geometric), {sizes.hidden} numbers per vertex; "
            f"a region collects from its vertices and from those within {sizes.hops} steps of them. {weights} weights.",
            "- Training: ages balanced by decade; a random shift of every feature of a person, for scanners; small "
            "patches of vertices missing in some people. What is missing is left out feature by feature.",
            f"- Recipe: {json.dumps(about['recipe'])}; seed {about['seed']}; weights of step "
            f"{about['early_stopping']['best_step'] or about['recipe']['steps']}.",
            f"- Trained with: `{about['command']}`.",
            f"- Versions: {json.dumps(about['versions'])}.",
        ]
    )


def _accuracy(found: VertexMeasured) -> str:
    columns = [found.accuracy[method] for method in _METHODS]
    rows = [
        f"| {measure} | " + " | ".join(number_cell(*column[measure]) for column in columns) + " |"
        for measure in columns[0]
    ]
    counted = [
        name
        for name, inside in decades(found.people.age_years, STROKE_AGES_YEARS).items()
        if inside.sum() >= _FEWEST_IN_DECADE
    ]
    return "\n".join(
        [
            "## Accuracy, beside simpler models [15, 18a, 23a]",
            "Errors are raw: predicted minus true age, no correction. The age-balanced mean is over ten-year bins of "
            f'five people or more (here {listed(counted) if counted else "none"}). "Regional" is the mean over '
            f'regions; "mean of regions" is one age per brain, the mean of its {found.ages[VERTEX_METHOD].shape[1]}. '
            f"Wide sites span at least 40 years; here {len(found.wide_sites)}. An empty cell: not defined.",
            "",
            "| people held out | " + " | ".join(_METHODS) + " |",
            "|---" * (len(_METHODS) + 1) + "|",
            *rows,
            "",
            *_better(found, len(rows)),
            f'- "{COMPONENT_RIDGE}": one age per brain by ridge regression on up to {COMPONENTS} components of all '
            f'features of all vertices; "{REGION_RIDGE}": a region\'s age from its own mean features. Both with '
            "scikit-learn, from all people of the other groups.",
            "- No information: everyone is told the mean age of the people trained on, the second time of every decade "
            "alike. That mean differs from group to group, hence a correlation that means nothing.",
            f'- "{QUIET_METHOD}" is the same network with every message switched off, not trained without.',
        ]
    )


def _better(found: VertexMeasured, lines: int) -> list[str]:
    """A sentence for every simpler model on the lines on which it did better."""
    lost = methods_where_network_loses(found.accuracy, _SIMPLER, VERTEX_METHOD)
    told = []
    for rival in _SIMPLER:
        on = [measure for measure, better in lost if rival in better]
        if on:
            told.append(f'- "{rival}" did better than the network on {len(on)} of {lines} lines: {"; ".join(on)}.')
    return told or ["- The network is at least as good as every simpler model on every line."]


def _ages(found: VertexMeasured) -> str:
    age_years = found.people.age_years
    errors = {method: ages - age_years[:, None] for method, ages in found.ages.items()}
    others = [COMPONENT_RIDGE, REGION_RIDGE, MEAN_AGE]
    rows, biases = [], []
    for name, inside in decades(age_years).items():
        cells = [plain(float(np.abs(errors[method][inside]).mean()), 2) for method in (VERTEX_METHOD, *others)]
        bias = float(errors[VERTEX_METHOD][inside].mean())
        rows.append(f"| {name} | {inside.sum()} | {cells[0]} | {signed(bias, 2)} | {' | '.join(cells[1:])} |")
        if inside.sum() >= _FEWEST_IN_DECADE:
            biases.append((name, bias))
    slope = found.accuracy[VERTEX_METHOD]["regional: slope of predicted on true age"][0]
    told = (
        f"Here aged {biases[0][0]} {signed(biases[0][1])} years on average, aged {biases[-1][0]} "
        f"{signed(biases[-1][1])}. "
        if len(biases) > 1
        else ""
    )
    return "\n".join(
        [
            "## Error by age [23a]",
            "| age | people | network: MAE | network: mean error | "
            + " | ".join(f"{method}: MAE" for method in others)
            + " |",
            "|---" * (len(others) + 4) + "|",
            *rows,
            "",
            f"- Regression to the mean: ages are raw, and predicted age rises by {plain(slope, 2)} years per year of "
            f"age. With a slope below 1 the young are read too old and the old too young. {told}Compare "
            "a person with healthy people of the same age, not with zero.",
            "- Decades of fewer than five people say little, and do not count in the age-balanced mean.",
        ]
    )


def _sites(found: VertexMeasured) -> str:
    people, shown = found.people, (VERTEX_METHOD, COMPONENT_RIDGE, REGION_RIDGE)
    rows = []
    for site in found.wide_sites:
        inside = people.site == site
        age_years = people.age_years[inside]
        cells = [number_cell(mean_correlation(found.ages[method][inside], age_years)) for method in shown]
        slope = number_cell(mean_slope(found.ages[VERTEX_METHOD][inside], age_years))
        rows.append(f"| {site} | {inside.sum()} | {' | '.join(cells)} | {slope} |")
    table = [
        "",
        "Sites spanning at least 40 years, each by a network that did not know it: correlation of regional ages with "
        "age, mean over regions.",
        "",
        "| site | people | " + " | ".join(f"{method}: r" for method in shown) + " | network: slope |",
        "|---" * (len(shown) + 3) + "|",
        *rows,
    ]
    return "\n".join(
        [
            "## Error by site [23a]",
            f"![error by site]({FIGURE_FILES[1]})",
            "",
            "Nothing is calibrated to a scanner: what one adds to every age of its people stands in the figure.",
            *(table if rows and found.by_site else []),
        ]
    )


def _limits(model: VertexModel, found: VertexMeasured) -> str:
    return "\n".join(
        [
            "## Limits and use [3c, 12f, 14, 25, 26, 27]",
            "- No intervals, no percentiles, no age-corrected PAD and no calibration to a scanner: this kind of model "
            "makes none, so there is no coverage to report.",
            "- `case`, `batch` and the panels of 3D Slicer refuse it: they read parcels and structures, and a model "
            "trained on a table of these. Ages of a vertex model are those that `evaluate --vertices` writes to "
            "predictions.csv.",
            "- Damaged brains were not measured. The network has seen small patches of missing vertices, no lesion.",
            f"- One training per group, seed {model.about['seed']}: another seed gives other numbers; how far other "
            "ones was not measured.",
            "- Judged are healthy people as the table has them; no claim is made about any disease, or about ages, "
            "scanners and groups of people that the table does not hold.",
            f"- Measured with: `{found.command}`.",
            f"- {RESEARCH_USE}",
        ]
    )


def _group(group: HeldOutGroup) -> str:
    return listed(_named(group.sites)) if group.sites else "a random part"


def _named(sites: tuple[str, ...] | list[str]) -> list[str]:
    """The first sites by name, the others as a number."""
    first, rest = list(sites[:_SITES_NAMED]), len(sites) - _SITES_NAMED
    return [*first, f"{rest} more"] if rest > 0 else first
