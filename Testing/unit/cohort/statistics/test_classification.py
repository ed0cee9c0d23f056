"""AUC against pROC and the definition; classifiers against cohorts whose answer is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from RegionalBrainAgeCohortLib.statistics.classification import (
    _notes_on_sites,
    _splits,
    classify,
    feature_sets,
    importance_blocks,
)
from RegionalBrainAgeCohortLib.statistics.roc import brier, delong, delong_difference, roc_curve, site_bootstrap_auc
from RegionalBrainAgeLib.errors import InputError
from shared_folder import REFERENCE


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_auc_and_its_interval_agree_with_proc(number):
    scores = pd.read_csv(REFERENCE / "data" / "scores.tsv", sep="\t").query("set == @number")
    theirs = pd.read_csv(REFERENCE / "tables" / "auc.tsv", sep="\t").set_index("set").loc[number]
    ours = delong(scores["y"].to_numpy(), scores["score"].to_numpy())
    assert ours.value == pytest.approx(theirs["auc"], abs=1e-9)
    assert ours.variance == pytest.approx(theirs["variance"], abs=1e-9)
    assert (ours.ci_low, ours.ci_high) == pytest.approx((theirs["ci_low"], theirs["ci_high"]), abs=1e-9)


def test_auc_is_the_share_of_pairs_in_the_right_order():
    rng = np.random.default_rng(0)
    y, score = rng.integers(0, 2, 60), rng.integers(0, 8, 60)
    pairs = [(a > b) + 0.5 * (a == b) for a in score[y == 1] for b in score[y == 0]]
    assert delong(y, score).value == pytest.approx(np.mean(pairs), abs=1e-12)
    false, true = roc_curve(y, score)
    assert np.trapezoid(true, false) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_the_paired_test_sees_a_difference_only_where_there_is_one():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 400)
    good, noise = y + rng.normal(0, 1, 400), rng.normal(0, 1, 400)
    assert delong_difference(y, good, noise)[1] < 1e-6
    assert delong_difference(y, good, good)[0] == 0
    assert np.isnan(delong_difference(y, good, good)[1])


def test_the_site_bootstrap_of_one_case_per_site_is_close_to_delong():
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 300)
    score = y + rng.normal(0, 1.2, 300)
    low, high = site_bootstrap_auc(y, score, np.arange(300).astype(str), draws=4000)
    exact = delong(y, score)
    assert (low, high) == pytest.approx((exact.ci_low, exact.ci_high), abs=0.01)
    assert np.isnan(site_bootstrap_auc(y, score, np.full(300, "a"))[0])


def test_brier_of_a_sure_and_right_prediction_is_zero():
    assert brier([1, 0], [1.0, 0.0]) == 0
    assert brier([1, 0], [0.5, 0.5]) == 0.25


def cohort(n: int = 150, sites: int = 10, seed: int = 0, signal: float = 2.0) -> pd.DataFrame:
    """Severity depends on load_cst alone; everything else is noise, and each site has its own PAD offset."""
    rng = np.random.default_rng(seed)
    site = np.arange(n) % sites
    data = pd.DataFrame({"case_id": [f"c{i}" for i in range(n)], "site": [f"s{s}" for s in site]})
    data["age"], data["sex_M"] = rng.normal(60, 10, n), rng.integers(0, 2, n).astype(float)
    data["log_lesion_volume"] = rng.normal(2, 1, n)
    data["load_cst"] = rng.random(n)
    for side in ("ipsi", "contra"):
        data[f"load_{side}_fpn"] = rng.random(n)
        data[f"pad_{side}_fpn"] = rng.normal(0, 5, n) + rng.normal(0, 5, sites)[site]
    logit = signal * 4 * (data["load_cst"] - 0.5)
    data["severe"] = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    return data


@pytest.fixture(scope="module")
def result():
    data = cohort()
    data.loc[:3, "pad_ipsi_fpn"] = np.nan
    data.loc[4:6, "severe"] = np.nan
    return classify(data, folds=3, inner_folds=2, repeats=3, draws=200)


def test_every_case_is_predicted_by_models_that_never_saw_its_site(result):
    predictions = result.predictions
    assert len(predictions) == 147
    assert predictions.groupby("site")["fold"].nunique().max() == 1
    assert predictions["fold"].nunique() == 3


def test_the_table_repeats_what_the_predictions_say(result):
    for row in result.table.itertuples():
        exact = delong(result.predictions["severe"], result.predictions[row.classifier])
        assert row.auc == pytest.approx(exact.value, abs=1e-12)
        assert row.brier == pytest.approx(brier(result.predictions["severe"], result.predictions[row.classifier]))


def test_the_one_real_predictor_is_found_and_beats_the_baseline(result):
    table = result.table.set_index("classifier")
    assert table.loc[result.best, "auc"] > table.loc["baseline", "auc"] + 0.2
    assert table.loc["baseline", "auc"] == pytest.approx(0.5, abs=0.15)
    single = result.importance[
        (result.importance["kind"] == "column") & (result.importance["classifier"] == result.best)
    ]
    assert single.loc[single["auc_drop"].idxmax(), "block"] == "load_cst"


def test_inner_and_outer_folds_keep_sites_whole():
    data = cohort()
    for train, test in _splits(data["severe"].to_numpy(int), data["site"].to_numpy(str), 4, 1):
        assert not set(data["site"].iloc[train]) & set(data["site"].iloc[test])


def test_blocks_hold_the_columns_their_names_promise():
    blocks = importance_blocks(["age", "load_cst", "load_ipsi_a_b", "pad_ipsi_a_b", "pad_contra_a_b"])
    assert blocks["a_b PADs"] == ("network", ("pad_ipsi_a_b", "pad_contra_a_b"))
    assert blocks["contralesional PADs"] == ("group", ("pad_contra_a_b",))
    assert "contralesional loads" not in blocks


def test_the_baselines_hold_what_their_names_promise():
    columns = ["age", "sex_M", "log_lesion_volume", "load_cst", "pad_ipsi_a", "thickness_ipsi_a"]
    sets = {s.name: s.columns for s in feature_sets(columns)}
    assert sets["baseline"] == ("age", "sex_M", "log_lesion_volume")
    assert sets["baseline and thickness"] == (*sets["baseline"], "thickness_ipsi_a")
    assert sets["baseline, loads and thickness"] == (*sets["baseline"], "load_cst", "thickness_ipsi_a")
    assert "thickness_ipsi_a" not in sets["baseline, loads and PADs"]
    assert not any("thickness" in s.name for s in feature_sets(columns[:-1]))


def test_sites_of_one_class_and_a_single_site_are_remarked_upon():
    y = np.array([1, 1, 0, 0])
    assert "one class only" in _notes_on_sites(y, np.array(["a", "a", "b", "b"]))[0]
    assert "one site only" in _notes_on_sites(y, np.full(4, "a"))[0]
    assert _notes_on_sites(y, np.array(["a", "b", "a", "b"])) == []


def test_a_single_site_is_split_by_cases():
    data = cohort()
    splits = _splits(data["severe"].to_numpy(int), np.full(len(data), "a"), 4, 1)
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(len(data)))


def test_too_few_cases_of_a_class_are_refused():
    data = cohort(60, 6)
    data["severe"] = (np.arange(60) < 5).astype(float)
    with pytest.raises(InputError, match="at least 10 severe and 10 mild"):
        classify(data)
