"""What the command line prints of a case: what the report says first, and no number that must not be read."""

from __future__ import annotations

import dataclasses

from made_up_head import made_up_result
from RegionalBrainAgeLib.case.cli import summary
from RegionalBrainAgeLib.case.report.answer import answer


def line_of(text: str, region: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(region))


def test_the_answer_stands_second_and_numbers_beside_their_healthy_range():
    result = made_up_result()
    text = summary(result)
    assert text.splitlines()[1] == answer(result)
    assert line_of(text, "FPN_R").split() == ["FPN_R", "contralesional", "+5.5", "*", "−5.0", "to", "+5.0", "0"]
    assert "*" not in line_of(text, "VIS_R")
    assert "not estimable" in line_of(text, "FPN_L")


def test_a_calibrated_case_shows_its_pads():
    text = summary(dataclasses.replace(made_up_result(), calibration="local"))
    assert "PAD, years" in text
    assert "+7.5" in line_of(text, "FPN_R")


def test_no_age_is_printed_where_none_may_be_read():
    text = summary(made_up_result(simulated=("age",)))
    assert "age not known" in text
    assert "+5.5" not in text
    assert "not read" in line_of(text, "FPN_R")
