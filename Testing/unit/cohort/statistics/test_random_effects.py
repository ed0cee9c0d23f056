"""Random slopes, nested and crossed groupings against lme4 on its example data; formulas that cannot be used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from RegionalBrainAgeCohortLib.statistics.formula_models import formula_models
from RegionalBrainAgeCohortLib.statistics.random_effects import fit_mixed, parse_random
from shared_folder import REFERENCE

RUNS = {
    "slopes": ("sleepstudy", "Reaction", "Days", "1 + Days | Subject"),
    "nested": ("pastes", "strength", "1", "1 | batch/cask"),
    "crossed": ("penicillin", "diameter", "1", "(1 | plate) + (1 | sample)"),
}
VARIANCES = {
    ("slopes", "Subject", "Intercept"): ("Subject", "(Intercept)", "NA"),
    ("slopes", "Subject", "Days"): ("Subject", "Days", "NA"),
    ("slopes", "Subject", "Intercept:Days"): ("Subject", "(Intercept)", "Days"),
    ("nested", "batch", "Intercept"): ("batch", "(Intercept)", "NA"),
    ("nested", "batch:cask", "Intercept"): ("cask:batch", "(Intercept)", "NA"),
    ("crossed", "plate", "Intercept"): ("plate", "(Intercept)", "NA"),
    ("crossed", "sample", "Intercept"): ("sample", "(Intercept)", "NA"),
}


def theirs(name: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "tables" / f"random_effects_{name}.tsv", sep="\t", keep_default_na=False)


@pytest.mark.parametrize("run", RUNS)
def test_random_slopes_nested_and_crossed_effects_agree_with_lme4(run):
    file, outcome, formula, random = RUNS[run]
    fit = fit_mixed(pd.read_csv(REFERENCE / "data" / f"{file}.csv"), outcome, formula, random)
    fixed = theirs("fixed").query("run == @run")
    assert fit.fixed["estimate"].to_numpy() == pytest.approx(fixed["estimate"].to_numpy(float), rel=1e-7)
    assert fit.fixed["se"].to_numpy() == pytest.approx(fixed["se"].to_numpy(float), rel=5e-5)
    assert fit.log_likelihood == pytest.approx(float(fixed["log_likelihood"].iloc[0]), abs=1e-6)
    variances = theirs("variances").query("run == @run").set_index(["group", "first", "second"])["value"].astype(float)
    assert fit.residual_variance == pytest.approx(variances["Residual", "NA", "NA"], rel=1e-4)
    for row in fit.variances.itertuples():
        assert row.variance == pytest.approx(variances[VARIANCES[run, row.group, row.term]], rel=2e-4)


def cohort() -> pd.DataFrame:
    data = pd.read_csv(REFERENCE / "data" / "typical.csv")
    return data.assign(log_lesion_volume=np.log(data["lesion_volume_ml"]))


def test_one_random_intercept_is_the_exact_fit_and_formulas_may_have_interactions():
    exact = pd.read_csv(REFERENCE / "tables" / "mixed_models.tsv", sep="\t").query("cohort == 'typical'")
    table, variances = formula_models(cohort(), ["pad_ipsi_fpn"], "log_lesion_volume + age + sex")
    row = exact[(exact["model"] == "volume") & (exact["outcome"] == "pad_ipsi_fpn")].set_index("term")
    ours = table.set_index("term")
    assert ours.loc["age", "p"] == pytest.approx(row.loc["age", "p"], abs=1e-6)
    assert ours.loc["sex[T.M]", "estimate"] == pytest.approx(row.loc["sexM", "estimate"], rel=1e-5)
    assert set(variances["group"]) == {"site", "Residual"}
    table, _ = formula_models(cohort(), [], "motor ~ load_cst * age")
    assert set(table["outcome"]) == {"motor"}
    assert "load_cst:age" in set(table["term"])


@pytest.mark.parametrize(
    ("formula", "random", "words"),
    [
        ("ghost", "1 | site", "ghost"),
        ("age +", "1 | site", "cannot be used"),
        ("age", "1 | nowhere", "nowhere"),
        ("age", "1 + site", "cannot be read"),
        ("age", "1 + days post | site", "no column name"),
        ("age + I(2 * age)", "1 | site", "exact combinations"),
        ("age", "1 | case_id", "no variance to estimate"),
        ("age + pad_ipsi_fpn", "1 | site", "make up pad_ipsi_fpn"),
        ("I(2 * pad_ipsi_fpn)", "1 + age | site", "make up pad_ipsi_fpn"),
    ],
)
def test_a_model_that_cannot_be_fitted_says_why_in_its_row(formula, random, words):
    table, _ = formula_models(cohort(), ["pad_ipsi_fpn"], formula, random)
    assert table["status"].tolist() == ["failed"]
    assert words in table["note"].iloc[0]


def test_random_effects_are_read_as_lme4_writes_them():
    (slope,) = parse_random("1 + days | site")
    assert (slope.intercept, slope.slopes, slope.group) == (True, ("days",), ("site",))
    assert not parse_random("(0 + days | site)")[0].intercept
    assert [term.group for term in parse_random("1 | site/scanner")] == [("site",), ("site", "scanner")]
    assert len(parse_random("(1 | a) + (1 | b)")) == 2
