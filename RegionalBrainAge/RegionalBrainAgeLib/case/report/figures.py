"""The pictures of a case's report: what may be read, painted on the cortex, and what the measurement rests on."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ...figures import palette
from ...figures.marks import label_borders, mark_lesion, outline, plane_labels, region_colours, slice_rgb
from ...figures.palette import AmountScale, YearsScale, load_limit, rgb, years_limit
from ...figures.quiet_style import drawing_style
from ...figures.surface import Surface, shade, trimmed
from ...files.wording import with_minus
from ..result.result import CaseResult
from .reading import calibrated, regions, whole_name
from .scene import Scene

# Pixels between the pictures of a row.
GAP = 4
WIDTH_INCHES = 10.4
PLANES = 7
STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 9,
    "text.color": palette.INK,
}


@dataclass(frozen=True)
class Bar:
    """A colour bar: RGB of shape (1, N, 3) from `low` to `high`, with its ticks and what it measures."""

    colours: np.ndarray
    low: float
    high: float
    label: str
    signed: bool = False


def map_jpg(scene: Scene, views: Sequence[Surface], result: CaseResult) -> bytes:
    """The brain coloured by what may be read of it; grey inside the healthy range.

    Calibrated: the corrected PAD. Not calibrated: each region's deviation from the global age (`whole_name`).
    """
    found = [regions(result)[row.region] for row in result.regions]
    values = np.array([reading.value_years for reading in found])
    outside = np.array([reading.outside != 0 for reading in found])
    scale = YearsScale(years_limit(values[outside]))
    places = np.linspace(-scale.limit, scale.limit, 256)
    than = "expected for the age" if calibrated(result) else whole_name(result)
    bar = Bar(
        scale.colours(places, np.ones(256, bool))[None], -scale.limit, scale.limit,
        f"years younger (−) or older (+) than {than}", True,
    )  # fmt: skip
    keys = [Patch(facecolor=palette.NEUTRAL, label="inside the healthy range")]
    return _brain(scene, views, scale.colours(values, outside), np.isfinite(values), bar, keys)


def load_jpg(scene: Scene, views: Sequence[Surface], result: CaseResult) -> bytes:
    """The brain coloured by lesion load; grey where there is none."""
    loads = np.array([100 * row.load_fraction for row in result.regions])
    scale = AmountScale(0.0, 100 * load_limit([row.load_fraction for row in result.regions]))
    places = np.linspace(1e-6, scale.high, 256)
    bar = Bar(scale.colours(places)[None], 0, scale.high, "% of the region lesioned")
    return _brain(
        scene, views, scale.colours(loads), np.isfinite(loads), bar, [Patch(facecolor=palette.NEUTRAL, label="no load")]
    )


def brain_mask_jpg(scene: Scene) -> bytes:
    """Axial slices with the brain's outline and the lesion, to see skull taken for brain and brain cut off."""
    tiles = []
    for k in _levels(scene.lesion if scene.lesion.any() else scene.brain, scene.brain, PLANES):
        picture = slice_rgb(scene.t1[:, :, k], 2)
        picture[outline(plane_labels(scene.brain[:, :, k], 2))] = rgb(palette.BRAIN_OUTLINE)
        mark_lesion(picture, plane_labels(scene.lesion[:, :, k], 2))
        tiles.append(picture)
    return _strip(tiles, [("R", "L")] * PLANES)


def registration_jpgs(scene: Scene) -> list[bytes]:
    """The head, and the template brought onto it, with the same parcel borders: two pictures to flick between.

    Where nothing was registered there is this head alone.
    """
    middle = [int(np.median(c)) for c in np.nonzero(scene.brain)]
    labels = scene.parcel if scene.parcel is not None else scene.region
    to_left = bool(2 * np.count_nonzero(scene.lesion & scene.left) > np.count_nonzero(scene.lesion) > 0)
    pictures = []
    for gray in (scene.t1, *([scene.template] if scene.template is not None else [])):
        tiles = []
        for plane in _three_planes(scene, middle, to_left):
            picture = slice_rgb(gray[plane], 2)
            borders = label_borders(plane_labels(labels[plane], 2))
            picture[borders] = 0.35 * picture[borders] + 0.65 * rgb(palette.PARCEL_BORDER)
            if gray is scene.t1:
                mark_lesion(picture, plane_labels(scene.lesion[plane], 2))
            tiles.append(picture)
        title = "this head" if gray is scene.t1 else "template brought onto this head"
        side = "L" if to_left else "R"
        pictures.append(_strip(tiles, [("R", "L"), ("R", "L"), (f"A  {side}", "P")], title=title))
    return pictures


def thickness_jpg(scene: Scene) -> bytes | None:
    """Axial slices with cortical thickness in colour; None where no map of it can be drawn."""
    if scene.thickness is None:
        return None
    low, high = palette.THICKNESS_RANGE_MM
    scale = AmountScale(low, high, palette.THICKNESS)
    tiles = []
    for k in _levels(scene.brain, scene.brain, PLANES):
        picture = slice_rgb(scene.t1[:, :, k], 2)
        values = plane_labels(scene.thickness[:, :, k], 2)
        there = np.isfinite(values)
        picture[there] = scale.colours(values[there])
        mark_lesion(picture, plane_labels(scene.lesion[:, :, k], 2))
        tiles.append(picture)
    bar = Bar(scale.colours(np.linspace(low, high, 256))[None], low, high, "mm of cortex")
    return _strip(tiles, [("R", "L")] * PLANES, bar=bar)


def _brain(
    scene: Scene, views: Sequence[Surface], colours: np.ndarray, estimable: np.ndarray, bar: Bar, keys: list[Patch]
) -> bytes:
    surfaces = [trimmed(shade(view, colours, estimable), view.hit) for view in views]
    levels = _levels(scene.lesion if scene.lesion.any() else scene.brain, scene.brain, PLANES)
    slices = [_region_slice(scene, k, colours, estimable) for k in levels]
    top, bottom = _join(surfaces, gap=24, fill=1.0), _join(slices)
    heights = [WIDTH_INCHES * picture.shape[0] / picture.shape[1] for picture in (top, bottom)]
    total = 0.25 + heights[0] + 0.12 + heights[1] + 0.66
    with drawing_style(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, total), facecolor="white")
        above = figure.add_axes((0, 1 - (0.25 + heights[0]) / total, 1, heights[0] / total))
        above.imshow(top, interpolation="lanczos")
        left = 0
        for view, surface in zip(views, surfaces, strict=True):
            # The title sits on the picture, which is centred in its row.
            y, width = (top.shape[0] - surface.shape[0]) / 2, surface.shape[1]
            above.text(left + width / 2, y - 12, view.view.name, ha="center", fontsize=9, color=palette.MUTED)
            for x, letter in zip((0.0, 1.0), view.view.ends, strict=True):
                bold = "bold" if letter in "LR" else "normal"
                above.text(
                    left + x * width,
                    y + surface.shape[0],
                    letter,
                    ha=("left", "right")[int(x)],
                    fontsize=9,
                    weight=bold,
                )
            left += width + 24
        below = figure.add_axes((0, 0.66 / total, 1, heights[1] / total))
        below.imshow(bottom)
        _mark_ends(below, slices, [("R", "L")] * len(slices))
        for axes in (above, below):
            axes.axis("off")
        _colour_bar(figure, bar)
        _keys(figure, keys, lesion=bool(scene.lesion.any()), dotted=not estimable.all())
        return _image(figure)


def _region_slice(scene: Scene, k: int, colours: np.ndarray, estimable: np.ndarray) -> np.ndarray:
    picture = slice_rgb(scene.t1[:, :, k], 2)
    labels = plane_labels(scene.region[:, :, k], 2)
    there = labels > 0
    painted = region_colours(labels, colours, estimable)
    picture[there] = painted[there] * np.clip(0.45 + 0.65 * picture[there], 0, 1)
    mark_lesion(picture, plane_labels(scene.lesion[:, :, k], 2))
    return picture


def _levels(where: np.ndarray, brain: np.ndarray, count: int) -> list[int]:
    """Axial levels spread over the brain, shifted so that one passes through the middle of `where`."""
    low, high = np.percentile(np.nonzero(brain)[2], (8, 96))
    levels = np.linspace(low, high, count)
    centre = np.median(np.nonzero(where)[2])
    shift = centre - levels[np.argmin(abs(levels - centre))]
    return [round(level) for level in np.clip(levels + shift, 0, brain.shape[2] - 1)]


def _three_planes(scene: Scene, at: Sequence[int], to_left: bool) -> list[tuple]:
    """An axial, a coronal and a sagittal cut; the last through the left hemisphere if `to_left`."""
    off_middle = int(np.clip(at[0] + (-30 if to_left else 30), 0, scene.t1.shape[0] - 1))
    every = slice(None)
    return [(every, every, at[2] + 12), (every, at[1], every), (off_middle, every, every)]


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
    tiles: Sequence[np.ndarray], ends: Sequence[tuple[str, str]], title: str = "", bar: Bar | None = None
) -> bytes:
    """Pictures in a row; `ends` are the letters at the lower corners of each."""
    picture = _join(tiles)
    height = WIDTH_INCHES * picture.shape[0] / picture.shape[1]
    above, below = 0.26 if title else 0.0, 0.66 if bar is not None else 0.0
    total = above + height + below
    with drawing_style(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, total), facecolor="white")
        if title:
            figure.text(0.002, 1 - 0.19 / total, title, fontsize=9, color=palette.MUTED)
        axes = figure.add_axes((0, below / total, 1, height / total))
        axes.imshow(picture)
        axes.axis("off")
        _mark_ends(axes, tiles, ends)
        if bar is not None:
            _colour_bar(figure, bar)
        return _image(figure)


def _mark_ends(axes, tiles: Sequence[np.ndarray], ends: Sequence[tuple[str, str]]) -> None:
    """Letters at the lower corners of every picture of a row."""
    height = max(tile.shape[0] for tile in tiles)
    left = 0
    for tile, letters in zip(tiles, ends, strict=True):
        width = tile.shape[1]
        for x, letter, side in zip((0.03, 0.97), letters, ("left", "right"), strict=True):
            axes.text(left + x * width, 0.97 * height, letter, color="white", fontsize=8, weight="bold", ha=side)
        left += width + GAP


def _colour_bar(figure: Figure, bar: Bar) -> None:
    inch = 1 / figure.get_figheight()
    axes = figure.add_axes((0.012, 0.42 * inch, 0.34, 0.12 * inch))
    axes.imshow(bar.colours, aspect="auto", extent=(bar.low, bar.high, 0, 1))
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(lambda value, _: with_minus(f"{value:+g}" if bar.signed and value else f"{value:g}"))
    axes.tick_params(length=0, labelsize=8, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.text(0.012, 0.06 * inch, bar.label, fontsize=9, color=palette.MUTED)


def _keys(figure: Figure, handles: list[Patch], lesion: bool, dotted: bool) -> None:
    if dotted:
        face, dots = palette.NOT_ESTIMABLE, palette.NOT_ESTIMABLE_DOTS
        handles = [Patch(facecolor=face, edgecolor=dots, hatch="....", lw=0, label="not estimable"), *handles]
    if lesion:
        handles = [Patch(facecolor="#4a4a46", edgecolor=palette.LESION, hatch="/////", label="lesion"), *handles]
    handles = [*handles, Patch(facecolor=palette.NO_REGION, edgecolor=palette.LINE, label="in no region")]
    figure.legend(
        handles=handles, loc="lower right", bbox_to_anchor=(0.998, 0.3 / figure.get_figheight()), ncols=len(handles),
        frameon=False, fontsize=9, handlelength=1.6, columnspacing=1.2, handletextpad=0.5,
    )  # fmt: skip


def _image(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="jpeg", dpi=140, pil_kwargs={"quality": 88, "subsampling": 0})
    return stream.getvalue()
