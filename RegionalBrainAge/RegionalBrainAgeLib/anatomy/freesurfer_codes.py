"""FreeSurfer's label codes (aseg and aparc.a2009s) of tissue that is not cortex."""

from __future__ import annotations

VENTRICLES = (4, 43)
WHITE_MATTER = (2, 41)
BELOW_TENTORIUM = (7, 8, 15, 16, 46, 47)
# Not cortex, and inside FreeSurfer's white surface: ventricles, choroid plexus, deep nuclei, hippocampus, amygdala,
# accumbens, ventral diencephalon, callosum.
_LEFT_AND_MIDLINE = (4, 5, 10, 11, 12, 13, 14, 17, 18, 24, 26, 28, 30, 31, 77, 80, 85)
_RIGHT_AND_CALLOSUM = (43, 44, 49, 50, 51, 52, 53, 54, 58, 60, 62, 63, 251, 252, 253, 254, 255)
INSIDE = (*_LEFT_AND_MIDLINE, *_RIGHT_AND_CALLOSUM)
