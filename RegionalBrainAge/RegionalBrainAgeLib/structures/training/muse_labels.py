"""Numbers of the MUSE label maps (Doshi 2016; DLMUSE writes the same) as classes of the network."""

from __future__ import annotations

import numpy as np

from ..names import CLASSES, OTHER_SIDE

# Left and right number of each sided class; regional cortex and white matter are merged.
_SIDED = {
    "Lateral-Ventricle": ([52], [51]),
    "Inf-Lat-Vent": ([50], [49]),
    "Thalamus": ([60], [59]),
    "Caudate": ([37], [36]),
    "Putamen": ([58], [57]),
    "Pallidum": ([56], [55]),
    "Hippocampus": ([48], [47]),
    "Amygdala": ([32], [31]),
    "Accumbens-area": ([30], [23]),
    "VentralDC": ([62], [61]),
    "Cerebellum-Cortex": ([39], [38]),
    "Cerebellum-White-Matter": ([41], [40]),
    # lobar white matter, fornix, internal capsule
    "Cerebral-White-Matter": (list(range(82, 95, 2)), list(range(81, 94, 2))),
    # basal forebrain and gyri
    "Cerebral-Cortex": ([75, *range(101, 208, 2)], [76, *range(100, 207, 2)]),
}
_MIDLINE = {
    "3rd-Ventricle": [4],
    "4th-Ventricle": [11],
    "Brain-Stem": [35],
    "Vermis": [71, 72, 73],
    "Corpus-Callosum": [95],
    "CSF": [46],
    # fluid around the brain, and the optic chiasm (69) within it
    "Cortical-CSF": [1, 69],
}


def class_of_code(side: str) -> np.ndarray:
    """Class number of each MUSE code as seen from one half ("L" or "R"), uint8, shape (256,)."""
    classes = np.zeros(256, np.uint8)
    for name, (left, right) in _SIDED.items():
        own, other = (left, right) if side == "L" else (right, left)
        classes[own] = CLASSES.index(name)
        classes[other] = CLASSES.index(OTHER_SIDE)
    for name, codes in _MIDLINE.items():
        classes[codes] = CLASSES.index(name)
    return classes


KNOWN_CODES = frozenset(
    code for codes in ([*left, *right] for left, right in _SIDED.values()) for code in codes
) | frozenset(code for codes in _MIDLINE.values() for code in codes)
