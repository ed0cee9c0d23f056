"""Mixed models against lme4/lmerTest (tables of Testing/reference) and a slow dense REML written from its formula."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from RegionalBrainAgeCohortLib.statistics.adjusted_means import adjusted_means
from RegionalBrainAgeCohortLib.statistics.design_rank import independent_columns
from RegionalBrainAgeCohortLib.statistics.mixed_models import (
    NO_MINIMUM,
    Columns,
    Overlap,
    Question,
    benjamini_hochberg,
    fit_models,
    group_differences,
    load_models,
    volume_models,
)
from RegionalBrainAgeCohortLib.statistics.model_checks import check_models
from RegionalBrainAgeCohortLib.statistics.random_intercept import fit_random_intercept, fit_random_intercepts
from scipy import optimize, stats
from shared_folder import REFERENCE

COHORTS = ("typical", "small", "uneven")
R_TERMS = {"(Intercept)": "intercept", "log(lesion_volume_ml)": "log_lesion_volume", "sexM": "sex_M"}


def cohort(name: str) -> pd.DataFrame:
    data = pd.read_csv(REFERENCE / "data" / f"{name}.csv")
    data["log_lesion_volume"] = np.log(data["lesion_volume_ml"])
    return data


def columns(data: pd.DataFrame, start: str) -> list[str]:
    return [name for name in data.columns if name.startswith(start)]


def assert_agrees_with_r(ours: pd.DataFrame, theirs: pd.DataFrame, keys: list[str]) -> None:
    both = theirs.merge(ours, on=keys, suffixes=("_r", ""), validate="one_to_one")
    assert len(both) == len(theirs) > 0
    for name in ("estimate", "ci_low", "ci_high"):
        assert (abs(both[name] - both[f"{name}_r"]) / both["se_r"]).max() < 1e-5
    for name in ("se", "df"):
        assert (abs(both[name] / both[f"{name}_r"] - 1)).max() < 1e-4
    for name in ("p", "p_fdr"):
        assert abs(both[name] - both[f"{name}_r"]).max() < 1e-6
    assert (abs(both["site_variance"] - both["site_variance_r"]) / both["residual_variance_r"]).max() < 1e-5
    assert abs(both["icc"] - both["icc_r"]).max() < 1e-5
    slopes = both["std_beta_r"] != 0
    assert abs(both["std_beta"] - both["std_beta_r"])[slopes].max() < 1e-6
    assert (both["n"] == both["n_r"]).all()
    assert (both["n_sites"] == both["n_sites_r"]).all()
    assert ((both["status"] == "singular") == both["singular"])[both["status"] != "rank deficient"].all()


@pytest.mark.parametrize("name", COHORTS)
def test_volume_models_agree_with_lmertest(name):
    data = cohort(name)
    theirs = pd.read_csv(REFERENCE / "tables" / "mixed_models.tsv", sep="\t").query("cohort == @name")
    theirs = theirs.assign(term=theirs["term"].replace(R_TERMS))
    ours = volume_models(data, columns(data, "pad_"))
    assert_agrees_with_r(ours, theirs, ["model", "outcome", "term"])


@pytest.mark.parametrize("name", COHORTS)
def test_load_models_agree_with_lmertest(name):
    data = cohort(name)
    theirs = pd.read_csv(REFERENCE / "tables" / "loads.tsv", sep="\t").query("cohort == @name")
    data = data.drop(columns="log_lesion_volume")
    ours = load_models(data, columns(data, "pad_"), columns(data, "load_"), overlap=NO_MINIMUM)
    assert len(ours) == len(columns(data, "pad_")) * len(columns(data, "load_"))
    assert set(ours["model"]) == {"load_unadjusted"}
    assert_agrees_with_r(ours, theirs.drop(columns="term"), ["load", "outcome"])
    unadjusted = ours[["estimate", "ci_low", "ci_high", "p", "p_fdr"]]
    assert (ours[[f"unadjusted_{name}" for name in unadjusted]].to_numpy() == unadjusted.to_numpy())[
        ours["p"].notna()
    ].all()


@pytest.mark.parametrize("name", COHORTS)
def test_loads_adjusted_for_lesion_volume_agree_with_lmertest(name):
    data = cohort(name)
    theirs = pd.read_csv(REFERENCE / "tables" / "loads_adjusted.tsv", sep="\t").query("cohort == @name")
    ours = load_models(data, columns(data, "pad_"), columns(data, "load_"), overlap=NO_MINIMUM)
    assert set(ours["model"]) == {"load"}
    assert_agrees_with_r(ours, theirs.drop(columns="term"), ["load", "outcome"])


def test_a_load_that_few_people_carry_is_not_tested_and_not_counted():
    data = cohort("typical")
    data["load_contra_fpn"] = np.where(np.arange(len(data)) < 24, 0.2, 0.0035)
    table = load_models(data, ["pad_ipsi_fpn"], ["load_contra_fpn", "load_cst"]).set_index("load")
    assert table.loc["load_contra_fpn", "status"] == "too few damaged"
    assert table.loc["load_contra_fpn", "n_damaged"] == 24
    assert table.loc["load_contra_fpn", ["estimate", "p", "p_fdr", "unadjusted_p"]].isna().all()
    assert "at least 26 are needed" in table.loc["load_contra_fpn", "note"]
    assert table.loc["load_cst", "p_fdr"] == table.loc["load_cst", "p"], "a family of the one pair that was tested"
    fewer = load_models(data, ["pad_ipsi_fpn"], ["load_contra_fpn"], overlap=Overlap(24, 0.0))
    assert fewer["p"].notna().all()
    data["group_mild"] = (data["motor"] > 25 / 66).astype(float)
    groups = group_differences(data, ["load_contra_fpn", "pad_ipsi_fpn"]).set_index("variable")
    assert groups.loc["load_contra_fpn", "status"] == "too few damaged"
    assert np.isfinite(groups.loc["pad_ipsi_fpn", "p"])


def test_lesion_volume_enters_once_when_it_is_also_a_covariate():
    data = cohort("typical")
    twice = volume_models(data, ["pad_ipsi_fpn"], ("age", "sex", "log_lesion_volume"))
    once = volume_models(data, ["pad_ipsi_fpn"])
    pd.testing.assert_frame_equal(twice.drop(columns="note"), once.drop(columns="note"))
    loads = load_models(data, ["pad_ipsi_fpn"], ["load_cst"], ("age", "sex", "log_lesion_volume"))
    assert loads["estimate"].to_numpy() == pytest.approx(load_models(data, ["pad_ipsi_fpn"], ["load_cst"])["estimate"])


def test_a_load_that_only_stands_for_the_volume_loses_its_effect_beside_it():
    """PAD depends on volume alone; the load is volume with noise: unadjusted it is found, adjusted it is not."""
    rng = np.random.default_rng(4)
    data = cohort("typical")
    log_volume = (data["log_lesion_volume"] - data["log_lesion_volume"].mean()) / data["log_lesion_volume"].std()
    data["pad_ipsi_fpn"] = 3 * log_volume + rng.normal(size=len(data))
    data["load_ipsi_fpn"] = np.clip(0.3 + 0.1 * log_volume + rng.normal(0, 0.05, len(data)), 0.01, 1)
    row = load_models(data, ["pad_ipsi_fpn"], ["load_ipsi_fpn"]).iloc[0]
    assert row["unadjusted_p"] < 1e-20
    assert row["p"] > 0.01


def test_a_fit_without_numbers_is_a_status_and_never_an_exception():
    rng = np.random.default_rng(0)
    for n in range(1, 12):
        site = rng.integers(0, 3, n).astype(str)
        design = np.column_stack([np.ones(n), rng.normal(size=n), rng.integers(0, 2, n)])
        for y in (np.full(n, np.inf), 1e200 * rng.normal(size=n), rng.normal(size=n), design[:, 1]):
            fit = fit_random_intercept(y, design, site)
            assert fit.status in ("ok", "singular", "constant", "rank deficient", "exact fit", "failed")
    assert fit_random_intercept(np.empty(0), np.empty((0, 2)), np.empty(0, str)).status == "no complete case"


@pytest.mark.parametrize("name", COHORTS)
def test_the_restricted_log_likelihood_is_that_of_lme4(name):
    theirs = pd.read_csv(REFERENCE / "tables" / "reml.tsv", sep="\t").query("cohort == @name")
    data = cohort(name)
    for row in theirs.itertuples():
        fit = fit_models(Columns(data), [Question(row.outcome, ["log_lesion_volume", "age", "sex"])])[0].fit
        assert fit.log_likelihood == pytest.approx(row.log_likelihood, abs=1e-6)


def dense_reml(y: np.ndarray, design: np.ndarray, site: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Estimates, standard errors, site and residual variance by brute force over both variances, with full matrices."""
    same = (site[:, None] == site[None, :]).astype(float)

    def parts(log_variances):
        v = np.exp(log_variances[0]) * same + np.exp(log_variances[1]) * np.eye(len(y))
        precision = np.linalg.inv(v)
        information = design.T @ precision @ design
        beta = np.linalg.solve(information, design.T @ precision @ y)
        return v, precision, information, beta, y - design @ beta

    def deviance(log_variances):
        v, precision, information, _, rest = parts(log_variances)
        return np.linalg.slogdet(v)[1] + np.linalg.slogdet(information)[1] + rest @ precision @ rest

    best = optimize.minimize(deviance, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11})
    _, _, information, beta, _ = parts(best.x)
    return beta, np.sqrt(np.diag(np.linalg.inv(information))), np.exp(best.x[0]), np.exp(best.x[1])


@pytest.mark.parametrize("seed", range(5))
def test_the_fit_is_the_minimum_of_the_dense_reml_criterion(seed):
    rng = np.random.default_rng(seed)
    site = rng.integers(0, 6, 60)
    design = np.column_stack([np.ones(60), rng.normal(size=60), rng.normal(50, 10, 60)])
    y = design @ [1.0, 0.5, -0.1] + rng.normal(0, 1.5, 6)[site] + rng.normal(size=60)
    beta, se, site_variance, residual_variance = dense_reml(y, design, site)
    fit = fit_random_intercept(y, design, site)
    assert fit.estimate == pytest.approx(beta, rel=1e-5, abs=1e-6)
    assert fit.se == pytest.approx(se, rel=1e-5)
    assert fit.site_variance == pytest.approx(site_variance, rel=1e-4)
    assert fit.residual_variance == pytest.approx(residual_variance, rel=1e-4)


def test_the_covariance_and_the_interval_are_those_of_generalised_least_squares():
    """Oracle: s^2 (X'V^-1X)^-1 with V written out; a dropped column has none."""
    rng = np.random.default_rng(12)
    site = np.repeat(np.arange(7), 9)
    x = np.column_stack([np.ones(63), rng.normal(size=63), np.zeros(63), rng.normal(3, 2, 63)])
    fit = fit_random_intercept(x[:, 1] + rng.normal(size=7)[site] + rng.normal(size=63), x, site.astype(str))
    kept = [0, 1, 3]
    v = np.eye(63) + fit.theta**2 * (site[:, None] == site[None, :])
    dense = fit.residual_variance * np.linalg.inv(x[:, kept].T @ np.linalg.solve(v, x[:, kept]))
    assert fit.covariance[np.ix_(kept, kept)] == pytest.approx(dense, rel=1e-9, abs=1e-12)
    assert np.isnan(fit.covariance[2]).all()
    assert fit.se[kept] ** 2 == pytest.approx(np.diag(dense))
    reach = stats.t.ppf(0.975, fit.df[kept]) * fit.se[kept]
    assert fit.ci_high[kept] - fit.estimate[kept] == pytest.approx(reach)


def test_a_balanced_design_has_the_degrees_of_freedom_of_the_textbook():
    """In a balanced one-way layout the overall mean has (sites - 1) degrees of freedom, exactly."""
    rng = np.random.default_rng(3)
    site = np.repeat(np.arange(8), 5)
    fit = fit_random_intercept(rng.normal(0, 3, 8)[site] + rng.normal(size=40), np.ones((40, 1)), site)
    assert fit.df[0] == pytest.approx(7.0, rel=1e-8)


def test_scaling_outcome_and_predictor_scales_the_answer_and_nothing_else():
    data = cohort("typical")
    site = data["site"].to_numpy()
    y = data["pad_ipsi_fpn"].to_numpy()
    design = np.column_stack([np.ones(len(data)), data["age"], data["days_post_stroke"]])
    small, large = fit_random_intercept(y, design, site), fit_random_intercept(y * 1e6, design * [1, 1e-6, 1e6], site)
    assert large.estimate == pytest.approx(small.estimate * 1e6 / [1, 1e-6, 1e6], rel=1e-7)
    assert large.df == pytest.approx(small.df, rel=1e-7)
    assert large.p == pytest.approx(small.p, rel=1e-6, abs=1e-12)


def test_dependent_columns_are_dropped_from_the_right():
    x = np.random.default_rng(0).normal(size=30)
    design = np.column_stack([np.ones(30), x, 2 * x + 3, x**2, np.zeros(30)])
    assert independent_columns(design).tolist() == [0, 1, 3]


def test_status_says_which_coefficients_cannot_be_told_apart():
    data = cohort("small").assign(flat=1.5)
    table = volume_models(data, ["pad_ipsi_n1", "flat"]).set_index(["model", "outcome", "term"])["status"]
    assert table["volume_days", "pad_ipsi_n1", "days_post_stroke"] == "rank deficient"
    assert table["volume_days", "pad_ipsi_n1", "age"] == "rank deficient"
    assert table["volume_days", "pad_ipsi_n1", "log_lesion_volume"] == "singular"
    assert (table.xs("flat", level="outcome") == "constant").all()
    loads = load_models(data, ["pad_ipsi_n1"], ["load_contra_x2"], overlap=NO_MINIMUM)
    assert loads["status"].tolist() == ["constant"]
    assert loads["estimate"].isna().all()
    assert loads["note"].str.contains("load_contra_x2").all()


@pytest.mark.parametrize("copy", ["pad_ipsi_fpn", "months", "rounded"])
def test_an_outcome_that_its_predictors_make_up_is_not_tested_and_counts_in_no_family(copy):
    data = cohort("typical")
    data["months"] = 12 * data["pad_ipsi_fpn"] + 3
    data["rounded"] = data["pad_ipsi_fpn"].round(10)
    covariates = ("age", copy)
    table = volume_models(data, ["pad_ipsi_fpn", "pad_contra_fpn", "pad_ipsi_van"], covariates)
    own = table["outcome"] == "pad_ipsi_fpn"
    assert set(table.loc[own, "status"]) == {"exact fit"}
    assert table.loc[own, ["estimate", "se", "p", "p_fdr"]].isna().all(axis=None)
    assert table.loc[own, "note"].str.contains("make up pad_ipsi_fpn").all()
    others = volume_models(data, ["pad_contra_fpn", "pad_ipsi_van"], covariates)
    pd.testing.assert_frame_equal(table[~own].reset_index(drop=True), others)
    loads = load_models(data, ["pad_ipsi_fpn", "pad_contra_fpn"], ["load_cst"], covariates)
    assert loads["p"].isna().tolist() == loads["unadjusted_p"].isna().tolist() == [True, False]
    assert check_models(data, ["pad_ipsi_fpn", "pad_contra_fpn"], covariates)["outcome"].tolist() == ["pad_contra_fpn"]


def test_a_small_residual_is_tested_all_the_same():
    """A residual a hundred-thousandth of the outcome's spread is a measurement, not rounding."""
    data = cohort("typical")
    noise = np.random.default_rng(2).normal(size=len(data))
    data["pad_ipsi_fpn"] = 3 * data["age"] + 3e-5 * data["age"].std() * noise + 1e6
    row = volume_models(data, ["pad_ipsi_fpn"], ["age"]).set_index(["model", "term"]).loc[("volume", "age")]
    assert row["status"] in ("ok", "singular")
    assert row["estimate"] == pytest.approx(3, abs=1e-6)


@pytest.mark.parametrize(("site", "words"), [("all the same", "one site"), (None, "one case per site")])
def test_without_a_site_effect_to_estimate_the_model_is_ordinary_regression(site, words):
    data = cohort("small").dropna()
    data["site"] = site or data["case_id"]
    row = load_models(data.drop(columns="log_lesion_volume"), ["pad_ipsi_n1"], ["load_cst"], overlap=NO_MINIMUM).iloc[0]
    design = np.column_stack([np.ones(len(data)), data["load_cst"], data["age"], data["sex"] == "M"]).astype(float)
    beta, *_ = np.linalg.lstsq(design, data["pad_ipsi_n1"].to_numpy(), rcond=None)
    assert row["estimate"] == pytest.approx(beta[1], rel=1e-9)
    assert row["df"] == len(data) - 4
    assert np.isnan(row["site_variance"])
    assert words in row["note"]


def test_bh_leaves_nan_alone_and_follows_the_definition():
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.5])
    expected = [0.04, np.nan, 0.04 * 4 / 3, 0.04 * 4 / 3, 0.5]
    np.testing.assert_allclose(benjamini_hochberg(p), expected, rtol=1e-12)


def test_an_unadjusted_group_difference_is_the_difference_of_the_means():
    data = cohort("typical").assign(site="one")
    data["group_mild"] = np.where(data["motor"] > 25 / 66, 1.0, 0.0)
    row = group_differences(data, ["load_cst"], covariates=()).iloc[0]
    means = data.groupby("group_mild")["load_cst"].mean()
    assert row["estimate"] == pytest.approx(means[1] - means[0], rel=1e-9)
    assert (row["n_mild"], row["n_severe"]) == tuple(data["group_mild"].value_counts()[[1, 0]])


def test_many_models_at_once_are_each_model_alone():
    """Models of unlike sizes, sites, ranks and faults in one call: none may touch another."""
    rng = np.random.default_rng(8)
    models = []
    for k in range(40):
        n, sites = int(rng.integers(20, 60)), int(rng.integers(1, 9))
        site = rng.integers(0, sites, n)
        design = np.column_stack([np.ones(n), rng.normal(size=(n, 1 + k % 3)) * [[1, 1e3, 1e-3][: 1 + k % 3]]])
        y = rng.normal(size=n) + 2 * rng.normal(size=sites)[site]
        if k % 10 == 3:
            design[:, -1] = 2 * design[:, 0]
        if k % 10 == 5:
            y[:] = 4.0
        if k % 10 == 6:
            y = design @ np.ones(design.shape[1])
        if k % 10 == 7:
            y *= 1e170
        models.append((y, design, site))
    together = fit_random_intercepts(iter(models))
    assert {fit.status for fit in together} >= {"ok", "rank deficient", "constant", "exact fit", "failed"}
    for model, fit in zip(models, together, strict=True):
        alone = fit_random_intercept(*model)
        assert (fit.status, fit.term_status, fit.dropped, fit.n) == (
            alone.status, alone.term_status, alone.dropped, alone.n
        )  # fmt: skip
        for name in ("estimate", "se", "df", "p", "theta", "site_variance", "log_likelihood"):
            assert getattr(fit, name) == pytest.approx(getattr(alone, name), rel=1e-7, abs=1e-12, nan_ok=True)


def test_outcomes_of_one_design_are_each_model_alone():
    """Models in a row of the same cases share design and decomposition; one with other cases between them does not."""
    data = cohort("typical")
    data.loc[data.index[::7], "pad_contra_fpn"] = np.nan
    outcomes = ["pad_ipsi_fpn", "pad_ipsi_van", "pad_contra_fpn", "pad_contra_van"]
    columns = Columns(data)
    models = [columns.model(outcome, ["load_cst", "age", "sex"]) for outcome in outcomes]
    assert models[0].design is models[1].design is not models[2].design is not models[3].design
    together = fit_random_intercepts((model.y, model.design, model.site) for model in models)
    for outcome, fit in zip(outcomes, together, strict=True):
        alone = Columns(data).model(outcome, ["load_cst", "age", "sex"])
        assert fit.estimate == pytest.approx(fit_random_intercept(alone.y, alone.design, alone.site).estimate, rel=1e-9)


@pytest.mark.parametrize("name", ["typical", "small"])
def test_adjusted_means_agree_with_lmertest_and_differ_by_the_group_difference(name):
    data = cohort(name)
    data["group_mild"] = (data["motor"] > 25 / 66 + 5e-4).astype(float).where(data["motor"].notna())
    theirs = pd.read_csv(REFERENCE / "tables" / "adjusted_means.tsv", sep="\t").query("cohort == @name")
    variables = list(dict.fromkeys(theirs["variable"]))
    ours = adjusted_means(data, variables)
    both = theirs.merge(ours, on=["variable", "group"], suffixes=("_r", ""), validate="one_to_one")
    assert len(both) == len(theirs) == len(ours)
    assert (both["n"] == both["n_r"]).all()
    for column in ("mean", "ci_low", "ci_high"):
        assert (abs(both[column] - both[f"{column}_r"]) / both["se_r"]).max() < 1e-5
    for column in ("se", "df"):
        assert abs(both[column] / both[f"{column}_r"] - 1).max() < 1e-4
    wide = ours.pivot(index="variable", columns="group", values="mean")
    differences = group_differences(data, variables, overlap=NO_MINIMUM).set_index("variable")["estimate"]
    assert (wide["mild"] - wide["severe"]).reindex(variables).to_numpy() == pytest.approx(differences, rel=1e-9)
