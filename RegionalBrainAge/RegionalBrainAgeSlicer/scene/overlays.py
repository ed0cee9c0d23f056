"""Overlays: which quantity is shown, and the scalar volume that shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from RegionalBrainAgeLib.case.report import reading
from slicer.i18n import tr as _

from ..work.chunked_work import Steps
from . import case_nodes
from .case_folder import CaseFolder
from .colour_scales import ColorScale, load_scale, thickness_scale, width_scale, years_scale
from .grids import nearest_on_grid, ras_from_ijk, same_grid

# Where there is nothing to show. A zero would paint a veil in the scale's middle colour; the display cuts this off.
NOTHING = -1.0e4
_VOXELS_A_PIECE = 500_000


@dataclass(frozen=True)
class Overlay:
    """One entry of the overlay selector.

    Parameters
    ----------
    key : stable name, kept in the parameter node.
    title : what selector and legend say.
    values : region label -> number to show, of the regions that have one, in the unit of the scale.
    scale : from the numbers and the title.
    """

    key: str
    title: str
    values: dict[int, float]
    make_scale: Callable[[list[float], str], ColorScale]

    @property
    def scale(self) -> ColorScale:
        """Colour scale that fits all values of this overlay."""
        return self.make_scale(list(self.values.values()), self.title)


def overlays_of(case: CaseFolder) -> list[Overlay]:
    """What may be shown of a case. What may not be read of it is not offered."""
    loads = {row.label: 100.0 * row.load_fraction for row in case.rows}
    widths = {row.label: row.interval_width_years for row in case.rows if row.estimable}
    thicknesses = {row.label: row.thickness_mm for row in case.rows}
    found = [
        Overlay("load", _("Lesion load (%)"), _finite(loads), load_scale),
        Overlay("width", _("Interval width (years)"), _finite(widths), width_scale),
        Overlay("thickness", _("Thickness (mm)"), _finite(thicknesses), thickness_scale),
    ]
    if reading.why_withheld(case):
        return [overlay for overlay in found if overlay.key != "width"]
    return [Overlay("reading", reading_title(case), _readings(case), years_scale), *found]


def overlay_by_key(case: CaseFolder, key: str) -> Overlay:
    """The case's overlay of that name; its first one if there is none."""
    found = overlays_of(case)
    return next((overlay for overlay in found if overlay.key == key), found[0])


def reading_title(case: CaseFolder) -> str:
    """What may be read of a case's ages, in the words of the report."""
    return _("PAD (years)") if reading.calibrated(case) else _("Deviation (years)")


def _readings(case: CaseFolder) -> dict[int, float]:
    """Years by which a region lies outside what is usual; 0 for those inside their healthy range."""
    found = reading.regions(case)
    return {
        row.label: found[row.region].value_years if found[row.region].outside else 0.0
        for row in case.rows
        if found[row.region].estimable
    }


def _finite(values: dict[int, float]) -> dict[int, float]:
    return {label: value for label, value in values.items() if np.isfinite(value)}


def paint(labels: np.ndarray, lesion: np.ndarray | None, values: dict[int, float], painted: np.ndarray) -> Steps:
    """Fill `painted` (float32) with each region's value; `NOTHING` outside the regions and in the lesion.

    Parameters
    ----------
    labels : integer volume of region labels, 0 outside.
    lesion : boolean volume on the same grid, or None. Lesioned tissue has no age and is shown as lesion.
    values : region label -> value.
    """
    lookup = np.full(int(labels.max(initial=0)) + 1, NOTHING, np.float32)
    for label, value in values.items():
        if label < len(lookup):
            lookup[label] = value
    slices = max(1, _VOXELS_A_PIECE // max(labels[0].size, 1))
    for first in range(0, len(labels), slices):
        part = slice(first, first + slices)
        np.take(lookup, labels[part], out=painted[part])
        if lesion is not None:
            painted[part][lesion[part]] = NOTHING
        yield _("painting the overlay")


def show_values(case_id: str, name: str, values: dict[int, float], scale: ColorScale) -> Steps:
    """Paint the case's overlay volume with a value per region label."""
    labels_node, lesion_node = case_nodes.find(case_id, "regions"), case_nodes.find(case_id, "lesion")
    node = case_nodes.find(case_id, "overlay")
    if node is not None and not same_grid(node, labels_node):
        case_nodes.remove(case_id, "overlay")
        node = None
    if node is None:
        node = _volume_like(labels_node, name)
        case_nodes.adopt(node, case_id, "overlay")
        yield scale.title
    node.SetName(name)
    lesion = nearest_on_grid(lesion_node, labels_node) > 0 if lesion_node else None
    yield scale.title
    yield from paint(slicer.util.arrayFromVolume(labels_node), lesion, values, slicer.util.arrayFromVolume(node))
    slicer.util.arrayFromVolumeModified(node)
    yield scale.title
    show_scale(node, scale)
    yield scale.title


def _volume_like(volume_node, name: str):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    # Before there are voxels: of a whole head's, the window would be guessed, and the panel stand still meanwhile.
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().AutoWindowLevelOff()
    node.GetDisplayNode().AutoThresholdOff()
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ras_from_ijk(volume_node)))
    image = vtk.vtkImageData()
    image.SetDimensions(volume_node.GetImageData().GetDimensions())
    image.AllocateScalars(vtk.VTK_FLOAT, 1)
    node.SetAndObserveImageData(image)
    return node


def show_scale(volume_node, scale: ColorScale) -> None:
    """Give an overlay volume its colours, window and threshold, and a legend."""
    volume_node.CreateDefaultDisplayNodes()
    display = volume_node.GetDisplayNode()
    display.SetAndObserveColorNodeID(scale.color_node().GetID())
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(scale.low, scale.high)
    display.SetInterpolate(False)
    display.AutoThresholdOff()
    display.SetThreshold(NOTHING / 2.0, -NOTHING)
    display.SetApplyThreshold(True)
    legend = slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(volume_node)
    # The unit in a line of its own: a wide title would reach over the head.
    legend.SetTitleText(scale.title.replace(" (", "\n("))
    legend.SetLabelFormat(scale.label_format)
    legend.SetNumberOfLabels(scale.labels)
    legend.SetMaxNumberOfColors(256)
    legend.SetSize(0.10, 0.42)
    legend.SetPosition(0.97, 0.5)
    legend.SetVisibility(True)
