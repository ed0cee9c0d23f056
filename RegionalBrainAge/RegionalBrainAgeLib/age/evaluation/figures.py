"""Figures of an evaluation (SVG) and of a model card (PNG)."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ..model.model_folder import FIGURE_FILES
from ..people import People
from .evaluate import Evaluation
from .measure_for_card import Measured

_FEWEST_OF_SITE = 15


def write_figures(evaluation: Evaluation, people: People, folder: Path | str) -> list[Path]:
    """Predicted against true age and corrected PAD against age, each averaged over regions. Returns the files."""
    folder = Path(folder) / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    predicted = np.nanmean(evaluation.ages.brain_age_years, axis=1)
    corrected = np.nanmean(evaluation.ages.pad_corrected_years, axis=1)
    drawings = {
        "predicted_age.svg": (predicted, "predicted age, mean of regions (years)", True),
        "corrected_pad.svg": (corrected, "corrected PAD, mean of regions (years)", False),
    }
    files = []
    with matplotlib.rc_context({"svg.hashsalt": "regional-brain-age"}):
        for name, (values, label, diagonal) in drawings.items():
            figure = Figure(figsize=(5, 4.5), layout="constrained")
            axes = figure.add_subplot()
            for site in np.unique(people.site):
                rows = people.site == site
                axes.plot(people.age_years[rows], values[rows], ".", markersize=4, alpha=0.6, label=site)
            ends = [people.age_years.min(), people.age_years.max()]
            axes.plot(ends, ends if diagonal else [0, 0], color="black", linewidth=1)
            axes.set_xlabel("age (years)")
            axes.set_ylabel(label)
            if len(np.unique(people.site)) <= 10:
                axes.legend(fontsize="small", frameon=False)
            figure.savefig(folder / name, metadata={"Date": None})
            files.append(folder / name)
    return files


def card_figures(found: Measured) -> dict[str, bytes]:
    """The figures of a card by file name: error against controls, and error by site. No person is drawn."""
    curve = Figure(figsize=(5, 3.5), layout="constrained")
    axes = curve.add_subplot()
    controls = [row["controls"] for row in found.calibration_curve]
    for key, label in (("mae_40_90_years", "MAE 40-90, age-balanced"), ("mae_years", "MAE, all adults")):
        axes.plot(controls, [row[key] for row in found.calibration_curve], marker="o", label=label)
    axes.set_xlabel("local controls")
    axes.set_ylabel("error of regional ages (years)")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    sites = [site for site in np.unique(found.people.site) if (found.people.site == site).sum() >= _FEWEST_OF_SITE]
    by_site = Figure(figsize=(7, 0.28 * len(sites) + 1.2), layout="constrained")
    axes = by_site.add_subplot()
    for number, site in enumerate(sites):
        rows = found.people.site == site
        error = found.predicted_years[rows] - found.people.age_years[rows, None]
        for column, (colour, shift) in enumerate((("tab:blue", 0.12), ("tab:orange", -0.12))):
            low, middle, high = np.percentile(error[:, column], [5, 50, 95])
            axes.plot([low, high], [number + shift] * 2, color=colour, linewidth=2)
            axes.plot(middle, number + shift, "o", color=colour)
    axes.set_yticks(range(len(sites)), [f"{site} ({(found.people.site == site).sum()})" for site in sites])
    axes.axvline(0, color="black", linewidth=1)
    axes.set_xlabel("raw error (years), median and 90 % of people\nregions' mean (blue), global age (orange)")
    return {name: _png(figure) for name, figure in zip(FIGURE_FILES, (curve, by_site), strict=True)}


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return stream.getvalue()
