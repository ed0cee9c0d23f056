"""The tables of a case: header, cells, and appending under concurrency and crashes."""

from __future__ import annotations

import csv
import multiprocessing
import os
import signal
import time

import pytest
from RegionalBrainAgeLib.case.result import tables as table
from RegionalBrainAgeLib.errors import InputError, RegionalBrainAgeError
from RegionalBrainAgeLib.files import tables

NETWORKS = ["smn", "fpn"]


def row(case_id: str, **values) -> dict:
    return dict.fromkeys(table.processed_columns(NETWORKS)) | {"case_id": case_id, **values}


def test_the_header_of_processed_cases_is_the_documented_one():
    documented = (
        "case_id site age sex lesion_side days_post_stroke lesion_volume_ml "
        "pad_ipsi_smn pad_ipsi_fpn pad_contra_smn pad_contra_fpn "
        "load_ipsi_smn load_ipsi_fpn load_contra_smn load_contra_fpn load_cst load_cst_weighted "
        "pad_left_smn pad_left_fpn pad_right_smn pad_right_fpn pad_global motor calibrated qc model version simulated "
        "thickness_ipsi_smn thickness_ipsi_fpn thickness_contra_smn thickness_contra_fpn"
    )
    assert " ".join(table.processed_columns(["smn", "fpn"])) == documented


def test_a_row_joins_a_table_that_cannot_say_what_is_simulated(tmp_path):
    columns = [column for column in table.processed_columns(NETWORKS) if column not in ("pad_global", "simulated")]
    path = tmp_path / "processed_cases.csv"
    path.write_text(",".join(columns) + "\n" + ",".join(["old", *[""] * (len(columns) - 1)]) + "\n", encoding="utf-8")
    table.append_case(path, row("new", simulated="lesion"))
    old, new = tables.read_table(path)
    assert list(old) == table.processed_columns(NETWORKS)
    assert (old["simulated"], new["simulated"]) == ("", "lesion")


def test_columns_that_a_user_added_stay_with_their_cases(tmp_path):
    path = tmp_path / "processed_cases.csv"
    table.append_cases(path, [row("a"), row("b")])
    lines = path.read_text(encoding="utf-8").splitlines()
    added = ["control", "yes", "no"]
    path.write_text("".join(f"{line},{cell}\n" for line, cell in zip(lines, added, strict=True)), encoding="utf-8")
    table.append_cases(path, [row("b", site="x"), row("c")])
    found = [(line["case_id"], line["site"], line["control"]) for line in tables.read_table(path)]
    assert found == [("a", "", "yes"), ("b", "x", "no"), ("c", "", "")]
    with pytest.raises(InputError, match="another region scheme"):
        table.append_case(path, dict.fromkeys(table.processed_columns(["other"])) | {"case_id": "d"})


def test_networks_of_any_scheme_are_read_from_the_header():
    header = table.processed_columns(["cst_hand", "zz", "a"])
    assert table.networks_of(header) == ["cst_hand", "zz", "a"]


def test_every_column_of_every_table_says_what_it_means():
    meanings = table.describe_processed(NETWORKS)
    assert list(meanings) == table.processed_columns(NETWORKS)
    for text, _ in [*meanings.values(), *table.REGION_COLUMNS.values(), *table.PARCEL_COLUMNS.values()]:
        assert text.endswith(".")
    assert "{" not in tables.sidecar_text(meanings).replace("{\n", "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-cmd", "@SUM(A1)", "\t=1"])
def test_text_that_a_spreadsheet_would_run_is_neutral(text):
    assert not tables.cell(text).startswith(("=", "+", "-", "@", "\t"))


def test_numbers_keep_their_sign_and_absent_values_are_said_to_be_absent():
    assert [tables.cell(v) for v in (-1.25, float("nan"), None, "", True, 3)] == [
        "-1.25",
        "n/a",
        "n/a",
        "n/a",
        "true",
        "3",
    ]


def test_a_table_survives_writing_and_reading_with_commas_quotes_and_letters_of_any_language(tmp_path):
    path = tmp_path / "processed_cases.csv"
    table.append_case(path, row("a", site='Zürich, "Süd" 東', age=63.5))
    assert tables.read_table(path)[0]["site"] == 'Zürich, "Süd" 東'
    with path.open(encoding="utf-8", newline="") as stream:  # the standard reader agrees
        assert next(csv.DictReader(stream))["age"] == "63.5"


def test_a_case_processed_again_replaces_its_row_in_place(tmp_path):
    path = tmp_path / "processed_cases.csv"
    for case_id, age in [("a", 1), ("b", 2), ("a", 3)]:
        table.append_case(path, row(case_id, age=age))
    assert [(r["case_id"], r["age"]) for r in tables.read_table(path)] == [("a", "3"), ("b", "2")]


def test_rows_in_place_are_kept_as_they_are(tmp_path):
    path = tmp_path / "processed_cases.csv"
    table.append_case(path, row("a", site="=1+1", pad_left_smn=-1.25, load_cst=1e-7))
    before = tables.read_table(path)[0]
    table.append_case(path, row("b"))
    assert tables.read_table(path)[0] == before
    assert before["pad_left_smn"] == "-1.25"


def test_a_table_of_another_scheme_is_not_mixed(tmp_path):
    path = tmp_path / "processed_cases.csv"
    table.append_case(path, row("a"))
    other = dict.fromkeys(table.processed_columns(["vis"])) | {"case_id": "b"}
    with pytest.raises(InputError, match="other columns"):
        table.append_case(path, other)
    assert len(tables.read_table(path)) == 1


def test_a_table_from_before_the_thickness_columns_is_carried_on(tmp_path):
    path = tmp_path / "processed_cases.csv"
    old = {name: value for name, value in row("a", age=63).items() if not name.startswith("thickness_")}
    table.append_case(path, old)
    table.append_case(path, row("b", thickness_ipsi_smn=2.5))
    first, second = tables.read_table(path)
    assert (first["age"], first["thickness_ipsi_smn"], second["thickness_ipsi_smn"]) == ("63", "", "2.5")


def test_a_torn_table_is_refused_not_extended(tmp_path):
    path = tmp_path / "processed_cases.csv"
    path.write_text("case_id,site,age\na,b\n", encoding="utf-8")
    with pytest.raises(InputError, match="Line 2"):
        table.append_case(path, row("a"))


def test_nothing_but_the_table_is_left_behind(tmp_path):
    path = tmp_path / "processed_cases.csv"
    (tmp_path / ".processed_cases.csv.dead.tmp").write_text("left by a crash", encoding="utf-8")
    table.append_case(path, row("a"))
    assert os.listdir(tmp_path) == ["processed_cases.csv"]


def test_a_folder_that_does_not_exist_gives_a_remedy(tmp_path):
    with pytest.raises(RegionalBrainAgeError, match="Choose a folder"):
        table.append_case(tmp_path / "absent" / "processed_cases.csv", row("a"))


def append_many(path, prefix, count):
    for number in range(count):
        table.append_case(path, row(f"{prefix}{number}", age=number))


@pytest.mark.slow
def test_two_processes_append_400_rows_and_no_reader_sees_part_of_the_table(tmp_path):
    """`read_table` refuses a torn row; here every table read on the way must be whole, and grow."""
    path = tmp_path / "processed_cases.csv"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=append_many, args=(path, prefix, 200)) for prefix in "ab"]
    for writer in writers:
        writer.start()
    sizes = []
    while any(writer.is_alive() for writer in writers):
        rows = tables.read_table(path) if path.exists() else []
        for prefix in "ab":
            numbers = [int(r["age"]) for r in rows if r["case_id"].startswith(prefix)]
            assert numbers == list(range(len(numbers)))
        sizes.append(len(rows))
        time.sleep(0.05)
    assert sizes == sorted(sizes)
    assert {r["case_id"] for r in tables.read_table(path)} == {f"{p}{n}" for p in "ab" for n in range(200)}
    assert os.listdir(tmp_path) == ["processed_cases.csv"]


def test_a_writer_killed_at_any_moment_leaves_a_whole_table_and_no_lock(tmp_path):
    path = tmp_path / "processed_cases.csv"
    context = multiprocessing.get_context("fork")
    for attempt in range(10):
        writer = context.Process(target=append_many, args=(path, f"k{attempt}x", 10_000))
        writer.start()
        time.sleep(0.03 + 0.007 * attempt)
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        rows = tables.read_table(path) if path.exists() else []
        numbers = [int(r["case_id"].split("x")[1]) for r in rows if r["case_id"].startswith(f"k{attempt}x")]
        assert numbers == list(range(len(numbers)))
    table.append_case(path, row("after"))
    assert os.listdir(tmp_path) == ["processed_cases.csv"]


def test_a_negative_number_stays_the_same_when_another_case_is_added(tmp_path):
    path = tmp_path / table.PROCESSED_NAME
    for case_id in ("a", "b", "c"):
        table.append_case(path, row(case_id, pad_left_smn=-1.25, pad_right_smn=-1e-05))
    rows = tables.read_table(path)
    assert [found["pad_left_smn"] for found in rows] == ["-1.25"] * 3
    assert [found["pad_right_smn"] for found in rows] == ["-1e-05"] * 3
