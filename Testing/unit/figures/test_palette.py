"""Colours: every pair a reader must tell apart is told apart, also with the common kinds of colour-blindness."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from RegionalBrainAgeLib.figures import palette
from RegionalBrainAgeLib.figures.palette import AmountScale, YearsScale, load_limit, ramp, rgb, years_limit

colorspacious = pytest.importorskip("colorspacious", reason="colorspacious is not installed")
# Difference in CAM02-UCS (Luo 2006), where 1 is just noticeable side by side; maps are seen apart from their legend.
LEAST_DIFFERENCE = 11.0
NAN = float("nan")
# Machado 2009, complete.
VISION = [None, "deuteranomaly", "protanomaly", "tritanomaly"]
WORDS = {
    "inside the range": palette.NEUTRAL,
    "in no region": palette.NO_REGION,
    "not estimable": palette.NOT_ESTIMABLE,
    "lesion": palette.LESION,
}
SCALES = {
    "younger": palette.YOUNGER,
    "older": palette.OLDER,
    "amount": palette.AMOUNT,
    "thickness": palette.THICKNESS,
}


def seen(colour: np.ndarray, vision: str | None) -> np.ndarray:
    if vision is None:
        return colour
    kind = {"name": "sRGB1+CVD", "cvd_type": vision, "severity": 100}
    return np.clip(colorspacious.cspace_convert(colour, kind, "sRGB1"), 0, 1)


def difference(one: np.ndarray, other: np.ndarray, vision: str | None) -> float:
    return float(colorspacious.deltaE(seen(one, vision), seen(other, vision), input_space="sRGB1"))


@pytest.mark.parametrize("vision", VISION)
def test_what_carries_no_number_is_told_apart(vision):
    for one, other in combinations(WORDS.values(), 2):
        assert difference(rgb(one), rgb(other), vision) > LEAST_DIFFERENCE, (one, other)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("scale", SCALES)
def test_no_number_looks_like_what_carries_none(scale, vision):
    for place in ramp(SCALES[scale], np.linspace(0, 1, 21)):
        for name, other in WORDS.items():
            assert difference(place, rgb(other), vision) > LEAST_DIFFERENCE, (scale, name)


@pytest.mark.parametrize("vision", VISION)
def test_younger_is_never_taken_for_older(vision):
    for blue in ramp(palette.YOUNGER, np.linspace(0, 1, 11)):
        for orange in ramp(palette.OLDER, np.linspace(0, 1, 11)):
            assert difference(blue, orange, vision) > 2 * LEAST_DIFFERENCE


def test_the_test_sees_two_colours_that_red_green_blindness_merges():
    # The lesion's purple and the scale's blue of an earlier version.
    purple, blue = np.array([0.72, 0.20, 0.92]), np.array([0.26, 0.58, 0.90])
    assert difference(purple, blue, None) > 30
    assert difference(purple, blue, "deuteranomaly") < LEAST_DIFFERENCE


def test_only_numbers_outside_their_range_are_coloured():
    colours = YearsScale(20.0).colours(np.array([15.0, 15.0, -3.0, NAN]), np.array([True, False, True, False]))
    assert np.allclose(colours[[1, 3]], rgb(palette.NEUTRAL))
    red, _, blue = colours[0]
    assert red > blue
    red, _, blue = colours[2]
    assert blue > red


def test_no_load_is_grey_and_the_smallest_load_is_not():
    colours = AmountScale(0.0, 10.0).colours(np.array([0.0, 1e-6]))
    assert np.allclose(colours[0], rgb(palette.NEUTRAL))
    assert np.allclose(colours[1], rgb(palette.AMOUNT[0]), atol=1e-3)


def test_scales_are_symmetric_and_never_narrower_than_stated():
    assert years_limit([1.0, NAN, -2.0]) == 10.0
    assert years_limit([12.0, -21.0]) == 25.0
    assert load_limit([0.0, 0.02]) == 0.1
    assert load_limit([0.31]) == pytest.approx(0.4)
    assert load_limit([1.0]) == 1.0
