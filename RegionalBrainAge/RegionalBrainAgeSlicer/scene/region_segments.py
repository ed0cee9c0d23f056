"""Regions and lesion as segments: seen in 3D, and in slices where there is no colour to show."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from ..work.chunked_work import Steps
from . import case_nodes
from .colour_scales import LESION_RGB, NOT_ESTIMABLE_RGB
from .label_files import Labels, box_around
from .lesion_segment import tag_lesion

LESION_SEGMENT = "Lesion"
_SURFACE_VOXEL_MM = 2.0
# Windowed sinc smoothing; the lesion keeps more of its outline, which a reviewer compares with the slices.
_SMOOTHING = {"iterations": 20, "pass_band": 0.02}
_LESION_SMOOTHING = {"iterations": 12, "pass_band": 0.1}


def show_segments(case_id: str, labels: Labels, names: dict[int, str], lesion: Labels | None = None) -> Steps:
    """One segment per region of the label volume, and one for the lesion. `names`: label -> name of the region."""
    case_nodes.remove(case_id, "segments")
    node = case_nodes.find_or_add(case_id, "segments", "vtkMRMLSegmentationNode", f"sub-{case_id} regions in 3D")
    node.SetSourceRepresentationToClosedSurface()
    node.CreateDefaultDisplayNodes()
    # Where the lesion reaches the surface of the brain it is seen there, and not a region's colour.
    coarse = _coarse(
        labels if lesion is None else Labels(np.where(lesion.array != 0, 0, labels.array), labels.ras_from_ijk)
    )
    yield _("regions in 3D")
    for label in (int(value) for value in np.unique(coarse.array) if value):
        name = names.get(label, str(label))
        surface = yield from _surface(coarse, label, _SMOOTHING, name)
        node.AddSegmentFromClosedSurfaceRepresentation(surface, name, NOT_ESTIMABLE_RGB, f"Region_{label}")
        yield name
    if lesion is not None and lesion.array.any():
        surface = yield from _surface(lesion, None, _LESION_SMOOTHING, _("lesion"))
        node.AddSegmentFromClosedSurfaceRepresentation(surface, LESION_SEGMENT, LESION_RGB, LESION_SEGMENT)
        tag_lesion(node.GetSegmentation().GetSegment(LESION_SEGMENT))
        yield _("lesion")


def _coarse(labels: Labels) -> Labels:
    """The labels at about 2 mm: surfaces of a whole brain's regions take seconds at 1 mm, a fraction of one at 2 mm."""
    geometry = labels.ras_from_ijk
    step = np.maximum(np.rint(_SURFACE_VOXEL_MM / np.linalg.norm(geometry[:3, :3], axis=0)).astype(int), 1)
    array = labels.array[:: step[2], :: step[1], :: step[0]].copy()
    return Labels(array, geometry @ np.diag([*step, 1.0]))


def _surface(labels: Labels, label: int | None, smoothing: dict, said: str) -> Generator[str, None, vtk.vtkPolyData]:
    """Smoothed surface (RAS mm) of one label, or of all that is not 0; the generator's value is the vtkPolyData."""
    mask = labels.array == label if label is not None else labels.array != 0
    # Wide enough that no surface touches the edge, where it would be left open.
    part = Labels(mask, labels.ras_from_ijk).cut(box_around([mask], 0))
    padded = np.pad(part.array, 1).astype(np.uint8)
    geometry = part.ras_from_ijk @ np.array([[1, 0, 0, -1], [0, 1, 0, -1], [0, 0, 1, -1], [0, 0, 0, 1.0]])
    image = vtk.vtkImageData()
    image.SetDimensions(padded.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(padded.ravel(), deep=True))
    outline = vtk.vtkFlyingEdges3D()
    outline.SetInputData(image)
    outline.SetValue(0, 0.5)
    outline.ComputeNormalsOff()
    outline.ComputeScalarsOff()
    outline.Update()
    yield said
    smooth = vtk.vtkWindowedSincPolyDataFilter()
    smooth.SetInputData(outline.GetOutput())
    smooth.SetNumberOfIterations(smoothing["iterations"])
    smooth.SetPassBand(smoothing["pass_band"])
    smooth.BoundarySmoothingOff()
    smooth.NonManifoldSmoothingOn()
    smooth.NormalizeCoordinatesOn()
    smooth.Update()
    yield said
    ras_from_ijk = vtk.vtkTransform()
    ras_from_ijk.SetMatrix(slicer.util.vtkMatrixFromArray(geometry))
    move = vtk.vtkTransformPolyDataFilter()
    move.SetInputData(smooth.GetOutput())
    move.SetTransform(ras_from_ijk)
    # A left-handed geometry turns the surface inside out: normals are made afterwards, and point outward.
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputConnection(move.GetOutputPort())
    normals.SplittingOff()
    normals.ConsistencyOn()
    normals.AutoOrientNormalsOn()
    normals.Update()
    yield said
    return normals.GetOutput()


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
