"""Figures that a reviewer asks for: residuals of the surest volume model, and the decision curve of the classifiers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..statistics.classification import NESTED
from ..statistics.residuals import Residuals, normal_quantiles
from .figure_style import BLUE, FAINT, GREY, INK, LINE, MUTED, ORANGE, Picture, to_svg, words

_CURVES = {NESTED: (INK, "-"), "baseline": (BLUE, "--"), "call everyone severe": (GREY, ":")}


def residual_figure(found: Residuals) -> Picture:
    """Residuals against fitted values, and normal quantile plots of residuals and site effects."""
    figure = Figure(figsize=(10.4, 3.6))
    axes = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.065, right=0.99, top=0.9, bottom=0.15, wspace=0.28)
    scaled = found.residual / found.residual_sd
    axes[0].axhline(0, color=MUTED, lw=0.8)
    axes[0].plot(found.fitted, scaled, "o", ms=2.6, color=BLUE, alpha=0.45, mew=0)
    _running_mean(axes[0], found.fitted, scaled)
    axes[0].set(title="Residuals and fitted values", xlabel="fitted value", ylabel="residual / SD")
    _quantiles(axes[1], scaled, "Residuals", BLUE)
    sites = found.sites[np.isfinite(found.sites)]
    if len(sites) > 2 and np.ptp(sites) > 0:
        _quantiles(axes[2], (sites - sites.mean()) / sites.std(ddof=1), "Site effects", ORANGE)
    else:
        axes[2].set_axis_off()
        axes[2].text(0, 0.9, "No site effects to show.", transform=axes[2].transAxes, color=MUTED)
    for ax in axes:
        ax.tick_params(length=0)
        for spine in ("top", "right"):
            ax.spines[spine].set_visible(False)
    caption = (
        f"Model of {words(found.outcome)} and lesion volume, that of the smallest p. Left: the line, a running mean, "
        "stays at zero where the model's straight lines suffice, and the cloud is equally high where the variance is "
        "the same. Middle and right: on the diagonal, and within the band that holds each point with 95 % "
        "probability, a normal distribution."
    )
    return Picture(to_svg(figure), "Do the residuals look as the model assumes?", caption)


def _quantiles(ax: Axes, values: np.ndarray, title: str, colour: str) -> None:
    expected, low, high = normal_quantiles(len(values))
    ax.fill_between(expected, low, high, color=FAINT, lw=0)
    ax.plot(expected[[0, -1]], expected[[0, -1]], color=LINE, lw=1)
    ax.plot(expected, np.sort(values), "o", ms=2.8, color=colour, mew=0)
    ax.set(title=title, xlabel="normal quantile", ylabel="observed")


def _running_mean(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Mean of a fifth of the cases at a time, along x."""
    width = max(5, len(x) // 5)
    if len(x) < 2 * width:
        return
    order = np.argsort(x, kind="stable")
    kernel = np.full(width, 1 / width)
    ax.plot(*(np.convolve(values[order], kernel, "valid") for values in (x, y)), color=INK, lw=1.4)


def decision_figure(table: pd.DataFrame) -> Picture:
    """Net benefit of acting on the predictions at every threshold of risk, beside acting on everyone and on nobody."""
    figure = Figure(figsize=(6.4, 3.9))
    ax = figure.add_axes((0.12, 0.13, 0.85, 0.83))
    ax.axhline(0, color=MUTED, lw=0.8)
    top = 0.0
    for name, (colour, dash) in _CURVES.items():
        mine = table[table["classifier"] == name].sort_values("threshold")
        ax.plot(mine["threshold"], mine["net_benefit"], color=colour, ls=dash, lw=1.8, label=name)
        top = max(top, float(mine["net_benefit"].max()))
    ax.set(xlabel="threshold: predicted probability above which one would act", ylabel="net benefit per person",
           xlim=(0, 1), ylim=(-0.15 * max(top, 0.1), 1.1 * max(top, 0.1)))  # fmt: skip
    ax.legend(frameon=False, loc="upper right")
    ax.tick_params(length=0)
    for spine in ("top", "right"):
        ax.spines[spine].set_visible(False)
    caption = (
        "True positives less false positives, these weighted by the odds of the threshold, per person (Vickers & Elkin "
        "2006). A model is worth using at the thresholds where its line is the highest; zero is acting on nobody."
    )
    return Picture(to_svg(figure), "Would acting on the predictions do more good than harm?", caption)
