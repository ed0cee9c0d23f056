"""Reads what a finished case left on disk. Standard library only: nothing here needs Slicer or the science packages."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path

from RegionalBrainAgeLib.errors import InputError


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

    @property
    def interval_width_years(self) -> float:
        return self.pad_upper_years - self.pad_lower_years


@dataclass(frozen=True)
class CaseFolder:
    """A case as written by ``regional-brain-age case``: where its files lie and the rows of its regions table."""

    path: Path
    name: str
    rows: tuple[RegionRow, ...]
    facts: dict

    def file(self, ending: str) -> Path:
        """Path of ``sub-<id>_<ending>``, whether or not it exists."""
        return self.path / f"{self.name}_{ending}"

    @property
    def case_id(self) -> str:
        return self.name.removeprefix("sub-")

    @property
    def lesion_side(self) -> str:
        """ "L", "R", "bilateral" or "none"."""
        return (self.facts.get("lesion") or {}).get("side") or "none"

    @property
    def one_sided(self) -> bool:
        return self.lesion_side in ("L", "R")

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self.facts.get("warnings") or ())

    def pairs(self) -> list[tuple[str, RegionRow, RegionRow]]:
        """(network, first, second) per network: ipsi- then contralesional, or left then right without one side."""
        first = self.lesion_side if self.one_sided else "L"
        by_place = {(row.network, row.hemisphere): row for row in self.rows}
        second = "R" if first == "L" else "L"
        return [
            (network, by_place[network, first], by_place[network, second])
            for network in dict.fromkeys(row.network for row in self.rows)
        ]


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
    try:
        facts = json.loads(facts_path.read_text(encoding="utf-8"))
        with tables[0].open(encoding="utf-8-sig", newline="") as stream:
            rows = tuple(_row(i, cells) for i, cells in enumerate(csv.DictReader(stream, delimiter="\t"), start=1))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"The case folder {path} is damaged ({type(error).__name__}: {error}).", "Estimate the case again."
        ) from error
    if not rows:
        raise InputError(f"The table {tables[0]} has no rows.", "Estimate the case again.")
    return CaseFolder(path, name, rows, facts)


def _row(label: int, cells: dict[str, str]) -> RegionRow:
    numbers = (
        "brain_age_years pad_corrected_years pad_lower_years pad_upper_years pad_percentile load_fraction thickness_mm"
    )
    return RegionRow(
        label=label,
        region=cells["region"],
        network=cells["network"],
        hemisphere=cells["hemisphere"],
        side=_text(cells["side"]),
        estimable=cells["estimable"].strip().lower() in ("true", "1"),
        reason=_text(cells["reason"]),
        **{name: _number(cells[name]) for name in numbers.split()},
    )


def _number(text: str) -> float:
    return math.nan if text.strip() in ("", "n/a") else float(text)


def _text(text: str) -> str:
    return "" if text.strip() == "n/a" else text
