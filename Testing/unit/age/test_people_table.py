"""Tables of people: as several tools write them; bad ones get a message that names the place and the remedy."""

from __future__ import annotations

import numpy as np
import pytest
from RegionalBrainAgeLib.age.features import NODE_NAMES
from RegionalBrainAgeLib.age.people_table import matched_people, read_people
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


def test_columns_without_a_name_are_no_fault(made_table, tmp_path):
    path = tmp_path / "people.csv"
    made_table.insert(2, "first", "x")
    made_table.insert(4, "second", "y")
    made_table.rename(columns={"first": "", "second": ""}).to_csv(path, index=False)
    np.testing.assert_allclose(read_people(path).thickness_mm, made_table[list(PARCEL_NAMES)])


def test_an_empty_site_is_named_with_its_line_in_the_file(made_table, tmp_path):
    made_table.loc[3, "site"] = ""
    path = tmp_path / "people.csv"
    path.write_text("sep=,\n\n" + made_table.to_csv(index=False), encoding="utf-8")
    lines = path.read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, start=1) if text.startswith(f"{made_table.person[3]},"))
    with pytest.raises(InputError, match=f"first in line {line}\\."):
        read_people(path)


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


def test_volumes_may_be_absent_whole_or_in_part(made_table, tmp_path):
    made_table["Left-Hippocampus"] = ""
    made_table = made_table.drop(columns=["Right-Caudate"])
    made_table.to_csv(tmp_path / "people.csv", index=False)
    people = read_people(tmp_path / "people.csv", for_training=True)
    missing = {NODE_NAMES[node] for node in np.nonzero(np.isnan(people.values).all(axis=0))[0]}
    assert missing == {"Left-Hippocampus", "Right-Caudate"}


def test_tables_as_freesurfer_writes_them_are_read_alike(made_table, tmp_path):
    """`aparcstats2table` and `asegstats2table`: & for _and_, _thickness behind, the identifier in the first column."""
    made_table.to_csv(tmp_path / "ours.csv", index=False)
    theirs = made_table.rename(
        columns={name: name.replace("_and_", "&") + "_thickness" for name in PARCEL_NAMES}
        | {"person": "lh.aparc.a2009s.thickness", "Left-Thalamus": "Left-Thalamus-Proper"}
    )
    theirs["sex"] = np.where(theirs["sex"] == "M", "1", "0")
    theirs.to_csv(tmp_path / "theirs.csv", index=False)
    prefixed = made_table.rename(columns={name: f"vol:{name}" for name in NODE_NAMES[148:]})
    prefixed.to_csv(tmp_path / "prefixed.csv", index=False)
    ours = read_people(tmp_path / "ours.csv")
    for other in ("theirs.csv", "prefixed.csv"):
        read = read_people(tmp_path / other)
        np.testing.assert_allclose(read.values, ours.values)
        np.testing.assert_array_equal(read.male, ours.male)
        np.testing.assert_array_equal(read.person, ours.person)


def test_volumes_in_millilitres_are_refused(made_table, tmp_path):
    made_table["EstimatedTotalIntraCranialVol"] /= 1000
    refuse(made_table, tmp_path, "EstimatedTotalIntraCranialVol of p000")


def test_people_of_two_tables_are_matched_by_name(made_table, tmp_path):
    made_table.iloc[:30].to_csv(tmp_path / "a.csv", index=False)
    made_table.iloc[20:60].sample(frac=1, random_state=0).to_csv(tmp_path / "b.csv", index=False)
    one, other = matched_people(read_people(tmp_path / "a.csv"), read_people(tmp_path / "b.csv"))
    assert len(one) == 10
    np.testing.assert_array_equal(one.person, other.person)
    np.testing.assert_allclose(one.values, other.values)


def test_grey_matter_given_for_both_sides_counts_half_for_each(made_table, tmp_path):
    total = made_table["Left-Gray-Matter"] + made_table["Right-Gray-Matter"]
    apart = made_table.drop(columns=["Left-Gray-Matter", "Right-Gray-Matter"])
    apart.assign(**{"vol:TotalGrayVol": total}).to_csv(tmp_path / "people.csv", index=False)
    people = read_people(tmp_path / "people.csv")
    for side in ("Left-Gray-Matter", "Right-Gray-Matter"):
        np.testing.assert_allclose(people.values[:, NODE_NAMES.index(side)], total / 2)


def test_grey_matter_of_each_side_is_taken_where_a_table_has_it(made_table, tmp_path):
    made_table.assign(TotalGrayVol=5e5).to_csv(tmp_path / "people.csv", index=False)
    people = read_people(tmp_path / "people.csv")
    np.testing.assert_allclose(
        people.values[:, NODE_NAMES.index("Left-Gray-Matter")], made_table["Left-Gray-Matter"], rtol=1e-12
    )


def test_grey_matter_in_millilitres_is_refused(made_table, tmp_path):
    apart = made_table.drop(columns=["Left-Gray-Matter", "Right-Gray-Matter"])
    apart.assign(TotalGrayVol=640.0).to_csv(tmp_path / "people.csv", index=False)
    with pytest.raises(InputError, match=r"Left-Gray-Matter .* is 320\. Give volumes in cubic millimetres"):
        read_people(tmp_path / "people.csv")
