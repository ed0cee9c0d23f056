"""MODEL_CARD.md, written from what an examination of a model measured; nothing in it is typed by hand.

The order follows TRIPOD+AI (Collins et al. 2024): data, model, performance, limits. Each heading names its items.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np

from ...files.wording import RESEARCH_USE
from ..model.brain_age_model import DAMAGE_LIMIT_FRACTION, BrainAgeModel
from ..model.calibration import CAUTION_CONTROLS, MINIMUM_CONTROLS
from ..model.intervals import COVERAGE
from ..people import People


@dataclass(frozen=True)
class Examination:
    """Everything the card reports.

    Parameters
    ----------
    people : the people examined, none of whose sites the predicting networks had seen.
    accuracy : by method, then measure; "with 20 local controls" measures end so.
    wide_sites : sites spanning at least 40 years.
    corrected : measures of the corrected PAD.
    coverage : by age decade and "all", after calibration: share and people.
    calibration_curve, planted, stability : see `experiments`.
    holes : by model (this one, and one trained without holes, where that was trained).
    region_names : of `planted`.
    command : that measured all this.
    """

    people: People
    accuracy: dict[str, dict[str, float]]
    wide_sites: list[str]
    corrected: dict[str, float]
    coverage: dict[str, tuple[float, int]]
    calibration_curve: list[dict]
    planted: dict[str, np.ndarray | float]
    stability: dict[float, float]
    holes: dict[str, dict[str, float]]
    command: str
    notes: list[str] = field(default_factory=list)


def model_card(model: BrainAgeModel, found: Examination) -> str:
    """The card as Markdown."""
    parts = [
        _head(model),
        _data(model, found),
        _method(model),
        _accuracy(found),
        _calibration(found),
        _intervals(found),
        _regions(model, found),
        _damage(found),
        _limits(model, found),
    ]
    return "\n\n".join(parts) + "\n"


def _head(model: BrainAgeModel) -> str:
    return (
        f"# Model card: {model.name}\n\n**{RESEARCH_USE}**\n\n"
        f"Ages of {len(model.region_names)} cortical regions (scheme `{model.scheme}`) from the "
        f"{', '.join(model.features)} of {len(model.parcels)} Destrieux parcels, for people whose cortex may be "
        "damaged by "
        "a stroke. Written by `regional-brain-age evaluate --card` from what it measured (TRIPOD+AI items are named in "
        "brackets). Software version "
        f"{model.version}."
    )


def _data(model: BrainAgeModel, found: Examination) -> str:
    people = found.people
    about = model.about
    old = int((people.age_years >= 40).sum())
    lines = [
        "## Data [5a, 5b, 6, 8, 9, 10]",
        f"- Training files: {', '.join(f'{k}: {v}' for k, v in about['training_data'].items())}.",
        f"- Training people: {about['people']} healthy people of {about['sites']} sites.",
        f"- Examined: {len(people)} of them, {people.age_years.min():.0f} to {people.age_years.max():.0f} years old, "
        f"{old} aged 40 or more, {int((1 - people.male).sum())} women, of {len(np.unique(people.site))} sites. "
        "Every one "
        "is predicted by networks and norms that used neither people nor chart offsets of the site.",
        "- The means of the charts themselves were fitted by their authors on people of many sites, sites of "
        "this table "
        "among them: leaving a site out here cannot undo that.",
        "- Outcome: chronological age at scanning. Predictors: thickness, sex, and how well the scanner is known.",
        "- Missing: a thickness of 0 counts as not measured; the network estimates such parcels from their neighbours.",
        "- Norms: the average scanner lies half way between the scanners of the charts and those of the table.",
    ]
    return "\n".join(lines)


def _method(model: BrainAgeModel) -> str:
    recipe = model.about["recipe"]
    sizes, stretch = model.architecture, recipe.get("stretch", 0.0)
    networks = sum(len(fold.networks) for fold in model.folds)
    lines = [
        "## Model [12a-12g]",
        f"- Graph of {sizes.nodes} parcels, {len(model.edges)} edges between neighbours of a hemisphere. Missing "
        "parcels "
        f"are estimated by {sizes.fill_hops} rounds of messages; a region then collects {sizes.evidence} numbers from "
        f"at most {sizes.hops} steps away; a perceptron per region turns them into years.",
        "- Target: the regional age, that is the best guess of global age plus a smooth regional deviation under the "
        "norms, read from the undamaged cortex. It is the chronological age seen through the norms; the SD of regional "
        "deviations is set so that cortex thinned in one region ages that region most. A best guess lies nearer to the "
        f"middle of all ages than the truth; where the scanner is unknown it is moved away by {100 * stretch:.0f} %.",
        f"- Training people are drawn from the norms ({100 * (1 - recipe['real_fraction']):.0f} %) or real people "
        "moved to "
        f"other scanners ({100 * recipe['real_fraction']:.0f} %); {100 * recipe['hole_fraction']:.0f} % have a "
        "lesion-shaped "
        f"hole. Scanner offsets are drawn from those of the norms, as they are or after calibration.",
        f"- {networks} networks: for each of {len(model.folds) - 1} folds of sites one that never saw them, and "
        "one of all "
        "sites, which predicts people of other sites. "
        f"At most {recipe['steps']} steps of {recipe['batch']}, seed {model.about['seed']}.",
        *_early_stopping(model),
        "- Age bias: linear per region on the out-of-fold PADs of healthy people (Smith 2019; de Lange & Cole 2020). "
        "Raw and corrected PAD are both reported.",
        f"- Versions: {json.dumps(model.about['versions'])}.",
    ]
    return "\n".join(lines)


def _early_stopping(model: BrainAgeModel) -> list[str]:
    """Where the kept weights lie between first and last step, and by whom they were chosen."""
    entries = model.about.get("early_stopping", [])
    if not entries:
        return []
    rows = []
    for entry in entries:
        held_out = model.folds[entry["fold"]].held_out_sites
        last = entry["curve"][-1]
        kept = next(check for check in entry["curve"] if check["step"] == entry["best_step"])
        rows.append(
            f"| {held_out[0] + (', ...' if len(held_out) > 1 else '') if held_out else 'none'} | "
            f"{', '.join(entry['sites'])} | {entry['best_step']} | {last['step']} | {kept['raw']:.2f} |"
        )
    return [
        "- Early stopping: within every training further sites are held out, and simulated ones. Every "
        f"{model.about['recipe']['check_every']} steps the age-balanced raw error on their people, intact and with "
        "holes, is added to the distance from the regional age; the weights with the smallest sum are kept. Training "
        f"ends after {model.about['recipe']['patience']} looks without improvement. Sites to be examined are never "
        "among them.",
        "",
        "| sites held out for examination | real sites stopped by | kept step | last step | raw error there, years |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def _accuracy(found: Examination) -> str:
    measures = list(next(iter(found.accuracy.values())))
    header = "| raw error, sites not trained on | " + " | ".join(found.accuracy) + " |"
    rule = "|---" * (len(found.accuracy) + 1) + "|"
    rows = [
        f"| {measure} | " + " | ".join(_number(values.get(measure)) for values in found.accuracy.values()) + " |"
        for measure in measures
    ]
    wide = ", ".join(found.wide_sites) or "none"
    return "\n".join(
        [
            "## Accuracy, beside simpler models [15, 18a, 23a]",
            "Age-balanced means average ten-year bins. With local controls, the baselines have the controls' "
            "mean error "
            f"taken off. Sites spanning at least 40 years: {wide}.",
            "",
            header,
            rule,
            *rows,
            "",
            *_where_it_loses(found),
        ]
    )


def _where_it_loses(found: Examination) -> list[str]:
    """Sentences naming every line on which a baseline does better than the network."""
    own = next(iter(found.accuracy))
    higher = ("correlation", "slope")
    lines = []
    for measure, value in found.accuracy[own].items():
        if measure.startswith("mean error"):
            continue
        better = [
            name
            for name, values in found.accuracy.items()
            if name != own
            and np.isfinite(values.get(measure, np.nan))
            and (values[measure] > value if measure.startswith(higher) else values[measure] < value)
        ]
        if better:
            lines.append(f'- On "{measure}" the {own} is not best: {", ".join(better)} did better.')
    return lines or [f"The {own} is best on every line."]


def _calibration(found: Examination) -> str:
    rows = [
        f"| {row['controls']} | {row['mae_40_90_years']:.2f} | {row['mae_years']:.2f} | {row['bias_years']:+.2f} |"
        for row in found.calibration_curve
    ]
    people = found.calibration_curve[0] if found.calibration_curve else {"people": 0, "sites": 0}
    return "\n".join(
        [
            "## Calibration to a scanner [12d, 23a]",
            f"Error against the number of local controls, on {people['people']} people of {people['sites']} sites "
            "not trained "
            f"on. The software refuses fewer than {MINIMUM_CONTROLS} controls and cautions below {CAUTION_CONTROLS}.",
            "",
            "| controls | MAE 40-90, age-balanced | MAE | mean error |",
            "|---|---|---|---|",
            *rows,
        ]
    )


def _intervals(found: Examination) -> str:
    rows = [f"| {age} | {100 * share:.1f} % | {count} |" for age, (share, count) in found.coverage.items()]
    corrected = [f"- {measure}: {value:.3f}" for measure, value in found.corrected.items()]
    return "\n".join(
        [
            "## Intervals and corrected PAD [12f, 23a]",
            f"Conformal {100 * COVERAGE:.0f} % intervals from errors on other sites, after calibration with 20 "
            "local controls.",
            "",
            "| age | contain 0 | people |",
            "|---|---|---|",
            *rows,
            "",
            *corrected,
        ]
    )


def _regions(model: BrainAgeModel, found: Examination) -> str:
    shares = found.planted["region"]
    by_region = ", ".join(f"{name} {100 * s:.0f}" for name, s in zip(model.region_names, shares, strict=True))
    networks = found.planted["network"]
    stability = ", ".join(f"{sd:.2f} mm: {years:.2f} y" for sd, years in found.stability.items())
    return "\n".join(
        [
            "## Eighteen ages, not one [12c]",
            f"- One region thinned by 0.5 SD: its PAD rises most in {100 * shares.mean():.1f} % of people (per "
            "region, %: "
            f"{by_region}).",
            f"- One network thinned on both sides: one of its two regions rises most in {100 * networks.mean():.1f} % "
            f"(least {100 * networks.min():.0f} %).",
            f"- A region thinned by 0.5 SD rises by {found.planted['rise_years']:.2f} years (median), others of its "
            f"side by {found.planted['same_side_years']:.2f}.",
            f"- Noise on every parcel moves a regional age by (median): {stability}.",
        ]
    )


def _damage(found: Examination) -> str:
    rows = [
        f"| {name} | {h['contralesional_median_years']:.2f} | {h['ipsilesional_median_years']:.2f} | "
        f"{h['touched_median_years']:.2f} | {100 * h['not_estimable_share']:.1f} % |"
        for name, h in found.holes.items()
    ]
    return "\n".join(
        [
            "## Damaged cortex [11, 12b]",
            "Holes of real one-sided lesions in healthy people: median absolute change of the raw age, years. "
            f"A region is not estimable when more than {100 * DAMAGE_LIMIT_FRACTION:.0f} % of it is missing.",
            "",
            "| model | other hemisphere | same side, region intact | same side, region touched | not estimable "
            "(same side) |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )


def _limits(model: BrainAgeModel, found: Examination) -> str:
    lines = [
        "## Limits and use [3c, 14, 25, 26, 27]",
        "- Without local calibration a scanner shifts every PAD: only contrasts within a patient are then safe.",
        "- The model is scaled to FreeSurfer thickness. The built-in T1 route is another scanner: calibrate it.",
        "- Old age and few sites go together in the training table; above 60 the examination rests on few sites.",
        "- Children are not examined. Healthy people only: no claim is made about any disease.",
        "- Fairness: the table holds no ethnicity, income or education; performance across such groups is unknown.",
        f"- Measured with: `{found.command}`.",
        *[f"- {note}" for note in found.notes],
        f"- {RESEARCH_USE}",
    ]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None or not np.isfinite(value) else f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"
