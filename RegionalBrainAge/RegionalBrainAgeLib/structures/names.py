"""The structures that are measured, under the names of FreeSurfer's aseg, and the classes of the network."""

from __future__ import annotations

from ..anatomy.structures import STRUCTURE_CODES

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
MEASURED_STRUCTURES = tuple(name for name in STRUCTURE_CODES if not name.endswith("choroid-plexus"))
# FreeSurfer's numbers of these, for the label volume, in their order.
ASEG_CODES = {name: code for code, name in sorted((STRUCTURE_CODES[name], name) for name in MEASURED_STRUCTURES)}
