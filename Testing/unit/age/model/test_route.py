"""The model of a route, against simulated people measured twice with known bias, gain and error."""

from __future__ import annotations

import json

import numpy as np
import pytest
from RegionalBrainAgeLib.age.features import NODE_NAMES
from RegionalBrainAgeLib.age.model.route import fit_route, read_route, route_text
from RegionalBrainAgeLib.errors import InputError

NODES = len(NODE_NAMES)


def measured_twice(people: int = 400):
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((people, NODES))
    shared = rng.standard_normal((people, 1)) * 0.4
    by_route = 0.3 + 0.6 * truth + shared + 0.3 * rng.standard_normal(truth.shape)
    by_route[:, 5] = np.nan
    return truth, by_route


def test_bias_gain_and_error_are_found():
    truth, by_route = measured_twice()
    model = fit_route("T1", "made people", by_route, truth)
    known = np.arange(NODES) != 5
    np.testing.assert_allclose(model.bias[known], 0.3, atol=0.1)
    np.testing.assert_allclose(model.gain[known], 0.6, atol=0.08)
    error = model.error_covariance[np.ix_(known, known)] * 0.36
    assert np.median(np.diag(error)) == pytest.approx(0.16 + 0.09, rel=0.15)
    # Half of what errors share is kept: the rest counts as each node's own.
    assert np.median(error[np.triu_indices(len(error), 1)]) == pytest.approx(0.5 * 0.16, rel=0.25)
    back = model.as_freesurfer(by_route)
    assert np.isnan(back[:, 5]).all()
    assert abs(np.nanmean(back - truth)) < 0.05


def test_a_route_file_comes_back_and_a_broken_one_is_refused(tmp_path):
    truth, by_route = measured_twice(40)
    model = fit_route("T1", "made people", by_route, truth)
    path = tmp_path / "route.json"
    path.write_text(route_text(model), encoding="utf-8")
    again = read_route(path)
    np.testing.assert_allclose(again.error_covariance, model.error_covariance, atol=1e-3)
    content = json.loads(path.read_text(encoding="utf-8"))
    for change in ({"format": "x"}, {"features": ["a"]}, {"gain": [-1.0] * NODES}, {"bias": "x"}):
        path.write_text(json.dumps(content | change), encoding="utf-8")
        with pytest.raises(InputError, match="route"):
            read_route(path)


def test_too_few_pairs_are_refused():
    truth, by_route = measured_twice(7)
    with pytest.raises(InputError, match="both routes"):
        fit_route("T1", "made people", by_route, truth)
