"""Colour scales: from a number to a colour, the same for overlay, legend, 3D, table and plot."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from RegionalBrainAgeLib.figures import palette

NOT_ESTIMABLE_RGB = tuple(float(c) for c in palette.rgb(palette.NOT_ESTIMABLE))
LESION_RGB = tuple(float(c) for c in palette.rgb(palette.LESION))
# Share of a scale at zero that has the colour of "nothing to report": wider than the steps in which views draw colours.
_NOTHING = 0.012


@dataclass(frozen=True)
class ColorScale:
    """A quantity's colours between two ends.

    Parameters
    ----------
    name : name of the colour node.
    title : what the legend says.
    low, high : ends of the window, in the quantity's unit.
    points : (value, "#rrggbb") from low to high; between them colours run straight.
    labels : how many numbers the legend shows, ends included.
    """

    name: str
    title: str
    low: float
    high: float
    points: tuple[tuple[float, str], ...]
    label_format: str = "%g"
    labels: int = 5

    def rgb(self, value: float) -> tuple[float, float, float]:
        """Colour (0..1) of a value; values beyond the ends get the ends' colours."""
        values, colours = zip(*self.points, strict=True)
        stops = np.array([palette.rgb(colour) for colour in colours])
        return tuple(float(np.interp(value, values, stops[:, channel])) for channel in range(3))

    def color_node(self):
        """The colour node of this scale in the scene, made or brought up to date."""
        node = slicer.mrmlScene.GetFirstNodeByName(self.name)
        if node is None or not node.IsA("vtkMRMLProceduralColorNode"):
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLProceduralColorNode", self.name)
            # Nodes hidden from editors are not saved with the scene.
            node.SetHideFromEditors(False)
        function = vtk.vtkColorTransferFunction()
        for value, colour in self.points:
            function.AddRGBPoint(float(value), *palette.rgb(colour))
        node.SetAndObserveColorTransferFunction(function)
        return node


def years_scale(values_years, title: str) -> ColorScale:
    """Blue younger, orange older, grey at zero and only there: the colour of what lies inside its healthy range."""
    limit = palette.years_limit(values_years)
    return ColorScale(f"{title} +-{limit:.0f}", title, -limit, limit, _two_sided(limit))


def coefficient_scale(values) -> ColorScale:
    """Diverging and symmetric about 0, up to the largest coefficient rounded up to one digit."""
    largest = max((abs(v) for v in values if math.isfinite(v)), default=1.0) or 1.0
    step = 10.0 ** math.floor(math.log10(largest))
    limit = math.ceil(largest / step) * step
    points = _spread(palette.DIVERGING, -limit, limit)
    # Four characters: the longest label decides how large the legend writes, and a short one would reach over the head.
    return ColorScale(f"Coefficient +-{limit:g}", "Coefficient (years)", -limit, limit, points, "%4.2g")


def load_scale(values_percent, title: str = "Lesion load (%)") -> ColorScale:
    """From 0, which is grey, to the next 10 % above the largest load."""
    high = 100.0 * palette.load_limit(v / 100.0 for v in values_percent)
    points = ((0.0, palette.NEUTRAL), *_spread(palette.AMOUNT, high * _NOTHING, high))
    return ColorScale(f"Lesion load 0-{high:.0f} %", title, 0.0, high, points, labels=_round_labels(high))


def width_scale(values_years, title: str = "Interval width (years)") -> ColorScale:
    """From 0 to the next ten years above the widest interval."""
    high = 10.0 * max(1, math.ceil(max((v for v in values_years if math.isfinite(v)), default=10.0) / 10.0))
    points = _spread(palette.AMOUNT, 0.0, high)
    return ColorScale(f"Interval width 0-{high:.0f} years", title, 0.0, high, points, labels=_round_labels(high))


def thickness_scale(_values=(), title: str = "Thickness (mm)") -> ColorScale:
    """The range of human cortex."""
    low, high = palette.THICKNESS_RANGE_MM
    points = _spread(palette.THICKNESS, low, high)
    return ColorScale("Cortical thickness 1-4.5 mm", title, low, high, points, "%.1f", labels=8)


def _two_sided(limit: float) -> tuple[tuple[float, str], ...]:
    edge = limit * _NOTHING
    older = _spread(palette.OLDER, edge, limit)
    younger = tuple((-value, colour) for value, colour in reversed(_spread(palette.YOUNGER, edge, limit)))
    return (*younger, (-0.9 * edge, palette.NEUTRAL), (0.9 * edge, palette.NEUTRAL), *older)


def _spread(colours, low: float, high: float) -> tuple[tuple[float, str], ...]:
    return tuple(zip((float(v) for v in np.linspace(low, high, len(colours))), colours, strict=True))


def _round_labels(high: float) -> int:
    """How many labels from 0 to `high` fall on multiples of five."""
    return next((n for n in (5, 6, 4, 3, 7, 8) if high / (n - 1) % 5 == 0), 2)
