"""A trained model: what moves its ages, its folder, and folders it refuses."""

from __future__ import annotations

import json
import pickle
import time
from dataclasses import replace

import numpy as np
import pytest
from RegionalBrainAgeLib.age.features import FLUID_NODES, NODE_NAMES, NODE_SIDES, Features
from RegionalBrainAgeLib.age.model.model_files import load_model, save_model
from RegionalBrainAgeLib.age.model.model_folder import add_file
from RegionalBrainAgeLib.age.model.route import fit_route, route_text
from RegionalBrainAgeLib.age.people import People
from RegionalBrainAgeLib.age.people_table import read_people
from RegionalBrainAgeLib.age.training.train_model import out_of_fold_ages
from RegionalBrainAgeLib.anatomy.regions import Region, RegionScheme, load_scheme
from RegionalBrainAgeLib.anatomy.structures import STRUCTURE_NAMES
from RegionalBrainAgeLib.errors import InputError


@pytest.fixture
def folder(tiny_model, tmp_path):
    save_model(tiny_model, tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture(scope="module")
def typical(shipped_model) -> People:
    """60 people as the shipped model's norms expect them, 45 to 75 years old, with a little noise; of no known site."""
    norms = shipped_model.folds[-1].norms
    rng = np.random.default_rng(0)
    age_years, male = np.linspace(45, 75, 60), np.arange(60) % 2.0
    noise = 0.5 * rng.standard_normal((60, len(NODE_NAMES)))
    values = norms.measurement(norms.expected(age_years, male) + noise)
    names = np.array([f"p{i}" for i in range(60)])
    return People(names, np.full(60, ""), age_years, male, values, np.zeros(values.shape), np.zeros((60, 2)))


def features_of(people: People, row: int, **changes) -> Features:
    features = Features(
        thickness_mm=people.values[row, :148],
        volumes_mm3=people.values[row, 148:-1],
        intracranial_volume_mm3=float(people.values[row, -1]),
        lesioned_fraction=np.zeros(148),
        structure_lesioned_fraction=np.zeros(len(STRUCTURE_NAMES)),
        voxels=np.full(148, 99),
    )
    return replace(features, **changes)


def test_a_saved_model_gives_the_same_ages(tiny_model, folder, made_people):
    again = load_model(folder, load_scheme())
    before, after = tiny_model.predict_people(made_people), again.predict_people(made_people)
    np.testing.assert_allclose(after.brain_age_years, before.brain_age_years, atol=1e-2)
    np.testing.assert_allclose(after.pad_lower_years, before.pad_lower_years, atol=2e-2)
    np.testing.assert_allclose(after.global_age.pad_years, before.global_age.pad_years, atol=1e-2)


def test_one_person_alone_gets_the_age_of_the_table(shipped_model, typical):
    table = shipped_model.predict_people(typical)
    alone = shipped_model.predict(features_of(typical, 3), typical.age_years[3], "M" if typical.male[3] else "F")
    np.testing.assert_allclose(alone.brain_age_years, table.brain_age_years[3], atol=1e-6)
    np.testing.assert_allclose(alone.pad_years, alone.brain_age_years - typical.age_years[3])
    np.testing.assert_allclose(alone.deviation_years, alone.brain_age_years - alone.global_age.brain_age_years)
    assert (alone.pad_lower_years <= alone.pad_upper_years).all()
    assert alone.calibrated == "none"
    assert alone.global_age.read_from == "both hemispheres"


def test_people_as_the_norms_expect_them_get_about_their_age(shipped_model, typical):
    ages = shipped_model.predict_people(typical)
    assert np.abs(ages.global_age.pad_years).mean() < 5
    assert np.abs(ages.pad_years.mean(axis=0)).max() < 5


def test_cortex_and_ventricles_of_older_people_are_older(shipped_model, typical):
    """Only the thickness, then only the fluid, of people 15 years older."""
    norms = shipped_model.folds[-1].norms
    noise = norms.standardise(typical.values) - norms.expected(typical.age_years, typical.male)
    older = norms.measurement(norms.expected(typical.age_years + 15, typical.male) + noise)
    before = shipped_model.predict_people(typical).global_age.brain_age_years
    for nodes in (np.arange(len(NODE_NAMES)) < 148, FLUID_NODES):
        after = shipped_model.predict_people(typical.with_values(np.where(nodes, older, typical.values)))
        assert np.mean(after.global_age.brain_age_years - before) > 2


def test_nothing_of_the_other_hemisphere_moves_a_regional_age(shipped_model, typical):
    before = shipped_model.predict_people(typical).brain_age_years
    spoiled = np.where(NODE_SIDES == "R", 0.8 * typical.values, typical.values)
    after = shipped_model.predict_people(typical.with_values(spoiled)).brain_age_years
    left = np.array([name.endswith("_L") for name in shipped_model.region_names])
    np.testing.assert_allclose(after[:, left], before[:, left], atol=1e-6)
    assert np.abs(after[:, ~left] - before[:, ~left]).min() > 0


def test_with_a_lesion_the_global_age_is_that_of_the_other_hemisphere(shipped_model, typical):
    healthy = features_of(typical, 0)
    lesion = replace(healthy, lesion_volume_ml=(12.0, 0.0))
    spoiled = replace(
        lesion, thickness_mm=np.where(np.arange(148) < 74, healthy.thickness_mm - 0.3, healthy.thickness_mm)
    )
    one, other = (shipped_model.predict(f, 60.0, "F") for f in (lesion, spoiled))
    assert one.global_age.read_from == "right hemisphere"
    assert one.fluid_left_out
    assert other.global_age.brain_age_years == pytest.approx(one.global_age.brain_age_years, abs=1e-6)


def test_a_ventricle_widened_by_the_lesion_is_not_age(shipped_model, typical):
    """Ex vacuo: the ventricles of the lesioned side half as large again."""
    healthy = features_of(typical, 5, lesion_volume_ml=(0.0, 15.0))
    right_fluid = (FLUID_NODES & (NODE_SIDES == "R"))[148:-1]
    wide = replace(healthy, volumes_mm3=np.where(right_fluid, 1.5 * healthy.volumes_mm3, healthy.volumes_mm3))
    before, after = (shipped_model.predict(f, 60.0, "M") for f in (healthy, wide))
    np.testing.assert_allclose(after.brain_age_years, before.brain_age_years, atol=1e-6)
    assert after.global_age.brain_age_years == pytest.approx(before.global_age.brain_age_years, abs=1e-6)


def test_ages_without_fluid_do_not_see_ventricles(shipped_model, typical):
    wide = typical.with_values(np.where(FLUID_NODES, 1.5 * typical.values, typical.values))
    before, after = shipped_model.predict_people(typical), shipped_model.predict_people(wide)
    np.testing.assert_allclose(after.brain_age_without_fluid_years, before.brain_age_without_fluid_years, atol=1e-6)
    assert np.abs(after.brain_age_years - before.brain_age_years).mean() > 1


def test_a_destroyed_region_has_no_age_and_says_why(shipped_model, typical):
    before = shipped_model.predict(features_of(typical, 0), 60.0, "M")
    lost = shipped_model.membership[6] > 0
    damaged = features_of(
        typical, 0, thickness_mm=np.where(lost, np.nan, typical.thickness_mm[0]), lesioned_fraction=lost.astype(float)
    )
    after = shipped_model.predict(damaged, 60.0, "M")
    right = np.array([name.endswith("_R") for name in after.region_names])
    np.testing.assert_allclose(after.brain_age_years[right], before.brain_age_years[right], atol=1e-6)
    assert not after.estimable[6]
    assert np.isnan(after.pad_corrected_years[6])
    assert np.isnan(after.deviation_lower_years[6])
    assert "could not be measured" in after.reason[6]
    assert after.estimable[right].all()


def test_missing_parcels_do_not_move_the_other_regions_in_the_mean(shipped_model, typical):
    lost = np.zeros(148, dtype=bool)
    lost[:30] = True
    before = shipped_model.predict_people(typical).brain_age_years
    holed = typical.with_thickness(np.where(lost, np.nan, typical.thickness_mm))
    after = shipped_model.predict_people(holed).brain_age_years
    known = np.isfinite(after).all(axis=0)
    assert known.sum() >= 10
    assert np.abs((after - before)[:, known].mean(axis=0)).max() < 1


def test_thickness_alone_gives_ages_with_wider_intervals(shipped_model, typical):
    alone = typical.with_values(np.where(np.arange(len(NODE_NAMES)) < 148, typical.values, np.nan))
    before, after = shipped_model.predict_people(typical), shipped_model.predict_people(alone)
    width = [ages.pad_upper_years - ages.pad_lower_years for ages in (before, after)]
    assert after.estimable.all()
    assert (width[1] > 1.05 * width[0]).mean() > 0.9


def test_an_unreliable_route_widens_the_intervals(shipped_model, typical):
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((60, len(NODE_NAMES)))
    route = fit_route("T1", "made people", 0.5 * truth + rng.standard_normal(truth.shape), truth)
    model = replace(shipped_model, routes={"T1": route})
    sharp, blurred = model.predict_people(typical), model.predict_people(replace(typical, route="T1"))
    wider = (blurred.pad_upper_years - blurred.pad_lower_years) / (sharp.pad_upper_years - sharp.pad_lower_years)
    assert np.median(wider) > 1.1
    assert blurred.route == "T1"


def test_switching_messages_off_changes_the_ages(shipped_model, typical):
    with_, without = shipped_model.predict_people(typical), shipped_model.without_messages().predict_people(typical)
    assert np.abs(with_.brain_age_years - without.brain_age_years).mean() > 1


def test_ten_thousand_people_take_seconds(shipped_model, typical):
    many = typical.take(np.arange(10_000) % len(typical))
    start = time.process_time()
    ages = shipped_model.predict_people(many)
    assert time.process_time() - start < 60
    assert ages.brain_age_years.shape == (10_000, 18)


@pytest.mark.data
def test_nine_of_ten_people_of_sites_it_did_not_see_lie_within_their_limits(shipped_model, shared_data):
    people = read_people(shared_data / "normative" / "thickness_volumes.csv")
    adults = people.take((people.age_years >= 18) & np.isin(people.site, ["nki", "oasis2", "cleveland"]))
    raw = out_of_fold_ages(shipped_model, adults)
    ages = shipped_model.judged(adults, raw, "none")
    assert 0.85 < np.mean((ages.pad_lower_years <= 0) & (ages.pad_upper_years >= 0)) < 0.98
    inside = (ages.deviation_lower_years <= 0) & (ages.deviation_upper_years >= 0)
    assert 0.8 < np.mean(inside) < 0.98


def test_the_folder_holds_no_person(folder, made_people):
    content = b"".join(path.read_bytes() for path in folder.iterdir())
    assert not any(name.encode() in content for name in made_people.person)
    for value in made_people.age_years[:20]:
        assert np.float32(value).tobytes() not in content


@pytest.mark.parametrize("name", ["weights.safetensors", "norms.safetensors", "errors.safetensors", "model.json"])
def test_a_changed_byte_is_refused(folder, name):
    path = folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=name):
        load_model(folder)


@pytest.mark.parametrize("name", ["weights.safetensors", "norms.safetensors", "errors.safetensors", "model.json"])
def test_a_missing_file_is_refused(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=name):
        load_model(folder)


def test_a_pickle_is_refused_beside_the_weights_and_in_their_place(folder):
    (folder / "weights.pkl").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(InputError, match=r"weights\.pkl"):
        load_model(folder)
    (folder / "weights.pkl").unlink()
    (folder / "weights.safetensors").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(InputError, match="weights"):
        load_model(folder)


def test_a_model_of_an_earlier_version_is_refused_by_name(folder):
    from RegionalBrainAgeLib.age.model.model_folder import read_description, write_description

    old = read_description(folder) | {"format": "regional-brain-age-model/1"}
    write_description(folder, {key: value for key, value in old.items() if key != "seal"})
    with pytest.raises(InputError, match="thickness alone"):
        load_model(folder)


def test_another_scheme_is_refused(folder):
    scheme = load_scheme()
    regions = tuple(replace(region, name=f"X{region.name}") for region in scheme.regions)
    assert isinstance(regions[0], Region)
    with pytest.raises(InputError, match="nine-networks"):
        load_model(folder, RegionScheme("other", regions, scheme.atlas))


def test_card_and_route_belong_to_the_folder_once_added(folder):
    (folder / "MODEL_CARD.md").write_text("typed by hand", encoding="utf-8")
    with pytest.raises(InputError, match="MODEL_CARD"):
        load_model(folder)
    add_file(folder, "MODEL_CARD.md", "measured")
    truth = np.random.default_rng(0).standard_normal((20, len(NODE_NAMES)))
    add_file(folder, "route-t1.json", route_text(fit_route("T1", "made people", truth + 0.1, truth)))
    assert load_model(folder).routes["T1"].measured_on == "made people"
    content = json.loads((folder / "route-t1.json").read_text(encoding="utf-8"))
    (folder / "route-t1.json").write_text(json.dumps(content | {"measured_on": "x"}), encoding="utf-8")
    with pytest.raises(InputError, match="route-t1"):
        load_model(folder)
