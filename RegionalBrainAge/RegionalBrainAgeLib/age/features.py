"""What is measured of one brain and given to a model: thickness of parcels, volumes of structures, and what is lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy.parcels import PARCEL_NAMES, ParcelFeatures
from ..anatomy.structures import (
    FLUID_STRUCTURES,
    GRAY_MATTER,
    INTRACRANIAL,
    STRUCTURE_ALIASES,
    STRUCTURE_NAMES,
    STRUCTURE_SIDES,
    mirrored_pairs,
)

FREESURFER, T1 = "FreeSurfer", "T1"
ROUTES = (FREESURFER, T1)
# The nodes of the brain graph: parcels, structures, and the size of the head that all volumes are seen against.
NODE_NAMES = (*PARCEL_NAMES, *STRUCTURE_NAMES, INTRACRANIAL)
NODE_SIDES = np.array(["L" if name.startswith("lh_") else "R" for name in PARCEL_NAMES] + [*STRUCTURE_SIDES, "M"])
FLUID_NODES = np.array([name in FLUID_STRUCTURES for name in NODE_NAMES])
GRAY_NODES = np.array([name in GRAY_MATTER for name in NODE_NAMES])
PARCEL_NODES = np.arange(len(NODE_NAMES)) < len(PARCEL_NAMES)
# Not read for age: these volumes differ more between scanners and versions of FreeSurfer than they tell of age, and a
# lesion changes fluid far away.
_NOT_READ = ("Left-choroid-plexus", "Right-choroid-plexus", "4th-Ventricle", "CSF")
READ_NODES = ~np.isin(NODE_NAMES, _NOT_READ)
# (2, 33) smallest and largest volume of each structure, and of a head, that a person can have; one outside is in
# another unit. A lesion may leave nothing of a structure, and the grey matter of one side is the largest.
VOLUME_LIMITS_MM3 = np.array([[0.0] * len(STRUCTURE_NAMES) + [4e5], [3e5] * len(STRUCTURE_NAMES) + [6e6]])
VOLUME_LIMITS_MM3[1, [STRUCTURE_NAMES.index(name) for name in GRAY_MATTER]] = 1e6


def _mirror_images() -> np.ndarray:
    images = np.arange(len(NODE_NAMES))
    left, right = mirrored_pairs().T
    images[left], images[right] = right, left
    return images


# The number of each node's mirror image; a node of the midline is its own.
MIRROR_IMAGES = _mirror_images()


@dataclass(frozen=True)
class Features:
    """Features of one brain; NaN is missing, whether lesioned, absent or never measured by the route.

    Parameters
    ----------
    thickness_mm : (148,) mean thickness of the parcels, in the order of `PARCEL_NAMES`.
    volumes_mm3 : (32,) volumes of structures, in the order of `STRUCTURE_NAMES`.
    intracranial_volume_mm3 : NaN when not known.
    lesioned_fraction : (148,) 0..1, share of each parcel in the lesion.
    structure_lesioned_fraction : (32,) 0..1.
    voxels : (148,) int, voxels or vertices measured.
    lesion_volume_ml : of the left and the right hemisphere; (0, 0) without a lesion. It decides from which side the
        global age is read and which ventricles count as widened by the lesion.
    route : "FreeSurfer" (also FastSurfer) or "T1" (the built-in measurement).
    """

    thickness_mm: np.ndarray
    volumes_mm3: np.ndarray
    intracranial_volume_mm3: float
    lesioned_fraction: np.ndarray
    structure_lesioned_fraction: np.ndarray
    voxels: np.ndarray
    lesion_volume_ml: tuple[float, float] = (0.0, 0.0)
    route: str = "FreeSurfer"

    def __post_init__(self) -> None:
        shapes = {
            "thickness_mm": len(PARCEL_NAMES),
            "lesioned_fraction": len(PARCEL_NAMES),
            "voxels": len(PARCEL_NAMES),
            "volumes_mm3": len(STRUCTURE_NAMES),
            "structure_lesioned_fraction": len(STRUCTURE_NAMES),
        }
        for name, size in shapes.items():
            if np.shape(getattr(self, name)) != (size,):
                raise ValueError(f"{name} must have the shape ({size},), not {np.shape(getattr(self, name))}")
        if self.route not in ROUTES:
            raise ValueError(f"route must be one of {', '.join(ROUTES)}, not '{self.route}'")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parcels."""
        return PARCEL_NAMES


def feature_name(column: str) -> str:
    """A column of a table under its name in `NODE_NAMES` or `TOTAL_GRAY`, whichever tool wrote it; any other as it is.

    >>> feature_name("vol:Left-Thalamus-Proper"), feature_name("lh_G&S_frontomargin_thickness"), feature_name("age")
    ('Left-Thalamus', 'lh_G_and_S_frontomargin', 'age')
    """
    plain = column.strip().removeprefix("vol:")
    plain = STRUCTURE_ALIASES.get(plain, plain)
    parcel = plain.removesuffix("_thickness").replace("&", "_and_")
    return parcel if parcel in NODE_NAMES else plain


def features_of_parcels(
    parcels: ParcelFeatures,
    lesion_volume_ml: tuple[float, float] = (0.0, 0.0),
    route: str = "FreeSurfer",
    *,
    volumes_mm3: np.ndarray | None = None,
    structure_lesioned_fraction: np.ndarray | None = None,
    intracranial_volume_mm3: float = float("nan"),
) -> Features:
    """Features of a brain from its parcels and, where they were measured, its structures.

    Parameters
    ----------
    volumes_mm3, structure_lesioned_fraction : (32,) each; None where no structure was measured.
    """
    count = len(STRUCTURE_NAMES)
    return Features(
        thickness_mm=np.asarray(parcels.thickness_mm, dtype=float),
        volumes_mm3=np.full(count, np.nan) if volumes_mm3 is None else np.asarray(volumes_mm3, dtype=float),
        intracranial_volume_mm3=float(intracranial_volume_mm3),
        lesioned_fraction=np.asarray(parcels.lesioned_fraction, dtype=float),
        structure_lesioned_fraction=np.zeros(count)
        if structure_lesioned_fraction is None
        else np.asarray(structure_lesioned_fraction, dtype=float),
        voxels=np.asarray(parcels.voxels),
        lesion_volume_ml=lesion_volume_ml,
        route=route,
    )
