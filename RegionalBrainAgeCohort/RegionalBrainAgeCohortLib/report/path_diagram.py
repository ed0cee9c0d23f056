"""Path diagram of a structural equation model.

Observed variables are boxes, latent ones ellipses; arrows carry standardised estimates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch
from RegionalBrainAgeLib.files.wording import with_minus

from ..sem.path_model import SemResult
from .figure_style import BLUE, INK, MUTED, ORANGE, Picture, to_svg, words

_BOX_W, _BOX_H = 2.25, 0.62
_STEP_X, _STEP_Y = 4.4, 1.75
_ARC = 1.25  # how high an arrow rises to pass over a box
# Size of a label of two lines, in inches, and where along its arrow it may stand, the best place first.
_LABEL_INCH = np.array([0.64, 0.23])
_ROUNDS = 6
_ALONG = sorted(np.linspace(0.15, 0.85, 29), key=lambda part: abs(part - 0.5))


def draw_paths(result: SemResult, title: str) -> Picture:
    """Diagram of `result`: arrows coloured by sign, as wide as the effect is large; dashed where p >= 0.05."""
    paths = result.paths
    arrows = paths[paths["op"].isin(["~", "=~"])]
    spans = paths[(paths["op"] == "~~") & (paths["lhs"] != paths["rhs"]) & (paths["se"] > 0)]
    edges = [(r.rhs, r.lhs) if r.op == "~" else (r.lhs, r.rhs) for r in arrows.itertuples()]
    place = layout(edges, [*result.specification.observed, *result.specification.latent])
    xs, ys = np.array(list(place.values())).T
    room = _ARC if any(_passes(place, *edge) for edge in edges) else 0.0
    width, height = np.ptp(xs) + _BOX_W + 0.8, np.ptp(ys) + _BOX_H + 0.95 + room
    inch = max(0.6, min(0.82, 10.4 / width))
    figure = Figure(figsize=(max(6.0, inch * width), max(2.4, inch * height)))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(xs.min() - _BOX_W / 2 - 0.4, xs.max() + _BOX_W / 2 + 0.4),
           ylim=(ys.min() - _BOX_H / 2 - 0.75, ys.max() + _BOX_H / 2 + 0.2 + room), aspect="equal")  # fmt: skip
    ax.axis("off")
    along = [_arrow(ax, place, *edge, row) for edge, row in zip(edges, arrows.itertuples(), strict=True)]
    # A box with the R² below it is about two boxes high.
    boxes = [Place(x, y - _BOX_H / 2, _BOX_W, 2 * _BOX_H) for x, y in place.values()]
    spots = free_places(along, _LABEL_INCH * width / figure.get_figwidth(), boxes)
    for spot, row in zip(spots, arrows.itertuples(), strict=True):
        _label(ax, spot, row)
    for row in spans.itertuples():
        a, b = np.array(place[row.lhs]), np.array(place[row.rhs])
        ax.add_patch(
            FancyArrowPatch(_point(_edge(a, b)), _point(_edge(b, a)), arrowstyle="<->",
                            connectionstyle="arc3,rad=0.35", color=MUTED, lw=0.9, mutation_scale=9)
        )  # fmt: skip
    explained = _explained(result)
    for name, (x, y) in place.items():
        _node(ax, name, x, y, name in result.specification.latent, explained.get(name))
    fit = {m: result.measure(m) for m in ("chi2", "df", "p", "cfi", "tli", "rmsea", "srmr", "aic")}
    text = (
        f"n = {result.n} · χ² = {fit['chi2']:.2f}, df = {fit['df']:.0f}"
        + (f", p = {fit['p']:.3f}" if np.isfinite(fit["p"]) else "")
        + f" · CFI {fit['cfi']:.3f} · TLI {fit['tli']:.3f} · RMSEA {fit['rmsea']:.3f} · SRMR {fit['srmr']:.3f}"
        + f" · AIC {fit['aic']:.1f}"
    )
    figure.text(0.5, 0.025, with_minus(text), ha="center", va="bottom", fontsize=8, color=MUTED)
    caption = (
        "Standardised estimates with "
        + ("95 % bootstrap intervals" if result.draws else "95 % intervals (delta method)")
        + ". Orange positive, blue negative, dashed where p ≥ 0.05. R²: share explained. Cross-sectional data cannot "
        "tell which way an arrow points."
    )
    return Picture(to_svg(figure), title, caption)


def layout(edges: list[tuple[str, str]], names: list[str]) -> dict[str, tuple[float, float]]:
    """Places nodes from left to right along the arrows, each column spread and ordered to keep arrows short."""
    depth = dict.fromkeys(names, 0)
    for _ in names:  # a loop stops growing after as many rounds as there are nodes
        for begin, end in edges:
            if depth[end] < depth[begin] + 1 <= len(names):
                depth[end] = depth[begin] + 1
    for name in names:
        after = [depth[end] for begin, end in edges if begin == name]
        if after and not any(end == name for _, end in edges):
            depth[name] = min(after) - 1
    columns: dict[int, list[str]] = {}
    for name in names:
        columns.setdefault(depth[name], []).append(name)
    place: dict[str, tuple[float, float]] = {}
    for number, level in enumerate(sorted(columns)):
        members = columns[level]
        if number:
            middle = {n: np.mean([place[b][1] for b, e in edges if e == n and b in place] or [0.0]) for n in members}
            members = sorted(members, key=lambda n: -middle[n])
        for i, name in enumerate(members):
            place[name] = (number * _STEP_X, ((len(members) - 1) / 2 - i) * _STEP_Y)
    return place


@dataclass(frozen=True)
class Place:
    """A rectangle of the diagram by its middle and size."""

    x: float
    y: float
    width: float
    height: float

    def overlap(self, other: Place) -> float:
        """Area that two rectangles share."""
        wide = min(self.x + self.width / 2, other.x + other.width / 2) - max(
            self.x - self.width / 2, other.x - other.width / 2
        )
        high = min(self.y + self.height / 2, other.y + other.height / 2) - max(
            self.y - self.height / 2, other.y - other.height / 2
        )
        return max(wide, 0.0) * max(high, 0.0)


def free_places(along: list[list[np.ndarray]], size: np.ndarray, boxes: list[Place]) -> list[Place]:
    """A place for every label where it covers least of the boxes and of the other labels.

    Each label in turn takes its best place beside where the others are, a few times over.

    Parameters
    ----------
    along : for each label the points where it may stand, the best first. size : (2,) of a label.
    """
    spots = [Place(*points[0], *size) for points in along]
    for _ in range(_ROUNDS):
        for number, points in enumerate(along):
            others = [*boxes, *spots[:number], *spots[number + 1 :]]
            choices = [Place(*point, *size) for point in points]
            spots[number] = min(choices, key=lambda one: sum(one.overlap(other) for other in others))
    return spots


def _arrow(ax: Axes, place: dict, begin: str, end: str, row: Any) -> list[np.ndarray]:
    """Draws an arrow and tells where along it a label may stand, the best place first."""
    a, b = np.array(place[begin]), np.array(place[end])
    value = row.std_all
    colour = ORANGE if value > 0 else BLUE
    sure = not np.isfinite(row.p) or row.p < 0.05
    bend = 2 * _ARC / np.hypot(*(b - a)) if _passes(place, begin, end) else 0.0
    lift = np.array([0.0, _BOX_H * 3]) if bend else np.zeros(2)
    start, stop = _edge(a, b + lift), _edge(b, a + lift)
    width = 0.9 + 5 * min(abs(value), 0.8)
    ax.add_patch(
        FancyArrowPatch(_point(start), _point(stop), arrowstyle="-|>", mutation_scale=13, color=colour, lw=width,
                        ls="-" if sure else (0, (3, 2)), connectionstyle=f"arc3,rad={-bend}", shrinkA=0, shrinkB=0,
                        joinstyle="miter")
    )  # fmt: skip
    rise = np.array([0.0, bend * np.hypot(*(stop - start))])
    return [start + part * (stop - start) + 2 * part * (1 - part) * rise for part in _ALONG]


def _label(ax: Axes, spot: Place, row: Any) -> None:
    value, low, high = row.std_all, row.std_boot_ci_low, row.std_boot_ci_high
    if not np.isfinite(low):
        low, high = value - 1.96 * row.std_se, value + 1.96 * row.std_se
    label = f"{value:.2f}" + (f"\n({low:.2f}, {high:.2f})" if row.se > 0 else "\n(fixed)")
    ax.text(spot.x, spot.y, with_minus(label), ha="center", va="center", fontsize=7.6, linespacing=1.15,
            color=INK, zorder=6, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})  # fmt: skip


def _passes(place: dict, begin: str, end: str) -> bool:
    """Whether the straight arrow would run through another box."""
    a, b = np.array(place[begin]), np.array(place[end])
    others = [np.array(spot) for name, spot in place.items() if name not in (begin, end)]
    return any(_distance(spot, a, b) < 0.62 * _BOX_H for spot in others)


def _distance(point: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """Distance of a point from the segment a-b."""
    along = b - a
    share = np.clip((point - a) @ along / max(along @ along, 1e-9), 0, 1)
    return float(np.hypot(*(point - a - share * along)))


def _edge(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where the line from the middle of box `a` towards `b` leaves the box, with a little air."""
    d = b - a
    scale = max(abs(d[0]) / (_BOX_W / 2 + 0.06), abs(d[1]) / (_BOX_H / 2 + 0.06), 1e-9)
    return a + d / scale


def _point(xy: np.ndarray) -> tuple[float, float]:
    return float(xy[0]), float(xy[1])


def _node(ax: Axes, name: str, x: float, y: float, latent: bool, explained: float | None) -> None:
    look: dict[str, Any] = {"facecolor": "white", "edgecolor": INK, "lw": 1.1, "zorder": 5}
    if latent:
        ax.add_patch(Ellipse((x, y), _BOX_W, _BOX_H * 1.25, **look))
    else:
        ax.add_patch(
            FancyBboxPatch(
                (x - _BOX_W / 2, y - _BOX_H / 2), _BOX_W, _BOX_H, boxstyle="round,pad=0,rounding_size=0.1", **look
            )
        )
    label = words(name)
    if len(label) > 20 and " " in label:
        half = min((i for i, c in enumerate(label) if c == " "), key=lambda i: abs(i - len(label) / 2))
        label = label[:half] + "\n" + label[half + 1 :]
    ax.text(x, y, label, ha="center", va="center", fontsize=8.4, zorder=7, linespacing=1.1)
    if explained is not None:
        ax.text(x, y - _BOX_H * (0.82 if latent else 0.7), f"R² {explained:.2f}", ha="center", va="top", fontsize=7.2,
                color=MUTED, zorder=7)  # fmt: skip


def _explained(result: SemResult) -> dict[str, float]:
    """R² of every variable that arrows point at: one minus its standardised residual variance."""
    paths = result.paths
    pointed = {r.lhs if r.op == "~" else r.rhs for r in paths[paths["op"].isin(["~", "=~"])].itertuples()}
    own = paths[(paths["op"] == "~~") & (paths["lhs"] == paths["rhs"])]
    return {r.lhs: 1 - r.std_all for r in own.itertuples() if r.lhs in pointed}
