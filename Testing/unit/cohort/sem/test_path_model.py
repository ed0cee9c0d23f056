"""Structural equation models against lavaan (tables of Testing/reference) and against least squares by hand."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from RegionalBrainAgeCohortLib.sem.engine import Structure, maximise, moments_of, regressions
from RegionalBrainAgeCohortLib.sem.language import parse_model
from RegionalBrainAgeCohortLib.sem.model_texts import default_model, published_model, reverse_model
from RegionalBrainAgeCohortLib.sem.path_model import BOOTSTRAP_COLUMNS, fit_sem
from RegionalBrainAgeCohortLib.sem.sensitivity import path_sensitivity
from RegionalBrainAgeLib.errors import InputError, RegionalBrainAgeError
from shared_folder import REFERENCE

SCRIPT = (REFERENCE / "sem_models.R").read_text(encoding="utf-8")
MODELS = {m.group(1): m.group(2) for m in re.finditer(r'(\w+) = "\n(.*?)"', SCRIPT, re.DOTALL)}
RUNS = re.findall(r'(\w+) = list\(model = "(\w+)", cohort = "(\w+)", missing = "(\w+)"\)', SCRIPT)


def cohort(name: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "data" / f"{name}.csv")


@pytest.mark.parametrize(("run", "model", "data", "missing"), RUNS, ids=[run[0] for run in RUNS])
def test_estimates_standard_errors_and_fit_agree_with_lavaan(run, model, data, missing):
    result = fit_sem(MODELS[model], cohort(data), missing="fiml" if missing == "ml" else missing)
    theirs = pd.read_csv(REFERENCE / "tables" / "sem_paths.tsv", sep="\t").query("run == @run").fillna({"rhs": ""})
    both = theirs.merge(result.paths, on=["lhs", "op", "rhs"], suffixes=("_r", ""), validate="one_to_one")
    assert len(both) == len(theirs) == len(result.paths)
    for name in ("estimate", "std_all"):
        assert abs(both[name] - both[f"{name}_r"]).max() < 1e-5
    for name in ("se", "std_se"):
        free = both[f"{name}_r"] > 0
        assert abs(both[name] / both[f"{name}_r"] - 1)[free].max() < 1e-5
        assert (both.loc[~free, name] == 0).all()
    for name in ("z", "p"):
        assert both[name].isna().equals(both[f"{name}_r"].isna())
    assert abs(both["p"] - both["p_r"]).max() < 1e-5
    fit = pd.read_csv(REFERENCE / "tables" / "sem_fit.tsv", sep="\t").query("run == @run").set_index("measure")["value"]
    ours = result.fit.set_index("lavaan")["value"].reindex(fit.index)
    assert ours["df"] == fit["df"]
    assert ours["npar"] == fit["npar"]
    assert ours.isna().equals(fit.isna())
    assert abs(ours - fit).max() < 1e-5


def test_without_latent_variables_the_paths_are_least_squares():
    data = cohort("typical")
    result = fit_sem(published_model("fpn"), data).paths.set_index(["lhs", "rhs"])["estimate"]
    design = np.column_stack([np.ones(len(data)), data["motor"], data["pad_ipsi_fpn"]])
    beta, *_ = np.linalg.lstsq(design, data["pad_contra_fpn"].to_numpy(), rcond=None)
    assert result["pad_contra_fpn", "motor"] == pytest.approx(beta[1], rel=1e-7)
    assert result["pad_contra_fpn", "pad_ipsi_fpn"] == pytest.approx(beta[2], rel=1e-7)


def test_fiml_on_complete_data_is_maximum_likelihood():
    data = cohort("typical")
    complete, fiml = (fit_sem(published_model("fpn"), data, missing=m) for m in ("listwise", "fiml"))
    both = complete.paths.merge(fiml.paths, on=["lhs", "op", "rhs"])
    np.testing.assert_allclose(both["estimate_x"], both["estimate_y"], rtol=1e-6)
    assert complete.measure("chi2") == pytest.approx(fiml.measure("chi2"), abs=1e-6)


def test_missing_values_switch_fiml_on_by_itself_and_are_counted():
    data = cohort("uneven")
    result = fit_sem(published_model("fpn"), data)
    assert result.missing == "fiml"
    assert result.n == data["load_cst"].notna().sum()
    listwise = fit_sem(published_model("fpn"), data, missing="listwise")
    assert listwise.n < result.n
    assert listwise.n + listwise.n_left_out == len(data)


def test_bootstrap_intervals_are_close_to_the_delta_method_and_repeatable():
    data = cohort("typical")
    first, second = (fit_sem(published_model("fpn"), data, draws=1000, seed=5).paths for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    row = first.iloc[0]
    width = (row["std_boot_ci_high"] - row["std_boot_ci_low"]) / (2 * 1.96 * row["std_se"])
    assert 0.85 < width < 1.15


def test_a_cluster_bootstrap_of_identical_sites_has_no_spread():
    data = cohort("typical").iloc[:40]
    clones = pd.concat([data.assign(site=f"s{k}") for k in range(6)], ignore_index=True)
    paths = fit_sem(published_model("fpn"), clones, draws=50, cluster="site").paths
    low, high = paths[BOOTSTRAP_COLUMNS[0]], paths[BOOTSTRAP_COLUMNS[1]]
    np.testing.assert_allclose(low, high, rtol=1e-6)


def test_a_covariance_of_rank_one_has_no_likelihood_whatever_rounding_leaves_of_it():
    """y = slope x exactly, in units far apart: eigenvalues come out a rounding error above or below zero."""
    structure = Structure(parse_model("y ~ x"))
    rng = np.random.default_rng(3)
    x, slope = rng.normal(size=(300, 12, 1)), np.exp(rng.normal(0, 5, 300))
    for exact, b in zip(x, slope, strict=True):
        moments = moments_of(np.column_stack([b * exact, exact]), exogenous=[1])
        assert structure.log_likelihood(np.array([[b, 0.0]]), moments)[0] == -np.inf
        assert np.isfinite(structure.log_likelihood(np.array([[b, b**2 / 100]]), moments)[0])


def test_bootstrap_draws_with_missing_data_refit_the_same_likelihood():
    """With weights of one the draw is the data itself, so a bootstrap of single-case clusters brackets the estimate."""
    paths = fit_sem(published_model("fpn"), cohort("uneven"), draws=200, seed=2).paths
    assert (paths["boot_ci_low"] <= paths["estimate"] + 1e-9).all()
    assert (paths["boot_ci_high"] >= paths["estimate"] - 1e-9).all()


def test_indirect_effects_are_products_of_their_paths():
    paths = fit_sem(published_model("fpn"), cohort("typical")).paths.set_index("label")
    for column in ("estimate", "std_all"):
        expected = paths.loc["a", column] * paths.loc["c", column]
        assert paths.loc["through_motor", column] == pytest.approx(expected)


def test_the_reversed_model_turns_only_the_arrows_that_leave_motor():
    model = reverse_model(published_model("fpn"))
    arrows = {(p.rhs, p.lhs) for p in parse_model(model).parameters if p.op == "~"}
    assert arrows == {
        ("load_cst", "motor"),
        ("load_cst", "pad_ipsi_fpn"),
        ("pad_contra_fpn", "motor"),
        ("pad_ipsi_fpn", "pad_contra_fpn"),
    }
    assert reverse_model("motor ~ load_cst") is None


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("motor ~ nonsense", "nonsense"),
        ("motor ~ load_cst\nmotor == 2", "=="),
        ("motor ~ c(a, b)*load_cst", "c(a, b)"),
        ("motor ~ load_cst:age", "interactions"),
        ("motor | t1", "thresholds"),
        ("motor load_cst", "no operator"),
        ("motor ~ a*load_cst\nx := a*b", "'b'"),
        ("motor ~ a*load_cst\nx := __import__('os')", "cannot be read"),
        ("", "empty"),
        ("motor ~ sex", "text"),
    ],
)
def test_a_model_that_cannot_be_used_says_which_line(model, words):
    with pytest.raises(InputError, match=re.escape(words)):
        fit_sem(model, cohort("typical"))


@pytest.mark.parametrize("loading", ["NA*a + start(0.5)*a", "start(0.5)*a + NA*a", "start(0.5)*NA*a"])
def test_a_first_loading_that_was_freed_is_free_and_keeps_its_start(loading):
    parameter = parse_model(f"f =~ {loading} + b + c\nf ~~ 1*f").parameters[0]
    assert (parameter.rhs, parameter.start) == ("a", 0.5)
    assert parameter.free >= 0


def test_constant_and_collinear_columns_are_named():
    data = cohort("typical").assign(flat=1.0)
    data["twice"] = 2 * data["load_cst"]
    with pytest.raises(InputError, match="'flat' has the same value"):
        fit_sem("motor ~ flat", data)
    with pytest.raises(InputError, match=r"load_cst.*twice.*collinear|twice.*load_cst.*collinear"):
        fit_sem("motor ~ load_cst + twice", data)


def test_a_model_the_data_cannot_determine_is_refused():
    with pytest.raises(RegionalBrainAgeError, match=r"converge|more than the data have"):
        fit_sem("f =~ motor + load_cst\npad_ipsi_fpn ~ f\npad_ipsi_fpn ~~ motor + load_cst", cohort("typical"))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("f =~ motor + load_cst", "1 parameter(s) more than the data have"),
        ("f =~ NA*motor + load_cst + pad_ipsi_fpn + pad_contra_fpn\nf ~ age", "not identified|converge"),
    ],
)
def test_an_unidentified_model_is_refused_and_never_a_perfect_fit(model, words):
    """lavaan warns and prints; a fit with fewer moments than parameters is no fit."""
    with pytest.raises(RegionalBrainAgeError) as refused:
        fit_sem(model, cohort("typical"))
    assert re.search("|".join(map(re.escape, words.split("|"))), str(refused.value))


def test_the_default_model_is_the_published_chain_with_age_sex_and_the_direct_path():
    default, published = (
        {(p.rhs, p.lhs) for p in parse_model(model("fpn")).parameters if p.op == "~"}
        for model in (default_model, published_model)
    )
    assert published < default
    outcomes = ("motor", "pad_ipsi_fpn", "pad_contra_fpn")
    assert default - published == {
        ("load_cst", "pad_contra_fpn"),
        *((c, o) for c in ("age", "sex_M") for o in outcomes),
    }


@pytest.mark.parametrize("errors", ["expected", "cluster"], ids=["without intercepts", "with intercepts"])
def test_least_squares_of_every_equation_are_the_maximum_that_scoring_finds(errors):
    """Started far away, scoring ends where regressions begin; other models and missing values have none."""
    data = cohort("typical")
    values = data[["motor", "load_cst", "pad_ipsi_fpn", "pad_contra_fpn"]].to_numpy(float)
    model = "motor ~ load_cst\npad_ipsi_fpn ~ load_cst\npad_contra_fpn ~ motor + pad_ipsi_fpn"
    structure = Structure(parse_model(model, means=errors == "cluster"))
    order = [["motor", "load_cst", "pad_ipsi_fpn", "pad_contra_fpn"].index(n) for n in structure.specification.observed]
    counts = np.random.default_rng(1).multinomial(len(values), np.full(len(values), 1 / len(values)), size=3)
    exogenous = [structure.specification.observed.index(n) for n in structure.specification.exogenous]
    moments = moments_of(values[:, order], exogenous, counts)
    start = np.tile(structure.start(values[:, order].mean(axis=0), np.cov(values[:, order].T)), (3, 1))
    found, converged = maximise(structure, start, moments, tolerance=1e-16)
    assert converged.all()
    assert regressions(structure, moments) == pytest.approx(found, rel=1e-6, abs=1e-9)
    holes = values[:, order].copy()
    holes[0, 0] = np.nan
    assert regressions(structure, moments_of(holes, exogenous)) is None
    assert regressions(Structure(parse_model(model + "\nmotor ~~ pad_ipsi_fpn")), moments) is None
    assert regressions(Structure(parse_model("motor ~ a*load_cst\npad_ipsi_fpn ~ a*load_cst")), moments) is None


def test_the_path_model_under_other_choices_is_the_model_fitted_to_them():
    data = cohort("typical")
    data.loc[:19, "motor"] = np.nan
    model = "motor ~ a*load_cst\npad_contra_fpn ~ b*motor + load_cst\nthrough := a*b"
    reported = fit_sem(model, data, errors="cluster", cluster="site")
    assert reported.missing == "fiml"
    table = path_sensitivity(reported, data, "site", {"chain": "motor ~ load_cst\npad_contra_fpn ~ motor"})

    def value(analysis: str, lhs: str = "motor", rhs: str = "load_cst") -> pd.Series:
        mine = (table["analysis"] == analysis) & (table["lhs"] == lhs) & (table["rhs"] == rhs)
        assert mine.sum() == 1, analysis
        return table[mine].iloc[0]

    def path(found, lhs: str = "motor", rhs: str = "load_cst") -> pd.Series:
        return found.paths[(found.paths["lhs"] == lhs) & (found.paths["rhs"] == rhs)].iloc[0]

    again = path(fit_sem(model, data, errors="cluster", cluster="site"))
    assert value("as reported")["std_all"] == again["std_all"]
    listwise = fit_sem(model, data, missing="listwise", errors="cluster", cluster="site")
    assert value("complete cases, not FIML")["std_all"] == path(listwise)["std_all"]
    assert value("complete cases, not FIML")["n"] == listwise.n == len(data) - 20
    plain = fit_sem(model, data, errors="expected")
    assert value("standard errors of normal theory")["p"] == path(plain)["p"]
    left = fit_sem(model, data[data["lesion_side"] == "L"], errors="cluster", cluster="site")
    assert value("lesions of the left side")["std_all"] == path(left)["std_all"]
    assert set(table[table["analysis"] == "model: chain"]["lhs"]) == {"motor", "pad_contra_fpn"}
    for analysis, compare in (("smallest", np.less_equal), ("largest", np.greater_equal)):
        row = value(f"without one site, {analysis} value", "through", "a*b")
        site = row["note"].removeprefix("without ")
        alone = fit_sem(model, data[data["site"] != site], errors="cluster", cluster="site")
        assert row["std_all"] == pytest.approx(path(alone, "through", "a*b")["std_all"], rel=1e-6)
        assert compare(row["std_all"], value("as reported", "through", "a*b")["std_all"])


def test_a_choice_that_the_data_do_not_allow_is_a_row_with_the_reason():
    data = cohort("typical")
    data["lesion_side"] = ["L", *["R"] * (len(data) - 1)]
    reported = fit_sem("motor ~ load_cst", data)
    table = path_sensitivity(reported, data, None).set_index("analysis")
    assert "more cases than variables" in table.loc["lesions of the left side", "note"]
    assert np.isnan(table.loc["lesions of the left side", "std_all"])


def test_sites_summed_once_are_their_cases_counted_one_by_one():
    data = cohort("typical")[["motor", "load_cst", "pad_ipsi_fpn"]].to_numpy(float)
    data[::7, 0] = np.nan
    site = np.unique(cohort("typical")["site"], return_inverse=True)[1]
    counts = np.random.default_rng(3).multinomial(34, np.full(34, 1 / 34), size=5)
    grouped, single = moments_of(data, [1], counts, site), moments_of(data, [1], counts[:, site])
    assert len(grouped.patterns) == len(single.patterns) == 2
    assert grouped.x_mean == pytest.approx(single.x_mean)
    assert grouped.x_cov == pytest.approx(single.x_cov)
    for ours, theirs in zip(grouped.patterns, single.patterns, strict=True):
        for name in ("columns", "n", "sums", "products"):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name))
