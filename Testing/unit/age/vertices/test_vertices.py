"""Vertex mode: the mesh against counts of the icosahedron, streaming, and a training on simulated surfaces."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from RegionalBrainAgeLib.age.evaluation.metrics import mean_correlation
from RegionalBrainAgeLib.age.vertices.mesh import load_mesh, read_vertex_people, vertex_membership
from RegionalBrainAgeLib.age.vertices.vertex_model import (
    VertexRecipe,
    feature_statistics,
    load_vertex_model,
    save_vertex_model,
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
    mean, sd = feature_statistics(people, np.arange(len(people)))
    whole = np.asarray(people.features, dtype=float)
    np.testing.assert_allclose(mean, np.nanmean(whole, axis=0), atol=1e-6)
    np.testing.assert_allclose(sd, np.nanstd(whole, axis=0), atol=1e-5)


@pytest.mark.slow
def test_a_mesh_model_learns_simulated_surfaces_and_comes_back_from_disk(simulated, tmp_path):
    people = read_vertex_people(simulated / "people.csv", simulated / "f.npy")
    rows = np.nonzero(people.site != "c")[0]
    recipe = VertexRecipe(steps=60, batch=6, hidden=6, hops=2, learning_rate=1e-2)
    model = train_vertex_model(people, load_scheme(), recipe, rows=rows)
    others = np.nonzero(people.site == "c")[0]
    ages = model.predict(people, others)
    assert ages.shape == (20, 18)
    assert mean_correlation(ages, people.age_years[others]) > 0.8
    save_vertex_model(model, tmp_path / "m")
    again = load_vertex_model(tmp_path / "m", load_scheme())
    np.testing.assert_allclose(again.predict(people, others), ages, atol=1e-2)
    (tmp_path / "m" / "weights.safetensors").write_bytes(b"0")
    with pytest.raises(InputError, match="weights"):
        load_vertex_model(tmp_path / "m", load_scheme())


@pytest.mark.slow
def test_a_mesh_training_keeps_the_weights_that_served_held_out_sites_best(simulated):
    people = read_vertex_people(simulated / "people.csv", simulated / "f.npy")
    recipe = VertexRecipe(steps=4, batch=2, hidden=2, hops=1, check_every=1, learning_rate=1e-2)
    model = train_vertex_model(people, load_scheme(), recipe)
    stopping = model.about["early_stopping"]
    watched = np.nonzero(np.isin(people.site, stopping["sites"]))[0]
    assert model.about["people"] == len(people) - len(watched) == 40
    best = min(stopping["curve"], key=lambda check: check["raw"])
    assert best["step"] == stopping["best_step"]
    error = np.abs(model.predict(people, watched) - people.age_years[watched, None]).mean(axis=1)
    decade = (people.age_years[watched] // 10).astype(int)
    assert best["raw"] == pytest.approx(np.mean([error[decade == d].mean() for d in np.unique(decade)]), abs=0.01)


def test_features_that_do_not_fit_the_table_are_refused(simulated, tmp_path):
    np.save(tmp_path / "g.npy", np.zeros((3, 5124, 2), dtype=np.float32))
    with pytest.raises(InputError, match="60"):
        read_vertex_people(simulated / "people.csv", tmp_path / "g.npy")
