"""One set of words for cells of tables: what is missing, a sex, a yes, a number."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

from ..errors import InputError

MISSING_WORDS = frozenset({"", "na", "n/a", "nan", "<na>", "null", "none", "missing", "#n/a", "#value!", ".", "-", "?"})
# What statistics programs write for a number that is not there.
MISSING_NUMBERS = (-999.0, -9999.0, -99999.0)
_SEXES = {"f": "F", "female": "F", "woman": "F", "w": "F", "m": "M", "male": "M", "man": "M"}
_TRUE, _FALSE = frozenset({"true", "yes", "1", "t", "y"}), frozenset({"false", "no", "0", "f", "n"})
POINT_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
COMMA_NUMBER = re.compile(r"[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?")
# Most cells of a large table: too short to be infinite.
_PLAIN = re.compile(r"-?[0-9]{1,15}(\.[0-9]{0,15})?")
# 2,457 may be two and a half or two thousand.
_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+")


def is_missing(text: str | None) -> bool:
    """Whether a cell says that there is no value."""
    return text is None or text.strip().lower() in MISSING_WORDS


def sex_of(text: str) -> str | None:
    """``"F"`` or ``"M"``; None for a word that is neither."""
    return _SEXES.get(text.strip().lower())


def sex_or_code(text: str) -> str | None:
    """As `sex_of`; also 0 for women and 1 for men, as in FreeSurfer's tables and the charts.

    >>> sex_or_code("0"), sex_or_code("1.0"), sex_or_code("female"), sex_or_code("2")
    ('F', 'M', 'F', None)
    """
    return sex_of(text) or {"0": "F", "1": "M"}.get(text.strip().removesuffix(".0"))


def unclear_sexes(words: Iterable[str]) -> str:
    """Why a column of sexes may mean two things, in words; "" where it does not."""
    letters = {word.strip().lower().removesuffix(".0") for word in words}
    if "m" in letters and letters & {"h", "v"}:
        return "beside H (hombre) or V (varón, vrouw) the letter M may stand for women (mujer) or men"
    return "beside the code 2 the code 1 may stand for men or women" if {"1", "2"} <= letters else ""


def check_sexes(path: Path | str, words: Iterable[str]) -> None:
    """Refuse a table whose column of sexes may mean two things.

    Raises
    ------
    InputError : it may.
    """
    if why := unclear_sexes(words):
        raise InputError(f"The column sex of {path} is unclear: {why}.", "Write F for women and M for men.")


def truth_of(text: str) -> bool | None:
    """The yes or no a word means; None for another word."""
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def number_of(text: str | None) -> float:
    """A cell as a finite number, NaN where it is missing.

    Raises
    ------
    ValueError : not a number, not finite, or with a comma, whose meaning would be a guess; the text says which.
    """
    if text is None or is_missing(text):
        return math.nan
    word = text.strip()
    if _PLAIN.fullmatch(word):
        return float(word)
    if is_grouped(word):
        raise ValueError("has a comma that may separate thousands: write thousands plainly and decimals with a point")
    if COMMA_NUMBER.fullmatch(word):
        raise ValueError("has a decimal comma: write decimals with a point")
    if not POINT_NUMBER.fullmatch(word):
        raise ValueError("is not a number")
    value = float(word)
    if not math.isfinite(value):
        raise ValueError("is not a finite number")
    return value


def is_grouped(text: str) -> bool:
    """Whether a number may be one with separated thousands, as 2,457."""
    return bool(_GROUPED.fullmatch(text))


def same_numbers(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Names that are one number written in several ways, as 1, 1.0 and 01: spreadsheets change them without a word."""
    spellings: dict[float, list[str]] = {}
    for name in names:
        if POINT_NUMBER.fullmatch(name):
            spellings.setdefault(float(name), []).append(name)
    return [tuple(found) for found in spellings.values() if len(found) > 1]
