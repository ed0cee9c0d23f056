"""AUC against pROC and the definition; classifiers against cohorts whose answer is known."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from RegionalBrainAgeCohortLib.report.diagnostic_figures import decision_figure
from RegionalBrainAgeCohortLib.statistics import classification, importance
from RegionalBrainAgeCohortLib.statistics.classification import NESTED, _notes, classify, net_benefit
from RegionalBrainAgeCohortLib.statistics.classifier_models import (
    LOGISTIC,
    MODELS,
    FeatureSet,
    feature_sets,
    folds_of_sites,
    tune,
)
from RegionalBrainAgeCohortLib.statistics.importance import importance_blocks
from RegionalBrainAgeCohortLib.statistics.logistic import BinomialRegression, calibration
from RegionalBrainAgeCohortLib.statistics.roc import (
    auc,
    calibration_bins,
    delong,
    delong_difference,
    site_bootstrap_auc,
    site_clustered_difference,
)
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


def test_the_auc_of_many_rows_is_that_of_each_row():
    rng = np.random.default_rng(10)
    y, scores = rng.integers(0, 2, 70), rng.integers(0, 9, (3, 4, 70))
    expected = [[delong(y, row).value for row in rows] for rows in scores]
    assert auc(y, scores) == pytest.approx(np.array(expected), abs=1e-12)


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


def test_the_comparison_by_sites_is_delongs_where_every_person_is_a_site():
    rng = np.random.default_rng(5)
    y = rng.integers(0, 2, 400)
    first, second = y + rng.normal(0, 1, 400), y + rng.normal(0, 1.3, 400)
    difference, p = delong_difference(y, first, second)
    clustered = site_clustered_difference(y, first, second, np.arange(400).astype(str))
    assert clustered.value == pytest.approx(difference, abs=1e-12)
    assert clustered.p == pytest.approx(p, abs=0.005)


def test_the_comparison_by_sites_holds_its_level_when_people_of_a_site_are_alike():
    """300 tables without a true difference, whose scores share an error within sites: DeLong's test is too sure."""
    rng = np.random.default_rng(6)
    site = np.repeat(np.arange(20), 12)
    false = {"sites": 0, "people": 0}
    for _ in range(300):
        y = rng.integers(0, 2, 240)
        both = [y + rng.normal(0, 0.6, 240) + (rng.normal(0, 1.5, 20)[site] * (2 * y - 1)) for _ in range(2)]
        false["people"] += delong_difference(y, *both)[1] < 0.05
        false["sites"] += site_clustered_difference(y, *both, site.astype(str)).p < 0.05
    assert false["sites"] < 0.08 * 300
    assert false["people"] > 0.3 * 300


def test_calibration_in_the_large_is_the_shift_of_the_logit_and_the_slope_its_stretch():
    """Risks drawn from their own probabilities; predictions shifted by -0.7 and stretched twofold on the logits."""
    rng = np.random.default_rng(7)
    logit = rng.normal(0, 1, 200_000)
    y = (rng.random(len(logit)) < 1 / (1 + np.exp(-logit))).astype(int)
    assert calibration(y, 1 / (1 + np.exp(-logit))) == pytest.approx((0, 1), abs=0.03)
    assert calibration(y, 1 / (1 + np.exp(-(logit - 0.7))))[0] == pytest.approx(0.7, abs=0.03)
    assert calibration(y, 1 / (1 + np.exp(-2 * logit)))[1] == pytest.approx(0.5, abs=0.02)
    assert np.isnan(calibration(y[:50], np.full(50, 0.3))[1])


def test_the_baseline_is_maximum_likelihood_without_any_penalty():
    """At the maximum the residuals are orthogonal to every column: a penalised fit leaves its penalty there."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=(300, 3))
    y = (rng.random(300) < 1 / (1 + np.exp(-x[:, 0]))).astype(int)
    rest = y - BinomialRegression().fit(x, y).predict_proba(x)[:, 1]
    assert np.column_stack([np.ones(300), x]).T @ rest == pytest.approx(0, abs=1e-7)


def test_net_benefit_by_hand():
    """Ten people, four severe; three of five called are severe: 3/10 - 2/10 at even odds, and at one in four."""
    y = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    called = np.array([0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1])
    assert net_benefit(y, called, 0.5) == pytest.approx(0.1)
    assert net_benefit(y, called, 0.2) == pytest.approx(0.3 - 0.2 / 4)
    assert net_benefit(y, np.ones(10), 0.2) == pytest.approx(0.4 - 0.6 / 4)


def test_the_decision_curve_is_the_net_benefit_at_every_threshold_and_is_drawn(result):
    """Acting on everyone has prevalence - (1 - prevalence) odds(threshold); the other lines from the predictions."""
    table, people = result.decisions, result.predictions
    share = people["severe"].mean()
    everyone = table[table["classifier"] == "call everyone severe"]
    odds = everyone["threshold"] / (1 - everyone["threshold"])
    assert everyone["net_benefit"].to_numpy() == pytest.approx(share - (1 - share) * odds)
    row = table[(table["classifier"] == NESTED) & (table["threshold"] == 0.4)].iloc[0]
    called, severe = people[NESTED] >= 0.4, people["severe"] == 1
    by_hand = ((called & severe).sum() - (called & ~severe).sum() * 0.4 / 0.6) / len(people)
    assert row["net_benefit"] == pytest.approx(by_hand)
    svg = decision_figure(table).svg
    assert all(name in svg for name in (NESTED, "baseline", "call everyone severe", "net benefit per person"))


def test_calibration_bins_hold_every_case_once():
    rng = np.random.default_rng(9)
    probability = np.round(rng.random(203), 1)
    rows = calibration_bins((rng.random(203) < probability).astype(int), probability)
    assert sum(row[4] for row in rows) == 203
    assert all(low <= share <= high for _, share, low, high, _ in rows)


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
        assert row.brier == pytest.approx(
            np.mean((result.predictions["severe"] - result.predictions[row.classifier]) ** 2)
        )


def test_the_one_real_predictor_is_found_and_beats_the_baseline(result):
    table = result.table.set_index("classifier")
    assert table.loc[result.best, "auc"] > table.loc["baseline", "auc"] + 0.2
    assert table.loc["baseline", "auc"] == pytest.approx(0.5, abs=0.15)
    single = result.importance[
        (result.importance["kind"] == "column") & (result.importance["classifier"] == result.best)
    ]
    assert single.loc[single["auc_drop"].idxmax(), "block"] == "load_cst"


def test_the_headline_is_chosen_on_inner_folds_alone(result):
    """Its predictions are, fold by fold, those of the model named in its settings."""
    row = result.table.set_index("classifier").loc[NESTED]
    for fold, model in enumerate(row["settings"].split("; "), start=1):
        here = result.predictions[result.predictions["fold"] == fold]
        assert (here[NESTED] == here[model]).all()


def test_the_numbers_do_not_depend_on_the_cores(result):
    data = cohort()
    data.loc[:3, "pad_ipsi_fpn"] = np.nan
    data.loc[4:6, "severe"] = np.nan
    again = classify(data, folds=3, inner_folds=2, repeats=3, draws=200, threads=2)
    pd.testing.assert_frame_equal(again.table, result.table, check_exact=True)
    pd.testing.assert_frame_equal(again.importance, result.importance, check_exact=True)
    pd.testing.assert_frame_equal(again.predictions, result.predictions, check_exact=True)


@pytest.mark.parametrize("model", MODELS)
def test_shuffled_predictions_are_those_of_the_estimator_for_shuffled_people(model, monkeypatch):
    """Oracle: scikit-learn's own answer for one shuffle at a time; with missing values and a constant column."""
    monkeypatch.setattr(importance, "_MOST_ROWS", 300)  # several calls
    data = cohort(90, 6)
    data.loc[:5, "pad_ipsi_fpn"] = np.nan
    data["load_contra_fpn"] = 0.0
    columns = feature_sets(list(data.columns))[-1].columns
    x, y = data[list(columns)].to_numpy(float), data["severe"].to_numpy(int)
    tuned = tune(model, x[:60], y[:60], data["site"].to_numpy(str)[:60], 2, 1)
    found = importance.shuffled_predictions(tuned, columns, x[60:], 3, 4)
    rng = np.random.default_rng(4)
    orders = [rng.permutation(30) for _ in range(3)]
    assert set(found) == set(importance_blocks(columns))
    for name, (_, members) in importance_blocks(columns).items():
        for order, said in zip(orders, found[name], strict=True):
            shuffled = data.iloc[60:][list(columns)].to_numpy(float)
            for member in members:
                shuffled[:, columns.index(member)] = x[60:][order, columns.index(member)]
            assert said == pytest.approx(tuned.predict(shuffled), abs=1e-9), name


def test_the_forest_that_predicts_has_all_its_trees_and_the_setting_of_best_inner_auc():
    """Fewer trees choose the setting; 200 of that setting predict."""
    data = cohort(60, 6)
    x, y = data[["load_cst", "age"]].to_numpy(), data["severe"].to_numpy(int)
    tuned = tune("random forest", x, y, data["site"].to_numpy(str), 2, 1)
    assert len(tuned.estimator[-1].estimators_) == 200
    assert tuned.setting == f"min_leaf={tuned.estimator[-1].min_samples_leaf}"
    assert 0.5 < tuned.inner_auc < 1


@pytest.mark.parametrize(
    ("program", "workers"),
    [("/usr/bin/python3.11", "processes"), ("C:/env/python.exe", "processes"), ("/usr/bin/pythonw", "processes"),
     ("/opt/Slicer/bin/PythonSlicer", "threads"), ("/opt/Slicer/bin/python-real", "threads"),
     ("/opt/Slicer/bin/SlicerApp-real", "threads"), ("", "threads")],
)  # fmt: skip
def test_processes_are_started_only_by_a_python_that_is_no_launcher(monkeypatch, program, workers):
    monkeypatch.setattr(sys, "executable", program)
    assert classification._workers() == workers


def test_the_numbers_do_not_depend_on_processes_or_threads(result, monkeypatch):
    data = cohort()
    data.loc[:3, "pad_ipsi_fpn"] = np.nan
    data.loc[4:6, "severe"] = np.nan
    monkeypatch.setattr(classification, "_workers", lambda: "threads")
    again = classify(data, folds=3, inner_folds=2, repeats=3, draws=200, threads=2)
    pd.testing.assert_frame_equal(again.importance, result.importance, check_exact=True)
    pd.testing.assert_frame_equal(again.predictions, result.predictions, check_exact=True)


def test_auc_by_site_and_events_per_variable_are_counted(result):
    assert set(result.by_site["site"]) == set(result.predictions["site"])
    assert result.by_site.groupby("classifier")["n"].sum().tolist() == [147, 147]
    row = result.table.iloc[0]
    assert row["events_per_variable"] == min(row["n_severe"], 147 - row["n_severe"]) / row["n_features"]


def test_inner_and_outer_folds_keep_sites_whole():
    data = cohort()
    for train, test in folds_of_sites(data["severe"].to_numpy(int), data["site"].to_numpy(str), 4, 1):
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
    y, pads = np.array([1, 1, 0, 0]), FeatureSet("all", ("pad_ipsi_fpn",))
    assert "no PADs" in _notes(y, np.array(["a", "b", "a", "b"]), FeatureSet("all", ("age",)))[0]
    assert "one class only" in _notes(y, np.array(["a", "a", "b", "b"]), pads)[0]
    assert "one site only" in _notes(y, np.full(4, "a"), pads)[0]
    assert _notes(y, np.array(["a", "b", "a", "b"]), pads) == []


def test_a_single_site_is_split_by_cases():
    data = cohort()
    splits = folds_of_sites(data["severe"].to_numpy(int), np.full(len(data), "a"), 4, 1)
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(len(data)))


def test_too_few_cases_of_a_class_are_refused():
    data = cohort(60, 6)
    data["severe"] = (np.arange(60) < 5).astype(float)
    with pytest.raises(InputError, match="at least 10 severe and 10 mild"):
        classify(data)


def test_boosted_trees_are_quiet_where_the_system_does_not_tell_its_cores(tmp_path):
    """As in a chroot without /sys: lscpu finds none, and joblib would print a warning with a traceback."""
    (tmp_path / "lscpu").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (tmp_path / "lscpu").chmod(0o755)
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; import numpy as np\n"
        "from RegionalBrainAgeCohortLib.statistics.classifier_models import candidates\n"
        "x = np.random.default_rng(0).normal(size=(60, 2))\n"
        "candidates('gradient boosting', 1)[0][1].fit(x, x[:, 0] > 0)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment["OMP_THREAD_LIMIT"] = "1"
    environment["PATH"] = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize("model", [LOGISTIC, *MODELS])
def test_a_column_without_a_value_in_a_training_part_changes_nothing(model):
    """As in small tables, where a region was estimable at the held-out sites only."""
    rng = np.random.default_rng(11)
    x = rng.standard_normal((60, 3))
    y = (x[:, 0] + rng.standard_normal(60) > 0).astype(int)
    site = np.repeat(["a", "b", "c"], 20)
    empty = np.where(site == "c", x[:, 2], np.nan)
    trained = site != "c"
    with_it = tune(model, np.column_stack([x[:, :2], empty])[trained], y[trained], site[trained], 2, 1)
    without = tune(model, x[trained, :2], y[trained], site[trained], 2, 1)
    shown = np.column_stack([x[:, :2], empty])[~trained]
    assert np.isfinite(with_it.predict(shown)).all()
    if model in ("gradient boosting", LOGISTIC):
        np.testing.assert_allclose(with_it.predict(shown), without.predict(shown[:, :2]), atol=1e-6)
