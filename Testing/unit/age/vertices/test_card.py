"""The card of a vertex model: held-out ages against a training by hand, simpler models against numpy, the commands."""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from regional_brain_age.__main__ import main
from RegionalBrainAgeLib.age.people import people_kept
from RegionalBrainAgeLib.age.vertices import baselines
from RegionalBrainAgeLib.age.vertices.baselines import (
    BALANCED_MEAN_AGE,
    COMPONENT_RIDGE,
    MEAN_AGE,
    REGION_RIDGE,
    component_scores,
    fold_ages,
    region_means,
)
from RegionalBrainAgeLib.age.vertices.card import vertex_card
from RegionalBrainAgeLib.age.vertices.cli import _training_data
from RegionalBrainAgeLib.age.vertices.held_out import VERTEX_METHOD, held_out_groups, measure_vertex_model
from RegionalBrainAgeLib.age.vertices.mesh import load_mesh, mesh_regions
from RegionalBrainAgeLib.age.vertices.people import CHUNK_PEOPLE, read_vertex_people
from RegionalBrainAgeLib.age.vertices.vertex_files import load_vertex_model, save_vertex_model
from RegionalBrainAgeLib.age.vertices.vertex_model import VertexRecipe, train_vertex_model
from RegionalBrainAgeLib.anatomy.regions import load_scheme
from RegionalBrainAgeLib.errors import InputError

pytest.importorskip("nilearn")
RECIPE = VertexRecipe(steps=2, batch=2, hidden=2, hops=1, check_every=1)
VERSIONS = {"regional-brain-age": "1"}


class Watched:
    """Features that note how many people were read at once."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.most = values, values.shape, 0

    def __getitem__(self, rows):
        found = self.values[rows]
        self.most = max(self.most, len(found))
        return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """36 people on fsaverage4, three sites, two data sets; the first feature falls with age, a scanner adds to it."""
    place = tmp_path_factory.mktemp("surfaces")
    rng = np.random.default_rng(0)
    age, site = rng.uniform(20, 85, 36), np.tile(["a", "b", "c"], 12)
    values = rng.standard_normal((36, 5124, 2)).astype(np.float32) * 0.2
    values[..., 0] += (2.6 - 0.01 * (age - 50) + 0.05 * (site == "b"))[:, None]
    values[3, :700] = np.nan
    np.save(place / "features.npy", values)
    frame = pd.DataFrame(
        {"person": [f"p{i}" for i in range(36)], "site": site, "age": age.round(2), "sex": ["F", "M"] * 18}
    )
    frame["dataset"] = np.where(site == "c", "two", "one")
    frame.to_csv(place / "people.csv", index=False)
    return place


@pytest.fixture(scope="module")
def people(folder):
    return read_vertex_people(folder / "people.csv", folder / "features.npy")


@pytest.fixture(scope="module")
def regions():
    return mesh_regions(load_mesh("fsaverage4"), load_scheme())


@pytest.fixture(scope="module")
def model(folder, people, regions):
    args = argparse.Namespace(table=folder / "people.csv", vertices=folder / "features.npy", leave_out=[])
    about = {"training_data": _training_data(args), "command": "regional-brain-age train it", "versions": VERSIONS}
    return train_vertex_model(people, regions, RECIPE, 3, about)


def evaluating(model, folder, tmp_path) -> list[str]:
    """The model saved as M, and the words that evaluate it on the people of the folder."""
    save_vertex_model(model, tmp_path / "M")
    return ["evaluate", str(tmp_path / "M"), str(folder / "people.csv"), "--vertices", str(folder / "features.npy")]


@pytest.fixture(scope="module")
def measured(model, people):
    watched = Watched(people.features)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "BATCH_PEOPLE", 12)
        patch.setattr(baselines, "COMPONENTS", 5)
        found = measure_vertex_model(model, replace(people, features=watched), "regional-brain-age evaluate it")
    return found, watched.most


def test_means_of_regions_are_numpys(people, regions):
    whole = np.load(people.features.filename).astype(float)
    found = region_means(people, regions.weights)
    for region in (0, 11):
        inside = regions.weights[region] > 0
        np.testing.assert_allclose(found[:, region], np.nanmean(whole[:, inside], axis=1), atol=1e-5)


def test_components_of_batches_are_those_of_the_whole_matrix(people, monkeypatch):
    """Against numpy's singular values of all people at once; the first component is the one that holds age."""
    monkeypatch.setattr(baselines, "BATCH_PEOPLE", 12)
    monkeypatch.setattr(baselines, "COMPONENTS", 5)
    train, others = people.take(people.site != "b"), people.take(people.site == "b")
    found, new = component_scores(train, others)
    x = np.load(people.features.filename).astype(float)
    mean, sd = (f(x[people.site != "b"], axis=0) for f in (np.nanmean, np.nanstd))
    z = np.nan_to_num(np.clip((x - mean) / sd, -8, 8), nan=0.0).reshape(36, -1)
    centre = z[people.site != "b"].mean(axis=0)
    _, _, axes = np.linalg.svd(z[people.site != "b"] - centre, full_matrices=False)
    assert found.shape == (24, 5)
    assert abs(np.corrcoef(found[:, 0], (z[people.site != "b"] - centre) @ axes[0])[0, 1]) > 0.999
    assert abs(np.corrcoef(new[:, 0], (z[people.site == "b"] - centre) @ axes[0])[0, 1]) > 0.999


def test_ridge_learns_ages_and_the_mean_age_is_told_to_everyone(people, regions):
    means = region_means(people, regions.weights)
    inside = people.site == "b"
    train, test = people.take(~inside), people.take(inside)
    found = fold_ages(train, test, means[~inside], means[inside])
    assert (found[MEAN_AGE] == train.age_years.mean()).all()
    assert found[MEAN_AGE].shape == found[BALANCED_MEAN_AGE].shape == (12, 18)
    for method in (REGION_RIDGE, COMPONENT_RIDGE):
        assert np.corrcoef(found[method].mean(axis=1), test.age_years)[0, 1] > 0.9
        assert (
            np.abs(found[method] - test.age_years[:, None]).mean()
            < 0.7 * np.abs(found[MEAN_AGE] - test.age_years[:, None]).mean()
        )
    np.testing.assert_array_equal(np.ptp(found[COMPONENT_RIDGE], axis=1), 0.0)


def test_everyone_is_read_by_a_network_that_did_not_know_the_site(measured, people, regions):
    """Against a training of the others by hand, with the same recipe and seed."""
    found, _ = measured
    assert found.by_site
    assert sorted(site for group in found.groups for site in group.sites) == ["a", "b", "c"]
    inside = people.site == "b"
    by_hand = train_vertex_model(people.take(~inside), regions, RECIPE, 3).predict(people.take(inside))
    np.testing.assert_allclose(found.ages[VERTEX_METHOD][inside], by_hand, rtol=1e-6)
    guess = [people.age_years[people.site != site].mean() for site in people.site]
    assert found.accuracy[MEAN_AGE]["regional: MAE, years"][0] == pytest.approx(np.abs(guess - people.age_years).mean())


def test_no_more_people_are_in_memory_than_a_batch(measured):
    """The card of 36 people, 24 of them in a training: of the disk at most 16 are read at once, or 12 and 5 more."""
    assert CHUNK_PEOPLE == 16
    assert 16 <= measured[1] <= 17


def test_the_card_says_what_was_measured(measured, model, people):
    found, _ = measured
    card = vertex_card("M", model, found)
    own = found.ages[VERTEX_METHOD] - people.age_years[:, None]
    assert f"was {np.abs(own.mean(axis=1)).mean():.1f} years off" in card
    assert f"| regional: MAE, years | {np.abs(own).mean():.2f} |" in card
    for decade in (20, 70):
        inside = people.age_years // 10 == decade // 10
        mae, bias = np.abs(own[inside]).mean(), own[inside].mean()
        row = next(line for line in card.splitlines() if line.startswith(f"| {decade}-{decade + 9} "))
        cells = [cell.strip().replace("−", "-") for cell in row.strip("|").split("|")]
        assert float(cells[1]) == inside.sum()
        assert float(cells[2]) == pytest.approx(mae, abs=0.006)
        assert float(cells[3]) == pytest.approx(bias, abs=0.006)
    said = ["No intervals", "`case`, `batch`", "Regression to the mean", "seed 3", "5124 vertices of fsaverage4"]
    said += ["regional-brain-age train it", "regional-brain-age evaluate it", "36 in all, 18 of them women"]
    for text in said:
        assert text in card
    assert "nan" not in card


def test_one_site_is_held_out_by_people_and_the_card_warns(people, model, measured):
    one = replace(people, site=np.full(36, "a"))
    groups = held_out_groups(one, 5)
    assert [sites for sites, _ in groups] == [()] * 5
    np.testing.assert_array_equal(sum(inside.astype(int) for _, inside in groups), 1)
    found = replace(measured[0], groups=tuple(replace(group, sites=()) for group in measured[0].groups))
    assert "There is one site: random groups of people" in vertex_card("M", model, found)


@pytest.mark.parametrize(("rows", "said"), [(slice(0, 19), "at least 20"), (None, "to learn from")])
def test_too_few_people_for_a_card_are_refused(people, rows, said):
    one_sided = replace(people, site=np.array(["a"] * 30 + ["b"] * 6))
    with pytest.raises(InputError, match=said):
        held_out_groups(one_sided if rows is None else people.take(rows), 5)


def test_the_command_writes_and_installs_a_card(folder, model, people, tmp_path, capsys):
    arguments = evaluating(model, folder, tmp_path)
    assert main([*arguments, "--card", "--install-card", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "36 of these 36 people are of sites the model was trained on" in said.out + said.err
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "evaluate M people.csv --vertices features.npy --card --out out" in card
    assert {path.name for path in (tmp_path / "out" / "figures").iterdir()} == {"predicted_age.svg", "error_by_age.svg"}
    for name in ("MODEL_CARD.md", "error_by_site.png"):
        assert (tmp_path / "M" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    load_vertex_model(tmp_path / "M")
    (tmp_path / "M" / "MODEL_CARD.md").write_text("typed by hand", encoding="utf-8")
    with pytest.raises(InputError, match="MODEL_CARD"):
        load_vertex_model(tmp_path / "M")


def test_people_left_out_and_messages_off_are_honoured(folder, model, people, tmp_path, capsys):
    arguments = evaluating(model, folder, tmp_path)
    arguments += ["--leave-out", "two", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--without-messages"]) == 0
    told = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert set(told.site) == {"a", "b"}
    kept = people.take(people_kept(people.dataset, people.site, ["c"]))
    quiet = load_vertex_model(tmp_path / "M").without_messages().predict(kept)
    np.testing.assert_allclose(told.brain_age_years, quiet.ravel(), atol=1e-3)
    assert main([*arguments, "--card"]) == 2
    assert "trained on another table or selection" in capsys.readouterr().err


def test_training_honours_its_options(folder, tmp_path):
    arguments = ["train", str(folder / "people.csv"), "--vertices", str(folder / "features.npy"), "--out"]
    assert main([*arguments, str(tmp_path / "M"), "--leave-out", "c", "--steps", "1", "--folds", "2"]) == 0
    about = load_vertex_model(tmp_path / "M").about
    assert about["sites"] == ["a", "b"]
    assert about["people"] == 24
    assert (about["recipe"]["steps"], about["recipe"]["folds"]) == (1, 2)
    assert about["command"] == (
        "regional-brain-age train people.csv --vertices features.npy --steps 1 --folds 2 --leave-out c --out M"
    )


@pytest.mark.parametrize(
    ("command", "options", "named"),
    [
        ("train", ["--charts", "c.csv"], "--charts"),
        ("evaluate", ["--calibration", "c.json"], "--calibration"),
        ("evaluate", ["--card", "--lesions", "l"], "--lesions"),
        ("evaluate", ["--install-card"], "--install-card"),
    ],
)
def test_an_option_vertex_mode_does_not_have_is_refused(folder, tmp_path, capsys, command, options, named):
    files = [str(folder / "people.csv"), "--vertices", str(folder / "features.npy"), "--out", str(tmp_path / "out")]
    assert main([command, *(["M"] if command == "evaluate" else []), *files, *options]) == 2
    assert named in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_of_the_other_kind_is_named_as_such(folder, tmp_path, capsys):
    files = [str(folder / "people.csv"), "--vertices", str(folder / "features.npy"), "--out", str(tmp_path / "out")]
    assert main(["evaluate", "default", *files]) == 2
    assert "no vertex model" in capsys.readouterr().err
