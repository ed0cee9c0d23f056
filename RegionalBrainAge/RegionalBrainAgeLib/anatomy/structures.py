"""Structures whose volumes change with age: FreeSurfer's names, their side, and what they touch."""

from __future__ import annotations

import numpy as np

from .parcels import PARCEL_NAMES

_PAIRED = (
    "Lateral-Ventricle",
    "Inf-Lat-Vent",
    "Cerebellum-White-Matter",
    "Cerebellum-Cortex",
    "Thalamus",
    "Caudate",
    "Putamen",
    "Pallidum",
    "Hippocampus",
    "Amygdala",
    "Accumbens-area",
    "VentralDC",
    "choroid-plexus",
    "Gray-Matter",
)
_MIDLINE = ("3rd-Ventricle", "4th-Ventricle", "Brain-Stem", "CSF")
STRUCTURE_NAMES = (*(f"Left-{n}" for n in _PAIRED), *(f"Right-{n}" for n in _PAIRED), *_MIDLINE)
INTRACRANIAL = "EstimatedTotalIntraCranialVol"
# "L", "R" or "M" (midline) of every structure.
STRUCTURE_SIDES = ("L",) * len(_PAIRED) + ("R",) * len(_PAIRED) + ("M",) * len(_MIDLINE)
# Spaces filled with fluid or plexus: what tissue loses, they gain, whatever the cause.
FLUID_STRUCTURES = frozenset(name for name in STRUCTURE_NAMES if "Vent" in name.replace("VentralDC", ""))
FLUID_STRUCTURES |= {"Left-choroid-plexus", "Right-choroid-plexus", "CSF"}
# All grey matter of one side: cerebral cortex, cerebellar cortex and the grey structures in `GRAY_STRUCTURES`. Both
# sides together are FreeSurfer's TotalGrayVol.
GRAY_MATTER = ("Left-Gray-Matter", "Right-Gray-Matter")
TOTAL_GRAY = "TotalGrayVol"
_NOT_GRAY = ("Ventricle", "Vent", "plexus", "White-Matter", "Gray-Matter")
GRAY_STRUCTURES = tuple(kind for kind in _PAIRED if not kind.endswith(_NOT_GRAY))
# FreeSurfer's label of every structure that has one in aseg (FreeSurferColorLUT.txt), in the order of the names.
_LEFT_CODES = (4, 5, 7, 8, 10, 11, 12, 13, 17, 18, 26, 28, 31)
_RIGHT_CODES = (43, 44, 46, 47, 49, 50, 51, 52, 53, 54, 58, 60, 63)
_LABELLED = tuple(name for name in STRUCTURE_NAMES if name not in GRAY_MATTER)
STRUCTURE_CODES = dict(zip(_LABELLED, (*_LEFT_CODES, *_RIGHT_CODES, 14, 15, 16, 24), strict=True))
# Names of other versions and tools of FreeSurfer.
STRUCTURE_ALIASES = {f"{side}-Thalamus-Proper": f"{side}-Thalamus" for side in ("Left", "Right")}
STRUCTURE_ALIASES["eTIV"] = INTRACRANIAL

# Structures of one side that share a border, and structures that border the midline's.
_TOUCHING = (
    ("Lateral-Ventricle", "Caudate"),
    ("Lateral-Ventricle", "Thalamus"),
    ("Lateral-Ventricle", "choroid-plexus"),
    ("Lateral-Ventricle", "Inf-Lat-Vent"),
    ("Lateral-Ventricle", "Hippocampus"),
    ("Inf-Lat-Vent", "Hippocampus"),
    ("Inf-Lat-Vent", "Amygdala"),
    ("Inf-Lat-Vent", "choroid-plexus"),
    ("Hippocampus", "Amygdala"),
    ("Hippocampus", "Thalamus"),
    ("Thalamus", "VentralDC"),
    ("Thalamus", "Caudate"),
    ("Thalamus", "Pallidum"),
    ("Caudate", "Putamen"),
    ("Caudate", "Accumbens-area"),
    ("Putamen", "Pallidum"),
    ("Putamen", "Accumbens-area"),
    ("Putamen", "Amygdala"),
    ("Pallidum", "VentralDC"),
    ("Cerebellum-Cortex", "Cerebellum-White-Matter"),
)
_TOUCHING_MIDLINE = (
    ("Thalamus", "3rd-Ventricle"),
    ("VentralDC", "3rd-Ventricle"),
    ("Lateral-Ventricle", "3rd-Ventricle"),
    ("Lateral-Ventricle", "CSF"),
    ("VentralDC", "Brain-Stem"),
    ("Cerebellum-White-Matter", "Brain-Stem"),
    ("Cerebellum-White-Matter", "4th-Ventricle"),
    ("Cerebellum-Cortex", "4th-Ventricle"),
)
_TOUCHING_CORTEX = (
    ("Hippocampus", "G_oc-temp_med-Parahip"),
    ("Amygdala", "G_oc-temp_med-Parahip"),
    ("Amygdala", "Pole_temporal"),
    ("Putamen", "G_insular_short"),
    ("Putamen", "S_circular_insula_sup"),
    ("Accumbens-area", "G_subcallosal"),
    ("Accumbens-area", "G_rectus"),
    ("Lateral-Ventricle", "S_pericallosal"),
    ("Inf-Lat-Vent", "S_oc-temp_med_and_Lingual"),
)


def structure_edges() -> np.ndarray:
    """Pairs of neighbours with at least one structure, (E, 2) int.

    Parcels count from 0 in the order of `PARCEL_NAMES`, structures follow in the order of `STRUCTURE_NAMES`. Structures
    that share a border in the human brain are neighbours, and a structure and the cortex that lies on it.
    """
    index = {name: number for number, name in enumerate((*PARCEL_NAMES, *STRUCTURE_NAMES))}
    edges = [("3rd-Ventricle", "CSF"), ("4th-Ventricle", "Brain-Stem")]
    for side, cortex in (("Left", "lh"), ("Right", "rh")):
        edges += [(f"{side}-{one}", f"{side}-{other}") for one, other in _TOUCHING]
        edges += [(f"{side}-{one}", other) for one, other in _TOUCHING_MIDLINE]
        edges += [(f"{cortex}_{other}", f"{side}-{one}") for one, other in _TOUCHING_CORTEX]
    return np.array([sorted((index[one], index[other])) for one, other in edges])


def mirrored_pairs() -> np.ndarray:
    """Left and right node of every parcel and paired structure, (74 + 13, 2) int, numbered as in `structure_edges`."""
    half, paired = len(PARCEL_NAMES) // 2, len(_PAIRED)
    left = [*range(half), *range(len(PARCEL_NAMES), len(PARCEL_NAMES) + paired)]
    right = [*range(half, 2 * half), *range(len(PARCEL_NAMES) + paired, len(PARCEL_NAMES) + 2 * paired)]
    return np.column_stack([left, right])
