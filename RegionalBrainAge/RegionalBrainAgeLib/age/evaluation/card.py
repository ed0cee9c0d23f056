"""MODEL_CARD.md, written from what was measured of a model; no number in it is typed by hand.

The order follows TRIPOD+AI (Collins et al. 2024): data, model, performance, limits. Each heading names its items.
"""

from __future__ import annotations

import json

import numpy as np

from ...files.wording import RESEARCH_USE
from ..model.brain_age_model import DAMAGE_LIMIT_FRACTION, REFERENCE_CONTROLS, BrainAgeModel
from ..model.calibration import CAUTION_CONTROLS, MINIMUM_CONTROLS
from ..model.intervals import COVERAGE
from ..model.model_folder import FIGURE_FILES
from ..model.views import MIDLINE_LESION_ML
from ..norms.deviations import DEVIATION_REACH_MM, DEVIATION_SD_YEARS, NETWORK_SD_YEARS
from ..norms.reading import GATE_SD
from .evaluate import CLOSED_FORM_METHOD, CONTROL_DRAWS, MODEL_METHOD
from .measure_for_card import NO_FLUID, NO_MESSAGES, NO_NEIGHBOURS, NO_VOLUMES, Measured, methods_where_network_loses
from .perturbations import EX_VACUO_GROWTH, THINNING_SD

# Terms of the public data sets this project trains on, by the name in the table's column dataset.
_TERMS = {
    "fcon1000": "1000 Functional Connectomes: CC BY-NC (non-commercial)",
    "nki-rockland": "NKI-Rockland sample: research use under its data usage agreement",
    "oasis2": "OASIS-2: research use under the OASIS data use terms, with citation",
    "openneuro": "OpenNeuro data sets ds003416, ds003469, ds003826: CC0",
    "aomic-piop2": "AOMIC-PIOP2: CC0",
}
# What this project leaves out of its table because they are patients.
_OF_PATIENTS = {"ds003653", "ds000115", "newyork_a_adhd"}
_CHART_MEANS = [
    "- The means of the charts (Rutherford et al. 2022) were fitted by their authors on people of many sites, sites of "
    "this table among them: leaving a site out here cannot undo that."
]
_CHART_NORMS = "- Norms: the average scanner lies half way between the scanners of the charts and those of the table."
_OASIS = " OASIS-2 people were not all followed as cognitively normal; the table does not tell which."
_OLD_YEARS, _FEW_SITES = 60, 2
_NUMBERS = {0: "no", 1: "one", 2: "two"}
_STATES = {"none": "scanner unknown", "local": f"{REFERENCE_CONTROLS} local controls"}


def model_card(model: BrainAgeModel, found: Measured) -> str:
    """The card as Markdown."""
    parts = [
        _head(model),
        _data(model, found),
        _method(model),
        _accuracy(found),
        _messages(found),
        _calibration(found),
        _intervals(model, found),
        _regions(model, found),
        _damage(found),
        _limits(model, found),
    ]
    return "\n\n".join(parts) + "\n"


def _head(model: BrainAgeModel) -> str:
    return (
        f"# Model card: {model.name}\n\n**{RESEARCH_USE}**\n\nOne global age of the brain, the ages of "
        f"{len(model.region_names)} cortical regions (scheme `{model.scheme}`) and each region's deviation from the "
        "global age, from the thickness of 148 Destrieux parcels, the volumes of 30 structures and the grey matter of "
        "each side, for people whose brain may be damaged by a stroke. Written by `regional-brain-age evaluate --card` "
        f"from what it measured (TRIPOD+AI items in brackets). Software version {model.version}."
    )


def _data(model: BrainAgeModel, found: Measured) -> str:
    people, about = found.people, model.about
    old = int((people.age_years >= 40).sum())
    whole = int((np.isfinite(people.values).mean(axis=1) > 0.9).sum())
    sets = [f"{_TERMS.get(name, name)} ({count} people)" for name, count in about.get("data_sets", {}).items()]
    left_out = set(filter(None, str(about["training_data"].get("left_out", "")).split(", ")))
    lines = [
        "## Data [5a, 5b, 6, 8, 9, 10]",
        f"- Training files: {', '.join(f'{k}: {v}' for k, v in about['training_data'].items())}.",
        f"- Training people: {about['people']} of {about['sites']} sites.",
        *[f"  - {line}" for line in sets],
        *(["- Data sets and sites named as left out hold patients."] if left_out and left_out <= _OF_PATIENTS else []),
        f"- Judged: {len(people)} adults, {people.age_years.min():.0f} to {people.age_years.max():.0f} years old, "
        f"{old} aged 40 or more, {int((1 - people.male).sum())} women, {len(np.unique(people.site))} sites, {whole} "
        "with volumes. Every one is read by a network and norms that used neither people nor chart offsets of the "
        "site.",
        *(_CHART_MEANS if model.rests_on_charts else []),
        "- Outcome: chronological age at scanning. Predictors: thickness, volumes, sex, and how well the "
        "scanner is known.",
        "- The folder holds distributions of errors by age, no person.",
        _CHART_NORMS if model.rests_on_charts else "- Norms: fitted to the training people, without charts.",
    ]
    return "\n".join(lines)


def _method(model: BrainAgeModel) -> str:
    about, sizes = model.about, model.folds[-1].network.architecture
    recipe = about["recipe"]
    charts = " and of the scanners of the charts" if model.rests_on_charts else ""
    seen_on = "this table" if set(about.get("data_sets", {})) == set(_TERMS) else "the table of the shipped model"
    lines = [
        "## Model [12a-12g]",
        f"- Graph of {sizes.nodes} nodes (148 parcels, 30 structures, the grey matter of each side, the size of the "
        f"head) and {len(model.edges)} edges between neighbours and mirror images; {sizes.hubs} hubs that all nodes "
        f"share, and {sizes.scanner_hubs} of scanners.",
        "- The network is a Gaussian Markov random field; messages between neighbours, with learned weights, are the "
        "steps of the solver (conjugate gradients, torch-geometric). They run for every brain. A missing node drops "
        "out; it is not guessed. Each hemisphere is read without the other one.",
        "- Grey matter of a side is half of TotalGrayVol in charts and tables. On a lesioned side it is not looked at.",
        "- Choroid plexus, fourth ventricle and CSF are nodes without a say: no age is read from them, as their "
        f"volumes differ more between scanners than they tell of age. That was seen on {seen_on}, sites held out.",
        "- Left and right are drawn half way together in how they change with age and vary; what is usual on a side is "
        "its own.",
        f"- A node further than {GATE_SD:g} SD from what all others say of it is drawn to that distance.",
        "- Regional age: global age of the hemisphere plus the best guess of a deviation that is smooth over the "
        f"cortex (SD {DEVIATION_SD_YEARS:g} years a priori, reach {DEVIATION_REACH_MM:g} mm) or shared by a network "
        f"(SD {NETWORK_SD_YEARS:g} years). A best guess is smaller than the truth.",
        "- Training: the likelihood, from the norms' own covariances, of the residuals of real people within their "
        f"sites{charts}, and of the ages read from either side and from both, and the squared error of deviations, by "
        f"an unknown scanner and by one with local controls; {recipe['steps']} steps of Adam, "
        f"{about['weights_per_network']} weights per network, no random numbers. People of rare ages count more. "
        "Fine-tuning on ages of single people, real and simulated, was tried and left out: on held-out sites it gained "
        "nothing.",
        f"- {len(model.folds)} networks: for each of {len(model.folds) - 1} groups of sites one that never saw them, "
        "and one of all, which reads people of other sites.",
        "- Age bias: linear per region on the out-of-fold PADs of healthy people (Smith 2019; de Lange & Cole 2020). "
        "Raw and corrected PAD are both reported.",
        f"- Versions: {json.dumps(about['versions'])}.",
    ]
    return "\n".join(lines)


def _accuracy(found: Measured) -> str:
    measures = list(found.accuracy[MODEL_METHOD])
    rows = [
        f"| {measure} | "
        + " | ".join(number_cell(*values.get(measure, (np.nan, np.nan))) for values in found.accuracy.values())
        for measure in measures
    ]
    rivals = [name for name in found.accuracy if name not in (MODEL_METHOD, CLOSED_FORM_METHOD)]
    behind_closed = methods_where_network_loses(found.accuracy, [CLOSED_FORM_METHOD])
    behind = methods_where_network_loses(found.accuracy, rivals)
    return "\n".join(
        [
            "## Accuracy, beside simpler models [15, 18a, 23a]",
            "Errors are raw. Age-balanced means average ten-year bins of five people or more. With "
            f"{REFERENCE_CONTROLS} local controls: mean over {CONTROL_DRAWS} draws of controls, with its SD; the "
            "simpler models have the controls' mean error taken off. Sites spanning at least 40 years: "
            f"{', '.join(found.wide_sites) or 'none'}.",
            "",
            f"![regional and global age by site]({FIGURE_FILES[1]})",
            "",
            "| sites not trained on | " + " | ".join(found.accuracy) + " |",
            "|---" * (len(found.accuracy) + 1) + "|",
            *(row + " |" for row in rows),
            "",
            *(
                [f"- The closed form does better than the network on: {'; '.join(m for m, _ in behind_closed)}."]
                if behind_closed
                else ["- The network is at least as good as the closed form on every line."]
            ),
            *[f'- On "{measure}" {", ".join(better)} did better.' for measure, better in behind],
        ]
    )


def _messages(found: Measured) -> str:
    own, quiet, bare = (found.accuracy[name] for name in (MODEL_METHOD, NO_MESSAGES, NO_NEIGHBOURS))
    shown = [m for m in own if m.startswith("regional") and ("MAE 40-90" in m or "within site" in m)]
    planted = found.planted
    return "\n".join(
        [
            "## What messages are worth [12c]",
            f'"{NO_MESSAGES}" keeps the same nodes in view and weighs each by its own variance (`evaluate '
            f"--without-messages`). "
            f'"{NO_NEIGHBOURS}" was trained anew with hubs but no edges between neighbours.',
            "",
            "| | with | neighbours off | all off |",
            "|---|---|---|---|",
            *(f"| {m} | {number_cell(*own[m])} | {number_cell(*bare[m])} | {number_cell(*quiet[m])} |" for m in shown),
            f"| planted thinning rises most, % | {100 * planted[MODEL_METHOD]['region'].mean():.1f} | | "
            f"{100 * planted[NO_MESSAGES]['region'].mean():.1f} |",
        ]
    )


def _calibration(found: Measured) -> str:
    rows = [
        f"| {row['controls']} | {row['mae_40_90_years']:.2f} | {row['mae_years']:.2f} | {row['bias_years']:+.2f} |"
        for row in found.calibration_curve
    ]
    people = found.calibration_curve[0]
    return "\n".join(
        [
            "## Calibration to a scanner [12d, 23a]",
            f"Error of regional ages against the number of local controls, on {people['people']} people of "
            f"{people['sites']} sites not trained on. The software refuses fewer than {MINIMUM_CONTROLS} controls and "
            f"cautions below {CAUTION_CONTROLS}.",
            "",
            f"![error against number of controls]({FIGURE_FILES[0]})",
            "",
            "| controls | MAE 40-90, age-balanced | MAE | mean error |",
            "|---|---|---|---|",
            *rows,
        ]
    )


def _intervals(model: BrainAgeModel, found: Measured) -> str:
    rows = [f"| {age} | {100 * share:.1f} % | {count} |" for age, (share, count) in found.coverage.items()]
    lines = [
        f"- {measure}: "
        + ", ".join(f"{values[measure]:.3f} ({_STATES[state]})" for state, values in found.intervals.items())
        for measure in found.intervals["none"]
        if ", age " not in measure or "width" in measure
    ]
    return "\n".join(
        [
            "## Intervals and corrected PAD [12f, 23a]",
            f"Conformal {100 * COVERAGE:.0f} % intervals by age from errors on other sites; with missing or noisy "
            f"nodes they widen with the standard error under the model. After calibration with {REFERENCE_CONTROLS} "
            f"local controls, means over {CONTROL_DRAWS} draws:",
            "",
            "| age | contain 0 | people |",
            "|---|---|---|",
            *rows,
            "",
            *lines,
            *_as_many(model),
        ]
    )


def _as_many(model: BrainAgeModel) -> list[str]:
    """How many numbers of one healthy person lie outside at once, kind by kind."""
    lines = []
    for kind in model.as_many["none"]:
        shares = {state: of_kind[kind] for state, of_kind in model.as_many.items()}
        possible = len(shares["none"]) - 1
        counts = [count for count in (1, 2, 4, 8) if count <= possible]
        told = ", ".join(
            f"{', '.join(f'{100 * own[count]:.0f}' for count in counts)} % ({_STATES[state]})"
            for state, own in shares.items()
        )
        lines.append(
            f"- {kind}: at least {', '.join(map(str, counts))} of {possible} outside their healthy range in {told} of "
            "healthy people"
        )
    return lines


def _regions(model: BrainAgeModel, found: Measured) -> str:
    planted = found.planted[MODEL_METHOD]
    shares, networks = planted["region"], planted["network"]
    by_region = ", ".join(f"{name} {100 * s:.0f}" for name, s in zip(model.region_names, shares, strict=True))
    stability = ", ".join(f"{sd:.2f} mm: {years:.2f} y" for sd, years in found.stability.items())
    return "\n".join(
        [
            "## Eighteen ages, not one [12c]",
            f"- One region thinned by {THINNING_SD:g} SD: its age rises most in {100 * shares.mean():.1f} % of "
            f"people (closed form: "
            f"{100 * found.planted[CLOSED_FORM_METHOD]['region'].mean():.1f} %; per region, %: {by_region}).",
            f"- One network thinned on both sides: one of its two regions rises most in {100 * networks.mean():.1f} % "
            f"(least {100 * networks.min():.0f} %).",
            f"- The thinned region rises by {planted['rise_years']:.2f} years (median), "
            f"{planted['deviation_years']:.2f} of them as its own deviation; the others of its side by "
            f"{planted['same_side_years']:.2f}.",
            "- Regional ages of a hemisphere share most of their evidence and go together (correlations above): the "
            "deviations, not the ages, tell regions apart.",
            f"- Noise on every parcel moves a regional age by (median): {stability}.",
        ]
    )


def _damage(found: Measured) -> str:
    rows = [
        f"| {name} | {h['contralesional_median_years']:.2f} | {h['ipsilesional_median_years']:.2f} | "
        f"{h['ipsilesional_mean_years']:+.2f} | {h['touched_median_years']:.2f} | "
        f"{100 * h['not_estimable_share']:.1f} % |"
        for name, h in found.holes.items()
    ]
    e = found.ex_vacuo
    return "\n".join(
        [
            "## Damaged brains [11, 12b]",
            "Holes of real one-sided lesions in healthy people: median absolute change of the raw age, years, and the "
            "mean change of intact regions with its sign. A region is not estimable when more than "
            f"{100 * DAMAGE_LIMIT_FRACTION:.0f} % of "
            'it is missing. Ventricles of a lesioned side are left out; "parcels alone missing" keeps them.',
            "",
            "| model | other side | intact, same side | their mean | touched | not estimable |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            f"- Ex vacuo: ventricles of one side {100 * (EX_VACUO_GROWTH - 1):.0f} % larger beside a lesion: "
            f"contralesional ages move by at most {e['contralesional_largest_years']:.2f} y, the global age by at "
            f"most {e['global_largest_years']:.2f} y, ipsilesional ages by {e['ipsilesional_median_years']:.2f} y "
            f"(median; mean {e['ipsilesional_mean_years']:+.2f}). Without being told of the lesion ipsilesional ages "
            f"would rise by {e['ipsilesional_untold_mean_years']:.2f} y.",
            "- Rules: the fluid of a lesioned side is left out; the third ventricle "
            f"with {MIDLINE_LESION_ML:g} ml of lesion or more, or with a lesion in the thalamus or ventral "
            "diencephalon. With a lesion of one side the global age is that of the other hemisphere and the midline. "
            "Ages read without any fluid stand beside the others.",
        ]
    )


def _limits(model: BrainAgeModel, found: Measured) -> str:
    routes = [f"{name}: {route.measured_on}" for name, route in model.routes.items()]
    lines = [
        "## Limits and use [3c, 14, 25, 26, 27]",
        "- Without local calibration a scanner shifts every PAD; deviations and left-right contrasts within a brain "
        "are the numbers to read then.",
        f'- "{NO_VOLUMES}" and "{NO_FLUID}" in the table say what is left where volumes or fluid are missing.',
        "- The model is scaled to FreeSurfer. "
        + (f"Route models in the folder: {'; '.join(routes)}." if routes else "It knows no other route's errors yet."),
        _old_age(found),
        "- Children are not judged. Healthy people only: no claim is made about any disease."
        + (_OASIS if "oasis2" in model.about.get("data_sets", {}) else ""),
        "- Fairness: the table holds no ethnicity, income or education; performance across such groups is unknown.",
        f"- Measured with: `{found.command}`.",
        f"- {RESEARCH_USE}",
    ]
    return "\n".join(lines)


def _old_age(found: Measured) -> str:
    sites = len(np.unique(found.people.site[found.people.age_years > _OLD_YEARS]))
    told = f"above {_OLD_YEARS} the judgement rests on {_NUMBERS.get(sites, sites)} site{'s' if sites != 1 else ''}."
    few = "- Old age and few sites go together in the training table: " if sites <= _FEW_SITES else "- Old age: "
    return few + told


def number_cell(value: float, spread: float = float("nan")) -> str:
    """A measure, and its spread where there is one, in a cell; empty where it was not measured."""
    if not np.isfinite(value):
        return ""
    value = round(value, 3) + 0.0  # no minus zero
    text = f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"
    return f"{text} ± {spread:.2f}" if np.isfinite(spread) else text
