"""Tables as people save them: separators, encodings, quotes, spreadsheets; every row that cannot be used says why."""

from __future__ import annotations

import json

import pytest
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.tables import cell, open_table, read_table, sidecar_text, table_text, write_table


def saved(tmp_path, content: str | bytes, encoding: str = "utf-8"):
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_whatever_separates_cells_and_lines_the_rows_are_the_same(tmp_path, separator, end):
    path = saved(tmp_path, end.join([separator.join("abc"), separator.join("123"), "", separator.join("456"), ""]))
    assert read_table(path) == [{"a": "1", "b": "2", "c": "3"}, {"a": "4", "b": "5", "c": "6"}]
    assert open_table(path).separator == separator


def test_the_separator_the_header_has_most_of_is_used(tmp_path):
    assert open_table(saved(tmp_path, "a;b;c,d\n")).header == ("a", "b", "c,d")
    assert open_table(saved(tmp_path, "a,b,c;d\n")).header == ("a", "b", "c;d")


def test_a_first_line_that_names_the_separator_is_no_header(tmp_path):
    table = open_table(saved(tmp_path, "sep=;\na;b\n1;2\n"))
    assert table.header == ("a", "b")
    assert [(row.line, row.cells) for row in table.rows()] == [(3, {"a": "1", "b": "2"})]
    assert open_table(saved(tmp_path, "SEP=,\na,b;c\n")).header == ("a", "b;c")
    assert open_table(saved(tmp_path, "sep=\na\tb,c\n")).header == ("a", "b,c")
    assert open_table(saved(tmp_path, "sep=long,b\n1,2\n")).header == ("sep=long", "b")


@pytest.mark.parametrize(
    ("encoding", "notes"), [("utf-8", 0), ("utf-8-sig", 0), ("utf-16", 0), ("utf-16-le", None), ("cp1252", 1)]
)
def test_every_encoding_gives_the_same_letters_and_a_guess_is_said(tmp_path, encoding, notes):
    mark = b"\xff\xfe" if encoding == "utf-16-le" else b""
    table = open_table(saved(tmp_path, mark + "name,site\nMüller,Köln\n".encode(encoding)))
    assert [row.cells for row in table.rows()] == [{"name": "Müller", "site": "Köln"}]
    assert table.header == ("name", "site")
    assert len(table.notes) == (notes or 0)
    assert all("t.csv" in note and "1252" in note for note in table.notes)


def test_blank_lines_count_as_lines_and_rows_of_separators_are_no_rows(tmp_path):
    table = open_table(saved(tmp_path, '\n,,\na,b\n\n1,2\n,\n" ",""\n3,4\n'))
    assert [(row.line, row.cells["a"], row.fault) for row in table.rows()] == [(5, "1", None), (8, "3", None)]


def test_empty_columns_at_the_end_are_dropped_those_between_are_kept(tmp_path):
    table = open_table(saved(tmp_path, "a,,b,,\n1,2,3,,\n"))
    assert table.header == ("a", "", "b")
    assert next(table.rows()).cells == {"a": "1", "": "2", "b": "3"}


def test_a_row_of_another_width_has_a_fault_and_the_rows_around_it_have_none(tmp_path):
    table = open_table(saved(tmp_path, "a,b\n1,2\n1\n1,2,3\n1,2,\n5,6\n"))
    rows = list(table.rows())
    assert [row.fault is None for row in rows] == [True, False, False, True, True]
    assert "Line 3 of" in rows[1].fault.what
    assert "has 1 cells, the header has 2" in rows[1].fault.what
    assert "Decimal commas" not in rows[1].fault.remedy
    assert "Decimal commas" in rows[2].fault.remedy
    assert rows[1].cells == {"a": "1"}
    with pytest.raises(InputError, match="Line 3"):
        read_table(table.path)


def test_decimal_commas_are_only_suspected_where_commas_separate(tmp_path):
    rows = list(open_table(saved(tmp_path, "a;b\n1;2;3\n")).rows())
    assert "Decimal commas" not in rows[0].fault.remedy


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ('"x, y",2', ("x, y", "2")),
        ('"say ""hi""",2', ('say "hi"', "2")),
        (" 1 ,\u00a02\u00a0", ("1", "2")),
        ("'=1+1,'-x", ("=1+1", "-x")),
        ("'quoted,o'clock", ("'quoted", "o'clock")),
        ("'@a,'+1", ("@a", "+1")),
    ],
)
def test_cells_are_read_as_they_were_meant(tmp_path, line, cells):
    assert tuple(read_table(saved(tmp_path, f"a,b\n{line}\n"))[0].values()) == cells


def test_a_quote_that_is_not_closed_is_refused_with_its_line(tmp_path):
    with pytest.raises(InputError, match=r"Line 3 of .* double quote"):
        list(open_table(saved(tmp_path, 'a,b\n1,2\n"1,2\n3,4"\n')).rows())
    with pytest.raises(InputError, match=r"Line 1 of .* double quote"):
        open_table(saved(tmp_path, 'a,"b\n1,2\n'))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n , \n", "is empty"),
        (b"sep=;\n", "is empty"),
        (b"PK\x03\x04rest", "spreadsheet"),
        (b"\xd0\xcf\x11\xe0rest", "spreadsheet"),
        (b"a,b\n1,\x002\n", "no text file"),
        (b"a,b\n1,\x1f2\n", "no text file"),
        (b"a,b,a\n", "the column a twice"),
        (b"a," + b"x" * 131_073 + b"\n", "double quote|too large|field"),
        (b"x" * 10_000_001, "endless"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content, said):
    with pytest.raises(InputError, match=said):
        open_table(saved(tmp_path, content))


def test_nameless_columns_may_be_several(tmp_path):
    assert open_table(saved(tmp_path, "a,,,b\n1,2,3,4\n")).header == ("a", "", "", "b")


def test_of_nameless_columns_the_first_counts(tmp_path):
    assert read_table(saved(tmp_path, ",a,,b\n1,2,3,4\n")) == [{"": "1", "a": "2", "b": "4"}]


def test_a_cell_that_is_too_long_costs_its_row(tmp_path):
    long, fits = "x" * 131_072, "x" * 131_000
    rows = list(
        open_table(saved(tmp_path, f"a,b\n1,{long}\n2,{fits}\n3,{fits[:70_000]}-{fits[:70_000]}\n4,5\n")).rows()
    )
    assert ["too long" in (row.fault.what if row.fault else "") for row in rows] == [True, False, True, False]
    assert "Line 2" in rows[0].fault.what
    assert rows[0].cells == {}


def test_a_character_cut_in_two_costs_its_row_in_utf_16(tmp_path):
    content = "a,b\n1,2\n3,4".encode("utf-16")
    rows = list(open_table(saved(tmp_path, content[:-1])).rows())
    assert rows[0].fault is None
    assert "Line 3" in rows[1].fault.what
    assert "cut off" in rows[1].fault.what


def test_a_byte_that_is_no_character_costs_its_row_in_windows_text(tmp_path):
    rows = list(open_table(saved(tmp_path, b"name,site\nM\xfcller,a\nA\x81B,a\n")).rows())
    assert (rows[0].cells["name"], rows[0].fault) == ("Müller", None)
    assert "Line 3" in rows[1].fault.what


def test_a_guessed_encoding_is_logged_where_a_whole_table_is_read(tmp_path, caplog):
    caplog.set_level("INFO")
    read_table(saved(tmp_path, "name\nMüller\n", "cp1252"))
    assert "t.csv is not UTF-8; it was read as Windows (1252) text." in caplog.messages


def test_a_table_may_have_a_name_of_its_own_in_messages(tmp_path):
    with pytest.raises(InputError, match=r"^The list of cases is empty"):
        open_table(saved(tmp_path, ""), "The list of cases")
    with pytest.raises(InputError, match=r"^The table .*t\.csv is empty"):
        open_table(saved(tmp_path, ""))


# --- writing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "n/a"),
        ("", "n/a"),
        (float("nan"), "n/a"),
        (float("inf"), "n/a"),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (1 / 3, "0.333333"),
        (1234567.0, "1.23457e+06"),
        (-0.5, "-0.5"),
        ("a\tb\nc", "a b c"),
        ("a\rb", "a b"),
        ("two  blanks", "two  blanks"),
        ("=1", "'=1"),
        ("+1", "'+1"),
        ("@x", "'@x"),
        ("-x", "'-x"),
        ("-1.5", "-1.5"),
        ("-1e-05", "-1e-05"),
        ("-1.5.2", "'-1.5.2"),
        ("plain", "plain"),
    ],
)
def test_a_value_as_a_cell(value, text):
    assert cell(value) == text


def test_numbers_of_arrays_are_numbers():
    import numpy as np

    assert [cell(np.float64(0.25)), cell(np.int64(4)), cell(np.bool_(True)), cell(np.float32("nan"), "")] == [
        "0.25", "4", "true", "",
    ]  # fmt: skip


def test_rows_are_written_with_absent_values_as_each_kind_of_file_has_them():
    rows = [{"a": 1, "b": "x, y"}, {"b": None}]
    assert table_text(rows, ["a", "b"]) == "a\tb\n1\tx, y\nn/a\tn/a\n"
    assert table_text(rows, ["a", "b"], csv_file=True) == 'a,b\n1,"x, y"\n,\n'
    with pytest.raises(ValueError, match="'c'"):
        table_text([{"a": 1, "c": 2}], ["a", "b"])


def test_a_written_table_comes_back_and_its_sidecar_says_what_it_holds(tmp_path):
    meanings = {"age": ("At the scan.", "years"), "site": ("Where.", None)}
    write_table(tmp_path / "t.tsv", [{"age": 60.5, "site": "=A"}], meanings)
    assert read_table(tmp_path / "t.tsv") == [{"age": "60.5", "site": "=A"}]
    described = {"age": {"Description": "At the scan.", "Units": "years"}, "site": {"Description": "Where."}}
    assert json.loads((tmp_path / "t.json").read_text(encoding="utf-8")) == described
    assert sidecar_text(meanings).endswith("}\n")
