"""The norms against the charts' formulas written out by hand, against real people, and against their own draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from drawn_people import draw_population
from RegionalBrainAgeLib.age.features import MIRROR_IMAGES, NODE_NAMES, READ_NODES
from RegionalBrainAgeLib.age.norms.charts import read_charts, spline_basis
from RegionalBrainAgeLib.age.norms.norms import (
    AGE_GRID_YEARS,
    norms_from_charts,
    norms_from_people,
    residual_statistics,
    with_sides_drawn_together,
)
from RegionalBrainAgeLib.age.people_table import read_people
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES
from RegionalBrainAgeLib.errors import InputError


@pytest.fixture(scope="module")
def charts(shared_data):
    folder = shared_data / "normative"
    return read_charts([folder / "charts_destrieux.csv", folder / "charts_volumes.csv"])


@pytest.fixture(scope="module")
def people(shared_data):
    return read_people(shared_data / "normative" / "thickness_volumes.csv")


def cox_de_boor(x, knots, degree, index):
    """One B-spline by its recursion, the independent oracle."""
    if degree == 0:
        return float(knots[index] <= x < knots[index + 1])
    left = knots[index + degree] - knots[index]
    right = knots[index + degree + 1] - knots[index + 1]
    value = 0.0
    if left:
        value += (x - knots[index]) / left * cox_de_boor(x, knots, degree - 1, index)
    if right:
        value += (knots[index + degree + 1] - x) / right * cox_de_boor(x, knots, degree - 1, index + 1)
    return value


def test_the_spline_basis_follows_its_recursion():
    inner = np.linspace(-5, 110, 5)
    knots = np.concatenate([[inner[0]] * 3, inner, [inner[-1]] * 3])
    for age in (2.0, 23.75, 47.3, 99.0):
        expected = [cox_de_boor(age, knots, 3, index) for index in range(7)]
        np.testing.assert_allclose(spline_basis(np.array([age]))[0], expected, atol=1e-12)


@pytest.mark.data
def test_norms_follow_the_charts_formula_from_age_to_age(charts, people):
    """The average scanner lies between charts and table, one shift for all ages; the course over age is the chart's."""
    norms = norms_from_charts(charts, people)
    parcel, ages, male = 17, np.array([25.0, 63.0]), np.array([1, 1])
    b, epsilon = charts.warp_b[parcel], charts.warp_epsilon[parcel]
    by_hand = charts.intercept[parcel] + ages * charts.slope[parcel] + male * charts.male[parcel]
    by_hand += charts.site_offsets[:, parcel].mean() + spline_basis(ages) @ charts.spline[:, parcel]
    expected = norms.measurement(norms.expected(ages, male))[:, parcel]
    latent = np.sinh(b * np.arcsinh(expected) + epsilon * b)
    assert np.diff(latent) == pytest.approx(np.diff(by_hand), abs=1e-6)
    by_hand_mm = np.sinh(np.arcsinh(by_hand) / b - epsilon)
    np.testing.assert_allclose(expected, by_hand_mm, atol=0.1)


@pytest.mark.data
def test_group_means_of_real_people_follow_the_charts(charts, people):
    norms = norms_from_charts(charts, people)
    for low, high in ((20, 30), (50, 65), (70, 85)):
        rows = (people.age_years >= low) & (people.age_years < high) & np.isin(people.site, ["nki", "oasis2"])
        real = np.nanmean(people.thickness_mm[rows], axis=0)
        expected = norms.measurement(norms.expected(people.age_years[rows], people.male[rows])).mean(axis=0)[:148]
        assert np.corrcoef(real, expected)[0, 1] > 0.95
        assert abs(np.mean(real - expected)) < 0.12


@pytest.mark.data
def test_standardising_and_back_changes_nothing(charts, people):
    norms = norms_from_charts(charts, people)
    some = np.where(READ_NODES, people.values[:50], np.nan)
    back = norms.measurement(norms.standardise(some))
    np.testing.assert_allclose(back[np.isfinite(some)], some[np.isfinite(some)], rtol=1e-9)
    assert np.isnan(back[np.isnan(some)]).all()


@pytest.mark.data
def test_drawn_people_have_the_means_spread_and_correlation_of_the_norms(charts, people):
    norms = norms_from_charts(charts, people)
    values, age_years, male = draw_population(norms, 4000, np.random.default_rng(0))
    residuals = norms.residuals(values, age_years, male) / norms.growth(age_years)[:, None]
    assert abs(residuals.mean()) < 0.03
    covariance = np.cov(residuals.T)
    wanted = norms.residual_covariance + norms.site_covariance / np.mean(norms.growth(age_years)) ** 2
    off = ~np.eye(len(wanted), dtype=bool)
    assert np.corrcoef(covariance[off], wanted[off])[0, 1] > 0.97
    assert set(np.unique(male)) == {0.0, 1.0}
    assert age_years.min() >= 18


@pytest.mark.data
def test_charts_without_a_site_know_nothing_of_its_offset(charts):
    without = charts.without_sites({"nki"})
    assert "nki" not in without.sites
    assert len(without.site_offsets) == len(charts.site_offsets) - 1


def test_residual_statistics_recover_a_known_covariance_under_site_offsets():
    rng = np.random.default_rng(1)
    root = np.array([[1.0, 0, 0], [0.8, 0.6, 0], [0.0, 0.0, 0.5]])
    site = np.repeat(np.arange(20).astype(str), 100)
    residuals = rng.standard_normal((2000, 3)) @ root.T + np.repeat(rng.normal(0, 3, (20, 3)), 100, axis=0)
    residuals[:5, 1] = np.nan
    covariance, growth = residual_statistics(residuals, site, rng.uniform(20, 80, 2000))
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert correlation == pytest.approx(0.8 * 0.95, abs=0.04)
    assert covariance[2, 2] / covariance[0, 0] == pytest.approx(0.25, rel=0.1)
    assert len(growth) == len(AGE_GRID_YEARS)
    assert np.ptp(growth) < 0.1


def test_people_of_rare_ages_count_more_in_how_nodes_go_together():
    rng = np.random.default_rng(2)
    age_years = np.repeat([25.0, 70.0], [3800, 200])
    together, apart = np.array([[1.0, 0], [0.8, 0.6]]), np.eye(2)
    draws = rng.standard_normal((4000, 2))
    residuals = np.where(age_years[:, None] > 50, draws @ together.T, draws @ apart)
    covariance, _ = residual_statistics(residuals, np.repeat("here", 4000), age_years)
    # Each group counts by its size to the power 1 - 0.4, and correlations are drawn to none by 5 %.
    share = 200**0.6 / (200**0.6 + 3800**0.6)
    assert covariance[0, 1] / covariance[0, 0] == pytest.approx(0.95 * share * 0.8, abs=0.03)
    assert share * 0.8 > 2 * 0.8 * 200 / 4000


def test_norms_of_a_table_find_its_age_and_sex_effects(made_people):
    norms = norms_from_people(made_people)
    difference = norms.expected(np.array([70.0]), np.array([0])) - norms.expected(np.array([30.0]), np.array([0]))
    slope_mm = (difference * norms.scale)[0] / 40
    assert np.median(slope_mm[:148]) == pytest.approx(-0.004, abs=0.001)


def test_sides_differ_half_as_much_and_keep_their_own_levels(made_people):
    norms = norms_from_people(made_people)
    drawn = with_sides_drawn_together(norms)
    swapped = np.ix_(MIRROR_IMAGES, MIRROR_IMAGES)
    for name, other_side in (
        ("mean", lambda values: values[:, :, MIRROR_IMAGES]),
        ("residual_covariance", lambda values: values[swapped]),
        ("site_covariance", lambda values: values[swapped]),
    ):
        before, after = getattr(norms, name), getattr(drawn, name)
        assert np.abs(before - other_side(before)).max() > 0.01
        np.testing.assert_allclose(after - other_side(after), (before - other_side(before)) / 2, atol=1e-12)
        np.testing.assert_allclose(after + other_side(after), before + other_side(before), atol=1e-12)
    np.testing.assert_array_equal(drawn.centre, norms.centre)
    np.testing.assert_array_equal(drawn.scale, norms.scale)


def test_charts_that_lack_a_parcel_are_refused(tmp_path, shared_data):
    text = (shared_data / "normative" / "charts_destrieux.csv").read_text(encoding="utf-8").splitlines()
    path = tmp_path / "charts.csv"
    path.write_text("\n".join(line for line in text if not line.startswith(PARCEL_NAMES[3])), encoding="utf-8")
    with pytest.raises(InputError, match=PARCEL_NAMES[3]):
        read_charts(path)


def test_a_node_without_a_chart_is_missing_and_goes_with_no_other(shared_data, people):
    charts = read_charts(shared_data / "normative" / "charts_destrieux.csv")
    norms = norms_from_charts(charts, people)
    assert np.isnan(norms.standardise(people.values)[:, 148:]).all()
    assert np.isfinite(norms.standardise(people.values)[:, :148]).any(axis=0).all()
    np.testing.assert_array_equal(norms.residual_covariance[148:, :148], 0.0)


def test_norms_of_one_sex_are_refused_because_the_other_cannot_be_learned(made_people):
    with pytest.raises(InputError, match="all of one sex"):
        norms_from_people(made_people.take(made_people.male == 0))


@pytest.mark.data
def test_the_grey_matter_of_a_side_is_read_by_the_chart_of_both_as_half_of_it(shared_data):
    """The formula of the charts, of TotalGrayVol, by hand: a side of x mm3 lies where a total of 2 x lies."""
    folder = shared_data / "normative"
    charts = read_charts([folder / "charts_destrieux.csv", folder / "charts_volumes.csv"])
    row = pd.read_csv(folder / "charts_volumes.csv").set_index("parcel").loc["TotalGrayVol"]
    b = np.exp(row["warp_log_b"])
    node = NODE_NAMES.index("Right-Gray-Matter")
    for side_mm3 in (2.4e5, 3.1e5, 3.9e5):
        by_hand = np.sinh(b * np.arcsinh(2 * side_mm3) + row["warp_epsilon"] * b)
        latent = np.sinh(charts.warp_b[node] * np.arcsinh(side_mm3) + charts.warp_epsilon[node] * charts.warp_b[node])
        assert latent == pytest.approx(by_hand, rel=1e-9)


def test_volumes_that_tell_scanners_rather_than_ages_have_no_norm(made_people):
    norms = norms_from_people(made_people)
    unread = np.isin(NODE_NAMES, ["Left-choroid-plexus", "Right-choroid-plexus", "4th-Ventricle", "CSF"])
    assert np.isnan(norms.scale[unread]).all()
    assert np.isfinite(norms.scale[~unread]).all()
    assert np.isnan(norms.standardise(made_people.values)[:, unread]).all()
