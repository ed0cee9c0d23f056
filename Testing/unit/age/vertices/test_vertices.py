"""Vertex mode: the mesh against counts of the icosahedron, streaming, and a training on simulated surfaces."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from RegionalBrainAgeLib.age.evaluation.metrics import mean_correlation
from RegionalBrainAgeLib.age.model.model_files import load_model
from RegionalBrainAgeLib.age.vertices.mesh import load_mesh, mesh_regions, vertex_membership
from RegionalBrainAgeLib.age.vertices.people import CHUNK_PEOPLE, read_vertex_people
from RegionalBrainAgeLib.age.vertices.vertex_files import load_vertex_model, save_vertex_model
from RegionalBrainAgeLib.age.vertices.vertex_model import (
    VertexRecipe,
    feature_statistics,
    standardised,
    train_vertex_model,
)
from RegionalBrainAgeLib.anatomy.regions import load_scheme
from RegionalBrainAgeLib.errors import InputError

pytest.importorskip("nilearn")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """60 people on fsaverage4: two features that fall or rise with age, some vertices missing."""
    folder = tmp_path_factory.mktemp("surfaces")
    rng = np.random.default_rng(0)
    people, vertices = 60, 5124
    age = rng.uniform(20, 85, people)
    site = np.repeat(["a", "b", "c"], people // 3)
    values = np.lib.format.open_memmap(folder / "f.npy", "w+", np.float32, (people, vertices, 2))
    for row in range(people):
        values[row, :, 0] = 2.6 - 0.006 * (age[row] - 50) + 0.2 * rng.standard_normal(vertices)
        values[row, :, 1] = 0.1 + 0.002 * (age[row] - 50) + 0.1 * rng.standard_normal(vertices)
    values[0, :100] = np.nan
    values.flush()
    frame = pd.DataFrame({"person": [f"p{i}" for i in range(people)], "site": site, "age": age})
    frame["sex"] = np.where(rng.random(people) < 0.5, "F", "M")
    frame.to_csv(folder / "people.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def regions():
    return mesh_regions(load_mesh("fsaverage4"), load_scheme())


@pytest.mark.parametrize(("name", "order"), [("fsaverage4", 4), ("fsaverage5", 5)])
def test_the_mesh_has_the_counts_of_an_icosahedron(name, order):
    mesh = load_mesh(name)
    assert len(mesh.points_mm) == 2 * (10 * 4**order + 2)
    assert len(mesh.edges) == 2 * 30 * 4**order
    degree = np.bincount(mesh.edges.ravel())
    assert set(np.unique(degree)) == {5, 6}
    assert (degree == 5).sum() == 24
    length_mm = np.linalg.norm(mesh.points_mm[mesh.edges[:, 0]] - mesh.points_mm[mesh.edges[:, 1]], axis=1)
    assert np.median(length_mm) < 12


def test_left_vertices_are_left_and_regions_are_where_they_belong():
    mesh = load_mesh("fsaverage4")
    assert mesh.points_mm[mesh.hemisphere == "L", 0].mean() < -20
    scheme = load_scheme()
    weights = vertex_membership(mesh, scheme)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    for region, row in zip(scheme.regions, weights, strict=True):
        assert (mesh.hemisphere[row > 0] == region.hemisphere).all()
    names = [region.name for region in scheme.regions]
    centre = weights @ mesh.points_mm
    assert centre[names.index("VIS_L"), 1] < -60
    assert centre[names.index("AUD_R"), 0] > 40


def test_statistics_streamed_from_disk_are_those_of_numpy(simulated):
    people = read_vertex_people(simulated / "people.csv", simulated / "f.npy")
    assert isinstance(people.features, np.memmap)
    mean, sd = feature_statistics(people)
    whole = np.asarray(people.features, dtype=float)
    np.testing.assert_allclose(mean, np.nanmean(whole, axis=0), atol=1e-6)
    np.testing.assert_allclose(sd, np.nanstd(whole, axis=0), atol=1e-5)


def test_some_people_are_read_as_numpy_indexes_the_whole_file(simulated):
    people = read_vertex_people(simulated / "people.csv", simulated / "f.npy")
    whole = np.load(simulated / "f.npy")
    some = people.take(people.site == "b").take(np.arange(18, 0, -1))
    np.testing.assert_array_equal(some.read(np.array([0, 2])), whole[[38, 36]])
    parts = list(some.chunks())
    assert [len(values) for _, values in parts] == [CHUNK_PEOPLE, 18 - CHUNK_PEOPLE]
    np.testing.assert_array_equal(np.concatenate([values for _, values in parts]), whole[38:20:-1])


def test_a_place_that_hardly_varies_is_no_thousands_of_sd_away():
    """Medial wall: 0 mm in everyone trained on, 2 mm of cortex in one whose wall lies a little aside."""
    far = standardised(
        np.array([[[2.0], [2.6], [np.nan]]]), np.array([[0.0], [2.5], [2.5]]), np.array([[1e-4], [0.2], [1]])
    )
    np.testing.assert_allclose(far[0, :, 0], [8.0, 0.5, np.nan])


@pytest.mark.slow
def test_a_mesh_model_learns_simulated_surfaces_and_comes_back_from_disk(simulated, regions, tmp_path):
    """A third feature is missing in everyone, as grey/white contrast is with FastSurfer: the others still count."""
    values = np.load(simulated / "f.npy")
    np.save(tmp_path / "f.npy", np.concatenate([values, np.full_like(values[..., :1], np.nan)], axis=2))
    people = read_vertex_people(simulated / "people.csv", tmp_path / "f.npy")
    recipe = VertexRecipe(steps=60, batch=6, hidden=6, hops=2, learning_rate=1e-2)
    model = train_vertex_model(people.take(people.site != "c"), regions, recipe)
    others = people.take(people.site == "c")
    ages = model.predict(others)
    assert ages.shape == (20, 18)
    assert mean_correlation(ages, others.age_years) > 0.8
    save_vertex_model(model, tmp_path / "m")
    again = load_vertex_model(tmp_path / "m")
    np.testing.assert_allclose(again.predict(others), ages, atol=1e-2)
    assert np.abs(again.without_messages().predict(others) - ages).max() > 0.1
    with pytest.raises(InputError, match=r"2 values each, the model 5124 with 3"):
        again.predict(read_vertex_people(simulated / "people.csv", simulated / "f.npy"))
    with pytest.raises(InputError, match="vertex model"):
        load_model(tmp_path / "m")
    (tmp_path / "m" / "weights.safetensors").write_bytes(b"0")
    with pytest.raises(InputError, match="weights"):
        load_vertex_model(tmp_path / "m")


@pytest.mark.slow
def test_a_mesh_training_keeps_the_weights_that_served_held_out_sites_best(simulated, regions):
    people = read_vertex_people(simulated / "people.csv", simulated / "f.npy")
    recipe = VertexRecipe(steps=4, batch=2, hidden=2, hops=1, check_every=1, learning_rate=1e-2)
    model = train_vertex_model(people, regions, recipe)
    stopping = model.about["early_stopping"]
    watched = people.take(np.isin(people.site, stopping["sites"]))
    assert model.about["people"] == len(people) - len(watched) == 40
    assert model.about["people_to_stop_by"] == len(watched)
    best = min(stopping["curve"], key=lambda check: check["raw"])
    assert best["step"] == stopping["best_step"]
    error = np.abs(model.predict(watched) - watched.age_years[:, None]).mean(axis=1)
    decade = (watched.age_years // 10).astype(int)
    assert best["raw"] == pytest.approx(np.mean([error[decade == d].mean() for d in np.unique(decade)]), abs=0.01)


def test_features_that_do_not_fit_the_table_are_refused(simulated, tmp_path):
    np.save(tmp_path / "g.npy", np.zeros((3, 5124, 2), dtype=np.float32))
    with pytest.raises(InputError, match="60"):
        read_vertex_people(simulated / "people.csv", tmp_path / "g.npy")
