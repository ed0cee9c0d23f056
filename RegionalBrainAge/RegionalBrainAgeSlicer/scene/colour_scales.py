"""Colour scales: from a number to a colour, the same for overlay, legend, 3D, table and plot."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import slicer
import vtk

_DIVERGING = ((0.02, 0.19, 0.58), (0.26, 0.58, 0.90), (0.97, 0.97, 0.97), (0.96, 0.50, 0.30), (0.60, 0.00, 0.05))
_SEQUENTIAL = ((0.99, 0.95, 0.80), (0.98, 0.65, 0.28), (0.80, 0.20, 0.18), (0.35, 0.02, 0.20))
_THICKNESS = ((0.19, 0.07, 0.33), (0.13, 0.44, 0.55), (0.37, 0.79, 0.38), (0.99, 0.91, 0.14))
# Away from every colour of the scales, so that neither is taken for a number.
NOT_ESTIMABLE_RGB = (0.45, 0.45, 0.45)
LESION_RGB = (0.72, 0.20, 0.92)
_STEPS = 256


@dataclass(frozen=True)
class ColorScale:
    """A quantity's colours between two ends.

    Parameters
    ----------
    name : name of the colour node.
    title : what the legend says.
    low, high : ends of the window, in the quantity's unit.
    stops : RGB colours (0..1) spread evenly from low to high.
    labels : how many numbers the legend shows, ends included.
    """

    name: str
    title: str
    low: float
    high: float
    stops: tuple[tuple[float, float, float], ...]
    label_format: str = "%g"
    labels: int = 5

    def rgb(self, value: float) -> tuple[float, float, float]:
        """Colour (0..1) of a value; values beyond the ends get the ends' colours."""
        place = np.linspace(self.low, self.high, len(self.stops))
        return tuple(float(np.interp(value, place, [stop[c] for stop in self.stops])) for c in range(3))

    def color_node(self):
        """The colour node of this scale in the scene, made or brought up to date."""
        node = slicer.mrmlScene.GetFirstNodeByName(self.name)
        if node is None or not node.IsA("vtkMRMLProceduralColorNode"):
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLProceduralColorNode", self.name)
            # Nodes hidden from editors are not saved with the scene.
            node.SetHideFromEditors(False)
        function = vtk.vtkColorTransferFunction()
        for value in np.linspace(self.low, self.high, _STEPS):
            function.AddRGBPoint(float(value), *self.rgb(float(value)))
        node.SetAndObserveColorTransferFunction(function)
        return node


def pad_scale(values_years) -> ColorScale:
    """Diverging and symmetric about 0, wide enough for all values, in steps of five years."""
    finite = [abs(v) for v in values_years if math.isfinite(v)]
    limit = 5.0 * max(1, math.ceil(max(finite, default=5.0) / 5.0))
    return ColorScale(f"Brain age PAD +-{limit:.0f} years", "PAD (years)", -limit, limit, _DIVERGING)


def coefficient_scale(values) -> ColorScale:
    """Diverging and symmetric about 0, up to the largest coefficient rounded up to one digit."""
    largest = max((abs(v) for v in values if math.isfinite(v)), default=1.0) or 1.0
    step = 10.0 ** math.floor(math.log10(largest))
    limit = math.ceil(largest / step) * step
    return ColorScale(f"Coefficient +-{limit:g}", "Coefficient", -limit, limit, _DIVERGING, "%.2g")


def load_scale(values_percent) -> ColorScale:
    """From 0 to the next 10 % above the largest load."""
    high = 10.0 * max(1, math.ceil(max((v for v in values_percent if math.isfinite(v)), default=10.0) / 10.0))
    name = f"Lesion load 0-{high:.0f} %"
    return ColorScale(name, "Lesion load (%)", 0.0, high, _SEQUENTIAL, labels=_round_labels(high))


def width_scale(values_years) -> ColorScale:
    """From 0 to the next ten years above the widest interval."""
    high = 10.0 * max(1, math.ceil(max((v for v in values_years if math.isfinite(v)), default=10.0) / 10.0))
    name = f"Interval width 0-{high:.0f} years"
    return ColorScale(name, "Width (years)", 0.0, high, _SEQUENTIAL, labels=_round_labels(high))


def thickness_scale() -> ColorScale:
    """The range of human cortex."""
    return ColorScale("Cortical thickness 1-4.5 mm", "Thickness (mm)", 1.0, 4.5, _THICKNESS, "%.1f", labels=8)


def _round_labels(high: float) -> int:
    """How many labels from 0 to `high` fall on multiples of five."""
    return next((n for n in (5, 6, 4, 3, 7, 8) if high / (n - 1) % 5 == 0), 2)
