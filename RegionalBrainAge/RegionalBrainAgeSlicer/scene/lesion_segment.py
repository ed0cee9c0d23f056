"""The lesion as a segment: terminology, from and to voxels."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from RegionalBrainAgeLib.errors import InputError
from slicer.i18n import tr as _

from . import case_nodes
from .colour_scales import LESION_RGB
from .grids import nearest_on_grid, ras_from_ijk
from .label_files import Labels, box_around, label_node

# Infarct of a brain, from the shipped terminology file; see RegionalBrainAge-lesion.term.json.
LESION_TERMINOLOGY = (
    "RegionalBrainAge lesions~SCT^49755003^Morphologically Abnormal Structure~SCT^55641003^Infarct~^^~"
    "RegionalBrainAge brain~SCT^12738006^Brain~^^"
)


def tag_lesion(segment) -> None:
    """Say in the segment's terminology that it is an infarct of the brain."""
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), LESION_TERMINOLOGY)


def new_lesion_segmentation(name: str, t1_volume):
    """A segmentation node on the grid of the head with one empty, tagged segment."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.SetAttribute(case_nodes.ROLE_ATTRIBUTE, case_nodes.LESION_ROLE)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(t1_volume)
    segment_id = node.GetSegmentation().AddEmptySegment("Lesion", "Lesion", LESION_RGB)
    tag_lesion(node.GetSegmentation().GetSegment(segment_id))
    node.GetDisplayNode().SetSegmentOpacity2DFill(segment_id, 0.35)
    return node


def fill_lesion_segment(segmentation_node, mask_volume, t1_volume) -> None:
    """Put a mask volume, on any grid, into the segment on the head's grid: all voxels above 0.

    Raises
    ------
    InputError : the mask has no voxel above 0 inside the head's volume.
    """
    voxels = nearest_on_grid(mask_volume, t1_volume) > 0
    if not voxels.any():
        raise InputError(
            _("The mask {name} has no voxel inside this head.").format(name=mask_volume.GetName()),
            _("Check that it belongs to this T1 and is not empty."),
        )
    set_lesion_voxels(segmentation_node, voxels, t1_volume)


def set_lesion_voxels(segmentation_node, voxels: np.ndarray, t1_volume) -> None:
    """Make voxels (slices, rows, columns of the head) the lesion segment."""
    # Only the part with the lesion: a labelmap of the size of the head would hold up the window.
    part = Labels(voxels, ras_from_ijk(t1_volume)).cut(box_around([voxels]))
    node = label_node(Labels(part.array.astype(np.uint8), part.ras_from_ijk), "lesion mask")
    wanted = vtk.vtkStringArray()
    wanted.InsertNextValue("Lesion")
    slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(node, segmentation_node, wanted)
    case_nodes.remove_with_parts(node)
    segment = segmentation_node.GetSegmentation().GetSegment("Lesion")
    segment.SetName("Lesion")
    segment.SetColor(*LESION_RGB)
    tag_lesion(segment)
