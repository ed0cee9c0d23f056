"""The answer of a case in one or two sentences, generated from its numbers.

The same text stands first in the report, in ``case.json`` (field ``answer``), on the quality page and in the panel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ...files.wording import listed, plain
from ..result.result import CaseResult, GlobalAgeResult
from .reading import Reading, calibrated, contrasts, regions, whole_name, why_withheld

# From this many networks on, naming those that are left over may be shorter.
_MANY = 4


def answer(result: CaseResult) -> str:
    """What was found, or that nothing was, and what could not be estimated.

    Without calibration it tells only what may be read then: differences within this brain.
    """
    if result.qc == "fail":
        return f"Do not use this result. {result.warnings[0] if result.warnings else 'The quality check failed.'}"
    reason = why_withheld(result)
    if reason:
        return f"No age is read here: {reason}. Lesion, loads and thickness are shown."
    sentences = _calibrated(result) if calibrated(result) else _within(result)
    if result.qc != "pass":
        sentences.append("Check the image first: see the notes below.")
    return " ".join(sentences)


def _calibrated(result: CaseResult) -> list[str]:
    return [_of_regions(result, "are older or younger than expected", _lost_regions(result)), _whole(result)]


def _within(result: CaseResult) -> list[str]:
    what = f"deviate from {whole_name(result)} beyond the healthy range"
    return [_of_sides(result), _of_regions(result, what, [])]


def _whole(result: CaseResult) -> str:
    whole = result.global_age
    name = whole_name(result)
    if whole is None or not whole.estimable:
        return f"The age of {name} is not estimable."
    age_years = result.case.age_years
    low, high = global_interval_years(whole, age_years)
    age, lowest, highest, at = (plain(y, 0) for y in (age_years + whole.pad_corrected_years, low, high, age_years))
    return f"{name.capitalize()}: {age} years ({lowest} to {highest}) at {at}."


def global_interval_years(whole: GlobalAgeResult, age_years: float) -> tuple[float, float]:
    """90 % interval of the age of the brain as a whole, corrected for age bias (years)."""
    return age_years + whole.pad_lower_years, age_years + whole.pad_upper_years


def _of_sides(result: CaseResult) -> str:
    found = contrasts(result)
    known = [network for network, reading in found.items() if reading.estimable]
    if not known:
        return "No network can be compared between the sides."
    first, second = _sides(result)
    outside = _in_words(first, found, {1: "older"}) + _in_words(second, found, {-1: "older"})
    lost = [network for network in found if network not in known]
    count = _count(found)
    start = f"Sides differ beyond the healthy range in {count} of {len(known)} networks"
    as_many = _as_many(result.in_health.networks, count, len(known) == len(found))
    return _sentence(start, outside, [listed(lost)] if lost else [], as_many)


def _of_regions(result: CaseResult, what: str, lost: list[str]) -> str:
    found = regions(result)
    outside = []
    for side in _sides(result):
        outside += _in_words(side, _of_side(result, side), {1: "older", -1: "younger"})
    count, estimable = _count(found), sum(reading.estimable for reading in found.values())
    as_many = _as_many(result.in_health.regions, count, estimable == len(found))
    return _sentence(f"{count} of {estimable} regions {what}", outside, lost, as_many)


def _lost_regions(result: CaseResult) -> list[str]:
    found = []
    for side in _sides(result):
        networks = [network for network, reading in _of_side(result, side).items() if not reading.estimable]
        found += [f"{side} {listed(networks)}"] if networks else []
    return found


def _sides(result: CaseResult) -> tuple[str, str]:
    return ("ipsilesional", "contralesional") if result.one_sided else ("left", "right")


def _of_side(result: CaseResult, side: str) -> dict[str, Reading]:
    """Readings of the regions of one side, by network."""
    found = regions(result)
    return {row.network: found[row.region] for row in result.regions if row.side == side}


def _count(found: Mapping[str, Reading]) -> int:
    return sum(reading.outside != 0 for reading in found.values())


def _in_words(side: str, found: Mapping[str, Reading], words: Mapping[int, str]) -> list[str]:
    """Which networks lie outside in the directions that have a word, and where these are most, which do not."""
    estimable = [network for network, reading in found.items() if reading.estimable]
    phrases = []
    for direction, word in words.items():
        outside = [network for network in estimable if found[network].outside == direction]
        rest = [network for network in estimable if network not in outside]
        names = listed(outside) if outside else ""
        if len(outside) >= max(_MANY, 2 * len(rest)):
            names = f"all but {listed(rest)}" if rest else "all"
        phrases += [f"{side} {word} in {names}"] if names else []
    return phrases


def _sentence(start: str, outside: list[str], lost: list[str], as_many: str) -> str:
    names = f": {'; '.join(outside)}" if outside else ""
    without = f" ({listed(lost)} not estimable)" if lost else ""
    return f"{start}{names}{without}{as_many}."


def _as_many(share_in_health: float, count: int, complete: bool) -> str:
    """How many healthy people have as many numbers outside; empty for none, and where that is not known.

    Where some numbers are not estimable, the patient's part of the others is compared (`share_with_as_many`).
    """
    if not count or math.isnan(share_in_health):
        return ""
    of_hundred = round(100 * share_in_health)
    what = f"{count} or more" if complete else "as large a part outside"
    how_many = f"{of_hundred} in 100" if of_hundred else "fewer than 1 in 100"
    return f"; {how_many} healthy people {'has' if of_hundred == 1 else 'have'} {what}"
