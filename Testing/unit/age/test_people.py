"""Bad tables of people, each with a message that names the place and the remedy."""

from __future__ import annotations

import numpy as np
import pytest
from RegionalBrainAgeLib.age.people import read_people
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES
from RegionalBrainAgeLib.errors import InputError


def refuse(frame, tmp_path, match, *, for_training=True):
    path = tmp_path / "people.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(InputError, match=match) as caught:
        read_people(path, for_training=for_training)
    assert caught.value.remedy
    assert "people.csv" in str(caught.value)


def test_a_good_table_is_read(made_table, tmp_path):
    path = tmp_path / "people.csv"
    made_table.to_csv(path, index=False)
    people = read_people(path, for_training=True)
    assert people.thickness_mm.shape == (len(made_table), 148)
    np.testing.assert_allclose(people.thickness_mm, made_table[list(PARCEL_NAMES)])


def test_missing_columns(made_table, tmp_path):
    refuse(made_table.drop(columns=["sex", PARCEL_NAMES[0]]), tmp_path, f"sex, {PARCEL_NAMES[0]}")


def test_thickness_in_metres(made_table, tmp_path):
    made_table[list(PARCEL_NAMES)] /= 1000
    refuse(made_table, tmp_path, "metres")


def test_thickness_in_micrometres(made_table, tmp_path):
    made_table[list(PARCEL_NAMES)] *= 1000
    refuse(made_table, tmp_path, "micrometres")


def test_one_person_in_metres(made_table, tmp_path):
    made_table.loc[7, list(PARCEL_NAMES)] /= 1000
    refuse(made_table, tmp_path, made_table.person[7])


def test_ages_in_days(made_table, tmp_path):
    made_table["age"] *= 365.25
    refuse(made_table, tmp_path, "days")


def test_an_impossible_age(made_table, tmp_path):
    made_table.loc[3, "age"] = -3
    refuse(made_table, tmp_path, made_table.person[3])


def test_a_person_twice(made_table, tmp_path):
    made_table.loc[5, "person"] = made_table.person[4]
    refuse(made_table, tmp_path, made_table.person[4])


def test_the_same_person_under_two_names(made_table, tmp_path):
    made_table.loc[5, list(PARCEL_NAMES)] = made_table.loc[4, list(PARCEL_NAMES)]
    refuse(made_table, tmp_path, "measurements of another")


def test_one_site(made_table, tmp_path):
    made_table["site"] = "here"
    refuse(made_table, tmp_path, "one site")


def test_a_constant_column(made_table, tmp_path):
    made_table[PARCEL_NAMES[9]] = 2.5
    refuse(made_table, tmp_path, PARCEL_NAMES[9])


@pytest.mark.parametrize("for_training", [True, False])
def test_a_constant_column_is_refused_whatever_the_table_is_for(made_table, tmp_path, for_training):
    made_table[PARCEL_NAMES[9]] = 2.5
    refuse(made_table, tmp_path, "same value for everyone", for_training=for_training)


def test_one_person_alone_has_no_constant_column(made_table, tmp_path):
    made_table.iloc[:1].to_csv(tmp_path / "one.csv", index=False)
    assert len(read_people(tmp_path / "one.csv")) == 1


@pytest.mark.parametrize("empty", ["", "NaN", "0"])
def test_people_without_any_thickness_are_refused_whatever_the_table_is_for(made_table, tmp_path, empty):
    made_table = made_table.astype(dict.fromkeys(PARCEL_NAMES, object))
    made_table.loc[[3, 8], list(PARCEL_NAMES)] = empty
    refuse(made_table, tmp_path, made_table.person[3], for_training=False)
    refuse(made_table, tmp_path, made_table.person[3], for_training=True)
    made_table[list(PARCEL_NAMES)] = empty
    refuse(made_table, tmp_path, "thickness|empty", for_training=False)
    refuse(made_table, tmp_path, "thickness|empty", for_training=True)


@pytest.mark.parametrize("column", ["age", PARCEL_NAMES[20]])
def test_nan(made_table, tmp_path, column):
    made_table.loc[11, column] = np.nan
    refuse(made_table, tmp_path, f"NaN, first {column} of {made_table.person[11]}")


def test_a_word_where_a_number_belongs(made_table, tmp_path):
    made_table = made_table.astype({PARCEL_NAMES[2]: object})
    made_table.loc[2, PARCEL_NAMES[2]] = "thick"
    refuse(made_table, tmp_path, "'thick'")


def test_an_unknown_sex(made_table, tmp_path):
    made_table.loc[2, "sex"] = "x"
    refuse(made_table, tmp_path, "sex of")


def test_no_table(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_people(tmp_path / "absent.csv")


def test_an_empty_thickness_is_a_missing_parcel_when_evaluating(made_table, tmp_path):
    made_table.loc[11, PARCEL_NAMES[20]] = np.nan
    made_table.loc[12, PARCEL_NAMES[20]] = 0.0
    path = tmp_path / "people.csv"
    made_table.to_csv(path, index=False)
    people = read_people(path)
    assert np.isnan(people.thickness_mm[[11, 12], 20]).all()
    assert np.isnan(people.thickness_mm).sum() == 2


def test_a_further_feature_must_be_there_for_all_parcels(made_table, tmp_path):
    made_table[f"{PARCEL_NAMES[0]}:area"] = 100.0
    refuse(made_table, tmp_path, ":area")
