"""Reads label volumes that this software wrote (NIfTI-1) piece by piece, so that the window stays alive meanwhile.

Other files, heads above all, are read by Slicer's own readers.
"""

from __future__ import annotations

import gzip
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import slicer
from RegionalBrainAgeLib.errors import InputError

_HEADER_BYTES = 352
_PIECE_BYTES = 8_000_000
# NIfTI-1 data types that the library writes for labels and masks.
_TYPES = {2: np.uint8, 4: np.int16, 8: np.int32, 512: np.uint16}


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
    InputError : the file is not a label volume as this software writes them.
    """
    path = Path(path)
    content = bytearray()
    opened = gzip.open if path.name.endswith(".gz") else open
    try:
        with opened(path, "rb") as stream:
            while piece := stream.read(_PIECE_BYTES):
                content += piece
                yield f"reading {path.name}"
    except (OSError, EOFError) as error:
        raise InputError(f"The file {path} cannot be read ({error}).", "Estimate the case again.") from error
    header = bytes(content[:_HEADER_BYTES])
    kind = _TYPES.get(int.from_bytes(header[70:72], "little"))
    shape = np.frombuffer(header, "<i2", 3, 42).astype(int)
    start = int(np.frombuffer(header, "<f4", 1, 108)[0]) if len(header) == _HEADER_BYTES else 0
    whole = kind is not None and len(content) >= start + shape.prod() * np.dtype(kind).itemsize
    if not whole or header[344:347] != b"n+1" or np.frombuffer(header, "<i2", 1, 254)[0] == 0:
        raise InputError(f"The file {path} is not a label volume of this software.", "Estimate the case again.")
    geometry = np.eye(4)
    geometry[:3] = np.frombuffer(header, "<f4", 12, 280).reshape(3, 4)
    array = np.frombuffer(content, np.dtype(kind).newbyteorder("<"), shape.prod(), start)
    return Labels(array.reshape(shape[::-1]), geometry)


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
