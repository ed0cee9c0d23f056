"""Sensitivity rows and descriptive tables against the same numbers by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from RegionalBrainAgeCohortLib.statistics.descriptives import missing_data, table_by_site, table_one
from RegionalBrainAgeCohortLib.statistics.mixed_models import Question, volume_models
from RegionalBrainAgeCohortLib.statistics.sensitivity import _CYCLES, _chained_equations, sensitivity
from shared_folder import REFERENCE
from statsmodels.imputation.mice import MICEData

CUT = 25 / 66
QUESTIONS = [
    Question("pad_ipsi_fpn", ["log_lesion_volume", "age", "sex"]),
    Question("pad_ipsi_fpn", ["load_cst", "log_lesion_volume", "age", "sex"]),
    Question("pad_ipsi_fpn", ["group_mild", "age", "sex"]),
    Question("load_cst", ["group_mild", "age", "sex"]),
]


def cohort(name: str = "typical") -> pd.DataFrame:
    data = pd.read_csv(REFERENCE / "data" / f"{name}.csv")
    data["log_lesion_volume"] = np.log(data["lesion_volume_ml"])
    data["sex_M"] = (data["sex"] == "M").astype(float)
    data["severe"] = (data["motor"] <= CUT + 5e-4).astype(float).where(data["motor"].notna())
    return data


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    data = cohort()
    data.loc[:40, "days_post_stroke"] = 90
    data.loc[10:30, "pad_ipsi_fpn"] = np.nan
    data["group_mild"] = 1 - data["severe"]
    return sensitivity(data, QUESTIONS, cut=CUT)


def row(
    table: pd.DataFrame, analysis: str, term: str = "log_lesion_volume", outcome: str = "pad_ipsi_fpn"
) -> pd.Series:
    (found,) = [
        r for _, r in table[table["analysis"] == analysis].iterrows() if (r["outcome"], r["term"]) == (outcome, term)
    ]
    return found


def test_the_first_row_is_the_reported_one(table):
    data = cohort()
    data.loc[10:30, "pad_ipsi_fpn"] = np.nan
    reported = volume_models(data, ["pad_ipsi_fpn"]).query("model == 'volume' and term == 'log_lesion_volume'").iloc[0]
    assert row(table, "as reported")["estimate"] == reported["estimate"]


def test_sites_as_fixed_effects_are_least_squares_with_dummies(table):
    data = cohort()
    data.loc[10:30, "pad_ipsi_fpn"] = np.nan
    fit = smf.ols("pad_ipsi_fpn ~ log_lesion_volume + age + sex + C(site)", data).fit()
    found = row(table, "sites as fixed effects")
    assert found["estimate"] == pytest.approx(fit.params["log_lesion_volume"], rel=1e-8)
    assert found["p"] == pytest.approx(fit.pvalues["log_lesion_volume"], rel=1e-6)


def test_the_age_spline_has_three_degrees_of_freedom_beside_the_intercept():
    """Natural cubic spline (Hastie, Tibshirani & Friedman 2009, eq. 5.4), knots at quantiles of distinct ages."""
    data = cohort().dropna()
    found = row(sensitivity(data, QUESTIONS[:1]), "age as a natural spline (3 df)")
    knots = np.quantile(data["age"].unique(), [0, 1 / 3, 2 / 3, 1])

    def bend(k):
        left, last = (np.clip(data["age"] - knot, 0, None) ** 3 for knot in (knots[k], knots[-1]))
        return (left - last) / (knots[-1] - knots[k])

    curved = data.assign(first=bend(0) - bend(2), second=bend(1) - bend(2))
    terms = ["log_lesion_volume", "age", "first", "second", "sex"]
    by_hand = row(sensitivity(curved, [Question("pad_ipsi_fpn", terms)]), "as reported")
    assert found["estimate"] == pytest.approx(by_hand["estimate"], rel=1e-6)
    assert found["ci_high"] == pytest.approx(by_hand["ci_high"], rel=1e-5)


def test_leaving_out_a_site_names_the_site_and_brackets_the_estimate(table):
    low = row(table, "without one site, smallest estimate")
    high = row(table, "without one site, largest estimate")
    assert low["estimate"] <= row(table, "as reported")["estimate"] <= high["estimate"]
    site = low["note"].removeprefix("without ")
    data = cohort()
    data.loc[10:30, "pad_ipsi_fpn"] = np.nan
    again = volume_models(data[data["site"] != site], ["pad_ipsi_fpn"])
    assert low["estimate"] == again.query("model == 'volume' and term == 'log_lesion_volume'")["estimate"].iloc[0]


def test_chronic_cases_and_imputation_use_the_cases_they_say(table):
    assert row(table, "more than 180 days after the stroke")["n"] == 501 - 41
    imputed = row(table, "multiple imputation (10)")
    assert imputed["n"] == 501
    reported = row(table, "as reported")
    assert abs(imputed["estimate"] - reported["estimate"]) < (reported["ci_high"] - reported["ci_low"]) / 4
    assert "information missing" in imputed["note"]


def test_an_analysis_that_is_not_done_has_a_row_with_the_reason(table):
    """All of one side, chronic, whole and of two sites: what would repeat the main analysis says so."""
    assert not (table["status"] == "not done").any()
    data = cohort().dropna().query("site in ['site01', 'site02']")
    data = data.assign(days_post_stroke=400.0, lesion_side="L")
    found = sensitivity(data, QUESTIONS[:1])
    reasons = found[found["status"] == "not done"].set_index("analysis")["note"].to_dict()
    assert reasons == {
        "without one site": "there are 2 sites; it needs 3",
        "more than 180 days after the stroke": "all cases are",
        "lesions of the left side": "all lesions are of one side, or the side is not known",
        "lesions of the right side": "all lesions are of one side, or the side is not known",
        "cases complete for every outcome": "nothing is missing",
        "multiple imputation (10)": "nothing is missing",
    }
    assert found[found["status"] == "not done"]["p"].isna().all()


def test_the_motor_cut_is_moved_both_ways(table):
    cuts = [a for a in table["analysis"].unique() if a.startswith("mild minus severe")]
    assert len(cuts) == 3
    assert sum("as reported" in a for a in cuts) == 1
    for cut in cuts:
        assert (table[table["analysis"] == cut]["term"] == "group_mild").all()
        assert set(table[table["analysis"] == cut]["outcome"]) == {"pad_ipsi_fpn", "load_cst"}


def test_loads_and_groups_are_asked_under_the_same_other_choices_as_lesion_volume(table):
    """Every analysis that applies to lesion volume has the load's and the groups' row; two of them by statsmodels."""
    of_volume = set(table[table["term"] == "log_lesion_volume"]["analysis"])
    in_ml = "volume in ml, not its logarithm"
    assert {"as reported", "sites as fixed effects", "lesions of the left side", "multiple imputation (10)"} < of_volume
    assert set(table[table["term"] == "load_cst"]["analysis"]) == of_volume | {in_ml}
    groups = table[(table["term"] == "group_mild") & ~table["analysis"].str.startswith("mild minus severe")]
    assert set(groups["analysis"]) == of_volume
    data = cohort()
    data.loc[10:30, "pad_ipsi_fpn"] = np.nan
    left = data[data["lesion_side"] == "L"].assign(mild=lambda d: 1 - d["severe"])
    fit = smf.ols("load_cst ~ mild + age + sex + C(site)", data.assign(mild=1 - data["severe"])).fit()
    found = row(table, "sites as fixed effects", "group_mild", "load_cst")
    assert found["estimate"] == pytest.approx(fit.params["mild"], rel=1e-8)
    fit = smf.ols("pad_ipsi_fpn ~ load_cst + lesion_volume_ml + age + sex + C(site)", data).fit()
    near = row(table, in_ml, "load_cst")
    assert abs(near["estimate"] - fit.params["load_cst"]) < 0.3 * fit.bse["load_cst"], "random, not fixed, sites"
    assert row(table, "lesions of the left side", "group_mild")["n"] == left["pad_ipsi_fpn"].notna().sum()


def test_the_imputation_depends_on_the_seed_alone():
    data = cohort().head(120)
    data.loc[:9, "age"] = np.nan
    first, again, other = (sensitivity(data, QUESTIONS[:1], seed=seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    imputed = "multiple imputation (10)"
    assert row(first, imputed)["estimate"] != row(other, imputed)["estimate"]


def test_imputation_without_formulas_is_statsmodels_own():
    """The same random numbers, once through statsmodels' formulas and once through our designs."""
    data = cohort()[["age", "log_lesion_volume", "load_cst", "pad_ipsi_fpn", "motor"]].head(150)
    data.loc[:9, "age"] = np.nan
    data.loc[5:30, "motor"] = np.nan
    theirs = MICEData(data.copy(), rng=5)
    theirs.update_all(_CYCLES)
    (ours, *_) = _chained_equations(data, 5)
    pd.testing.assert_frame_equal(ours, theirs.data, check_exact=False, rtol=1e-12)
    assert ours.notna().all().all()
    pd.testing.assert_frame_equal(ours[data.notna()], data)


def test_table_one_by_hand():
    data = cohort()
    table = table_one(data, ["age", "sex", "lesion_volume_ml"]).set_index("variable")
    mild, severe = data[data["severe"] == 0], data[data["severe"] == 1]
    assert table.loc["age", "mild"] == f"{mild['age'].mean():.3g} ({mild['age'].std():.3g})"
    assert table.loc["sex: F", "all"] == f"{(data['sex'] == 'F').sum()} ({100 * (data['sex'] == 'F').mean():.0f})"
    pooled = np.sqrt((mild["age"].var() + severe["age"].var()) / 2)
    expected = (mild["age"].mean() - severe["age"].mean()) / pooled
    assert table.loc["age", "standardised_difference"] == pytest.approx(expected)
    assert table.loc["lesion_volume_ml", "statistic"] == "median (quartiles)"
    days = pd.DataFrame({"days": [400.0, 842.0, 1000.0, 1437.0, 90000.0]})
    assert table_one(days, ["days"])["all"].iloc[1] == "1000 (842 to 1440)"


def test_missing_values_are_counted_by_motor_class_and_sites_add_up():
    data = cohort("uneven")
    table = missing_data(data, ["motor", "age", "pad_contra_fpn"]).set_index("variable")
    assert table.loc["age", "missing"] == 0
    assert table.loc["pad_contra_fpn", "missing"] == data["pad_contra_fpn"].isna().sum()
    assert table_by_site(data)["n"].sum() == len(data)
