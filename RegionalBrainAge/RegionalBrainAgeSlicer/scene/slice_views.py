"""What the views show: the layout, the volumes in the slices, the place looked at."""

from __future__ import annotations

import numpy as np
import slicer

from . import case_nodes
from .grids import ras_from_ijk

# Beyond the numbers of Slicer's own layouts.
LAYOUT_ID, LAYOUT_WITHOUT_TABLES_ID = 5418, 5419
# How much wider than the head the slices look, so that a legend fits beside it.
_WIDER = 1.35
_VIEW = '<item><view class="{cls}" singletontag="{tag}">{properties}</view></item>'
_SLICES = (
    ("Red", "Axial", "R", "#F34A33"),
    ("Yellow", "Sagittal", "Y", "#EDD54C"),
    ("Green", "Coronal", "G", "#6EB04B"),
)


def _slice_xml(tag: str, orientation: str, label: str, color: str) -> str:
    return _VIEW.format(
        cls="vtkMRMLSliceNode",
        tag=tag,
        properties=(
            f'<property name="orientation" action="default">{orientation}</property>'
            f'<property name="viewlabel" action="default">{label}</property>'
            f'<property name="viewcolor" action="default">{color}</property>'
        ),
    )


_SLICES_XML = (
    '<item splitSize="500"><layout type="horizontal">'
    + "".join(_slice_xml(*view) for view in _SLICES)
    + "</layout></item>"
)
_THREE_D_XML = _VIEW.format(
    cls="vtkMRMLViewNode", tag="1", properties='<property name="viewlabel" action="default">1</property>'
)
_TABLES_XML = _VIEW.format(
    cls="vtkMRMLPlotViewNode",
    tag="RegionalBrainAgePlot",
    properties='<property name="viewlabel" action="default">P</property>',
) + _VIEW.format(
    cls="vtkMRMLTableViewNode",
    tag="RegionalBrainAgeTable",
    properties='<property name="viewlabel" action="default">T</property>',
)


def _layout_xml(below: str) -> str:
    return (
        f'<layout type="vertical" split="true">{_SLICES_XML}'
        f'<item splitSize="500"><layout type="horizontal">{below}</layout></item></layout>'
    )


LAYOUTS = {LAYOUT_ID: _layout_xml(_THREE_D_XML + _TABLES_XML), LAYOUT_WITHOUT_TABLES_ID: _layout_xml(_THREE_D_XML)}


def register_layouts() -> None:
    """Make the layouts known: a scene that uses one must find it when it is opened. Called when Slicer has started."""
    manager = slicer.app.layoutManager()
    if manager is None:  # Slicer without a main window
        return
    node = manager.layoutLogic().GetLayoutNode()
    for identifier, xml in LAYOUTS.items():
        if not node.IsLayoutDescription(identifier):
            node.AddLayoutDescription(identifier, xml)


def show_layout(identifier: int) -> None:
    """Slices above, 3D below, with plot and table beside it in the layout of cases."""
    register_layouts()
    manager = slicer.app.layoutManager()
    if manager is None:
        return
    manager.setLayout(identifier)
    # The manager does nothing for the layout that is set, even when its views were never made.
    manager.layoutLogic().GetLayoutNode().SetViewArrangement(identifier)


def show_case_in_views(case_id: str, opacity: float, layout: int | None = None) -> None:
    """Bring the case's head, overlay, plot and table into the views; other cases' 3D regions and legends are hidden.

    With `layout`, that layout is shown first: its plot and table views exist only from then on.
    """
    if layout is not None:
        show_layout(layout)
    t1, overlay = case_nodes.find(case_id, "t1"), case_nodes.find(case_id, "overlay")
    slicer.util.setSliceViewerLayers(background=t1, foreground=overlay, foregroundOpacity=opacity, label=None)
    _show_only(case_id)
    application = slicer.app.applicationLogic()
    selection = application.GetSelectionNode()
    plot, table = case_nodes.find(case_id, "plot"), case_nodes.find(case_id, "table shown")
    if plot is not None:
        selection.SetActivePlotChartID(plot.GetID())
        application.PropagatePlotChartSelection()
    if table is not None:
        selection.SetActiveTableID(table.GetID())
        application.PropagateTableSelection()


def show_head(head, case_id: str, opacity: float) -> None:
    """Bring a head into the slices, with its case's overlay where there is one, and hide what belongs to others."""
    overlay = case_nodes.find(case_id, "overlay") if case_id else None
    slicer.util.setSliceViewerLayers(background=head, foreground=overlay, foregroundOpacity=opacity, label=None)
    fit_views(case_id)
    _show_only(case_id)


def fit_views(case_id: str = "") -> None:
    """Slices and 3D view show all of the head; beside the head there is room for the legend of the case's overlay."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return
    legend = bool(case_id) and case_nodes.find(case_id, "overlay") is not None
    logics = manager.mrmlSliceLogics()
    for index in range(logics.GetNumberOfItems()):
        logic = logics.GetItemAsObject(index)
        logic.FitSliceToBackground()
        if legend:
            _make_room(logic.GetSliceNode())
    for index in range(manager.threeDViewCount):
        manager.threeDWidget(index).threeDView().resetFocalPoint()
    _show_orientation()


def _make_room(node) -> None:
    width, height, depth = node.GetFieldOfView()
    node.SetFieldOfView(width * _WIDER, height * _WIDER, depth)
    # To the left by half of what the field of view grew.
    node.SetXYZOrigin(width * (_WIDER - 1.0) / 2.0, 0.0, 0.0)


def _show_orientation() -> None:
    """Which way is right, in every view: letters at arrows in slices, a cube with letters in 3D."""
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        node.SetOrientationMarkerType(node.OrientationMarkerTypeAxes)
        node.SetOrientationMarkerSize(node.OrientationMarkerSizeMedium)
    for node in slicer.util.getNodesByClass("vtkMRMLViewNode"):
        node.SetOrientationMarkerType(node.OrientationMarkerTypeCube)
        node.SetOrientationMarkerSize(node.OrientationMarkerSizeMedium)


def set_overlay_opacity(opacity: float) -> None:
    """Opacity (0..1) of the overlay in all slice views."""
    slicer.util.setSliceViewerLayers(foregroundOpacity=opacity)


def jump_to_region(case_id: str, label: int) -> np.ndarray | None:
    """Move all slices through the middle of a region, without shifting the views sideways.

    Returns the place (RAS, mm), None if the region has no voxels.
    """
    ras = region_centre_ras(case_id, label)
    if ras is not None:
        slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *ras, slicer.vtkMRMLSliceNode.OffsetJumpSlice)
    return ras


def jump_to_lesion(case_id: str) -> None:
    """Move the slices through the middle of the lesion, if there is one, without shifting the views sideways."""
    ras = _centre_ras(case_nodes.find(case_id, "lesion"), None)
    if ras is not None:
        slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *ras, slicer.vtkMRMLSliceNode.OffsetJumpSlice)


def jump_to_voxels(voxels: np.ndarray, volume) -> None:
    """Move the slices through the middle of voxels (slices, rows, columns of a volume), if there are any."""
    ras = _centre_of(np.nonzero(voxels), ras_from_ijk(volume))
    if ras is not None:
        slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *ras, slicer.vtkMRMLSliceNode.OffsetJumpSlice)


def region_centre_ras(case_id: str, label: int) -> np.ndarray | None:
    """The region's voxel nearest to its centre of mass (RAS, mm): always inside, also in a curved region."""
    return _centre_ras(case_nodes.find(case_id, "regions"), label)


def _centre_ras(node, label: int | None) -> np.ndarray | None:
    """The voxel of that label, or of any but 0, nearest to the centre of mass of all of them."""
    if node is None:
        return None
    array = slicer.util.arrayFromVolume(node)
    return _centre_of(np.nonzero(array == label if label is not None else array), ras_from_ijk(node))


def _centre_of(kji: tuple[np.ndarray, ...], geometry: np.ndarray) -> np.ndarray | None:
    """The voxel nearest to the centre of mass of the given ones (RAS, mm); None without any."""
    if not len(kji[0]):
        return None
    ras = np.stack(kji[::-1], axis=1) @ geometry[:3, :3].T + geometry[:3, 3]
    return ras[np.argmin(((ras - ras.mean(axis=0)) ** 2).sum(axis=1))]


def _show_only(case_id: str) -> None:
    for other in case_nodes.shown_ids():
        segments = case_nodes.find(other, "segments")
        if segments is not None and segments.GetDisplayNode() is not None:
            segments.GetDisplayNode().SetVisibility(other == case_id)
        overlay = case_nodes.find(other, "overlay")
        legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(overlay) if overlay is not None else None
        if legend is not None:
            # The views look anew at which volume they show only when the legend changes.
            legend.SetVisibility(False)
            legend.SetVisibility(other == case_id)
