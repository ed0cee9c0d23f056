"""Figures of an evaluation (SVG) and of a model card (PNG)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...figures import palette
from ..model.model_folder import FIGURE_FILES
from ..people import People
from .evaluate import Evaluation
from .measure_for_card import Measured
from .metrics import coverage, decades

_FEWEST_OF_SITE, _FEWEST_IN_DECADE = 15, 5


def write_figures(evaluation: Evaluation, people: People, folder: Path | str) -> list[Path]:
    """Figures of an evaluation in ``folder/figures``. Returns the files.

    predicted_age, corrected_pad : a dot per person (mean of regions), with median and 90 % of people by decade of age.
    error_by_age : mean absolute raw error by decade, beside that of the median age for everyone.
    coverage : share of 90 % intervals that hold a healthy person's zero, by decade.
    calibration_curve : share of people at or below each percentile told; on the line if percentiles mean what they say.
    """
    ages, years = evaluation.ages, people.age_years
    bins = _bins(years)
    figures = {
        **_age_figures(years, ages.brain_age_years),
        "corrected_pad.svg": _dots(years, ages.pad_corrected_years, bins, "corrected PAD, mean of regions (years)"),
        "coverage.svg": _coverage(ages.pad_lower_years, ages.pad_upper_years, bins),
        "calibration_curve.svg": _calibration_curve(ages.pad_percentile),
    }
    return _save(figures, Path(folder) / "figures")


def write_age_figures(age_years: np.ndarray, predicted_years: np.ndarray, folder: Path | str) -> list[Path]:
    """`write_figures` of a model without intervals: predicted_age and error_by_age alone."""
    return _save(_age_figures(age_years, predicted_years), Path(folder) / "figures")


def _age_figures(years: np.ndarray, predicted: np.ndarray) -> dict[str, Figure]:
    bins = _bins(years)
    return {
        "predicted_age.svg": _dots(years, predicted, bins, "predicted age, mean of regions (years)", True),
        "error_by_age.svg": _error_by_age(years, predicted, bins),
    }


def _bins(years: np.ndarray) -> dict[str, np.ndarray]:
    return {name: rows for name, rows in decades(years).items() if np.count_nonzero(rows) >= _FEWEST_IN_DECADE}


def _save(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": "regional-brain-age", "svg.fonttype": "none"}):
        for name, figure in figures.items():
            figure.savefig(folder / name, metadata={"Date": None})
    return [folder / name for name in figures]


def _axes(across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return figure, axes


def _dots(
    years: np.ndarray, values: np.ndarray, bins: Mapping[str, np.ndarray], label: str, of_age: bool = False
) -> Figure:
    figure, axes = _axes("age (years)", label)
    means = np.nanmean(values, axis=1)
    axes.plot(years, means, ".", color=palette.GREY, markersize=3, alpha=0.5, zorder=1, label="a person")
    middles = [years[rows].mean() for rows in bins.values()]
    bands = np.array([np.nanpercentile(means[rows], (5, 50, 95)) for rows in bins.values()]).reshape(-1, 3)
    axes.fill_between(middles, bands[:, 0], bands[:, 2], color=palette.BLUE, alpha=0.2, lw=0, label="90 % of people")
    axes.plot(middles, bands[:, 1], color=palette.BLUE, linewidth=2, label="median")
    ends = np.array([years.min(), years.max()])
    target, name = (ends, "the person's age") if of_age else ([0, 0], "0")
    axes.plot(ends, target, "--", color=palette.INK, linewidth=1, label=name)
    axes.legend(frameon=False, fontsize="small")
    return figure


def _error_by_age(years: np.ndarray, predicted: np.ndarray, bins: Mapping[str, np.ndarray]) -> Figure:
    figure, axes = _axes("age (years), people", "mean absolute raw error of regional ages (years)")
    errors = [np.nanmean(abs(predicted[rows] - years[rows, None])) for rows in bins.values()]
    guess = [np.mean(abs(np.median(years) - years[rows])) for rows in bins.values()]
    axes.bar(range(len(bins)), errors, color=palette.BLUE, width=0.6)
    axes.plot(range(len(bins)), guess, "D", color=palette.ORANGE, label="the median age for everyone")
    for at, error in enumerate(errors):
        axes.annotate(f"{error:.1f}", (at, error), (0, 2), textcoords="offset points", ha="center", fontsize="small")
    _name_bins(axes, bins)
    axes.legend(frameon=False, fontsize="small")
    return figure


def _coverage(lower: np.ndarray, upper: np.ndarray, bins: Mapping[str, np.ndarray]) -> Figure:
    figure, axes = _axes("age (years), people", "intervals that hold zero (%)")
    shares = [100 * coverage(lower[rows], upper[rows]) for rows in bins.values()]
    axes.axhline(90, color=palette.INK, linestyle="--", linewidth=1, label="wanted")
    axes.plot(range(len(bins)), shares, "o", color=palette.BLUE, label="found")
    for at, share in enumerate(shares):
        axes.annotate(f"{share:.0f}", (at, share), (0, 6), textcoords="offset points", ha="center", fontsize="small")
    axes.set_ylim(min(60.0, *shares) - 3 if shares else 60, 103)
    _name_bins(axes, bins)
    axes.legend(frameon=False, fontsize="small", loc="lower right")
    return figure


def _calibration_curve(percentile: np.ndarray) -> Figure:
    figure, axes = _axes("percentile told", "people at or below it (%)")
    told = np.sort(percentile[np.isfinite(percentile)])
    axes.plot([0, 100], [0, 100], "--", color=palette.INK, linewidth=1, label="told = found")
    share = 100 * np.arange(1, told.size + 1) / max(told.size, 1)
    axes.plot(told, share, color=palette.BLUE, linewidth=2, label="found")
    axes.legend(frameon=False, fontsize="small")
    return figure


def _name_bins(axes: Axes, bins: Mapping[str, np.ndarray]) -> None:
    names = [f"{name.replace('-', chr(0x2013))}\n{np.count_nonzero(rows)}" for name, rows in bins.items()]
    axes.set_xticks(range(len(bins)), names, fontsize="small")


def card_figures(found: Measured) -> dict[str, bytes]:
    """The figures of a card by file name: error against controls, and error by site. No person is drawn."""
    curve, axes = _axes("local controls", "mean absolute error of regional ages (years)")
    rows = found.calibration_curve
    controls = [row["controls"] for row in rows]
    for key, label, colour in (
        ("mae_40_90_years", "aged 40 to 90, every decade counts alike", palette.BLUE),
        ("mae_years", "all adults", palette.ORANGE),
    ):
        axes.plot(controls, [row[key] for row in rows], marker="o", color=colour, label=label)
    axes.margins(y=0.2)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize="small")
    error = found.predicted_years - found.people.age_years[:, None]
    by_site = errors_by_site(found.people.site, error, ("mean of regions", "whole brain"))
    return {name: _png(figure) for name, figure in zip(FIGURE_FILES, (curve, by_site), strict=True)}


def site_figure(site: np.ndarray, error_years: np.ndarray, labels: tuple[str, str]) -> dict[str, bytes]:
    """`errors_by_site` alone, by its file name on a card."""
    return {FIGURE_FILES[1]: _png(errors_by_site(site, error_years, labels))}


def errors_by_site(site: np.ndarray, error_years: np.ndarray, labels: tuple[str, str]) -> Figure:
    """Median and 90 % of errors (N, 2) of every site with 15 people or more; of every site where none has so many."""
    sites = [name for name in np.unique(site)[::-1] if (site == name).sum() >= _FEWEST_OF_SITE]
    sites = sites or list(np.unique(site)[::-1])
    figure = Figure(figsize=(7, 0.28 * len(sites) + 1.4), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.axvline(0, color=palette.INK, linewidth=1)
    for column, (label, colour) in enumerate(zip(labels, (palette.BLUE, palette.ORANGE), strict=True)):
        spread = np.array([np.percentile(error_years[site == name, column], [5, 50, 95]) for name in sites])
        at = np.arange(len(sites)) + (0.14, -0.14)[column]
        axes.hlines(at, spread[:, 0], spread[:, 2], color=colour, linewidth=2)
        axes.plot(spread[:, 1], at, "o", color=colour, markersize=5, label=label)
    axes.set_yticks(range(len(sites)), [f"{name} ({(site == name).sum()})" for name in sites])
    figure.supxlabel("predicted minus true age (years): median, and 90 % of people", fontsize="medium")
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize="small")
    return figure


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return stream.getvalue()
