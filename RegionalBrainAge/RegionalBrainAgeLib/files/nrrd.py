"""NRRD volumes (.nrrd, .nhdr, .seg.nrrd): the header is read and judged here before ITK sees the file.

ITK's NRRD parser trusts the text it is given: ASCII data with a long word overruns a buffer and ends the process, a
detached data file may be a pipe that never ends, and spaces it does not know are taken for LPS.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry.image import Image, from_sitk
from .image_checks import check_claims, no_affine
from .input_file import plain_file
from .unpacked_size import holds_unpacked

_HEADER_BYTES = 1_000_000
_RAW, _PACKED = ("raw",), ("gzip", "gz")
# In which ITK places voxels rightly.
_SPACES = {
    "left-posterior-superior",
    "lps",
    "right-anterior-superior",
    "ras",
    "left-anterior-superior",
    "las",
}
_BYTES = {
    1: {"signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"},
    2: {"short", "short int", "signed short", "signed short int", "int16", "int16_t"}
    | {"ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"},
    4: {"int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float"},
    8: {"longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"}
    | {"ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t", "double"},
}
_SIZE_OF = {word: size for size, words in _BYTES.items() for word in words}
_SAVE_AGAIN = "Save it again, for example from 3D Slicer, as one compressed .nrrd file."


def read_nrrd(path: Path, name: str) -> Image:
    """One 3D scalar volume, float32, in the file's own voxel order.

    Raises
    ------
    InputError : an encoding, space or data file that is not read here, a header that claims more than the file holds.
    Whatever else ITK throws passes; the caller tells it.
    """
    fields, header_bytes = _header(path, name)
    encoding = fields.get("encoding", "").lower()
    if encoding not in (*_RAW, *_PACKED):
        raise InputError(f"{name} has the encoding '{encoding[:20]}', which is not read here.", _SAVE_AGAIN)
    item = _SIZE_OF.get(fields.get("type", "").lower())
    if item is None:
        raise InputError(f"{name} has voxels of the type '{fields.get('type', '')[:20]}'.", _SAVE_AGAIN)
    space = fields.get("space", "").lower()
    if not space:
        raise no_affine(name)
    if space not in _SPACES:
        raise InputError(
            f"{name} is in the space '{space[:40]}': where left and right are would be a guess.",
            "Save it with the space left-posterior-superior or right-anterior-superior.",
        )
    if fields.get("space directions", "").count("(") != 3 or "space origin" not in fields:
        raise no_affine(name)
    sizes = [int(size) for size in fields.get("sizes", "").split()]
    data = _data_file(path, fields, name)
    offset = header_bytes if data == path else 0
    packed = encoding in _PACKED
    if len(sizes) > 3:
        sizes = [size for size in sizes if size != 1]
    stored_bytes = max(data.stat().st_size - offset, 0)
    shape = check_claims(name, sizes, item, stored_bytes, packed)
    if not packed and stored_bytes > int(np.prod(shape)) * item and "byte skip" not in fields:
        raise InputError(f"{name} holds more voxels than its header says.", "Copy or export it again.")
    if packed and not holds_unpacked(data, int(np.prod(shape)) * item, offset):
        raise InputError(f"{name} is cut off: it holds fewer voxels than its header says.", "Copy or export it again.")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("NrrdImageIO")
    reader.ReadImageInformation()
    if reader.GetNumberOfComponents() > 1:
        raise InputError(f"{name} holds {reader.GetNumberOfComponents()} values per voxel.", "Give one 3D volume.")
    reader.SetOutputPixelType(sitk.sitkFloat32)
    volume = reader.Execute()
    if volume.GetDimension() == 4:
        volume = volume[:, :, :, 0]
    return from_sitk(volume)


def _header(path: Path, name: str) -> tuple[dict[str, str], int]:
    """Fields of the header in lower case, and its length in bytes."""
    with path.open("rb") as stream:
        start = stream.read(_HEADER_BYTES)
    end = re.search(rb"\r?\n\r?\n", start)
    text = (start[: end.start()] if end else start).decode("ascii", errors="replace")
    lines = text.splitlines()
    if not lines or not re.fullmatch(r"NRRD000[1-5]", lines[0].strip()):
        raise InputError(f"{name} cannot be read: it does not begin as an NRRD file does.", "Copy or export it again.")
    fields: dict[str, str] = {}
    for line in lines[1:]:
        if line.startswith("#") or ":=" in line or ":" not in line:
            continue
        key, _, value = line.partition(":")
        key = key.strip().lower().replace("datafile", "data file")
        if key in fields:
            raise InputError(f"{name} has the header field '{key[:30]}' twice.", _SAVE_AGAIN)
        fields[key] = value.strip()
    for skip in ("line skip", "lineskip", "byte skip", "byteskip"):
        if fields.get(skip, "0") not in ("0", "-1"):
            raise InputError(f"{name} has data that begin after a '{skip}', which is not read here.", _SAVE_AGAIN)
    return fields, end.end() if end else len(start)


def _data_file(path: Path, fields: dict[str, str], name: str) -> Path:
    """The file with the voxels: the file itself, or one beside a detached header."""
    detached = fields.get("data file")
    if detached is None:
        return path
    if os.path.basename(detached) != detached or "%" in detached or detached.startswith(("LIST", "~", ".")):
        raise InputError(
            f"{name} keeps its voxels in '{detached[:60]}', outside its own folder or in several files.", _SAVE_AGAIN
        )
    data = path.parent / detached
    if data.is_symlink() and data.resolve().parent != path.parent.resolve():
        raise InputError(f"{name} keeps its voxels in a link to another folder, {detached[:60]}.", _SAVE_AGAIN)
    return plain_file(data, f"The data file {data} of {name[0].lower()}{name[1:]}", _SAVE_AGAIN)
