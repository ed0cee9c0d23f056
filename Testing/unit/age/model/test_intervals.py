"""Age bias, bounds and percentiles against counts and formulas by hand."""

from __future__ import annotations

import numpy as np
import pytest
from RegionalBrainAgeLib.age.model.intervals import (
    PERCENTILES,
    TABLE_AGES_YEARS,
    AgeBias,
    ErrorTable,
    Reference,
    _site_share,
    _Windows,
    error_table,
    fit_age_bias,
)


def people(count: int, *, sites: int = 1, lines: int = 1, age_years=50.0, seed: int = 1) -> Reference:
    """People whose PADs are 0, 1, 2 ... in an order of chance, the same for each quantity but for the sign."""
    pads = np.random.default_rng(seed).permutation(count).astype(float)
    signs = np.array([1.0, -1.0])[:lines]
    ages = np.broadcast_to(age_years, count).astype(float)
    return Reference(ages, np.array([f"s{i % sites}" for i in range(count)]), np.outer(pads, signs))


def test_people_of_a_site_are_left_out_unless_too_few_would_be_left():
    reference = people(480, sites=2)
    rest = reference.without_sites({"s1"})
    assert set(rest.site) == {"s0"}
    np.testing.assert_array_equal(rest.pad_years, reference.pad_years[reference.site == "s0"])
    np.testing.assert_array_equal(rest.age_years, reference.age_years[reference.site == "s0"])
    few = people(478, sites=2)
    assert few.without_sites({"s1"}) is few


def test_a_linear_dependence_on_age_is_found_and_taken_off():
    age = np.linspace(20, 80, 50)
    pad = np.column_stack([30 - 0.6 * age, 2 + 0.1 * age])
    bias = fit_age_bias(Reference(age, np.full(50, "a"), pad))
    np.testing.assert_allclose(bias.intercept_years, [30, 2])
    np.testing.assert_allclose(bias.slope, [-0.6, 0.1])
    np.testing.assert_allclose(bias.correct(np.array([[5.0, 5.0]]), np.array([40.0])), [[5 - 6, 5 - 6]])
    corrected = bias.corrected(Reference(age, np.full(50, "a"), pad + 1))
    np.testing.assert_allclose(corrected.pad_years, 1.0)
    np.testing.assert_array_equal(corrected.age_years, age)


def test_bounds_are_order_statistics_moved_out_for_luck_and_for_a_site_never_seen():
    """Of 240 people 5 % are 12, with an SD of 3.38: the 231st and the 10th value; one site's variance counts double."""
    low, high = _Windows(people(240, lines=2)).bounds(50.0)
    np.testing.assert_allclose(high, np.array([119.5, -119.5]) + np.sqrt(2) * 110.5)
    np.testing.assert_allclose(low, np.array([119.5, -119.5]) - np.sqrt(2) * 110.5)


def test_with_few_people_the_outermost_are_the_bounds():
    low, high = _Windows(people(20)).bounds(50.0)
    assert (high - 9.5) / np.sqrt(2) == pytest.approx(9.5)
    assert (9.5 - low) / np.sqrt(2) == pytest.approx(9.5)


def test_the_window_is_seven_and_a_half_years_or_the_nearest_120():
    many = people(2400, age_years=np.repeat(np.arange(20.0, 80.0, 0.5), 20))
    near = np.abs(many.age_years - 50) <= 7.5
    assert near.sum() > 120
    np.testing.assert_allclose(_Windows(many).near(50.0)[0], at_age(many, near, 50.0))
    few = people(200, age_years=np.linspace(20, 80, 200))
    nearest = np.argsort(np.abs(few.age_years - 50))[:120]
    np.testing.assert_allclose(_Windows(few).near(50.0)[0], at_age(few, nearest, 50.0))


def at_age(reference: Reference, rows: np.ndarray, age_years: float) -> np.ndarray:
    """Sorted PADs of these people, each column less a line through them (NumPy's polyfit), plus its value at an age."""
    ages, columns = reference.age_years[rows], reference.pad_years[rows].T
    lines = [np.polyfit(ages, pads, 1) for pads in columns]
    moved = [p - np.polyval(line, ages) + np.polyval(line, age_years) for p, line in zip(columns, lines, strict=True)]
    return np.sort(np.column_stack(moved), axis=0)


def test_what_changes_with_age_in_the_window_of_the_oldest_does_not_move_their_bounds():
    """PADs that bend down after 70: at 85 the median of the nearest 120 would be that of 76, 9 years too high."""
    age = np.linspace(18, 85, 600)
    pads = np.where(age > 70, 70 - age, 0.0) + np.random.default_rng(3).normal(0, 1, 600)
    windows = _Windows(Reference(age, np.repeat(["a", "b"], 300), pads[:, None]))
    assert np.median(windows.near(85.0)[0]) == pytest.approx(-15, abs=1)
    # Beyond the oldest person the line is not followed any further.
    assert np.median(windows.near(98.0)[0]) == pytest.approx(-15, abs=1)


def test_many_sites_widen_less_than_one():
    reference = people(480, sites=4)
    reference.pad_years[:, 0] += 500 * (reference.site == "s0")
    share = _site_share(reference.pad_years, reference.site)
    assert 0.5 < share < 1.0
    assert _Windows(reference).near(50.0)[1] == pytest.approx(np.sqrt(1 + share / 4))
    alone = Reference(reference.age_years[:240], np.full(240, "s0"), reference.pad_years[:240])
    assert _Windows(alone).near(50.0)[1] == pytest.approx(np.sqrt(2))


def test_the_share_between_sites_is_that_of_a_one_way_analysis_of_variance():
    spread = np.arange(10.0)  # variance 55/6
    pads = np.concatenate([spread, spread + 10, spread + 20])[:, None]
    site = np.repeat(["a", "b", "c"], 10)
    within, means = 55 / 6, 100.0
    between = means - within / 10
    assert _site_share(pads, site) == pytest.approx(between / (between + within))
    # Sites of fewer than ten people say nothing of their mean; without two sites nothing is known.
    few = np.concatenate([pads, [[1000.0]] * 9])
    assert _site_share(few, np.concatenate([site, ["d"] * 9])) == pytest.approx(between / (between + within))
    assert _site_share(pads[:10], site[:10]) == 1.0
    assert _site_share(np.tile(spread, 3)[:, None], site) == 0.0


def table_of(quantiles: np.ndarray, lowest=-1.0, highest=1.0) -> ErrorTable:
    """A table of one quantity; `quantiles` and bounds by age, or the same at all ages."""
    ages = len(TABLE_AGES_YEARS)
    bounds = [np.broadcast_to(np.asarray(value, float).reshape(-1, 1), (ages, 1)) for value in (lowest, highest)]
    return ErrorTable(
        np.zeros(1), np.zeros(1), *bounds, np.broadcast_to(quantiles, (ages, len(PERCENTILES)))[..., None], 20, 80
    )


def test_percentiles_are_read_off_the_quantiles_and_end_a_quarter_of_their_reach_beyond():
    table = table_of(np.linspace(-40, 40, len(PERCENTILES)))
    step = 80 / (len(PERCENTILES) - 1)
    pads = np.array([[-100.0], [-60.0], [-50.0], [-40.0], [0.0], [step / 2], [40.0], [50.0], [60.0], [np.nan]])
    percentile = table.judge(pads, np.full(len(pads), 50.0))[3][:, 0]
    expected = [1, 1, 1.75, 2.5, 50, 52.5, 97.5, 98.25, 99, np.nan]
    np.testing.assert_allclose(percentile, expected)


def test_between_the_ages_of_the_table_all_is_linear_and_beyond_them_constant():
    steps = np.arange(len(TABLE_AGES_YEARS), dtype=float)
    table = table_of(np.linspace(-1, 1, len(PERCENTILES)), lowest=-steps, highest=10 * steps)
    ages = np.array([5.0, 18.0, 19.0, 20.0, 22.0, 97.0, 98.0, 120.0])
    corrected, low, high, _ = table.judge(np.zeros((8, 1)), ages)
    np.testing.assert_allclose(high[:, 0], [0, 0, 2.5, 5, 10, 197.5, 200, 200])
    np.testing.assert_allclose(low[:, 0], -high[:, 0] / 10)
    np.testing.assert_array_equal(corrected, 0)


def test_a_table_of_people_holds_their_bias_bounds_quantiles_and_ages():
    rng = np.random.default_rng(5)
    age = rng.uniform(20.4, 94.6, 3000)
    noise = rng.normal(0, 8, 3000)
    reference = Reference(age, rng.choice(["a", "b", "c", "d"], 3000), np.column_stack([20 - 0.5 * age + noise, noise]))
    table = error_table(reference)
    np.testing.assert_allclose(table.slope, [-0.5, 0.0], atol=0.03)
    assert (table.youngest_years, table.oldest_years) == (20.0, 90.0)
    assert table.lowest.shape == table.highest.shape == (len(TABLE_AGES_YEARS), 2)
    corrected, low, high, percentile = table.judge(reference.pad_years, age)
    inside = ((low <= corrected) & (corrected <= high)).mean(axis=0)
    assert np.all((inside > 0.88) & (inside < 0.96))
    np.testing.assert_allclose(np.quantile(percentile[:, 1], [0.1, 0.5, 0.9]), [10, 50, 90], atol=2)
    middle = table.quantiles[8, list(PERCENTILES).index(50.0)]
    np.testing.assert_allclose(middle, 0, atol=1.5)


def test_lines_of_a_table_are_taken_from_every_part_of_it():
    table = error_table(people(400, lines=2, age_years=np.linspace(20, 80, 400)))
    second = table.of_lines(np.array([1]))
    np.testing.assert_array_equal(second.lowest, table.lowest[:, 1:])
    np.testing.assert_array_equal(second.quantiles, table.quantiles[..., 1:])
    np.testing.assert_array_equal(second.slope, table.slope[1:])
    assert second.youngest_years == table.youngest_years == 20.0


def test_a_correction_of_two_quantities_uses_each_ones_own_line():
    bias = AgeBias(np.array([1.0, 2.0]), np.array([0.5, -0.5]))
    found = bias.correct(np.zeros((2, 2)), np.array([10.0, 20.0]))
    np.testing.assert_array_equal(found, [[-6, 3], [-11, 8]])


def test_people_measured_twice_as_badly_have_bounds_twice_as_wide_and_percentiles_of_half_their_value():
    table = table_of(np.linspace(-40, 40, len(PERCENTILES)), lowest=-30, highest=20)
    corrected, low, high, percentile = table.judge(np.array([[40.0]]), np.array([50.0]), np.array([[2.0]]))
    assert (corrected[0, 0], low[0, 0], high[0, 0]) == (40.0, -60.0, 40.0)
    assert percentile[0, 0] == table.judge(np.array([[20.0]]), np.array([50.0]))[3][0, 0]
