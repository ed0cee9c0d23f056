"""The structures that are measured, under the names of FreeSurfer's aseg, and the classes of the network."""

from __future__ import annotations

from ..anatomy.structures import STRUCTURE_NAMES

SIDES = ("L", "R")
SIDE_WORDS = {"L": "Left", "R": "Right"}

# What the network tells apart. It sees one half of a brain at a time, so a class has no side of its own.
SIDED_CLASSES = (
    "Lateral-Ventricle",
    "Inf-Lat-Vent",
    "Thalamus",
    "Caudate",
    "Putamen",
    "Pallidum",
    "Hippocampus",
    "Amygdala",
    "Accumbens-area",
    "VentralDC",
    "Cerebellum-Cortex",
    "Cerebellum-White-Matter",
    "Cerebral-White-Matter",
    "Cerebral-Cortex",
)
MIDLINE_CLASSES = ("3rd-Ventricle", "4th-Ventricle", "Brain-Stem", "CSF", "Vermis", "Corpus-Callosum", "Cortical-CSF")
# These are measured in the window of the deep structures, all others in that of the whole half.
DEEP_CLASSES = frozenset({*SIDED_CLASSES[:10], "3rd-Ventricle", "CSF"})
BACKGROUND, OTHER_SIDE = "Background", "Other-Side"
CLASSES = (BACKGROUND, *SIDED_CLASSES, *MIDLINE_CLASSES, OTHER_SIDE)

# The label maps trained on have no choroid plexus: it is counted with the ventricles.
MEASURED_STRUCTURES = tuple(name for name in STRUCTURE_NAMES if not name.endswith("choroid-plexus"))
# FreeSurfer's numbers (FreeSurferColorLUT.txt), for the label volume.
ASEG_CODES = {
    "Left-Lateral-Ventricle": 4,
    "Left-Inf-Lat-Vent": 5,
    "Left-Cerebellum-White-Matter": 7,
    "Left-Cerebellum-Cortex": 8,
    "Left-Thalamus": 10,
    "Left-Caudate": 11,
    "Left-Putamen": 12,
    "Left-Pallidum": 13,
    "3rd-Ventricle": 14,
    "4th-Ventricle": 15,
    "Brain-Stem": 16,
    "Left-Hippocampus": 17,
    "Left-Amygdala": 18,
    "CSF": 24,
    "Left-Accumbens-area": 26,
    "Left-VentralDC": 28,
    "Right-Lateral-Ventricle": 43,
    "Right-Inf-Lat-Vent": 44,
    "Right-Cerebellum-White-Matter": 46,
    "Right-Cerebellum-Cortex": 47,
    "Right-Thalamus": 49,
    "Right-Caudate": 50,
    "Right-Putamen": 51,
    "Right-Pallidum": 52,
    "Right-Hippocampus": 53,
    "Right-Amygdala": 54,
    "Right-Accumbens-area": 58,
    "Right-VentralDC": 60,
}
