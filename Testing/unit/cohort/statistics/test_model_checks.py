"""Second opinions and diagnostics of the mixed models: statsmodels' likelihood, geepack, and formulas by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from RegionalBrainAgeCohortLib.statistics.mixed_models import Columns
from RegionalBrainAgeCohortLib.statistics.model_checks import _whitened, bias_reduced, check_models
from RegionalBrainAgeCohortLib.statistics.random_intercept import fit_random_intercept, fit_random_intercepts
from RegionalBrainAgeCohortLib.statistics.residuals import normal_quantiles, volume_model_residuals
from shared_folder import REFERENCE

COVARIATES = {"typical": ("age", "sex"), "small": ("age", "sex"), "uneven": ("age",)}


def cohort(name: str) -> pd.DataFrame:
    data = pd.read_csv(REFERENCE / "data" / f"{name}.csv")
    return data.assign(log_lesion_volume=np.log(data["lesion_volume_ml"]))


def checks(name: str) -> pd.DataFrame:
    data = cohort(name)
    return check_models(data, [c for c in data.columns if c.startswith("pad_")], COVARIATES[name])


@pytest.mark.parametrize("name", COVARIATES)
def test_statsmodels_agrees_with_our_likelihood_at_our_estimates(name):
    table = checks(name)
    assert len(table) >= 2
    assert abs(table["log_likelihood"] - table["statsmodels_log_likelihood"]).max() < 1e-6


def test_generalised_estimating_equations_agree_with_geepack():
    """geepack's working correlation is estimated by another rule, so estimates agree to a part of a standard error."""
    table = checks("typical").set_index("outcome")
    theirs = pd.read_csv(REFERENCE / "tables" / "gee.tsv", sep="\t").set_index("outcome")
    both = table.join(theirs.add_suffix("_r"), how="inner")
    assert len(both) == len(theirs) == 6
    assert (abs(both["gee_estimate"] - both["estimate_r"]) / both["se_r"]).max() < 0.05
    assert abs(both["gee_se"] / both["se_r"] - 1).max() < 0.12, "ours is corrected for few sites, theirs is not"


@pytest.mark.parametrize("name", ["typical", "uneven"])
def test_the_bias_reduced_covariance_is_statsmodels(name):
    """statsmodels inverts a matrix of cases by cases for every site; ours is of columns by columns."""
    model = Columns(cohort(name)).model("pad_ipsi_fpn", ["log_lesion_volume", *COVARIATES[name]])
    theirs = sm.GEE(model.y, model.design, groups=model.site, cov_struct=sm.cov_struct.Exchangeable()).fit(
        cov_type="bias_reduced"
    )
    rest = model.y - model.design @ theirs.params
    ours = bias_reduced(model.design, rest, model.site, theirs.cov_struct.dep_params, theirs.scale)
    assert ours == pytest.approx(theirs.cov_robust_bc, rel=1e-8)


def test_the_influence_of_a_case_is_the_estimate_without_it():
    """Refit by least squares on whitened data without the case."""
    data = cohort("typical")
    row = check_models(data, ["pad_ipsi_fpn"]).iloc[0]
    model = Columns(data).model("pad_ipsi_fpn", ["log_lesion_volume", "age", "sex"])
    y, design = _whitened(model, fit_random_intercept(model.y, model.design, model.site))
    keep = data["case_id"].to_numpy()[model.rows] != row["largest_cook_case"]
    assert keep.sum() == len(y) - 1
    assert row["estimate_without_it"] == pytest.approx(sm.OLS(y[keep], design[keep]).fit().params[1], rel=1e-9)


def test_the_smallest_detectable_effect_is_found_with_eighty_percent_power():
    """Simulated with the effect planted: t tests of the model's own degrees of freedom."""
    rng = np.random.default_rng(0)
    data = cohort("typical")
    detectable = check_models(data, ["pad_ipsi_fpn"], ()).iloc[0]["smallest_detectable"]
    model = Columns(data).model("pad_ipsi_fpn", ["log_lesion_volume"])
    fit = fit_random_intercept(model.y, model.design, model.site)
    models = []
    for _ in range(300):
        sites = rng.normal(0, np.sqrt(fit.site_variance), 34)
        y = detectable * model.design[:, 1] + sites[model.site] + rng.normal(0, np.sqrt(fit.residual_variance), fit.n)
        models.append((y, model.design, model.site))
    found = sum(fit.p[1] < 0.05 for fit in fit_random_intercepts(models))
    assert found / 300 == pytest.approx(0.8, abs=0.07)


def test_collinear_covariates_show_in_the_variance_inflation():
    data = cohort("typical")
    rng = np.random.default_rng(1)
    data["near"] = data["log_lesion_volume"] + rng.normal(0, 0.1, len(data))
    row = check_models(data, ["pad_ipsi_fpn"], ("near",)).iloc[0]
    r2 = np.corrcoef(data["near"], data["log_lesion_volume"])[0, 1] ** 2
    assert row["vif"] == pytest.approx(1 / (1 - r2), rel=1e-6)


def test_residuals_and_site_effects_are_hendersons():
    """Dense formula: site effects = psi Z'V^-1 (y - Xb), residuals = V^-1 (y - Xb) for V = I + psi ZZ'."""
    data = cohort("uneven")
    found = volume_model_residuals(data, "pad_ipsi_fpn", ("age",))
    model = Columns(data).model("pad_ipsi_fpn", ["log_lesion_volume", "age"])
    fit = fit_random_intercept(model.y, model.design, model.site)
    z = (model.site[:, None] == np.unique(model.site)).astype(float)
    left = np.linalg.solve(np.eye(fit.n) + fit.theta**2 * z @ z.T, model.y - model.design @ fit.estimate)
    assert found.sites == pytest.approx(fit.theta**2 * z.T @ left, rel=1e-9)
    assert found.residual == pytest.approx(left, rel=1e-9)
    assert found.fitted + z @ found.sites + found.residual == pytest.approx(model.y)


def test_normal_quantiles_hold_a_sorted_normal_sample_as_often_as_they_say():
    rng = np.random.default_rng(2)
    middle, low, high = normal_quantiles(50)
    samples = np.sort(rng.normal(size=(4000, 50)), axis=1)
    assert ((samples > low) & (samples < high)).mean() == pytest.approx(0.95, abs=0.005)
    assert np.median(samples, axis=0) == pytest.approx(middle, abs=0.06)
