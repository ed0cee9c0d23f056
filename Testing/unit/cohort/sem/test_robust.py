"""Robust and clustered errors, groups, modification indices and R2 against lavaan (tables of Testing/reference)."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from RegionalBrainAgeCohortLib.sem.groups import compare_groups
from RegionalBrainAgeCohortLib.sem.model_texts import default_model, published_model
from RegionalBrainAgeCohortLib.sem.path_model import fit_sem
from RegionalBrainAgeLib.errors import InputError
from shared_folder import REFERENCE

SCRIPT = (REFERENCE / "sem_robust.R").read_text(encoding="utf-8")
MODELS = {m.group(1): m.group(2) for m in re.finditer(r'(\w+) = "\n(.*?)"', SCRIPT, re.DOTALL)}
RUNS = re.findall(r'(\w+) = list\(model = "(\w+)", cohort = "(\w+)", missing = "(\w+)"\)', SCRIPT)


def cohort(name: str) -> pd.DataFrame:
    data = pd.read_csv(REFERENCE / "data" / f"{name}.csv")
    return data.assign(sex_M=(data["sex"] == "M").astype(float))


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "tables" / f"{name}.tsv", sep="\t", keep_default_na=False, na_values=["NA"])


def fitted(run: tuple[str, ...], errors: str):
    _, model, data, missing = run
    cluster = "site" if errors == "cluster" else None
    return fit_sem(MODELS[model], cohort(data), "fiml" if missing == "ml" else missing, errors, cluster=cluster)


@pytest.mark.parametrize("errors", ["robust", "cluster"])
@pytest.mark.parametrize("run", RUNS, ids=[run[0] for run in RUNS])
def test_robust_and_clustered_errors_and_the_scaled_test_agree_with_lavaan(run, errors):
    ours = fitted(run, errors)
    theirs = table("sem_robust_paths").query("run == @run[0] and errors == @errors")
    both = theirs.merge(ours.paths, on=["lhs", "op", "rhs"], suffixes=("_r", ""))
    assert len(both) == len(ours.paths)
    for name in ("se", "std_se"):
        free = both[f"{name}_r"] > 0
        assert abs(both[name] / both[f"{name}_r"] - 1)[free].max() < 2e-5
    fit = table("sem_robust_fit").query("run == @run[0] and errors == @errors").set_index("measure")["value"]
    measures = ours.fit.set_index("lavaan")["value"]
    assert measures["chisq.scaling.factor"] == pytest.approx(fit["chisq.scaling.factor"], rel=2e-5)
    assert measures["pvalue.scaled"] == pytest.approx(fit["pvalue.scaled"], abs=1e-5)


@pytest.mark.parametrize("run", RUNS, ids=[run[0] for run in RUNS])
def test_modification_indices_and_r2_agree_with_lavaan(run):
    ours = fitted(run, "expected")
    theirs = table("sem_modification").query("run == @run[0]")
    both = theirs.merge(ours.modification, on=["lhs", "op", "rhs"], suffixes=("_r", ""))
    assert len(both) >= 3
    np.testing.assert_allclose(both["mi"], both["mi_r"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(both["epc"], both["epc_r"], rtol=1e-4, atol=1e-8)
    r2 = table("sem_r2").query("run == @run[0]").merge(ours.r2, on="variable", suffixes=("_r", ""))
    assert len(r2) == len(table("sem_r2").query("run == @run[0]"))
    np.testing.assert_allclose(r2["r2"], r2["r2_r"], atol=1e-6)


def test_a_modification_index_is_the_fall_of_chi_square_when_the_path_is_freed():
    data = cohort("typical")
    fit = fit_sem(published_model("fpn"), data)
    first = fit.modification.iloc[0]
    freed = fit_sem(f"{published_model('fpn')}\n{first['lhs']} {first['op']} {first['rhs']}", data)
    assert fit.measure("chi2") - freed.measure("chi2") == pytest.approx(first["mi"], rel=0.1, abs=0.05)


def test_groups_and_the_test_of_equal_paths_agree_with_lavaan():
    paths, test = compare_groups(MODELS["chain"], cohort("typical"), "sex")
    theirs = table("sem_groups").query("op == '~'")
    both = theirs.merge(paths, on=["group", "lhs", "op", "rhs"], suffixes=("_r", ""))
    assert len(both) == len(theirs) == 12
    np.testing.assert_allclose(both["estimate"], both["estimate_r"], rtol=1e-5)
    np.testing.assert_allclose(both["se"], both["se_r"], rtol=1e-5)
    reference = table("sem_groups_test").iloc[0]
    for name in ("chi2_difference", "df", "p", "chi2_free", "chi2_equal"):
        assert test.iloc[0][name] == pytest.approx(reference[name], rel=1e-5)


def test_groups_that_cannot_be_compared_say_why():
    data = cohort("typical")
    for column, words in (("case_id", "0 group"), ("ghost", "no column")):
        with pytest.raises(InputError, match=words):
            compare_groups(MODELS["chain"], data, column)


def test_people_copied_within_a_site_do_not_sharpen_clustered_errors():
    """Every person four times at one's own site: expected errors halve, clustered ones stay."""
    data = cohort("typical").assign(site=lambda d: d["case_id"])
    copies = pd.concat([data] * 4, ignore_index=True)
    once = fit_sem(published_model("fpn"), data, errors="robust").paths["se"]
    many = fit_sem(published_model("fpn"), copies, errors="cluster", cluster="site").paths["se"]
    np.testing.assert_allclose(many[:7], once[:7] * np.sqrt(501 / 500), rtol=1e-4)
    naive = fit_sem(published_model("fpn"), copies).paths["se"]
    half = fit_sem(published_model("fpn"), data).paths["se"] / 2
    np.testing.assert_allclose(naive, half, rtol=1e-3)


@pytest.mark.parametrize("model", ["default", "published", "latent", "chain"])
def test_semopy_agrees_at_our_estimates(model):
    text = {"default": default_model("fpn"), "published": published_model("fpn")}.get(model) or MODELS[model]
    opinion = fit_sem(text, cohort("typical")).opinion
    assert not opinion.why_not
    assert opinion.agrees
    assert opinion.gradient < 1e-6
    assert opinion.se_ratio < 1e-6
    missing = (
        fit_sem(text, cohort("uneven").assign(sex_M=np.arange(120) % 2.0)).opinion if model != "latent" else opinion
    )
    assert missing.gradient < 1e-6


def test_semopy_disagrees_away_from_the_maximum():
    data = cohort("typical")
    wrong = fit_sem("motor ~ -0.5*load_cst + age\npad_contra_fpn ~ motor", data)
    assert wrong.opinion.agrees, "a fixed path is no disagreement"
    from RegionalBrainAgeCohortLib.sem.engine import Structure, moments_of
    from RegionalBrainAgeCohortLib.sem.second_opinion import ask_semopy

    structure = Structure(wrong.specification)
    values = data[list(wrong.specification.observed)].to_numpy(float)
    moments = moments_of(values, [wrong.specification.observed.index(n) for n in wrong.specification.exogenous])
    theta = structure.start(values.mean(axis=0), np.cov(values, rowvar=False))
    information = structure.score_information(theta[None], moments)[1][0]
    assert not ask_semopy(structure, theta, values, moments, information).agrees


def test_semopy_as_the_engine_ends_where_this_one_does():
    data = cohort("typical")
    own, theirs = (fit_sem(MODELS["latent"], data, engine=engine).paths for engine in ("own", "semopy"))
    assert (abs(own["estimate"] - theirs["estimate"]) <= 1e-3 * own["se"] + 1e-12).all()
    with pytest.raises(InputError, match="missing"):
        fit_sem(published_model("fpn"), cohort("uneven"), engine="semopy")


def test_factor_scores_order_people_as_their_indicators_do():
    data = cohort("typical")
    scores = fit_sem(MODELS["latent"], data).scores
    assert list(scores.columns) == ["damage"]
    mean = data[["load_ipsi_fpn", "load_ipsi_van", "load_ipsi_sal"]].mean(axis=1)
    assert np.corrcoef(scores["damage"], mean)[0, 1] > 0.95
    assert fit_sem(published_model("fpn"), data).scores is None


def test_large_means_cost_no_digits_with_missing_values():
    """The same cohort with 1e6 added to a variable: only its intercept moves."""
    data = cohort("uneven")
    moved = data.assign(pad_contra_fpn=data["pad_contra_fpn"] + 1e6)
    one, other = (fit_sem(published_model("fpn"), d).paths.query("op != '~1'") for d in (data, moved))
    np.testing.assert_allclose(other["estimate"], one["estimate"], rtol=1e-6)
    np.testing.assert_allclose(other["se"], one["se"], rtol=1e-4)
