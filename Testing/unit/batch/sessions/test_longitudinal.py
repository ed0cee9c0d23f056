"""Sessions of a person compared; the oracle of the limits is a linear model whose answer is known by hand."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from types import SimpleNamespace

import numpy as np
import pytest
from browser import AXE, CHROMIUM, what_shuts_readers_out
from made_up_head import made_up_result
from RegionalBrainAgeLib.age.features import NODE_NAMES
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES
from RegionalBrainAgeLib.anatomy.structures import STRUCTURE_NAMES
from RegionalBrainAgeLib.batch.run.tables import write_processed
from RegionalBrainAgeLib.batch.sessions.lines import line_svg
from RegionalBrainAgeLib.batch.sessions.longitudinal import write_longitudinal
from RegionalBrainAgeLib.batch.sessions.rescans import Rescans, load_rescans, smallest_detectable_change
from RegionalBrainAgeLib.case.result.result import ParcelResult
from RegionalBrainAgeLib.case.result.rows import structure_rows
from RegionalBrainAgeLib.case.result.tables import processed_columns
from RegionalBrainAgeLib.figures import palette
from RegionalBrainAgeLib.files.tables import read_table
from RegionalBrainAgeLib.files.wording import SIMULATED
from RegionalBrainAgeLib.structures.volumes import StructureVolumes
from scipy import stats

REGIONS = ("FPN_L", "FPN_R", "VIS_L", "VIS_R")


def rescans(pairs: int = 5, sd_mm: float = 0.05) -> Rescans:
    differences = np.random.default_rng(0).normal(0, sd_mm, (pairs, len(PARCEL_NAMES)))
    return Rescans("made up", differences)


class LinearModel:
    """The PAD of every region is -10 years per mm of the first parcel's thickness."""

    region_names = REGIONS

    def predict_people(self, people, calibration):
        pads = np.repeat(-10 * people.thickness_mm[:, :1], len(REGIONS), axis=1)
        return SimpleNamespace(pad_corrected_years=pads)


def leave_session(out, case_id: str, pads: dict[str, float], structures=(), **case_fields) -> None:
    result = made_up_result(estimable=True)
    parcels = tuple(ParcelResult(name, "L", 2.5, 0.0, 100) for name in PARCEL_NAMES)
    regions = tuple(
        replace(row, pad_corrected_years=pads.get(row.region, row.pad_corrected_years)) for row in result.regions
    )
    case = replace(result.case, case_id=case_id, **case_fields)
    summary = replace(result, case=case, parcels=parcels, regions=regions, structures=structures).as_dict()
    folder = out / f"sub-{case_id}"
    folder.mkdir(parents=True)
    (folder / f"{folder.name}_case.json").write_text(json.dumps(summary), encoding="utf-8")


def write_sessions(out, ids) -> None:
    rows = {case_id: {"case_id": case_id} for case_id in ids}
    write_processed(out, processed_columns(["fpn", "vis"]), ids, rows)


def test_the_limit_of_a_linear_model_is_t_times_its_slope_times_the_rescan_difference():
    found = rescans()
    limits = smallest_detectable_change(lambda t: -10 * t[:, :3], np.full(148, 2.5), found)
    expected = stats.t.ppf(0.975, 5) * 10 * np.sqrt(np.mean(found.difference_mm[:, :3] ** 2, axis=0))
    assert limits == pytest.approx(expected)


def test_the_limits_know_the_volumes_that_the_ages_rest_on(tmp_path):
    """A model that leans on thickness half as much where it is given the third ventricle of 1,000 mm3."""

    class WithVolumes(LinearModel):
        def predict_people(self, people, calibration):
            third = people.values[:, NODE_NAMES.index("3rd-Ventricle")]
            slope = np.where(third == 1000.0, -5.0, -10.0)[:, None]
            return SimpleNamespace(pad_corrected_years=slope * np.repeat(people.thickness_mm[:, :1], 4, axis=1))

    measured = StructureVolumes(dict.fromkeys(STRUCTURE_NAMES, 1000.0), dict.fromkeys(STRUCTURE_NAMES, 0.0), 1.5e6)
    limits = []
    for structures in ((), structure_rows(measured)):
        out = tmp_path / str(len(structures))
        for session in ("A_ses-1", "A_ses-2"):
            leave_session(out, session, {}, structures=structures)
        write_sessions(out, ["A_ses-1", "A_ses-2"])
        page = write_longitudinal(out, WithVolumes(), rescans()).read_text(encoding="utf-8")
        assert ("volumes of structures" in page) == bool(structures)
        limits.append(float(read_table(out / "longitudinal.tsv")[0]["smallest_detectable_change_years"]))
    assert limits[0] == pytest.approx(2 * limits[1], rel=1e-4)


def test_missing_parcels_stay_missing_when_rescans_are_tried():
    thickness_mm = np.full(148, 2.5)
    thickness_mm[7] = np.nan
    seen = []
    smallest_detectable_change(lambda t: seen.append(t) or np.nan_to_num(t[:, :2]), thickness_mm, rescans())
    assert np.isnan(seen[0][:, 7]).all()
    assert np.isfinite(np.delete(seen[0], 7, axis=1)).all()


def test_sessions_are_ordered_compared_with_the_first_and_judged_by_the_limit(tmp_path):
    leave_session(tmp_path, "A_ses-10", {"VIS_L": 9.0}, days_post_stroke=400.0)
    leave_session(tmp_path, "A_ses-2", {"VIS_L": 1.0}, days_post_stroke=200.0)
    leave_session(tmp_path, "B", {})
    write_sessions(tmp_path, ["A_ses-10", "A_ses-2", "B"])
    page = write_longitudinal(tmp_path, LinearModel(), rescans())
    rows = {row["region"]: row for row in read_table(tmp_path / "longitudinal.tsv")}
    assert len(rows) == 4
    row = rows["VIS_L"]
    assert (row["from_session"], row["to_session"], row["days_between"]) == ("2", "10", "200")
    assert (row["change_years"], row["beyond_noise"], row["comparable"]) == ("8", "true", "true")
    assert (rows["FPN_R"]["change_years"], rows["FPN_R"]["beyond_noise"]) == ("0", "false")
    text = page.read_text(encoding="utf-8")
    assert "<h2>A</h2>" in text
    assert "<h2>B</h2>" not in text
    assert '<td class="beyond">+8.0</td>' in text
    assert AXE is None or CHROMIUM is None or what_shuts_readers_out(text, tmp_path / "browser", "500,800") == []


def test_two_sessions_of_one_day_are_no_days_apart(tmp_path):
    for session in ("A_ses-1", "A_ses-2"):
        leave_session(tmp_path, session, {}, days_post_stroke=200.0)
    write_sessions(tmp_path, ["A_ses-1", "A_ses-2"])
    write_longitudinal(tmp_path, LinearModel(), rescans())
    assert {row["days_between"] for row in read_table(tmp_path / "longitudinal.tsv")} == {"0"}


@pytest.mark.parametrize("simulated", [(), ("lesion",)])
def test_a_session_that_is_not_real_makes_the_page_say_so(simulated, tmp_path):
    leave_session(tmp_path, "A_ses-1", {})
    leave_session(tmp_path, "A_ses-2", {}, simulated=simulated)
    write_sessions(tmp_path, ["A_ses-1", "A_ses-2"])
    page = write_longitudinal(tmp_path, LinearModel(), rescans()).read_text(encoding="utf-8")
    assert (SIMULATED in unescape(page)) == bool(simulated)


def test_without_measured_rescans_changes_have_no_limit_and_none_is_beyond_it(tmp_path):
    leave_session(tmp_path, "A_ses-1", {"VIS_L": 1.0})
    leave_session(tmp_path, "A_ses-2", {"VIS_L": 9.0})
    write_sessions(tmp_path, ["A_ses-1", "A_ses-2"])
    write_longitudinal(tmp_path, LinearModel(), Rescans("not measured", np.zeros((0, len(PARCEL_NAMES)))))
    row = next(row for row in read_table(tmp_path / "longitudinal.tsv") if row["region"] == "VIS_L")
    assert (row["change_years"], row["smallest_detectable_change_years"], row["beyond_noise"]) == ("8", "n/a", "n/a")


def test_the_shipped_rescans_can_be_read():
    assert load_rescans().difference_mm.shape[1] == len(PARCEL_NAMES)


def test_sessions_of_different_models_are_not_compared(tmp_path):
    leave_session(tmp_path, "A_ses-1", {})
    leave_session(tmp_path, "A_ses-2", {})
    path = tmp_path / "sub-A_ses-2" / "sub-A_ses-2_case.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    summary["model"]["sha256"] = "another"
    path.write_text(json.dumps(summary), encoding="utf-8")
    write_sessions(tmp_path, ["A_ses-1", "A_ses-2"])
    write_longitudinal(tmp_path, LinearModel(), rescans())
    rows = read_table(tmp_path / "longitudinal.tsv")
    assert {(row["comparable"], row["change_years"], row["beyond_noise"]) for row in rows} == {("false", "n/a", "n/a")}


def test_without_repeated_people_nothing_is_written(tmp_path):
    leave_session(tmp_path, "A_ses-1", {})
    write_sessions(tmp_path, ["A_ses-1"])
    assert write_longitudinal(tmp_path, LinearModel(), rescans()) is None
    assert not (tmp_path / "longitudinal.tsv").exists()


def test_a_change_on_freesurfers_route_is_judged_by_a_stand_in_and_said_so(tmp_path):
    for case_id, pad in (("A_ses-1", 1.0), ("A_ses-2", 30.0)):
        leave_session(tmp_path, case_id, {"VIS_L": pad})
        path = tmp_path / f"sub-{case_id}" / f"sub-{case_id}_case.json"
        summary = json.loads(path.read_text(encoding="utf-8"))
        summary["provenance"]["parameters"]["thickness_from"] = "FreeSurfer"
        path.write_text(json.dumps(summary), encoding="utf-8")
    write_sessions(tmp_path, ["A_ses-1", "A_ses-2"])
    page = write_longitudinal(tmp_path, LinearModel(), rescans()).read_text(encoding="utf-8")
    row = next(row for row in read_table(tmp_path / "longitudinal.tsv") if row["region"] == "VIS_L")
    assert (row["change_years"], row["beyond_noise"]) == ("29", "true")
    assert row["limit_from"] == "T1 route, as a stand-in"
    assert "as a stand-in" in page


def circles(svg: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)]


def test_lines_run_over_age_and_leave_their_band_exactly_beyond_the_limit():
    inside = line_svg("VIS_L", [60.0, 62.0, 70.0], [1.0, 5.9, -3.9], band=5.0, limit=10.0)
    assert palette.ORANGE not in inside
    assert palette.BLUE not in inside
    beyond = line_svg("VIS_L", [60.0, 62.0, 70.0], [1.0, 6.1, -4.1], band=5.0, limit=10.0)
    assert palette.ORANGE in beyond
    assert palette.BLUE in beyond
    (x0, y0), (x1, y1), (x2, y2) = circles(beyond)
    assert (x1 - x0) / (x2 - x0) == pytest.approx(0.2, abs=0.01)
    assert y1 < y0 < y2  # up is older


def test_a_session_without_a_number_leaves_a_gap():
    svg = line_svg("VIS_L", [60.0, 62.0, 70.0], [1.0, float("nan"), 2.0], band=float("nan"), limit=10.0)
    assert len(circles(svg)) == 2
    assert "<rect" not in svg
