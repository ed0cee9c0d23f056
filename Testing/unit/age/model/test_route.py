"""The model of a route, against simulated people measured twice with known bias, gain and error."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from drawn_people import draw_population
from RegionalBrainAgeLib.age.features import MIRROR_IMAGES, NODE_NAMES, NODE_SIDES, PARCEL_NODES
from RegionalBrainAgeLib.age.model.route import fit_route, fit_route_by_age, read_route, route_text, with_forms
from RegionalBrainAgeLib.age.norms.norms import norms_from_people
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


def test_a_feature_of_few_pairs_has_errors_as_large_as_one_of_many():
    """Simulated: 1 SD of error everywhere, one feature of both sides measured in 60 of 400 people."""
    truth, _ = measured_twice()
    by_route = truth + np.random.default_rng(2).standard_normal(truth.shape)
    few = [7, MIRROR_IMAGES[7]]
    by_route[60:, few] = np.nan
    model = fit_route("T1", "made people", by_route, truth)
    errors = np.diag(model.error_covariance) * model.gain**2
    assert np.median(errors) == pytest.approx(1.0, abs=0.05)
    assert errors[few].mean() == pytest.approx(1.0, abs=0.25)


def test_each_side_has_its_own_bias_and_both_share_gain_and_error():
    truth, _ = measured_twice()
    left, right = NODE_SIDES == "L", NODE_SIDES == "R"
    rng = np.random.default_rng(1)
    by_route = np.where(left, 0.5 * truth + 0.4, 0.7 * truth - 0.2) + 0.3 * rng.standard_normal(truth.shape)
    model = fit_route("T1", "made people", by_route, truth)
    assert np.mean(model.bias[left]) == pytest.approx(0.4, abs=0.02)
    assert np.mean(model.bias[right]) == pytest.approx(-0.2, abs=0.02)
    assert np.mean(model.gain[left]) == pytest.approx(0.6, abs=0.02)
    np.testing.assert_allclose(model.gain[MIRROR_IMAGES], model.gain)
    error = model.error_covariance
    np.testing.assert_allclose(error[np.ix_(MIRROR_IMAGES, MIRROR_IMAGES)], error, atol=1e-9)


def test_a_route_file_comes_back_and_a_broken_one_is_refused(tmp_path):
    truth, by_route = measured_twice(40)
    model = replace(fit_route("T1", "made people", by_route, truth), contrast_spread=0.7)
    path = tmp_path / "route.json"
    path.write_text(route_text(model), encoding="utf-8")
    again = read_route(path)
    np.testing.assert_allclose(again.error_covariance, model.error_covariance, atol=1e-3)
    assert again.contrast_spread == 0.7
    content = json.loads(path.read_text(encoding="utf-8"))
    for change in (
        {"format": "x"},
        {"features": ["a"]},
        {"gain": [-1.0] * NODES},
        {"bias": "x"},
        {"contrast_spread": 0},
    ):
        path.write_text(json.dumps(content | change), encoding="utf-8")
        with pytest.raises(InputError, match="route"):
            read_route(path)


def test_too_few_pairs_are_refused():
    truth, by_route = measured_twice(7)
    with pytest.raises(InputError, match="both routes"):
        fit_route("T1", "made people", by_route, truth)


def test_people_of_known_age_tell_a_route_without_freesurfer(made_people):
    """Simulated from norms: bias .5, gain .7 where age tells it, and an error of .6 SD are found again."""
    norms = norms_from_people(made_people)
    still = replace(norms, site_covariance=0 * norms.site_covariance)
    told = (
        np.abs(norms.expected(np.array([80.0]), np.array([0])) - norms.expected(np.array([20.0]), np.array([0])))[0] > 1
    )
    assert told.sum() > 50
    found = []
    # In 240 people what all nodes share is a matter of luck: one draw in six is off by a third.
    for seed in range(6):
        rng = np.random.default_rng(seed)
        values, age_years, male = draw_population(still, 240, rng)
        by_route = 0.5 + 0.7 * values + 0.6 * rng.standard_normal(values.shape)
        people = replace(made_people, age_years=age_years, male=male, values=norms.measurement(by_route))
        model = fit_route_by_age("T1", "made people", norms, people)
        error = np.sqrt(np.diag(model.error_covariance)) * model.gain
        found.append([np.nanmedian(model.bias), np.median(model.gain[told]), np.median(error[told])])
    bias, gain, error_sd = np.mean(found, axis=0)
    assert bias == pytest.approx(0.5, abs=0.1)
    assert gain == pytest.approx(0.7, abs=0.1)
    assert error_sd == pytest.approx(0.6, abs=0.1)


def test_a_feature_that_most_people_lack_has_an_error_as_large_as_the_others(made_people):
    """Simulated: an error of 1 SD everywhere, one feature of both sides measured in 60 of 200 people."""
    norms = norms_from_people(made_people)
    values, age_years, male = draw_population(norms, 200, np.random.default_rng(0))
    by_route = values + np.random.default_rng(1).standard_normal(values.shape)
    few = [7, MIRROR_IMAGES[7]]
    errors = []
    for measured in (200, 60):
        by_route[measured:, few] = np.nan
        people = replace(
            made_people.take(np.arange(200)), age_years=age_years, male=male, values=norms.measurement(by_route)
        )
        model = fit_route_by_age("T1", "made people", norms, people)
        errors.append(np.diag(model.error_covariance)[few].mean() * model.gain[7] ** 2)
    assert errors[1] == pytest.approx(errors[0], rel=0.35)


def test_without_freesurfer_half_of_what_the_sides_differ_by_counts_as_the_scanners(made_people):
    """The same people measured by a route that reads the left .4 SD higher: .2 of it is bias of the left alone."""
    norms = norms_from_people(made_people)
    values, age_years, male = draw_population(norms, 200, np.random.default_rng(0))
    models = []
    for higher in (0.0, 0.4):
        by_route = values + higher * (NODE_SIDES == "L")
        people = replace(
            made_people.take(np.arange(200)), age_years=age_years, male=male, values=norms.measurement(by_route)
        )
        models.append(fit_route_by_age("T1", "made people", norms, people))
    moved = models[1].bias - models[0].bias
    read = np.isfinite(moved)
    assert read[NODE_SIDES != "M"].mean() > 0.9
    np.testing.assert_allclose(moved[read & (NODE_SIDES == "L")], 0.3, atol=1e-6)
    np.testing.assert_allclose(moved[read & (NODE_SIDES == "R")], 0.1, atol=1e-6)


def test_too_few_people_or_years_are_refused(made_people):
    norms = norms_from_people(made_people)
    with pytest.raises(InputError, match="cannot tell a route"):
        fit_route_by_age("T1", "x", norms, made_people.take(np.arange(12)))


def heads_in_forms(people, norms, heads: int, forms: int):
    """Heads as they are, and in forms that add an error of .5 SD to every node and a common one of .4 to thickness."""
    rng = np.random.default_rng(3)
    values, age_years, male = draw_population(norms, heads, rng)
    plain = replace(people.take(np.arange(heads)), age_years=age_years, male=male, values=norms.measurement(values))
    others = []
    for _ in range(forms):
        common = 0.4 * rng.standard_normal((heads, 1)) * PARCEL_NODES
        changed = values + common + 0.5 * rng.standard_normal(values.shape)
        # Forms come in any order.
        others.append(plain.with_values(norms.measurement(changed)).take(rng.permutation(heads)))
    return plain, others


def test_what_changes_between_forms_of_a_head_is_error(made_people):
    """Simulated: an error of each node and one that all parcels share are found beside those of the people."""
    norms = norms_from_people(made_people)
    truth, by_route = measured_twice()
    before = fit_route("T1", "made people", by_route, truth)
    after = with_forms(before, norms, *heads_in_forms(made_people, norms, 40, 20))
    np.testing.assert_array_equal(after.bias, before.bias)
    np.testing.assert_array_equal(after.gain, before.gain)
    known = ~np.isin(np.arange(NODES), [5, MIRROR_IMAGES[5]])
    added = (after.error_covariance - before.error_covariance) * np.outer(before.gain, before.gain)
    parcels = np.ix_(known & PARCEL_NODES, known & PARCEL_NODES)
    mirrored = np.ix_(MIRROR_IMAGES[known & PARCEL_NODES], MIRROR_IMAGES[known & PARCEL_NODES])
    assert np.median(np.diag(added)[known & PARCEL_NODES]) == pytest.approx(0.25 + 0.16, rel=0.1)
    assert np.median(np.diag(added)[~PARCEL_NODES]) == pytest.approx(0.25, rel=0.1)
    # Half of what forms change together is kept: the rest counts as each node's own.
    assert np.median(added[parcels][np.triu_indices(parcels[0].size, 1)]) == pytest.approx(0.5 * 0.16, rel=0.25)
    np.testing.assert_allclose(added[mirrored], added[parcels], atol=1e-9)
    assert np.isnan(after.error_sd[5])


def test_a_node_that_no_head_shows_in_another_form_keeps_its_error(made_people):
    norms = norms_from_people(made_people)
    truth, by_route = measured_twice()
    before = fit_route("T1", "made people", by_route, truth)
    plain, others = heads_in_forms(made_people, norms, 12, 2)
    unmeasured = [form.with_values(np.where(PARCEL_NODES, form.values, np.nan)) for form in others]
    after = with_forms(before, norms, plain, unmeasured)
    np.testing.assert_array_equal(after.error_sd[~PARCEL_NODES], before.error_sd[~PARCEL_NODES])
    assert (after.error_sd[PARCEL_NODES] > before.error_sd[PARCEL_NODES])[np.arange(148) != 5].all()


def test_a_parcel_that_forms_show_on_one_side_has_that_error_on_both(made_people):
    norms = norms_from_people(made_people)
    truth, by_route = measured_twice()
    before = fit_route("T1", "made people", by_route, truth)
    plain, others = heads_in_forms(made_people, norms, 40, 20)
    right = MIRROR_IMAGES[7]
    one_sided = [form.with_values(np.where(np.arange(NODES) == right, np.nan, form.values)) for form in others]
    after = with_forms(before, norms, plain, one_sided)
    added = np.diag(after.error_covariance - before.error_covariance) * before.gain**2
    assert added[7] == pytest.approx(0.25 + 0.16, rel=0.1)
    assert added[right] == pytest.approx(added[7])


def test_what_forms_do_to_a_node_the_route_does_not_measure_is_no_error_of_the_route(made_people):
    """Its mirror image, which is measured, keeps its own."""
    norms = norms_from_people(made_people)
    truth, by_route = measured_twice()
    after = with_forms(
        fit_route("T1", "made people", by_route, truth), norms, *heads_in_forms(made_people, norms, 40, 20)
    )
    alone = np.zeros(NODES)
    alone[5] = 1.0
    np.testing.assert_allclose(after.error_covariance[5], alone, atol=1e-6)
    assert after.error_covariance[MIRROR_IMAGES[5], MIRROR_IMAGES[5]] > 1.0


def test_the_first_table_is_not_another_form_of_itself(made_people):
    norms = norms_from_people(made_people)
    truth, by_route = measured_twice()
    before = fit_route("T1", "made people", by_route, truth)
    plain, others = heads_in_forms(made_people, norms, 12, 1)
    with pytest.raises(InputError, match="very numbers it has in the first table"):
        with_forms(before, norms, plain, [*others, plain])


def test_too_few_changed_heads_are_refused(made_people):
    norms = norms_from_people(made_people)
    truth, by_route = measured_twice()
    before = fit_route("T1", "made people", by_route, truth)
    plain, others = heads_in_forms(made_people, norms, 12, 2)
    strangers = [replace(form, person=np.char.add(form.person, "x")) for form in others]
    for forms in ([], [others[0].take(np.arange(9))], strangers):
        with pytest.raises(InputError, match="too few to tell what a form changes"):
            with_forms(before, norms, plain, forms)
