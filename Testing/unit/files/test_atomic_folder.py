"""A case's folder appears whole or not at all, whatever happens in between."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest
from RegionalBrainAgeLib.case.steps import EXPECTED_SECONDS, Steps
from RegionalBrainAgeLib.errors import Cancelled, InputError, RegionalBrainAgeError
from RegionalBrainAgeLib.files import atomic_folder as output
from RegionalBrainAgeLib.files.atomic_folder import case_folder, check_own, staged_results


def test_a_finished_folder_appears_under_its_name_and_nothing_else_is_left(tmp_path):
    with case_folder(tmp_path / "new" / "out", "sub-1") as folder:
        (folder / "a").write_text("whole", encoding="utf-8")
        assert not (tmp_path / "new" / "out" / "sub-1").exists()
    assert os.listdir(tmp_path / "new" / "out") == ["sub-1"]
    assert (tmp_path / "new" / "out" / "sub-1" / "a").read_text(encoding="utf-8") == "whole"


def _fail_midway(out_dir, error):
    with case_folder(out_dir, "sub-1") as folder:
        (folder / "a").write_text("half", encoding="utf-8")
        raise error


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()])
def test_an_error_leaves_nothing(tmp_path, error):
    with pytest.raises(type(error)):
        _fail_midway(tmp_path / "new", error)
    assert os.listdir(tmp_path) == []


def test_an_existing_folder_is_refused_with_a_remedy_and_untouched(tmp_path):
    (tmp_path / "sub-1").mkdir()
    (tmp_path / "sub-1" / "kept").touch()
    with pytest.raises(InputError, match="--overwrite"), case_folder(tmp_path, "sub-1"):
        pass
    assert os.listdir(tmp_path / "sub-1") == ["kept"]


def test_overwriting_replaces_the_folder_and_an_error_keeps_the_old_one(tmp_path):
    (tmp_path / "sub-1").mkdir()
    (tmp_path / "sub-1" / "old").touch()
    with pytest.raises(ValueError), case_folder(tmp_path, "sub-1", overwrite=True):
        raise ValueError
    assert os.listdir(tmp_path / "sub-1") == ["old"]
    with case_folder(tmp_path, "sub-1", overwrite=True) as folder:
        (folder / "new").touch()
    assert os.listdir(tmp_path / "sub-1") == ["new"]
    assert os.listdir(tmp_path) == ["sub-1"]


def test_the_old_folder_is_there_again_where_the_new_one_could_not_take_its_place(tmp_path, monkeypatch):
    (tmp_path / "sub-1").mkdir()
    (tmp_path / "sub-1" / "old").touch()
    rename = os.replace

    def refused(source, target):
        if ".partial-" in str(source):
            raise PermissionError(13, "in use")
        rename(source, target)

    monkeypatch.setattr(output.os, "replace", refused)
    with pytest.raises(PermissionError), case_folder(tmp_path, "sub-1", overwrite=True) as folder:
        (folder / "new").touch()
    assert os.listdir(tmp_path) == ["sub-1"]
    assert os.listdir(tmp_path / "sub-1") == ["old"]


def test_the_same_case_is_not_processed_twice_at_once(tmp_path):
    with (
        case_folder(tmp_path, "sub-1"),
        pytest.raises(RegionalBrainAgeError, match="another process"),
        case_folder(tmp_path, "sub-1"),
    ):
        pass
    assert os.listdir(tmp_path) == ["sub-1"]


def _work_forever(out_dir):
    with case_folder(out_dir, "sub-1") as folder:
        (folder / "half").touch()
        time.sleep(60)


def test_after_a_kill_nothing_looks_whole_and_the_next_run_tidies_up(tmp_path):
    worker = multiprocessing.get_context("fork").Process(target=_work_forever, args=(tmp_path,))
    worker.start()
    while not list(tmp_path.glob(".sub-1.partial-*/half")):
        time.sleep(0.01)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    assert [name for name in os.listdir(tmp_path) if not name.startswith(".")] == []
    with case_folder(tmp_path, "sub-1"):
        pass
    assert os.listdir(tmp_path) == ["sub-1"]


def test_a_folder_moved_aside_by_a_killed_run_comes_back(tmp_path):
    (tmp_path / ".sub-1.replaced").mkdir()
    (tmp_path / ".sub-1.replaced" / "old").touch()
    with pytest.raises(InputError, match="exists"), case_folder(tmp_path, "sub-1"):
        pass
    assert os.listdir(tmp_path / "sub-1") == ["old"]


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_an_unusable_output_folder_is_named_with_a_remedy(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file.*Choose a folder"), case_folder(tmp_path / place, "sub-1"):
        pass


def test_a_read_only_output_folder_is_named_with_a_remedy(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(output.tempfile, "TemporaryFile", refuse)  # root may write anywhere, so the refusal is made
    with pytest.raises(InputError, match="Permission denied"), case_folder(tmp_path, "sub-1"):
        pass


def test_a_nearly_full_disk_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(output.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 5 * 2**20})())
    with pytest.raises(InputError, match="5 MB"), case_folder(tmp_path, "sub-1"):
        pass
    assert os.listdir(tmp_path) == []


LAST = ("report", "whole")


def _write_results(out_dir, *names):
    with staged_results(out_dir, LAST) as folder:
        for name in (*names, *LAST):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(" ".join(names), encoding="utf-8")


def _seen(out_dir):
    files = [path for path in out_dir.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(out_dir).as_posix() for path in files}


def test_results_replace_those_of_the_run_before_and_leave_what_is_the_users(tmp_path):
    (tmp_path / "figures").mkdir()
    for name in ("figures/mine.svg", "notes"):
        (tmp_path / name).write_text("mine", encoding="utf-8")
    _write_results(tmp_path, "figures/a.svg", "figures/b.svg", "table")
    _write_results(tmp_path, "figures/b.svg", "other")
    assert _seen(tmp_path) == {"figures/mine.svg", "notes", "figures/b.svg", "other", *LAST}
    assert (tmp_path / "figures" / "mine.svg").read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "figures" / "b.svg").read_text(encoding="utf-8") == "figures/b.svg other"


@pytest.mark.parametrize("name", ["report", "whole", "figures/b.svg"])
def test_a_file_of_the_users_with_the_name_of_a_result_is_refused_and_stays(tmp_path, name):
    _write_results(tmp_path / "other", "figures/b.svg")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=f"holds a file {name} that no earlier run wrote"):
        _write_results(tmp_path, "figures/b.svg")
    with pytest.raises(InputError, match="Choose another output folder"):
        check_own(tmp_path, LAST, ["figures/b.svg"])
    check_own(tmp_path / "other", LAST, ["figures/b.svg"])
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"
    assert _seen(tmp_path) == {name, *(f"other/{mine}" for mine in ("figures/b.svg", *LAST))}


def test_a_run_killed_while_its_files_move_leaves_what_the_next_one_replaces(tmp_path, monkeypatch):
    _write_results(tmp_path, "a", "b")
    rename, moved = os.replace, []

    def killed_at_the_third(source, target):
        moved.append(target)
        if len(moved) == 3:
            raise KeyboardInterrupt
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(output.os, "replace", killed_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            _write_results(tmp_path, "b", "c", "d")
    assert not _seen(tmp_path) & set(LAST)
    _write_results(tmp_path, "e")
    assert _seen(tmp_path) == {"e", *LAST}


def test_a_list_of_files_never_leads_out_of_the_folder(tmp_path):
    outside = tmp_path / "precious"
    outside.write_text("mine", encoding="utf-8")
    _write_results(tmp_path / "out", "a")
    (tmp_path / "out" / ".whole.files").write_text(f"a\nwhole\nreport\n../precious\n{outside}", encoding="utf-8")
    _write_results(tmp_path / "out", "b")
    assert outside.read_text(encoding="utf-8") == "mine"


def test_progress_rises_from_zero_to_one_and_every_step_is_timed():
    told = []
    steps = Steps(lambda step, fraction: told.append((step, fraction)))
    for name in EXPECTED_SECONDS:
        with steps.step(name):
            pass
    steps.finish()
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert list(steps.seconds) == list(EXPECTED_SECONDS)


def test_a_cancelled_step_does_not_begin():
    steps = Steps(cancelled=lambda: True)
    begun = False
    with pytest.raises(Cancelled), steps.step("read"):
        begun = True
    assert not begun
