"""Regions and lesion as segments: seen in 3D, and in slices where there is no colour to show."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from . import case_nodes
from .grids import ras_from_ijk
from .lesion_segment import tag_lesion
from .scales import LESION_RGB, NOT_ESTIMABLE_RGB

LESION_SEGMENT = "Lesion"
_SURFACE_VOXEL_MM = 2.0


def show_segments(case_id: str, labels_node, names: dict[int, str], lesion_node=None) -> None:
    """One segment per region of the label volume, and one for the lesion. `names`: label -> name of the region."""
    case_nodes.remove(case_id, "segments")
    node = case_nodes.find_or_add(case_id, "segments", "vtkMRMLSegmentationNode", f"sub-{case_id} regions in 3D")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(labels_node)
    logic = slicer.modules.segmentations.logic()
    coarse = _coarse(labels_node)
    logic.ImportLabelmapToSegmentationNode(coarse, node)
    labels = [int(v) for v in np.unique(slicer.util.arrayFromVolume(coarse)) if v]
    case_nodes.remove_with_parts(coarse)
    segmentation = node.GetSegmentation()
    for segment_id, label in zip(list(segmentation.GetSegmentIDs()), labels, strict=True):
        segmentation.GetSegment(segment_id).SetName(names.get(label, str(label)))
    if lesion_node is not None and slicer.util.arrayFromVolume(lesion_node).any():
        segmentation.AddEmptySegment(LESION_SEGMENT, LESION_SEGMENT, LESION_RGB)
        wanted = vtk.vtkStringArray()
        wanted.InsertNextValue(LESION_SEGMENT)
        logic.ImportLabelmapToSegmentationNode(lesion_node, node, wanted)
        lesion_segment = segmentation.GetSegment(LESION_SEGMENT)
        lesion_segment.SetName(LESION_SEGMENT)
        tag_lesion(lesion_segment)
    segmentation.SetConversionParameter("Smoothing factor", "0.5")
    segmentation.SetConversionParameter("Decimation factor", "0.6")
    node.CreateClosedSurfaceRepresentation()


def _coarse(labels_node):
    """The labels at about 2 mm: surfaces of a whole brain's regions take seconds at 1 mm, a fraction of one at 2 mm."""
    geometry = ras_from_ijk(labels_node)
    step = np.maximum(np.rint(_SURFACE_VOXEL_MM / np.linalg.norm(geometry[:3, :3], axis=0)).astype(int), 1)
    array = slicer.util.arrayFromVolume(labels_node)[:: step[2], :: step[1], :: step[0]].copy()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "coarse labels")
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(geometry @ np.diag([*step, 1.0])))
    slicer.util.updateVolumeFromArray(node, array)
    return node


def color_segments(case_id: str, colors: dict[str, tuple[float, float, float]]) -> None:
    """Colour the case's segments by region name. A region without a colour is grey, and drawn in slices too."""
    node = case_nodes.find(case_id, "segments")
    if node is None:
        return
    display, segmentation = node.GetDisplayNode(), node.GetSegmentation()
    with slicer.util.NodeModify(display):
        display.SetOpacity2DFill(1.0)
        for segment_id in segmentation.GetSegmentIDs():
            segment = segmentation.GetSegment(segment_id)
            is_lesion = segment_id == LESION_SEGMENT
            color = LESION_RGB if is_lesion else colors.get(segment.GetName())
            segment.SetColor(*(color or NOT_ESTIMABLE_RGB))
            in_slices = is_lesion or color is None
            display.SetSegmentVisibility(segment_id, True)
            display.SetSegmentVisibility3D(segment_id, True)
            display.SetSegmentVisibility2DFill(segment_id, in_slices)
            display.SetSegmentVisibility2DOutline(segment_id, in_slices)
            display.SetSegmentOpacity2DFill(segment_id, 0.45 if is_lesion else 0.85)
            display.SetSegmentOpacity3D(segment_id, 1.0)
