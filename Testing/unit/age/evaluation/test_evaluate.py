"""Metrics against numbers worked out by hand, and the commands from table to card."""

from __future__ import annotations

import io
import re
from dataclasses import fields, replace
from types import SimpleNamespace

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from regional_brain_age.__main__ import main
from RegionalBrainAgeLib.age.ages import Ages
from RegionalBrainAgeLib.age.evaluation.baselines import GLOBAL_RIDGE, balanced_weights, fold_baselines
from RegionalBrainAgeLib.age.evaluation.card import model_card
from RegionalBrainAgeLib.age.evaluation.evaluate import MODEL_METHOD, Evaluation, evaluate
from RegionalBrainAgeLib.age.evaluation.figures import card_figures, write_figures
from RegionalBrainAgeLib.age.evaluation.measure_for_card import (
    NO_MESSAGES,
    calibrated_people,
    measure_for_card,
    methods_where_network_loses,
)
from RegionalBrainAgeLib.age.evaluation.metrics import (
    balanced_mae_years,
    between_region_correlation,
    coverage,
    mean_correlation,
    mean_slope,
    wide_sites,
)
from RegionalBrainAgeLib.age.evaluation.perturbations import planted_atrophy, rescan_stability, widened_ventricles
from RegionalBrainAgeLib.age.holes import grown_holes
from RegionalBrainAgeLib.age.model.graph import parcel_edges
from RegionalBrainAgeLib.age.model.intervals import Reference, error_table, fit_age_bias
from RegionalBrainAgeLib.age.model.model_files import save_model
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES


def test_the_balanced_error_counts_every_decade_once():
    age = np.array([45.0] * 90 + [55.0] * 10)
    error = np.array([[10.0]] * 90 + [[-2.0]] * 10)
    assert balanced_mae_years(error, age) == pytest.approx(6.0)
    assert balanced_mae_years(error, age, (40, 50)) == pytest.approx(10.0)


def test_correlation_slope_and_coverage_by_hand():
    age = np.array([20.0, 40.0, 60.0, 80.0])
    ages = np.column_stack([0.5 * age + 20, 0.7 * age])
    assert mean_slope(ages, age) == pytest.approx(0.6)
    assert mean_correlation(ages, age) == pytest.approx(1.0)
    assert between_region_correlation(ages) == pytest.approx(1.0)
    assert coverage(np.array([-1.0, 1.0, np.nan]), np.array([1.0, 2.0, np.nan])) == 0.5


def test_only_sites_of_forty_years_count_as_wide():
    assert wide_sites(np.array(["a", "a", "b", "b"]), np.array([20.0, 60.0, 20.0, 59.0])) == ["a"]


def test_weights_make_decades_equal():
    age = np.array([21.0] * 30 + [65.0] * 5)
    weights = balanced_weights(age)
    assert weights[:30].sum() == pytest.approx(weights[30:].sum())


def test_one_old_person_is_not_a_decade():
    age = np.array([21.0] * 30 + [85.0])
    weights = balanced_weights(age)
    assert weights[-1] == pytest.approx(6 * weights[0])
    assert balanced_mae_years(np.where(age > 80, 50.0, 1.0)[:, None], age, (20, 90)) == pytest.approx(1.0)


def test_bias_correction_leaves_no_linear_age_effect():
    rng = np.random.default_rng(0)
    age = rng.uniform(20, 90, 500)
    pad = (20 - 0.4 * age)[:, None] + rng.normal(0, 5, (500, 3))
    reference = Reference(age, np.full(500, "a"), pad)
    bias = fit_age_bias(reference)
    np.testing.assert_allclose(bias.slope, -0.4, atol=0.03)
    assert abs(mean_correlation(bias.correct(pad, age), age)) < 1e-10


def test_conformal_intervals_cover_new_people_of_new_sites():
    """Simulated: sites share an error; 30 sites to learn from, 200 new ones to test on."""
    rng = np.random.default_rng(1)

    def people(sites):
        site = np.repeat(np.arange(sites), 20)
        pad = rng.normal(0, 2, sites)[site] + rng.normal(0, 6, len(site))
        return rng.uniform(20, 90, len(site)), site.astype(str), pad[:, None]

    age, site, pad = people(30)
    table = error_table(Reference(age, site, pad))
    new_age, _, new_pad = people(200)
    corrected, low, high, percentile = table.judge(new_pad, new_age)
    assert 0.87 < np.mean((corrected >= low) & (corrected <= high)) < 0.95
    assert np.mean(percentile) == pytest.approx(50, abs=5)


def test_the_percentile_is_the_share_of_people_below():
    rng = np.random.default_rng(0)
    age = rng.uniform(20, 90, 4000)
    table = error_table(Reference(age, np.full(4000, "a"), rng.uniform(0, 100, (4000, 1))))
    percentile = table.judge(np.array([[25.0], [80.0], [np.nan]]), np.array([50.0, 50.0, 50.0]))[3]
    assert percentile[:2, 0] == pytest.approx([25, 80], abs=5)
    assert np.isnan(percentile[2, 0])


def test_ridge_knows_ages_where_the_mean_knows_none(made_people, tiny_model):
    inside = made_people.site == "site0"
    norms = tiny_model.folds[-1].norms
    ages = fold_baselines(made_people.take(~inside), made_people.take(inside), norms, tiny_model.membership)
    true = made_people.age_years[inside]
    assert mean_correlation(ages[GLOBAL_RIDGE], true) > 0.7
    assert np.ptp(ages["median age"]) == 0
    assert np.ptp(ages[GLOBAL_RIDGE], axis=1).max() < 1e-9


def test_evaluation_predicts_people_by_networks_that_did_not_see_their_site(tiny_model, made_people):
    evaluation = evaluate(tiny_model, made_people)
    rows = np.isin(made_people.site, tiny_model.folds[0].held_out_sites)
    expected = tiny_model.raw_ages(made_people.take(rows), 0)
    np.testing.assert_allclose(evaluation.ages.brain_age_years[rows], expected.regional_years)
    assert set(evaluation.metrics.method) >= {MODEL_METHOD, "closed form, same norms", "median age", "ridge", "SVR"}
    drawn = evaluation.metrics[evaluation.metrics.measure.str.contains("20 local controls")]
    assert (drawn.spread > 0).all()


def test_everyone_of_a_large_site_is_judged_once_after_calibration(tiny_model, made_people):
    covered, measures = calibrated_people(tiny_model, made_people)
    assert covered["all"][1] == len(made_people)
    assert 0.7 < covered["all"][0] <= 1.0
    assert measures["estimable regions, share"] == 1.0


def test_planted_atrophy_and_noise_experiments_give_shares_and_years(tiny_model, made_people):
    some = made_people.take(np.arange(0, 240, 8))
    shares = planted_atrophy(tiny_model, some)
    assert shares["region"].shape == (18,)
    assert shares["region"].mean() > 0.5
    assert shares["rise_years"] > shares["same_side_years"]
    moved = rescan_stability(tiny_model, some)
    assert list(moved.values()) == sorted(moved.values())


def test_a_widened_ventricle_beside_a_lesion_moves_no_contralesional_age(tiny_model, made_people):
    moved = widened_ventricles(tiny_model, made_people.take(np.arange(0, 240, 8)))
    assert moved["contralesional_largest_years"] < 1e-6
    assert moved["global_largest_years"] < 1e-6
    assert moved["ipsilesional_untold_mean_years"] > 0.5


def test_the_commands_calibrate_and_evaluate(tiny_model, made_table, tmp_path):
    save_model(tiny_model, tmp_path / "model")
    table, controls = tmp_path / "people.csv", tmp_path / "controls.csv"
    here = made_table[made_table.site == "site3"].assign(site="new")
    here.iloc[:20].to_csv(controls, index=False)
    here.iloc[20:].to_csv(table, index=False)
    local = tmp_path / "calibration.json"
    assert main(["calibrate", str(tmp_path / "model"), str(controls), "--out", str(local)]) == 0
    out = tmp_path / "out"
    arguments = ["evaluate", str(tmp_path / "model"), str(table), "--calibration", str(local), "--out", str(out)]
    assert main(arguments) == 0
    predictions = pd.read_csv(out / "predictions.csv")
    assert len(predictions) == 40 * 19
    wanted = ["person", "site", "region", "age_years", "brain_age_years", "pad_years", "pad_corrected_years"]
    assert list(predictions.columns[:9]) == [*wanted, "pad_lower_years", "pad_upper_years"]
    np.testing.assert_allclose(predictions.pad_years, predictions.brain_age_years - predictions.age_years, atol=1e-3)
    assert (out / "metrics.tsv").is_file()
    assert len(list((out / "figures").glob("*.svg"))) == 5
    (out / "figures" / "mine.svg").touch()
    assert main(arguments) == 0
    assert len(list((out / "figures").glob("*.svg"))) == 6
    (tmp_path / "metrics.tsv").touch()
    assert main([*arguments[:-1], str(tmp_path)]) == 2


def test_figures_show_error_and_coverage_by_decade(tmp_path):
    """People of 45 and 65 years whose ages are off by 3 and 8; nine and six of ten intervals hold zero."""
    years = np.repeat([45.0, 65.0], 10)
    holds = np.array([[True] * 9 + [False], [True] * 6 + [False] * 4]).reshape(-1, 1)
    numbers = {item.name: np.zeros((20, 1)) for item in fields(Ages)} | {
        "brain_age_years": years[:, None] + np.repeat([[3.0], [-8.0]], 10, axis=0),
        "pad_lower_years": np.where(holds, -5.0, 2.0),
        "pad_upper_years": np.full((20, 1), 9.0),
        "pad_percentile": np.linspace(5, 100, 20)[:, None],
    }
    write_figures(
        Evaluation(pd.DataFrame(), pd.DataFrame(), Ages(**numbers)), SimpleNamespace(age_years=years), tmp_path
    )

    def texts(name: str) -> set[str]:
        svg = (tmp_path / "figures" / name).read_text(encoding="utf-8")
        return set(re.findall(r"<text[^>]*>([^<]*)</text>", svg))

    assert {"3.0", "8.0"} <= texts("error_by_age.svg")
    assert {"90", "60"} <= texts("coverage.svg")
    assert "the person's age" in texts("predicted_age.svg")


def test_nothing_on_a_cards_figures_is_cut_off():
    """Long names of sites, errors up to the highest: the outermost pixels of a picture stay white."""
    names = np.repeat(["a_site_with_a_very_long_name_indeed", "b"], 20)
    years = np.linspace(20, 80, 40)
    curve = [{"controls": n, "mae_40_90_years": 8.0 - n / 20, "mae_years": 9.9 - n / 20} for n in (0, 50)]
    found = SimpleNamespace(
        people=SimpleNamespace(site=names, age_years=years),
        predicted_years=years[:, None] + np.tile([[5.0, -30.0], [25.0, 40.0]], (20, 1)),
        calibration_curve=curve,
    )
    for content in card_figures(found).values():
        pixels = matplotlib.image.imread(io.BytesIO(content))[..., :3]
        assert pixels.min() < 0.5
        assert min(edge.min() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])) > 0.99


@pytest.fixture(scope="module")
def measured(tiny_model, made_people):
    holes = grown_holes(parcel_edges(), 148, 50, np.random.default_rng(0))
    return measure_for_card(tiny_model, made_people, holes, "regional-brain-age evaluate m t --card")


def test_the_card_says_what_was_measured(tiny_model, measured):
    card = model_card(tiny_model, measured)
    planted = measured.planted[MODEL_METHOD]
    assert f"rises by {planted['rise_years']:.2f} years" in card
    assert "regional-brain-age evaluate m t --card" in card
    for name in measured.accuracy:
        assert name in card
    value, spread = measured.accuracy[MODEL_METHOD]["regional: MAE 40-90, age-balanced, years, 20 local controls"]
    assert f"{value:.2f} ± {spread:.2f}" in card


OF_SHIPPED = (
    "Rutherford",
    "scanners of the charts,",
    "between the scanners of the charts",
    "hold patients",
    "OASIS-2 people",
    "seen on this table",
)


def test_a_card_of_ones_own_model_says_nothing_of_the_shipped_models_data(tiny_model, measured):
    card = model_card(tiny_model, measured)
    assert not [words for words in OF_SHIPPED if words in card]
    people = measured.people
    assert f"{len(np.unique(people.site[people.age_years > 60]))} sites" in card


def test_a_card_of_the_shipped_models_data_says_so(tiny_model, measured):
    data = {"charts": "charts.csv", "left_out": "ds003653, ds000115, newyork_a_adhd"}
    sets = dict.fromkeys(("fcon1000", "nki-rockland", "oasis2", "openneuro", "aomic-piop2"), 9)
    about = {**tiny_model.about, "data_sets": sets, "training_data": {"table": "t.csv", **data}}
    sites = np.where(
        measured.people.age_years > 60, np.where(np.arange(len(measured.people)) % 2, "nki", "oasis2"), "x"
    )
    found = replace(measured, people=replace(measured.people, site=sites))
    card = model_card(replace(tiny_model, about=about), found)
    assert not [words for words in OF_SHIPPED if words not in card]
    assert "above 60 the judgement rests on two sites" in card


def test_the_card_names_every_line_on_which_the_network_is_not_best():
    accuracy = {
        MODEL_METHOD: {"MAE": (5.0, np.nan), "correlation": (0.9, np.nan), "mean error": (3.0, np.nan)},
        "x": {"MAE": (4.0, np.nan), "correlation": (0.8, np.nan), "mean error": (0.0, np.nan)},
    }
    assert methods_where_network_loses(accuracy, ["x"]) == [("MAE", ["x"])]


def test_switching_messages_off_costs_accuracy_even_in_made_people(measured):
    measure = "regional: correlation with age, all people"
    assert measured.accuracy[MODEL_METHOD][measure][0] > measured.accuracy[NO_MESSAGES][measure][0]


def test_nine_controls_end_with_exit_code_two(tiny_model, made_table, tmp_path, capsys):
    save_model(tiny_model, tmp_path / "model")
    made_table[made_table.site == "site3"].iloc[:9].to_csv(tmp_path / "c.csv", index=False)
    assert main(["calibrate", str(tmp_path / "model"), str(tmp_path / "c.csv"), "--out", str(tmp_path / "o")]) == 2
    assert "9 controls" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def _without_columns(frame):
    return frame.drop(columns=["sex", PARCEL_NAMES[3]])


def _in_metres(frame):
    frame[list(PARCEL_NAMES)] /= 1000
    return frame


def _ages_in_days(frame):
    return frame.assign(age=frame.age * 365.25)


def _a_person_twice(frame):
    return pd.concat([frame, frame.iloc[:1]])


def _a_constant_column(frame):
    return frame.assign(**{PARCEL_NAMES[9]: 2.5})


def _no_age(frame):
    frame.loc[frame.index[4], "age"] = np.nan
    return frame


def _no_thickness_of_anyone(frame):
    frame[list(PARCEL_NAMES)] = np.nan
    return frame


def _no_thickness_of_one(frame):
    frame.loc[frame.index[4], list(PARCEL_NAMES)] = np.nan
    return frame


def _nobody(frame):
    return frame.iloc[:0]


BAD_TABLES = {
    _without_columns: f"sex, {PARCEL_NAMES[3]}",
    _in_metres: "metres",
    _ages_in_days: "days",
    _a_person_twice: "more than once",
    _a_constant_column: PARCEL_NAMES[9],
    _no_age: "age",
    _no_thickness_of_anyone: "thickness",
    _no_thickness_of_one: "p004",
    _nobody: "no people",
}


@pytest.fixture(scope="module")
def tiny_folder(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(tiny_model, folder)
    return folder


@pytest.mark.parametrize("command", ["train", "evaluate", "calibrate"])
@pytest.mark.parametrize("spoil", BAD_TABLES, ids=lambda spoil: spoil.__name__.strip("_"))
def test_every_command_refuses_a_bad_table_and_says_why(tiny_folder, made_table, tmp_path, capsys, command, spoil):
    controls = made_table[made_table.site == "site0"] if command == "calibrate" else made_table
    table, out = tmp_path / "people.csv", tmp_path / "out"
    spoil(controls.copy()).to_csv(table, index=False)
    assert main([command, *([] if command == "train" else [str(tiny_folder)]), str(table), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert BAD_TABLES[spoil] in said or (command == "train" and "empty or NaN" in said)
    assert "people.csv" in said
    assert not out.exists()


def test_training_on_one_site_and_calibrating_on_two_are_refused(tiny_folder, made_table, tmp_path, capsys):
    table, out = tmp_path / "people.csv", tmp_path / "out"
    made_table.assign(site="here").to_csv(table, index=False)
    assert main(["train", str(table), "--out", str(out)]) == 2
    assert "one site" in capsys.readouterr().err
    made_table.to_csv(table, index=False)
    assert main(["calibrate", str(tiny_folder), str(table), "--out", str(out)]) == 2
    assert "4 sites" in capsys.readouterr().err
    assert not out.exists()


def test_train_writes_a_model_that_evaluates(made_table, tmp_path):
    made_table.to_csv(tmp_path / "people.csv", index=False)
    arguments = ["train", str(tmp_path / "people.csv"), "--out", str(tmp_path / "m"), "--steps", "3", "--folds", "2"]
    assert main(arguments) == 0
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == [
        "errors.safetensors",
        "model.json",
        "norms.safetensors",
        "weights.safetensors",
    ]
    assert main([*arguments]) == 2
