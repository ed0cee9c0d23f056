"""Figures of an evaluation, as SVG."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ..people import People
from .evaluate import Evaluation


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
