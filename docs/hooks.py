"""Pages of the documentation that are made from the code, so that they cannot fall behind it (hooks of MkDocs)."""

from __future__ import annotations

import argparse
import base64
import json
import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent

PICTURES = ROOT / "Resources" / "Screenshots"
CODE = "https://github.com/RegionalBrainAge/SlicerRegionalBrainAge/blob/main"
NOTEBOOK = ROOT / "docs" / "tutorials" / "python.ipynb"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and the pictures that lie outside the documentation's folder."""
    from mkdocs.structure.files import File

    for name, text in generated_pages().items():
        files.append(File.generated(config, name, content=text))
    for picture in sorted(PICTURES.glob("*.png")):
        files.append(File.generated(config, f"screenshots/{picture.name}", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Links out of the documentation's folder lead to the pictures of the site, or to the repository."""
    up = "../" * page.file.src_uri.count("/")
    markdown = re.sub(r"\]\((?:\.\./)+Resources/Screenshots/", f"]({up}screenshots/", markdown)
    return re.sub(
        r"\]\((?:\.\./)+((?:Resources|Testing|RegionalBrainAge|CONTRIBUTING)[^)]*)\)", rf"]({CODE}/\1)", markdown
    )


def generated_pages() -> dict[str, str]:
    """Path in the documentation's folder -> Markdown."""
    return {
        "reference/cli.md": command_line_page(),
        "reference/files.md": files_page(),
        "reference/settings.md": settings_page(),
        "reference/python.md": python_page(),
        "tutorials/python.md": notebook_page(NOTEBOOK),
        "explanation/measured.md": measured_page(),
    }


def command_line_page() -> str:
    """Every command with its help."""
    from regional_brain_age import bids_app
    from regional_brain_age.__main__ import build_parser

    parser = build_parser()
    commands = parser._subparsers._group_actions[0].choices
    pages = ["# Command line", _help(parser), "## As a BIDS-App", _help(bids_app.build_parser())]
    for name, command in commands.items():
        pages += [f"## {name}", _help(command)]
    return "\n\n".join(pages) + "\n"


def _help(parser: argparse.ArgumentParser) -> str:
    return f"```text\n{parser.format_help().rstrip()}\n```"


def files_page() -> str:
    """Every file a case, a batch and an analysis leave, and every column of their tables."""
    from RegionalBrainAgeCohortLib.report.result_tables import MEANINGS
    from RegionalBrainAgeLib.anatomy.regions import load_scheme
    from RegionalBrainAgeLib.batch.run.tables import FAILED_COLUMNS
    from RegionalBrainAgeLib.batch.sessions import longitudinal
    from RegionalBrainAgeLib.case.result import tables
    from RegionalBrainAgeLib.case.result.write_case import VOLUME_MEANINGS

    networks = [network.lower() for network in load_scheme().networks]
    parts = [
        "# Files and columns",
        "## What a case leaves, in `OUT/sub-<id>/`",
        _table(
            ("file", "content"),
            [
                ("`sub-<id>_report.html`", "the report: one file, no network needed, printable"),
                ("`sub-<id>_regions.tsv`", "a row per region; `_regions.json` explains the columns"),
                ("`sub-<id>_parcels.tsv`", "a row per cortical parcel; `_parcels.json` explains the columns"),
                (
                    "`sub-<id>_structures.tsv`",
                    "a row per structure beside the cortex; `_structures.json` explains the columns",
                ),
                ("`sub-<id>_case.json`", "everything with where it came from: checksums, model, versions, times"),
                ("`sub-<id>_methods.md`, `_references.bib`", "what was done, for a manuscript, with its references"),
                *((f"`sub-<id>_{name}.nii.gz`", text) for name, text in VOLUME_MEANINGS.items()),
                (
                    "`sub-<id>_from-*_to-*`, `_xfm.json`",
                    "transforms to MNI space and back; the T1's grid and similarity",
                ),
                ("`figures/`", "the report's pictures"),
                ("`dicom/`", "with `--dicom`: report, lesion and regions for a PACS; these files name the patient"),
            ],
        ),
        "All volumes lie on the T1's own grid. Left is the patient's left. Absent values are `n/a` in TSV files and",
        "empty in CSV files.",
        "## Columns of `regions.tsv`",
        _columns(tables.REGION_COLUMNS),
        "## Columns of `parcels.tsv`",
        _columns(tables.PARCEL_COLUMNS),
        "## Columns of `structures.tsv`",
        _columns(tables.STRUCTURE_COLUMNS),
        "## Columns of `processed_cases.csv`",
        "One row per case; `processed_cases.json` beside it says the same of its columns. Networks are those of the",
        "region scheme; here of the shipped one.",
        _columns(tables.describe_processed(networks)),
        "## What is read from a list of cases and from `participants.tsv`",
        _table(
            ("column", "meaning", "needed"),
            [
                ("`case_id` (`participant_id`)", "names the case", "in `participants.tsv`"),
                ("`age`", "age at the scan in years", "yes"),
                ("`sex`", "F or M, also female, male, woman, man", "yes"),
                ("`site`", "scanner or hospital", "no"),
                ("`days_post_stroke`", "days from stroke to scan", "no"),
                ("`motor`", "motor outcome, 0 to 1", "no"),
                ("`session` (`session_id`)", "tells several scans of a person apart", "no"),
                ("`t1`, `lesion`, `freesurfer`", "files and folder of the case (lists only)", "`t1` or `freesurfer`"),
                ("`calibration`, `tract_left`, `tract_right`", "as the options of `case` (lists only)", "no"),
            ],
        ),
        "## What a batch leaves beside its cases",
        "`processed_cases.csv` is described above; what else there is, under [many cases](../cluster.md).",
        "### `failed_cases.csv`",
        _columns(FAILED_COLUMNS),
        "### `longitudinal.tsv`",
        "Written where a person has several sessions; `longitudinal.html` shows the same.",
        _columns(longitudinal.COLUMNS),
        "### `scored_regions.tsv`",
        "Written for a list of measured people: a row per person and region, with the column `case_id` (identifier of "
        "the case) and the columns of `regions.tsv`.",
        "## What a group analysis leaves",
    ]
    for name, meanings in MEANINGS.items():
        parts += [f"### `{name}.tsv`", _columns(meanings)]
    return "\n\n".join(parts) + "\n"


def settings_page() -> str:
    """Every setting of the group analysis with its default."""
    from RegionalBrainAgeCohortLib.data.settings import Settings

    rows = []
    for field in fields(Settings):
        default = field.default if field.default is not MISSING else field.default_factory()
        rows.append((f"`{field.name}`", f"`{json.dumps(default, default=str)}`"))
    text = " ".join((Settings.__doc__ or "").split())
    return (
        "# Settings of the group analysis\n\nThey are given as a JSON file (`cohort --settings FILE`), by options "
        f"of `cohort`, or as `CohortSettings` in Python.\n\n{text}\n\n" + _table(("setting", "default"), rows) + "\n"
    )


def python_page() -> str:
    """The public names, each from its own docstring."""
    import regional_brain_age

    parts = ["# Python", "```python\nfrom regional_brain_age import Case, run_case\n```"]
    example = (regional_brain_age.__doc__ or "").strip()
    parts.append(
        re.sub(r"(?m)^((?:    .*\n|\n(?=    ))+)", lambda m: f"```python\n{_dedent(m.group(1))}\n```\n", example + "\n")
    )
    for name, (module, its_name) in regional_brain_age._PLACES.items():
        if name != "__version__":
            parts += [f"## {name}", f"::: {module}.{its_name}"]
    return "\n\n".join(parts) + "\n"


def _dedent(text: str) -> str:
    return "\n".join(line[4:] for line in text.strip("\n").splitlines())


def notebook_page(path: Path) -> str:
    """A notebook as a page: its text, and its code as blocks."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = [
        "".join(cell["source"]) if cell["cell_type"] == "markdown" else f"```python\n{''.join(cell['source'])}\n```"
        for cell in cells
    ]
    return "\n\n".join([*parts, f"The same as a notebook: [python.ipynb]({CODE}/docs/tutorials/python.ipynb)."]) + "\n"


def measured_page() -> str:
    """The cards of the shipped models, as they lie in their folders."""
    models = ROOT / "Resources" / "Models"
    cards = [models / name / "MODEL_CARD.md" for name in ("thickness-volumes-nine-networks", "structures-t1")]
    texts = [_with_pictures_inside(card) for card in cards]
    return (
        "# How it was measured\n\nThe cards of the shipped models, as `regional-brain-age evaluate --card` and "
        "`train-structures` write them.\n\n" + "\n\n".join(re.sub(r"(?m)^#", "##", text) for text in texts)
    )


def _with_pictures_inside(card: Path) -> str:
    """A card with its figures as data, so that the page needs no file beside it."""

    def inside(match: re.Match[str]) -> str:
        picture = base64.b64encode((card.parent / match[1]).read_bytes()).decode("ascii")
        return f"](data:image/png;base64,{picture})"

    return re.sub(r"\]\((\w+\.png)\)", inside, card.read_text(encoding="utf-8"))


def _columns(meanings: dict) -> str:
    rows = []
    for name, meaning in meanings.items():
        text, unit = meaning if isinstance(meaning, tuple) else (meaning, None)
        rows.append((f"`{name}`", text, unit or ""))
    return _table(("column", "meaning", "unit"), rows)


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
