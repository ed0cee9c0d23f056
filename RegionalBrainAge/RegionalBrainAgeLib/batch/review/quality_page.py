"""The quality page of a batch: a row per case with pictures, warnings, unusual numbers, and a place to decide."""

from __future__ import annotations

import base64
import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import jinja2

from ...case.result.summary import read_summary
from ...case.result.tables import PROCESSED_NAME
from ...errors import InputError
from ...files.atomic_file import write_atomically
from ...files.tables import MISSING, read_table
from ...files.wording import RESEARCH_USE, plain
from ...files.words import number_of
from ..run.case_records import Store
from ..run.tables import FAILED_NAME
from ..run.tables import QUALITY_PAGE_NAME as PAGE_NAME
from .decisions import decision_on, read_decisions
from .outliers import METRICS, case_metrics, find_outliers
from .thumbnails import KINDS, REPORT_PICTURES, shrunk

_TEMPLATE = Path(__file__).with_name("quality_page.html")


@dataclass(frozen=True)
class PageRow:
    """One case on the page."""

    case_id: str
    name: str
    readable: bool
    qc: str
    decision: str
    reviewer: str
    note: str
    site: str
    age: str
    simulated: str
    sex: str
    lesion: str
    lesion_ml: float
    grade: str
    answer: str
    warnings: tuple[str, ...]
    pictures: Mapping[str, str]
    metrics: Mapping[str, float]
    outlying: tuple[str, ...]


def write_quality_page(out_dir: Path) -> Path:
    """Write ``quality.html`` from what the cases of an output folder left; returns its path.

    Every case of processed_cases.csv is on it, in the table's order, and below them the cases that failed.

    Raises
    ------
    InputError : a table in the folder is broken.
    RegionalBrainAgeError : the page cannot be written.
    """
    out_dir = Path(out_dir)
    table = out_dir / PROCESSED_NAME
    cases = read_table(table) if table.exists() else []
    lacking = {"case_id", "qc", "site", "age", "sex", "lesion_side", "lesion_volume_ml"} - set(
        cases[0] if cases else ()
    )
    if cases and lacking:
        raise InputError(f"The table {table} lacks {', '.join(sorted(lacking))}.", "Give the output folder of a batch.")
    failed = out_dir / FAILED_NAME
    page = _template().render(
        rows=_rows(out_dir, cases),
        failed=read_table(failed) if failed.exists() else [],
        kinds=KINDS,
        metrics=METRICS,
        folder=out_dir.resolve().name,
        research_use=RESEARCH_USE,
    )
    write_atomically(out_dir / PAGE_NAME, page)
    return out_dir / PAGE_NAME


def _rows(out_dir: Path, cases: list[dict[str, str]]) -> list[PageRow]:
    decisions = read_decisions(out_dir)
    store = Store(out_dir)
    read = [_summary(out_dir, row["case_id"]) for row in cases]
    summaries = [summary for summary, _ in read]
    nothing = dict.fromkeys(METRICS, math.nan)
    metrics = [case_metrics(summary) if summary else nothing for summary in summaries]
    rows = []
    for case, (summary, wrong), values, outlying in zip(cases, read, metrics, find_outliers(metrics), strict=True):
        name = _name(case["case_id"])
        decision = decision_on(case["case_id"], decisions)
        found = summary["qc"] if summary else case["qc"]
        rows.append(
            PageRow(
                case_id=case["case_id"],
                name=name,
                readable=summary is not None,
                qc=found,
                decision=decision.decision if decision else "",
                reviewer=_written(decision.reviewer) if decision else "",
                note=_written(decision.note) if decision else "",
                site=case["site"],
                age=case["age"],
                simulated=case.get("simulated", ""),
                sex=case["sex"],
                lesion=case["lesion_side"],
                lesion_ml=_volume_ml(case["lesion_volume_ml"]),
                grade=((summary or {}).get("image_grade") or {}).get("grade", ""),
                answer=summary.get("answer", "") if summary else "",
                warnings=tuple(summary["warnings"]) if summary else wrong,
                pictures=_pictures(store, out_dir, name),
                metrics=values,
                outlying=tuple(outlying),
            )
        )
    return rows


def _written(text: str) -> str:
    """What a reviewer wrote; the page saves an empty field as n/a. Words such as "?" are the reviewer's."""
    return "" if text == MISSING else text


def _summary(out_dir: Path, case_id: str) -> tuple[dict | None, tuple[str, ...]]:
    """What a case's folder says, None where there is none, and what is wrong with it."""
    folder = out_dir / _name(case_id)
    if not folder.is_dir():
        return None, ()
    try:
        return read_summary(folder), ()
    except InputError as error:
        return None, (str(error),)


def _volume_ml(text: str | None) -> float:
    try:
        return number_of(text)
    except ValueError:
        return math.nan


def _pictures(store: Store, out_dir: Path, name: str) -> dict[str, str]:
    """A case's small pictures; without any (FreeSurfer's statistics alone), those of its report made small."""
    pictures = {}
    for kind in KINDS:
        path = store.thumbnail_path(name, kind)
        figure = out_dir / name / "figures" / f"{name}_{REPORT_PICTURES.get(kind)}.jpg"
        content = path.read_bytes() if path.exists() else None
        with contextlib.suppress(InputError):  # a damaged picture costs itself, not the page
            content = shrunk(figure) if content is None and figure.exists() else content
        if content is not None:
            pictures[kind] = "data:image/jpeg;base64," + base64.b64encode(content).decode()
    return pictures


def _name(case_id: str) -> str:
    return f"sub-{case_id.removeprefix('sub-')}"


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["plain"] = lambda value: plain(value) if abs(value) >= 10 else plain(value, 2)
    environment.filters["sortable"] = lambda value: value if math.isfinite(value) else -1e9
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
