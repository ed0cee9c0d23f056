"""Reads what a finished case left on disk. Nothing here needs Slicer or the science packages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.input_file import parsing, read_json
from RegionalBrainAgeLib.files.tables import read_table

# Columns that hold numbers; those of the second list are missing in folders of older versions.
_NUMBERS = (
    "brain_age_years",
    "pad_corrected_years",
    "pad_lower_years",
    "pad_upper_years",
    "pad_percentile",
    "load_fraction",
    "thickness_mm",
)
_NEWER_NUMBERS = (
    "deviation_corrected_years",
    "deviation_lower_years",
    "deviation_upper_years",
    "deviation_percentile",
)


@dataclass(frozen=True)
class RegionRow:
    """One region of ``sub-<id>_regions.tsv``; numbers that were not given are NaN. `label` is its value in the dseg."""

    label: int
    region: str
    network: str
    hemisphere: str
    side: str
    brain_age_years: float
    pad_corrected_years: float
    pad_lower_years: float
    pad_upper_years: float
    pad_percentile: float
    estimable: bool
    reason: str
    load_fraction: float
    thickness_mm: float
    deviation_corrected_years: float = math.nan
    deviation_lower_years: float = math.nan
    deviation_upper_years: float = math.nan
    deviation_percentile: float = math.nan

    @property
    def interval_width_years(self) -> float:
        """Width of the 90 % interval."""
        return self.pad_upper_years - self.pad_lower_years


@dataclass(frozen=True)
class Contrast:
    """Ipsi- minus contralesional (without one lesioned side: left minus right) of a network, beside 90 % of healthy."""

    difference_years: float
    lower_years: float
    upper_years: float


@dataclass(frozen=True)
class CaseFolder:
    """A case as written by ``regional-brain-age case``: where its files lie and the rows of its regions table.

    It has what `RegionalBrainAgeLib.case.report.reading` asks of a case, so that panel and report read numbers alike.
    """

    path: Path
    name: str
    rows: tuple[RegionRow, ...]
    facts: dict

    def file(self, ending: str) -> Path:
        """Path of ``sub-<id>_<ending>``, whether or not it exists."""
        return self.path / f"{self.name}_{ending}"

    @property
    def case_id(self) -> str:
        """The id without ``sub-``."""
        return self.name.removeprefix("sub-")

    @property
    def lesion_side(self) -> str:
        """One of "L", "R", "bilateral" and "none"."""
        return (self.facts.get("lesion") or {}).get("side") or "none"

    @property
    def one_sided(self) -> bool:
        """Whether the lesion lies in one hemisphere."""
        return self.lesion_side in ("L", "R")

    @property
    def regions(self) -> tuple[RegionRow, ...]:
        """The rows, under the name that `CaseResult` has for them."""
        return self.rows

    @property
    def networks(self) -> tuple[str, ...]:
        """Networks of the scheme in its order."""
        return tuple(dict.fromkeys(row.network for row in self.rows))

    @property
    def lesion(self) -> SimpleNamespace:
        """The lesion, under the names that `CaseResult` has for it."""
        return SimpleNamespace(side=self.lesion_side)

    @property
    def case(self) -> SimpleNamespace:
        """What was given, under the names that `CaseResult` has for it."""
        return SimpleNamespace(simulated=tuple((self.facts.get("case") or {}).get("simulated") or ()))

    @property
    def calibration(self) -> str:
        """How the ages were calibrated: "none" or "local"."""
        return self.facts.get("calibration") or "none"

    @property
    def qc(self) -> str:
        """Verdict of the quality check: "pass", "review" or "fail"."""
        return self.facts.get("qc") or "pass"

    @property
    def answer(self) -> str:
        """What was found, in words; empty in folders of older versions."""
        return self.facts.get("answer") or ""

    def contrast(self, network: str) -> Contrast | None:
        """The network's difference between the sides, or None if it was not made."""
        found = next((a for a in self.facts.get("asymmetries") or () if a.get("network") == network), None)
        if found is None or found.get("difference_years") is None:
            return None
        numbers = [float(found[key]) for key in ("difference_years", "lower_years", "upper_years")]
        if self.lesion_side == "R":
            numbers = [-numbers[0], -numbers[2], -numbers[1]]
        return Contrast(*numbers)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences the user should read."""
        return tuple(self.facts.get("warnings") or ())

    def pairs(self) -> list[tuple[str, RegionRow, RegionRow]]:
        """(network, first, second) per network: ipsi- then contralesional, or left then right without one side."""
        first = self.lesion_side if self.one_sided else "L"
        by_place = {(row.network, row.hemisphere): row for row in self.rows}
        second = "R" if first == "L" else "L"
        return [(network, by_place[network, first], by_place[network, second]) for network in self.networks]


def read_case_folder(path: Path | str) -> CaseFolder:
    """Read a case folder.

    Raises
    ------
    InputError : a file is missing or not readable; the message names it.
    """
    path = Path(path)
    tables = sorted(path.glob("sub-*_regions.tsv"))
    if not path.is_dir() or not tables:
        raise InputError(
            f"The folder {path} holds no finished case (no sub-*_regions.tsv).",
            "Choose the folder sub-<id> of a finished case, or estimate the case again.",
        )
    name = tables[0].name.removesuffix("_regions.tsv")
    facts_path = path / f"{name}_case.json"
    with parsing(f"The case folder {path}", "Estimate the case again."):
        facts = read_json(facts_path, f"The file {facts_path}", "Estimate the case again.")
        rows = tuple(_row(i, cells) for i, cells in enumerate(read_table(tables[0]), start=1))
    if not rows:
        raise InputError(f"The table {tables[0]} has no rows.", "Estimate the case again.")
    return CaseFolder(path, name, rows, facts)


def _row(label: int, cells: dict[str, str]) -> RegionRow:
    return RegionRow(
        label=label,
        region=cells["region"],
        network=cells["network"],
        hemisphere=cells["hemisphere"],
        side=_text(cells["side"]),
        estimable=cells["estimable"].strip().lower() in ("true", "1"),
        reason=_text(cells["reason"]),
        **{name: _number(cells[name]) for name in _NUMBERS},
        **{name: _number(cells.get(name) or "") for name in _NEWER_NUMBERS},
    )


def _number(text: str) -> float:
    return math.nan if text.strip() in ("", "n/a") else float(text)


def _text(text: str) -> str:
    return "" if text.strip() == "n/a" else text
