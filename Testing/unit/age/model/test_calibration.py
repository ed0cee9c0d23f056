"""Calibration against its closed form, and what it does to ages on a shifted scanner."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from drawn_people import draw_population, square_root
from RegionalBrainAgeLib.age.features import NODE_NAMES
from RegionalBrainAgeLib.age.model.calibration import (
    FORMAT,
    Calibration,
    calibrate,
    read_calibration,
    write_calibration,
)
from RegionalBrainAgeLib.age.norms.norms import norms_from_people
from RegionalBrainAgeLib.age.norms.scanner import expected_offset, remaining_covariance
from RegionalBrainAgeLib.errors import InputError


@pytest.fixture(scope="module")
def norms(made_people):
    return norms_from_people(made_people)


def test_the_expected_offset_is_the_regression_of_a_joint_gaussian(norms):
    """Oracle: condition the joint covariance of the offset and n residuals, written out in full."""
    small = 3
    site, residual = norms.site_covariance[:small, :small], norms.residual_covariance[:small, :small]
    few = replace(norms, site_covariance=site, residual_covariance=residual)
    residuals = np.random.default_rng(2).normal(size=(4, small))
    joint = np.kron(np.ones((4, 4)), site) + np.kron(np.eye(4), residual)
    cross = np.tile(site, (1, 4))
    np.testing.assert_allclose(expected_offset(few, residuals), cross @ np.linalg.solve(joint, residuals.ravel()))
    left = site - cross @ np.linalg.solve(joint, cross.T)
    np.testing.assert_allclose(remaining_covariance(few, 4), left, atol=1e-12)


def test_more_controls_leave_less_unknown(norms):
    left = [np.trace(remaining_covariance(norms, count)) for count in (0, 10, 20, 50, 1000)]
    left = np.array(left) / np.trace(norms.site_covariance)
    assert left[0] == 1.0
    assert all(np.diff(left) < 0)
    assert left[-1] < 0.02


def test_simulated_scanners_are_found_better_with_more_controls(norms):
    rng = np.random.default_rng(3)
    errors = {0: [], 10: [], 50: []}
    for _ in range(20):
        offset = square_root(norms.site_covariance) @ rng.standard_normal(len(NODE_NAMES))
        values, age_years, male = draw_population(replace(norms, site_covariance=0 * norms.site_covariance), 50, rng)
        residuals = norms.residuals(values + offset, age_years, male)
        for count in errors:
            found = expected_offset(norms, residuals[:count]) if count else 0.0
            errors[count].append(np.mean((found - offset) ** 2))
    means = [np.mean(errors[count]) for count in (0, 10, 50)]
    assert means[0] > 2 * means[1] > 2 * means[2]


def test_a_parcel_no_control_has_is_still_calibrated_from_the_others(norms):
    residuals = np.full((20, len(NODE_NAMES)), 1.0)
    residuals[:, 5] = np.nan
    assert 0.2 < expected_offset(norms, residuals)[5] < 1.2


def test_calibration_takes_a_scanner_shift_off_the_ages(tiny_model, made_people):
    here = replace(made_people.take(made_people.site == "site1"), site=np.full(60, "new"))
    shifted = here.with_thickness(here.thickness_mm - 0.15)
    local = calibrate(tiny_model.folds[-1].norms, None, shifted.take(np.arange(30)), "tiny", tiny_model.norms_sha256)
    rest, same = shifted.take(np.arange(30, 60)), here.take(np.arange(30, 60))
    off = [
        np.abs(ages.brain_age_years - tiny_model.predict_people(same).brain_age_years).mean()
        for ages in (tiny_model.predict_people(rest), tiny_model.predict_people(rest, local))
    ]
    assert off[1] < off[0]


def test_nine_controls_are_refused_ten_cautioned_hundred_not(norms, made_people):
    here = replace(made_people, site=np.full(len(made_people), "one"))
    with pytest.raises(InputError, match="9 controls"):
        calibrate(norms, None, here.take(np.arange(9)), "m", "")
    assert "10 controls" in calibrate(norms, None, here.take(np.arange(10)), "m", "").caution
    assert calibrate(norms, None, here.take(np.arange(100)), "m", "").caution == ""


def test_controls_of_two_sites_are_refused(norms, made_people):
    with pytest.raises(InputError, match="4 sites"):
        calibrate(norms, None, made_people, "m", "")


def test_controls_no_scanner_can_explain_are_refused_before_a_file_is_written(norms, made_people):
    """Thickness in tenths of a millimetre: `read_calibration` would refuse such an offset."""
    here = made_people.take(made_people.site == "site2")
    with pytest.raises(InputError, match="no scanner shifts by more than 5") as caught:
        calibrate(norms, None, here.with_thickness(10 * here.thickness_mm), "m", "abc")
    assert "units" in caught.value.remedy


def test_a_calibration_file_comes_back_and_a_broken_one_is_refused(norms, made_people, tmp_path):
    here = made_people.take(made_people.site == "site2")
    written = calibrate(norms, None, here, "m", "abc")
    write_calibration(written, tmp_path / "c.json")
    again = read_calibration(tmp_path / "c.json")
    np.testing.assert_allclose(again.offset, written.offset, atol=1e-6)
    assert again.controls == 60
    content = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    for change in ({"format": "x"}, {"offset": "x"}, {"controls": 3}):
        (tmp_path / "d.json").write_text(json.dumps(content | change), encoding="utf-8")
        with pytest.raises(InputError, match="calibrat"):
            read_calibration(tmp_path / "d.json")


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({"controls": 10}, True),
        ({"controls": 9}, False),
        ({"controls": 1_000_000}, True),
        ({"controls": 1_000_001}, False),
        ({"offset": [5.0, -5.0]}, True),
        ({"offset": [0.0, -5.1]}, False),
        ({"offset": [5.1, 0.0]}, False),
        ({"offset": [[0.1, 0.2]]}, False),
        ({"offset": 0.1}, False),
        ({"offset": ["0.1"]}, False),
        ({"offset": [True, 0.1]}, False),
        ({"controls": "20"}, False),
        ({"controls": 20.5}, False),
        ({"controls": True}, False),
        ({"controls": -20}, False),
        ({"route": None}, False),
        ({"model": 7}, False),
        ({"norms_sha256": ["ab"]}, False),
    ],
)
def test_numbers_of_a_calibration_file_have_limits(tmp_path, change, accepted):
    content = {"format": FORMAT, "controls": 20, "offset": [0.1], "route": "T1", "model": "m", "norms_sha256": "ab"}
    path = tmp_path / "c.json"
    path.write_text(json.dumps(content | change), encoding="utf-8")
    if accepted:
        found = read_calibration(path)
        assert found.controls == (content | change)["controls"]
        assert found.offset.tolist() == (content | change)["offset"]
        assert (found.route, found.model, found.norms_sha256) == ("T1", "m", "ab")
        return
    with pytest.raises(InputError, match=r"c\.json") as caught:
        read_calibration(path)
    assert "calibrate MODEL" in caught.value.remedy


def test_a_written_calibration_is_short_and_whole(tmp_path):
    write_calibration(Calibration(12, np.array([0.123456789, -1.0]), "T1", "m", "ab"), tmp_path / "new" / "c.json")
    content = json.loads((tmp_path / "new" / "c.json").read_text(encoding="utf-8"))
    assert content["offset"] == [0.123457, -1.0]
    assert content["format"] == FORMAT
    again = read_calibration(tmp_path / "new" / "c.json")
    assert (again.controls, again.route, again.caution) == (12, "T1", written_caution(12))


def written_caution(count):
    return f"Calibrated with {count} controls; 100 or more are better."


def test_a_calibration_of_another_model_is_refused(tiny_model, made_people):
    foreign = calibrate(tiny_model.folds[-1].norms, None, made_people.take(made_people.site == "site0"), "other", "123")
    with pytest.raises(InputError, match="other"):
        tiny_model.predict_people(made_people, foreign)


def test_a_calibration_of_another_route_is_refused(tiny_model, made_people):
    controls = made_people.take(made_people.site == "site0")
    local = calibrate(tiny_model.folds[-1].norms, None, controls, "tiny", tiny_model.norms_sha256)
    with pytest.raises(InputError, match="measured by T1"):
        tiny_model.predict_people(replace(made_people, route="T1"), local)


def test_a_calibration_of_an_earlier_version_is_refused_by_name(tmp_path):
    (tmp_path / "c.json").write_text('{"format": "regional-brain-age-calibration/1"}', encoding="utf-8")
    with pytest.raises(InputError, match="earlier version"):
        read_calibration(tmp_path / "c.json")
