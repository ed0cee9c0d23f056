"""From nodes to the files a background run reads, and to the words of its command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer
from RegionalBrainAgeLib.errors import InputError
from slicer.i18n import tr as _

from .paths import given

_READABLE = (".nii", ".nii.gz", ".mgz", ".mgh", ".nrrd", ".nhdr")
NOT_GIVEN = "not given"


def head_file(volume_node, folder: Path, name: str) -> Path:
    """File of the head: the one it was read from if unchanged since, otherwise a copy in `folder`.

    Raises
    ------
    InputError : the head is moved by a transform, or cannot be written.
    """
    refuse_transformed(volume_node)
    storage = volume_node.GetStorageNode()
    path = storage.GetFullNameFromFileName() if storage is not None else ""
    # A series of files (DICOM) is written anew, as the one volume that Slicer shows.
    single = path and storage.GetNumberOfFileNames() <= 1 and path.lower().endswith(_READABLE)
    if single and Path(path).exists() and not volume_node.GetModifiedSinceRead():
        return Path(path)
    return _write(volume_node, folder / f"{name}_T1w.nii")


def lesion_file(segmentation_node, volume_node, folder: Path, name: str) -> Path:
    """The lesion segment on the grid of the head, written to `folder`.

    Raises
    ------
    InputError : the segmentation is moved by a transform or empty.
    """
    refuse_transformed(segmentation_node)
    voxels = lesion_voxels(segmentation_node, volume_node)
    if not voxels.any():
        raise InputError(
            _("The lesion mask is empty."),
            _("Paint the lesion, open a mask, or tick 'This head has no lesion'."),
        )
    node = slicer.modules.volumes.logic().CreateAndAddLabelVolume(volume_node, "lesion mask")
    try:
        slicer.util.updateVolumeFromArray(node, voxels.astype(np.uint8))
        return _write(node, folder / f"{name}_desc-reviewed_mask.nii.gz")
    finally:
        slicer.mrmlScene.RemoveNode(node)


def lesion_voxels(segmentation_node, volume_node) -> np.ndarray:
    """Boolean volume (slices, rows, columns of `volume_node`), all segments together; empty ones count as nothing."""
    total = np.zeros(slicer.util.arrayFromVolume(volume_node).shape, bool)
    for segment_id in segmentation_node.GetSegmentation().GetSegmentIDs():
        voxels = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation_node, segment_id, volume_node)
        if voxels is not None:
            total |= voxels > 0
    return total


def refuse_transformed(node) -> None:
    """Files know nothing of a transform that is only applied on screen."""
    transform = node.GetParentTransformNode()
    if transform is not None:
        raise InputError(
            _("{node} is moved by the transform {transform}.").format(
                node=node.GetName(), transform=transform.GetName()
            ),
            _("Harden the transform (Data module, right click on the transform) or take it away."),
        )


def patient_fields(parameters) -> dict[str, str | None]:
    """The facts of the Patient step as the command line names them; absent ones are None."""
    return {
        "freesurfer": _path(parameters.freesurferFolder),
        "age": f"{parameters.ageYears:g}" if parameters.ageYears > 0 else None,
        "sex": parameters.sex if parameters.sex in ("F", "M") else None,
        "id": parameters.caseId.strip() or None,
        "site": parameters.site.strip() or None,
        "days": f"{parameters.daysPostStroke:.0f}" if parameters.daysPostStroke >= 0 else None,
        "motor": f"{parameters.motor:g}" if parameters.motor >= 0 else None,
        "calibration": _path(parameters.calibrationFile),
    }


def command_line(fields: dict[str, str | None]) -> list[str]:
    """``["--age", "63", ...]`` of the fields that are given."""
    return [word for name, value in fields.items() if value is not None for word in (f"--{name}", value)]


def _path(path: Path) -> str | None:
    return str(path) if given(path) else None


def _write(node, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not slicer.util.saveNode(node, str(path)):
        raise InputError(
            _("{path} cannot be written.").format(path=path), _("Choose a working folder you may write to.")
        )
    return path
