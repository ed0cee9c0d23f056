"""The methods of an analysis as files for a manuscript: text in Markdown, references in BibTeX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from RegionalBrainAgeLib.files.atomic_file import write_atomically
from RegionalBrainAgeLib.files.references import bibtex, reference_lines

from .methods import methods

if TYPE_CHECKING:
    from ..result import AnalysisResult

METHODS_NAMES = ("methods.md", "references.bib")


def write_methods(result: AnalysisResult, out_dir: Path) -> list[Path]:
    """Write ``methods.md`` and ``references.bib`` of what was run; returns their paths."""
    keys = _keys(result)
    sections = [f"## {heading}\n\n{text}" for heading, text in methods(result)]
    references = "\n".join(f"- {line}" for line in reference_lines(keys))
    text = "\n\n".join(["# Methods", *sections, f"## References\n\n{references}"]) + "\n"
    paths = [out_dir / name for name in METHODS_NAMES]
    write_atomically(paths[0], text)
    write_atomically(paths[1], bibtex(keys))
    return paths


def _keys(result: AnalysisResult) -> list[str]:
    """The papers behind the analyses that were possible."""
    keys = ["park2026", "delange2020"]
    if {"mixed_models", "loads", "group_differences"} & set(result.tables):
        keys += ["bates2015", "kuznetsova2017", "benjamini1995", "seabold2010"]
    if "loads" in result.tables:
        keys.append("zhu2010")
    if result.classification is not None:
        keys += ["pedregosa2011", "delong1988", "obuchowski1997", "vickers2006", "seabold2010"]
    if result.sem is not None:
        keys += ["rosseel2012", "igolkina2020"]
    return keys
