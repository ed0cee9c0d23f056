"""Coefficients of the mixed models on the template's regions."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import slicer
from RegionalBrainAgeLib.files.tables import read_table
from RegionalBrainAgeSlicer.scene import case_nodes
from RegionalBrainAgeSlicer.scene.case_nodes import TEMPLATE_CASE
from RegionalBrainAgeSlicer.scene.colour_scales import coefficient_scale
from RegionalBrainAgeSlicer.scene.label_files import box_around, label_node, read_labels
from RegionalBrainAgeSlicer.scene.overlays import show_values
from RegionalBrainAgeSlicer.scene.region_segments import color_segments, show_segments
from RegionalBrainAgeSlicer.scene.slice_views import LAYOUT_WITHOUT_TABLES_ID, fit_views, show_case_in_views
from RegionalBrainAgeSlicer.work.chunked_work import Steps

_HEMISPHERE = {"ipsi": "L", "contra": "R"}


@dataclass(frozen=True)
class CoefficientMap:
    """One map: `values` by (network, "ipsi" or "contra"); `significant` names those with p_fdr below 0.05."""

    title: str
    values: dict[tuple[str, str], float]
    significant: frozenset[tuple[str, str]]


def maps_of(folder: Path) -> list[CoefficientMap]:
    """A map per model and term of mixed_models.tsv; intercepts are left out. Empty without that table."""
    path = Path(folder) / "mixed_models.tsv"
    if not path.exists():
        return []
    rows = read_table(path)
    maps = []
    for model, term in dict.fromkeys((row["model"], row["term"]) for row in rows):
        if "ntercept" in term:
            continue
        values, significant = {}, set()
        for row in rows:
            place = _place(row["outcome"])
            number = _number(row["estimate"])
            if (row["model"], row["term"]) == (model, term) and place and math.isfinite(number):
                values[place] = number
                if _number(row["p_fdr"]) < 0.05:
                    significant.add(place)
        if values:
            maps.append(CoefficientMap(f"{model}: {term}", values, frozenset(significant)))
    return maps


def show_map(chosen: CoefficientMap, template_folder: Path) -> Steps:
    """Paint the template's regions: ipsilesional on its left hemisphere, contralesional on its right."""
    regions = json.loads((template_folder / "template_regions.json").read_text(encoding="utf-8"))
    if case_nodes.find(TEMPLATE_CASE, "regions") is None:
        yield from _load_template(template_folder, regions)
    scale = coefficient_scale(chosen.values.values())
    side_of = {hemisphere: side for side, hemisphere in _HEMISPHERE.items()}
    by_label = {}
    for label, region in enumerate(regions, start=1):
        value = chosen.values.get((region["network"], side_of[region["hemisphere"]]))
        if value is not None:
            by_label[label] = value
    yield from show_values(TEMPLATE_CASE, f"Coefficients {chosen.title}", by_label, scale)
    color_segments(TEMPLATE_CASE, {regions[label - 1]["region"]: scale.rgb(v) for label, v in by_label.items()})
    yield "colours"
    show_case_in_views(TEMPLATE_CASE, 0.8, LAYOUT_WITHOUT_TABLES_ID)
    yield "views"
    fit_views(TEMPLATE_CASE)


def _load_template(folder: Path, regions: list[dict]) -> Steps:
    head = slicer.util.loadVolume(
        str(folder / "template_T1.nii.gz"), {"show": False, "singleFile": True, "name": "Template"}
    )
    case_nodes.adopt(head, TEMPLATE_CASE, "t1")
    yield "template"
    labels = yield from read_labels(folder / "template_regions.nii.gz")
    labels = labels.cut(box_around([labels.array]))
    case_nodes.adopt(label_node(labels, "Template regions"), TEMPLATE_CASE, "regions")
    names = {label: region["region"] for label, region in enumerate(regions, start=1)}
    yield from show_segments(TEMPLATE_CASE, labels, names)


def _place(outcome: str) -> tuple[str, str] | None:
    parts = outcome.split("_", 2)
    return (parts[2], parts[1]) if len(parts) == 3 and parts[0] == "pad" and parts[1] in _HEMISPHERE else None


def _number(text: str) -> float:
    return math.nan if text in ("", "n/a") else float(text)
