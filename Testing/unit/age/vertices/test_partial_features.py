"""features.npy while it grows: an interrupted run goes on, and ends with the bytes of a run without interruption."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest
from RegionalBrainAgeLib.age.vertices.partial_features import PartialFeatures
from RegionalBrainAgeLib.errors import RegionalBrainAgeError

SHAPE, NAMES = (6, 2), ("thickness", "area")
PEOPLE = [(f"p{number}", f"stamp{number}") for number in range(5)]


def values_of(name: str) -> np.ndarray:
    return np.full(SHAPE, float(name[1:]) + 0.5)


def write(folder, people=PEOPLE, stop_at=None, names=NAMES) -> list[str]:
    """Writes people as the command does; returns whom it had to read. Stops before a person if told to."""
    read = []
    folder.mkdir(exist_ok=True)
    with PartialFeatures(folder, SHAPE, names) as part:
        for name, stamp in people:
            if name == stop_at:
                raise KeyboardInterrupt
            if not part.keeps(name, stamp):
                part.add(name, stamp, values_of(name))
                read.append(name)
        part.finish("".join(f"{name}\n" for name, _ in people))
    return read


def interrupted(folder, stop_at="p3") -> None:
    with pytest.raises(KeyboardInterrupt):
        write(folder, stop_at=stop_at)


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_whole_run_leaves_what_numpy_reads_and_nothing_else(tmp_path):
    write(tmp_path)
    assert set(contents(tmp_path)) == {"features.npy", "people.csv"}
    np.testing.assert_array_equal(np.load(tmp_path / "features.npy"), [values_of(name) for name, _ in PEOPLE])


def test_an_interrupted_run_goes_on_and_ends_with_the_same_bytes(tmp_path):
    write(tmp_path / "whole")
    interrupted(tmp_path / "two")
    assert not (tmp_path / "two" / "features.npy").exists()
    assert write(tmp_path / "two") == ["p3", "p4"]
    assert contents(tmp_path / "two") == contents(tmp_path / "whole")


@pytest.mark.parametrize("torn", ["values", "line", "file"])
def test_what_a_crash_tore_is_read_again(tmp_path, torn):
    """Half a person in the file; half a line in the list; a list that promises more than the file holds."""
    write(tmp_path / "whole")
    folder = tmp_path / "torn"
    interrupted(folder)
    part, lines = folder / "features.part.npy", folder / "features.part.jsonl"
    if torn == "values":
        part.write_bytes(part.read_bytes() + b"half a person")
    if torn == "line":
        lines.write_text(lines.read_text()[:-4])
    if torn == "file":
        part.write_bytes(part.read_bytes()[:-4])
    assert write(folder) == (["p3", "p4"] if torn == "values" else ["p2", "p3", "p4"])
    assert contents(folder) == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("people", "read"),
    [
        ([("p0", "stamp0"), ("p1", "newer"), *PEOPLE[2:]], ["p1", "p2", "p3", "p4"]),
        (PEOPLE[1:], ["p1", "p2", "p3", "p4"]),
        (PEOPLE[:2], []),
    ],
    ids=["changed files", "another first person", "fewer people"],
)
def test_after_a_change_of_the_input_the_end_is_that_of_a_new_run(tmp_path, people, read):
    write(tmp_path / "new", people)
    interrupted(tmp_path / "old")
    assert write(tmp_path / "old", people) == read
    assert contents(tmp_path / "old") == contents(tmp_path / "new")


def test_other_features_begin_anew(tmp_path):
    interrupted(tmp_path / "f")
    assert write(tmp_path / "f", names=("thickness", "curv")) == [name for name, _ in PEOPLE]


def test_a_full_disk_is_an_error_that_says_what_to_do_and_loses_nobody(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        calls = iter(range(100))
        real = os.fsync

        def full(handle):
            if next(calls) == 6:  # the list once, two for each person: the third person's values
                raise OSError(errno.ENOSPC, "No space left on device")
            real(handle)

        patch.setattr(os, "fsync", full)
        with pytest.raises(RegionalBrainAgeError, match=r"No space left.*goes on from here"):
            write(tmp_path / "f")
    assert write(tmp_path / "f")[-2:] == ["p3", "p4"]
    np.testing.assert_array_equal(np.load(tmp_path / "f" / "features.npy")[:, 0, 0], [0.5, 1.5, 2.5, 3.5, 4.5])


def test_two_runs_do_not_write_into_one_folder(tmp_path):
    with PartialFeatures(tmp_path, SHAPE, NAMES), pytest.raises(RegionalBrainAgeError, match="another process"):
        write(tmp_path)
