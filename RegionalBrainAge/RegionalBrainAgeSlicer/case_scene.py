"""Shows a finished case: volumes, overlay, regions in 3D, lesion, table and plot."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from RegionalBrainAgeLib.errors import InputError

from . import case_nodes
from .case_folder import CaseFolder
from .case_table import case_in_scene, show_plot, show_table
from .lesion_segment import tag_lesion
from .overlays import overlay_by_key, paint, show_scale
from .scales import LESION_RGB, NOT_ESTIMABLE_RGB

LESION_SEGMENT = "Lesion"


def open_case(case: CaseFolder, t1_volume=None) -> None:
    """Bring a case folder into the scene, or bring it up to date if it is there. `t1_volume` is its head, if loaded.

    Raises
    ------
    InputError : the label volume is missing.
    """
    regions_path = case.file("desc-regions_dseg.nii.gz")
    if not regions_path.exists():
        raise InputError(f"The file {regions_path} is missing.", "Estimate the case again.")
    show_table(case)
    if t1_volume is not None:
        case_nodes.adopt(t1_volume, case.case_id, "t1")
    elif case_nodes.find(case.case_id, "t1") is None:
        _load_t1(case)
    labels = _load_labels(case, "regions", regions_path)
    lesion_path = case.file("desc-lesion_mask.nii.gz")
    if lesion_path.exists():
        _load_labels(case, "lesion", lesion_path)
    show_plot(case)
    _show_segments(case, labels)


def show_overlay(case_id: str, key: str):
    """Paint the case's overlay volume with a quantity and colour its 3D regions alike. Returns the volume node."""
    case = case_in_scene(case_id)
    labels_node = case_nodes.find(case_id, "regions")
    if case is None or labels_node is None:
        raise InputError(f"The case {case_id} is not in this scene.", "Open its case folder.")
    overlay = overlay_by_key(key)
    values, scale = overlay.values(case), overlay.color_scale(case)
    lesion_node = case_nodes.find(case_id, "lesion")
    lesion = slicer.util.arrayFromVolume(lesion_node) > 0 if lesion_node else None
    node = case_nodes.find(case_id, "overlay")
    if node is None:
        node = _volume_like(labels_node, f"{case.name} overlay")
        case_nodes.adopt(node, case_id, "overlay")
    node.SetName(f"{case.name} {overlay.title}")
    slicer.util.updateVolumeFromArray(node, paint(slicer.util.arrayFromVolume(labels_node), lesion, values))
    show_scale(node, scale)
    _color_segments(case, {label: scale.rgb(value) for label, value in values.items()})
    return node


def _load_t1(case: CaseFolder) -> None:
    from pathlib import Path

    given = (case.facts.get("case") or {}).get("t1")
    if given and Path(given).exists():
        node = slicer.util.loadVolume(str(given), {"show": False, "singleFile": True, "name": f"{case.name} T1"})
        case_nodes.adopt(node, case.case_id, "t1")


def _load_labels(case: CaseFolder, role: str, path):
    # Read anew each time: the folder may hold another estimate than the scene.
    case_nodes.remove(case.case_id, role)
    # Without "singleFile" the reader may join files of similar names into one volume.
    properties = {"show": False, "singleFile": True, "labelmap": True, "name": f"{case.name} {role}"}
    node = slicer.util.loadVolume(str(path), properties)
    case_nodes.adopt(node, case.case_id, role)
    return node


def _volume_like(volume_node, name: str):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    ijk_to_ras = vtk.vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(ijk_to_ras)
    node.SetIJKToRASMatrix(ijk_to_ras)
    image = vtk.vtkImageData()
    image.SetDimensions(volume_node.GetImageData().GetDimensions())
    image.AllocateScalars(vtk.VTK_FLOAT, 1)
    node.SetAndObserveImageData(image)
    return node


def _show_segments(case: CaseFolder, labels_node) -> None:
    """One segment per region and one for the lesion. In slices only regions not estimable and the lesion are drawn."""
    case_nodes.remove(case.case_id, "segments")
    node = case_nodes.find_or_add(case.case_id, "segments", "vtkMRMLSegmentationNode", f"{case.name} regions in 3D")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(labels_node)
    logic = slicer.modules.segmentations.logic()
    logic.ImportLabelmapToSegmentationNode(labels_node, node)
    segmentation = node.GetSegmentation()
    labels = [int(v) for v in np.unique(slicer.util.arrayFromVolume(labels_node)) if v]
    by_label = {row.label: row for row in case.rows}
    for segment_id, label in zip(list(segmentation.GetSegmentIDs()), labels, strict=True):
        segment = segmentation.GetSegment(segment_id)
        row = by_label.get(label)
        segment.SetName(row.region if row else str(label))
    lesion_node = case_nodes.find(case.case_id, "lesion")
    if lesion_node is not None and slicer.util.arrayFromVolume(lesion_node).any():
        segmentation.AddEmptySegment(LESION_SEGMENT, LESION_SEGMENT, LESION_RGB)
        wanted = vtk.vtkStringArray()
        wanted.InsertNextValue(LESION_SEGMENT)
        logic.ImportLabelmapToSegmentationNode(lesion_node, node, wanted)
        lesion_segment = segmentation.GetSegment(LESION_SEGMENT)
        lesion_segment.SetName(LESION_SEGMENT)
        lesion_segment.SetColor(*LESION_RGB)
        tag_lesion(lesion_segment)
    segmentation.SetConversionParameter("Smoothing factor", "0.5")
    segmentation.SetConversionParameter("Decimation factor", "0.6")
    node.CreateClosedSurfaceRepresentation()


def _color_segments(case: CaseFolder, colors: dict[int, tuple[float, float, float]]) -> None:
    node = case_nodes.find(case.case_id, "segments")
    if node is None:
        return
    display, segmentation = node.GetDisplayNode(), node.GetSegmentation()
    label_of = {row.region: row.label for row in case.rows}
    with slicer.util.NodeModify(display):
        display.SetOpacity2DFill(1.0)
        for segment_id in segmentation.GetSegmentIDs():
            segment = segmentation.GetSegment(segment_id)
            is_lesion = segment_id == LESION_SEGMENT
            color = LESION_RGB if is_lesion else colors.get(label_of.get(segment.GetName(), 0))
            segment.SetColor(*(color or NOT_ESTIMABLE_RGB))
            in_slices = is_lesion or color is None
            display.SetSegmentVisibility(segment_id, True)
            display.SetSegmentVisibility3D(segment_id, True)
            display.SetSegmentVisibility2DFill(segment_id, in_slices)
            display.SetSegmentVisibility2DOutline(segment_id, in_slices)
            display.SetSegmentOpacity2DFill(segment_id, 0.45 if is_lesion else 0.85)
            display.SetSegmentOpacity3D(segment_id, 1.0)
