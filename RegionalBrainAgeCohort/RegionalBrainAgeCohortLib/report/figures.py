"""Figures of the mixed models and classifiers, and the list of all figures of an analysis."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from RegionalBrainAgeLib.files.wording import plain
from sklearn.metrics import roc_curve

from ..statistics.classification import NESTED, ClassificationResult
from ..statistics.roc import calibration_bins
from .figure_style import (
    BLUE,
    DIVERGING,
    FAINT,
    GREEN,
    GREY,
    INK,
    LINE,
    MUTED,
    ORANGE,
    PLUM,
    Picture,
    bare,
    style,
    symmetric_limit,
    to_svg,
    words,
)

if TYPE_CHECKING:
    from ..result import AnalysisResult

_CURVES = {NESTED: INK, "elastic net": BLUE, "svm": GREEN, "random forest": PLUM, "gradient boosting": ORANGE}


def draw_all(result: AnalysisResult, progress: Callable[[float], None] = lambda _: None) -> dict[str, Picture]:
    """Every figure the tables of `result` allow, by file stem; one that cannot be drawn is named in ``skipped``."""
    from .brain_figure import draw_brains
    from .diagnostic_figures import decision_figure, residual_figure
    from .path_diagram import draw_paths

    tables = result.tables
    figures: dict[str, Picture] = {}

    def add(name: str, draw: Callable[..., Picture], *arguments: object) -> None:
        try:
            figures[name] = draw(*arguments)
        except Exception as error:  # a picture must not take the tables with it
            result.skipped[f"Figure {name}"] = f"It could not be drawn ({type(error).__name__}: {error})."

    with style():
        if "mixed_models" in tables:
            add("forest_volume", forest_volume, tables["mixed_models"])
            if "thickness_models" in tables:
                add("pad_and_thickness", pad_and_thickness, tables["mixed_models"], tables["thickness_models"])
        if "mixed_models" in tables or "loads" in tables:
            try:
                figures |= draw_brains(result)
            except Exception as error:
                result.skipped["Brain maps"] = f"They could not be drawn ({type(error).__name__}: {error})."
        progress(0.5)
        if "loads" in tables:
            add("loads_heatmap", loads_heatmap, tables["loads"])
        if "group_differences" in tables:
            if result.cohort.loads or result.cohort.pads:
                add("group_differences", forest_groups, tables["group_differences"])
            if result.cohort.thicknesses:
                add("group_thickness", forest_group_thickness, tables["group_differences"])
        if result.classification is not None:
            add("roc", roc_figure, result.classification)
            add("calibration", calibration_figure, result.classification)
            add("decision_curve", decision_figure, result.tables["decision_curve"])
            add("importance", importance_figure, result.classification)
        if result.residuals is not None:
            add("residuals", residual_figure, result.residuals)
        progress(0.8)
        for name, (title, fit) in result.path_models.items():
            add(name, draw_paths, fit, title)
    return figures


def _interval_text(row: pd.Series, digits: int = 2) -> str:
    if not np.isfinite(row["estimate"]):
        return str(row["status"])
    middle, low, high = (plain(row[name], digits) for name in ("estimate", "ci_low", "ci_high"))
    return f"{middle} ({low}, {high})"


def _forest(axes, table: pd.DataFrame, labels: list[str], colour: str, digits: int = 2) -> None:
    """Estimates with intervals, top to bottom; filled where the corrected p is below 0.05."""
    for y, (_, row) in enumerate(table.iterrows()):
        if y % 2 == 0:
            axes.axhspan(y - 0.5, y + 0.5, color=FAINT, lw=0, zorder=0)
        if np.isfinite(row["estimate"]):
            sure = row["p_fdr"] < 0.05
            axes.plot([row["ci_low"], row["ci_high"]], [y, y], color=colour, lw=1.6, solid_capstyle="butt", zorder=3)
            axes.plot(row["estimate"], y, "o", ms=6, mfc=colour if sure else "white", mec=colour, mew=1.4, zorder=4)
        axes.text(1.02, y, _interval_text(row, digits), transform=axes.get_yaxis_transform(), va="center", fontsize=8,
                  color=INK if row["p_fdr"] < 0.05 else MUTED)  # fmt: skip
    axes.axvline(0, color=MUTED, lw=0.8, zorder=2)
    axes.set_yticks(range(len(table)), labels)
    axes.set_ylim(max(len(table), 1) - 0.5, -0.5)
    bare(axes)


def _beside(figure: Figure, labels: list[str], text_inch: float = 1.45) -> None:
    """Room for two panels with `labels` on the left of each and `text_inch` of words on the right of each."""
    wide, high = figure.get_size_inches()
    label_inch = 0.25 + 0.08 * max(map(len, labels), default=0)
    panel_inch = (wide - 2 * (label_inch + text_inch)) / 2
    figure.subplots_adjust(
        left=label_inch / wide,
        right=1 - text_inch / wide,
        wspace=(label_inch + text_inch) / panel_inch,
        top=1 - 0.35 / high,
        bottom=0.55 / high,
    )


def forest_volume(table: pd.DataFrame) -> Picture:
    """Coefficient of log lesion volume for every regional PAD, ipsilesional and contralesional side by side."""
    rows = table[(table["model"] == "volume") & (table["term"] == "log_lesion_volume")]
    sides = [rows[rows["outcome"].str.startswith(f"pad_{side}_")] for side in ("ipsi", "contra")]
    tallest = max(len(part) for part in sides)
    figure = Figure(figsize=(10.4, 0.9 + 0.3 * tallest))
    axes = figure.subplots(1, 2, sharex=True)
    _beside(figure, [name.split("_", 2)[2] for name in rows["outcome"]])
    for ax, part, title, colour in zip(
        axes, sides, ("Ipsilesional PAD", "Contralesional PAD"), (ORANGE, BLUE), strict=True
    ):
        _forest(ax, part, [name.split("_", 2)[2].upper() for name in part["outcome"]], colour)
        ax.set_title(title)
        ax.set_xlabel("years of PAD per log unit of lesion volume")
    caption = (
        "Change of PAD when the lesion is 2.7 times as large, with 95 % interval; adjusted for the covariates, random "
        "intercept for site. Filled: corrected p < 0.05."
    )
    return Picture(to_svg(figure), "Lesion volume and regional PAD", caption)


def pad_and_thickness(pads: pd.DataFrame, thickness: pd.DataFrame) -> Picture:
    """Standardised effect of log lesion volume on every PAD beside that on the same region's thinning."""
    networks = {
        side: list(
            dict.fromkeys(n.split("_", 2)[2] for n in thickness["outcome"] if n.startswith(f"thickness_{side}_"))
        )
        for side in ("ipsi", "contra")
    }
    tallest = max(map(len, networks.values()))
    figure = Figure(figsize=(10.4, 1.05 + 0.3 * tallest))
    axes = figure.subplots(1, 2, sharex=True)
    _beside(figure, [name for names in networks.values() for name in names], text_inch=0.15)
    looks = (("PAD", pads, "pad", 1, "o", -0.14), ("thinning", thickness, "thickness", -1, "s", 0.14))
    for ax, side, colour in zip(axes, ("ipsi", "contra"), (ORANGE, BLUE), strict=True):
        names = networks[side]
        for label, table, kind, sign, marker, offset in looks:
            rows = table[(table["model"] == "volume") & (table["term"] == "log_lesion_volume")].set_index("outcome")
            look = {"color": colour if kind == "pad" else MUTED, "lw": 1.6}
            for y, name in enumerate(names):
                row = rows.loc[f"{kind}_{side}_{name}"] if f"{kind}_{side}_{name}" in rows.index else None
                if row is None or not np.isfinite(row["std_beta"]) or row["estimate"] == 0:
                    continue
                scale = sign * row["std_beta"] / row["estimate"]
                ax.plot(
                    [scale * row["ci_low"], scale * row["ci_high"]], [y + offset] * 2, solid_capstyle="butt", **look
                )
                filled = look["color"] if row["p_fdr"] < 0.05 else "white"
                ax.plot(sign * row["std_beta"], y + offset, marker, ms=5, mfc=filled, mec=look["color"], mew=1.3)
            ax.plot([], [], marker, color=look["color"], ls="-", ms=5, label=label)
        for y in range(0, len(names), 2):
            ax.axhspan(y - 0.5, y + 0.5, color=FAINT, lw=0, zorder=0)
        ax.axvline(0, color=MUTED, lw=0.8)
        ax.set_yticks(range(len(names)), [name.upper() for name in names])
        ax.set_ylim(tallest - 0.5, -0.5)
        ax.set_title({"ipsi": "Ipsilesional", "contra": "Contralesional"}[side])
        ax.set_xlabel("standardised β of log lesion volume")
        ax.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderpad=0, fontsize=8.5)
        bare(ax)
    caption = (
        "The same model for each region's PAD and for the thinning of its cortex (thickness with the sign turned), in "
        "standard deviations, with 95 % intervals. Where the two lie together, the effect on PAD is no larger than "
        "that on plain thickness. Filled: corrected p < 0.05."
    )
    return Picture(to_svg(figure), "PAD beside plain cortical thickness", caption)


def loads_heatmap(table: pd.DataFrame) -> Picture:
    """Standardised coefficient of every load for every PAD; a dot where the corrected p is below 0.05."""
    loads, outcomes = list(dict.fromkeys(table["load"])), list(dict.fromkeys(table["outcome"]))
    grid = table.pivot(index="load", columns="outcome", values="std_beta").loc[loads, outcomes]
    p = table.pivot(index="load", columns="outcome", values="p_fdr").loc[loads, outcomes]
    values = grid.to_numpy(float)
    limit = symmetric_limit(values, 0.1)
    width, height = 2.6 + 0.34 * len(outcomes), 1.5 + 0.27 * len(loads)
    figure = Figure(figsize=(max(width, 5.5), height))
    ax = figure.add_axes((1.35 / figure.get_figwidth(), 1.05 / height, 0.34 * len(outcomes) / figure.get_figwidth(),
                          0.27 * len(loads) / height))  # fmt: skip
    image = ax.imshow(values, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    for i, j in zip(*np.where(~np.isfinite(values)), strict=True):
        ax.add_patch(_hatched_cell(j, i))
    for i, j in zip(*np.where(p.to_numpy(float) < 0.05), strict=True):
        dark = abs(values[i, j]) > 0.65 * limit
        ax.plot(j, i, "o", ms=3.6, color="white" if dark else INK)
    ax.set_xticks(range(len(outcomes)), [words(o, short=True) for o in outcomes], rotation=90)
    ax.set_yticks(range(len(loads)), [words(name, short=True) for name in loads])
    ax.set_xticks(np.arange(-0.5, len(outcomes)), minor=True)
    ax.set_yticks(np.arange(-0.5, len(loads)), minor=True)
    ax.grid(which="minor", color="white", lw=1.2)
    ax.tick_params(which="both", length=0, colors=INK, labelsize=8)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_title("Rows: lesion load of.  Columns: PAD of.")
    bar = figure.add_axes((1 - 0.72 / figure.get_figwidth(), 1.05 / height, 0.13 / figure.get_figwidth(),
                           min(1.8, 0.27 * len(loads)) / height))  # fmt: skip
    figure.colorbar(image, cax=bar)
    bar.set_title("std β", fontsize=8, fontweight="normal")
    bar.tick_params(length=0, labelsize=8)
    bar.spines[:].set_visible(False)
    caption = (
        "Standardised coefficient of each load for each PAD, one model per cell. Dot: corrected p < 0.05 over the "
        "whole map. Hatched: nothing to estimate (constant or undetermined). Contralesional loads of one-sided lesions "
        "are mostly zero: few cases carry them."
    )
    return Picture(to_svg(figure), "Every lesion load and every PAD", caption)


def _hatched_cell(x: float, y: float) -> Rectangle:
    return Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor="#e9ebee", edgecolor=GREY, hatch="////", lw=0)


def forest_groups(table: pd.DataFrame, most: int = 16) -> Picture:
    """Adjusted mean differences, mild minus severe: loads (fraction) and PADs (years), strongest first."""
    kinds = [("Lesion loads (fraction)", "load_", PLUM, 3), ("PADs (years)", "pad_", BLUE, 2)]
    caption = (
        f"Adjusted mean difference between the motor groups with 95 % interval, the {most} strongest of each kind. "
        "Filled: corrected p < 0.05."
    )
    if table.get("top_predictor", pd.Series(dtype=bool)).any():
        caption += " » a leading predictor of the best classifier."
    return Picture(_groups(table, kinds, most), "What differs between mild and severe impairment", caption)


def forest_group_thickness(table: pd.DataFrame) -> Picture:
    """The same for the thickness (mm) of the regions of either side, on which PADs rest among other things."""
    kinds = [
        ("Ipsilesional thickness (mm)", "thickness_ipsi_", ORANGE, 3),
        ("Contralesional thickness (mm)", "thickness_contra_", BLUE, 3),
    ]
    caption = (
        "The same differences of plain cortical thickness, the baseline of every PAD. Thicker cortex where the PAD is "
        "lower says the same thing twice. Filled: corrected p < 0.05."
    )
    return Picture(_groups(table, kinds, len(table)), "Thickness in mild and severe impairment", caption)


def _groups(table: pd.DataFrame, kinds: list[tuple[str, str, str, int]], most: int) -> str:
    """Two forests beside each other: title, beginning of the variables' names, colour and digits of each."""
    parts = [table[table["variable"].str.startswith(start)] for _, start, _, _ in kinds]
    parts = [part.reindex(part["t"].abs().sort_values(ascending=False).index)[:most] for part in parts]
    tallest = max(len(part) for part in parts)
    figure = Figure(figsize=(10.4, 0.9 + 0.3 * tallest))
    axes = figure.subplots(1, 2)
    _beside(figure, [f"» {words(v, short=True)}" for part in parts for v in part["variable"]])
    for ax, part, (title, _, colour, digits) in zip(axes, parts, kinds, strict=True):
        stars = ["» " if top else "" for top in part.get("top_predictor", [False] * len(part))]
        _forest(
            ax, part, [s + words(v, short=True) for s, v in zip(stars, part["variable"], strict=True)], colour, digits
        )
        ax.set_ylim(tallest - 0.5, -0.5)
        ax.set_title(title)
        ax.set_xlabel("mild minus severe, adjusted")
    return to_svg(figure)


def _curves(found: ClassificationResult) -> list[tuple[str, np.ndarray, dict]]:
    """Name, held-out probabilities and look of every classifier's curve."""
    lines = []
    for name in found.table["classifier"]:
        look = {"color": _CURVES.get(name, GREY), "lw": 2.0 if name == NESTED else 1.3}
        if name not in _CURVES:
            look |= {"color": INK if name == "baseline" else GREY, "ls": "--", "lw": 1.3}
        lines.append((name, found.predictions[name].to_numpy(float), look))
    return lines


def roc_figure(found: ClassificationResult) -> Picture:
    """ROC curves of pooled held-out predictions with their areas and DeLong intervals."""
    rows, severe = found.table.set_index("classifier"), found.predictions["severe"].to_numpy(int)
    figure = Figure(figsize=(9.6, 4.6))
    ax = figure.add_axes((0.075, 0.115, 0.405, 0.845))
    ax.plot([0, 1], [0, 1], color=LINE, lw=1)
    for _, score, look in _curves(found):
        ax.plot(*roc_curve(severe, score)[:2], **look)
    ax.set(xlabel="1 − specificity", ylabel="Sensitivity (severe called severe)", xlim=(-0.005, 1), ylim=(0, 1.005))
    ax.set_aspect("equal")
    for name in ("top", "right"):
        ax.spines[name].set_visible(False)
    ax.tick_params(length=0)
    side = figure.add_axes((0.66, 0.13, 0.32, 0.8))
    for i, (name, _, look) in enumerate(_curves(found)):
        row = rows.loc[name]
        if np.isfinite(row["site_boot_ci_low"]):
            ends = [row["site_boot_ci_low"], row["site_boot_ci_high"]]
            side.plot(ends, [i, i], color=look["color"], lw=5, alpha=0.22, solid_capstyle="butt")
        side.plot([row["delong_ci_low"], row["delong_ci_high"]], [i, i], color=look["color"], lw=1.6)
        side.plot(row["auc"], i, "o", color=look["color"], ms=6)
        side.text(row["auc"], i - 0.17, f"{row['auc']:.3f}", ha="center", va="bottom", fontsize=8)
    side.axvline(0.5, color=MUTED, lw=0.8)
    side.set_yticks(range(len(rows)), [_wrapped(name) for name in rows.index])
    side.set_ylim(len(rows) - 0.5, -0.6)
    side.set_xlabel("AUC")
    bare(side)
    caption = (
        "Left: every case predicted by a model that never saw its site. Right: area under the curve with DeLong's 95 % "
        "interval (line) and the interval when whole sites are drawn with replacement (band). Dashed and grey: the "
        "baselines, plain logistic regressions."
    )
    return Picture(to_svg(figure), "Telling severe from mild impairment", caption)


def _wrapped(name: str) -> str:
    return {"baseline": "baseline: age, sex, volume"}.get(name, name)


def calibration_figure(found: ClassificationResult) -> Picture:
    """Observed share of severe cases against predicted probability, nested choice and baseline."""
    y = found.predictions["severe"].to_numpy(int)
    figure = Figure(figsize=(9.6, 4.0))
    axes = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=0.075, right=0.985, top=0.91, bottom=0.14, wspace=0.1)
    for ax, name, colour in zip(axes, (NESTED, "baseline"), (BLUE, INK), strict=True):
        probability = found.predictions[name].to_numpy(float)
        ax.plot([0, 1], [0, 1], color=LINE, lw=1)
        for predicted, share, low, high, _ in calibration_bins(y, probability):
            ax.plot([predicted, predicted], [low, high], color=colour, lw=1.3, alpha=0.6)
            ax.plot(predicted, share, "o", color=colour, ms=5.5)
        weights = np.full(len(y), 0.8 / len(y))
        ax.hist(probability, bins=np.linspace(0, 1, 41), weights=weights, color=colour, alpha=0.18)
        row = found.table.set_index("classifier").loc[name]
        ax.set_title(f"{_wrapped(name)}: slope {plain(row['calibration_slope'], 2)}, Brier {plain(row['brier'], 3)}")
        ax.set(xlabel="Predicted probability of severe", xlim=(0, 1), ylim=(0, 1))
        for spine in ("top", "right"):
            ax.spines[spine].set_visible(False)
        ax.tick_params(length=0)
    axes[0].set_ylabel("Observed share of severe")
    caption = (
        "Cases in bins of equal size by predicted probability: observed share with its 95 % interval. On the diagonal, "
        "predictions mean what they say. The shadow below is the spread of the predictions."
    )
    return Picture(to_svg(figure), "Can the predicted probabilities be taken at their word?", caption)


def importance_figure(found: ClassificationResult) -> Picture:
    """Drop of AUC when a block is shuffled, best classifier: kinds of columns, networks, single columns."""
    mine = found.importance[found.importance["classifier"] == found.best]
    panels = [("Kinds", "group"), ("Networks", "network"), ("Single columns", "column")]
    parts = [mine[mine["kind"] == kind].sort_values("auc_drop", ascending=False)[:12] for _, kind in panels]
    figure = Figure(figsize=(10.4, 0.95 + 0.26 * max(len(p) for p in parts)))
    axes = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.15, right=0.985, wspace=0.75, top=1 - 0.35 / figure.get_figheight(),
                           bottom=0.5 / figure.get_figheight())  # fmt: skip
    tallest = max(len(p) for p in parts)
    for ax, (title, kind), part in zip(axes, panels, parts, strict=True):
        for i, (_, row) in enumerate(part.iterrows()):
            ax.barh(
                i, row["auc_drop"], height=0.62, color=_CURVES[found.best], alpha=0.85 if row["ci_low"] > 0 else 0.35
            )
            ax.plot([row["ci_low"], row["ci_high"]], [i, i], color=INK, lw=1)
        names = [_block(name, kind) for name in part["block"]]
        ax.set_yticks(range(len(part)), names, fontsize=8)
        ax.set_ylim(tallest - 0.4, -0.6)
        ax.axvline(0, color=MUTED, lw=0.8)
        ax.set_title(title)
        ax.set_xlabel("drop of AUC")
        bare(ax)
    caption = (
        f"How much the AUC of the {found.best} falls when the columns of a block are shuffled together among held-out "
        "people (mean and 95 % range of the shuffles). Correlated columns share their worth: read the blocks first."
    )
    return Picture(to_svg(figure), "What the best classifier uses", caption)


def _block(block: str, kind: str) -> str:
    """A block's name for a reader: fpn PADs -> FPN PADs, load_ipsi_fpn -> ipsi FPN load."""
    if kind == "network":
        return " ".join([block.split()[0].upper(), *block.split()[1:]])
    if kind == "column" and block.startswith(("pad_", "load_ipsi_", "load_contra_", "thickness_")):
        return f"{words(block, short=True)} {'PAD' if block.startswith('pad_') else block.split('_')[0]}"
    return words(block) if kind == "column" else block
