"""Looks at a head's file when it is chosen: the application reads a NIfTI file that is cut off without a word.

Standard library only, so that it works before the Python packages are installed.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

from RegionalBrainAgeLib.errors import InputError
from slicer.i18n import tr as _

_HEADER_BYTES = 352
_PIECE_BYTES = 4_000_000


def refuse_damaged(path: Path) -> None:
    """Refuse a NIfTI-1 file that is cut off or holds several volumes; other formats pass.

    Raises
    ------
    InputError : with the file's name, what is wrong and what to do.
    """
    path = Path(path)
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opened(path, "rb") as stream:
            header = stream.read(_HEADER_BYTES)
            order = _byte_order(header)
            if order is None:  # NIfTI-2, or no NIfTI: for the readers to tell
                return
            dimensions = struct.unpack_from(f"{order}8h", header, 40)
            bits = struct.unpack_from(f"{order}h", header, 72)[0]
            start = struct.unpack_from(f"{order}f", header, 108)[0]
            _refuse_several_volumes(path, dimensions)
            wanted = int(start) + _voxels(dimensions) * bits // 8
            size = _HEADER_BYTES
            while piece := stream.read(_PIECE_BYTES):
                size += len(piece)
    except gzip.BadGzipFile:  # no gzip at all: for the readers to tell
        return
    except (EOFError, zlib.error) as error:
        raise _cut_off(path) from error
    if size < wanted:
        raise _cut_off(path)


def _byte_order(header: bytes) -> str | None:
    if len(header) < _HEADER_BYTES:
        return None
    return next((order for order in "<>" if struct.unpack_from(f"{order}i", header, 0)[0] == 348), None)


def _voxels(dimensions: tuple[int, ...]) -> int:
    count = 1
    for size in dimensions[1 : dimensions[0] + 1]:
        count *= max(size, 0)
    return count


def _refuse_several_volumes(path: Path, dimensions: tuple[int, ...]) -> None:
    volumes = _voxels((dimensions[0] - 3, *dimensions[4:])) if dimensions[0] > 3 else 1
    if volumes > 1:
        raise InputError(
            _("The file {path} holds {count} volumes (4D).").format(path=path, count=volumes),
            _("Give one T1-weighted volume: export the T1 series alone, or split the file (fslsplit does that)."),
        )


def _cut_off(path: Path) -> InputError:
    return InputError(
        _("The file {path} is cut off or damaged: it ends before its last voxel.").format(path=path),
        _("Copy or export it again."),
    )
