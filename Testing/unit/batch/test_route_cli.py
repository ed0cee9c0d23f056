"""The command ``route``: tables in, a route model out."""

from __future__ import annotations

import numpy as np
import pytest
from regional_brain_age.__main__ import main
from RegionalBrainAgeLib.age.features import NODE_NAMES
from RegionalBrainAgeLib.age.model.model_files import load_model, save_model
from RegionalBrainAgeLib.age.model.route import read_route


@pytest.fixture
def model_folder(tiny_model, tmp_path):
    save_model(tiny_model, tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture
def tables(made_table, tmp_path):
    """People; the same by FreeSurfer (5 % smaller); ten of them in two other forms, in another order."""
    rng = np.random.default_rng(0)
    ten = made_table.iloc[:10]
    nodes = list(NODE_NAMES)
    written = {"people": made_table, "freesurfer": made_table.assign(**made_table[nodes] * 0.95), "plain": ten}
    for name in ("noisy", "blurred"):
        changed = ten[nodes] * rng.normal(1, 0.05, (len(ten), len(nodes)))
        written[name] = ten.assign(**changed).iloc[::-1]
    for name, table in written.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    return {name: str(tmp_path / f"{name}.csv") for name in written}


def run(model_folder, tables, out, *more: str) -> int:
    words = ["route", str(model_folder), tables["people"], "--measured-on", "made people", "--out", str(out)]
    return main([*words, *more])


def test_ages_alone_or_freesurfer_tell_a_route_and_it_can_be_installed(model_folder, tables, tmp_path):
    by_age, pairs = tmp_path / "by_age.json", tmp_path / "pairs.json"
    assert run(model_folder, tables, by_age) == 0
    assert read_route(by_age).measured_on == "made people"
    assert load_model(model_folder).route_of("T1") is None
    assert run(model_folder, tables, pairs, "--freesurfer", tables["freesurfer"], "--install") == 0
    # By construction the route reads everything larger than FreeSurfer.
    assert np.nanmedian(read_route(pairs).bias) > np.nanmedian(read_route(by_age).bias) + 0.1
    np.testing.assert_array_equal(load_model(model_folder).route_of("T1").bias, read_route(pairs).bias)


def test_heads_in_other_forms_add_to_the_errors(model_folder, tables, tmp_path):
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    forms = [tables[name] for name in ("plain", "noisy", "blurred")]
    assert run(model_folder, tables, before) == 0
    assert run(model_folder, tables, after, "--forms", *forms) == 0
    errors = [np.diag(read_route(path).error_covariance) for path in (before, after)]
    assert (errors[1] >= errors[0] - 1e-4).all()
    assert np.median(errors[1]) > 2 * np.median(errors[0])


def test_a_form_without_another_is_refused(model_folder, tables, tmp_path, capsys):
    out = tmp_path / "route.json"
    assert run(model_folder, tables, out, "--forms", tables["plain"]) == 2
    assert "too few" in capsys.readouterr().err
    assert not out.exists()
