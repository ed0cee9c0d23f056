"""Reads label volumes that this software wrote piece by piece, so that the window stays alive meanwhile.

Other files, heads above all, are read by Slicer's own readers.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import slicer
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.input_file import parsing

_PIECE_VOXELS = 1_000_000


@dataclass(frozen=True)
class Labels:
    """Labels (slices, rows, columns) and the geometry of their voxels, shape (4, 4), RAS mm."""

    array: np.ndarray
    ras_from_ijk: np.ndarray

    def cut(self, box: tuple[slice, slice, slice]) -> Labels:
        """The part inside `box`, with its own geometry."""
        corner = [box[2].start, box[1].start, box[0].start, 1.0]
        geometry = self.ras_from_ijk.copy()
        geometry[:3, 3] = (self.ras_from_ijk @ corner)[:3]
        return Labels(np.ascontiguousarray(self.array[box]), geometry)


def read_labels(path: Path) -> Generator[str, None, Labels]:
    """Read a label volume; the generator's value is its content.

    Raises
    ------
    InputError : the file cannot be read, or nibabel is missing.
    """
    path = Path(path)
    try:
        import nibabel as nib
    except ImportError as error:
        raise InputError(
            f"The file {path} cannot be read yet: the Python package nibabel is missing.",
            "Click 'Install packages' in the Estimate step.",
        ) from error
    with parsing(f"The label volume {path}", "Estimate the case again."):
        # One handle: a packed file is unpacked once, from its beginning to its end.
        file = nib.load(path, keep_file_open=True)
        columns, rows, slices = file.shape
        array = np.empty((slices, rows, columns), file.get_data_dtype().newbyteorder("="))
        step = max(1, _PIECE_VOXELS // (columns * rows))
        for first in range(0, slices, step):
            part = slice(first, first + step)
            array[part] = np.asarray(file.dataobj[..., part]).T
            yield f"reading {path.name}"
    return Labels(array, np.asarray(file.affine, float))


def box_around(arrays: list[np.ndarray], margin: int = 2) -> tuple[slice, slice, slice]:
    """The smallest box, widened by `margin` voxels, that holds all that is not 0 in volumes of one shape."""
    box = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        place = np.flatnonzero(np.any([array.any(axis=others) for array in arrays], axis=0))
        low, high = (place[0], place[-1] + 1) if len(place) else (0, arrays[0].shape[axis])
        box.append(slice(max(int(low) - margin, 0), min(int(high) + margin, arrays[0].shape[axis])))
    return tuple(box)


def label_node(labels: Labels, name: str):
    """A label map node with these labels."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", name)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(labels.ras_from_ijk))
    slicer.util.updateVolumeFromArray(node, labels.array)
    node.CreateDefaultDisplayNodes()
    return node
