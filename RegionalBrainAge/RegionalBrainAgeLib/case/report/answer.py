"""The answer of a case in one or two sentences, generated from its numbers.

The same text stands first in the report, in ``case.json`` (field ``answer``), on the quality page and in the panel.
"""

from __future__ import annotations

from ...files.wording import listed, plain
from ..result.result import CaseResult, GlobalAgeResult
from .reading import Reading, calibrated, contrasts, regions, withheld


def answer(result: CaseResult) -> str:
    """What was found, or that nothing was, and what could not be estimated.

    Without calibration it tells only what may be read then: differences within this brain.
    """
    if result.qc == "fail":
        return f"Do not use this result. {result.warnings[0] if result.warnings else 'The quality check failed.'}"
    reason = withheld(result)
    if reason:
        return f"No age is read here: {reason}. Lesion, loads and thickness are shown."
    sentences = _calibrated(result) if calibrated(result) else [_of_sides(result), _of_regions(result)]
    if result.qc != "pass":
        sentences.append("Check the image first: see the notes below.")
    return " ".join(sentences)


def _calibrated(result: CaseResult) -> list[str]:
    found = regions(result)
    count = sum(reading.estimable for reading in found.values())
    older, younger = (_names(result, found, direction) for direction in (1, -1))
    lost = _lost([_name(result, region) for region, reading in found.items() if not reading.estimable])
    in_older, in_younger = (f"{len(names)}{{}}{_list(names)}" for names in (older, younger))
    return [
        f"Older than expected in {in_older.format(f' of {count} regions')}; younger in {in_younger.format('')}{lost}.",
        _whole(result),
    ]


def _whole(result: CaseResult) -> str:
    whole = result.global_age
    if whole is None or not whole.estimable:
        return "The age of this brain as a whole is not estimable."
    age_years = result.case.age_years
    low, high = global_interval_years(whole, age_years)
    age, lowest, highest, at = (plain(y, 0) for y in (age_years + whole.pad_corrected_years, low, high, age_years))
    return f"This brain as a whole: {age} years ({lowest} to {highest}) at {at}."


def global_interval_years(whole: GlobalAgeResult, age_years: float) -> tuple[float, float]:
    """90 % interval of the age of the brain as a whole, corrected for age bias (years)."""
    return age_years + whole.pad_lower_years, age_years + whole.pad_upper_years


def _of_sides(result: CaseResult) -> str:
    found = contrasts(result)
    known = {network: reading for network, reading in found.items() if reading.estimable}
    if not known:
        return "No network can be compared between the sides."
    first, second = ("ipsilesional", "contralesional") if result.one_sided else ("left", "right")
    outside = [
        f"{network} ({first if reading.outside > 0 else second} side older)"
        for network, reading in known.items()
        if reading.outside
    ]
    lost = _lost([network for network in found if network not in known])
    return f"Sides differ beyond the healthy range in {len(outside)} of {len(known)} networks{_list(outside)}{lost}."


def _of_regions(result: CaseResult) -> str:
    found = regions(result)
    count = sum(reading.estimable for reading in found.values())
    older, younger = (_names(result, found, direction) for direction in (1, -1))
    outside = [f"{name} older" for name in older] + [f"{name} younger" for name in younger]
    return (
        f"{len(outside)} of {count} regions deviate from this brain as a whole beyond the healthy range"
        f"{_list(outside)}."
    )


def _names(result: CaseResult, found: dict[str, Reading], direction: int) -> list[str]:
    return [_name(result, region) for region, reading in found.items() if reading.outside == direction]


def _name(result: CaseResult, region: str) -> str:
    row = next(row for row in result.regions if row.region == region)
    return f"{row.side} {row.network}"


def _list(names: list[str]) -> str:
    return f": {listed(names)}" if names else ""


def _lost(names: list[str]) -> str:
    return f" ({listed(names)} not estimable)" if names else ""
