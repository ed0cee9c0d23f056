"""Several sessions of a person, kept apart and shown together: what changed, and by more than repeating a scan does."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from ...age.features import T1, features_of_parcels
from ...age.model.brain_age_model import BrainAgeModel
from ...age.model.calibration import read_calibration
from ...age.people import people_of_features
from ...anatomy.parcels import PARCEL_NAMES, ParcelFeatures
from ...anatomy.structures import INTRACRANIAL, STRUCTURE_NAMES
from ...case.result.result import hemisphere_volumes_ml
from ...case.result.summary import read_summary, route_of
from ...case.result.tables import PROCESSED_NAME
from ...errors import InputError
from ...files.atomic_file import write_atomically
from ...files.tables import read_table, sidecar_text, table_text
from ...files.wording import RESEARCH_USE, SIMULATED, plain, signed
from ..lists.case_list import sessions_by_person, split_session
from .lines import limit_of, line_svg
from .rescans import Rescans, smallest_detectable_change

TABLE_NAME = "longitudinal.tsv"
PAGE_NAME = "longitudinal.html"
COLUMNS = {
    "person": ("Person; all rows of a person compare with the first session.", None),
    "from_session": ("First session.", None),
    "to_session": ("Later session.", None),
    "days_between": ("Days between the sessions.", "days"),
    "region": ("Region of the scheme.", None),
    "network": ("Functional network.", None),
    "hemisphere": ("L or R.", None),
    "pad_from_years": ("Corrected predicted age difference at the first session.", "years"),
    "pad_to_years": ("Corrected predicted age difference at the later session.", "years"),
    "change_years": ("Change of the corrected predicted age difference.", "years"),
    "smallest_detectable_change_years": ("Changes below this arise from repeating a scan (95 %).", "years"),
    "limit_from": ("Whose rescans the limit is from: of the built-in T1 route, and only a stand-in for others.", None),
    "beyond_noise": ("true where the change is larger than that; false says nothing about no change.", None),
    "comparable": ("false where model, calibration or route differ between sessions; no change is given then.", None),
}
DAYS_PER_YEAR = 365.25
_TEMPLATE = Path(__file__).with_name("longitudinal.html")


@dataclass(frozen=True)
class Session:
    """One session of a person as its case left it (`case.result.result.CaseResult.as_dict`)."""

    case_id: str
    label: str
    summary: Mapping

    @property
    def comparable_by(self) -> tuple:
        """What must be equal for two sessions to be compared."""
        return (
            self.summary["model"].get("sha256"),
            self.summary["calibration"],
            self.summary["provenance"]["inputs"].get("calibration", {}).get("sha256"),
            self.summary["provenance"]["parameters"]["thickness_from"],
            self.summary["scheme"],
        )

    @property
    def day(self) -> float:
        """Days since the stroke; NaN where they were not given."""
        days = self.summary["case"]["days_post_stroke"]
        return math.nan if days is None else float(days)

    @property
    def age_years(self) -> float:
        """Age at this session."""
        return float(self.summary["case"]["age_years"])

    @property
    def lesion_volume_ml(self) -> tuple[float, float]:
        """Of the left and the right hemisphere."""
        lesion = self.summary["lesion"]
        return hemisphere_volumes_ml(_number(lesion["volume_ml"]), lesion["side"])

    def pads(self) -> dict[str, float]:
        """Corrected PAD (years) by region."""
        return {row["region"]: _number(row["pad_corrected_years"]) for row in self.summary["regions"]}

    def parcels(self, column: str) -> np.ndarray:
        """A column of the parcels, shape (148,); NaN where absent."""
        return np.array([_number(row[column]) for row in self.summary["parcels"]])

    def structures(self) -> dict[str, Any]:
        """Structures as `features_of_parcels` takes them; empty where none was measured."""
        rows = {row["structure"]: row for row in self.summary.get("structures", ())}
        if not rows:
            return {}
        volumes_mm3, lesioned = (
            np.array([_number(rows[name][column]) if name in rows else np.nan for name in STRUCTURE_NAMES])
            for column in ("volume_mm3", "lesioned_fraction")
        )
        return {
            "volumes_mm3": volumes_mm3,
            "structure_lesioned_fraction": np.nan_to_num(lesioned),
            "intracranial_volume_mm3": _number(rows[INTRACRANIAL]["volume_mm3"]),
        }


def write_longitudinal(
    out_dir: Path, model: BrainAgeModel, rescans: Rescans, calibrations: Mapping[str, Path] | None = None
) -> Path | None:
    """Write longitudinal.tsv and .html for people with several sessions; returns the page, None without such people.

    Parameters
    ----------
    out_dir : output folder of a batch.
    model : the one the cases were computed with; limits are given only for its cases.
    calibrations : file by case id, of the cases that were calibrated; those that are not here get no limits.

    Raises
    ------
    InputError : processed_cases.csv is broken.
    RegionalBrainAgeError : a file cannot be written.
    """
    out_dir = Path(out_dir)
    table = out_dir / PROCESSED_NAME
    ids = [row["case_id"] for row in read_table(table)] if table.exists() else []
    people = {}
    for person, case_ids in sessions_by_person(ids).items():
        sessions = _in_time(list(filter(None, (_session(out_dir, case_id) for case_id in case_ids))))
        if len(sessions) > 1:
            people[person] = (sessions, changes(person, sessions, model, rescans, calibrations or {}))
    if not people:
        return None
    rows = [row for _, found in people.values() for row in found]
    write_atomically(out_dir / TABLE_NAME, table_text(rows, list(COLUMNS)))
    write_atomically(out_dir / f"{Path(TABLE_NAME).stem}.json", sidecar_text(COLUMNS))
    page = _template().render(
        research_use=RESEARCH_USE,
        simulated=SIMULATED if _any_simulated(sessions for sessions, _ in people.values()) else "",
        people=people,
        lines={person: lines(*found) for person, found in people.items()},
        volumes=any(session.structures() for sessions, _ in people.values() for session in sessions),
        stand_in=any(route_of(sessions[0].summary) != T1 for sessions, _ in people.values()),
        source=rescans.source,
        pairs=len(rescans.difference_mm),
    )
    write_atomically(out_dir / PAGE_NAME, page)
    return out_dir / PAGE_NAME


def changes(
    person: str,
    sessions: Sequence[Session],
    model: BrainAgeModel,
    rescans: Rescans,
    calibrations: Mapping[str, Path] | None = None,
) -> list[dict[str, Any]]:
    """Rows of `COLUMNS`: every later session compared with the first, region by region."""
    first = sessions[0]
    limits = _limits(first, model, rescans, calibrations or {})
    before = first.pads()
    rows = []
    for later in sessions[1:]:
        comparable = later.comparable_by == first.comparable_by
        after = later.pads()
        for region in first.summary["regions"]:
            name = region["region"]
            change = after.get(name, math.nan) - before[name] if comparable else math.nan
            limit = limits.get(name, math.nan)
            rows.append(
                {
                    "person": person,
                    "from_session": first.label,
                    "to_session": later.label,
                    "days_between": _days_between(first, later),
                    "region": name,
                    "network": region["network"],
                    "hemisphere": region["hemisphere"],
                    "pad_from_years": before[name],
                    "pad_to_years": after.get(name, math.nan),
                    "change_years": change,
                    "smallest_detectable_change_years": limit,
                    "limit_from": _limit_from(first) if math.isfinite(limit) else None,
                    "beyond_noise": bool(abs(change) > limit)
                    if math.isfinite(change) and math.isfinite(limit)
                    else None,
                    "comparable": comparable,
                }
            )
    return rows


def _limits(
    session: Session, model: BrainAgeModel, rescans: Rescans, calibrations: Mapping[str, Path]
) -> dict[str, float]:
    """Smallest detectable change by region.

    Structures and intracranial volume stay as this session measured them: what a rescan does to them was not measured.
    Rescans were measured for the built-in T1 route only; for FreeSurfer's thickness they stand in (`_limit_from`).
    """
    case = session.summary["case"]
    file = calibrations.get(session.case_id)
    if case["calibration"] and file is None:
        return {}
    calibration = read_calibration(file) if file is not None else None
    lesioned, structures = session.parcels("lesioned_fraction"), session.structures()

    def pads_of(thickness_mm: np.ndarray) -> np.ndarray:
        voxels = np.zeros(len(PARCEL_NAMES))
        features = [
            features_of_parcels(
                ParcelFeatures(PARCEL_NAMES, row, lesioned, voxels),
                session.lesion_volume_ml,
                route_of(session.summary),
                **structures,
            )
            for row in thickness_mm
        ]
        count = len(features)
        people = people_of_features(
            features, [session.case_id] * count, [session.age_years] * count, [case["sex"]] * count
        )
        return model.predict_people(people, calibration).pad_corrected_years

    limits = smallest_detectable_change(pads_of, session.parcels("thickness_mm"), rescans)
    return dict(zip(model.region_names, map(float, limits), strict=True))


def _limit_from(session: Session) -> str:
    return "T1 route" if route_of(session.summary) == T1 else "T1 route, as a stand-in"


def lines(sessions: Sequence[Session], rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, Markup]]:
    """A picture of every region over age, with the region's name, for sessions of one person in time."""
    first = sessions[0]
    bands = {row["region"]: row["smallest_detectable_change_years"] for row in rows}
    pads = [session.pads() if session.comparable_by == first.comparable_by else {} for session in sessions]
    limit = limit_of([value for found in pads for value in found.values()], list(bands.values()))
    ages = [session.age_years for session in sessions]
    return [
        (name, Markup(line_svg(name, ages, [found.get(name, math.nan) for found in pads], bands[name], limit)))
        for name in first.pads()
    ]


def _any_simulated(people: Iterable[Sequence[Session]]) -> bool:
    return any(session.summary["case"].get("simulated") for sessions in people for session in sessions)


def _session(out_dir: Path, case_id: str) -> Session | None:
    try:
        summary = read_summary(out_dir / f"sub-{case_id.removeprefix('sub-')}")
    except InputError:  # the quality page tells
        return None
    return Session(case_id, split_session(case_id)[1], summary)


def _in_time(sessions: Sequence[Session]) -> list[Session]:
    """By days since stroke where every session has them, else by age, then by name with its numbers as numbers."""
    all_days = not any(math.isnan(session.day) for session in sessions)

    def order(session: Session) -> tuple:
        words = [(0, int(w), "") if w.isdigit() else (1, 0, w) for w in re.findall(r"\d+|\D+", session.label)]
        return (session.day if all_days else session.age_years, session.age_years, words)

    return sorted(sessions, key=order)


def _days_between(first: Session, later: Session) -> float | None:
    days = later.day - first.day
    if not math.isnan(days):
        return round(days)
    years = later.age_years - first.age_years
    # Ages in whole years are often equal at different times.
    return round(years * DAYS_PER_YEAR) if years else None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"plain": plain, "signed": signed}
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
