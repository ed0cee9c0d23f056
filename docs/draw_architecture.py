"""Draws docs/architecture.md from the imports of the code: ``python docs/draw_architecture.py [--check]``."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
FOLDERS = {
    "RegionalBrainAgeLib": ROOT / "RegionalBrainAge",
    "RegionalBrainAgeCohortLib": ROOT / "RegionalBrainAgeCohort",
}
TOPS = (
    *FOLDERS,
    "regional_brain_age",
    "RegionalBrainAgeSlicer",
    "RegionalBrainAgeCohortSlicer",
)
HEAD = """# Architecture

A head and a lesion go in at one end; regional ages with intervals come out at the other. The library's packages are
its steps, and imports point one way. This page is drawn from the imports of the code
(`python docs/draw_architecture.py`); a test compares the two.
"""


def first_line(package: Path) -> str:
    """First line of a package's docstring."""
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) or ""
    return text.splitlines()[0] if text else ""


def needs(library: str) -> dict[str, set[str]]:
    """Package of a library -> its packages that it imports."""
    base = FOLDERS[library] / library
    found: dict[str, set[str]] = {p.name: set() for p in sorted(base.iterdir()) if (p / "__init__.py").exists()}
    for package, others in found.items():
        for path in (base / package).rglob("*.py"):
            inside = [library, *path.relative_to(base).parts[:-1]]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom):
                    stem = inside[: len(inside) - node.level + 1] if node.level else []
                    parts = [*stem, *(node.module or "").split("."), *[alias.name for alias in node.names]]
                    if parts[0] == library:
                        others |= set(parts[1:2]) & set(found) - {package}
    return found


def without_shortcuts(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The graph without arrows that a longer way makes needless, so that it can be read."""

    def reached(start: str) -> set[str]:
        return graph[start] | {far for near in graph[start] for far in reached(near)}

    return {
        name: {o for o in others if not any(o in reached(p) for p in others - {o})} for name, others in graph.items()
    }


def page() -> str:
    """The text of docs/architecture.md."""
    text = HEAD
    for library in FOLDERS:
        graph = needs(library)
        arrows = [f"    {o} --> {name}" for name, others in without_shortcuts(graph).items() for o in sorted(others)]
        text += (
            f"\n## {library}\n\n```mermaid\ngraph LR\n"
            + "\n".join(arrows)
            + "\n```\n\n| package | holds |\n|---|---|\n"
        )
        base = FOLDERS[library] / library
        text += "".join(f"| `{name}` | {first_line(base / name)} |\n" for name in graph)
    text += "\n## Around the libraries\n\n| package | holds |\n|---|---|\n"
    for top in TOPS[2:]:
        base = ROOT / ("RegionalBrainAgeCohort" if "Cohort" in top else "RegionalBrainAge")
        text += f"| `{top}` | {first_line(base / top)} |\n"
    return text


def main() -> int:
    """Write the page, or with ``--check`` say whether it is what the code gives. Returns the exit code."""
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.read_text(encoding="utf-8") == page() else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
