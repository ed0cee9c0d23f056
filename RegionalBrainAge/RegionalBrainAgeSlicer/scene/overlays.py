"""Overlays: which quantity is shown, and the scalar volume that shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from ..work.chunked_work import Steps
from . import case_nodes
from .case_folder import CaseFolder, RegionRow
from .colour_scales import ColorScale, load_scale, pad_scale, thickness_scale, width_scale
from .grids import nearest_on_grid, ras_from_ijk, same_grid

# Where there is nothing to show. A zero would paint a veil in the scale's middle colour; the display cuts this off.
NOTHING = -1.0e4
_VOXELS_A_PIECE = 500_000


@dataclass(frozen=True)
class Overlay:
    """One entry of the overlay selector.

    Parameters
    ----------
    key : stable name, kept in the parameter node and in node attributes.
    title : what the selector shows.
    value : number of a region (NaN where there is none), in the unit of the scale.
    needs_estimate : True where a region "not estimable" has no value.
    """

    key: str
    title: str
    value: Callable[[RegionRow], float]
    scale: Callable[[list[float]], ColorScale]
    needs_estimate: bool = True

    def values(self, case: CaseFolder) -> dict[int, float]:
        """Region label -> number to show; only regions that have one."""
        given = {row.label: self.value(row) for row in case.rows if row.estimable or not self.needs_estimate}
        return {label: number for label, number in given.items() if np.isfinite(number)}

    def color_scale(self, case: CaseFolder) -> ColorScale:
        return self.scale(list(self.values(case).values()))


OVERLAYS = (
    Overlay("pad", "PAD (years)", lambda row: row.pad_corrected_years, pad_scale),
    Overlay("load", "Lesion load (%)", lambda row: 100.0 * row.load_fraction, load_scale, needs_estimate=False),
    Overlay("width", "Interval width (years)", lambda row: row.interval_width_years, width_scale),
    Overlay("thickness", "Thickness (mm)", lambda row: row.thickness_mm, lambda _: thickness_scale(), False),
)


def overlay_by_key(key: str) -> Overlay:
    """The overlay of that name; the first one if there is none."""
    return next((overlay for overlay in OVERLAYS if overlay.key == key), OVERLAYS[0])


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
    show_scale(node, scale)
    yield scale.title


def _volume_like(volume_node, name: str):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
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
    legend.SetTitleText(scale.title)
    legend.SetLabelFormat(scale.label_format)
    legend.SetNumberOfLabels(scale.labels)
    legend.SetMaxNumberOfColors(256)
    legend.SetSize(0.12, 0.45)
    legend.SetPosition(0.97, 0.5)
    legend.SetVisibility(True)
