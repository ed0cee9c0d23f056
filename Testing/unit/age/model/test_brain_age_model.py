"""A trained model: what moves its ages, its folder, and folders it refuses."""

from __future__ import annotations

import json
import pickle
import time
from dataclasses import replace

import numpy as np
import pytest
from RegionalBrainAgeLib.age.model.brain_age_model import load_model, save_model
from RegionalBrainAgeLib.age.model.calibration import calibrate
from RegionalBrainAgeLib.age.model.model_folder import DEFAULT_OFFSET_FILE, add_file
from RegionalBrainAgeLib.age.people import People, read_people
from RegionalBrainAgeLib.age.training.train_model import out_of_fold_ages
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES, ParcelFeatures
from RegionalBrainAgeLib.anatomy.regions import Region, RegionScheme, load_scheme
from RegionalBrainAgeLib.errors import InputError


@pytest.fixture
def folder(tiny_model, tmp_path):
    save_model(tiny_model, tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture(scope="module")
def shipped_model():
    return load_model()


def features_of(people: People, row: int, thickness_mm=None, lesioned=None) -> ParcelFeatures:
    thickness_mm = people.thickness_mm[row] if thickness_mm is None else thickness_mm
    return ParcelFeatures(PARCEL_NAMES, thickness_mm, np.zeros(148) if lesioned is None else lesioned, np.full(148, 99))


def test_a_saved_model_gives_the_same_ages(tiny_model, folder, made_people):
    again = load_model(folder, load_scheme())
    before, after = tiny_model.predict_people(made_people), again.predict_people(made_people)
    np.testing.assert_allclose(after.brain_age_years, before.brain_age_years, atol=1e-2)
    np.testing.assert_allclose(after.pad_lower_years, before.pad_lower_years, atol=2e-2)


def test_arrays_come_back_as_they_were_whatever_their_order_in_memory(tiny_model, tmp_path):
    turned = replace(tiny_model, edges=np.asfortranarray(tiny_model.edges))
    save_model(turned, tmp_path / "m")
    np.testing.assert_array_equal(load_model(tmp_path / "m").edges, tiny_model.edges)


@pytest.mark.data
def test_the_shipped_model_gives_the_errors_it_was_trained_to_report(shipped_model, shared_data):
    """Its reference errors were measured in training, before it was written to disk."""
    people = read_people(shared_data / "normative" / "thickness_destrieux.csv")
    adults = people.take(people.age_years >= 18)
    pad_years = out_of_fold_ages(shipped_model, adults) - adults.age_years[:, None]
    np.testing.assert_allclose(pad_years, shipped_model.references["none"].pad_years, atol=0.01)


def test_one_person_alone_gets_the_age_of_the_table(shipped_model, made_people):
    stranger = replace(made_people, site=np.full(len(made_people), "elsewhere"))
    table = shipped_model.predict_people(stranger)
    sex = "M" if made_people.male[3] else "F"
    alone = shipped_model.predict(features_of(made_people, 3), made_people.age_years[3], sex)
    np.testing.assert_allclose(alone.brain_age_years, table.brain_age_years[3], atol=1e-3)
    np.testing.assert_allclose(alone.pad_years, alone.brain_age_years - made_people.age_years[3])
    assert (alone.pad_lower_years <= alone.pad_upper_years).all()
    assert alone.calibrated == "none"


def test_thinner_cortex_is_older(shipped_model, made_people):
    whole = shipped_model.predict(features_of(made_people, 0), 50.0, "F")
    thin = shipped_model.predict(features_of(made_people, 0, made_people.thickness_mm[0] - 0.2), 50.0, "F")
    # A shift of all parcels alike is in part taken for the scanner's: not every region must follow.
    assert np.mean(thin.brain_age_years - whole.brain_age_years) > 2


def test_nothing_of_the_other_hemisphere_moves_an_age(shipped_model, made_people):
    before = shipped_model.predict(features_of(made_people, 0), 50.0, "F").brain_age_years
    right = np.array([name.startswith("rh_") for name in PARCEL_NAMES])
    thinner_right = made_people.thickness_mm[0] - np.where(right, 0.3, 0.0)
    after = shipped_model.predict(features_of(made_people, 0, thinner_right), 50.0, "F").brain_age_years
    left = np.array([name.endswith("_L") for name in shipped_model.region_names])
    np.testing.assert_allclose(after[left], before[left], atol=1e-3)
    assert (after[~left] > before[~left]).all()


def test_damage_on_one_side_leaves_the_other_alone_and_removes_destroyed_regions(shipped_model, made_people):
    before = shipped_model.predict(features_of(made_people, 0), 60.0, "M")
    lost = shipped_model.membership[6] > 0
    thickness = np.where(lost, np.nan, made_people.thickness_mm[0])
    after = shipped_model.predict(features_of(made_people, 0, thickness, lost.astype(float)), 60.0, "M")
    right = np.array([name.endswith("_R") for name in after.region_names])
    np.testing.assert_allclose(after.brain_age_years[right], before.brain_age_years[right], atol=1e-3)
    assert not after.estimable[6]
    assert np.isnan(after.pad_corrected_years[6])
    assert "could not be measured" in after.reason[6]
    assert after.estimable[right].all()


def test_a_partly_damaged_region_has_a_wider_interval(shipped_model, made_people):
    before = shipped_model.predict(features_of(made_people, 0), 60.0, "M")
    region = 10
    part = np.nonzero(shipped_model.membership[region])[0][:3]
    thickness = made_people.thickness_mm[0].copy()
    thickness[part] = np.nan
    after = shipped_model.predict(features_of(made_people, 0, thickness), 60.0, "M")
    width = [ages.pad_upper_years[region] - ages.pad_lower_years[region] for ages in (before, after)]
    assert after.estimable[region]
    assert width[1] >= width[0]


def test_ten_thousand_people_take_seconds(shipped_model, made_people):
    many = made_people.take(np.arange(10_000) % len(made_people))
    start = time.perf_counter()
    ages = shipped_model.predict_people(many)
    assert time.perf_counter() - start < 60
    assert ages.brain_age_years.shape == (10_000, 18)


@pytest.mark.parametrize("name", ["weights.safetensors", "norms.safetensors", "model.json"])
def test_a_changed_byte_is_refused(folder, name):
    path = folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=name):
        load_model(folder)


@pytest.mark.parametrize("name", ["weights.safetensors", "norms.safetensors", "model.json"])
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


def test_another_scheme_is_refused(folder):
    scheme = load_scheme()
    regions = tuple(replace(region, name=f"X{region.name}") for region in scheme.regions)
    assert isinstance(regions[0], Region)
    with pytest.raises(InputError, match="nine-networks"):
        load_model(folder, RegionScheme("other", regions, scheme.atlas))


def test_a_card_belongs_to_the_folder_once_added(folder):
    (folder / "MODEL_CARD.md").write_text("typed by hand", encoding="utf-8")
    with pytest.raises(InputError, match="MODEL_CARD"):
        load_model(folder)
    add_file(folder, "MODEL_CARD.md", "measured")
    load_model(folder)
    (folder / "MODEL_CARD.md").write_text("measured otherwise", encoding="utf-8")
    with pytest.raises(InputError, match="MODEL_CARD"):
        load_model(folder)


def test_the_default_offset_of_the_t1_route_is_used_only_when_asked_for(folder, made_people):
    model = load_model(folder)
    controls = made_people.take(made_people.site == "site0")
    offset = calibrate(model.folds[-1].norms, controls, model.name, model.norms_sha256)
    content = {
        "format": "regional-brain-age-calibration/1",
        "kind": "default offset",
        "controls": offset.controls,
        "offset": offset.offset.tolist(),
        "remaining_uncertainty": 0.5,
        "model": model.name,
        "norms_sha256": model.norms_sha256,
    }
    add_file(folder, DEFAULT_OFFSET_FILE, json.dumps(content))
    model = load_model(folder)
    person = features_of(made_people, 0)
    assert model.predict(person, 50.0, "F").calibrated == "none"
    assert model.predict(person, 50.0, "F", use_default_offset=True).calibrated == "default offset"
    local = model.predict(person, 50.0, "F", calibration=offset, use_default_offset=True)
    assert local.calibrated == "local"
