"""Tells whether a head's contrast is that of a T1-weighted image."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ..anatomy.template import template_brightness
from ..geometry.image import Image

if TYPE_CHECKING:
    from .registration import Registration

WHITE, GREY, FLUID = 1, 2, 3
# Share of the template's bright end (95th percentile): certain white matter, mostly grey matter, mostly fluid.
WHITE_ABOVE, GREY_BETWEEN, FLUID_BELOW = 0.96, (0.74, 0.84), 0.45
# Four T1-weighted heads have grey matter at 0.62-0.78 and fluid at 0.28-0.37 of white matter (registration_benchmark).
GREY_AT_MOST, FLUID_AT_MOST = 0.95, 0.85


def contrast_warnings(t1: Image, registration: Registration, lesion: Image | None = None) -> list[str]:
    """A warning when white matter is not brighter than grey matter, and grey matter than fluid, as it is in T1.

    Parameters
    ----------
    t1 : bias-corrected head; `lesion` (bool, same grid) is left out.
    registration : of that head; tells where the tissues lie whatever the contrast.
    """
    tissue = registration.to_native(_template_tissue()).array
    if lesion is not None:
        tissue = np.where(lesion.array, 0, tissue)
    white, grey, fluid = (float(np.median(t1.array[tissue == code])) for code in (WHITE, GREY, FLUID))
    if grey <= GREY_AT_MOST * white and fluid <= FLUID_AT_MOST * white and fluid < grey:
        return []
    return [
        f"The image does not look T1-weighted: typical values are {white:.0f} in white matter, {grey:.0f} in grey "
        f"matter and {fluid:.0f} in fluid, but in T1 white is brightest and fluid darkest. Thickness and ages measured "
        "on another contrast mean nothing: give a T1-weighted image."
    ]


@lru_cache(maxsize=1)
def _template_tissue() -> Image:
    template = template_brightness()
    share = template.array
    tissue = np.zeros(template.shape, np.uint8)
    tissue[share >= WHITE_ABOVE] = WHITE
    tissue[(share >= GREY_BETWEEN[0]) & (share <= GREY_BETWEEN[1])] = GREY
    tissue[(share > 0) & (share <= FLUID_BELOW)] = FLUID
    return template.like(tissue)
