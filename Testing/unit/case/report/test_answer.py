"""The answer: generated from the numbers, so changing a number changes the sentence and nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_head import made_up_result
from RegionalBrainAgeLib.age.model.asymmetry import Asymmetry
from RegionalBrainAgeLib.case.report.answer import answer
from RegionalBrainAgeLib.case.report.reading import contrasts, in_health, regions
from RegionalBrainAgeLib.case.result.result import CaseResult, InHealth

NAN = float("nan")


def case(**changes) -> CaseResult:
    """A made-up case that passed: networks FPN and VIS, left lesion, left FPN not estimable."""
    return replace(made_up_result(), **{"qc": "pass", "warnings": (), **changes})


def with_difference(result: CaseResult, years: float) -> CaseResult:
    """The case with VIS left minus right at `years`; 90 % of healthy people lie between -12 and +13."""
    return replace(
        result, asymmetries=(Asymmetry("FPN", NAN, -12.0, 13.0, NAN), Asymmetry("VIS", years, -12.0, 13.0, 50.0))
    )


def with_pads(result: CaseResult, **pads: float) -> CaseResult:
    """The case with these corrected PADs, intervals of +-9 years."""
    rows = [
        replace(row, pad_corrected_years=pads[row.region], pad_lower_years=pads[row.region] - 9,
                pad_upper_years=pads[row.region] + 9)
        if row.region in pads else row
        for row in result.regions
    ]  # fmt: skip
    return replace(result, regions=tuple(rows))


def test_nothing_found_is_said_with_what_could_not_be_estimated():
    assert answer(case()).startswith("Sides differ beyond the healthy range in 0 of 1 networks (FPN not estimable).")


@pytest.mark.parametrize(
    ("years", "words"),
    [
        (13.1, "in 1 of 1 networks: ipsilesional older in VIS"),
        (12.9, "in 0 of 1 networks"),
        (-11.9, "in 0 of 1 networks"),
        (-12.1, "in 1 of 1 networks: contralesional older in VIS"),
    ],
)
def test_a_network_is_named_exactly_when_its_contrast_leaves_the_healthy_range(years, words):
    text = answer(with_difference(case(), years))
    assert words in text
    assert ("VIS" in text.split(".")[0]) == ("1 of 1" in words)


def test_the_side_of_the_lesion_decides_which_side_is_called_older():
    right = replace(case().lesion, side="R")
    assert "contralesional older in VIS" in answer(with_difference(case(lesion=right), 20.0))
    both = replace(case().lesion, side="bilateral")
    assert "left older in VIS" in answer(with_difference(case(lesion=both), 20.0))


def test_deviating_regions_are_counted_and_named():
    # Deviations of the made-up case: FPN_R 5.5, VIS_L -5, VIS_R -3, each with an interval of +-5 years.
    assert (
        "1 of 3 regions deviate from this brain's unlesioned hemisphere beyond the healthy range: contralesional older "
        "in FPN." in answer(case())
    )


def of_networks(older: int) -> CaseResult:
    """The case with nine networks, the lesioned side older in the first `older` of them."""
    made = case()
    networks = [f"N{number}" for number in range(1, 10)]
    rows = [
        replace(row, network=name, region=f"{name}_{row.hemisphere}") for name in networks for row in made.regions[2:]
    ]
    years = [20.0 if number < older else 0.0 for number in range(9)]
    found = [Asymmetry(name, value, -12.0, 13.0, 50.0) for name, value in zip(networks, years, strict=True)]
    return replace(made, regions=tuple(rows), asymmetries=tuple(found))


@pytest.mark.parametrize(
    ("older", "words"),
    [
        (2, "in 2 of 9 networks: ipsilesional older in N1 and N2."),
        (6, "in 6 of 9 networks: ipsilesional older in all but N7, N8 and N9."),
        (9, "in 9 of 9 networks: ipsilesional older in all."),
    ],
)
def test_where_most_networks_lie_outside_the_others_are_named(older, words):
    assert words in answer(of_networks(older))


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.47, "VIS (FPN not estimable); 47 in 100 healthy people have as large a part outside."),
        (0.012, "; 1 in 100 healthy people has as large a part outside."),
        (0.003, "; fewer than 1 in 100 healthy people have as large a part outside."),
    ],
)
def test_how_many_healthy_people_have_as_many_outside_is_said_beside_what_is_outside(share, words):
    found = with_difference(case(in_health=InHealth(networks=share)), 20.0)
    assert words in answer(found)
    assert "in 100 healthy" not in answer(with_difference(found, 0.0))


def test_a_count_is_named_where_every_network_can_be_compared():
    """Of fewer networks it would be a larger part of them than of a healthy person's."""
    found = replace(of_networks(2), in_health=InHealth(networks=0.12))
    assert "ipsilesional older in N1 and N2; 12 in 100 healthy people have 2 or more." in answer(found)


def test_counts_are_judged_by_those_of_healthy_people():
    """Deviations of the made-up case: 1 of 3 outside; no network's difference is."""
    lesion_left = {"deviations from right hemisphere": [1.0, 0.6, 0.3, 0.2], "differences": [1.0, 0.2, 0.1]}
    found = with_difference(case(global_age=replace(case().global_age, read_from="right hemisphere")), 0.0)
    assert in_health(found, {"none": lesion_left}) == InHealth(pytest.approx(0.6), pytest.approx(1.0))
    calibrated = with_pads(replace(found, calibration="local"), FPN_R=9.5, VIS_L=-9.5, VIS_R=8.5)
    of_pads = {"pads": [1.0, 0.5, 0.25, 0.0], "differences": [1.0, 0.2, 0.1]}
    assert in_health(calibrated, {"local": of_pads}).regions == pytest.approx(0.25)


def test_without_calibration_nothing_is_said_against_other_people():
    text = answer(case())
    assert "expected" not in text
    assert "as a whole:" not in text


def test_a_calibrated_case_is_told_by_its_pads():
    text = answer(with_pads(case(calibration="local"), FPN_R=9.5, VIS_L=-9.5, VIS_R=8.5))
    assert text == (
        "2 of 3 regions are older or younger than expected: ipsilesional younger in VIS; contralesional older in FPN "
        "(ipsilesional FPN not estimable). This brain's unlesioned hemisphere: 62 years (53 to 71) at 60."
    )


def test_a_failed_case_gives_no_number():
    text = answer(case(qc="fail", warnings=("This is not a T1.",)))
    assert text == "Do not use this result. This is not a T1."
    assert not any(reading.estimable for reading in regions(case(qc="fail")).values())


def test_an_age_that_is_not_known_is_not_read():
    demo = case(case=replace(case().case, simulated=("lesion", "age")))
    assert answer(demo).startswith("No age is read here: the person's age is not known.")
    assert not any(reading.estimable for reading in [*regions(demo).values(), *contrasts(demo).values()])


def test_a_doubtful_case_says_so_at_the_end():
    assert answer(case(qc="review")).endswith("Check the image first: see the notes below.")


def test_outside_the_range_and_an_interval_without_zero_are_the_same():
    result = case(calibration="local")
    for row in result.regions:
        if row.estimable:
            without_zero = row.pad_lower_years > 0 or row.pad_upper_years < 0
            assert (regions(result)[row.region].outside != 0) == without_zero
