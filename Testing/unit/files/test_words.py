"""Cells of tables: what is missing, a sex, a yes, a number; the oracle is what a person would read."""

from __future__ import annotations

import math

import pytest
from RegionalBrainAgeLib.files.words import (
    MISSING_NUMBERS,
    is_grouped,
    is_missing,
    number_of,
    same_numbers,
    sex_of,
    truth_of,
    unclear_sexes,
)


@pytest.mark.parametrize(
    "text", [None, "", "  ", "NA", "n/a", "NaN", "<NA>", "null", "None", "missing", "#N/A", ".", "-"]
)
def test_words_for_nothing_are_missing_and_their_number_is_nan(text):
    assert is_missing(text)
    assert math.isnan(number_of(text))


@pytest.mark.parametrize("text", ["0", "no", "left", "-1", "naan"])
def test_other_words_are_not_missing(text):
    assert not is_missing(text)


@pytest.mark.parametrize(
    ("text", "sex"),
    [
        ("F", "F"),
        (" female ", "F"),
        ("Woman", "F"),
        ("w", "F"),
        ("m", "M"),
        ("MALE", "M"),
        ("man", "M"),
        ("x", None),
        ("1", None),
    ],
)
def test_a_sex_is_one_of_two_letters_or_unknown(text, sex):
    assert sex_of(text) == sex


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("true", True),
        (" Yes", True),
        ("1", True),
        ("T", True),
        ("y", True),
        ("FALSE", False),
        ("no", False),
        ("0", False),
        ("f", False),
        ("n", False),
        ("2", None),
        ("", None),
        ("maybe", None),
    ],
)
def test_a_yes_or_no_is_understood_and_nothing_else_guessed(text, truth):
    assert truth_of(text) is truth


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1.0),
        ("-1.5", -1.5),
        (" 2.50 ", 2.5),
        ("+3", 3.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("1.5E-2", 0.015),
        ("123456789012345", 123456789012345.0),
        ("1234567890123456", 1234567890123456.0),
        ("0001", 1.0),
    ],
)
def test_numbers_with_a_point_are_read_as_they_are_written(text, number):
    assert number_of(text) == number


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2,457", "separate thousands"),
        ("-12,345", "separate thousands"),
        ("1,234,567", "separate thousands"),
        ("+1,000", "separate thousands"),
        ("2,5", "decimal comma"),
        ("0,457", "decimal comma"),
        (",5", "decimal comma"),
        ("2,4571", "decimal comma"),
        ("1234,567", "decimal comma"),
        ("2,5e3", "decimal comma"),
        ("abc", "not a number"),
        ("1 000", "not a number"),
        ("1_000", "not a number"),
        ("0x10", "not a number"),
        ("1e", "not a number"),
        ("--1", "not a number"),
        ("inf", "not a number"),
        ("1.2.3", "not a number"),
        ("1e999", "not a finite number"),
        ("-1e999", "not a finite number"),
        ("9" * 400, "not a finite number"),
    ],
)
def test_what_would_be_a_guess_is_refused_with_its_reason(text, said):
    with pytest.raises(ValueError, match=said):
        number_of(text)


def test_only_groups_of_three_digits_may_separate_thousands():
    assert [is_grouped(text) for text in ("2,457", "12,457", "123,456,789", "-2,457")] == [True] * 4
    assert [is_grouped(text) for text in ("2,45", "1234,567", "0,457", "2.457", "2,457,", "2,4571", "")] == [False] * 7


def test_spellings_of_one_number_are_found_together():
    assert same_numbers(["1", "1.0", "01", "2", "A", "a"]) == [("1", "1.0", "01")]
    assert same_numbers(["1", "2", "3a", "3b"]) == []
    assert same_numbers(["10", "1e1", "5", "5.0"]) == [("10", "1e1"), ("5", "5.0")]


def test_numbers_that_statistics_programs_write_for_nothing_are_known():
    assert set(MISSING_NUMBERS) == {-999.0, -9999.0, -99999.0}


def test_codes_of_sexes_are_unclear_beside_2():
    assert "code 2" in unclear_sexes(["1", "2", "2"])
    assert "code 2" in unclear_sexes(["1.0", "2.0"])
    assert unclear_sexes(["0", "1"]) == ""
