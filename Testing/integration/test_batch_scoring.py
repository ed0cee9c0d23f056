"""Ages of many measured people from parcel tables. The oracle is the model asked for one person at a time."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from regional_brain_age.__main__ import main
from RegionalBrainAgeLib.age.features import features_of_parcels
from RegionalBrainAgeLib.age.model.model_files import load_model
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES, ParcelFeatures
from RegionalBrainAgeLib.batch import score
from RegionalBrainAgeLib.batch.process_many import process_cohort
from RegionalBrainAgeLib.batch.run.options import BatchOptions
from RegionalBrainAgeLib.case.result.tables import PARCEL_COLUMNS, PROCESSED_NAME
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.tables import read_table, write_table

QUIET = BatchOptions(show_bar=False, workers=1)
FACTS = ("case_id", "age", "sex", "site", "lesion_side", "lesion_volume_ml", "load_cst", "load_ipsi_smn")


@pytest.fixture(scope="module")
def model():
    return load_model()


def people(count: int, seed: int = 0) -> tuple[list[dict], np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    thickness_mm = chance.normal(2.5, 0.15, (count, len(PARCEL_NAMES))).round(4)
    lesioned = np.where(chance.random(thickness_mm.shape) < 0.05, 0.5, 0.0)
    facts = [
        {
            "case_id": f"C{index}",
            "age": 50 + index % 30,
            "sex": "FM"[index % 2],
            "site": "s",
            "lesion_side": "LR"[index % 2],
            "lesion_volume_ml": 12.5,
            "load_cst": 0.25,
            "load_ipsi_smn": 0.125,
        }
        for index in range(count)
    ]
    return facts, thickness_mm, lesioned


def write_csv(path, header, rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])


def wide_list(path, facts, thickness_mm, lesioned) -> None:
    header = [*FACTS, *PARCEL_NAMES, *(f"{name}:lesioned_fraction" for name in PARCEL_NAMES)]
    rows = [[*fact.values(), *t, *f] for fact, t, f in zip(facts, thickness_mm, lesioned, strict=True)]
    write_csv(path, header, rows)


def test_a_wide_list_and_parcel_tables_give_what_the_model_gives_one_by_one(tmp_path, model):
    facts, thickness_mm, lesioned = people(6)
    thickness_mm[2, 5] = 0  # FreeSurfer did not find it
    wide_list(tmp_path / "wide.csv", facts, thickness_mm, lesioned)
    rows = []
    for fact, t, f in zip(facts, thickness_mm, lesioned, strict=True):
        table = [
            {"parcel": name, "hemisphere": "L", "thickness_mm": a, "lesioned_fraction": b, "voxels": 9}
            for name, a, b in zip(PARCEL_NAMES, t, f, strict=True)
        ]
        write_table(tmp_path / f"{fact['case_id']}_parcels.tsv", table, PARCEL_COLUMNS)
        rows.append([*fact.values(), f"{fact['case_id']}_parcels.tsv"])
    write_csv(tmp_path / "long.csv", [*FACTS, "parcels"], rows)
    for name in ("wide", "long"):
        assert process_cohort(tmp_path / f"{name}.csv", tmp_path / name, QUIET).done == 6
    assert (tmp_path / "wide" / PROCESSED_NAME).read_bytes() == (tmp_path / "long" / PROCESSED_NAME).read_bytes()
    for fact, t, f, row in zip(
        facts, thickness_mm, lesioned, read_table(tmp_path / "wide" / PROCESSED_NAME), strict=True
    ):
        parcels = ParcelFeatures(PARCEL_NAMES, np.where(t == 0, np.nan, t), f, np.ones(148, int))
        # No volume was told: the lesion counts as very small, on its side.
        sides = {"L": (0.001, 0.0), "R": (0.0, 0.001)}
        features = features_of_parcels(parcels, sides[fact["lesion_side"]])
        ages = model.predict(features, fact["age"], fact["sex"])
        expected = dict(zip(ages.region_names, ages.pad_corrected_years, strict=True))
        for column, value in row.items():
            if column.startswith("pad_left_") or column.startswith("pad_right_"):
                side, net = column.removeprefix("pad_").split("_")
                wanted = expected[f"{net.upper()}_{'L' if side == 'left' else 'R'}"]
                assert (value == "") == np.isnan(wanted)
                assert value == "" or float(value) == pytest.approx(wanted, rel=1e-4, abs=1e-3)
        ipsi = "left" if fact["lesion_side"] == "L" else "right"
        assert row["pad_ipsi_vis"] == row[f"pad_{ipsi}_vis"]
        assert (row["load_cst"], row["load_ipsi_smn"], row["load_contra_smn"]) == ("0.25", "0.125", "")


def test_broken_people_are_listed_and_the_others_scored(tmp_path):
    facts, thickness_mm, lesioned = people(8)
    facts[1]["age"] = "old"
    facts[2]["lesion_side"] = ""
    thickness_mm[3] *= 1000
    lesioned[4, 0] = 50
    facts[5]["case_id"] = "C0"
    wide_list(tmp_path / "wide.csv", facts, thickness_mm, lesioned)
    summary = process_cohort(tmp_path / "wide.csv", tmp_path / "out", QUIET)
    assert (summary.done, summary.exit_code) == (3, 3)
    words = ["not a number", "no lesion_side", "millimetres", "0 to 1", "already in line 2"]
    reasons = [row["reason"] for row in read_table(tmp_path / "out" / "failed_cases.csv")]
    assert len(reasons) == len(words)
    assert all(word in reason for word, reason in zip(words, reasons, strict=True)), reasons


BREAKS = {
    "not a number": lambda row: row.__setitem__(1, "old"),
    "cells": lambda row: row.__delitem__(slice(40, None)),
    "millimetres": lambda row: row.__setitem__(slice(8, 156), [2500.0] * 148),
    "0 to 1": lambda row: row.__setitem__(-1, 50),
    "already in line": lambda row: row.__setitem__(0, "C0"),
    "sex": lambda row: row.__setitem__(2, "x"),
    "no lesion_side": lambda row: row.__setitem__(4, ""),
    "age": lambda row: row.__setitem__(1, 999),
}


def test_with_5_percent_broken_rows_all_good_ones_are_done_and_the_command_says_so(tmp_path, capsys):
    facts, thickness_mm, lesioned = people(2000)
    rows = [[*fact.values(), *t, *f] for fact, t, f in zip(facts, thickness_mm, lesioned, strict=True)]
    words = list(BREAKS) * 13
    broken = list(range(19, 2000, 20))
    for index, word in zip(broken, words, strict=False):
        BREAKS[word](rows[index])
    write_csv(tmp_path / "all.csv", [*FACTS, *PARCEL_NAMES, *(f"{n}:lesioned_fraction" for n in PARCEL_NAMES)], rows)
    assert main(["batch", str(tmp_path / "all.csv"), "--out", str(tmp_path / "out"), "--workers", "1"]) == 3
    done = [row["case_id"] for row in read_table(tmp_path / "out" / PROCESSED_NAME)]
    assert done == [f"C{index}" for index in range(2000) if index not in set(broken)]
    failed = read_table(tmp_path / "out" / "failed_cases.csv")
    assert [int(row["line"]) for row in failed] == [index + 2 for index in broken]
    assert all(word in row["reason"] for word, row in zip(words, failed, strict=False)), failed[:8]
    assert "100 failed" in capsys.readouterr().out


def test_rows_of_other_cases_stay_and_rows_of_broken_ones_go(tmp_path):
    facts, thickness_mm, lesioned = people(3)
    wide_list(tmp_path / "all.csv", facts, thickness_mm, lesioned)
    process_cohort(tmp_path / "all.csv", tmp_path / "out", QUIET)
    facts[0]["age"] = -1
    wide_list(tmp_path / "two.csv", facts[:2], thickness_mm[:2], lesioned[:2])
    process_cohort(tmp_path / "two.csv", tmp_path / "out", QUIET)
    assert [row["case_id"] for row in read_table(tmp_path / "out" / PROCESSED_NAME)] == ["C1", "C2"]


def test_a_list_without_all_parcels_is_refused_as_a_whole(tmp_path):
    write_csv(tmp_path / "wide.csv", ["case_id", "age", "sex", PARCEL_NAMES[0]], [["a", 50, "F", 2.5]])
    with pytest.raises(InputError, match="and 143 more"):
        process_cohort(tmp_path / "wide.csv", tmp_path / "out", QUIET)


def test_people_are_scored_a_part_at_a_time(tmp_path, monkeypatch):
    facts, thickness_mm, lesioned = people(1200)
    wide_list(tmp_path / "wide.csv", facts, thickness_mm, lesioned)
    sizes = []
    scored = score.Scorer.results
    monkeypatch.setattr(score.Scorer, "results", lambda self, part: sizes.append(len(part)) or scored(self, part))
    summary = process_cohort(tmp_path / "wide.csv", tmp_path / "out", QUIET)
    assert sizes == [500, 500, 200]
    assert summary.done == 1200
