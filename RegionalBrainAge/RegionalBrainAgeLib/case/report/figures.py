"""The pictures of a case's report: quality check, regions by value, and the two sides compared.

Colours are safe for colour-blind readers: blue (younger) through paper to orange (older), symmetric about zero. The
lesion is hatched, a region that is not estimable is dotted grey: neither can be taken for a difference of zero.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..result.result import CaseResult
from .render import (
    HATCH_RGB,
    LESION_RGB,
    NO_REGION_RGB,
    NOT_ESTIMABLE_DARK_RGB,
    NOT_ESTIMABLE_RGB,
    Stage,
    Surface,
    label_borders,
    mark_lesion,
    outline,
    plane_labels,
    region_colours,
    shade,
    slice_rgb,
)

INK, MUTED, LINE = "#1d2733", "#66717d", "#d5dae0"
PAD_MAP = LinearSegmentedColormap.from_list("pad", ["#1f4e79", "#6ba3c8", "#f4f1ea", "#e29a5e", "#96340f"])
LOAD_MAP = LinearSegmentedColormap.from_list("load", ["#f4f1ea", "#d5a6bd", "#9c4f86", "#4b1d52"])
THICKNESS_MAP = matplotlib.colormaps["viridis"]
THICKNESS_RANGE_MM = (1.0, 5.0)
# Pixels between the pictures of a row.
GAP = 4
WIDTH_INCHES = 10.4
SMALLEST_PAD_LIMIT_YEARS = 10.0
SMALLEST_LOAD_LIMIT = 0.10
STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "regional-brain-age",
}
CONVENTION = "Radiological convention: the patient's left is on the right of each slice."


def pad_limit_years(pads: Sequence[float]) -> float:
    """Symmetric end of the PAD colour scale: the largest absolute difference, up to the next 5 years, at least 10."""
    largest = max((abs(p) for p in pads if math.isfinite(p)), default=0.0)
    return max(SMALLEST_PAD_LIMIT_YEARS, 5.0 * math.ceil(largest / 5.0))


def load_limit(loads: Sequence[float]) -> float:
    """End of the load colour scale: the largest load, up to the next tenth, at least a tenth."""
    largest = max((value for value in loads if math.isfinite(value)), default=0.0)
    return max(SMALLEST_LOAD_LIMIT, min(1.0, math.ceil(largest * 10 - 1e-9) / 10))


def overview_png(stage: Stage, planes: int = 7) -> bytes:
    """Axial slices of the head with the brain's outline and the lesion: is everything where it should be?"""
    cuts = _levels(stage.lesion if stage.lesion.any() else stage.brain, stage.brain, planes)
    tiles = []
    for k in cuts:
        rgb = slice_rgb(stage.t1[:, :, k], 2)
        rgb[outline(plane_labels(stage.brain[:, :, k], 2))] = (0.30, 0.62, 0.86)
        mark_lesion(rgb, plane_labels(stage.lesion[:, :, k], 2))
        tiles.append(rgb)
    return _strip([tiles], ["brain outline (blue)" + (" and lesion (hatched)" if stage.lesion.any() else "")])


def registration_png(stage: Stage) -> bytes:
    """The head above the template brought onto it, with the borders of the parcels: are the parcels on their gyri?"""
    middle = [int(np.median(c)) for c in np.nonzero(stage.brain)]
    labels = stage.parcel if stage.parcel is not None else stage.region
    rows: list[list[np.ndarray]] = [[], []]
    to_left = 2 * np.count_nonzero(stage.lesion & stage.left) > np.count_nonzero(stage.lesion) > 0
    for plane in _three_planes(stage, middle, to_left):
        for row, gray in enumerate((stage.t1, stage.template)):
            rgb = slice_rgb(gray[plane], 2)
            borders = label_borders(plane_labels(labels[plane], 2))
            rgb[borders] = 0.35 * rgb[borders] + 0.65 * np.array([0.98, 0.78, 0.25])
            if row == 0:
                mark_lesion(rgb, plane_labels(stage.lesion[plane], 2))
            rows[row].append(rgb)
    side = "left" if to_left else "right"
    titles = [
        f"this head, parcel borders{', lesion hatched' if stage.lesion.any() else ''}; "
        f"the third picture is a cut through the {side} hemisphere"
    ]
    titles.append("template brought onto this head, same borders")
    return _strip(rows, titles, ends=("RL", "RL", "AP"))


def thickness_png(stage: Stage, planes: int = 7) -> bytes | None:
    """Axial slices with cortical thickness in colour; None where FreeSurfer measured it."""
    if stage.thickness is None:
        return None
    low, high = THICKNESS_RANGE_MM
    tiles = []
    for k in _levels(stage.brain, stage.brain, planes):
        rgb = slice_rgb(stage.t1[:, :, k], 2)
        values = plane_labels(stage.thickness[:, :, k], 2)
        there = np.isfinite(values)
        rgb[there] = THICKNESS_MAP((values[there] - low) / (high - low))[:, :3]
        mark_lesion(rgb, plane_labels(stage.lesion[:, :, k], 2))
        tiles.append(rgb)
    return _strip([tiles], ["cortical thickness"], THICKNESS_MAP, Normalize(low, high), "mm")


def pad_png(stage: Stage, views: Sequence[Surface], result: CaseResult) -> bytes:
    """The brain coloured by corrected predicted age difference."""
    pads = np.array([row.pad_corrected_years for row in result.regions])
    limit = pad_limit_years(pads)
    estimable = np.array([row.estimable for row in result.regions])
    return _brain(
        stage, views, pads, estimable, PAD_MAP, Normalize(-limit, limit), "years older (+) or younger (−) than expected"
    )


def load_png(stage: Stage, views: Sequence[Surface], result: CaseResult) -> bytes:
    """The brain coloured by lesion load."""
    loads = np.array([100 * row.load_fraction for row in result.regions])
    limit = 100 * load_limit([row.load_fraction for row in result.regions])
    return _brain(stage, views, loads, np.isfinite(loads), LOAD_MAP, Normalize(0, limit), "% of the region lesioned")


def _brain(
    stage: Stage,
    views: Sequence[Surface],
    values: np.ndarray,
    estimable: np.ndarray,
    colour_map: LinearSegmentedColormap,
    norm: Normalize,
    label: str,
) -> bytes:
    colours = colour_map(norm(np.nan_to_num(values)))[:, :3]
    surfaces = [_trim(shade(view, colours, estimable), view.hit) for view in views]
    slices = [_region_slice(stage, k, colours, estimable) for k in _levels(stage.brain, stage.brain, 7)]
    top, bottom = _join(surfaces, gap=24, fill=1.0), _join(slices)
    heights = [WIDTH_INCHES * picture.shape[0] / picture.shape[1] for picture in (top, bottom)]
    total = 0.25 + heights[0] + 0.12 + heights[1] + 0.62
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, total), facecolor="white")
        above = figure.add_axes((0, 1 - (0.25 + heights[0]) / total, 1, heights[0] / total))
        above.imshow(top, interpolation="lanczos")
        left = 0
        for view, surface in zip(views, surfaces, strict=True):
            # The title sits on the picture, which is centred in its row.
            y = (top.shape[0] - surface.shape[0]) / 2
            above.text(left + surface.shape[1] / 2, y - 12, view.name, ha="center", fontsize=9, color=MUTED)
            left += surface.shape[1] + 24
        below = figure.add_axes((0, 0.62 / total, 1, heights[1] / total))
        below.imshow(bottom)
        _mark_ends(below, slices, ("RL",))
        for axes in (above, below):
            axes.axis("off")
        _colour_bar(figure, colour_map, norm, label)
        _keys(figure, lesion=bool(stage.lesion.any()), dotted=not estimable.all())
        return _png(figure)


def _region_slice(stage: Stage, k: int, colours: np.ndarray, estimable: np.ndarray) -> np.ndarray:
    rgb = slice_rgb(stage.t1[:, :, k], 2)
    labels = plane_labels(stage.region[:, :, k], 2)
    there = labels > 0
    shading = 0.35 + 0.75 * rgb.mean(axis=2, keepdims=True)
    painted = region_colours(labels, colours, estimable) * np.clip(shading, 0, 1)
    rgb[there] = painted[there]
    rgb[label_borders(labels)] *= 0.6
    mark_lesion(rgb, plane_labels(stage.lesion[:, :, k], 2))
    return rgb


def paired_svg(result: CaseResult) -> str:
    """Both sides of every network with intervals: filled is ipsilesional (or left), open contralesional (or right)."""
    first = result.lesion.side if result.one_sided else "L"
    second = "R" if first == "L" else "L"
    names = ("ipsilesional", "contralesional") if result.one_sided else ("left", "right")
    limit = 5.0
    with matplotlib.rc_context(STYLE):
        inside = 0.44 * len(result.networks)
        total = 0.45 + inside + 0.5
        figure = Figure(figsize=(7.4, total), facecolor="white")
        axes = figure.add_axes((0.085, 0.5 / total, 0.895, inside / total))
        for level, network in enumerate(result.networks):
            here = []
            for name, hemisphere, shift, face in zip(
                names, (first, second), (-0.15, 0.15), (INK, "white"), strict=True
            ):
                row = result.region(network, hemisphere)
                if not row.estimable:
                    axes.text(0, level + shift, f"  {name}: not estimable", va="center", fontsize=8, color=MUTED)
                    continue
                limit = max(limit, abs(row.pad_lower_years), abs(row.pad_upper_years))
                axes.plot([row.pad_lower_years, row.pad_upper_years], [level + shift] * 2, color="#b9c1c9", lw=2.4)
                here.append((row.pad_corrected_years, level + shift, face))
            if len(here) == 2:
                axes.plot([here[0][0], here[1][0]], [here[0][1], here[1][1]], color=INK, lw=0.9, zorder=3)
            for x, y, face in here:
                axes.plot(x, y, "o", ms=6.5, mfc=face, mec=INK, mew=1.2, zorder=4)
        axes.axvline(0, color=MUTED, lw=0.8, zorder=1)
        axes.set_ylim(len(result.networks) - 0.45, -0.55)
        axes.set_xlim(-1.06 * limit, 1.06 * limit)
        axes.set_yticks(range(len(result.networks)), result.networks, fontsize=10)
        axes.tick_params(length=0)
        axes.grid(axis="x", color=LINE, lw=0.6)
        axes.set_axisbelow(True)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_xlabel("corrected predicted age difference (years), bars: 90 % interval", color=MUTED)
        handles = [axes.plot([], [], "o", ms=6.5, mfc=face, mec=INK, mew=1.2, ls="")[0] for face in (INK, "white")]
        figure.legend(
            handles, names, loc="upper left", bbox_to_anchor=(0.075, 1.0), ncols=2, frameon=False, handletextpad=0.2
        )
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()[stream.getvalue().index("<svg") :]


def _levels(where: np.ndarray, brain: np.ndarray, count: int) -> list[int]:
    """Axial levels spread over the brain, shifted so that one passes through the middle of `where`."""
    low, high = np.percentile(np.nonzero(brain)[2], (8, 96))
    levels = np.linspace(low, high, count)
    centre = np.median(np.nonzero(where)[2])
    shift = centre - levels[np.argmin(abs(levels - centre))]
    return [round(level) for level in np.clip(levels + shift, 0, brain.shape[2] - 1)]


def _three_planes(stage: Stage, at: Sequence[int], to_left: bool) -> list[tuple]:
    """An axial, a coronal and a sagittal cut; the last through the left hemisphere if `to_left`."""
    off_middle = int(np.clip(at[0] + (-30 if to_left else 30), 0, stage.t1.shape[0] - 1))
    every = slice(None)
    return [(every, every, at[2] + 12), (every, at[1], every), (off_middle, every, every)]


def _trim(rgb: np.ndarray, hit: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(hit.any(1)), np.flatnonzero(hit.any(0))
    return rgb[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _join(tiles: Sequence[np.ndarray], gap: int = GAP, fill: float = 0.0) -> np.ndarray:
    """Pictures side by side, centred, with `fill` above and below the smaller ones and white between."""
    height = max(tile.shape[0] for tile in tiles)
    parts = []
    for tile in tiles:
        above = (height - tile.shape[0]) // 2
        parts += [
            np.pad(tile, ((above, height - tile.shape[0] - above), (0, 0), (0, 0)), constant_values=fill),
            np.ones((height, gap, 3)),
        ]
    return np.concatenate(parts[:-1], axis=1)


def _strip(
    rows: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    colour_map: LinearSegmentedColormap | None = None,
    norm: Normalize | None = None,
    label: str = "",
    ends: Sequence[str] = ("RL",),
) -> bytes:
    """Rows of pictures with titles above; `ends` are the letters at the lower corners of the first pictures."""
    pictures = [_join(tiles) for tiles in rows]
    heights = [WIDTH_INCHES * picture.shape[0] / picture.shape[1] for picture in pictures]
    below = 0.5 if colour_map is not None else 0.05
    total = sum(heights) + 0.26 * len(rows) + below
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, total), facecolor="white")
        top = total
        for tiles, picture, height, title in zip(rows, pictures, heights, titles, strict=True):
            top -= 0.26
            figure.text(0.002, (top + 0.07) / total, title, fontsize=9, color=MUTED)
            axes = figure.add_axes((0, (top - height) / total, 1, height / total))
            axes.imshow(picture)
            axes.axis("off")
            _mark_ends(axes, tiles, ends)
            top -= height
        if colour_map is not None:
            _colour_bar(figure, colour_map, norm, label)
        return _png(figure)


def _mark_ends(axes, tiles: Sequence[np.ndarray], ends: Sequence[str]) -> None:
    """Letters at the lower corners of the first pictures of a row: the patient's left is on the right of a slice."""
    height = max(tile.shape[0] for tile in tiles)
    left = 0
    for tile, letters in zip(tiles, ends, strict=False):
        width = tile.shape[1]
        for x, letter in zip((0.04, 0.95), letters, strict=True):
            axes.text(left + x * width, 0.96 * height, letter, color="white", fontsize=9, weight="bold", ha="center")
        left += width + GAP


def _colour_bar(figure: Figure, colour_map: LinearSegmentedColormap, norm: Normalize, label: str) -> None:
    inch = 1 / figure.get_figheight()
    axes = figure.add_axes((0.012, 0.33 * inch, 0.30, 0.12 * inch))
    axes.imshow(np.linspace(0, 1, 256)[None], aspect="auto", cmap=colour_map, extent=(norm.vmin, norm.vmax, 0, 1))
    axes.set_yticks([])
    axes.set_xticks(np.linspace(norm.vmin, norm.vmax, 5))
    axes.xaxis.set_major_formatter(
        lambda value, _: (f"{value:+g}" if norm.vmin < 0 and value else f"{value:g}").replace("-", "−")
    )
    axes.tick_params(length=0, labelsize=8, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.text(0.33, 0.33 * inch, label, fontsize=9, color=MUTED)


def _keys(figure: Figure, lesion: bool, dotted: bool) -> None:
    handles = [Patch(facecolor=NO_REGION_RGB, label="in no region")]
    if dotted:
        handles.insert(
            0, Patch(facecolor=NOT_ESTIMABLE_RGB, edgecolor=NOT_ESTIMABLE_DARK_RGB, hatch="....", label="not estimable")
        )
    if lesion:
        handles.insert(0, Patch(facecolor=LESION_RGB, edgecolor=HATCH_RGB, hatch="/////", label="lesion"))
    figure.legend(
        handles=handles, loc="lower right", bbox_to_anchor=(0.998, 0.22 / figure.get_figheight()), ncols=3,
        frameon=False, fontsize=9, handlelength=1.6, columnspacing=1.4, handletextpad=0.5,
    )  # fmt: skip


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=140, metadata={"Software": None})
    return stream.getvalue()
